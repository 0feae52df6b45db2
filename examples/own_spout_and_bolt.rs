//! A spout and a bolt of one's own, and a second stream for what does not fit.
//!
//! The spout counts upwards. The bolt splits numbers into those that are prime, on its main
//! stream, and the rest, on a stream called `composite`.
//!
//! `cargo run --example own_spout_and_bolt`

use std::error::Error;

use squall::testing::Collected;
use squall::topology::StreamPlan;
use squall::{
    Bolt, Context, Next, Out, Result, RunOptions, Spout, SpoutOut, Topology, Tuple,
    stream::{Port, Streams},
};

#[derive(Tuple, Clone, Debug, PartialEq)]
struct Number {
    value: u64,
}

#[derive(Tuple, Clone, Debug, PartialEq)]
struct Composite {
    value: u64,
    divisor: u64,
}

/// Emits the numbers from 2 to a limit, dealt to its tasks.
struct Numbers {
    next: u64,
    step: u64,
    limit: u64,
}

impl Numbers {
    fn up_to(limit: u64) -> Self {
        Self {
            next: 2,
            step: 1,
            limit,
        }
    }
}

impl Spout for Numbers {
    type Output = Number;

    /// Called once: each task learns who it is, and takes its share.
    fn open(&mut self, context: &Context, _: &mut SpoutOut<Number>) -> Result {
        self.next += context.task as u64;
        self.step = context.parallelism as u64;
        Ok(())
    }

    /// Called again and again: emit a little and return. It must not wait for input; a spout
    /// that has none says `Next::Idle` or `Next::After(..)`.
    fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
        if self.next > self.limit {
            return Ok(Next::End);
        }
        out.emit(Number { value: self.next });
        self.next += self.step;
        Ok(Next::More)
    }
}

/// Splits numbers into primes and the rest.
struct Sieve;

impl Sieve {
    /// The second of its streams, by name.
    const COMPOSITE: Port<Self, 1> = Port::named("composite");
}

impl Bolt for Sieve {
    type Input = Number;
    // Two streams: two tuple types.
    type Output = (Number, Composite);

    fn execute(&mut self, number: &Number, out: &mut Out<Self::Output>) -> Result {
        let value = number.value;
        let mut divisors = 2..=value.isqrt();
        match divisors.find(|divisor| value.is_multiple_of(*divisor)) {
            None => out.emit(Number { value }),
            Some(divisor) => out.emit_to(Self::COMPOSITE, Composite { value, divisor }),
        }
        Ok(())
    }

    fn streams(&self) -> Vec<StreamPlan> {
        Self::Output::named(&["default", Self::COMPOSITE.name()])
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let topology = Topology::named("primes");
    let numbers = topology
        .spout("numbers", || Numbers::up_to(30))
        .parallelism(2);
    let sieve = topology
        .bolt("sieve", || Sieve)
        .parallelism(2)
        .shuffle_grouping(&numbers);

    // `Collected` is a sink that keeps what it gets, for tests and examples.
    let primes = Collected::of(&topology, "primes", &sieve);
    let composites = Collected::of(&topology, "composites", &sieve.stream(Sieve::COMPOSITE));
    topology.run(RunOptions::default())?;

    // Tasks work at the same time, so the order between them is open.
    let mut primes: Vec<u64> = primes.take().iter().map(|number| number.value).collect();
    primes.sort_unstable();
    println!("primes: {primes:?}");
    let mut composites = composites.take();
    composites.sort_unstable_by_key(|composite| composite.value);
    for Composite { value, divisor } in composites.iter().take(3) {
        println!("{value} = {divisor} * {}", value / divisor);
    }
    Ok(())
}

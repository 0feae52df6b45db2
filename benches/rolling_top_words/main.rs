//! The main job, measured: the top 100 of ten million words in windows of 60 s that slide by
//! 10 s, by squall, by hand-written programs and by other libraries, each on two cores.
//!
//! `cargo bench -p squall-bench --bench rolling_top_words -- [--rounds N] [--seconds N]
//! [--words N] [--only NAME,NAME] [--speed-only] [--durable-only] [--keys N]`: 5 rounds, in each
//! of which every program repeats the words so often that it runs for 5 s. At the end the job
//! with a store beside the same without: 3 rounds of 7 s, with 100 thousand different words
//! and with 10 million. Every ranking of every round is compared with a straightforward
//! answer. Nothing is asserted about time.
//!
//! The memory of a program is measured in a process of its own, on the system's allocator
//! (`on_system_allocator.rs`); `--resident NAME` prints it on that of the command.
//!
//! The other libraries are behind the feature `rivals`, which is on by default.
// Numbers of words, milliseconds and panes are far within the types' ranges.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod best_hand_written;
mod compare;
mod durable;
mod epochs;
mod hand_written;
mod hand_written_combined;
mod job;
mod latency;
mod memory;
mod process;
mod programs;
mod resident;
#[cfg(feature = "rivals")]
mod rivals;
mod straightforward;
mod topology;
mod words;

use compare::Rounds;
use job::{BATCH, SLIDE_MS, TASKS, TOP, WINDOW_MS};
use programs::PROGRAMS;
use squall::millis;
use straightforward::Answer;
use words::Words;

/// All programs on the allocator that the command uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Arguments {
    rounds: Option<usize>,
    seconds: Option<f64>,
    words: usize,
    /// The different words of the larger job with a store.
    keys: usize,
    /// Leaves epochs, latency and durability out; of durability all but the speed.
    speed_only: bool,
    /// Leaves all out but durability.
    durable_only: bool,
    /// Prints how late rankings come at so many million words a second, and nothing else: two
    /// builds are to be compared at one rate, not each at a part of its own speed.
    latency: Option<f64>,
    /// The names of the programs that run; all if there are none. Durability is left out then.
    only: Vec<String>,
    /// Prints the memory that this program needs, and nothing else.
    resident: Option<String>,
}

impl Arguments {
    fn read() -> Self {
        let mut arguments = Self {
            rounds: None,
            seconds: None,
            words: 10_000_000,
            keys: 10_000_000,
            speed_only: false,
            durable_only: false,
            latency: None,
            only: Vec::new(),
            resident: None,
        };
        let mut given = std::env::args().skip(1);
        while let Some(name) = given.next() {
            let mut number = || -> f64 {
                let value = given.next().and_then(|value| value.parse().ok());
                value.unwrap_or_else(|| panic!("{name} needs a number"))
            };
            match name.as_str() {
                "--rounds" => arguments.rounds = Some((number() as usize).max(1)),
                "--seconds" => arguments.seconds = Some(number()),
                "--words" => arguments.words = number() as usize,
                "--keys" => arguments.keys = number() as usize,
                "--latency" => arguments.latency = Some(number()),
                "--only" => arguments.only = names(given.next()),
                "--durable-only" => arguments.durable_only = true,
                "--speed-only" => arguments.speed_only = true,
                resident::ARGUMENT => arguments.resident = given.next(),
                // Cargo says so.
                "--bench" => {}
                _ => panic!(
                    "{name}: give --rounds, --seconds, --words, --keys, --only, \
                     --latency, --speed-only or --durable-only"
                ),
            }
        }
        // A repetition spans whole slides (three of them are half a million words) and at
        // least one window.
        arguments.words = arguments.words.next_multiple_of(500_000).max(1_000_000);
        arguments.keys = arguments.keys.max(10_000);
        arguments
    }
}

/// Names of programs, separated by commas.
fn names(list: Option<String>) -> Vec<String> {
    let known = || PROGRAMS.iter().map(|program| program.name);
    let list = list.unwrap_or_default();
    let names: Vec<_> = list.split(',').map(String::from).collect();
    if let Some(unknown) = names
        .iter()
        .find(|name| !known().any(|known| known == *name))
    {
        let known: Vec<_> = known().collect();
        panic!(
            "--only needs names out of {}, not {unknown:?}",
            known.join(",")
        );
    }
    names
}

/// Least, median and greatest.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    };
    (sorted[0], median, sorted[sorted.len() - 1])
}

fn main() {
    let arguments = Arguments::read();
    if let Some(program) = &arguments.resident {
        return resident::print(program);
    }
    // The threads of the topology keep a reference until the process ends.
    let words: &'static Words = Box::leak(Box::new(Words::generate(arguments.words)));
    if let Some(rate) = arguments.latency {
        return latency::print(words, rate * 1e6);
    }
    let answer = Answer::count(words);
    if !arguments.durable_only {
        compare(words, &answer, &arguments);
    }
    if arguments.only.is_empty() && (!arguments.speed_only || arguments.durable_only) {
        let arguments = durable::Arguments {
            rounds: arguments.rounds.unwrap_or(3),
            seconds: arguments.seconds.unwrap_or(7.0),
            keys: arguments.keys,
            speed_only: arguments.speed_only,
        };
        durable::print(words, &answer, &arguments);
    }
}

/// The programs beside one another; then what epochs cost, and the delay of rankings.
fn compare(words: &'static Words, answer: &Answer, arguments: &Arguments) {
    let rounds = Rounds {
        words,
        answer,
        rounds: arguments.rounds.unwrap_or(5),
        seconds: arguments.seconds.unwrap_or(5.0),
        only: &arguments.only,
    };
    println!("{} words, {} rounds", words.len(), rounds.rounds);
    let records = rounds.run();
    if let Some(speed) = records.speed(programs::SQUALL)
        && !arguments.speed_only
    {
        epochs::print();
        latency::print(words, 0.8 * speed);
        latency::print_of_words(words);
    }
    records.print();
}

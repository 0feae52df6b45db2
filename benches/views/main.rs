//! What a reader of views costs the writers: transfers between ten thousand accounts in two
//! tables, committed every 100 ms, with and without somebody who sums up all balances.
//!
//! `cargo bench -p squall-bench --bench views`. Every sum is checked to be zero; nothing is
//! asserted about time.

use std::time::Duration;

use squall::{
    Bolt, DataDir, Next, Out, Result, RunOptions, Spout, SpoutOut, States, Table, Topology, Tuple,
    millis, secs,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ACCOUNTS: u32 = 10_000;

/// One side of a transfer.
#[derive(Tuple, Clone, Debug)]
struct Booking {
    account: u32,
    cents: i64,
}

struct Transfers(fastrand::Rng);

impl Spout for Transfers {
    type Output = Booking;

    fn next(&mut self, out: &mut SpoutOut<Booking>) -> Result<Next> {
        for _ in 0..128 {
            let cents = self.0.i64(0..100);
            for cents in [-cents, cents] {
                let account = self.0.u32(0..ACCOUNTS);
                out.emit(Booking { account, cents });
            }
        }
        Ok(Next::More)
    }
}

#[derive(Default)]
struct Balances {
    even: Table<u32, i64>,
    odd: Table<u32, i64>,
}

impl Bolt for Balances {
    type Input = Booking;
    type Output = ();

    fn execute(&mut self, booking: &Booking, _: &mut Out<()>) -> Result {
        let table = if booking.account.is_multiple_of(2) {
            &mut self.even
        } else {
            &mut self.odd
        };
        *table.entry(&booking.account) += booking.cents;
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("even", &mut self.even);
        states.keep("odd", &mut self.odd);
    }
}

/// The bookings per second of a run of 5 s, and how often all balances were summed up.
fn run(rate: f64, every: Option<Duration>) -> (f64, u32) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a temporary folder");
    let topology = Topology::named("transfers");
    let transfers = topology
        .spout("transfers", || Transfers(fastrand::Rng::with_seed(7)))
        .rate(rate);
    let _ = topology
        .bolt("balances", Balances::default)
        .parallelism(2)
        .fields_grouping(&transfers, Booking::ACCOUNT);
    let running = topology
        .start(RunOptions {
            data_dir: Some(DataDir::at(folder.path().join("data"))),
            commit: millis(100),
            run_for: Some(secs(5)),
            ..RunOptions::default()
        })
        .expect("the topology starts");
    let mut sums = 0;
    if let Some(every) = every {
        let views = running.views().expect("the run has a data directory");
        while !running.ends_within(every) {
            let Ok(snapshot) = views.read() else { break };
            if snapshot.epoch() == 0 {
                continue;
            }
            let sum: Option<i64> = ["even", "odd"]
                .map(|table| {
                    let table = snapshot.table::<u32, i64>("balances", table).ok()?;
                    Some(table.iter().ok()?.map(|(_, cents)| cents).sum::<i64>())
                })
                .into_iter()
                .sum();
            // A table cannot be read any more once the run has ended.
            assert_eq!(sum.unwrap_or_default(), 0, "half an epoch was seen");
            sums += 1;
        }
    }
    let summary = running.wait().expect("the run ends well");
    (summary.stats.tuples_per_second(), sums)
}

fn main() {
    for rate in [1e6, 0.0] {
        for round in 1..=3 {
            let (alone, _) = run(rate, None);
            for every in [millis(100), millis(10)] {
                let (read, sums) = run(rate, Some(every));
                println!(
                    "round {round}: {:.2} M bookings/s alone, {:.2} with {sums} sums, one every \
                     {every:?}: ratio read/alone {:.2}",
                    alone / 1e6,
                    read / 1e6,
                    read / alone
                );
            }
        }
    }
}

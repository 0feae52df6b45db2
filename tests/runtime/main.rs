//! What the runtime promises: failures end a run with a cause, a stop drains, memory stays
//! bounded, nothing hangs, and every tuple goes where its grouping says.

mod alignment;
mod bounds;
mod causes;
mod changes;
mod durable;
mod exchanges;
mod failures;
mod groupings;
mod stops;
mod threads;
mod watch;

use std::time::Instant;

use squall::testing::{Events, TopologyTest};
use squall::{RunError, RunOptions, Topology, Tuple, millis, run::Running, secs};

#[derive(Tuple, Clone, Debug, PartialEq, Eq)]
struct Number {
    value: u64,
}

fn numbers(count: u64) -> Events<Number> {
    Events::now((0..count).map(|value| Number { value }))
}

fn quiet() -> RunOptions {
    RunOptions {
        signals: false,
        ..RunOptions::default()
    }
}

/// Runs a topology on both drivers.
fn both(make: impl Fn() -> Topology, check: impl Fn(Result<squall::Summary, RunError>)) {
    check(TopologyTest::new(make()).run());
    check(make().run(quiet()));
}

/// Waits until `done`, or for ten seconds at most.
fn wait_until(running: &Running, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(
            began.elapsed() < secs(10),
            "it did not happen in ten seconds"
        );
        assert!(!running.ends_within(millis(5)), "the run goes on");
    }
}

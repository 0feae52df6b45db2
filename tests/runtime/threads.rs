//! Tasks that share a thread: results do not depend on it, and nobody waits for ever.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use crate::{Number, exchanges, quiet, wait_until};
use squall::bolts::{Map, RollingCount};
use squall::testing::{Collected, Events};
use squall::topology::When;
use squall::{Context, Next, Result, RunOptions, Spout, SpoutOut, Topology};

fn on(threads: usize) -> RunOptions {
    RunOptions {
        threads: Some(threads),
        ..quiet()
    }
}

#[test]
fn results_are_the_same_on_any_number_of_threads() {
    let (topology, rankings) = exchanges::topology(When::Pays, When::Pays);
    topology.run(quiet()).unwrap();
    let wanted = rankings.take();
    for threads in [0, 1, 2, 3, 100] {
        let (topology, rankings) = exchanges::topology(When::Pays, When::Pays);
        topology.run(on(threads)).unwrap();
        assert_eq!(rankings.take(), wanted, "{threads} threads");
    }
}

/// Counts without an end; each task has a counter that others see.
struct Endless {
    emitted: Arc<[AtomicU64]>,
    task: usize,
}

impl Spout for Endless {
    type Output = Number;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Number>) -> Result {
        self.task = context.task;
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
        let value = self.emitted[self.task].fetch_add(1, Ordering::Relaxed);
        out.emit(Number { value: value % 100 });
        Ok(Next::More)
    }
}

#[test]
fn spouts_on_one_thread_are_asked_in_turn() {
    // Of three counters, and of one whose batch is full after each slice of a spout.
    for (combine, counters) in [(When::Pays, 3), (When::Never, 1)] {
        are_asked_in_turn(combine, counters);
    }
}

fn are_asked_in_turn(combine: When, counters: usize) {
    let emitted: Arc<[AtomicU64]> = (0..4).map(|_| AtomicU64::new(0)).collect();
    let topology = Topology::named("turns");
    topology.combine(combine);
    let of_tasks = Arc::clone(&emitted);
    let numbers = topology
        .spout("numbers", move || Endless {
            emitted: Arc::clone(&of_tasks),
            task: 0,
        })
        .parallelism(4);
    let counts = topology
        .keyed("counts", || RollingCount::<u64>::over_all().largest(1))
        .parallelism(counters)
        .fields_grouping(&numbers, Number::VALUE);
    let _ = Collected::of(&topology, "collected", &counts);
    let running = topology.start(on(1)).unwrap();
    let all = |least| emitted.iter().all(|n| n.load(Ordering::Relaxed) > least);
    wait_until(&running, || all(100_000));
    running.stop();
    running.wait().unwrap();
}

#[test]
fn a_bolt_that_waits_holds_up_nobody_who_does_not_read_it() {
    let (go_on, goes_on) = mpsc::sync_channel::<()>(1);
    let goes_on = Arc::new(std::sync::Mutex::new(goes_on));
    let topology = Topology::named("waits");
    let few = topology.spout("few", || Events::now([Number { value: 1 }]));
    let waits = topology
        .bolt("waits", move || {
            let goes_on = Arc::clone(&goes_on);
            Map::new(move |number: &Number| {
                let waited = goes_on.lock().map(|goes_on| goes_on.recv());
                assert!(matches!(waited, Ok(Ok(()))));
                Ok(number.clone())
            })
        })
        .shuffle_grouping(&few);
    let waited = Collected::of(&topology, "waited", &waits);
    let emitted: Arc<[AtomicU64]> = [AtomicU64::new(0)].into();
    let seen = Arc::clone(&emitted);
    let many = topology.spout("many", move || Endless {
        emitted: Arc::clone(&seen),
        task: 0,
    });
    let counts = topology
        .keyed("counts", || RollingCount::<u64>::over_all().largest(1))
        .fields_grouping(&many, Number::VALUE);
    let _ = Collected::of(&topology, "collected", &counts);
    let running = topology.start(on(1)).unwrap();
    wait_until(&running, || emitted[0].load(Ordering::Relaxed) > 1_000_000);
    assert!(waited.take().is_empty());
    go_on.send(()).unwrap();
    running.stop();
    running.wait().unwrap();
    assert_eq!(waited.take(), [Number { value: 1 }]);
}

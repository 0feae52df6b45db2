//! Tasks of a spout that read the same times keep step.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use squall::bolts::RollingCount;
use squall::testing::{Collected, Events, SplitStep, TopologyTest};
use squall::{
    Bolt, Out, Result, RunOptions, Timestamp, Topology, millis, secs,
    time::{TimeDomain, WindowShape},
};

use crate::Number;

/// Notes by how much a tuple was before the watermark at most, in milliseconds.
struct Ahead(Arc<AtomicI64>);

impl Bolt for Ahead {
    type Input = Number;
    type Output = Number;
    fn execute(&mut self, _: &Number, out: &mut Out<Number>) -> Result {
        if out.watermark() > Timestamp::MIN {
            let ahead = out.time().millis() - out.watermark().millis();
            self.0.fetch_max(ahead, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Numbers of so many milliseconds, so many a millisecond.
fn numbers(span_ms: i64, a_ms: i64) -> Vec<SplitStep<Number>> {
    let events = (0..span_ms * a_ms).map(|step| {
        let value = step.unsigned_abs() % 7;
        SplitStep::Tuple(Timestamp::from_millis(step / a_ms), Number { value })
    });
    events.collect()
}

/// By how many milliseconds the reader of one split was ahead of the one of the other at most.
fn ahead(splits: Vec<Vec<SplitStep<Number>>>, seed: u64) -> i64 {
    let most = Arc::new(AtomicI64::new(0));
    let events = Events::splits(TimeDomain::Event, splits);
    let topology = Topology::named("alignment");
    let numbers = topology
        .spout("numbers", move || events.clone())
        .parallelism(2);
    let counts = topology
        .keyed("counts", || RollingCount::over(millis(100)))
        .fields_grouping(&numbers, Number::VALUE);
    let _ = Collected::of(&topology, "collected", &counts);
    let noted = Arc::clone(&most);
    let _ = topology
        .bolt("ahead", move || Ahead(Arc::clone(&noted)))
        .global_grouping(&numbers);
    let options = RunOptions {
        batch_tuples: 100,
        ..RunOptions::default()
    };
    let test = TopologyTest::new(topology).seed(seed).options(options);
    let stats = test.run().unwrap().stats;
    assert_eq!(stats.components[0].tuples_out, stats.tuples);
    most.load(Ordering::Relaxed)
}

#[test]
fn a_task_that_has_less_to_read_of_the_same_time_does_not_run_away() {
    for seed in 0..5 {
        let ahead = ahead(vec![numbers(20_000, 1), numbers(20_000, 3)], seed);
        assert!(ahead < 5_000, "{ahead} ms with seed {seed}");
    }
}

#[test]
fn nobody_waits_for_another_day() {
    let later = numbers(2_000, 1).into_iter().map(|event| match event {
        SplitStep::Tuple(time, number) => {
            SplitStep::Tuple(Timestamp::from_millis(time.millis() + 86_400_000), number)
        }
        other => other,
    });
    let ahead = ahead(vec![numbers(20_000, 10), later.collect()], 0);
    // The later one was read when the earlier one had hardly begun.
    assert!(ahead > 86_400_000 - 5_000, "{ahead} ms");
}

/// A light bolt that emits something for each window, whether or not anything is in it.
struct EachWindow {
    next: Timestamp,
}

const EACH: u64 = 10;

impl Bolt for EachWindow {
    type Input = Number;
    type Output = Number;

    fn is_light(&self) -> bool {
        true
    }

    fn waits(&self) -> bool {
        false
    }

    fn window(&self) -> Option<WindowShape> {
        WindowShape::sliding(millis(EACH), millis(EACH)).ok()
    }

    fn execute(&mut self, _: &Number, _: &mut Out<Number>) -> Result {
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Number>) -> Result {
        while self.next <= watermark && watermark < Timestamp::MAX {
            let value = self.next.millis().unsigned_abs();
            out.emit(Number { value });
            self.next = self.next.forward(EACH.cast_signed());
        }
        Ok(())
    }

    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        (self.next < until && until < Timestamp::MAX).then_some(self.next)
    }
}

/// Each of its tasks follows one spout, and comes to an epoch with a watermark of its own. One that
/// closed windows before an epoch waited for one that closed others after it, which the reader
/// held back until the first one had passed the epoch.
#[test]
fn tasks_that_follow_one_spout_each_do_not_wait_for_each_other() {
    let tuple = |at: i64| SplitStep::Tuple(Timestamp::from_millis(at), Number { value: 1 });
    let late = 60_000;
    let splits = vec![
        vec![
            tuple(0),
            tuple(late),
            SplitStep::Wait(millis(500)),
            tuple(late),
        ],
        vec![tuple(0), SplitStep::Wait(millis(5)), tuple(late)],
    ];
    for seed in 0..5 {
        let events = Events::splits(TimeDomain::Event, splits.clone());
        let topology = Topology::named("chained");
        let numbers = topology
            .spout("numbers", move || events.clone())
            .parallelism(2);
        let next = Timestamp::from_millis(0);
        let windows = topology
            .bolt("windows", move || EachWindow { next })
            .parallelism(2)
            .shuffle_grouping(&numbers);
        let collected = Collected::of(&topology, "collected", &windows);
        let options = RunOptions {
            epoch: millis(2),
            credit_tuples: Some(1),
            run_for: Some(secs(60)),
            ..RunOptions::default()
        };
        let test = TopologyTest::new(topology).seed(seed).options(options);
        let summary = test.run().unwrap();
        assert!(summary.input_ended, "seed {seed}");
        assert_eq!(collected.take().len() as u64, 2 * (60_000 / EACH + 1));
    }
}

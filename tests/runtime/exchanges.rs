//! Tuples that are combined or read in their emitter's task: results, metrics and failures are
//! those of tuples that are sent.

use std::sync::mpsc;
use std::thread;

use crate::{Number, quiet};
use squall::bolts::{Filter, MergeRankings, Rank, RollingCount};
use squall::testing::{Collected, Events, SplitStep, TopologyTest};
use squall::topology::Exchange::{Chained, Combined, Sent};
use squall::topology::When;
use squall::{
    Count, Ranking, RunError, RunOptions, Timestamp, Topology, millis, run::RunStats, secs,
    time::TimeDomain,
};

const ALL: [When; 3] = [When::Never, When::Pays, When::Always];

/// Numbers from a clock of their own, 3,000 in windows of 100 ms, a few of them late.
fn events() -> Events<Number> {
    let split = |first: u64| {
        let events = (0..1_500).map(move |step: u64| {
            let late = i64::from(step % 100 == 99) * 50;
            let time = Timestamp::from_millis(i64::try_from(step).unwrap() - late);
            let value = (step * step + first) % 97;
            SplitStep::Tuple(time, Number { value })
        });
        events.collect()
    };
    Events::splits(TimeDomain::Event, vec![split(0), split(1)])
}

/// numbers -> not all of them -> how many of each -> their rankings -> one ranking
pub(crate) fn topology(combine: When, chain: When) -> (Topology, Collected<Ranking<u64>>) {
    let topology = Topology::named("exchanges");
    topology.combine(combine);
    topology.chain(chain);
    let events = events();
    let numbers = topology
        .spout("numbers", move || events.clone())
        .parallelism(2);
    let some = topology
        .bolt("some", || Filter::new(|number: &Number| number.value > 10))
        .parallelism(2)
        .shuffle_grouping(&numbers);
    let counts = topology
        .keyed("counts", || RollingCount::over(millis(100)))
        .parallelism(2)
        .fields_grouping(&some, Number::VALUE);
    let ranked = topology
        .bolt("rankings", || Rank::top(5))
        .parallelism(2)
        .fields_grouping(&counts, Count::KEY);
    let merged = topology
        .bolt("merged", || MergeRankings::top(5))
        .global_grouping(&ranked);
    let rankings = Collected::of(&topology, "collected", &merged);
    (topology, rankings)
}

/// What each component took, gave, found late and refused.
fn traffic(stats: &RunStats) -> Vec<(&str, [u64; 4])> {
    let components = stats.components.iter();
    let traffic = components.map(|component| {
        let counts = [
            component.tuples_in,
            component.tuples_out,
            component.late,
            component.dead_letters,
        ];
        (component.component.as_str(), counts)
    });
    traffic.collect()
}

#[test]
fn results_and_metrics_are_the_same_however_tuples_are_carried() {
    let (topology, rankings) = topology(When::Never, When::Never);
    let plain = topology.run(quiet()).unwrap().stats;
    let wanted = rankings.take();
    assert_eq!(wanted.len(), 15);
    assert!(traffic(&plain)[2].1[2] > 0, "some are late");
    for (combine, chain) in ALL
        .into_iter()
        .flat_map(|one| ALL.map(|other| (one, other)))
    {
        for test in [false, true] {
            let (topology, rankings) = self::topology(combine, chain);
            let summary = if test {
                TopologyTest::new(topology).run()
            } else {
                topology.run(quiet())
            };
            let stats = summary.unwrap().stats;
            assert_eq!(rankings.take(), wanted, "{combine:?}, {chain:?}");
            assert_eq!(traffic(&stats), traffic(&plain), "{combine:?}, {chain:?}");
        }
    }
}

#[test]
fn the_plan_shows_how_tuples_are_carried() {
    let exchanges = |combine, chain| {
        let plan = topology(combine, chain).0.plan();
        assert_eq!(plan.check(), Ok(()));
        let inputs = plan.components.iter().flat_map(|c| &c.inputs);
        inputs.map(|input| input.exchange).collect::<Vec<_>>()
    };
    // some, counts, rankings, merged, collected
    let plain = [Sent, Sent, Sent, Sent, Sent];
    assert_eq!(exchanges(When::Never, When::Never), plain);
    let best = [Chained, Combined, Chained, Sent, Sent];
    assert_eq!(exchanges(When::Pays, When::Pays), best);
    let text = topology(When::Pays, When::Pays).0.plan().to_text();
    for line in [
        "  reads numbers by shuffle, in its task\n",
        "  reads some by fields(value), combined by its sender\n",
        "  reads counts by fields(key), in its task\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

/// What was combined is sent when a window ends. That a reader has heard of the end does not
/// have to be followed by what was combined meanwhile.
#[test]
fn what_is_combined_is_sent_once_a_window() {
    const WINDOWS: usize = 6;
    const TUPLES: i64 = 100_000;
    let events = (0..TUPLES).map(|step| {
        let value = u64::try_from(step).unwrap() % 50;
        SplitStep::Tuple(Timestamp::from_millis(step), Number { value })
    });
    let events = Events::splits(TimeDomain::Event, vec![events.collect()]);
    let topology = Topology::named("windows");
    topology.combine(When::Always);
    let numbers = topology.spout("numbers", move || events.clone());
    let window = u64::try_from(TUPLES).unwrap().div_ceil(WINDOWS as u64);
    let counts = topology
        .keyed("counts", move || RollingCount::over(millis(window)))
        .fields_grouping(&numbers, Number::VALUE);
    let collected = Collected::of(&topology, "collected", &counts);
    let options = RunOptions {
        epoch: secs(10),
        linger: secs(10),
        ..RunOptions::default()
    };
    let stats = TopologyTest::new(topology).options(options).run();
    let stats = stats.unwrap().stats;
    assert_eq!(collected.take().len(), WINDOWS * 50);
    let counts = &stats.components[1];
    assert_eq!(
        (counts.component.as_str(), counts.tuples_in),
        ("counts", TUPLES as u64)
    );
    // The slice of the spout in which a window ends has the beginning of the next one.
    assert!(
        counts.batches <= 2 * WINDOWS as u64,
        "{} batches",
        counts.batches
    );
}

/// Runs numbers through a chained filter.
fn chained(
    options: RunOptions,
    keep: impl Fn(&Number) -> bool + Clone + Send + 'static,
) -> Result<squall::Summary, RunError> {
    let topology = Topology::named("chain");
    let events = events();
    let numbers = topology.spout("numbers", move || events.clone());
    let some = topology
        .bolt("some", move || Filter::new(keep.clone()))
        .shuffle_grouping(&numbers);
    let _ = Collected::of(&topology, "collected", &some);
    let plan = topology.plan();
    let exchange = plan.component("some").unwrap().inputs[0].exchange;
    assert_eq!(exchange, Chained);
    topology.run(options)
}

#[test]
fn a_panic_in_a_chain_names_the_bolt_and_not_its_emitter() {
    let result = chained(quiet(), |number| {
        assert_ne!(number.value, 36, "thirty-six is too much");
        true
    });
    match result {
        Err(RunError::Panicked { task, message }) => {
            assert_eq!(task, "some[0]");
            assert!(message.contains("thirty-six is too much"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bolt_that_blocks_in_a_chain_does_not_keep_the_run_from_ending() {
    let (keep, blocked) = mpsc::channel::<()>();
    let blocked = std::sync::Arc::new(std::sync::Mutex::new(blocked));
    let options = RunOptions {
        run_for: Some(millis(50)),
        drain: millis(200),
        ..quiet()
    };
    let result = chained(options, move |_| {
        // Nothing is ever sent.
        let _ = blocked.lock().map(|blocked| blocked.recv());
        true
    });
    let error = result.unwrap_err().to_string();
    assert!(error.contains("some[0]"), "{error}");
    // The thread that is blocked goes on, and ends.
    drop(keep);
}

#[test]
fn a_chain_takes_one_thread() {
    let threads = |chain| {
        let topology = Topology::named("threads");
        topology.chain(chain);
        let events = Events::now([Number { value: 1 }]);
        let numbers = topology.spout("numbers", move || events.clone());
        let note = || {
            let (send, names) = mpsc::channel();
            let note = move |_: &Number| {
                let name = thread::current().name().unwrap_or_default().to_owned();
                send.send(name).is_ok()
            };
            (note, names)
        };
        let ((one, first), (other, second)) = (note(), note());
        let some = topology
            .bolt("some", move || Filter::new(one.clone()))
            .shuffle_grouping(&numbers);
        let all = topology
            .bolt("all", move || Filter::new(other.clone()))
            .shuffle_grouping(&some);
        let _ = Collected::of(&topology, "collected", &all);
        topology.run(quiet()).unwrap();
        (first.recv().unwrap(), second.recv().unwrap())
    };
    let sent = threads(When::Never);
    assert_eq!(sent, ("some[0]".to_owned(), "all[0]".to_owned()));
    let chain = "numbers[0]+some[0]+all[0]".to_owned();
    assert_eq!(threads(When::Pays), (chain.clone(), chain));
}

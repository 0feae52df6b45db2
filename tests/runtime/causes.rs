//! What user code may do wrong: which of its errors end a run, who is named, and how often the
//! same cause is tried again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use squall::aggregate::CountAll;
use squall::bolts::Map;
use squall::connectors::Files;
use squall::testing::{Collected, Events, TopologyTest};
use squall::topology::{Component, NoInput};
use squall::{
    Bolt, BoxError, DataDir, Epoch, KeyedBolt, Next, Out, Result, RunError, Sink, Spout, SpoutOut,
    States, Summary, Table, Text, Topology, Word,
    bolt::AggregatingBolt,
    data_dir::StoreError,
    error::{Fatal, Transient},
    time::WindowShape,
};

use crate::durable::{Totals, Words, memory, on};
use crate::{Number, both, numbers, quiet, wait_until};

fn few(number: u64) -> Text {
    format!("w{}", number % 20).into()
}

fn fatal<T>() -> Result<T> {
    Err(Fatal::new("the table is gone").into())
}

struct FatalSpout;
impl Spout for FatalSpout {
    type Output = Number;
    fn next(&mut self, _: &mut SpoutOut<Number>) -> Result<Next> {
        fatal()
    }
}

/// Fails at one of its calls.
struct FatalBolt(&'static str);
impl Bolt for FatalBolt {
    type Input = Number;
    type Output = Number;
    fn execute(&mut self, _: &Number, _: &mut Out<Number>) -> Result {
        if self.0 == "execute" { fatal() } else { Ok(()) }
    }
    fn on_epoch(&mut self, _: &Epoch, _: &mut Out<Number>) -> Result {
        if self.0 == "epoch" { fatal() } else { Ok(()) }
    }
}

struct FatalKeyed;
impl KeyedBolt<Number> for FatalKeyed {
    type Key = u64;
    type Output = Number;
    fn execute(&mut self, _: &u64, _: &Number, _: &mut Out<Number>) -> Result {
        fatal()
    }
}

/// Fails with what was aggregated for it.
impl AggregatingBolt<Number> for FatalKeyed {
    type Aggregator = CountAll<Number>;
    fn aggregator(&self) -> CountAll<Number> {
        CountAll::new()
    }
    fn execute_partial(&mut self, _: &u64, _: &u64, _: &mut Out<Number>) -> Result {
        fatal()
    }
}

/// Fails at one of its calls.
struct FatalSink(&'static str);
impl Sink for FatalSink {
    type Input = Number;
    fn write(&mut self, _: &[Number]) -> Result {
        if self.0 == "write" { fatal() } else { Ok(()) }
    }
    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        if self.0 == "outbox" {
            return fatal();
        }
        Ok(Some(vec![1]))
    }
    fn deliver(&mut self, _: &[u8], _: Option<u64>) -> Result {
        if self.0 == "deliver" { fatal() } else { Ok(()) }
    }
    fn flush(&mut self, _: &Epoch) -> Result {
        if self.0 == "flush" { fatal() } else { Ok(()) }
    }
}

/// Runs numbers through what `wire` makes of them, on both drivers, with a data directory and
/// without: each run ends at the first failure of `task`.
fn ends_at_once(task: &str, wire: impl Fn(&Topology)) {
    let make = || {
        let topology = Topology::named("fatal");
        wire(&topology);
        topology
    };
    let check = |result: Result<Summary, RunError>| match result {
        Err(RunError::Failed { task: found, cause }) => {
            assert_eq!(found, task);
            assert!(cause.is::<Fatal>(), "{task}: {cause}");
        }
        other => panic!("{task}: {other:?}"),
    };
    both(make, check);
    check(TopologyTest::new(make()).options(on(&memory())).run());
    check(make().run(on(&memory())));
}

fn spout(topology: &Topology) -> Component<'_, Events<Number>, Number, NoInput> {
    let events = numbers(2_000);
    topology.spout("numbers", move || events.clone())
}

#[test]
fn a_fatal_error_ends_the_run_from_every_call_of_user_code() {
    ends_at_once("numbers[0]", |topology| {
        let numbers = topology.spout("numbers", || FatalSpout);
        topology
            .sink("sink", || FatalSink(""))
            .global_grouping(&numbers);
    });
    for call in ["execute", "epoch"] {
        ends_at_once("bolt[0]", |topology| {
            let bolt = topology.bolt("bolt", move || FatalBolt(call));
            bolt.global_grouping(&spout(topology));
        });
    }
    ends_at_once("map[0]", |topology| {
        let map = || Map::new(|_: &Number| fatal::<Number>());
        topology.bolt("map", map).shuffle_grouping(&spout(topology));
    });
    ends_at_once("keyed[0]", |topology| {
        let keyed = topology.keyed("keyed", || FatalKeyed);
        keyed.fields_grouping(&spout(topology), Number::VALUE);
    });
    ends_at_once("folded[0]", |topology| {
        let folded = topology.aggregate("folded", || FatalKeyed);
        folded.fields_grouping(&spout(topology), Number::VALUE);
    });
    for call in ["write", "outbox", "deliver", "flush"] {
        ends_at_once("sink[0]", |topology| {
            let sink = topology.sink("sink", move || FatalSink(call));
            sink.global_grouping(&spout(topology));
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("words.txt");
    std::fs::write(&path, "storm\n").unwrap();
    let files = Files::at(path.to_str().unwrap()).unwrap();
    ends_at_once("lines[0]", |topology| {
        let files = files.clone();
        let lines = topology.spout("lines", move || files.decode::<Number, _>(|_, _| fatal()));
        topology
            .sink("sink", || FatalSink(""))
            .global_grouping(&lines);
    });
}

/// An author's own error around one that ends the run.
#[derive(Debug, thiserror::Error)]
#[error("while it counted")]
struct Around(#[source] BoxError);

#[test]
fn an_error_around_a_fatal_one_ends_the_run_too() {
    let topology = Topology::named("around");
    let around = |_: &Number| Err::<Number, _>(Around(Fatal::new("gone").into()).into());
    let bolt = topology.bolt("bolt", move || Map::new(around));
    let _ = bolt.global_grouping(&spout(&topology));
    let error = topology.run(on(&memory())).unwrap_err();
    assert_eq!(error.to_string(), "bolt[0] failed: while it counted");
}

/// Without a data directory there is nothing to go on from.
#[test]
fn a_transient_error_of_a_tuple_restores_the_run_and_makes_no_dead_letter() {
    let left = Arc::new(AtomicU64::new(3));
    let make = || {
        let topology = Topology::named("transient");
        let words = topology.spout("words", || Words::up_to(5_000, Next::End, few));
        let left = Arc::clone(&left);
        let pass = move |word: &Word| {
            let fails = word.word == "w7" && left.load(Ordering::Relaxed) > 0;
            if fails {
                left.fetch_sub(1, Ordering::Relaxed);
                return Err(Transient::new("the disk is full").into());
            }
            Ok(word.clone())
        };
        let passed = topology.bolt("pass", move || Map::new(pass.clone()));
        let passed = passed.global_grouping(&words);
        let collected = Collected::of(&topology, "collected", &passed);
        (topology, collected)
    };
    let (topology, collected) = make();
    let summary = TopologyTest::new(topology).options(on(&memory())).run();
    assert_eq!(summary.unwrap().stats.dead_letters(), 0);
    assert_eq!(left.load(Ordering::Relaxed), 0);
    assert_eq!(collected.take().len(), 5_000);

    left.store(1, Ordering::Relaxed);
    let error = make().0.run(quiet()).unwrap_err();
    assert_eq!(error.to_string(), "pass[0] failed: the disk is full");
}

/// Panics where its state is declared.
struct Undeclared;
impl Bolt for Undeclared {
    type Input = Number;
    type Output = ();
    fn execute(&mut self, _: &Number, _: &mut Out<()>) -> Result {
        Ok(())
    }
    fn state(&mut self, _: &mut States<'_>) {
        panic!("no state of mine");
    }
}

/// Panics where it is asked for its window.
struct Windowless;
impl Bolt for Windowless {
    type Input = Number;
    type Output = ();
    fn execute(&mut self, _: &Number, _: &mut Out<()>) -> Result {
        Ok(())
    }
    fn window(&self) -> Option<WindowShape> {
        panic!("no window of mine");
    }
}

fn panicked(result: Result<Summary, RunError>, wanted: &str) {
    match result {
        Err(error @ RunError::Panicked { .. }) => assert_eq!(error.to_string(), wanted),
        other => panic!("{other:?} instead of {wanted}"),
    }
}

#[test]
fn a_panic_in_state_or_a_factory_names_the_component() {
    type Wire = fn(&Topology);
    let wires: [(Wire, &str); 4] = [
        (
            |topology| {
                let bolt = topology.bolt("undeclared", || Undeclared);
                bolt.global_grouping(&spout(topology));
            },
            "undeclared[0] panicked: in `state`: no state of mine",
        ),
        (
            |topology| {
                let bolt = topology.bolt("windowless", || Windowless);
                bolt.global_grouping(&spout(topology));
            },
            "windowless[0] panicked: in `window`: no window of mine",
        ),
        (
            |topology| {
                let bolt = topology.bolt("unmade", || -> Undeclared { panic!("not made") });
                bolt.global_grouping(&spout(topology));
            },
            "unmade[0] panicked: in its factory: not made",
        ),
        (
            |topology| {
                let spout = topology.spout("dry", || -> FatalSpout { panic!("no water") });
                topology
                    .sink("sink", || FatalSink(""))
                    .global_grouping(&spout);
            },
            "dry[0] panicked: in its factory: no water",
        ),
    ];
    for (wire, wanted) in wires {
        let make = || {
            let topology = Topology::named("panics");
            wire(&topology);
            topology
        };
        panicked(make().run(on(&memory())), wanted);
        panicked(
            TopologyTest::new(make()).options(on(&memory())).run(),
            wanted,
        );
    }
}

/// It is made for the plan and for the task; the third time, after a failure, it panics.
#[test]
fn a_panic_of_a_factory_after_a_failure_is_tried_again_and_named() {
    let topology = Topology::named("once");
    let numbers = spout(&topology);
    let made = AtomicU64::new(0);
    let bolt = topology.bolt("once", move || {
        assert!(made.fetch_add(1, Ordering::Relaxed) < 2, "only twice");
        Map::new(|_: &Number| Err::<Number, _>(Transient::new("not now").into()))
    });
    let _ = bolt.global_grouping(&numbers);
    let mut options = on(&memory());
    options.restarts.per_minute = 3;
    let error = topology.run(options).unwrap_err().to_string();
    assert_eq!(
        error,
        "gave up after 3 restarts within a minute; the cause of the first one: once[0] failed: \
         not now"
    );
}

/// Keeps what it has seen by another key than its tuples are grouped by.
#[derive(Default)]
struct Lengths(Table<u64, u64>);
impl Bolt for Lengths {
    type Input = Word;
    type Output = ();
    fn execute(&mut self, word: &Word, _: &mut Out<()>) -> Result {
        *self.0.entry(&(word.word.len() as u64)) += 1;
        Ok(())
    }
    fn state(&mut self, states: &mut States<'_>) {
        states.keep("lengths", &mut self.0);
    }
}

#[test]
fn a_state_keyed_by_another_key_than_its_grouping_is_named_at_the_first_commit() {
    let topology = Topology::named("mistaken");
    let words = topology.spout("words", || Words::up_to(5_000, Next::Pause, few));
    let lengths = topology.bolt("lengths", Lengths::default).parallelism(4);
    let _ = lengths.fields_grouping(&words, Word::WORD);
    let dir = memory();
    match topology.run(on(&dir)) {
        Err(RunError::Failed { task, cause }) => {
            assert!(task.starts_with("lengths["), "{task}");
            let said = cause.to_string();
            for part in [
                "mistake in lengths",
                "`lengths` is keyed by another",
                "Group the tuples by",
            ] {
                assert!(said.contains(part), "{said}");
            }
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(dir.inspect().unwrap().commit, None, "nothing was committed");
}

#[test]
fn five_poison_tuples_do_not_use_up_the_restarts_of_one_cause() {
    let make = || {
        let topology = Topology::named("poisoned");
        let words = topology.spout("words", || {
            Words::up_to(5_000, Next::End, |number| format!("w{number}").into())
        });
        let poison = |word: &Word| {
            let poisons = ["w100", "w200", "w1000", "w2000", "w4000"];
            assert!(!poisons.contains(&word.word.as_str()), "poison");
            Ok(word.clone())
        };
        let passed = topology.bolt("pass", move || Map::new(poison));
        let passed = passed.global_grouping(&words);
        let letters = Collected::of(&topology, "letters", &passed.dead_letters());
        let passed = Collected::of(&topology, "passed", &passed);
        (topology, passed, letters)
    };
    let mut options = on(&memory());
    options.restarts.per_minute = 2;
    let (topology, passed, letters) = make();
    topology.run(options).unwrap();
    assert_eq!((passed.take().len(), letters.take().len()), (4_995, 5));
}

#[test]
fn two_topologies_at_once_on_one_data_directory_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let opened = DataDir::opened(folder.path().join("data")).unwrap();
    for dir in [memory(), opened] {
        let make = |name| {
            let topology = Topology::named(name);
            let words = topology.spout("words", || Words::up_to(100, Next::Idle, few));
            let _ = topology
                .bolt("totals", Totals::default)
                .global_grouping(&words);
            topology
        };
        let first = make("first").start(on(&dir)).unwrap();
        let error = make("second").run(on(&dir)).unwrap_err();
        assert!(
            matches!(error, RunError::Store(StoreError::InUse { .. })),
            "{error}"
        );
        let said = error.to_string();
        assert!(
            said.contains("in use by the topology `first` of this process"),
            "{said}"
        );
        first.stop();
        first.wait().unwrap();
        // One after the other is fine.
        let again = make("first").start(on(&dir)).unwrap();
        again.stop();
        again.wait().unwrap();
    }
}

/// What is written to a file without a name is gone with the process.
#[cfg(unix)]
#[test]
fn a_data_directory_that_is_deleted_or_replaced_while_it_runs_ends_the_run() {
    for replaced in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let topology = Topology::named("deleted");
        let words = topology.spout("words", || Words::up_to(100, Next::Idle, few));
        let _ = topology
            .bolt("totals", Totals::default)
            .global_grouping(&words);
        let running = topology.start(on(&DataDir::at(&path))).unwrap();
        let commits = || {
            running
                .stats()
                .and_then(|stats| Some(stats.commits?.commits))
        };
        wait_until(&running, || commits() > Some(0));
        std::fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        let store = path.join("store.redb");
        if replaced {
            std::fs::create_dir(&path).unwrap();
            std::fs::write(&store, "other").unwrap();
        }
        let error = running.wait().unwrap_err();
        assert_eq!(replaced, store.exists());
        assert!(!replaced || std::fs::read(&store).unwrap() == b"other");
        assert!(
            matches!(error, RunError::Store(StoreError::Gone { .. })),
            "{error}"
        );
        let said = error.to_string();
        assert!(
            said.contains("was deleted, moved or replaced while it was in use"),
            "{said}"
        );
    }
}

//! Failures end a run with a cause that names the task, or become dead letters.

use crate::{Number, both, numbers, quiet};
use squall::bolts::{Map, RollingCount};
use squall::connectors::RandomWords;
use squall::testing::{Events, SplitStep, TopologyTest};
use squall::{
    Bolt, Next, Out, Result, RunError, Sink, Spout, SpoutOut, Timestamp, Topology, Word, secs,
    time::TimeDomain, tuple::DeadLetter,
};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

#[test]
fn a_panic_ends_the_topology_with_its_component_and_task() {
    let make = || {
        let topology = Topology::named("panics");
        let events = numbers(100);
        let spout = topology.spout("numbers", move || events.clone());
        let explode = |number: &Number| {
            assert_ne!(number.value, 77, "seventy-seven is too much");
            Ok(number.clone())
        };
        topology
            .bolt("fragile", move || Map::new(explode))
            .parallelism(4)
            .fields_grouping(&spout, Number::VALUE);
        topology
    };
    both(make, |result| match result {
        Err(RunError::Panicked { task, message }) => {
            assert!(task.starts_with("fragile["), "{task}");
            assert!(message.contains("seventy-seven is too much"), "{message}");
        }
        other => panic!("{other:?}"),
    });
}

struct FailingSpout(u64);

impl Spout for FailingSpout {
    type Output = Number;
    fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
        if self.0 == 0 {
            return Err("the cable was cut".into());
        }
        self.0 -= 1;
        out.emit(Number { value: self.0 });
        Ok(Next::More)
    }
}

#[test]
fn a_failing_spout_ends_the_topology_with_its_cause() {
    let make = || {
        let topology = Topology::named("fails");
        let spout = topology
            .spout("numbers", || FailingSpout(10))
            .parallelism(2);
        topology
            .bolt("same", || Map::new(|number: &Number| Ok(number.clone())))
            .shuffle_grouping(&spout);
        topology
    };
    both(make, |result| {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with("numbers["), "{error}");
        assert!(error.ends_with("] failed: the cable was cut"), "{error}");
    });
}

struct FullDisk;

impl Sink for FullDisk {
    type Input = Number;
    fn write(&mut self, _: &[Number]) -> Result {
        Err("the disk is full".into())
    }
}

#[test]
fn a_sink_that_cannot_write_ends_the_topology() {
    let make = || {
        let topology = Topology::named("full");
        let events = numbers(10);
        let spout = topology.spout("numbers", move || events.clone());
        topology.sink("disk", || FullDisk).global_grouping(&spout);
        topology
    };
    both(make, |result| {
        assert_eq!(
            result.unwrap_err().to_string(),
            "disk[0] failed: the disk is full"
        );
    });
}

#[test]
fn a_bolt_that_cannot_get_ready_keeps_the_topology_from_starting() {
    let make = || {
        let topology = Topology::named("slides");
        let events = numbers(10);
        let spout = topology.spout("numbers", move || events.clone());
        topology
            .keyed("counts", || RollingCount::over(secs(10)).every(secs(3)))
            .fields_grouping(&spout, Number::VALUE);
        topology
    };
    both(make, |result| match result {
        Err(RunError::Start { task, cause }) => {
            assert_eq!(task, "counts[0]");
            assert!(cause.to_string().contains("10s"), "{cause}");
        }
        other => panic!("{other:?}"),
    });
}

struct Keep(Arc<Mutex<Vec<DeadLetter>>>);
impl Sink for Keep {
    type Input = DeadLetter;
    fn write(&mut self, letters: &[DeadLetter]) -> Result {
        self.0.lock().unwrap().extend_from_slice(letters);
        Ok(())
    }
}

#[test]
fn a_tuple_that_a_bolt_refuses_goes_to_the_dead_letters_with_the_error() {
    let letters: Arc<Mutex<Vec<DeadLetter>>> = Arc::default();
    let make = || {
        let topology = Topology::named("refuses");
        // Declared before the others: it reads their dead letters all the same.
        let kept = Arc::clone(&letters);
        topology.dead_letter_sink("dead-letters", move || Keep(Arc::clone(&kept)));
        let events = numbers(10);
        let spout = topology.spout("numbers", move || events.clone());
        let odd = |number: &Number| match number.value % 2 {
            1 => Ok(number.clone()),
            _ => Err(format!("{} is even", number.value).into()),
        };
        topology
            .bolt("odd", move || Map::new(odd))
            .parallelism(3)
            .shuffle_grouping(&spout);
        topology
    };
    both(make, |result| {
        let stats = result.unwrap().stats;
        assert_eq!(stats.dead_letters(), 5);
        assert_eq!(stats.component("odd").unwrap().tuples_out, 5);
        let letters = std::mem::take(&mut *letters.lock().unwrap());
        let reasons: BTreeSet<_> = letters.iter().map(|letter| letter.reason.clone()).collect();
        let even = [
            "0 is even",
            "2 is even",
            "4 is even",
            "6 is even",
            "8 is even",
        ];
        assert_eq!(reasons, even.map(str::to_owned).into());
        assert!(letters[0].source.starts_with("odd["));
        assert!(
            letters[0]
                .tuple
                .as_ref()
                .unwrap()
                .starts_with("Number { value: ")
        );
    });
}

struct Backdated;

impl Bolt for Backdated {
    type Input = Number;
    type Output = Number;
    fn execute(&mut self, _: &Number, _: &mut Out<Number>) -> Result {
        Ok(())
    }
    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Number>) -> Result {
        if watermark == Timestamp::MAX {
            out.emit_at(Number { value: 1 }, Timestamp::from_millis(0));
        }
        Ok(())
    }
}

#[test]
fn a_tuple_before_the_promised_watermark_is_a_named_failure() {
    let at = Timestamp::from_millis;
    let make = || {
        let topology = Topology::named("backdated");
        let script = vec![
            SplitStep::Tuple(at(500), Number { value: 1 }),
            SplitStep::Wait(secs(1)),
            SplitStep::Tuple(at(900), Number { value: 2 }),
        ];
        let events = Events::splits(TimeDomain::Event, vec![script]);
        let spout = topology.spout("numbers", move || events.clone());
        topology
            .bolt("backdated", || Backdated)
            .global_grouping(&spout);
        topology
    };
    let error = TopologyTest::new(make()).run().unwrap_err().to_string();
    assert!(
        error.starts_with("backdated[0] failed: a tuple was emitted at 1970"),
        "{error}"
    );
}

#[test]
fn all_mistakes_of_a_plan_are_found_at_once_and_nothing_starts() {
    let topology = Topology::named("mistakes");
    let _unread = topology.spout("unread", RandomWords::default);
    let words = topology.spout("words", RandomWords::default).parallelism(0);
    topology
        .bolt("same", || Map::new(|word: &Word| Ok(word.clone())))
        .global_grouping(&words);
    topology.bolt("same", || Map::new(|word: &Word| Ok(word.clone())));
    drop(topology.keyed("keyless", || RollingCount::<u8>::over(secs(1))));
    let error = topology.run(quiet()).unwrap_err().to_string();
    for mistake in ["\"unread\"", "\"words\"", "\"same\"", "\"keyless\""] {
        assert!(error.contains(mistake), "{mistake} is not in {error}");
    }
}

#[test]
fn a_stream_of_another_topology_is_refused() {
    let other = Topology::named("other");
    let words = other.spout("words", RandomWords::default);
    let topology = Topology::named("mine");
    let own = topology.spout("own", RandomWords::default);
    topology
        .bolt("both", || Map::new(|word: &Word| Ok(word.clone())))
        .global_grouping(&own)
        .global_grouping(&words);
    let error = topology.run(quiet()).unwrap_err().to_string();
    assert!(error.contains("another topology"), "{error}");
}

/// Emits one number, in a way that its time domain does not allow.
struct Timeless {
    domain: TimeDomain,
    done: bool,
}

impl Spout for Timeless {
    type Output = Number;
    fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(Next::End);
        }
        match self.domain {
            TimeDomain::Event => out.emit(Number { value: 1 }),
            TimeDomain::Processing => {
                out.emit_at(Number { value: 1 }, Timestamp::from_millis(5));
            }
        }
        Ok(Next::More)
    }
    fn domain(&self) -> TimeDomain {
        self.domain
    }
}

#[test]
fn a_spout_whose_times_are_not_of_its_domain_is_a_named_failure() {
    for (domain, part) in [
        (TimeDomain::Event, "emitted a tuple without a time"),
        (TimeDomain::Processing, "return `TimeDomain::Event`"),
    ] {
        let topology = Topology::named("timeless");
        let spout = topology.spout("numbers", move || Timeless {
            domain,
            done: false,
        });
        topology
            .bolt("same", || Map::new(|number: &Number| Ok(number.clone())))
            .global_grouping(&spout);
        let error = TopologyTest::new(topology).run().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

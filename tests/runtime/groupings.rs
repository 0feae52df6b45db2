//! Groupings and streams.

use crate::{Number, both, numbers};
use squall::bolts::Map;
use squall::testing::{Collected, Events, SplitStep, TopologyTest};
use squall::topology::{Exchange, StreamPlan};
use squall::{
    Bolt, Context, Next, Out, Result, RunOptions, Spout, SpoutOut, Timestamp, Topology,
    stream::{Port, Streams},
    time::TimeDomain,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// Notes which task got which number.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<u64, Vec<usize>>>>);

struct Note {
    seen: Seen,
    task: usize,
}

impl Bolt for Note {
    type Input = Number;
    type Output = Number;
    fn prepare(&mut self, context: &Context) -> Result {
        self.task = context.task;
        Ok(())
    }
    fn execute(&mut self, number: &Number, _: &mut Out<Number>) -> Result {
        let mut seen = self.seen.0.lock().unwrap();
        seen.entry(number.value).or_default().push(self.task);
        Ok(())
    }
}

impl Seen {
    fn bolt(&self) -> impl Fn() -> Note + Send + 'static {
        let seen = self.clone();
        move || Note {
            seen: seen.clone(),
            task: usize::MAX,
        }
    }

    fn take(&self) -> BTreeMap<u64, Vec<usize>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Emits each number to the task of its remainder.
struct ToRemainder(u64, u64);

impl Spout for ToRemainder {
    type Output = Number;
    fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
        if self.0 == self.1 {
            return Ok(Next::End);
        }
        out.emit_direct(usize::try_from(self.0 % 3)?, Number { value: self.0 });
        self.0 += 1;
        Ok(Next::More)
    }
}

#[test]
fn every_grouping_sends_each_tuple_where_it_says() {
    let groups = [
        "fields", "global", "shuffle", "all", "partial", "local", "custom", "direct",
    ];
    let seen: BTreeMap<_, _> = groups.iter().map(|name| (*name, Seen::default())).collect();
    let make = || {
        let topology = Topology::named("groupings");
        let events = Events::now((0..1_200).map(|value| Number { value: value % 120 }));
        let all = topology.spout("numbers", move || events.clone());
        let direct = topology.spout("direct-numbers", || ToRemainder(0, 120));
        let bolt = |name: &str| topology.bolt(name, seen[name].bolt()).parallelism(3);
        bolt("fields").fields_grouping(&all, Number::VALUE);
        bolt("global").global_grouping(&all);
        bolt("shuffle").shuffle_grouping(&all);
        bolt("all").all_grouping(&all);
        bolt("partial").partial_key_grouping(&all, Number::VALUE);
        bolt("local").local_or_shuffle_grouping(&all);
        let by_size = || |number: &Number, tasks: usize| usize::from(number.value > 59) % tasks;
        bolt("custom").custom_grouping(&all, "by size", by_size);
        bolt("direct").direct_grouping(&direct);
        topology
    };
    both(make, |result| {
        result.unwrap();
        let of = |name: &str| seen[name].take();
        let distinct = |tasks: &Vec<usize>| tasks.iter().collect::<BTreeSet<_>>().len();
        let per_task = |seen: &BTreeMap<u64, Vec<usize>>| {
            let mut tuples = [0; 3];
            seen.values().flatten().for_each(|task| tuples[*task] += 1);
            tuples
        };
        let fields = of("fields");
        assert!(
            fields
                .values()
                .all(|tasks| tasks.len() == 10 && distinct(tasks) == 1)
        );
        assert!(per_task(&fields).iter().all(|tuples| *tuples > 0));
        assert_eq!(per_task(&of("global")), [1_200, 0, 0]);
        assert_eq!(per_task(&of("shuffle")), [400; 3]);
        assert_eq!(per_task(&of("all")), [1_200; 3]);
        let partial = of("partial");
        assert!(
            partial
                .values()
                .all(|tasks| tasks.len() == 10 && distinct(tasks) <= 2)
        );
        assert_eq!(per_task(&partial).iter().sum::<usize>(), 1_200);
        assert_eq!(per_task(&of("local")).iter().sum::<usize>(), 1_200);
        assert_eq!(per_task(&of("custom")), [600, 600, 0]);
        let direct = of("direct");
        assert!(
            direct
                .iter()
                .all(|(value, tasks)| *tasks == [usize::try_from(value % 3).unwrap()])
        );
    });
}

#[test]
fn a_direct_grouping_needs_an_emitter_that_names_the_task() {
    let topology = Topology::named("direct");
    let events = numbers(1);
    let spout = topology.spout("numbers", move || events.clone());
    topology
        .bolt("reader", Seen::default().bolt())
        .direct_grouping(&spout);
    let error = TopologyTest::new(topology).run().unwrap_err().to_string();
    assert!(error.contains("emit_direct"), "{error}");
}

struct EvenOdd;

impl EvenOdd {
    const ODD: Port<Self, 1> = Port::named("odd");
}

impl Bolt for EvenOdd {
    type Input = Number;
    type Output = (Number, Number);
    fn execute(&mut self, number: &Number, out: &mut Out<Self::Output>) -> Result {
        if number.value.is_multiple_of(2) {
            out.emit(number.clone());
        } else {
            out.emit_to(Self::ODD, number.clone());
        }
        Ok(())
    }
    fn streams(&self) -> Vec<StreamPlan> {
        Self::Output::named(&[squall::stream::DEFAULT_STREAM, Self::ODD.name()])
    }
}

#[test]
fn a_component_has_several_streams_each_with_readers_of_its_own() {
    let topology = Topology::named("streams");
    let events = numbers(10);
    let spout = topology.spout("numbers", move || events.clone());
    let split = topology.bolt("split", || EvenOdd).global_grouping(&spout);
    let even = Collected::of(&topology, "even", &split);
    let odd = Collected::of(&topology, "odd", &split.stream(EvenOdd::ODD));
    TopologyTest::new(topology).run().unwrap();
    let values = |numbers: Vec<Number>| numbers.iter().map(|n| n.value).collect::<Vec<_>>();
    assert_eq!(values(even.take()), [0, 2, 4, 6, 8]);
    assert_eq!(values(odd.take()), [1, 3, 5, 7, 9]);
}

/// One type for several components, which differ in what they are.
struct Relay {
    column: &'static str,
    light: bool,
}

impl Bolt for Relay {
    type Input = Number;
    type Output = Number;
    fn execute(&mut self, number: &Number, out: &mut Out<Number>) -> Result {
        out.emit(number.clone());
        Ok(())
    }
    fn streams(&self) -> Vec<StreamPlan> {
        let mut streams = Self::Output::named(&["rows"]);
        streams[0].fields = vec![self.column.to_owned()];
        streams
    }
    fn is_light(&self) -> bool {
        self.light
    }
}

#[test]
fn what_a_component_is_may_differ_by_its_value() {
    let topology = Topology::named("values");
    let events = numbers(10);
    let spout = topology.spout("numbers", move || events.clone());
    let column = "price";
    let light = topology
        .bolt("light", move || Relay {
            column,
            light: true,
        })
        .shuffle_grouping(&spout);
    let column = "user";
    let heavy = topology
        .bolt("heavy", move || Relay {
            column,
            light: false,
        })
        .shuffle_grouping(&light);
    let all = Collected::of(&topology, "all", &heavy);
    let plan = topology.plan();
    let component = |id| plan.component(id).unwrap();
    let fields = |id| component(id).stream("rows").unwrap().fields.clone();
    assert_eq!(
        (fields("light"), fields("heavy")),
        (vec!["price".into()], vec!["user".into()])
    );
    let carried = |id| component(id).inputs[0].exchange;
    assert_eq!(
        (carried("light"), carried("heavy")),
        (Exchange::Chained, Exchange::Sent)
    );
    TopologyTest::new(topology).run().unwrap();
    assert_eq!(all.take().len(), 10);
}

#[test]
fn a_stream_is_read_by_several_bolts_and_each_gets_every_tuple() {
    let make = || {
        let topology = Topology::named("copies");
        let events = numbers(100);
        let spout = topology.spout("numbers", move || events.clone());
        for reader in ["a", "b", "c"] {
            topology
                .bolt(reader, || Map::new(|number: &Number| Ok(number.clone())))
                .parallelism(2)
                .shuffle_grouping(&spout);
        }
        topology
    };
    both(make, |result| {
        let stats = result.unwrap().stats;
        for reader in ["a", "b", "c"] {
            assert_eq!(stats.component(reader).unwrap().tuples_in, 100);
        }
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let order = |seed| {
        let topology = Topology::named("seeded");
        let events = Events::splits(
            TimeDomain::Processing,
            (0..4)
                .map(|split| vec![SplitStep::Tuple(Timestamp::MIN, Number { value: split }); 5])
                .collect(),
        );
        let spout = topology
            .spout("numbers", move || events.clone())
            .parallelism(4);
        let collected = Collected::of(&topology, "collected", &spout);
        let options = RunOptions {
            batch_tuples: 1,
            ..RunOptions::default()
        };
        TopologyTest::new(topology)
            .seed(seed)
            .options(options)
            .run()
            .unwrap();
        collected.take()
    };
    assert_eq!(order(1), order(1));
    let orders: Vec<_> = (0..8).map(order).collect();
    assert!(
        orders.iter().any(|other| *other != orders[0]),
        "seeds give different orders"
    );
}

//! Aggregations in topologies: the same however tuples are divided, delivered and combined.

use std::collections::BTreeMap;

use proptest::prelude::*;
use squall::aggregate::{Aggregator, CountAll, Distinct, DoubleSum, LongMin, LongSum};
use squall::bolts::{Aggregate, Aggregated, RollingAggregate};
use squall::testing::{BoltTest, Collected, Events, SplitStep, TopologyTest};
use squall::topology::{Exchange, When};
use squall::{RunOptions, Timestamp, Topology, Tuple, millis, time::TimeDomain, tuple::DeadLetter};

#[derive(Tuple, Clone, Debug, PartialEq)]
struct Sale {
    shop: u8,
    user: u32,
    cents: i64,
    weight: f64,
}

/// What is aggregated of sales.
fn sales() -> impl Aggregator<Input = Sale, Output = (u64, i64, Option<i64>, f64)> {
    (
        CountAll::new(),
        LongSum.of(Sale::CENTS),
        LongMin.of(Sale::CENTS),
        Distinct::new().of(Sale::USER),
    )
}

type Value = (u64, i64, Option<i64>, f64);
type Split = Vec<SplitStep<Sale>>;

fn sale() -> impl Strategy<Value = (Sale, i64)> {
    let fields = (0..6_u8, 0..40_u32, -500..500_i32, 0..9_i64);
    fields.prop_map(|(shop, user, cents, later)| {
        let sale = Sale {
            shop,
            user,
            cents: cents.into(),
            weight: f64::from(cents) / 100.0,
        };
        (sale, later)
    })
}

/// Sales of one place each, in the order of their times, a few of them late.
fn splits() -> impl Strategy<Value = Vec<Split>> {
    let split = prop::collection::vec((sale(), prop::bool::weighted(0.1)), 0..80);
    let split = split.prop_map(|sales| {
        let mut time = 0;
        let sales = sales.into_iter().map(|((sale, later), late)| {
            time += later;
            let late = if late { 25 } else { 0 };
            SplitStep::Tuple(Timestamp::from_millis(time - late), sale)
        });
        sales.collect()
    });
    prop::collection::vec(split, 1..4)
}

/// How a topology is run.
#[derive(Clone, Copy, Debug)]
struct Way {
    spouts: usize,
    tasks: usize,
    combine: When,
    seed: u64,
}

const PLAIN: Way = Way {
    spouts: 1,
    tasks: 1,
    combine: When::Never,
    seed: 0,
};

fn way() -> impl Strategy<Value = Way> {
    let combine = prop_oneof![Just(When::Pays), Just(When::Always), Just(When::Never)];
    let ways = (1..4_usize, 1..4_usize, combine, any::<u64>());
    ways.prop_map(|(spouts, tasks, combine, seed)| Way {
        spouts,
        tasks,
        combine,
        seed,
    })
}

fn run(topology: Topology, seed: u64) {
    let options = RunOptions {
        signals: false,
        ..RunOptions::default()
    };
    let test = TopologyTest::new(topology).seed(seed).options(options);
    test.run().unwrap();
}

/// The last value of each shop.
fn totals(splits: &[Split], way: Way) -> BTreeMap<u8, (Value, f64)> {
    let topology = Topology::named("totals");
    topology.combine(way.combine);
    let events = Events::splits(TimeDomain::Event, splits.to_vec());
    let read = topology
        .spout("sales", move || events.clone())
        .parallelism(way.spouts);
    let totals = topology
        .aggregate("totals", || {
            Aggregate::of((DoubleSum.of(Sale::WEIGHT), sales()))
        })
        .parallelism(way.tasks)
        .fields_grouping(&read, Sale::SHOP);
    let totals = Collected::of(&topology, "collected", &totals);
    run(topology, way.seed);
    let updates = totals.take().into_iter();
    let last = updates.map(|updated| (updated.key, (updated.value.1, updated.value.0)));
    last.collect()
}

type Windows = (Vec<Aggregated<u8, Value>>, Vec<Sale>);

/// The values of each window, and the late sales.
fn windows(splits: &[Split], way: Way, panes: u64) -> Windows {
    let topology = Topology::named("windows");
    topology.combine(way.combine);
    let events = Events::splits(TimeDomain::Event, splits.to_vec());
    let read = topology
        .spout("sales", move || events.clone())
        .parallelism(way.spouts);
    let windows = topology
        .aggregate("windows", move || {
            let windows = RollingAggregate::of(sales());
            match panes {
                0 => windows.every(millis(20)),
                panes => windows.over(millis(20 * panes)).every(millis(20)),
            }
        })
        .parallelism(way.tasks)
        .fields_grouping(&read, Sale::SHOP);
    let late = windows.stream(late_of(sales));
    let late = Collected::of(&topology, "late", &late);
    let windows = Collected::of(&topology, "collected", &windows);
    run(topology, way.seed);
    let (mut windows, mut late) = (windows.take(), late.take());
    windows.sort_by_key(|value| (value.window, value.key));
    late.sort_by_key(|sale| (sale.shop, sale.user, sale.cents));
    (windows, late)
}

/// The late stream of windows of this kind.
fn late_of<A: Aggregator<Input = Sale>>(
    _: fn() -> A,
) -> squall::stream::Port<RollingAggregate<u8, A>, 1> {
    RollingAggregate::<u8, A>::LATE
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn totals_are_the_same_however_they_are_made(splits in splits(), way in way()) {
        let mut model = BTreeMap::<u8, (u64, i64, Option<i64>)>::new();
        for event in splits.iter().flatten() {
            let SplitStep::Tuple(_, sale) = event else { continue };
            let (count, cents, least) = model.entry(sale.shop).or_default();
            *count += 1;
            *cents += sale.cents;
            *least = Some(least.map_or(sale.cents, |least: i64| least.min(sale.cents)));
        }
        let plain = totals(&splits, PLAIN);
        let exact = plain.iter().map(|(key, ((count, cents, least, _), _))| (*key, (*count, *cents, *least)));
        prop_assert_eq!(exact.collect::<BTreeMap<_, _>>(), model);
        prop_assert_eq!(totals(&splits, way), plain);
    }

    /// Late tuples are those of their own split, and do not depend on the way either.
    #[test]
    fn windows_are_the_same_however_they_are_made(
        splits in splits(),
        way in way(),
        panes in 0..4_u64,
    ) {
        prop_assert_eq!(windows(&splits, way, panes), windows(&splits, PLAIN, panes));
    }
}

/// A source that was idle is late as a whole, whether or not its tuples could be aggregated.
#[test]
fn an_idle_source_that_goes_on_is_late() {
    for (combine, seed) in [When::Never, When::Always]
        .into_iter()
        .flat_map(|w| [(w, 1), (w, 2)])
    {
        let topology = Topology::named("idle");
        topology.combine(combine);
        let sale = |time: i64| {
            let sale = Sale {
                shop: 1,
                user: 0,
                cents: time,
                weight: 0.0,
            };
            SplitStep::Tuple(Timestamp::from_millis(time), sale)
        };
        let busy = Events::splits(TimeDomain::Event, vec![(0..100).map(sale).collect()]);
        let mut script = vec![SplitStep::Idle, SplitStep::Wait(millis(5_000))];
        script.extend([5, 6, 7].map(sale));
        let idle = Events::splits(TimeDomain::Event, vec![script]);
        let busy = topology.spout("busy", move || busy.clone());
        let idle = topology.spout("idle", move || idle.clone());
        let windows = topology
            .aggregate("windows", || RollingAggregate::of(sales()).over(millis(10)))
            .fields_grouping(&busy, Sale::SHOP)
            .also(&idle);
        let late = Collected::of(&topology, "late", &windows.stream(late_of(sales)));
        let windows = Collected::of(&topology, "collected", &windows);
        run(topology, seed);
        let counts: Vec<u64> = windows.take().iter().map(|window| window.value.0).collect();
        assert_eq!(counts, [10; 10], "{combine:?}");
        assert_eq!(late.take().len(), 3, "{combine:?}");
    }
}

#[derive(Tuple, Clone, Debug)]
struct Row {
    one: char,
    other: char,
    amount: i64,
}

/// Rama's own example: rows keyed by their first two fields, as count and sum.
#[test]
fn the_new_value_of_each_key_is_handed_on_once_a_microbatch() {
    let totals = Aggregate::of((CountAll::new(), LongSum.of(Row::AMOUNT)));
    let mut test = BoltTest::keyed(totals, (Row::ONE, Row::OTHER));
    for (one, other, amount) in [('a', 'b', 3), ('a', 'c', 2), ('d', 'b', 9), ('a', 'b', 4)] {
        test = test.send(Row { one, other, amount });
    }
    let out = test.epoch().epoch().run().unwrap();
    let updates = out
        .emitted()
        .iter()
        .map(|update| (update.key, update.value));
    let expected = [
        (('a', 'b'), (2, 7)),
        (('a', 'c'), (1, 2)),
        (('d', 'b'), (1, 9)),
    ];
    assert_eq!(updates.collect::<Vec<_>>(), expected);
}

#[test]
fn the_plan_shows_what_senders_aggregate() {
    let topology = Topology::named("plan");
    let read = topology.spout("sales", || Events::<Sale>::now([]));
    let more = topology.spout("more", || Events::<Sale>::now([]));
    let _ = topology
        .aggregate("aggregated", || Aggregate::of(sales()))
        .fields_grouping(&read, Sale::SHOP)
        .also(&more);
    let _ = topology
        .keyed("keyed", || Aggregate::of(sales()))
        .fields_grouping(&read, Sale::SHOP);
    let exchanges = || {
        let inputs = topology
            .plan()
            .components
            .into_iter()
            .flat_map(|c| c.inputs);
        inputs.map(|input| input.exchange).collect::<Vec<_>>()
    };
    let combined = [Exchange::Combined, Exchange::Combined, Exchange::Sent];
    assert_eq!(exchanges(), combined);
    topology.combine(When::Never);
    assert_eq!(exchanges(), [Exchange::Sent; 3]);
}

/// Fewer are sent, and as many are counted.
#[test]
fn what_was_aggregated_before_it_was_sent_counts_as_what_it_was() {
    let tuples_in = |combine| {
        let topology = Topology::named("metrics");
        topology.combine(combine);
        let sale = |n: u32| Sale {
            shop: (n % 3).try_into().unwrap(),
            user: n,
            cents: 1,
            weight: 1.0,
        };
        let read = topology.spout("sales", move || Events::now((0..5_000).map(sale)));
        let more = topology.spout("more", move || Events::now((0..500).map(sale)));
        let totals = topology
            .aggregate("totals", || Aggregate::of(sales()))
            .parallelism(2)
            .fields_grouping(&read, Sale::SHOP)
            .also(&more);
        let totals = Collected::of(&topology, "collected", &totals);
        let options = RunOptions {
            signals: false,
            ..RunOptions::default()
        };
        let summary = topology.run(options).unwrap();
        let last: BTreeMap<u8, u64> = totals
            .take()
            .into_iter()
            .map(|u| (u.key, u.value.0))
            .collect();
        assert_eq!(last.values().sum::<u64>(), 5_500);
        let of = |name: &str| {
            let mut components = summary.stats.components.iter();
            components.find(|c| c.component == name).unwrap().tuples_in
        };
        of("totals")
    };
    assert_eq!(tuples_in(When::Always), 5_500);
    assert_eq!(tuples_in(When::Never), 5_500);
}

#[test]
fn what_no_partial_can_take_in_is_sent_and_refused_by_its_task() {
    for combine in [When::Always, When::Never] {
        let topology = Topology::named("overflow");
        topology.combine(combine);
        let sale = |cents| Sale {
            shop: 1,
            user: 0,
            cents,
            weight: 0.0,
        };
        let sold = [sale(i64::MAX), sale(2), sale(-1)];
        let read = topology.spout("sales", move || Events::now(sold.clone()));
        let sums = topology
            .aggregate("sums", || Aggregate::of(LongSum.of(Sale::CENTS)))
            .fields_grouping(&read, Sale::SHOP);
        let letters: Collected<DeadLetter> =
            Collected::of(&topology, "letters", &sums.dead_letters());
        let sums = Collected::of(&topology, "collected", &sums);
        run(topology, 0);
        let last = sums.take().pop();
        assert_eq!(last.map(|sum| sum.value), Some(i64::MAX - 1), "{combine:?}");
        let letters = letters.take();
        let [letter] = letters.as_slice() else {
            panic!("{combine:?}: {letters:?}");
        };
        assert_eq!(letter.source, "sums[0]");
        // What a sender has put together and what it has sent as it is come in no order.
        let reason = letter.reason.as_str();
        assert!(
            reason.starts_with("for the key 1 the sum of 92233720368547758")
                && reason.ends_with("and 2 is out of range"),
            "{combine:?}: {reason}"
        );
    }
}

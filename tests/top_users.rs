//! Rama's top users, each number of its documentation a test.
//!
//! The original is the `TopUsersModule` of the tutorial "Rama: top spending users": purchases in a
//! log partitioned by user, microbatches, a durable map of totals, and a global list of the 500
//! users who spent most, kept by its aggregator `topMonotonic`. An epoch is squall's microbatch.

use std::collections::BTreeMap;

use squall::bolts::{ShardTotals, TopMode, TopTotals, Totals};
use squall::testing::{Collected, Event, Events, Fault, Faults, TopologyTest};
use squall::{
    DataDir, Key, Next, Ranking, Restarts, Result, RunOptions, Spout, SpoutOut, States, Text,
    TimeDomain, Timestamp, Topology, Tuple, Value, Word, millis, secs,
};

#[derive(Tuple, Clone, Debug, PartialEq)]
struct Purchase {
    user: u64,
    cents: i64,
}

fn purchases(purchases: &[(u64, i64)]) -> Vec<Purchase> {
    let purchases = purchases.iter();
    purchases
        .map(|&(user, cents)| Purchase { user, cents })
        .collect()
}

type Entries<K> = Vec<(K, u64)>;

/// The topology, and how it is run.
#[derive(Clone)]
struct TopUsers {
    places: usize,
    mode: TopMode,
    counters: usize,
    seed: u64,
    options: RunOptions,
}

impl Default for TopUsers {
    fn default() -> Self {
        Self {
            places: 3,
            mode: TopMode::Exact,
            counters: 4,
            seed: 1,
            options: RunOptions::default(),
        }
    }
}

/// Rankings come every second, and batches are a second apart.
const BATCHES_APART: std::time::Duration = secs(1);

/// Tuples in batches, each halfway between two rankings.
fn in_batches<T: Tuple>(batches: Vec<Vec<T>>) -> Events<T> {
    let mut script = vec![Event::Wait(BATCHES_APART / 2)];
    for (number, batch) in batches.into_iter().enumerate() {
        if number > 0 {
            script.push(Event::Wait(BATCHES_APART));
        }
        let tuples = batch.into_iter();
        script.extend(tuples.map(|tuple| Event::Tuple(Timestamp::MIN, tuple)));
    }
    Events::splits(TimeDomain::Processing, vec![script])
}

impl TopUsers {
    /// Totals of any tuples by any key.
    fn topology<S, T, K>(
        &self,
        spout: impl Fn() -> S + Send + Sync + 'static,
        key: K,
        amount: fn(&T) -> i64,
    ) -> (Topology, Collected<Ranking<K::Value>>)
    where
        S: Spout<Output = T>,
        T: Tuple,
        K: Key<T>,
        K::Value: Sync,
    {
        let topology = Topology::named("top-users");
        let (places, mode) = (self.places, self.mode);
        let tuples = topology.spout("purchases", spout);
        let totals = topology
            .keyed("totals", move || Totals::of(amount).top(places).mode(mode))
            .parallelism(self.counters)
            .fields_grouping(&tuples, key);
        let top = topology
            .bolt("top", move || TopTotals::top(places).every(BATCHES_APART))
            .global_grouping(&totals);
        let rankings = Collected::of(&topology, "collected", &top);
        (topology, rankings)
    }

    /// The rankings after each of these batches.
    fn of<T, K>(
        &self,
        batches: Vec<Vec<T>>,
        key: K,
        amount: fn(&T) -> i64,
    ) -> Vec<Entries<K::Value>>
    where
        T: Tuple + Sync,
        K: Key<T>,
        K::Value: Sync,
    {
        let events = in_batches(batches);
        let (topology, rankings) = self.topology(move || events.clone(), key, amount);
        let test = TopologyTest::new(topology).seed(self.seed);
        test.options(self.options.clone()).run().unwrap();
        let rankings = rankings.take().into_iter();
        let mut rankings: Vec<_> = rankings.map(|ranking| ranking.entries).collect();
        // At the end of the input it is shown once more.
        rankings.dedup();
        rankings
    }

    fn of_purchases(&self, batches: &[&[(u64, i64)]]) -> Vec<Entries<u64>> {
        let batches = batches.iter().map(|batch| purchases(batch)).collect();
        self.of(batches, Purchase::USER, |purchase| purchase.cents)
    }

    /// Goes on in a data directory.
    fn on(mut self, dir: &DataDir) -> Self {
        self.options = RunOptions {
            data_dir: Some(dir.clone()),
            commit: millis(200),
            restarts: Restarts {
                per_minute: 1_000,
                first_pause: millis(1),
                longest_pause: millis(1),
            },
            ..RunOptions::default()
        };
        self
    }
}

/// The documentation's own purchases, in its two microbatches.
const FIRST: &[(u64, i64)] = &[(0, 300), (1, 200), (2, 100), (3, 100), (4, 400)];
const SECOND: &[(u64, i64)] = &[(3, 250)];

const BOTH_MODES: [TopMode; 2] = [TopMode::Exact, TopMode::Monotonic];

#[test]
fn the_three_top_users_of_two_microbatches() {
    for mode in BOTH_MODES {
        for (counters, seed) in [(1, 1), (4, 2), (7, 3)] {
            let top = TopUsers {
                mode,
                counters,
                seed,
                ..TopUsers::default()
            };
            let rankings = top.of_purchases(&[FIRST, SECOND]);
            let first = vec![(4, 400), (0, 300), (1, 200)];
            let second = vec![(4, 400), (3, 350), (0, 300)];
            assert_eq!(rankings, [first, second], "{mode} {counters}");
        }
    }
}

#[test]
fn the_three_top_users_as_ids_only() {
    let rankings = TopUsers::default().of_purchases(&[FIRST, SECOND]);
    let ids = rankings[1].iter().map(|(user, _)| *user);
    assert_eq!(ids.collect::<Vec<_>>(), [4, 3, 0]);
}

#[test]
fn the_three_top_words_of_two_microbatches() {
    let words = |text: &str| {
        let words = text.split(' ').map(Text::from);
        words.map(|word| Word { word }).collect::<Vec<_>>()
    };
    let entries =
        |entries: [(&str, u64); 3]| entries.map(|(word, count)| (Text::from(word), count));
    for mode in BOTH_MODES {
        let top = TopUsers {
            mode,
            ..TopUsers::default()
        };
        let batches = vec![
            words("apple orange strawberry papaya banana banana plum plum apple apple apple plum"),
            words("orange orange orange apple orange orange"),
        ];
        let rankings = top.of(batches, Word::WORD, |_| 1);
        let first = entries([("apple", 4), ("plum", 3), ("banana", 2)]);
        let second = entries([("orange", 6), ("apple", 5), ("plum", 3)]);
        assert_eq!(rankings, [first, second], "{mode}");
    }
}

/// Of users `0..users` the user `i` spends `i + 1`.
fn each_spends_more(users: u64) -> Entries<u64> {
    let all: Vec<_> = (0..users)
        .map(|user| (user, i64::try_from(user).unwrap() + 1))
        .collect();
    let top = TopUsers {
        places: 500,
        ..TopUsers::default()
    };
    let mut rankings = top.of_purchases(&[&all]);
    assert_eq!(rankings.len(), 1);
    rankings.remove(0)
}

#[test]
fn of_six_hundred_users_five_hundred_are_ranked() {
    let ranking = each_spends_more(600);
    assert_eq!(ranking.len(), 500);
    assert_eq!(ranking[0], (599, 600));
    assert_eq!(ranking[499], (100, 101));
    assert!(ranking.is_sorted_by(|one, other| one.1 > other.1));
}

#[test]
fn five_hundred_users_are_all_ranked() {
    let ranking = each_spends_more(500);
    assert_eq!(ranking.len(), 500);
    assert_eq!((ranking[0], ranking[499]), ((499, 500), (0, 1)));
}

#[test]
fn a_module_that_is_stopped_goes_on_from_its_data_directory() {
    let before: &[(u64, i64)] = &[(10, 300), (20, 200), (30, 100), (40, 50)];
    let all = [before, &[(40, 200), (20, 25)]].concat();
    for mode in BOTH_MODES {
        for counters in [4, 1, 9] {
            let folder = tempfile::tempdir().unwrap();
            let dir = DataDir::at(folder.path().join("data"));
            let top = TopUsers {
                places: 4,
                mode,
                ..TopUsers::default()
            }
            .on(&dir);
            let first = top.of_purchases(&[before]);
            assert_eq!(first, [[(10, 300), (20, 200), (30, 100), (40, 50)]]);
            // The spout goes on behind what it has read; the totals move to their new tasks.
            let top = TopUsers { counters, ..top };
            let second = top.of_purchases(&[&all]);
            let last = second.last().unwrap();
            assert_eq!(
                *last,
                [(10, 300), (40, 250), (20, 225), (30, 100)],
                "{mode} {counters}"
            );
        }
    }
}

/// What is pushed out of the ranking comes back only when its key is updated, where the ranking
/// is monotonic; that is wrong for totals that fall.
#[test]
fn top_monotonic_keeps_only_what_it_has_been_sent() {
    let batches: &[&[(u64, i64)]] = &[
        &[(1, 500), (2, 400), (3, 300)],
        &[(2, -400)],
        &[(4, 100)],
        &[(3, 50)],
    ];
    let top = |mode| {
        TopUsers {
            places: 2,
            mode,
            ..TopUsers::default()
        }
        .of_purchases(batches)
    };
    let exact = top(TopMode::Exact);
    assert_eq!(exact[0], [(1, 500), (2, 400)]);
    assert_eq!(exact[1..], [[(1, 500), (3, 300)], [(1, 500), (3, 350)]]);
    let monotonic = top(TopMode::Monotonic);
    assert_eq!(monotonic[0], [(1, 500), (2, 400)]);
    assert_eq!(monotonic[1], [(1, 500)], "3 is forgotten");
    assert_eq!(
        monotonic[2],
        [(1, 500), (4, 100)],
        "a lesser one has its place"
    );
    assert_eq!(monotonic[3], [(1, 500), (3, 350)], "3 was updated");
}

#[test]
fn totals_of_zero_or_less_have_no_place() {
    for mode in BOTH_MODES {
        let top = TopUsers {
            places: 5,
            mode,
            ..TopUsers::default()
        };
        let rankings = top.of_purchases(&[&[(1, 100), (2, 0), (3, -5), (4, 50)], &[(1, -100)]]);
        assert_eq!(rankings, [vec![(1, 100), (4, 50)], vec![(4, 50)]], "{mode}");
    }
}

#[test]
fn a_quiet_stream_is_ranked_on_the_timer() {
    let script = vec![
        Event::Tuple(Timestamp::MIN, purchases(&[(1, 100)]).remove(0)),
        Event::Wait(secs(5)),
    ];
    let events = Events::splits(TimeDomain::Processing, vec![script]);
    let top = TopUsers::default();
    let cents: fn(&Purchase) -> i64 = |purchase| purchase.cents;
    let (topology, rankings) = top.topology(move || events.clone(), Purchase::USER, cents);
    TopologyTest::new(topology).run().unwrap();
    let rankings = rankings.take();
    assert!(rankings.len() >= 5, "{rankings:?}");
    assert!(
        rankings.iter().all(|ranking| ranking.entries == [(1, 100)]),
        "{rankings:?}"
    );
}

/// One cent each, by eleven users in turn: the sum of a ranking says how many purchases are in it.
fn a_cent(number: u64) -> Purchase {
    let user = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Purchase {
        user: user % 11,
        cents: 1,
    }
}

/// The ranking after so many of these purchases.
fn after(count: u64) -> Entries<u64> {
    let mut totals = BTreeMap::new();
    for number in 0..count {
        *totals.entry(a_cent(number).user).or_insert(0) += 1;
    }
    let mut entries: Vec<_> = totals.into_iter().collect();
    entries.sort_by_key(|(user, total)| (std::cmp::Reverse(*total), *user));
    entries
}

fn sum(entries: &[(u64, u64)]) -> u64 {
    entries.iter().map(|(_, total)| total).sum()
}

/// Makes these purchases, up to one, over all runs; none is made again once it is committed.
struct Cents {
    made: Value<u64>,
    end: u64,
}

impl Cents {
    fn up_to(end: u64) -> Self {
        Self {
            made: Value::default(),
            end,
        }
    }
}

impl Spout for Cents {
    type Output = Purchase;

    fn next(&mut self, out: &mut SpoutOut<Purchase>) -> Result<Next> {
        for _ in 0..50 {
            if *self.made == self.end {
                return Ok(Next::End);
            }
            out.emit(a_cent(*self.made));
            *self.made += 1;
        }
        Ok(Next::More)
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("made", &mut self.made);
    }
}

const CENTS: fn(&Purchase) -> i64 = |purchase| purchase.cents;

/// All users are ranked, so that a ranking tells of every purchase.
fn all_ranked(mode: TopMode) -> TopUsers {
    TopUsers {
        places: 20,
        mode,
        ..TopUsers::default()
    }
}

/// Whatever fails, and whenever: every ranking is that of a number of whole purchases, never of
/// one twice, and in the end of all.
#[test]
fn a_microbatch_that_fails_is_retried_with_the_state_of_the_last_commit() {
    const PURCHASES: u64 = 20_000;
    for mode in BOTH_MODES {
        for nth in 1..9 {
            for fault in [Fault::Panic, Fault::Error, Fault::Kill] {
                let dir = DataDir::in_memory().unwrap();
                let top = all_ranked(mode).on(&dir);
                let (topology, rankings) =
                    top.topology(|| Cents::up_to(PURCHASES), Purchase::USER, CENTS);
                let points = Faults::POINTS.iter().enumerate();
                let faults = points.fold(Faults::none(), |faults, (index, point)| {
                    faults.at(point, nth + index as u64 % 3, fault)
                });
                let options = RunOptions {
                    epoch: millis(1),
                    commit: millis(2),
                    faults: faults.clone(),
                    ..top.options
                };
                let test = TopologyTest::new(topology).options(options).seed(nth);
                test.run().unwrap();
                assert!(faults.left() < Faults::POINTS.len(), "nothing has failed");
                let rankings = rankings.take();
                for ranking in &rankings {
                    assert_eq!(
                        ranking.entries,
                        after(sum(&ranking.entries)),
                        "{mode} {nth} {fault:?}"
                    );
                }
                let last = &rankings.last().unwrap().entries;
                assert_eq!(*last, after(PURCHASES), "{mode} {nth} {fault:?}");
                let views = dir.views().unwrap().read().unwrap();
                let stored: Entries<u64> = views.value("top", "top", 0).unwrap().unwrap();
                assert_eq!(stored, *last);
            }
        }
    }
}

/// While it runs at full speed, on threads.
#[test]
fn reads_see_whole_microbatches_only() {
    for mode in BOTH_MODES {
        let dir = DataDir::in_memory().unwrap();
        let top = all_ranked(mode).on(&dir);
        let (topology, _rankings) = top.topology(|| Cents::up_to(u64::MAX), Purchase::USER, CENTS);
        let running = topology
            .start(RunOptions {
                epoch: millis(5),
                commit: millis(10),
                signals: false,
                ..top.options
            })
            .unwrap();
        let views = running.views().unwrap();
        let mut commits = views.changes::<u64, i64>("totals", "totals").unwrap();
        for _ in 0..15 {
            commits.next().unwrap().unwrap();
            let snapshot = views.read().unwrap();
            let made: u64 = snapshot.value("purchases", "made", 0).unwrap().unwrap();
            let top: Entries<u64> = snapshot.value("top", "top", 0).unwrap().unwrap();
            assert_eq!(sum(&top), made);
            let totals = snapshot.table::<u64, i64>("totals", "totals").unwrap();
            let totals = totals.iter().unwrap();
            let totals: BTreeMap<_, _> = totals.map(|(user, total)| (*user, *total)).collect();
            let ranked: BTreeMap<_, _> = top
                .iter()
                .map(|(user, total)| (*user, i64::try_from(*total).unwrap()))
                .collect();
            assert_eq!(totals, ranked);
            assert!(top.is_sorted_by_key(|(user, total)| (std::cmp::Reverse(*total), *user)));
        }
        running.stop();
        let _ = running.wait().unwrap();
    }
}

/// The sorted totals of batches, one ranking after each.
fn model(batches: &[Vec<(u64, i64)>], places: usize) -> Vec<Entries<u64>> {
    let mut totals = BTreeMap::new();
    let mut rankings = Vec::new();
    for batch in batches {
        for (user, cents) in batch {
            *totals.entry(*user).or_insert(0_i64) += cents;
        }
        let placed = totals.iter().filter(|(_, total)| **total > 0);
        let mut ranking: Vec<_> = placed
            .map(|(user, total)| (*user, total.unsigned_abs()))
            .collect();
        ranking.sort_by_key(|(user, total)| (std::cmp::Reverse(*total), *user));
        ranking.truncate(places);
        rankings.push(ranking);
    }
    rankings.dedup();
    rankings
}

mod any_purchases {
    use proptest::prelude::*;

    use super::*;

    fn batches(cents: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Vec<(u64, i64)>>> {
        let batch = prop::collection::vec((0_u64..40, cents), 1..30);
        prop::collection::vec(batch, 1..10)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn exact_is_right_for_totals_that_rise_and_fall(
            batches in batches(-50..60),
            places in 1_usize..6,
            counters in 1_usize..6,
            seed in 0_u64..1_000,
        ) {
            let top = TopUsers { places, counters, seed, ..TopUsers::default() };
            let slices: Vec<_> = batches.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(top.of_purchases(&slices), model(&batches, places));
        }

        #[test]
        fn monotonic_is_right_for_totals_that_only_grow(
            batches in batches(0..60),
            places in 1_usize..6,
            counters in 1_usize..6,
            seed in 0_u64..1_000,
        ) {
            let mode = TopMode::Monotonic;
            let top = TopUsers { places, mode, counters, seed, ..TopUsers::default() };
            let slices: Vec<_> = batches.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(top.of_purchases(&slices), model(&batches, places));
        }

        /// Runs of other parallelism, mode and number of places, one after the other in one
        /// data directory.
        #[test]
        fn each_run_goes_on_from_the_one_before(
            batches in batches(0..60),
            runs in prop::collection::vec((1_usize..6, 1_usize..8, any::<bool>()), 1..5),
        ) {
            let dir = DataDir::in_memory().unwrap();
            for (number, (counters, places, exact)) in runs.into_iter().enumerate() {
                let mode = if exact { TopMode::Exact } else { TopMode::Monotonic };
                let so_far = &batches[..batches.len().min(2 * number + 1)];
                let slices: Vec<_> = so_far.iter().map(Vec::as_slice).collect();
                let top = TopUsers { places, mode, counters, ..TopUsers::default() }.on(&dir);
                let rankings = top.of_purchases(&slices);
                let expected = model(so_far, places);
                prop_assert_eq!(rankings.last(), expected.last());
            }
        }
    }
}

/// What cannot be is said when the topology starts.
#[test]
fn no_places_and_spans_that_are_no_milliseconds_are_refused() {
    let events = in_batches(vec![purchases(FIRST)]);
    let top = TopUsers {
        places: 0,
        ..TopUsers::default()
    };
    let (topology, _) = top.topology(move || events.clone(), Purchase::USER, CENTS);
    let error = TopologyTest::new(topology).run().unwrap_err().to_string();
    assert!(error.contains("0 places"), "{error}");

    let refused = |top: TopTotals<u64>| {
        let test = squall::testing::BoltTest::new(top).epoch();
        test.run().unwrap_err().to_string()
    };
    let odd = std::time::Duration::from_micros(1_500);
    let error = refused(TopTotals::top(1).every(odd));
    assert!(
        error.contains("1.5ms") && error.contains("whole milliseconds"),
        "{error}"
    );
}

#[test]
fn totals_that_do_not_fit_the_ranking_are_refused_with_both_sides() {
    let shard = |origin: &str, mode, places| ShardTotals {
        origin: origin.into(),
        mode,
        places,
        entries: vec![(1_u64, 5)],
    };
    let out = squall::testing::BoltTest::new(TopTotals::top(10))
        .send(shard("a", TopMode::Exact, 10))
        .send(shard("b", TopMode::Monotonic, 10))
        .send(shard("c", TopMode::Exact, 9))
        .last_epoch()
        .run()
        .unwrap();
    let reasons = out
        .dead_letters()
        .iter()
        .map(|letter| letter.reason.as_str());
    let reasons: Vec<_> = reasons.collect();
    assert_eq!(reasons.len(), 2);
    assert!(
        reasons[0].contains("b[0] are monotonic") && reasons[0].contains("exact"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].contains("c[0]") && reasons[1].contains("Totals::top(10)"),
        "{reasons:?}"
    );
    assert_eq!(out.emitted()[0].entries, [(1, 5)]);
}

//! Rama's top users, each number of its documentation a test.
//!
//! The original is the `TopUsersModule` of the tutorial "Rama: top spending users": purchases in a
//! log partitioned by user, microbatches, a durable map of totals, and a global list of the 500
//! users who spent most, kept by its aggregator `topMonotonic`. An epoch is squall's microbatch.

mod any_purchases;
mod whole_microbatches;

use std::time::Duration;

use squall::bolts::{ShardTotals, TopMode, TopTotals, Totals};
use squall::testing::{BoltTest, Collected, Events, SplitStep, TopologyTest};
use squall::{
    DataDir, Ranking, RunOptions, Spout, Text, Timestamp, Topology, Tuple, Word, key::Key, millis,
    run::Restarts, secs, time::TimeDomain,
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

/// What a purchase adds to the total of its user.
const CENTS: fn(&Purchase) -> i64 = |purchase| purchase.cents;

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
const BATCHES_APART: Duration = secs(1);

/// Tuples in batches, each halfway between two rankings.
fn in_batches<T: Tuple>(batches: Vec<Vec<T>>) -> Events<T> {
    let mut script = vec![SplitStep::Wait(BATCHES_APART / 2)];
    for (number, batch) in batches.into_iter().enumerate() {
        if number > 0 {
            script.push(SplitStep::Wait(BATCHES_APART));
        }
        let tuples = batch.into_iter();
        script.extend(tuples.map(|tuple| SplitStep::Tuple(Timestamp::MIN, tuple)));
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
        self.of(batches, Purchase::USER, CENTS)
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
        SplitStep::Tuple(Timestamp::MIN, purchases(&[(1, 100)]).remove(0)),
        SplitStep::Wait(secs(5)),
    ];
    let events = Events::splits(TimeDomain::Processing, vec![script]);
    let top = TopUsers::default();
    let (topology, rankings) = top.topology(move || events.clone(), Purchase::USER, CENTS);
    TopologyTest::new(topology).run().unwrap();
    let rankings = rankings.take();
    assert!(rankings.len() >= 5, "{rankings:?}");
    assert!(
        rankings.iter().all(|ranking| ranking.entries == [(1, 100)]),
        "{rankings:?}"
    );
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
        let test = BoltTest::new(top).epoch();
        test.run().unwrap_err().to_string()
    };
    let odd = Duration::from_micros(1_500);
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
        whole: true,
        entries: vec![(1_u64, 5)],
    };
    let out = BoltTest::new(TopTotals::top(10))
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
        reasons[0].contains("b[0] have the mode monotonic") && reasons[0].contains("exact"),
        "{reasons:?}"
    );
    assert!(
        reasons[1].contains("c[0]") && reasons[1].contains("Totals::top(10)"),
        "{reasons:?}"
    );
    assert_eq!(out.emitted()[0].entries, [(1, 5)]);
}

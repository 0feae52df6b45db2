//! Ready bolts over a failure, and from run to run: what they emit before and after.

mod aggregates;
mod one_by_one;
pub(super) mod steps;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{MergeRankings, Rank, RollingCount, TopMonotonic};
use crate::batch::Batch;
use crate::context::{Context, Epoch};
use crate::operator::{AnyBolt, Executes, PlainOperator, WithKey, next_step};
use crate::ranking::{Count, Origin, Ranking, Word};
use crate::state::States;
use crate::state::tests::Store;
use crate::stream::StreamAt;
use crate::stream::sealed::StagingAt;
use crate::time::{TimeDomain, Timestamp, Window, WindowShape, millis};

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

/// The runs of a component of one task, which has a store.
struct Runs<B: Executes> {
    make: fn() -> B,
    store: Store,
    task: Vec<PlainOperator<B>>,
    domain: TimeDomain,
    shape: WindowShape,
    runs: u64,
    /// How many tasks the component believes to have; there is only its first one.
    parallelism: usize,
    /// The tasks of the component upstream.
    rankings: usize,
    /// When the run began, by its clock.
    began: Timestamp,
    /// Windows close one after the other, as in a topology.
    steps: bool,
    /// The task goes on elsewhere, while the others have run all the time.
    moved: bool,
    reached: Timestamp,
}

fn keep<B: Executes>(task: &mut PlainOperator<B>, states: &mut States<'_>) {
    task.state(states);
}

impl<B: Executes> Runs<B>
where
    B::Output: StreamAt<0>,
{
    fn new(make: fn() -> B, domain: TimeDomain, shape: WindowShape) -> Self {
        let mut runs = Self {
            make,
            store: Store::new(true),
            task: Vec::new(),
            domain,
            shape,
            runs: 0,
            parallelism: 1,
            rankings: 1,
            began: Timestamp::MIN,
            steps: false,
            moved: false,
            reached: Timestamp::MIN,
        };
        runs.begin();
        runs
    }

    /// Begins a run with what was committed last.
    fn begin(&mut self) {
        let make = || PlainOperator::new((self.make)());
        self.task = self.store.load(1, make, keep);
        let context = Context {
            parallelism: self.parallelism,
            domain: self.domain,
            window: Some(self.shape),
            durable: true,
            resumed_from: (self.runs > 0).then_some(self.runs),
            interrupted: self.runs > 0 && !self.moved,
            began: self.began,
            tasks_of: Arc::new(BTreeMap::from([("rankings".to_owned(), self.rankings)])),
            ..Context::of_test()
        };
        self.runs += 1;
        self.reached = Timestamp::MIN;
        self.task[0].prepare(&context).unwrap();
    }

    fn send(&mut self, tuple: B::Input, time: Timestamp) {
        let mut batch = Batch::default();
        batch.push(tuple, time, false);
        self.task[0].execute(&mut batch).unwrap();
    }

    fn watermark(&mut self, watermark: Timestamp) {
        while self.steps
            && let Some(next) = next_step(&self.task[0], self.reached, watermark)
        {
            self.task[0].on_watermark(next).unwrap();
            self.reached = next;
        }
        self.task[0].on_watermark(watermark).unwrap();
        self.reached = self.reached.max(watermark);
    }

    fn commit(&mut self) {
        self.store.save(&mut self.task, keep, at(0), || false);
    }

    /// The input ends, and the run with it.
    fn end(&mut self) {
        self.watermark(Timestamp::MAX);
        let epoch = Epoch {
            number: self.runs,
            time: at(0),
            last: true,
            closes: true,
            commit: true,
        };
        self.task[0].on_epoch(&epoch).unwrap();
        self.commit();
    }

    fn open_windows(&self) -> usize {
        self.task[0].open_windows()
    }

    /// What was emitted in this run.
    fn emitted(self) -> (Self, Vec<<B::Output as StreamAt<0>>::Item>, u64, usize) {
        let Self { mut task, .. } = self;
        let mut out = task.remove(0).into_out();
        let late = out.late_tuples;
        let refused = out.dead_letters.tuples.len();
        let tuples = std::mem::take(&mut B::Output::batch(&mut out.staged).tuples);
        let mut runs = Self { task, ..self };
        runs.begin();
        (runs, tuples, late, refused)
    }
}

fn word(text: &str) -> Word {
    Word { word: text.into() }
}

fn counted(counts: &[Count<crate::Text>]) -> Vec<(i64, u64)> {
    let ends = counts.iter().map(|c| (c.window.end.millis(), c.count));
    ends.collect()
}

#[test]
fn counts_go_on_after_a_failure_and_nothing_is_emitted_twice() {
    let shape = WindowShape::sliding(millis(20), millis(10)).unwrap();
    let make = || WithKey::new(RollingCount::over(millis(20)).every(millis(10)), Word::WORD);
    let mut runs = Runs::new(make, TimeDomain::Event, shape);
    runs.send(word("a"), at(1));
    runs.watermark(at(10));
    runs.send(word("a"), at(12));
    runs.commit();
    runs.send(word("lost"), at(13));
    let (mut runs, counts, ..) = runs.emitted();
    assert_eq!(counted(&counts), [(10, 1)]);

    runs.send(word("a"), at(5));
    runs.watermark(at(10));
    runs.watermark(at(30));
    runs.end();
    let (mut runs, counts, late, _) = runs.emitted();
    assert_eq!(counted(&counts), [(20, 2), (30, 1)]);
    assert_eq!(late, 1, "its window was closed before the failure");

    // The file has grown since that run ended.
    runs.send(word("a"), at(22));
    runs.send(word("a"), at(31));
    runs.end();
    let (_, counts, late, _) = runs.emitted();
    assert_eq!(counted(&counts), [(40, 1), (50, 1)]);
    assert_eq!(late, 1);
}

#[test]
fn totals_over_everything_go_on_from_run_to_run() {
    let make = || WithKey::new(RollingCount::over_all(), Word::WORD);
    let mut runs = Runs::new(make, TimeDomain::Event, WindowShape::ALL);
    let all = Timestamp::MAX.millis();
    for total in 1..4 {
        runs.send(word("a"), at(1));
        runs.end();
        let counts;
        (runs, counts, ..) = runs.emitted();
        assert_eq!(counted(&counts), [(all, total)]);
    }
    runs.end();
    let (_, counts, ..) = runs.emitted();
    assert!(counts.is_empty(), "nothing is new");
}

fn total(key: char, count: u64, end: Timestamp) -> Count<char> {
    let window = Window {
        start: Timestamp::MIN,
        end,
    };
    Count { key, count, window }
}

fn check_totals<B>(make: fn() -> B)
where
    B: Executes<Input = Count<char>, Output = Ranking<char>>,
{
    let shape = WindowShape::running(millis(10)).unwrap();
    let mut runs = Runs::new(make, TimeDomain::Event, shape);
    runs.send(total('a', 3, at(10)), at(9));
    runs.send(total('b', 5, at(20)), at(19));
    runs.watermark(at(10));
    runs.commit();
    let (mut runs, rankings, ..) = runs.emitted();
    assert_eq!(rankings.len(), 1);

    runs.send(total('a', 9, at(10)), at(9));
    runs.watermark(at(10));
    runs.end();
    let (mut runs, rankings, _, refused) = runs.emitted();
    assert_eq!(refused, 1, "that window was ranked before the failure");
    let entries: Vec<_> = rankings.into_iter().map(|r| r.entries).collect();
    let both = vec![('b', 5), ('a', 3)];
    assert_eq!(entries, [both.clone(), both]);

    runs.end();
    let (mut runs, rankings, ..) = runs.emitted();
    assert!(rankings.is_empty(), "nothing is new");

    runs.send(total('a', 7, at(30)), at(29));
    runs.end();
    let (_, rankings, ..) = runs.emitted();
    let entries: Vec<_> = rankings.into_iter().map(|r| r.entries).collect();
    let new = vec![('a', 7), ('b', 5)];
    assert_eq!(entries, [new.clone(), new]);
}

#[test]
fn a_run_without_news_ranks_nothing_and_one_with_news_ranks_all() {
    check_totals(|| Rank::top(3));
    check_totals(|| TopMonotonic::top(3));
}

#[test]
fn a_failure_keeps_what_was_sent_for_a_window() {
    let window = Window {
        start: at(0),
        end: at(10),
    };
    let shape = WindowShape::sliding(millis(10), millis(10)).unwrap();
    let mut runs = Runs::new(|| Rank::top(2), TimeDomain::Event, shape);
    let count = |key, count| Count { key, count, window };
    runs.send(count('a', 1), at(9));
    runs.commit();
    let (mut runs, ..) = runs.emitted();
    runs.send(count('b', 2), at(9));
    runs.watermark(at(10));
    let (_, rankings, ..) = runs.emitted();
    assert_eq!(rankings[0].entries, [('b', 2), ('a', 1)]);
}

fn part(end: i64, key: char, count: u64) -> Ranking<char> {
    Ranking {
        window: Window {
            start: at(end - 10),
            end: at(end),
        },
        origin: "rankings".into(),
        entries: vec![(key, count)],
    }
}

fn ends(rankings: &[Ranking<char>]) -> Vec<(i64, usize)> {
    let ends = rankings.iter();
    ends.map(|r| (r.window.end.millis(), r.entries.len()))
        .collect()
}

#[test]
fn a_night_without_a_run_is_not_a_thousand_empty_rankings() {
    let shape = WindowShape::sliding(millis(10), millis(10)).unwrap();
    let make = || MergeRankings::top(3);
    let mut runs = Runs::new(make, TimeDomain::Processing, shape);
    runs.watermark(at(1_001));
    runs.send(part(1_010, 'a', 1), at(1_009));
    runs.watermark(at(1_012));
    runs.send(part(1_020, 'a', 1), at(1_019));
    runs.commit();
    let (mut runs, rankings, ..) = runs.emitted();
    assert_eq!(ends(&rankings), [(1_010, 1)]);

    runs.watermark(at(90_004));
    runs.watermark(at(90_021));
    runs.commit();
    let (mut runs, rankings, ..) = runs.emitted();
    assert_eq!(
        ends(&rankings),
        [(1_020, 1), (1_030, 0), (90_010, 0), (90_020, 0)]
    );

    runs.watermark(at(180_000));
    runs.watermark(at(180_010));
    let (_, rankings, ..) = runs.emitted();
    assert_eq!(ends(&rankings), [(180_010, 0)], "the last one was empty");
}

#[test]
fn a_gap_by_event_time_is_one_empty_ranking_over_a_failure_too() {
    let shape = WindowShape::sliding(millis(10), millis(10)).unwrap();
    let mut runs = Runs::new(|| MergeRankings::top(3), TimeDomain::Event, shape);
    runs.send(part(10, 'a', 1), at(9));
    runs.watermark(at(10));
    runs.commit();
    let (mut runs, rankings, ..) = runs.emitted();
    assert_eq!(ends(&rankings), [(10, 1)]);
    runs.watermark(at(10));
    runs.send(part(9_000, 'b', 1), at(8_999));
    runs.end();
    let (_, rankings, ..) = runs.emitted();
    assert_eq!(ends(&rankings), [(20, 0), (9_000, 1)]);
}

// --- after a change of parallelism ---

fn as_they_stand<B>(make: fn() -> B)
where
    B: Executes<Input = Count<char>, Output = Ranking<char>>,
{
    let shape = WindowShape::running(millis(10)).unwrap();
    let mut runs = Runs::new(make, TimeDomain::Event, shape);
    runs.send(total('a', 3, at(10)), at(9));
    runs.watermark(at(10));
    runs.commit();
    runs.parallelism = 2;
    let (mut runs, ..) = runs.emitted();
    runs.watermark(at(10));
    let (mut runs, lost, ..) = runs.emitted();
    assert_eq!(lost.len(), 1, "and nothing is committed");

    runs.watermark(at(10));
    runs.send(total('a', 1, at(20)), at(19));
    runs.watermark(at(20));
    runs.commit();
    let (mut runs, rankings, ..) = runs.emitted();
    let sent: Vec<_> = rankings.iter().map(|r| (r.window, r.entries[0])).collect();
    let until = Window {
        start: Timestamp::MIN,
        end: at(20),
    };
    assert_eq!(sent, [(Window::STANDING, ('a', 3)), (until, ('a', 1))]);
    assert_eq!(rankings[0].origin.tasks, 2);

    runs.watermark(at(20));
    let (_, rankings, ..) = runs.emitted();
    assert!(rankings.is_empty(), "the readers know already");
}

#[test]
fn totals_are_sent_as_they_stand_after_a_change_of_parallelism() {
    as_they_stand(|| Rank::top(3));
    as_they_stand(|| TopMonotonic::top(3));
}

fn totals_of(task: u32, tasks: u32, end: i64, entries: &[(char, u64)]) -> Ranking<char> {
    Ranking {
        window: Window {
            start: Timestamp::MIN,
            end: if end == 0 { Timestamp::MIN } else { at(end) },
        },
        origin: Origin {
            component: "rankings".into(),
            task,
            tasks,
        },
        entries: entries.to_vec(),
    }
}

/// A merger whose `rankings` were one task that has sent all, and are two.
fn with_two_rankings(parallelism: usize) -> Runs<MergeRankings<char>> {
    let shape = WindowShape::running(millis(10)).unwrap();
    let mut runs = Runs::new(|| MergeRankings::top(3), TimeDomain::Event, shape);
    runs.parallelism = parallelism;
    let (mut runs, ..) = runs.emitted();
    runs.send(totals_of(0, 1, 10, &[('a', 9), ('b', 5)]), at(9));
    runs.watermark(at(10));
    runs.commit();
    runs.rankings = 2;
    let (runs, rankings, ..) = runs.emitted();
    assert_eq!(rankings[0].entries, [('a', 9), ('b', 5)]);
    runs
}

#[test]
fn half_of_the_keys_do_not_replace_the_whole() {
    let mut runs = with_two_rankings(1);
    runs.send(totals_of(0, 2, 0, &[('a', 9)]), at(9));
    runs.send(totals_of(1, 2, 0, &[('b', 5)]), at(9));
    // Only one of them has news, and a total has fallen.
    runs.send(totals_of(0, 2, 20, &[('a', 2)]), at(19));
    runs.watermark(at(20));
    let (_, rankings, ..) = runs.emitted();
    assert_eq!(rankings.len(), 1, "the only merger has nothing to hand on");
    assert_eq!(rankings[0].entries, [('b', 5), ('a', 2)]);
}

#[test]
fn a_merger_hands_on_what_a_change_of_parallelism_gives_it_and_takes_from_it() {
    let mut runs = with_two_rankings(2);
    runs.send(totals_of(1, 2, 0, &[('b', 5)]), at(9));
    runs.watermark(at(10));
    runs.commit();
    let (mut runs, rankings, ..) = runs.emitted();
    let sent: Vec<_> = rankings
        .iter()
        .map(|r| (r.window, &r.entries[..]))
        .collect();
    assert_eq!(sent, [(Window::STANDING, &[('b', 5)][..])]);

    // Both have another merger now.
    runs.rankings = 3;
    let (mut runs, ..) = runs.emitted();
    runs.watermark(at(10));
    runs.commit();
    let (mut runs, rankings, ..) = runs.emitted();
    let sent: Vec<_> = rankings
        .iter()
        .map(|r| (r.window, &r.entries[..]))
        .collect();
    assert_eq!(sent, [(Window::STANDING, &[][..])]);

    runs.watermark(at(10));
    let (_, rankings, ..) = runs.emitted();
    assert!(rankings.is_empty(), "the readers know already");
}

/// Two shards and three mergers as before, with two places and then with four.
#[test]
fn a_merger_with_more_places_hands_on_all_that_its_readers_do_not_have() {
    let shape = WindowShape::running(millis(10)).unwrap();
    let mut runs = Runs::new(|| MergeRankings::top(2), TimeDomain::Event, shape);
    (runs.parallelism, runs.rankings) = (3, 2);
    let (mut runs, ..) = runs.emitted();
    let halves = |end| {
        [
            totals_of(0, 2, end, &[('a', 5), ('b', 4)]),
            totals_of(1, 2, end, &[('c', 3), ('d', 2)]),
        ]
    };
    for half in halves(10) {
        runs.send(half, at(9));
    }
    runs.watermark(at(10));
    runs.commit();
    runs.make = || MergeRankings::top(4);
    let (mut runs, rankings, ..) = runs.emitted();
    assert_eq!(rankings[0].entries, [('a', 5), ('b', 4)]);

    for half in halves(0) {
        runs.send(half, at(10));
    }
    runs.watermark(at(10));
    runs.commit();
    let (mut runs, rankings, ..) = runs.emitted();
    assert_eq!(rankings.len(), 1);
    assert_eq!(rankings[0].window, Window::STANDING);
    let all = [('a', 5), ('b', 4), ('c', 3), ('d', 2)];
    assert_eq!(rankings[0].entries, all);

    runs.watermark(at(10));
    let (_, rankings, ..) = runs.emitted();
    assert!(rankings.is_empty(), "the readers know already");
}

#[test]
fn a_window_that_was_open_knows_the_tasks_of_before_and_no_later_one_does() {
    let mut runs = with_two_rankings(1);
    runs.rankings = 1;
    let (mut runs, ..) = runs.emitted();
    runs.send(totals_of(0, 1, 20, &[('a', 7), ('b', 5)]), at(19));
    runs.commit();
    runs.rankings = 2;
    let (mut runs, ..) = runs.emitted();
    runs.send(totals_of(0, 2, 0, &[('a', 7)]), at(19));
    runs.send(totals_of(1, 2, 0, &[('b', 5)]), at(19));
    runs.send(totals_of(0, 2, 30, &[('a', 1)]), at(29));
    runs.watermark(at(30));
    let (_, rankings, ..) = runs.emitted();
    let entries: Vec<_> = rankings.into_iter().map(|r| r.entries).collect();
    assert_eq!(entries, [[('a', 7), ('b', 5)], [('b', 5), ('a', 1)]]);
}

/// A bolt that acts on epochs makes a topology of several processes wait for common cuts.
#[test]
fn counters_rankers_and_mergers_act_on_no_epochs_and_totals_do() {
    use crate::aggregate::CountAll;
    use crate::bolts::{Aggregate, RollingAggregate, TopTotals, Totals};
    use crate::{Bolt, KeyedBolt, Text, secs};

    fn keyed<B: KeyedBolt<Word, Key = Text>>(bolt: &B) -> bool {
        bolt.acts_on_epochs()
    }
    assert!(!keyed(&RollingCount::<Text>::over(secs(10)).every(secs(5))));
    assert!(!keyed(
        &RollingAggregate::of(CountAll::<Word>::default()).over(secs(10))
    ));
    assert!(!Bolt::acts_on_epochs(&Rank::<Text>::top(3)));
    assert!(!Bolt::acts_on_epochs(&TopMonotonic::<Text>::top(3)));
    assert!(!Bolt::acts_on_epochs(&MergeRankings::<Text>::top(3)));
    assert!(keyed(&Aggregate::of(CountAll::<Word>::default())));
    assert!(keyed(&Totals::of(|_: &Word| 1).top(3)));
    assert!(Bolt::acts_on_epochs(&TopTotals::<Text>::top(3)));
}

/// A task that moves to another process owes the slides that passed meanwhile; one of a run that
/// goes on as a whole does not.
#[test]
fn a_merger_that_was_moved_owes_every_slide_and_one_that_was_interrupted_does_not() {
    let ends_after = |moved: bool| {
        let shape = WindowShape::sliding(millis(10), millis(10)).unwrap();
        let mut runs = Runs::new(|| MergeRankings::top(3), TimeDomain::Processing, shape);
        runs.moved = moved;
        runs.watermark(at(1_001));
        runs.send(part(1_010, 'a', 1), at(1_009));
        runs.watermark(at(1_010));
        runs.commit();
        let (mut runs, ..) = runs.emitted();
        runs.watermark(at(1_041));
        let (_, rankings, ..) = runs.emitted();
        ends(&rankings)
    };
    assert_eq!(ends_after(true), [(1_020, 0), (1_030, 0), (1_040, 0)]);
    assert_eq!(ends_after(false), [(1_020, 0)], "one for the gap");
}

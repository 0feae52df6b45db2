//! Windows that close one after the other give what they give at once.

use proptest::prelude::*;

use super::{Runs, at, part, total};
use crate::aggregate::CountAll as Counted;
use crate::bolts::{MergeRankings, Rank, RollingAggregate, RollingCount, TopMonotonic};
use crate::operator::{Executes, WithKey};
use crate::ranking::{Count, Ranking, Word};
use crate::stream::StreamAt;
use crate::time::{TimeDomain, Window, WindowShape, millis};

/// What happens to a bolt.
#[derive(Clone, Debug)]
enum Step {
    /// A tuple of this key, so much after the watermark.
    Send(u8, i64),
    /// The watermark rises by so much.
    Rise(i64),
    Commit,
    /// The run goes on from its last commit, after so long.
    Again(i64),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4_u8, 0..60_i64).prop_map(|(key, after)| Step::Send(key, after)),
        4 => (0..45_i64).prop_map(Step::Rise),
        1 => (0..900_i64).prop_map(Step::Rise),
        2 => Just(Step::Commit),
        1 => (0..300_i64).prop_map(Step::Again),
        1 => Just(Step::End),
    ]
}

/// What each run emits, as text; and how many were late or refused. Counts of a window come in
/// no order.
fn history<B: Executes>(
    make: fn() -> B,
    (domain, shape): (TimeDomain, WindowShape),
    tuple: fn(u8, i64) -> B::Input,
    steps: &[Step],
    (ordered, stepwise): (bool, bool),
) -> Vec<(Vec<String>, u64, usize)>
where
    B::Output: StreamAt<0>,
{
    let mut runs = Runs::new(make, domain, shape);
    runs.steps = stepwise;
    let (mut history, mut watermark) = (Vec::new(), 0);
    for step in steps.iter().chain([&Step::End]) {
        match step {
            Step::Send(key, after) => {
                let time = watermark + after;
                runs.send(tuple(*key, time), at(time));
            }
            Step::Rise(by) => {
                watermark += by;
                runs.watermark(at(watermark));
            }
            Step::Commit => runs.commit(),
            Step::Again(_) | Step::End => {
                if matches!(step, Step::End) {
                    runs.end();
                }
                // By event time some of the input is read again.
                let by = match (domain, step) {
                    (TimeDomain::Processing, Step::Again(by)) => *by,
                    // Later than the windows that the end of the input has closed.
                    (TimeDomain::Processing, _) => 100,
                    (TimeDomain::Event, _) => -30,
                };
                watermark += by;
                runs.began = at(watermark);
                let (next, emitted, late, refused) = runs.emitted();
                let mut emitted: Vec<_> = emitted.iter().map(|e| format!("{e:?}")).collect();
                if !ordered {
                    emitted.sort_unstable();
                }
                history.push((emitted, late, refused));
                runs = next;
                if domain == TimeDomain::Processing {
                    // The first cut is made when the run begins.
                    runs.watermark(runs.began);
                }
            }
        }
    }
    history
}

fn compare<B: Executes>(
    make: fn() -> B,
    times: (TimeDomain, WindowShape),
    tuple: fn(u8, i64) -> B::Input,
    ordered: bool,
    steps: &[Step],
) where
    B::Output: StreamAt<0>,
{
    let history = |stepwise| history(make, times, tuple, steps, (ordered, stepwise));
    assert_eq!(history(true), history(false));
}

fn word(key: u8, _: i64) -> Word {
    let word = key.to_string().as_str().into();
    Word { word }
}

/// The end of the pane of a time.
fn end(time: i64) -> i64 {
    (time.div_euclid(10) + 1) * 10
}

fn count(key: u8, time: i64) -> Count<char> {
    let window = Window {
        start: at(end(time) - 10),
        end: at(end(time)),
    };
    let (key, count) = (char::from(b'a' + key), u64::from(key) + 1);
    Count { key, count, window }
}

fn ranking(key: u8, time: i64) -> Ranking<char> {
    part(end(time), char::from(b'a' + key), u64::from(key) + 1)
}

fn running(key: u8, time: i64) -> Count<char> {
    total(
        char::from(b'a' + key),
        time.unsigned_abs() % 7,
        at(end(time)),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn windows_that_close_one_after_the_other_are_those_that_close_at_once(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let shape = |panes: u64| WindowShape::sliding(millis(panes * 10), millis(10)).unwrap();
        for domain in [TimeDomain::Event, TimeDomain::Processing] {
            let counting = || WithKey::new(RollingCount::over(millis(40)).every(millis(10)), Word::WORD);
            compare(counting, (domain, shape(4)), word, false, &steps);
            let tumbling = || WithKey::new(RollingCount::over(millis(10)), Word::WORD);
            compare(tumbling, (domain, shape(1)), word, false, &steps);
            let totals = || WithKey::new(RollingCount::over_all().every(millis(10)), Word::WORD);
            compare(totals, (domain, WindowShape::running(millis(10)).unwrap()), word, false, &steps);
            let aggregating = || {
                let counting = RollingAggregate::of(Counted::new());
                WithKey::new(counting.over(millis(40)).every(millis(10)), Word::WORD)
            };
            compare(aggregating, (domain, shape(4)), word, false, &steps);
            compare(|| Rank::top(2), (domain, shape(1)), count, true, &steps);
            compare(|| Rank::top(2), (domain, shape(1)), running, true, &steps);
            compare(|| TopMonotonic::top(2), (domain, shape(1)), count, true, &steps);
            compare(|| MergeRankings::top(2), (domain, shape(1)), ranking, true, &steps);
        }
    }
}

/// All steps of a task that was down for a night are those of its first watermark.
#[test]
fn a_night_without_a_run_is_one_empty_ranking_where_windows_close_one_by_one() {
    let shape = WindowShape::sliding(millis(10), millis(10)).unwrap();
    let mut runs = Runs::new(
        || MergeRankings::<char>::top(3),
        TimeDomain::Processing,
        shape,
    );
    runs.watermark(at(1_001));
    for end in [1_010, 1_020, 1_030] {
        runs.send(part(end, 'a', 1), at(end - 1));
    }
    runs.commit();
    (runs.steps, runs.began) = (true, at(90_000));
    let (mut runs, ..) = runs.emitted();
    runs.watermark(at(90_004));
    runs.watermark(at(90_010));
    let (_, rankings, ..) = runs.emitted();
    let ends = rankings.iter().map(|ranking| ranking.window.end.millis());
    let ends: Vec<_> = ends.collect();
    assert_eq!(ends, [1_010, 1_020, 1_030, 1_040, 90_010]);
}

//! Ready aggregations, over a failure and against models.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Runs, at};
use crate::aggregate::{Aggregator, CountAll, DoubleSum, LongMax, LongSum};
use crate::bolts::{Aggregate, Aggregated, RollingAggregate, RollingCount, Updated};
use crate::operator::{Executes, WithKey};
use crate::stream::StreamAt;
use crate::testing::BoltTest;
use crate::time::{TimeDomain, Timestamp, Window, WindowShape, millis};

#[derive(squall_macros::Tuple, Clone, Debug, PartialEq)]
struct Row {
    key: u8,
    number: i64,
    part: f64,
}

fn row(key: u8, number: i32) -> Row {
    Row {
        key,
        number: number.into(),
        part: f64::from(number) / 8.0,
    }
}

/// What happens to a bolt.
#[derive(Clone, Debug)]
enum Step {
    Send(u8, i64),
    /// The watermark rises by so much.
    Rise(i64),
    Commit,
    Fail,
    End,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..4_u8, -9..60_i64).prop_map(|(key, after)| Step::Send(key, after)),
        2 => (0..=u8::MAX, -9..60_i64).prop_map(|(key, after)| Step::Send(key, after)),
        4 => (0..45_i64).prop_map(Step::Rise),
        // A gap over many windows.
        1 => (45..900_000_i64).prop_map(Step::Rise),
        2 => Just(Step::Commit),
        1 => Just(Step::Fail),
        1 => Just(Step::End),
    ]
}

type Counted = (Window, u8, u64);
type Counts = Vec<Counted>;
type Emitted<B> = <<B as Executes>::Output as StreamAt<0>>::Item;

/// What each run emits, and how many tuples were late.
fn history<B>(
    make: fn() -> B,
    shape: WindowShape,
    steps: &[Step],
    count: fn(&Emitted<B>) -> Counted,
) -> Vec<(Counts, u64, usize)>
where
    B: Executes<Input = Row>,
    B::Output: StreamAt<0>,
{
    let mut runs = Runs::new(make, TimeDomain::Event, shape);
    let (mut history, mut watermark) = (Vec::new(), 0);
    for step in steps {
        match step {
            Step::Send(key, after) => runs.send(row(*key, 1), at(watermark + after)),
            Step::Rise(by) => {
                watermark += by;
                runs.watermark(at(watermark));
            }
            Step::Commit => runs.commit(),
            Step::Fail | Step::End => {
                if matches!(step, Step::End) {
                    runs.end();
                }
                let open = runs.open_windows();
                let (next, emitted, late, refused) = runs.emitted();
                assert_eq!(refused, 0);
                let mut counts: Counts = emitted.iter().map(count).collect();
                counts.sort_unstable();
                history.push((counts, late, open));
                // The next run begins before where this one has come to.
                (runs, watermark) = (next, watermark - 30);
            }
        }
    }
    history
}

/// Both aggregate the same where what is aggregated is how many.
fn compare<const LENGTH: u64, const SLIDE: u64>(steps: &[Step]) {
    let shape = match (LENGTH, SLIDE) {
        (0, 0) => WindowShape::ALL,
        (0, slide) => WindowShape::running(millis(slide)).unwrap(),
        (length, slide) => WindowShape::sliding(millis(length), millis(slide)).unwrap(),
    };
    let counting = || {
        let counting = match LENGTH {
            0 => RollingCount::over_all(),
            length => RollingCount::over(millis(length)),
        };
        let counting = if SLIDE > 0 {
            counting.every(millis(SLIDE))
        } else {
            counting
        };
        WithKey::new(counting, Row::KEY)
    };
    let aggregating = || {
        let mut counting = RollingAggregate::of(CountAll::new());
        if LENGTH > 0 {
            counting = counting.over(millis(LENGTH));
        }
        if SLIDE > 0 {
            counting = counting.every(millis(SLIDE));
        }
        WithKey::new(counting, Row::KEY)
    };
    let expected = history(counting, shape, steps, |count: &crate::Count<u8>| {
        (count.window, count.key, count.count)
    });
    let found = history(aggregating, shape, steps, |value: &Aggregated<u8, u64>| {
        (value.window, value.key, value.value)
    });
    assert_eq!(found, expected);
}

type Values = BTreeMap<(Window, u8), (u64, i64, f64, Option<i64>)>;

/// The values of the windows that end until `until`, by looking at every tuple for each.
fn values(rows: &[(Row, i64)], length: i64, slide: i64, until: i64) -> Values {
    let mut values = Values::new();
    for end in (0..).map(|n| n * slide).take_while(|end| *end <= until) {
        let window = Window {
            start: at(end - length),
            end: at(end),
        };
        for (row, time) in rows {
            if (end - length..end).contains(time) {
                let (count, sum, part, most) = values.entry((window, row.key)).or_default();
                *count += 1;
                *sum += row.number;
                *part += row.part;
                *most = (*most).max(Some(row.number));
            }
        }
    }
    values
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn windows_are_those_of_the_rolling_count(steps in prop::collection::vec(step(), 1..60)) {
        compare::<10, 10>(&steps);
        compare::<40, 10>(&steps);
        compare::<0, 10>(&steps);
        compare::<0, 0>(&steps);
    }

    #[test]
    fn a_window_has_the_value_of_its_tuples(
        rows in prop::collection::vec((0..4_u8, -99..99_i32, 0..9_i64, any::<bool>()), 1..60),
        panes in 1..6_i64,
    ) {
        let slide = 10;
        let length = panes * slide;
        let span = |ms: i64| millis(ms.cast_unsigned());
        let most = || LongMax.of(Row::NUMBER);
        let sums = || (CountAll::new(), LongSum.of(Row::NUMBER), DoubleSum.of(Row::PART));
        let bolt = RollingAggregate::of((CountAll::new(), LongSum.of(Row::NUMBER), DoubleSum.of(Row::PART), most()));
        let retracting = RollingAggregate::of(sums()).over(span(length)).every(span(slide)).retracting();
        let mut test = BoltTest::keyed(bolt.over(span(length)).every(span(slide)), Row::KEY);
        let mut other = BoltTest::keyed(retracting, Row::KEY);
        let (mut time, mut sent) = (0, Vec::new());
        for (key, number, later, rises) in rows {
            time += later;
            let tuple = row(key, number);
            sent.push((tuple.clone(), time));
            test = test.send_at(tuple.clone(), at(time));
            other = other.send_at(tuple, at(time));
            if rises {
                test = test.watermark(at(time));
                other = other.watermark(at(time));
            }
        }
        let until = time + length + slide;
        let out = test.watermark(at(until)).run().unwrap();
        let expected = values(&sent, length, slide, until);
        let found = out.emitted().iter().map(|a| ((a.window, a.key), a.value));
        let found: Vec<_> = found.collect();
        prop_assert_eq!(&found, &expected.clone().into_iter().collect::<Vec<_>>());

        let out = other.watermark(at(until)).run().unwrap();
        let found = out.emitted().iter().map(|a| ((a.window, a.key), a.value));
        let expected = expected.into_iter().map(|(key, (count, sum, part, _))| (key, (count, sum, part)));
        prop_assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }

    /// Of epochs, each with the rows that it has.
    #[test]
    fn each_key_that_had_a_tuple_once_an_epoch(
        epochs in prop::collection::vec(prop::collection::vec((0..5_u8, -99..99_i32), 0..12), 1..6),
    ) {
        let totals = Aggregate::of((CountAll::new(), LongSum.of(Row::NUMBER)));
        let mut test = BoltTest::keyed(totals, Row::KEY);
        let (mut held, mut expected) = (BTreeMap::<u8, (u64, i64)>::new(), Vec::new());
        for rows in epochs {
            let mut touched = BTreeMap::new();
            for (key, number) in rows {
                test = test.send(row(key, number));
                let (count, sum) = held.entry(key).or_default();
                *count += 1;
                *sum += i64::from(number);
                touched.insert(key, (*count, *sum));
            }
            test = test.epoch();
            expected.extend(touched.into_iter().map(|(key, value)| Updated { key, value }));
        }
        let out = test.run().unwrap();
        prop_assert_eq!(out.emitted(), expected);
    }
}

#[test]
fn totals_go_on_after_a_failure() {
    let make = || {
        let totals = Aggregate::of((CountAll::new(), LongSum.of(Row::NUMBER)));
        WithKey::new(totals, Row::KEY)
    };
    let mut runs = Runs::new(make, TimeDomain::Event, WindowShape::ALL);
    runs.send(row(1, 5), at(0));
    runs.send(row(2, 6), at(0));
    runs.end();
    runs.send(row(1, 100), at(0));
    let (mut runs, before, ..) = runs.emitted();
    assert_eq!(before.len(), 2);
    runs.send(row(1, 7), at(0));
    runs.end();
    let (_, after, ..) = runs.emitted();
    assert_eq!(
        after,
        [Updated {
            key: 1,
            value: (2, 12)
        }]
    );
}

#[test]
fn an_overflow_is_a_dead_letter_with_key_and_numbers() {
    let most = |key| Row {
        key,
        number: i64::MAX,
        part: 0.0,
    };
    let reason = "for the key 7 the sum of 9223372036854775807 and 2 is out of range";
    let sum = || LongSum.of(Row::NUMBER);
    let out = BoltTest::keyed(Aggregate::of((CountAll::new(), sum())), Row::KEY)
        .send(most(7))
        .epoch()
        .send(row(7, 2))
        .send(row(8, 2))
        .send(row(7, -3))
        .epoch()
        .run()
        .unwrap();
    let updated = |key, value| Updated { key, value };
    let expected = [
        updated(7, (1, i64::MAX)),
        updated(7, (2, i64::MAX - 3)),
        updated(8, (1, 2)),
    ];
    assert_eq!(out.emitted(), expected);
    let reasons: Vec<_> = out
        .dead_letters()
        .iter()
        .map(|l| l.reason.as_str())
        .collect();
    assert_eq!(reasons, [reason]);

    // Two panes are too much together, and each by itself is not.
    let windows = || {
        RollingAggregate::of(sum())
            .over(millis(20))
            .every(millis(10))
    };
    for bolt in [windows(), windows().retracting()] {
        let out = BoltTest::keyed(bolt, Row::KEY)
            .send_at(most(7), at(5))
            .send_at(row(7, 2), at(15))
            .watermark(at(40))
            .run()
            .unwrap();
        let values = out.emitted().iter().map(|a| (a.window.end, a.value));
        assert_eq!(
            values.collect::<Vec<_>>(),
            [(at(10), i64::MAX), (at(30), 2)]
        );
        let [letter] = out.dead_letters() else {
            panic!("{:?}", out.dead_letters());
        };
        let window = "1970-01-01T00:00:00Z to 1970-01-01T00:00:00.02Z";
        assert_eq!(letter.reason, format!("{reason} in the window {window}"));
        assert_eq!(letter.source, "test[0]");
    }

    // A running total stays what it was.
    let out = BoltTest::keyed(RollingAggregate::of(sum()).every(millis(10)), Row::KEY)
        .send_at(most(7), at(5))
        .send_at(row(7, 2), at(15))
        .send_at(row(7, -1), at(25))
        .watermark(at(30))
        .run()
        .unwrap();
    let values = out.emitted().iter().map(|a| (a.window.end, a.value));
    let expected = [(at(10), i64::MAX), (at(30), i64::MAX - 1)];
    assert_eq!(values.collect::<Vec<_>>(), expected);
    assert_eq!(out.dead_letters().len(), 1);
}

#[test]
fn late_tuples_and_those_of_no_window_are_told_apart() {
    let out = BoltTest::keyed(
        RollingAggregate::of(CountAll::new()).over(millis(10)),
        Row::KEY,
    )
    .send_at(row(1, 1), at(5))
    .watermark(at(10))
    .send_at(row(1, 2), at(5))
    .send_at(row(1, 3), Timestamp::MAX)
    .run()
    .unwrap();
    assert_eq!(out.emitted().len(), 1);
    assert_eq!(out.late(), 1);
    let late = out.emitted_to(RollingAggregate::<u8, CountAll<Row>>::LATE);
    assert_eq!(late, [row(1, 2)]);
    assert!(out.dead_letters()[0].reason.contains("it is in no window"));
}

#[test]
fn a_window_that_cannot_be_is_refused() {
    let bolt = RollingAggregate::of(CountAll::<Row>::new())
        .over(millis(10))
        .every(millis(3));
    let Err(error) = BoltTest::keyed(bolt, Row::KEY).run() else {
        panic!("3 does not divide 10");
    };
    assert!(error.to_string().contains("cannot slide by 3ms"), "{error}");
}

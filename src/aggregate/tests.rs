// Numbers of a test are small, and what is exact is compared exactly.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp
)]

use std::collections::BTreeMap;
use std::fmt::Debug;

use proptest::prelude::*;

use super::*;
use crate::text::Text;

fn bytes<P: Serialize>(partial: &P) -> Vec<u8> {
    rmp_serde::to_vec_named(partial).unwrap()
}

/// Aggregates inputs in parts that are stored in between and merged in any order; `again` puts
/// some of them in twice.
fn in_parts<A: Aggregator>(
    aggregator: &A,
    inputs: &[&A::Input],
    seed: u64,
    again: bool,
) -> A::Partial {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut parts: Vec<A::Partial> = vec![aggregator.empty(); random.usize(1..6)];
    let mut inputs = inputs.to_vec();
    if again {
        inputs.extend_from_within(..inputs.len() / 2);
    }
    random.shuffle(&mut inputs);
    for input in inputs {
        let part = random.usize(..parts.len());
        aggregator.add(&mut parts[part], input).unwrap();
    }
    while parts.len() > 1 {
        let other = parts.swap_remove(random.usize(..parts.len()));
        let other: A::Partial = rmp_serde::from_slice(&bytes(&other)).unwrap();
        let into = random.usize(..parts.len());
        aggregator.merge(&mut parts[into], &other).unwrap();
    }
    parts.swap_remove(0)
}

/// The same bytes in any order and grouping; gives the value.
fn value_of<A: Aggregator>(
    aggregator: &A,
    inputs: &[&A::Input],
    seed: u64,
    again: bool,
) -> A::Output {
    let mut whole = aggregator.empty();
    for input in inputs {
        aggregator.add(&mut whole, input).unwrap();
    }
    let parts = in_parts(aggregator, inputs, seed, again);
    assert_eq!(parts, whole);
    assert_eq!(bytes(&parts), bytes(&whole));
    aggregator.finish(&whole)
}

/// What is taken out again might never have come.
fn taken_out<A: Retract>(aggregator: &A, inputs: &[&A::Input], out: usize)
where
    A::Partial: Debug,
{
    let (left, rest) = inputs.split_at(out.min(inputs.len()));
    let add = |inputs: &[&A::Input]| {
        let mut partial = aggregator.empty();
        for input in inputs {
            aggregator.add(&mut partial, input).unwrap();
        }
        partial
    };
    let (mut one_by_one, mut at_once) = (add(inputs), add(inputs));
    for input in left {
        aggregator.retract(&mut one_by_one, input).unwrap();
    }
    aggregator.unmerge(&mut at_once, &add(left)).unwrap();
    assert_eq!(bytes(&one_by_one), bytes(&add(rest)));
    assert_eq!(bytes(&at_once), bytes(&add(rest)));
}

fn refs<T>(values: &[T]) -> Vec<&T> {
    values.iter().collect()
}

/// Numbers of up to twelve digits with up to six places: prices, measurements.
fn measured() -> impl Strategy<Value = f64> {
    prop_oneof![
        (-999_999_999_999_i64..=999_999_999_999, 0..7_i32)
            .prop_map(|(digits, places)| digits as f64 / 10_f64.powi(places)),
        Just(-0.0),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn counts_in_any_order_and_grouping(numbers in prop::collection::vec(any::<i64>(), 0..40), seed: u64) {
        let inputs = refs(&numbers);
        prop_assert_eq!(value_of(&CountAll::new(), &inputs, seed, false), numbers.len() as u64);
        taken_out(&CountAll::new(), &inputs, 7);
    }

    #[test]
    fn whole_sums_in_any_order_and_grouping(
        numbers in prop::collection::vec(-1_i64 << 50..1 << 50, 0..40),
        seed: u64,
    ) {
        let (inputs, sum) = (refs(&numbers), numbers.iter().sum::<i64>());
        prop_assert_eq!(value_of(&LongSum, &inputs, seed, false), sum);
        prop_assert_eq!(value_of(&Cents, &inputs, seed, false), sum);
        taken_out(&LongSum, &inputs, 7);
        taken_out(&Cents, &inputs, 7);
    }

    /// Against a sum of integers: the numbers are multiples of 2^-30.
    #[test]
    fn sums_in_any_order_and_grouping(
        numbers in prop::collection::vec(-1_i64 << 52..1 << 52, 0..40),
        measured in prop::collection::vec(measured(), 0..40),
        seed: u64,
    ) {
        let part = 2_f64.powi(-30);
        let parts: Vec<f64> = numbers.iter().map(|number| *number as f64 * part).collect();
        let exact = numbers.iter().map(|number| i128::from(*number)).sum::<i128>();
        // Both conversions round to the nearest.
        prop_assert_eq!(value_of(&DoubleSum, &refs(&parts), seed, false), exact as f64 * part);
        let mean = value_of(&Mean, &refs(&parts), seed, false);
        let expected = exact as f64 * part / numbers.len() as f64;
        prop_assert_eq!(mean, (!numbers.is_empty()).then_some(expected));
        value_of(&DoubleSum, &refs(&measured), seed, false);
        value_of(&Mean, &refs(&measured), seed, false);
        taken_out(&DoubleSum, &refs(&measured), 7);
        taken_out(&Mean, &refs(&measured), 7);
    }

    /// Numbers of any size are not exact, but right to more digits than a number has.
    #[test]
    fn sums_of_numbers_far_apart(
        numbers in prop::collection::vec((0..1_i64 << 53, -300..300_i32), 1..40),
        seed: u64,
    ) {
        let numbers: Vec<f64> = numbers.into_iter().map(|(n, e)| n as f64 * 2_f64.powi(e)).collect();
        let inputs = refs(&numbers);
        let one = DoubleSum.finish(&in_parts(&DoubleSum, &inputs, seed, false));
        let other = DoubleSum.finish(&in_parts(&DoubleSum, &inputs, !seed, false));
        prop_assert!((one - other).abs() <= one * f64::EPSILON);
        let plain: f64 = numbers.iter().sum();
        prop_assert!((one - plain).abs() <= one * 1e-13);
    }

    #[test]
    fn extremes_in_any_order_and_grouping(
        whole in prop::collection::vec(any::<i64>(), 0..20),
        numbers in prop::collection::vec(measured(), 0..20),
        seed: u64,
    ) {
        let inputs = refs(&whole);
        prop_assert_eq!(value_of(&LongMin, &inputs, seed, true), whole.iter().min().copied());
        prop_assert_eq!(value_of(&LongMax, &inputs, seed, true), whole.iter().max().copied());
        let inputs = refs(&numbers);
        let mut sorted = numbers.clone();
        sorted.sort_by(|one, other| one.partial_cmp(other).unwrap());
        prop_assert_eq!(value_of(&DoubleMin, &inputs, seed, true), sorted.first().copied());
        prop_assert_eq!(value_of(&DoubleMax, &inputs, seed, true), sorted.last().copied());
    }

    #[test]
    fn distinct_values_in_any_order_and_grouping(
        users in prop::collection::vec(0..3_000_u32, 0..3_000),
        seed: u64,
    ) {
        let inputs: Vec<&u32> = users.iter().collect();
        let estimate = value_of(&Distinct::new(), &inputs, seed, true);
        let exact = users.iter().collect::<std::collections::BTreeSet<_>>().len();
        prop_assert!((estimate - exact as f64).abs() < 1.5);
    }

    #[test]
    fn the_greatest_in_any_order_and_grouping(
        entries in prop::collection::vec((0..12_u8, -9..9_i64), 0..60),
        places in 1..6_usize,
        seed: u64,
    ) {
        let top = value_of(&TopOf::places(places), &refs(&entries), seed, true);
        let mut best = BTreeMap::new();
        for (key, value) in &entries {
            let held = best.entry(*key).or_insert(*value);
            *held = *value.max(held);
        }
        let mut best: Vec<(u8, i64)> = best.into_iter().collect();
        best.sort_by_key(|(key, value)| (-value, *key));
        best.truncate(places);
        prop_assert_eq!(top, best);
    }

    #[test]
    fn quantiles_in_any_order_and_grouping(
        numbers in prop::collection::vec(
            prop_oneof![measured(), any::<f64>().prop_filter("finite", |number| number.is_finite())],
            0..60,
        ),
        at in prop::collection::vec(0.0..=1.0_f64, 1..4),
        seed: u64,
    ) {
        let quantiles = Quantiles::at(at.clone()).unwrap();
        let values = value_of(&quantiles, &refs(&numbers), seed, false);
        taken_out(&quantiles, &refs(&numbers), 7);
        let mut sorted = numbers.clone();
        sorted.sort_by(f64::total_cmp);
        prop_assert_eq!(values.len(), if numbers.is_empty() { 0 } else { at.len() });
        for (at, value) in at.iter().zip(values) {
            let rank = (at * sorted.len() as f64).ceil() as usize;
            let exact = sorted[rank.max(1) - 1];
            prop_assert!(
                (value - exact).abs() <= exact.abs() / 256.0 + f64::MIN_POSITIVE,
                "{} {} {}", at, value, exact,
            );
        }
    }

    #[test]
    fn several_at_once_in_any_order_and_grouping(
        numbers in prop::collection::vec(-99..99_i64, 0..40),
        seed: u64,
    ) {
        let inputs = refs(&numbers);
        let all = (CountAll::new(), LongSum, LongMin, Distinct::new());
        let (count, sum, least, distinct) = value_of(&all, &inputs, seed, false);
        prop_assert_eq!(count, numbers.len() as u64);
        prop_assert_eq!(sum, numbers.iter().sum::<i64>());
        prop_assert_eq!(least, numbers.iter().min().copied());
        prop_assert_eq!(distinct, value_of(&Distinct::new(), &inputs, seed, false));
        taken_out(&(CountAll::new(), LongSum), &inputs, 7);
        taken_out(&(CountAll::new(), LongSum, Cents), &inputs, 7);
    }
}

#[test]
fn what_leaves_its_range_is_refused_and_changes_nothing() {
    let mut sum = i64::MAX - 1;
    let error = LongSum.merge(&mut sum, &2).unwrap_err().to_string();
    assert_eq!(
        error,
        "the sum of 9223372036854775806 and 2 is out of range"
    );
    let error = Cents.add(&mut sum, &2).unwrap_err().to_string();
    assert_eq!(
        error,
        "the sum in cents of 9223372036854775806 and 2 is out of range"
    );
    assert_eq!(sum, i64::MAX - 1);
    let mut count = u64::MAX;
    assert!(CountAll::<i64>::new().add(&mut count, &1).is_err());
    let mut sum = [f64::MAX, 0.0];
    assert!(DoubleSum.add(&mut sum, &f64::MAX).is_err());
    assert_eq!(sum, [f64::MAX, 0.0]);
    // Of several, none takes it in.
    let several = (CountAll::new(), LongSum, Cents);
    let mut partial = (7, 8, i64::MAX);
    assert!(several.add(&mut partial, &1).is_err());
    assert!(several.merge(&mut partial, &(1, 1, 1)).is_err());
    assert_eq!(partial, (7, 8, i64::MAX));
}

#[test]
fn what_is_no_finite_number_is_refused() {
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = DoubleSum
            .add(&mut DoubleSum.empty(), &wrong)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            format!("the sum takes finite numbers, and {wrong} is not finite")
        );
        assert!(Mean.add(&mut Mean.empty(), &wrong).is_err());
        assert!(DoubleMin.add(&mut DoubleMin.empty(), &wrong).is_err());
        assert!(DoubleMax.add(&mut DoubleMax.empty(), &wrong).is_err());
        let quantiles = Quantiles::at([0.5]).unwrap();
        assert!(quantiles.add(&mut quantiles.empty(), &wrong).is_err());
    }
    assert!(
        Quantiles::at([0.5, 50.0])
            .unwrap_err()
            .to_string()
            .contains("50 is not a quantile")
    );
}

#[test]
fn what_never_came_is_not_taken_out() {
    let mut count = 1;
    let error = CountAll::<i64>::new()
        .unmerge(&mut count, &2)
        .unwrap_err()
        .to_string();
    assert_eq!(
        (error.as_str(), count),
        ("the count of 1 has no 2 to take out", 1)
    );
    assert!(Mean.retract(&mut Mean.empty(), &1.0).is_err());
    let quantiles = Quantiles::at([0.5]).unwrap();
    let mut numbers = quantiles.empty();
    quantiles.add(&mut numbers, &1.0).unwrap();
    assert!(quantiles.retract(&mut numbers, &2.0).is_err());
    quantiles.retract(&mut numbers, &1.0).unwrap();
    assert_eq!(numbers, quantiles.empty());
}

/// Stored state relies on these bytes, which were computed by another implementation (in Python).
#[test]
fn partials_are_stored_the_same_for_ever() {
    let users = Distinct::<str>::new();
    let mut sketch = users.empty();
    users.add(&mut sketch, "storm").unwrap();
    let quantiles = Quantiles::at([0.5]).unwrap();
    let mut histogram = quantiles.empty();
    for number in [1.0, -1.0, 1.001] {
        quantiles.add(&mut histogram, &number).unwrap();
    }
    let stored = [
        (bytes(&3_u64), vec![3]),
        (
            bytes(&[0.5, 0.0]),
            vec![
                0x92, 0xcb, 0x3f, 0xe0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xcb, 0x00, 0x00, 0x00,
                0x00, 0x00, 0x00, 0x00, 0x00,
            ],
        ),
        (bytes(&Some(-7_i64)), vec![0xf9]),
        (bytes(&None::<i64>), vec![0xc0]),
        (
            bytes(&([0.5, 0.0], 1_u64)),
            vec![
                0x92, 0x92, 0xcb, 0x3f, 0xe0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xcb, 0x00, 0x00,
                0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01,
            ],
        ),
        (
            bytes(&sketch),
            vec![0xc4, 0x07, 0x01, 0x00, 0x01, 0xee, 0xea, 0x9e, 0x0e],
        ),
        (
            bytes(&vec![(Text::from("ann"), 9_i64)]),
            vec![0x91, 0x92, 0xa3, 0x61, 0x6e, 0x6e, 0x09],
        ),
        (
            bytes(&histogram),
            vec![
                0x82, 0xce, 0x00, 0x02, 0x00, 0x7f, 0x01, 0xce, 0x00, 0x05, 0xff, 0x80, 0x02,
            ],
        ),
        (bytes(&(3_u64, 5_i64)), vec![0x92, 3, 5]),
    ];
    for (bytes, expected) in stored {
        assert_eq!(bytes, expected);
    }
}

#[test]
fn aggregations_of_one_type_of_partial_are_told_apart_by_their_meaning() {
    #[derive(squall_macros::Tuple, Clone, Debug)]
    struct Load {
        percent: i64,
        peak: i64,
    }
    let least = LongMin.of(Load::PERCENT).meaning();
    assert_eq!(
        least.to_string(),
        r#"{"aggregate":"longMin","field":"percent"}"#
    );
    assert_ne!(least, LongMax.of(Load::PERCENT).meaning());
    assert_ne!(least, LongMin.of(Load::PEAK).meaning());
    let both = (LongMin.of(Load::PERCENT), LongSum.of(Load::PEAK)).meaning();
    assert_eq!(
        both.to_string(),
        r#"{"together":[{"aggregate":"longMin","field":"percent"},{"aggregate":"longSum","field":"peak"}]}"#
    );
}

//! A counter by itself, and one that is stored and loaded again.

use super::*;

/// What is reported for one key after each slot.
fn reported(slots: usize, counts: &[u64]) -> Vec<Option<u64>> {
    let mut counter = SlidingWindowCounter::new(slots).unwrap();
    let reported = (0..).zip(counts).map(|(slot, count)| {
        counter.add(&'k', slot, *count);
        counter.close(slot);
        counter.sum(&'k')
    });
    reported.collect()
}

fn present(sums: &[u64]) -> Vec<Option<u64>> {
    sums.iter().map(|sum| Some(*sum)).collect()
}

#[test]
fn sliding_window_counter_conformance_vectors() {
    let counts = [3, 2, 0, 0, 1, 0, 0, 0];
    let mut two = present(&[3, 5, 2, 0, 1, 1, 0]);
    two.push(None);
    assert_eq!(reported(2, &counts), two);
    assert_eq!(reported(3, &counts), present(&[3, 5, 5, 2, 1, 1, 1, 0]));
    assert_eq!(reported(4, &counts), present(&[3, 5, 5, 5, 3, 1, 1, 1]));
    assert_eq!(reported(5, &counts), present(&[3, 5, 5, 5, 6, 3, 1, 1]));
    let counts = [3, 11, 5, 13, 7, 17, 0, 3, 50, 600, 7_000];
    let sums = [3, 14, 19, 32, 39, 53, 42, 40, 77, 670, 7_653];
    assert_eq!(reported(5, &counts), present(&sums));
}

#[test]
fn fewer_than_two_slots_are_refused() {
    assert_eq!(
        SlidingWindowCounter::<u8>::new(1).unwrap_err(),
        TooFewSlots(1)
    );
    assert_eq!(
        SlidingWindowCounter::<u8>::new(0).unwrap_err(),
        TooFewSlots(0)
    );
}

#[test]
fn zeros_are_pruned() {
    let mut counter = SlidingWindowCounter::new(3).unwrap();
    for slot in 0..1_000_i64 {
        counter.add(&slot, slot, 1);
        counter.close(slot);
        assert!(
            counter.keys() <= 4,
            "{} keys after slot {slot}",
            counter.keys()
        );
        assert!(counter.keys.len() <= 5, "numbers are used again");
    }
}

#[test]
fn a_key_of_an_open_slot_alone_is_not_reported() {
    let mut counter = SlidingWindowCounter::new(2).unwrap();
    counter.add(&'a', 0, 1);
    counter.add(&'b', 1, 1);
    counter.close(0);
    assert_eq!(counter.sum(&'b'), None);
    assert_eq!(counter.sums().collect::<Vec<_>>(), [(&'a', 1)]);
    counter.close(1);
    assert_eq!(counter.sum(&'b'), Some(1));
}

#[test]
fn a_key_that_falls_to_zero_while_it_is_in_an_open_slot_stays() {
    let mut counter = SlidingWindowCounter::tumbling();
    counter.add(&'a', 0, 1);
    counter.close(0);
    counter.add(&'a', 2, 5);
    counter.close(1);
    counter.close(2);
    assert_eq!(counter.sum(&'a'), Some(5));
}

#[test]
fn a_slot_that_becomes_an_array_keeps_its_counts() {
    let mut counter = SlidingWindowCounter::tumbling();
    for round in 0..3 {
        for key in 0..100 {
            counter.add(&key, 0, key + round);
        }
    }
    counter.close(0);
    assert_eq!(counter.sum(&7), Some(7 * 3 + 3));
    assert_eq!(counter.sums().count(), 100);
}

/// A run that was stopped just after a slide once said that no window was left open.
#[test]
fn a_closed_slot_is_in_the_windows_that_end_after_it() {
    let mut counter = SlidingWindowCounter::new(3).unwrap();
    let mut open = |add: Option<i64>, close: Option<i64>| {
        if let Some(slot) = add {
            counter.add(&'s', slot, 1);
        }
        if let Some(slot) = close {
            counter.close(slot);
        }
        counter.open_windows()
    };
    assert_eq!(open(None, None), 0);
    assert_eq!(open(Some(7), None), 3);
    assert_eq!(open(None, Some(7)), 2);
    assert_eq!(open(Some(8), None), 3);
    assert_eq!(open(Some(20), None), 6);
    assert_eq!(open(None, Some(8)), 5);
    assert_eq!(open(None, Some(10)), 3);
    assert_eq!(open(None, Some(20)), 2);
    assert_eq!(open(None, Some(22)), 0);
}

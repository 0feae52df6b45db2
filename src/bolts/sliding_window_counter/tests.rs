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
            counter.keys() <= 12,
            "{} keys after slot {slot}",
            counter.keys()
        );
        assert!(counter.index.end() <= 12, "numbers are used again");
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

/// Each began with an array for all keys of the window before: 40,000 windows of one key each took
/// gigabytes.
#[test]
fn many_open_slots_of_few_keys_are_no_arrays() {
    let mut counter = SlidingWindowCounter::tumbling();
    for key in 0..1_000 {
        counter.add(&key, 0, 1);
    }
    counter.close(0);
    for slot in 1..100 {
        counter.add(&7, slot, 1);
    }
    let is_array = |counts: &Counts| matches!(counts, Counts::Dense(_));
    let arrays = counter.open.iter().filter(|open| is_array(&open.counts));
    assert_eq!(arrays.count(), MAX_LIKE);
    assert_eq!(counter.open_windows(), 99);
    counter.close(1);
    assert_eq!(counter.sum(&7), Some(1));
}

proptest::proptest! {
    /// Many at once are the same as one after the other. Keys come and go: when there is no
    /// room for new ones, those that nothing holds are forgotten, but not those whose turn to
    /// be counted is about to come.
    #[test]
    fn many_keys_at_once_are_counted_as_one_by_one(
        steps in proptest::collection::vec(
            (proptest::collection::vec(0_u32..200, 0..60), 0_u32..40, 0_i64..3),
            1..60,
        ),
        slots in 1_usize..4,
    ) {
        let mut at_once = SlidingWindowCounter::over(Some(slots));
        let mut by_one = SlidingWindowCounter::over(Some(slots));
        for (slot, (keys, spread, ahead)) in (0..).zip(steps) {
            let keys: Vec<u32> = keys.iter().map(|key| key * spread).collect();
            let hashes: Vec<KeyHash> = keys.iter().map(KeyHash::of).collect();
            at_once.add_all(&hashes, |n| Cow::Borrowed(&keys[n]), |_| 1, slot + ahead);
            for key in &keys {
                by_one.add(key, slot + ahead, 1);
            }
            at_once.close(slot);
            by_one.close(slot);
            for places in [1, 7, 1_000] {
                let largest = by_one.largest(places);
                proptest::prop_assert_eq!(&largest, &crate::ranking::top_of(places, by_one.sums()));
                proptest::prop_assert_eq!(at_once.largest(places), largest);
            }
        }
    }
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

// --- stored and loaded again ---

mod stored {
    use std::borrow::Cow;
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::SlidingWindowCounter;
    use crate::key::{KeyHash, KeyValue, shard_of, task_of_shard};
    use crate::state::States;
    use crate::state::tests::Store;
    use crate::time::{Timestamp, secs};

    type Counter = SlidingWindowCounter<u16>;

    #[derive(Clone, Debug)]
    enum Step {
        /// A key, how many slots after the closed ones, and how often.
        Add(u16, i64, u64),
        /// Several keys at once, so many slots after the closed ones.
        AddAll(Vec<u16>, i64),
        /// The keys that follow are others: by so many.
        Turn(u16),
        /// Closes so many slots.
        Close(i64),
        /// Commits; a unit is written whole once in so many times, or never.
        Save(usize),
        /// Loses what came since the last commit, and goes on with so many tasks.
        Fail(usize),
    }

    /// Of all lengths that counts are stored with.
    fn count() -> impl Strategy<Value = u64> {
        (0..40, 0_u64..8).prop_map(|(bits, more)| (1_u64 << (bits / 8 * 8)) + more)
    }

    /// Of `spread` keys at a time.
    fn step(spread: u16) -> impl Strategy<Value = Step> {
        let keys = prop::collection::vec(0..spread, 0..60);
        prop_oneof![
            6 => (0..spread, 0_i64..3, count()).prop_map(|(k, s, c)| Step::Add(k, s, c)),
            8 => (keys, 0_i64..2).prop_map(|(keys, slot)| Step::AddAll(keys, slot)),
            4 => (0..spread * 2).prop_map(Step::Turn),
            6 => (1_i64..4).prop_map(Step::Close),
            1 => Just(Step::Close(9)),
            6 => (0_usize..5).prop_map(Step::Save),
            1 => (1_usize..5).prop_map(Step::Fail),
        ]
    }

    /// Few keys at a time, and many over time.
    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let steps = (5_u16..60).prop_flat_map(|spread| prop::collection::vec(step(spread), 1..150));
        steps.prop_map(|steps| {
            let mut first = 0;
            let turned = steps.into_iter().map(|step| match step {
                Step::Add(key, slot, count) => Step::Add(first + key, slot, count),
                Step::AddAll(keys, slot) => {
                    Step::AddAll(keys.into_iter().map(|key| first + key).collect(), slot)
                }
                Step::Turn(keys) => {
                    first += keys;
                    Step::Turn(keys)
                }
                step => step,
            });
            turned.collect()
        })
    }

    fn keep(counter: &mut Counter, states: &mut States<'_>) {
        counter.keep("counts", states);
    }

    /// What windows hold, by the slot that they end with and by key.
    type Sums = BTreeMap<(i64, u16), u64>;

    /// Closes what a rolling count closes at this watermark.
    fn close(counter: &mut Counter, limit: i64, sums: &mut Sums) {
        while let Some(slot) = counter.next_change().filter(|slot| *slot < limit) {
            counter.close(slot);
            // Of running totals what has changed is emitted, and no more.
            if counter.slots.is_some() {
                sums.extend(counter.sums().map(|(key, sum)| ((slot, *key), sum)));
            }
            for (key, sum) in counter.changed() {
                assert_eq!(counter.sum(key), Some(sum));
            }
            let changed = counter.changed().map(|(key, sum)| ((-1 - slot, *key), sum));
            sums.extend(changed);
        }
        counter.close_empty(limit - 1);
    }

    /// All that the tasks hold, by slot and key; the sums at the end of time.
    fn held(tasks: &[Counter]) -> (Option<i64>, Sums) {
        let mut held = Sums::new();
        for counter in tasks {
            let key = |number: u32| *counter.index.key(number).unwrap();
            for closed in &counter.closed {
                let counts = closed.counts.iter();
                held.extend(counts.map(|(n, c)| ((closed.slot, key(*n)), c & super::COUNT)));
            }
            for open in counter.open.iter() {
                let numbers = 0..u32::try_from(counter.index.end()).unwrap();
                for number in numbers.filter(|number| open.counts.get(*number) > 0) {
                    let count = open.counts.get(number) & super::COUNT;
                    held.insert((open.slot, key(number)), count);
                }
            }
            held.extend(counter.sums().map(|(key, sum)| ((i64::MAX, *key), sum)));
        }
        let next = tasks.iter().filter_map(Counter::next_change).min();
        (next, held)
    }

    fn check(slots: Option<usize>, steps: &[Step]) {
        let make = || Counter::over(slots).slots_of(secs(10));
        let mut store = Store::new(true);
        let mut reference = make();
        let mut tasks = store.load(1, make, keep);
        // What came since the last commit, and what it gave.
        let mut since: Vec<(Step, Sums)> = Vec::new();
        let mut closed = -1;
        let mut committed = closed;
        let run = |tasks: &mut [Counter], step: &Step, closed: &mut i64| {
            let mut sums = Sums::new();
            let count = tasks.len();
            let task_of = |key: &u16| task_of_shard(shard_of(key.route_hash()), count);
            match step {
                Step::Add(key, slot, count) => {
                    tasks[task_of(key)].add(key, *closed + 1 + slot, *count);
                }
                Step::AddAll(keys, slot) => {
                    for (task, counter) in tasks.iter_mut().enumerate() {
                        let of_task = keys.iter().filter(|key| task_of(key) == task);
                        let keys: Vec<u16> = of_task.copied().collect();
                        let hashes: Vec<KeyHash> = keys.iter().map(KeyHash::of).collect();
                        let key = |at: usize| Cow::Borrowed(&keys[at]);
                        counter.add_all(&hashes, key, |_| 2, *closed + 1 + slot);
                    }
                }
                Step::Close(slots) => {
                    *closed += *slots;
                    for counter in tasks {
                        close(counter, *closed + 1, &mut sums);
                        assert_eq!(counter.last_closed(), Some(*closed));
                    }
                }
                Step::Turn(_) | Step::Save(_) | Step::Fail(_) => {}
            }
            sums
        };
        for step in steps {
            match step {
                &Step::Save(whole) => {
                    let mut calls = 0;
                    let whole = || {
                        calls += 1;
                        whole > 0 && usize::is_multiple_of(calls, whole)
                    };
                    store.save(&mut tasks, keep, Timestamp::from_millis(0), whole);
                    since.clear();
                    committed = closed;
                }
                &Step::Fail(count) => {
                    tasks = store.load(count, make, keep);
                    let mut closed = committed;
                    for (step, sums) in &since {
                        assert_eq!(run(&mut tasks, step, &mut closed), *sums);
                    }
                }
                step => {
                    let mut of_tasks = closed;
                    let sums = run(std::slice::from_mut(&mut reference), step, &mut closed);
                    assert_eq!(run(&mut tasks, step, &mut of_tasks), sums);
                    since.push((step.clone(), sums));
                }
            }
            assert_eq!(held(&tasks), held(std::slice::from_ref(&reference)));
        }
        // When every slot was left nothing is stored of it.
        if let Some(slots) = slots {
            run(&mut tasks, &Step::Close(20), &mut closed);
            store.save(&mut tasks, keep, Timestamp::from_millis(0), || false);
            let tasks = store.load(3, make, keep);
            assert!(tasks.iter().all(|counter| counter.keys() == 0), "{slots}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn a_counter_that_is_loaded_goes_on_as_if_it_never_had_failed(
            slots in prop_oneof![Just(None), (1_usize..5).prop_map(Some)],
            steps in steps(),
        ) {
            check(slots, &steps);
        }
    }

    /// The array of a slot that was left was handed on as long as it was, to a time with fewer keys.
    #[test]
    fn a_slot_after_most_keys_were_forgotten_is_saved() {
        let mut steps = Vec::new();
        for (first, keys) in [(0, 40), (100, 10), (200, 10), (300, 22)] {
            steps.push(Step::AddAll((first..first + keys).collect(), 0));
            steps.push(Step::Save(0));
            steps.push(Step::Close(1));
        }
        steps.push(Step::Save(0));
        check(Some(1), &steps);
    }

    /// What a save writes, in bytes; `None` of its units is written whole.
    fn saved(counter: &mut Counter) -> usize {
        let mut bytes = 0;
        let save = |_: &str, state: &mut dyn crate::state::State| {
            let stored = |_| true;
            let mut changes =
                crate::state::Changes::new(256, Timestamp::from_millis(0), |_| false, stored);
            state.save(&mut changes)?;
            bytes += changes.into_units().map(|unit| unit.len()).sum::<usize>();
            Ok(())
        };
        States::visit(save, |states| keep(counter, states)).unwrap();
        bytes
    }

    #[test]
    fn a_save_writes_what_has_changed_and_no_more() {
        let mut store = Store::new(true);
        let make = || Counter::over(Some(3));
        let mut counter = store.load(1, make, keep).remove(0);
        for key in 0..1_000 {
            counter.add(&key, 0, 1);
        }
        assert!(saved(&mut counter) > 4_000);
        assert_eq!(saved(&mut counter), 0);
        counter.add(&700, 0, 1);
        let (section, count) = (2, 3);
        let most = section + count;
        assert!(
            (1..=most).contains(&saved(&mut counter)),
            "without the key, which takes three bytes"
        );
        counter.add(&8, 0, 1);
        counter.close(0);
        assert!(
            (1..40).contains(&saved(&mut counter)),
            "the close, and one key"
        );
        assert_eq!(saved(&mut counter), 0);
        // Opened and left between two saves.
        counter.add(&9, 1, 1);
        (1..5).for_each(|slot| counter.close(slot));
        let drops = 256 * 2;
        assert!(
            saved(&mut counter) < drops + 20,
            "that slot 0 is gone, and what is closed"
        );
    }

    #[test]
    fn the_shape_tells_windows_apart() {
        let kind = |mut counter: Counter| {
            let mut kinds = Vec::new();
            let visit = |_: &str, state: &mut dyn crate::state::State| {
                kinds.push(state.shape().kind);
                Ok(())
            };
            States::visit(visit, |states| keep(&mut counter, states)).unwrap();
            kinds.remove(1)
        };
        assert_eq!(
            kind(Counter::new(6).unwrap().slots_of(secs(10))),
            "table in panes of 10s, 6 to a window,"
        );
        assert_eq!(kind(Counter::running()), "table in panes, all to a window,");
    }
}

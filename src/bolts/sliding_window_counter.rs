//! Counts per key over the latest slots.

use std::collections::{HashMap, VecDeque};

use crate::key::KeyValue;

/// A window of less than two slots does not slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sliding window of {0} slots was asked for: give at least 2")]
pub struct TooFewSlots(pub usize);

/// Counts occurrences per key in numbered slots and sums the latest ones, as Storm's
/// `SlidingWindowCounter` does.
///
/// Slots are closed in ascending order; several may be open at once, for events out of
/// order. A key whose sum falls to zero is reported once more, as zero, and then forgotten.
///
/// ```
/// use squall::bolts::SlidingWindowCounter;
///
/// let mut counter = SlidingWindowCounter::new(2)?;
/// let mut sums = Vec::new();
/// for (slot, count) in [3, 2, 0, 0, 1].into_iter().enumerate() {
///     counter.add(&"storm", slot as i64, count);
///     counter.close(slot as i64);
///     sums.push(counter.sum(&"storm"));
/// }
/// assert_eq!(sums, [Some(3), Some(5), Some(2), Some(0), Some(1)]);
/// # Ok::<(), squall::bolts::TooFewSlots>(())
/// ```
///
/// Each key has a dense number while it is in use, so that the sums are one array: closing
/// a slot and ranking the sums run over plain memory. An open slot is a map while it holds
/// few of the keys and an array from then on; a closed one is a list of what it holds.
#[derive(Debug)]
pub struct SlidingWindowCounter<K> {
    /// None: slots are never taken out again.
    slots: Option<usize>,
    numbers: HashMap<K, u32, ahash::RandomState>,
    keys: Vec<Option<K>>,
    unused: Vec<u32>,
    sums: Vec<u64>,
    open: Vec<(i64, Slot)>,
    /// The position in `open` that was used last.
    latest: usize,
    closed: VecDeque<(i64, Vec<(u32, u64)>)>,
    /// Keys whose sum fell to zero when the latest slot was closed.
    zeros: Vec<u32>,
    /// The keys of the slot that was closed last.
    changed: Vec<u32>,
    last_closed: Option<i64>,
}

#[derive(Debug)]
enum Slot {
    Sparse(HashMap<u32, u64, ahash::RandomState>),
    Dense(Vec<u64>),
}

/// A slot becomes an array when it holds at least this many keys, and one in this many of
/// all keys.
const DENSE: usize = 8;

impl Slot {
    #[inline]
    fn add(&mut self, number: u32, count: u64, keys: usize) {
        let index = number as usize;
        match self {
            Self::Dense(counts) => {
                if index >= counts.len() {
                    counts.resize(keys, 0);
                }
                counts[index] += count;
            }
            Self::Sparse(counts) => {
                *counts.entry(number).or_insert(0) += count;
                if counts.len() >= DENSE && counts.len() * DENSE >= keys {
                    let mut dense = vec![0; keys];
                    for (&number, &count) in counts.iter() {
                        dense[number as usize] = count;
                    }
                    *self = Self::Dense(dense);
                }
            }
        }
    }

    fn holds(&self, number: u32) -> bool {
        match self {
            Self::Dense(counts) => counts.get(number as usize).is_some_and(|count| *count > 0),
            Self::Sparse(counts) => counts.contains_key(&number),
        }
    }

    fn into_list(self) -> Vec<(u32, u64)> {
        match self {
            Self::Dense(counts) => {
                let numbered = (0..).zip(counts);
                numbered.filter(|(_, count)| *count > 0).collect()
            }
            Self::Sparse(counts) => counts.into_iter().filter(|(_, count)| *count > 0).collect(),
        }
    }
}

impl<K: KeyValue> SlidingWindowCounter<K> {
    /// Sums over the latest `slots` slots.
    ///
    /// # Errors
    /// For less than two slots: such a window does not slide.
    pub fn new(slots: usize) -> Result<Self, TooFewSlots> {
        if slots < 2 {
            return Err(TooFewSlots(slots));
        }
        Ok(Self::over(Some(slots)))
    }

    /// Each slot by itself: a tumbling window.
    #[must_use]
    pub fn tumbling() -> Self {
        Self::over(Some(1))
    }

    /// Sums over all slots so far: running totals.
    #[must_use]
    pub fn running() -> Self {
        Self::over(None)
    }

    fn over(slots: Option<usize>) -> Self {
        Self {
            slots,
            numbers: HashMap::default(),
            keys: Vec::new(),
            unused: Vec::new(),
            sums: Vec::new(),
            open: Vec::new(),
            latest: 0,
            closed: VecDeque::new(),
            zeros: Vec::new(),
            changed: Vec::new(),
            last_closed: None,
        }
    }

    /// Counts `count` occurrences of a key in a slot that is not closed.
    #[inline]
    pub fn add(&mut self, key: &K, slot: i64, count: u64) {
        debug_assert!(self.last_closed.is_none_or(|closed| slot > closed));
        if count == 0 {
            return;
        }
        let number = match self.numbers.get(key) {
            Some(number) => *number,
            None => self.number(key),
        };
        if self
            .open
            .get(self.latest)
            .is_none_or(|(open, _)| *open != slot)
        {
            self.find(slot);
        }
        let keys = self.keys.len();
        self.open[self.latest].1.add(number, count, keys);
    }

    #[cold]
    fn number(&mut self, key: &K) -> u32 {
        let number = if let Some(number) = self.unused.pop() {
            self.keys[number as usize] = Some(key.clone());
            number
        } else {
            self.keys.push(Some(key.clone()));
            self.sums.push(0);
            // 2^32 keys do not fit into memory beside their table.
            u32::try_from(self.keys.len() - 1).unwrap_or(u32::MAX)
        };
        self.numbers.insert(key.clone(), number);
        number
    }

    #[cold]
    fn find(&mut self, slot: i64) {
        let position = self.open.iter().position(|(open, _)| *open == slot);
        self.latest = position.unwrap_or_else(|| {
            self.open.push((slot, Slot::Sparse(HashMap::default())));
            self.open.len() - 1
        });
    }

    /// The least slot that holds something and is not closed.
    #[must_use]
    pub fn first_open(&self) -> Option<i64> {
        self.open.iter().map(|(slot, _)| *slot).min()
    }

    /// How many windows hold something and do not end with a closed slot. What is in a
    /// closed slot is still in the windows that end with the next ones.
    #[must_use]
    pub fn open_windows(&self) -> usize {
        let Some(slots) = self.slots.and_then(|slots| i64::try_from(slots).ok()) else {
            return self.open.len();
        };
        let mut held: Vec<i64> = self.open.iter().map(|(slot, _)| *slot).collect();
        held.extend(self.closed.back().map(|(slot, _)| *slot));
        held.sort_unstable();
        let mut next = self.last_closed.map_or(i64::MIN, |closed| closed + 1);
        let mut windows = 0;
        for slot in held {
            let last = slot.saturating_add(slots - 1);
            windows += (last - slot.max(next) + 1).max(0);
            next = next.max(last.saturating_add(1));
        }
        usize::try_from(windows).unwrap_or(usize::MAX)
    }

    /// The slot after the closed one that is next to change a sum; none while every sum is
    /// zero and nothing is open.
    #[must_use]
    pub fn next_change(&self) -> Option<i64> {
        let expires = self.slots.is_some() && !self.closed.is_empty();
        match self.last_closed {
            Some(closed) if expires => Some(closed + 1),
            _ => self.first_open(),
        }
    }

    /// Closes a slot: its counts come into the sums, and those of the slot that the window
    /// has left go out. Slots before it must be closed or empty.
    pub fn close(&mut self, slot: i64) {
        for number in std::mem::take(&mut self.zeros) {
            self.forget(number);
        }
        self.changed.clear();
        if let Some(position) = self.open.iter().position(|(open, _)| *open == slot) {
            let (_, counts) = self.open.swap_remove(position);
            self.latest = 0;
            let counts = counts.into_list();
            for &(number, count) in &counts {
                self.sums[number as usize] += count;
            }
            self.changed
                .extend(counts.iter().map(|(number, _)| *number));
            if self.slots.is_some() {
                self.closed.push_back((slot, counts));
            }
        }
        let slots = self.slots.and_then(|slots| i64::try_from(slots).ok());
        while let Some((oldest, _)) = self.closed.front() {
            if slots.is_none_or(|slots| slot - oldest < slots) {
                break;
            }
            let Some((_, counts)) = self.closed.pop_front() else {
                break;
            };
            for (number, count) in counts {
                let sum = &mut self.sums[number as usize];
                *sum -= count;
                if *sum == 0 {
                    self.zeros.push(number);
                }
            }
        }
        self.last_closed = Some(slot);
    }

    fn forget(&mut self, number: u32) {
        let index = number as usize;
        let in_use = self.sums[index] > 0 || self.open.iter().any(|(_, slot)| slot.holds(number));
        if in_use {
            return;
        }
        if let Some(key) = self.keys[index].take() {
            self.numbers.remove(&key);
            self.unused.push(number);
        }
    }

    /// The sum of a key as of the slot that was closed last; none for unknown keys.
    #[must_use]
    pub fn sum(&self, key: &K) -> Option<u64> {
        let number = *self.numbers.get(key)?;
        let sum = self.sums[number as usize];
        (sum > 0 || self.zeros.contains(&number)).then_some(sum)
    }

    /// The keys with a sum above zero, as of the slot that was closed last.
    pub fn sums(&self) -> impl Iterator<Item = (&K, u64)> {
        let numbered = self.keys.iter().zip(&self.sums);
        let known = numbered.filter(|(_, sum)| **sum > 0);
        known.filter_map(|(key, sum)| key.as_ref().map(|key| (key, *sum)))
    }

    /// The keys of the slot that was closed last, with their sums.
    pub fn changed(&self) -> impl Iterator<Item = (&K, u64)> {
        let changed = self.changed.iter().map(|number| *number as usize);
        changed.filter_map(|index| self.keys[index].as_ref().map(|key| (key, self.sums[index])))
    }

    /// How many keys are in use.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.numbers.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is reported for one key after each slot.
    fn reported(slots: usize, counts: &[u64]) -> Vec<Option<u64>> {
        let mut counter = SlidingWindowCounter::new(slots).unwrap();
        let reported = (0..).zip(counts).map(|(slot, count)| {
            counter.add(&"key", slot, *count);
            counter.close(slot);
            counter.sum(&"key")
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
        counter.add(&"a", 0, 1);
        counter.add(&"b", 1, 1);
        counter.close(0);
        assert_eq!(counter.sum(&"b"), None);
        assert_eq!(counter.sums().collect::<Vec<_>>(), [(&"a", 1)]);
        counter.close(1);
        assert_eq!(counter.sum(&"b"), Some(1));
    }

    #[test]
    fn a_key_that_falls_to_zero_while_it_is_in_an_open_slot_stays() {
        let mut counter = SlidingWindowCounter::tumbling();
        counter.add(&"a", 0, 1);
        counter.close(0);
        counter.add(&"a", 2, 5);
        counter.close(1);
        counter.close(2);
        assert_eq!(counter.sum(&"a"), Some(5));
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
                counter.add(&"storm", slot, 1);
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
}

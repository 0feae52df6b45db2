//! Counts per key over the latest slots.

mod kept;
mod slot;

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::key::KeyValue;
use crate::state::{States, Value};
use kept::Kept;
use slot::{CHANGED, COUNT, Counts};

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
/// let (word, mut sums) = (String::from("storm"), Vec::new());
/// for (slot, count) in [3, 2, 0, 0, 1].into_iter().enumerate() {
///     counter.add(&word, slot as i64, count);
///     counter.close(slot as i64);
///     sums.push(counter.sum(&word));
/// }
/// assert_eq!(sums, [Some(3), Some(5), Some(2), Some(0), Some(1)]);
/// # Ok::<(), squall::bolts::TooFewSlots>(())
/// ```
///
/// Each key has a dense number while it is in use, so that the sums are one array: closing
/// a slot and ranking the sums run over plain memory. An open slot is a map while it holds
/// few of the keys and an array from then on; a closed one is a list of what it holds.
///
/// A counter is kept over a failure by [`SlidingWindowCounter::keep`].
#[derive(Debug)]
pub struct SlidingWindowCounter<K> {
    /// None: slots are never taken out again.
    slots: Option<usize>,
    /// How long a slot is; stored counts of slots of another length are refused.
    span: Option<Duration>,
    numbers: HashMap<K, u32, ahash::RandomState>,
    keys: Vec<Option<K>>,
    /// The shard of each key, where changes are tracked.
    shards: Option<Vec<u8>>,
    unused: Vec<u32>,
    /// The sum of each key; of running totals with the mark of what has changed.
    sums: Vec<u64>,
    sums_changed: bool,
    open: Vec<Open>,
    /// The position in `open` that was used last.
    latest: usize,
    closed: VecDeque<Closed>,
    /// Slots that are stored and were left since.
    left: Vec<i64>,
    /// Keys whose sum fell to zero when the latest slot was closed.
    zeros: Vec<u32>,
    /// The keys of the slot that was closed last.
    changed: Vec<u32>,
    /// Of several tasks the last one holds: all had the same watermark at the cut.
    last_closed: Value<Option<i64>>,
}

/// A slot that is not closed.
#[derive(Debug, Default)]
struct Open {
    slot: i64,
    counts: Counts,
    /// Something may be marked as changed: it was counted in since the last save.
    unsaved: bool,
    /// Something of it may be stored.
    stored: bool,
}

/// A slot that is closed and still in the window: the keys' numbers with their counts.
#[derive(Debug)]
struct Closed {
    slot: i64,
    counts: Vec<(u32, u64)>,
    unsaved: bool,
    stored: bool,
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
            span: None,
            numbers: HashMap::default(),
            keys: Vec::new(),
            shards: None,
            unused: Vec::new(),
            sums: Vec::new(),
            sums_changed: false,
            open: Vec::new(),
            latest: 0,
            closed: VecDeque::new(),
            left: Vec::new(),
            zeros: Vec::new(),
            changed: Vec::new(),
            last_closed: Value::new(None).shared(|one, other| *one.max(other)),
        }
    }

    /// Says how long a slot is, so that counts which were stored with slots of another
    /// length are refused.
    #[must_use]
    pub fn slots_of(mut self, span: Duration) -> Self {
        self.span = Some(span);
        self
    }

    /// Declares what the counter keeps over a failure: the counts under this name, and
    /// which slots are closed.
    ///
    /// What the latest close has [changed](Self::changed), and keys that it has left at
    /// zero, are not known after a failure.
    pub fn keep(&mut self, name: &str, states: &mut States<'_>) {
        // First: the counts are summed up by what is closed.
        states.keep(&format!("{name}.closed"), &mut self.last_closed);
        states.keep(name, &mut Kept(self));
    }

    /// Counts `count` occurrences of a key in a slot that is not closed.
    #[inline]
    pub fn add(&mut self, key: &K, slot: i64, count: u64) {
        debug_assert!(self.last_closed.is_none_or(|closed| slot > closed));
        if count == 0 {
            return;
        }
        let number = self.number_of(key);
        if self
            .open
            .get(self.latest)
            .is_none_or(|open| open.slot != slot)
        {
            self.find(slot);
        }
        let keys = self.keys.len();
        self.open[self.latest].counts.add(number, count, keys);
    }

    /// Counts what is stored already.
    fn put(&mut self, number: u32, slot: i64, count: u64) {
        self.find(slot);
        let open = &mut self.open[self.latest];
        open.counts.put(number, count, self.keys.len());
        open.stored = true;
    }

    #[inline]
    fn number_of(&mut self, key: &K) -> u32 {
        match self.numbers.get(key) {
            Some(number) => *number,
            None => self.number(key),
        }
    }

    #[cold]
    fn number(&mut self, key: &K) -> u32 {
        let number = if let Some(number) = self.unused.pop() {
            self.keys[number as usize] = Some(key.clone());
            if let Some(shards) = &mut self.shards {
                shards[number as usize] = kept::shard(key);
            }
            number
        } else {
            self.keys.push(Some(key.clone()));
            self.sums.push(0);
            if let Some(shards) = &mut self.shards {
                shards.push(kept::shard(key));
            }
            // 2^32 keys do not fit into memory beside their table.
            u32::try_from(self.keys.len() - 1).unwrap_or(u32::MAX)
        };
        self.numbers.insert(key.clone(), number);
        number
    }

    #[cold]
    fn find(&mut self, slot: i64) {
        let position = self.open.iter().position(|open| open.slot == slot);
        self.latest = position.unwrap_or_else(|| {
            let open = Open {
                slot,
                ..Open::default()
            };
            self.open.push(open);
            self.open.len() - 1
        });
        self.open[self.latest].unsaved = true;
    }

    /// The least slot that holds something and is not closed.
    #[must_use]
    pub fn first_open(&self) -> Option<i64> {
        self.open.iter().map(|open| open.slot).min()
    }

    /// The slot that was closed last: nothing may be counted in it or before it.
    #[must_use]
    pub fn last_closed(&self) -> Option<i64> {
        *self.last_closed
    }

    /// How many windows hold something and do not end with a closed slot. What is in a
    /// closed slot is still in the windows that end with the next ones.
    #[must_use]
    pub fn open_windows(&self) -> usize {
        let Some(slots) = self.slots.and_then(|slots| i64::try_from(slots).ok()) else {
            return self.open.len();
        };
        let mut held: Vec<i64> = self.open.iter().map(|open| open.slot).collect();
        held.extend(self.closed.back().map(|closed| closed.slot));
        held.sort_unstable();
        let mut next = self.last_closed().map_or(i64::MIN, |closed| closed + 1);
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
        match self.last_closed() {
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
        if let Some(position) = self.open.iter().position(|open| open.slot == slot) {
            let open = self.open.swap_remove(position);
            self.latest = usize::MAX;
            self.sum_up(open);
        }
        self.leave_before(slot);
        *self.last_closed = Some(slot);
    }

    /// Closes all slots up to this one, where that changes no sum: none of them holds
    /// anything, nor does the window that they leave.
    pub fn close_empty(&mut self, slot: i64) {
        let changes = self.next_change().is_some_and(|next| next <= slot);
        if !changes && self.last_closed().is_none_or(|closed| closed < slot) {
            *self.last_closed = Some(slot);
        }
    }

    /// Adds the counts of a slot to the sums.
    fn sum_up(&mut self, open: Open) {
        let Open {
            slot,
            counts,
            unsaved,
            stored,
        } = open;
        let counts = counts.into_list();
        let numbers = counts.iter().map(|(number, _)| *number);
        self.changed.extend(numbers);
        if self.slots.is_some() {
            for (number, count) in &counts {
                self.sums[*number as usize] += count & COUNT;
            }
            self.closed.push_back(Closed {
                slot,
                counts,
                unsaved,
                stored,
            });
            return;
        }
        for (number, count) in &counts {
            let sum = &mut self.sums[*number as usize];
            *sum = (*sum + (count & COUNT)) | CHANGED;
        }
        self.sums_changed = true;
        self.note_left(slot, stored);
    }

    /// Takes the counts of slots that are not in the window which ends with `slot` out of
    /// the sums.
    fn leave_before(&mut self, slot: i64) {
        let slots = self.slots.and_then(|slots| i64::try_from(slots).ok());
        while let Some(oldest) = self.closed.front() {
            if slots.is_none_or(|slots| slot - oldest.slot < slots) {
                break;
            }
            let Some(left) = self.closed.pop_front() else {
                break;
            };
            self.note_left(left.slot, left.stored);
            for (number, count) in left.counts {
                let sum = &mut self.sums[number as usize];
                *sum -= count & COUNT;
                if *sum == 0 {
                    self.zeros.push(number);
                }
            }
        }
    }

    fn note_left(&mut self, slot: i64, stored: bool) {
        if stored {
            self.left.push(slot);
        }
    }

    /// After loading: closes the slots again that were closed.
    fn close_again(&mut self) {
        for open in &mut self.open {
            open.unsaved = false;
        }
        self.latest = usize::MAX;
        let Some(last) = self.last_closed() else {
            return;
        };
        let slots = std::mem::take(&mut self.open).into_iter();
        let (mut closed, open): (Vec<Open>, Vec<Open>) = slots.partition(|open| open.slot <= last);
        self.open = open;
        closed.sort_by_key(|open| open.slot);
        for open in closed {
            self.sum_up(open);
        }
        self.leave_before(last);
        self.changed.clear();
    }

    fn forget(&mut self, number: u32) {
        let index = number as usize;
        let open = || self.open.iter().any(|open| open.counts.holds(number));
        let in_use = self.sums[index] > 0 || open();
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
        let sum = self.sums[number as usize] & COUNT;
        (sum > 0 || self.zeros.contains(&number)).then_some(sum)
    }

    /// The keys with a sum above zero, as of the slot that was closed last.
    pub fn sums(&self) -> impl Iterator<Item = (&K, u64)> {
        let numbered = self.keys.iter().zip(&self.sums);
        let known = numbered.filter(|(_, sum)| **sum > 0);
        known.filter_map(|(key, sum)| key.as_ref().map(|key| (key, *sum & COUNT)))
    }

    /// The keys of the slot that was closed last, with their sums.
    pub fn changed(&self) -> impl Iterator<Item = (&K, u64)> {
        let changed = self.changed.iter().map(|number| *number as usize);
        changed.filter_map(|index| {
            let key = self.keys[index].as_ref()?;
            Some((key, self.sums[index] & COUNT))
        })
    }

    /// How many keys are in use.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.numbers.len()
    }
}

#[cfg(test)]
mod tests;

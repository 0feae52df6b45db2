//! Counts per key over the latest slots.

mod kept;
mod open;
mod slot;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::Duration;

use super::panes::{ends_later, open_windows};
use crate::key::{KeyHash, KeyValue};
use crate::ranking::Top;
use crate::state::{KeyIndex, States, Value};
use kept::Kept;
use open::{Open, OpenSlots};
use slot::{CHANGED, COUNT, Counts, List, Renumbered, Spare, each_from};

/// A window of less than two slots does not slide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sliding window cannot have {0} slots: give at least 2")]
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
    index: KeyIndex<K>,
    /// The sum of each key; of running totals with the mark of what has changed.
    sums: Vec<u64>,
    sums_changed: bool,
    /// What is being counted, by the numbers of its keys.
    numbers: Vec<u32>,
    open: OpenSlots<i64>,
    closed: VecDeque<Closed>,
    spare: Spare,
    /// By number: one more than the shard of a key that what is stored of it knows by its number,
    /// and 0 for others, also for those of numbers that are not here.
    named: Vec<u16>,
    /// Slots that are stored and were left since.
    left: Vec<i64>,
    /// Keys whose sum fell to zero when the latest slot was closed.
    zeros: Vec<u32>,
    /// Of running totals the keys of the slot that was closed last.
    changed: Vec<u32>,
    /// Of several tasks the last one holds: all had the same watermark at the cut.
    last_closed: Value<Option<i64>>,
}

/// How many keys are looked for at once.
const TOUCHED: usize = 32;

/// So many keys at most are numbered anew when the index is full, in the order of their hashes:
/// a sender that combines sends them in this order. Of more keys two neighbours are far apart
/// anyway, and it would take long.
const ORDERED: usize = if cfg!(test) { 96 } else { 1 << 18 };

/// So many open slots at most begin with an array for all keys, since the one before them had one:
/// with tens of thousands of slots that would be as many arrays.
const MAX_LIKE: usize = 8;

/// A slot that is closed and still in the window.
#[derive(Debug)]
struct Closed {
    slot: i64,
    counts: List,
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
            index: KeyIndex::new(),
            sums: Vec::new(),
            sums_changed: false,
            numbers: Vec::new(),
            open: OpenSlots::new(),
            closed: VecDeque::new(),
            spare: Spare::default(),
            named: Vec::new(),
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
    /// Keys that the latest close has left at zero are not known after a failure, nor are those
    /// of running totals that it has [changed](Self::changed).
    pub fn keep(&mut self, name: &str, states: &mut States<'_>) {
        // First: the counts are summed up by what is closed.
        states.keep(&format!("{name}.closed"), &mut self.last_closed);
        states.keep(name, &mut Kept(self));
    }

    /// Counts `count` occurrences of a key in a slot that is not closed.
    #[inline]
    pub fn add(&mut self, key: &K, slot: i64, count: u64) {
        self.add_hashed(key, KeyHash::of(key), slot, count);
    }

    /// The same, where the key's hash is known.
    #[inline]
    pub fn add_hashed(&mut self, key: &K, hash: KeyHash, slot: i64, count: u64) {
        debug_assert!(self.last_closed.is_none_or(|closed| slot > closed));
        if count == 0 {
            return;
        }
        let number = self.number_of(key, hash);
        let end = self.index.end();
        self.find(slot).counts.add(number, count, end);
    }

    /// Counts several keys in a slot that is not closed: by their position `key` gives them, and
    /// `count` how often they occurred.
    ///
    /// The numbers of many keys are looked for before the first one is counted: neither the
    /// one nor the other waits for memory then, since what comes next can be under way.
    pub fn add_all<'k>(
        &mut self,
        hashes: &[KeyHash],
        key: impl Fn(usize) -> Cow<'k, K>,
        count: impl Fn(usize) -> u64,
        slot: i64,
    ) where
        K: 'k,
    {
        debug_assert!(self.last_closed.is_none_or(|closed| slot > closed));
        if hashes.is_empty() {
            return;
        }
        for (part, hashes) in hashes.chunks(TOUCHED).enumerate() {
            self.index.touch(hashes);
            for (position, hash) in hashes.iter().enumerate() {
                let number = match key(part * TOUCHED + position) {
                    Cow::Borrowed(key) => self.number_of(key, *hash),
                    Cow::Owned(key) => self.number_of(&key, *hash),
                };
                self.numbers.push(number);
            }
        }
        let end = self.index.end();
        let numbers = std::mem::take(&mut self.numbers);
        self.find(slot).counts.add_all(&numbers, count, end);
        self.numbers = numbers;
        self.numbers.clear();
    }

    /// Counts what is stored already.
    fn put(&mut self, number: u32, slot: i64, count: u64) {
        let end = self.index.end();
        let open = self.find(slot);
        open.counts.put(number, count, end);
        open.stored = true;
    }

    #[inline]
    fn number_of(&mut self, key: &K, hash: KeyHash) -> u32 {
        match self.index.find(key, hash) {
            Some(number) => number,
            None => self.add_key(key, hash),
        }
    }

    #[cold]
    #[inline(never)]
    fn add_key(&mut self, key: &K, hash: KeyHash) -> u32 {
        if self.index.is_full() {
            self.make_room();
        }
        let number = self.index.number_of(key, hash);
        self.sums.resize(self.index.end(), 0);
        if let Some(label) = self.named.get_mut(number as usize) {
            *label = 0;
        }
        number
    }

    /// Forgets the keys that are in no slot, where they are at least half of all; otherwise
    /// the index is going to grow. Of not too many keys the others are numbered anew.
    fn make_room(&mut self) {
        let mut used: Vec<bool> = self.sums.iter().map(|sum| *sum > 0).collect();
        for number in self.zeros.iter().chain(&self.numbers) {
            used[*number as usize] = true;
        }
        for open in self.open.iter() {
            open.counts.each(|number| used[number as usize] = true);
        }
        let kept = used.iter().filter(|used| **used).count();
        let forgets = kept * 2 <= self.index.len();
        let keep = |number| !forgets || used[number as usize];
        if self.index.len() <= ORDERED {
            let before = self.index.end();
            let old = self.index.renumber(keep);
            self.renumber(&Renumbered::new(old, before));
        } else if forgets {
            self.index.retain(keep);
        }
    }

    fn renumber(&mut self, renumbered: &Renumbered) {
        renumbered.sort(&mut self.sums);
        self.named.clear();
        for numbers in [&mut self.numbers, &mut self.zeros, &mut self.changed] {
            renumbered.each(numbers);
        }
        for open in self.open.iter_mut() {
            open.counts.renumber(renumbered);
        }
        for closed in &mut self.closed {
            renumbered.each(closed.counts.iter_mut().map(|(number, _)| number));
        }
    }

    /// The slot, which is going to be counted in.
    #[inline]
    fn find(&mut self, slot: i64) -> &mut Open<i64> {
        let (closed, end, spare) = (&self.closed, self.index.end(), &mut self.spare);
        let few = self.open.len() < MAX_LIKE;
        self.open.find(&slot, || {
            // As the one before it, most likely. Where many are open each holds little.
            let before = closed.back().filter(|_| few);
            before.map_or_else(Counts::default, |before| {
                Counts::like(&before.counts, end, spare)
            })
        });
        self.open.latest()
    }

    /// The least slot that holds something and is not closed.
    #[must_use]
    pub fn first_open(&self) -> Option<i64> {
        self.open.first()
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
        let Some(slots) = self.slots else {
            return self.open.len();
        };
        let closed = self.closed.back().map(|closed| closed.slot);
        let held = closed.into_iter().chain(self.open.numbers());
        open_windows(held, slots, self.last_closed())
    }

    /// Whether there is such a window; without counting them.
    #[must_use]
    pub fn has_open_windows(&self) -> bool {
        let closed = self.closed.back().map(|closed| closed.slot);
        self.open.len() > 0 || ends_later(closed, self.slots, self.last_closed())
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
        self.zeros.clear();
        self.changed.clear();
        if let Some(open) = self.open.remove(&slot) {
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
    fn sum_up(&mut self, open: Open<i64>) {
        let Open {
            slot,
            counts,
            unsaved,
            stored,
        } = open;
        let (sums, spare) = (self.sums.as_mut_slice(), &mut self.spare);
        if self.slots.is_some() {
            let counts = counts.into_list(spare, |number, count| sums[number as usize] += count);
            self.closed.push_back(Closed {
                slot,
                counts,
                unsaved,
                stored,
            });
            return;
        }
        let changed = &mut self.changed;
        let counts = counts.into_list(spare, |number, count| {
            let sum = &mut sums[number as usize];
            *sum = (*sum + count) | CHANGED;
            changed.push(number);
        });
        spare.put(counts);
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
            for (number, count) in &left.counts {
                let sum = &mut self.sums[*number as usize];
                *sum -= count & COUNT;
                if *sum == 0 {
                    self.zeros.push(*number);
                }
            }
            self.spare.put(left.counts);
        }
    }

    fn note_left(&mut self, slot: i64, stored: bool) {
        if stored {
            self.left.push(slot);
        }
    }

    /// After loading: closes the slots again that were closed.
    fn close_again(&mut self) {
        for open in self.open.iter_mut() {
            open.unsaved = false;
        }
        self.open.forget_latest();
        let Some(last) = self.last_closed() else {
            return;
        };
        while let Some(slot) = self.open.first().filter(|slot| *slot <= last) {
            if let Some(open) = self.open.remove(&slot) {
                self.sum_up(open);
            }
        }
        self.leave_before(last);
        self.changed.clear();
    }

    /// The sum of a key as of the slot that was closed last; none for unknown keys.
    #[must_use]
    pub fn sum(&self, key: &K) -> Option<u64> {
        let number = self.index.find(key, KeyHash::of(key))?;
        let sum = self.sums[number as usize] & COUNT;
        (sum > 0 || self.zeros.contains(&number)).then_some(sum)
    }

    /// The keys with a sum above zero, as of the slot that was closed last.
    pub fn sums(&self) -> impl Iterator<Item = (&K, u64)> {
        let numbered = (0..).zip(&self.sums);
        let sums = numbered.map(|(number, sum)| (number, *sum & COUNT));
        let above = sums.filter(|(_, sum)| *sum > 0);
        above.filter_map(|(number, sum)| Some((self.index.key(number)?, sum)))
    }

    /// The `places` largest sums above zero, best first; without looking at the other keys.
    #[must_use]
    pub fn largest(&self, places: usize) -> Vec<(K, u64)> {
        let Ok(mut top) = Top::new(places) else {
            return Vec::new();
        };
        each_from(&self.sums, |number, sum| {
            if let Some(key) = self.index.key(number) {
                top.offer(&key, sum);
            }
            top.least()
        });
        let entries = top.into_entries().into_iter();
        entries.map(|(key, sum)| (key.clone(), sum)).collect()
    }

    /// The keys of the slot that was closed last, with their sums.
    pub fn changed(&self) -> impl Iterator<Item = (&K, u64)> {
        let last = self.last_closed();
        let closed = self.closed.back().filter(|back| Some(back.slot) == last);
        let closed = closed.into_iter().flat_map(|closed| &closed.counts);
        let closed = closed.map(|(number, _)| *number);
        // The one or the other: windows or running totals.
        let changed = closed.chain(self.changed.iter().copied());
        changed.filter_map(|number| {
            let key = self.index.key(number)?;
            Some((key, self.sums[number as usize] & COUNT))
        })
    }

    /// How many keys are known: those in a slot, and at most about as many that were in one.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.index.len()
    }
}

#[cfg(test)]
mod tests;

//! The counts of one slot, and the sums of several.

use std::collections::HashMap;

/// The top bit of a count says that it has changed since it was stored last: setting it
/// costs less than a look at whether anything is stored at all.
pub(super) const CHANGED: u64 = 1 << 63;

/// The count without its mark.
pub(super) const COUNT: u64 = CHANGED - 1;

/// A slot that tuples are counted in: a map while it holds few of the keys, an array from
/// then on. Counts carry their marks.
#[derive(Debug)]
pub(super) enum Counts {
    Sparse(HashMap<u32, u64, ahash::RandomState>),
    Dense(Dense),
}

/// Counts by the keys' numbers.
#[derive(Debug, Default)]
pub(super) struct Dense {
    pub(super) counts: Vec<u64>,
    /// The numbers of those that are not zero, in the order in which they came.
    held: Vec<u32>,
}

/// The keys' numbers with their counts.
pub(super) type List = Vec<(u32, u64)>;

/// Emptied memory, for the next slots.
#[derive(Debug, Default)]
pub(super) struct Spare {
    dense: Dense,
    list: List,
}

/// A slot becomes an array when it holds at least this many keys, and one in this many of
/// all keys.
const DENSE: usize = 8;

/// Of so many keys the counts of a slot are listed in the order of their numbers: whoever goes
/// through the list goes through their sums, and the keys that are to be stored, in order. Of
/// fewer these are in the caches.
const MANY: usize = if cfg!(test) { 32 } else { 1 << 18 };

impl Default for Counts {
    fn default() -> Self {
        Self::Sparse(HashMap::default())
    }
}

impl Dense {
    /// There are so many keys by now.
    fn resize(&mut self, keys: usize) {
        if self.counts.len() < keys {
            self.counts.resize(keys, 0);
        }
    }

    #[inline]
    fn add(&mut self, number: u32, count: u64) {
        let sum = &mut self.counts[number as usize];
        if *sum == 0 {
            self.held.push(number);
        }
        *sum = (*sum + count) | CHANGED;
    }

    /// Which of the keys are new to the slot is not foreseen by the processor: their numbers are
    /// noted without a branch.
    #[inline]
    fn add_all(&mut self, numbers: &[u32], count: impl Fn(usize) -> u64) {
        let mut held = self.held.len();
        self.held.resize(held + numbers.len(), 0);
        for (position, number) in numbers.iter().enumerate() {
            let sum = &mut self.counts[*number as usize];
            self.held[held] = *number;
            held += usize::from(*sum == 0);
            *sum = (*sum + count(position)) | CHANGED;
        }
        self.held.truncate(held);
    }
}

impl Counts {
    /// For a slot that is going to hold as many of all keys as the one before it.
    pub(super) fn like(before: &List, keys: usize, spare: &mut Spare) -> Self {
        if !is_worth_an_array(before.len(), keys) {
            return Self::default();
        }
        let mut dense = std::mem::take(&mut spare.dense);
        // It may be from when there were more keys.
        dense.counts.resize(keys, 0);
        Self::Dense(dense)
    }

    #[inline]
    pub(super) fn add(&mut self, number: u32, count: u64, keys: usize) {
        match self {
            Self::Dense(dense) => {
                dense.resize(keys);
                dense.add(number, count);
            }
            Self::Sparse(counts) => {
                let sum = counts.entry(number).or_insert(0);
                *sum = (*sum + count) | CHANGED;
                self.make_dense(keys);
            }
        }
    }

    /// Counts each of the keys as often as `count` says by their position.
    #[inline]
    pub(super) fn add_all(&mut self, numbers: &[u32], count: impl Fn(usize) -> u64, keys: usize) {
        let mut first = 0;
        while matches!(self, Self::Sparse(_)) {
            let Some(number) = numbers.get(first) else {
                return;
            };
            self.add(*number, count(first), keys);
            first += 1;
        }
        if let Self::Dense(dense) = self {
            dense.resize(keys);
            dense.add_all(&numbers[first..], |position| count(first + position));
        }
    }

    /// Puts a count that is stored already, of a key that the slot does not hold.
    pub(super) fn put(&mut self, number: u32, count: u64, keys: usize) {
        match self {
            Self::Dense(dense) => {
                dense.resize(keys);
                dense.held.push(number);
                dense.counts[number as usize] = count;
            }
            Self::Sparse(counts) => {
                counts.insert(number, count);
                self.make_dense(keys);
            }
        }
    }

    /// Makes an array of a map that holds enough.
    #[inline]
    fn make_dense(&mut self, keys: usize) {
        if let Self::Sparse(counts) = self
            && is_worth_an_array(counts.len(), keys)
        {
            let mut dense = Dense::default();
            dense.resize(keys);
            for (&number, &count) in counts.iter() {
                dense.held.push(number);
                dense.counts[number as usize] = count;
            }
            *self = Self::Dense(dense);
        }
    }

    /// Calls `number` for each key that the slot holds.
    pub(super) fn each(&self, mut number: impl FnMut(u32)) {
        match self {
            Self::Dense(dense) => dense.held.iter().for_each(|key| number(*key)),
            Self::Sparse(counts) => counts.keys().for_each(|key| number(*key)),
        }
    }

    /// The keys have new numbers.
    pub(super) fn renumber(&mut self, renumbered: &Renumbered) {
        match self {
            Self::Dense(dense) => {
                dense.counts.resize(renumbered.new.len(), 0);
                renumbered.sort(&mut dense.counts);
                renumbered.each(&mut dense.held);
            }
            Self::Sparse(counts) => {
                let old = std::mem::take(counts).into_iter();
                counts.extend(old.map(|(number, count)| (renumbered.of(number), count)));
            }
        }
    }

    #[cfg(test)]
    pub(super) fn get(&self, number: u32) -> u64 {
        match self {
            Self::Dense(dense) => dense.counts.get(number as usize).copied().unwrap_or(0),
            Self::Sparse(counts) => counts.get(&number).copied().unwrap_or(0),
        }
    }

    /// The counts, now that no more come; each of them is given to `sum_up`.
    pub(super) fn into_list(self, spare: &mut Spare, mut sum_up: impl FnMut(u32, u64)) -> List {
        let mut list = std::mem::take(&mut spare.list);
        match self {
            Self::Dense(Dense {
                mut counts,
                mut held,
            }) => {
                let mut take = |number: u32, count: &mut u64| {
                    let count = std::mem::take(count);
                    sum_up(number, count & COUNT);
                    (number, count)
                };
                if counts.len() > MANY {
                    let numbered = (0..).zip(&mut counts).filter(|(_, count)| **count > 0);
                    list.extend(numbered.map(|(number, count)| take(number, count)));
                    held.clear();
                } else {
                    let numbers = held.drain(..);
                    list.extend(numbers.map(|number| take(number, &mut counts[number as usize])));
                }
                spare.dense = Dense { counts, held };
            }
            Self::Sparse(counts) => list.extend(counts.into_iter().inspect(|(number, count)| {
                sum_up(*number, count & COUNT);
            })),
        }
        list
    }
}

/// New numbers of keys.
pub(super) struct Renumbered {
    /// The old numbers in the order of the new ones.
    old: Vec<u32>,
    /// By the old numbers.
    new: Vec<u32>,
}

impl Renumbered {
    /// Of `before` numbers.
    pub(super) fn new(old: Vec<u32>, before: usize) -> Self {
        let mut new = vec![0; before];
        for (number, old) in (0..).zip(&old) {
            new[*old as usize] = number;
        }
        Self { old, new }
    }

    pub(super) fn of(&self, number: u32) -> u32 {
        self.new[number as usize]
    }

    pub(super) fn each<'n>(&self, numbers: impl IntoIterator<Item = &'n mut u32>) {
        for number in numbers {
            *number = self.of(*number);
        }
    }

    /// Of what is by number.
    pub(super) fn sort(&self, values: &mut Vec<u64>) {
        let sorted = self.old.iter().map(|old| values[*old as usize]);
        *values = sorted.collect();
    }
}

impl Spare {
    /// The list is not needed any more.
    pub(super) fn put(&mut self, mut list: List) {
        list.clear();
        self.list = list;
    }
}

/// Whether a slot that holds so many of all keys is an array.
#[inline]
fn is_worth_an_array(holds: usize, keys: usize) -> bool {
    holds >= DENSE && holds * DENSE >= keys
}

/// How many sums are looked at together.
const TOGETHER: usize = 32;

/// Gives the sums above zero with their numbers to `each`, which says how large the next one
/// must be for it to be of interest.
///
/// Few sums are among the largest: many of them are ruled out at once, by the bits that any of
/// them has.
pub(super) fn each_from(sums: &[u64], mut each: impl FnMut(u32, u64) -> u64) {
    let mut least = 1;
    for (first, sums) in (0..).step_by(TOGETHER).zip(sums.chunks(TOGETHER)) {
        let bits = sums.iter().fold(0, |bits, sum| bits | sum) & COUNT;
        if bits < least {
            continue;
        }
        for (number, sum) in (first..).zip(sums) {
            let sum = sum & COUNT;
            if sum >= least {
                least = each(number, sum).max(1);
            }
        }
    }
}

//! The counts of one slot.

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
    Dense(Vec<u64>),
}

/// A slot becomes an array when it holds at least this many keys, and one in this many of
/// all keys.
const DENSE: usize = 8;

impl Default for Counts {
    fn default() -> Self {
        Self::Sparse(HashMap::default())
    }
}

impl Counts {
    #[inline]
    pub(super) fn add(&mut self, number: u32, count: u64, keys: usize) {
        let index = number as usize;
        match self {
            Self::Dense(counts) => {
                if index >= counts.len() {
                    counts.resize(keys, 0);
                }
                let sum = &mut counts[index];
                *sum = (*sum + count) | CHANGED;
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
        let mut numbers = numbers.iter().enumerate();
        while matches!(self, Self::Sparse(_)) {
            let Some((position, number)) = numbers.next() else {
                return;
            };
            self.add(*number, count(position), keys);
        }
        if let Self::Dense(counts) = self {
            if counts.len() < keys {
                counts.resize(keys, 0);
            }
            for (position, number) in numbers {
                let sum = &mut counts[*number as usize];
                *sum = (*sum + count(position)) | CHANGED;
            }
        }
    }

    /// Puts a count that is stored already.
    pub(super) fn put(&mut self, number: u32, count: u64, keys: usize) {
        let index = number as usize;
        match self {
            Self::Dense(counts) => {
                if index >= counts.len() {
                    counts.resize(keys, 0);
                }
                counts[index] = count;
            }
            Self::Sparse(counts) => {
                counts.insert(number, count);
                self.make_dense(keys);
            }
        }
    }

    /// Whether a slot that holds so many of all keys is an array.
    #[inline]
    pub(super) fn is_worth_an_array(holds: usize, keys: usize) -> bool {
        holds >= DENSE && holds * DENSE >= keys
    }

    /// Makes an array of a map that holds enough.
    #[inline]
    fn make_dense(&mut self, keys: usize) {
        if let Self::Sparse(counts) = self
            && Self::is_worth_an_array(counts.len(), keys)
        {
            let mut dense = vec![0; keys];
            for (&number, &count) in counts.iter() {
                dense[number as usize] = count;
            }
            *self = Self::Dense(dense);
        }
    }

    /// Calls `number` for each key that the slot holds.
    pub(super) fn each(&self, mut number: impl FnMut(u32)) {
        match self {
            Self::Dense(counts) => {
                let numbered = (0..).zip(counts).filter(|(_, count)| **count > 0);
                numbered.for_each(|(key, _)| number(key));
            }
            Self::Sparse(counts) => counts.keys().for_each(|key| number(*key)),
        }
    }

    #[cfg(test)]
    pub(super) fn get(&self, number: u32) -> u64 {
        match self {
            Self::Dense(counts) => counts.get(number as usize).copied().unwrap_or(0),
            Self::Sparse(counts) => counts.get(&number).copied().unwrap_or(0),
        }
    }

    pub(super) fn into_list(self) -> Vec<(u32, u64)> {
        match self {
            Self::Dense(counts) => {
                let mut list = Vec::with_capacity(counts.iter().filter(|c| **c > 0).count());
                let numbered = (0..).zip(counts);
                list.extend(numbered.filter(|(_, count)| *count > 0));
                list
            }
            Self::Sparse(counts) => counts.into_iter().collect(),
        }
    }
}

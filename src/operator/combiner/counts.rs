//! A table of counts that fits into a core's own cache.

use std::borrow::Cow;
use std::num::NonZeroU32;

use crate::batch::{Batch, Combined};
use crate::key::{KeyHash, KeyValue, shard_of, task_of_shard};

/// Counts by key: the key, its hash and its count side by side. With keys of 16 bytes the
/// largest table is 768 KiB. One that does not fit into the core's own cache is no quicker
/// than the reader's.
pub(super) struct Counts<K> {
    /// Open addressing with linear probing, by the upper bits of the key's hash.
    places: Vec<Option<Place<K>>>,
    /// Of the reader.
    tasks: usize,
    /// For each task of the reader a bit for each place, set where one of its keys is: they are
    /// gone through without looking at the others.
    taken: Vec<u64>,
    keys: usize,
}

struct Place<K> {
    key: K,
    hash: KeyHash,
    /// Never zero, so that an empty place needs no mark of its own.
    count: NonZeroU32,
}

/// A key that is new: its place and its position among those that are counted at once.
#[derive(Clone, Copy, Default)]
struct Added {
    place: u16,
    position: u16,
}

impl Added {
    fn new(place: usize, position: usize) -> Self {
        debug_assert!(place < MAX_PLACES && position < AT_ONCE, "both are small");
        #[allow(clippy::cast_possible_truncation)]
        let (place, position) = (place as u16, position as u16);
        Self { place, position }
    }
}

/// How many keys are counted at once at most.
pub(super) const AT_ONCE: usize = 256;

const FEWEST_PLACES: usize = 256;
const MAX_PLACES: usize = 32 * 1_024;

/// Five of eight places are taken at most.
const fn most_keys(places: usize) -> usize {
    places / 8 * 5
}

impl<K: KeyValue> Counts<K> {
    /// For a reader with so many tasks.
    pub(super) fn new(tasks: usize) -> Self {
        Self::with(FEWEST_PLACES, tasks)
    }

    fn with(places: usize, tasks: usize) -> Self {
        let mut empty = Vec::new();
        empty.resize_with(places, || None);
        Self {
            places: empty,
            tasks,
            taken: vec![0; places / 64 * tasks],
            keys: 0,
        }
    }

    /// How many more keys it takes at most.
    pub(super) fn room(&self) -> usize {
        most_keys(MAX_PLACES) - self.keys
    }

    /// Counts at most [`AT_ONCE`] keys with these [routing hashes](KeyValue::route_hash); there
    /// must be room for them.
    pub(super) fn add_all<'k>(&mut self, hashes: &[u64], keys: impl Iterator<Item = Cow<'k, K>>)
    where
        K: 'k,
    {
        self.reserve(hashes.len());
        let mut added = [Added::default(); AT_ONCE];
        let added_keys = count(&mut self.places, hashes, keys, &mut added);
        let words = self.places.len() / 64;
        for Added { place, position } in &added[..added_keys] {
            let task = task_of_shard(shard_of(hashes[usize::from(*position)]), self.tasks);
            self.taken[task * words + usize::from(place / 64)] |= 1 << (place % 64);
        }
        self.keys += added_keys;
    }

    /// Makes place for so many more keys.
    #[inline]
    fn reserve(&mut self, keys: usize) {
        while self.keys + keys > most_keys(self.places.len()) {
            self.grow();
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let mut larger = Self::with(self.places.len() * 2, self.tasks);
        let (mask, shift) = (larger.places.len() - 1, shift(larger.places.len()));
        for place in self.places.drain(..).flatten() {
            let mut at = (place.hash.0 >> shift) as usize;
            while larger.places[at].is_some() {
                at = (at + 1) & mask;
            }
            let task = task_of_shard(shard_of(place.key.route_hash()), self.tasks);
            larger.taken[task * (larger.places.len() / 64) + at / 64] |= 1 << (at % 64);
            larger.places[at] = Some(place);
        }
        larger.keys = self.keys;
        *self = larger;
    }

    /// Takes at most so many keys of a task of the reader out into a batch, in the order of their
    /// hashes, in which the reader finds them one beside the other in its own table. Gives how
    /// many that were, and how many tuples they stand for.
    pub(super) fn take(
        &mut self,
        task: usize,
        most: usize,
        batch: &mut Batch<Combined<K>>,
    ) -> (usize, u64) {
        let words = self.places.len() / 64;
        let of_task = &mut self.taken[task * words..][..words];
        let (mut taken, mut stand_for) = (0, 0);
        for (places, bits) in self.places.chunks_exact_mut(64).zip(of_task) {
            if *bits == 0 {
                continue;
            }
            let some = (bits.count_ones() as usize).min(most - taken);
            // The hashes of all of them first: that is so little that the processor has all
            // places on their way from memory before it has come to the keys.
            let mut left = *bits;
            batch.columns.hashes.extend((0..some).map(|_| {
                let place = places[next_bit(&mut left)].as_ref();
                // Each bit has a key.
                place.map_or(KeyHash(0), |place| place.hash)
            }));
            batch.tuples.extend((0..some).map(|_| {
                let place = places[next_bit(bits)].take();
                // A bit is set together with its place, and taken away with it here.
                let Place { key, count, .. } = place.expect("each bit has a key");
                let count = u64::from(count.get());
                stand_for += count;
                Combined { key, count }
            }));
            taken += some;
            if taken == most {
                break;
            }
        }
        self.keys -= taken;
        (taken, stand_for)
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys
    }
}

/// Takes the lowest bit away, of which there is one; says which it was.
#[inline]
fn next_bit(bits: &mut u64) -> usize {
    let lowest = bits.trailing_zeros() as usize;
    *bits &= *bits - 1;
    lowest
}

/// By how much a hash is shifted for the place at which the search for its key begins. There
/// are 2^8 places at least and 2^15 at most.
fn shift(places: usize) -> u32 {
    u32::BITS - places.trailing_zeros()
}

/// Counts keys; gives how many of them are new, and which ones they are in the first of `added`.
///
/// What concerns new keys alone is left to the caller.
// Not inlined: the loop has all that it needs in registers so.
#[inline(never)]
fn count<'k, K: KeyValue>(
    places: &mut [Option<Place<K>>],
    hashes: &[u64],
    keys: impl Iterator<Item = Cow<'k, K>>,
    added: &mut [Added; AT_ONCE],
) -> usize {
    let (shift, mask) = (shift(places.len()), places.len() - 1);
    let mut added_keys = 0;
    for (position, (hash, key)) in hashes.iter().zip(keys).enumerate() {
        let home = (KeyHash::of_route(*hash).0 >> shift) as usize & mask;
        let added_at = match key {
            Cow::Borrowed(key) => add(places, home, key, *hash),
            Cow::Owned(key) => add(places, home, &key, *hash),
        };
        if let Some(at) = added_at {
            added[added_keys] = Added::new(at, position);
            added_keys += 1;
        }
    }
    added_keys
}

/// Counts a key whose search begins at `at`; says at which place, if it was not there before.
// Forced: it runs for every tuple.
#[allow(clippy::inline_always)]
#[inline(always)]
fn add<K: KeyValue>(
    places: &mut [Option<Place<K>>],
    mut at: usize,
    key: &K,
    route_hash: u64,
) -> Option<usize> {
    let (hash, mask) = (KeyHash::of_route(route_hash), places.len() - 1);
    loop {
        let place = &mut places[at];
        match place {
            Some(place) if place.hash == hash && place.key == *key => {
                place.count = place.count.saturating_add(1);
                return None;
            }
            Some(_) => at = (at + 1) & mask,
            None => {
                let (key, count) = (key.clone(), NonZeroU32::MIN);
                // There is nothing to be dropped, which the compiler does not see.
                std::mem::forget(place.replace(Place { key, hash, count }));
                return Some(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::Text;

    proptest! {
        #[test]
        fn it_counts_as_a_map_does(
            rounds in prop::collection::vec(prop::collection::vec(0_u32..700, 0..900), 1..4),
            tasks in 1_usize..5,
            most in 1_usize..100,
        ) {
            let mut counts = Counts::new(tasks);
            for keys in rounds {
                let mut model = HashMap::new();
                for keys in keys.chunks(7) {
                    let hashes: Vec<u64> = keys.iter().map(KeyValue::route_hash).collect();
                    counts.add_all(&hashes, keys.iter().map(Cow::Borrowed));
                }
                for key in keys {
                    *model.entry(key).or_insert(0_u64) += 1;
                }
                prop_assert_eq!(counts.len(), model.len());
                let mut drained = HashMap::new();
                for task in 0..tasks {
                    let mut taken = most;
                    while taken == most {
                        let mut batch = Batch::default();
                        let stand_for;
                        (taken, stand_for) = counts.take(task, most, &mut batch);
                        let Batch { tuples, columns } = batch;
                        prop_assert_eq!((tuples.len(), columns.hashes.len()), (taken, taken));
                        prop_assert_eq!(stand_for, tuples.iter().map(|t| t.count).sum::<u64>());
                        for (Combined { key, count }, hash) in tuples.into_iter().zip(columns.hashes) {
                            prop_assert_eq!(hash, KeyHash::of(&key));
                            let its_task = task_of_shard(shard_of(key.route_hash()), tasks);
                            prop_assert_eq!(its_task, task);
                            prop_assert_eq!(drained.insert(key, count), None);
                        }
                    }
                }
                prop_assert_eq!(drained, model);
                prop_assert_eq!(counts.len(), 0);
            }
        }
    }

    #[test]
    fn it_takes_as_many_keys_as_it_says() {
        let mut counts = Counts::<u64>::new(2);
        let room = counts.room();
        for key in 0..u64::try_from(room).unwrap() {
            counts.add_all(&[key.route_hash()], [Cow::Owned(key)].into_iter());
        }
        assert_eq!((counts.room(), counts.places.len()), (0, MAX_PLACES));
        assert_eq!(size_of::<Option<Place<Text>>>(), 24);
    }
}

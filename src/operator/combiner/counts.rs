//! A table of counts that fits into a core's own cache.

use std::borrow::Cow;
use std::num::NonZeroU32;

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
        debug_assert!(place < MOST_PLACES && position < AT_ONCE, "both are small");
        #[allow(clippy::cast_possible_truncation)]
        let (place, position) = (place as u16, position as u16);
        Self { place, position }
    }
}

/// How many keys are counted at once at most.
pub(super) const AT_ONCE: usize = 256;

const FEWEST_PLACES: usize = 256;
const MOST_PLACES: usize = 32 * 1_024;

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
        most_keys(MOST_PLACES) - self.keys
    }

    /// Counts at most [`AT_ONCE`] keys with these [routing hashes](KeyValue::route_hash), which
    /// `key` gives by their position; there must be room for them.
    ///
    /// The places of all of them are brought into the first-level cache before the first one is
    /// looked for. Between two searches the processor guesses where the first one ends, and what
    /// it has under way by then is lost where it was wrong.
    // What does not change meanwhile is kept at hand, and not in `self`.
    #[inline]
    pub(super) fn add_all<'k>(&mut self, hashes: &[u64], key: impl Fn(usize) -> Cow<'k, K>)
    where
        K: 'k,
    {
        self.reserve(hashes.len());
        let shift = shift(self.places.len());
        let places = self.places.as_mut_slice();
        let mask = places.len() - 1;
        let home = |hash: u64| (KeyHash::of_route(hash).0 >> shift) as usize & mask;
        let taken = hashes
            .iter()
            .map(|hash| usize::from(places[home(*hash)].is_some()));
        // It is of no use but for what it has loaded.
        std::hint::black_box(taken.sum::<usize>());
        // The places and positions of those that are new: what concerns them alone is left until
        // after the loop, which has all that it needs in registers so.
        let (mut added, mut added_keys) = ([Added::default(); AT_ONCE], 0);
        for (position, hash) in hashes.iter().enumerate() {
            let home = home(*hash);
            let added_at = match key(position) {
                Cow::Borrowed(key) => add(places, home, key, *hash),
                Cow::Owned(key) => add(places, home, &key, *hash),
            };
            if let Some(at) = added_at {
                added[added_keys] = Added::new(at, position);
                added_keys += 1;
            }
        }
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

    /// Takes out at most so many keys of a task of the reader, each with its hash and count, in
    /// the order of their hashes, in which the reader finds them one beside the other in its
    /// own table. Gives how many that were.
    #[inline]
    pub(super) fn take(
        &mut self,
        task: usize,
        most: usize,
        mut each: impl FnMut(K, KeyHash, u64),
    ) -> usize {
        let words = self.places.len() / 64;
        let of_task = &mut self.taken[task * words..][..words];
        let mut taken = 0;
        for (places, bits) in self.places.chunks_exact_mut(64).zip(of_task) {
            while *bits != 0 {
                if taken == most {
                    return self.note_left(taken);
                }
                let at = bits.trailing_zeros() as usize;
                if let Some(Place { key, hash, count }) = places[at].take() {
                    each(key, hash, u64::from(count.get()));
                }
                *bits &= *bits - 1;
                taken += 1;
            }
        }
        self.note_left(taken)
    }

    fn note_left(&mut self, taken: usize) -> usize {
        self.keys -= taken;
        taken
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys
    }
}

/// By how much a hash is shifted for the place at which the search for its key begins. There
/// are 2^8 places at least and 2^15 at most.
fn shift(places: usize) -> u32 {
    u32::BITS - places.trailing_zeros()
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
                    counts.add_all(&hashes, |position| Cow::Borrowed(&keys[position]));
                }
                for key in keys {
                    *model.entry(key).or_insert(0_u64) += 1;
                }
                prop_assert_eq!(counts.len(), model.len());
                let mut drained = HashMap::new();
                for task in 0..tasks {
                    let mut taken = most;
                    while taken == most {
                        taken = counts.take(task, most, |key, hash, count| {
                            assert_eq!(hash, KeyHash::of(&key));
                            assert_eq!(task_of_shard(shard_of(key.route_hash()), tasks), task);
                            assert_eq!(drained.insert(key, count), None);
                        });
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
            counts.add_all(&[key.route_hash()], |_| Cow::Owned(key));
        }
        assert_eq!((counts.room(), counts.places.len()), (0, MOST_PLACES));
        assert_eq!(size_of::<Option<Place<Text>>>(), 24);
    }
}

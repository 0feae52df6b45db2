//! A table of counts that fits into a core's own cache.

use std::num::NonZeroU32;

use crate::key::{KeyHash, KeyValue};

/// Counts by key: the key, its hash and its count side by side. With keys of 16 bytes the
/// largest table is 768 KiB. One that does not fit into the core's own cache is no quicker
/// than the reader's.
pub(super) struct Counts<K> {
    /// Open addressing with linear probing, by the upper bits of the hash.
    places: Vec<Option<Place<K>>>,
    /// A bit for each place that is taken: they are gone through without looking at the others.
    taken: Vec<u64>,
    keys: usize,
}

struct Place<K> {
    key: K,
    hash: KeyHash,
    /// Never zero, so that an empty place needs no mark of its own.
    count: NonZeroU32,
}

const FEWEST_PLACES: usize = 256;
const MOST_PLACES: usize = 32 * 1_024;

/// Five of eight places are taken at most.
const fn most_keys(places: usize) -> usize {
    places / 8 * 5
}

impl<K: KeyValue> Counts<K> {
    pub(super) fn new() -> Self {
        Self::with(FEWEST_PLACES)
    }

    fn with(places: usize) -> Self {
        let mut empty = Vec::new();
        empty.resize_with(places, || None);
        Self {
            places: empty,
            taken: vec![0; places / 64],
            keys: 0,
        }
    }

    /// How many more keys it takes at most.
    pub(super) fn room(&self) -> usize {
        most_keys(MOST_PLACES) - self.keys
    }

    /// Keys with these hashes are counted next: brings their places into the first-level cache,
    /// all of them at once. Between two searches the processor guesses where the first one
    /// ends, and what it has under way by then is lost where it was wrong.
    #[inline]
    pub(super) fn touch(&self, hashes: &[KeyHash]) {
        let taken = hashes
            .iter()
            .map(|hash| usize::from(self.places[self.home(*hash)].is_some()));
        // It is of no use but for what it has loaded.
        std::hint::black_box(taken.sum::<usize>());
    }

    /// Counts a key; there must be room for it.
    // Forced: it runs for every tuple.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn add(&mut self, key: &K, hash: KeyHash) {
        let mask = self.places.len() - 1;
        let mut at = self.home(hash);
        loop {
            match &mut self.places[at] {
                Some(place) if place.hash == hash && place.key == *key => {
                    place.count = place.count.saturating_add(1);
                    return;
                }
                Some(_) => at = (at + 1) & mask,
                None => break,
            }
        }
        let (key, count) = (key.clone(), NonZeroU32::MIN);
        self.put(at, Place { key, hash, count });
    }

    #[inline]
    fn home(&self, hash: KeyHash) -> usize {
        // There are 2^8 places at least and 2^15 at most.
        (hash.0 >> (u32::BITS - self.places.len().trailing_zeros())) as usize
    }

    // Forced: what is passed through memory in parts is waited for.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn put(&mut self, at: usize, place: Place<K>) {
        self.places[at] = Some(place);
        self.taken[at / 64] |= 1 << (at % 64);
        self.keys += 1;
        if self.keys >= most_keys(self.places.len()) && self.places.len() < MOST_PLACES {
            self.grow();
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let mut larger = Self::with(self.places.len() * 2);
        let mask = larger.places.len() - 1;
        for place in self.places.drain(..).flatten() {
            let mut at = larger.home(place.hash);
            while larger.places[at].is_some() {
                at = (at + 1) & mask;
            }
            larger.put(at, place);
        }
        *self = larger;
    }

    /// Takes all keys out with their counts, in the order of their hashes, in which the reader
    /// finds them one beside the other in its own table.
    pub(super) fn drain(&mut self, mut each: impl FnMut(K, u64)) {
        for (number, taken) in self.taken.iter_mut().enumerate() {
            let mut bits = std::mem::take(taken);
            while bits != 0 {
                let at = number * 64 + bits.trailing_zeros() as usize;
                if let Some(place) = self.places[at].take() {
                    each(place.key, u64::from(place.count.get()));
                }
                bits &= bits - 1;
            }
        }
        self.keys = 0;
    }

    /// How many keys there are.
    pub(super) fn len(&self) -> usize {
        self.keys
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
        ) {
            let mut counts = Counts::new();
            for keys in rounds {
                let mut model = HashMap::new();
                for key in keys {
                    counts.add(&key, KeyHash::of(&key));
                    *model.entry(key).or_insert(0_u64) += 1;
                }
                prop_assert_eq!(counts.len(), model.len());
                let mut drained = HashMap::new();
                counts.drain(|key, count| {
                    assert_eq!(drained.insert(key, count), None);
                });
                prop_assert_eq!(drained, model);
                prop_assert_eq!(counts.len(), 0);
            }
        }
    }

    #[test]
    fn it_takes_as_many_keys_as_it_says() {
        let mut counts = Counts::new();
        let room = u64::try_from(counts.room()).unwrap();
        for key in 0..room {
            counts.add(&key, KeyHash::of(&key));
        }
        assert_eq!((counts.room(), counts.places.len()), (0, MOST_PLACES));
        assert_eq!(size_of::<Option<Place<Text>>>(), 24);
    }
}

//! Dense numbers for keys.

use std::num::NonZeroU32;

use crate::key::{KeyHash, KeyValue};

/// Gives each key a number from 0 on, so that what belongs to a key can lie in plain arrays:
/// the table under the ready bolts that count.
///
/// To find a key costs one look into one array: the key, its hash and its number lie side by
/// side, and a search that meets other keys goes on to the next place. The [hash](KeyHash) is
/// the one that a fields grouping has worked out already. Numbers are given out in the order in
/// which keys come, so that in arrays by number the frequent keys of a skewed stream lie close
/// together.
///
/// Keys are taken out many at once, by [`KeyIndex::retain`]; their numbers are given out again.
///
/// ```
/// use squall::{KeyHash, KeyIndex, Text};
///
/// let mut index = KeyIndex::new();
/// let mut counts = Vec::new();
/// for word in ["storm", "bolt", "storm"].map(Text::from) {
///     let number = index.number_of(&word, KeyHash::of(&word)) as usize;
///     counts.resize(index.end(), 0);
///     counts[number] += 1;
/// }
/// let storm = Text::from("storm");
/// assert_eq!(index.find(&storm, KeyHash::of(&storm)), Some(0));
/// assert_eq!(counts, [2, 1]);
/// ```
#[derive(Debug)]
pub struct KeyIndex<K> {
    /// Open addressing with linear probing: how many places there are is a power of two.
    places: Vec<Option<Place<K>>>,
    /// The keys once more by number, so that going through all of them goes through memory in
    /// order. A number that is not in use has the key that it had last.
    keys: Vec<K>,
    unused: Vec<u32>,
}

#[derive(Debug)]
struct Place<K> {
    key: K,
    hash: KeyHash,
    /// The number plus one, so that an empty place needs no mark of its own.
    number: NonZeroU32,
}

const FEWEST_PLACES: usize = 16;

/// Five of eight places are taken at most: searches meet few other keys, and no memory lies
/// idle for long.
const TAKEN: usize = 5;
const PLACES: usize = 8;

impl<K> Place<K> {
    #[inline]
    fn number(&self) -> u32 {
        self.number.get() - 1
    }
}

impl<K> Default for KeyIndex<K> {
    fn default() -> Self {
        Self {
            places: empty(FEWEST_PLACES),
            keys: Vec::new(),
            unused: Vec::new(),
        }
    }
}

fn empty<K>(places: usize) -> Vec<Option<Place<K>>> {
    let mut empty = Vec::new();
    empty.resize_with(places, || None);
    empty
}

impl<K: KeyValue> KeyIndex<K> {
    /// A table without keys.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len() - self.unused.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Above every number that was given out.
    #[inline]
    #[must_use]
    pub fn end(&self) -> usize {
        self.keys.len()
    }

    /// Where the search for a key begins: by the upper bits of its hash, so that the keys of
    /// every index lie in the same order, that of their hashes, whatever its size.
    #[inline]
    fn home(&self, hash: KeyHash) -> usize {
        // There are 2^4 places at least, and 2^32 do not fit into memory.
        (hash.0 >> (u32::BITS - self.places.len().trailing_zeros())) as usize
    }

    /// The number of the key, or the empty place at which the search for it ended.
    // Forced: it runs for every tuple.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn look(&self, key: &K, hash: KeyHash) -> Result<u32, usize> {
        let mask = self.places.len() - 1;
        let mut at = self.home(hash);
        loop {
            match &self.places[at] {
                Some(place) if place.hash == hash && place.key == *key => {
                    return Ok(place.number());
                }
                Some(_) => at = (at + 1) & mask,
                None => return Err(at),
            }
        }
    }

    /// Keys with these hashes are looked for next: brings their places into the first-level
    /// cache, all of them at once. Between two searches the processor guesses where the first
    /// one ends, and what it has under way by then is lost where it was wrong.
    #[inline]
    pub fn touch(&self, hashes: &[KeyHash]) {
        let taken = hashes
            .iter()
            .map(|hash| usize::from(self.places[self.home(*hash)].is_some()));
        // It is of no use but for what it has loaded.
        std::hint::black_box(taken.sum::<usize>());
    }

    /// The number of a key.
    #[inline]
    #[must_use]
    pub fn find(&self, key: &K, hash: KeyHash) -> Option<u32> {
        self.look(key, hash).ok()
    }

    /// The number of a key, which is given one where it has none.
    #[inline]
    pub fn number_of(&mut self, key: &K, hash: KeyHash) -> u32 {
        match self.look(key, hash) {
            Ok(number) => number,
            Err(at) => self.add(key, hash, at),
        }
    }

    /// Whether the next new key makes the table grow: time to [`KeyIndex::retain`] what is
    /// still of use.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() * PLACES >= self.places.len() * TAKEN
    }

    /// The key of a number; where that is not in use any more, the key that had it last.
    #[inline]
    #[must_use]
    pub fn key(&self, number: u32) -> Option<&K> {
        self.keys.get(number as usize)
    }

    /// Keeps the keys for whose numbers `keep` says so.
    pub fn retain(&mut self, mut keep: impl FnMut(u32) -> bool) {
        let places = empty(self.places.len());
        for place in std::mem::replace(&mut self.places, places)
            .into_iter()
            .flatten()
        {
            let number = place.number();
            if keep(number) {
                self.put(place);
            } else {
                self.unused.push(number);
            }
        }
    }

    fn grow(&mut self) {
        let places = empty(self.places.len() * 2);
        for place in std::mem::replace(&mut self.places, places)
            .into_iter()
            .flatten()
        {
            self.put(place);
        }
    }

    /// Puts a key that is not there into the first empty place.
    fn put(&mut self, place: Place<K>) {
        let mask = self.places.len() - 1;
        let mut at = self.home(place.hash);
        while self.places[at].is_some() {
            at = (at + 1) & mask;
        }
        self.places[at] = Some(place);
    }

    #[cold]
    #[inline(never)]
    fn add(&mut self, key: &K, hash: KeyHash, at: usize) -> u32 {
        let number = if let Some(number) = self.unused.pop() {
            self.keys[number as usize] = key.clone();
            number
        } else {
            self.keys.push(key.clone());
            // 2^32 keys do not fit into memory.
            u32::try_from(self.keys.len() - 1).unwrap_or(u32::MAX)
        };
        let place = Place {
            key: key.clone(),
            hash,
            number: NonZeroU32::MIN.saturating_add(number),
        };
        // This one is counted already.
        if (self.len() - 1) * PLACES >= self.places.len() * TAKEN {
            self.grow();
            self.put(place);
        } else {
            self.places[at] = Some(place);
        }
        number
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;
    use crate::Text;

    /// A key whose hashes meet: few values, and all places are neighbours.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
    struct Close(u16);

    impl KeyValue for Close {
        fn route_hash(&self) -> u64 {
            u64::from(self.0 / 4)
        }
    }

    proptest! {
        #[test]
        fn keys_have_numbers_of_their_own(
            steps in prop::collection::vec((0_u8..40, 0_u16..300), 0..2_000),
        ) {
            let mut index = KeyIndex::<Close>::new();
            let mut model: HashMap<Close, u32> = HashMap::new();
            for (step, key) in steps {
                let key = Close(key);
                let hash = KeyHash::of(&key);
                let known = model.get(&key).copied();
                prop_assert_eq!(index.find(&key, hash), known);
                if step == 0 {
                    index.retain(|number| number % 3 != 0);
                    model.retain(|_, number| *number % 3 != 0);
                } else {
                    let number = index.number_of(&key, hash);
                    prop_assert_eq!(known.unwrap_or(number), number);
                    prop_assert!(known.is_some() || model.values().all(|other| *other != number));
                    model.insert(key, number);
                }
                prop_assert_eq!(index.len(), model.len());
            }
            for (key, number) in &model {
                prop_assert_eq!(index.key(*number), Some(key));
                prop_assert_eq!(index.find(key, KeyHash::of(key)), Some(*number));
            }
            prop_assert!(index.end() <= 300);
        }
    }

    #[test]
    fn a_word_takes_24_bytes() {
        assert_eq!(size_of::<Option<Place<Text>>>(), 24);
    }
}

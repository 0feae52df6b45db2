//! Dense numbers for keys.

use crate::key::{KeyHash, KeyValue};

/// Gives each key a number from 0 on, so that what belongs to a key can lie in plain arrays:
/// the table under the ready bolts that count.
///
/// To find a key takes a look at one number of 32 bits, which has a part of the key's hash in it,
/// and one at the key itself. The [hash](KeyHash) is the one that a fields grouping has worked
/// out already. Numbers are given out in the order in which keys come, so that in arrays by
/// number, that of the keys among them, the frequent keys of a skewed stream lie close together.
///
/// Keys are taken out many at once, by [`KeyIndex::retain`]; their numbers are given out again.
///
/// ```
/// use squall::{Text, key::KeyHash, state::KeyIndex};
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
    /// Open addressing with linear probing: `1 << bits` places. One that is taken has a key's
    /// number plus one in its lower `bits` bits, and above it the bits of the key's hash that do
    /// not say where its search begins; an empty one is zero.
    places: Vec<u32>,
    bits: u32,
    /// By number. A number that is not in use has the key that it had last.
    keys: Vec<K>,
    unused: Vec<u32>,
}

const FEWEST_BITS: u32 = 4;

/// Five of eight places are taken at most: searches meet few other keys. So there are numbers
/// for all keys, with one to spare.
const TAKEN: usize = 5;
const PLACES: usize = 8;

impl<K> Default for KeyIndex<K> {
    fn default() -> Self {
        Self {
            places: vec![0; 1 << FEWEST_BITS],
            bits: FEWEST_BITS,
            keys: Vec::new(),
            unused: Vec::new(),
        }
    }
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
        (hash.0 >> (u32::BITS - self.bits)) as usize
    }

    /// What a place with this hash has above the number.
    #[inline]
    fn tag(&self, hash: KeyHash) -> u32 {
        hash.0 << self.bits
    }

    /// The number of the key, or the empty place at which the search for it ended.
    // Forced: it runs for every tuple.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn look(&self, key: &K, hash: KeyHash) -> Result<u32, usize> {
        let (mask, tag) = (self.places.len() - 1, self.tag(hash));
        let mut at = self.home(hash);
        loop {
            let place = self.places[at];
            // Above all numbers where the hash is another one, or the place is empty.
            let number = (place ^ tag).wrapping_sub(1);
            if (number as usize) < mask && self.keys[number as usize] == *key {
                return Ok(number);
            }
            if place == 0 {
                return Err(at);
            }
            at = (at + 1) & mask;
        }
    }

    /// Keys with these hashes are looked for next: brings their places into the first-level
    /// cache, all of them at once. Between two searches the processor guesses where the first
    /// one ends, and what it has under way by then is lost where it was wrong.
    #[inline]
    pub fn touch(&self, hashes: &[KeyHash]) {
        let places = hashes.iter().map(|hash| self.places[self.home(*hash)]);
        // It is of no use but for what it has loaded.
        std::hint::black_box(places.fold(0, |all, place| all ^ place));
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
        let mut kept = Vec::with_capacity(self.len());
        for place in self.places.iter_mut().filter(|place| **place > 0) {
            let number = (std::mem::take(place) & mask(self.bits)) - 1;
            if keep(number) {
                kept.push(number);
            } else {
                self.unused.push(number);
            }
        }
        self.put_all(kept);
    }

    /// Keeps the keys for whose numbers `keep` says so, and numbers them anew, from 0 on in the
    /// order of their hashes. Gives the old numbers in the order of the new ones.
    ///
    /// Keys that come in the order of their hashes then go through arrays by number from the
    /// beginning to the end.
    ///
    /// ```
    /// use squall::{key::KeyHash, state::KeyIndex};
    ///
    /// let mut index = KeyIndex::new();
    /// let numbers = [5, 6, 7].map(|key| index.number_of(&key, KeyHash::of(&key)));
    /// let mut counts = vec![50, 60, 70];
    /// let old = index.renumber(|number| number != numbers[1]);
    /// counts = old.iter().map(|number| counts[*number as usize]).collect();
    /// let count_of = |key| index.find(&key, KeyHash::of(&key)).map(|number| counts[number as usize]);
    /// assert_eq!([5, 6, 7].map(count_of), [Some(50), None, Some(70)]);
    /// ```
    pub fn renumber(&mut self, mut keep: impl FnMut(u32) -> bool) -> Vec<u32> {
        let places = self.places.iter().filter(|place| **place > 0);
        let numbers = places.map(|place| (place & mask(self.bits)) - 1);
        let old: Vec<u32> = numbers.filter(|number| keep(*number)).collect();
        let keys = old.iter().map(|number| self.keys[*number as usize].clone());
        self.keys = keys.collect();
        self.unused.clear();
        self.places.fill(0);
        self.put_all((0..).take(old.len()));
        old
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let places = self.places.iter().filter(|place| **place > 0);
        let numbers = places.map(|place| (place & mask(self.bits)) - 1);
        let numbers: Vec<u32> = numbers.collect();
        self.bits += 1;
        self.places.clear();
        self.places.resize(1 << self.bits, 0);
        self.put_all(numbers);
    }

    /// Puts these numbers, in about the order of their hashes, into the empty places.
    fn put_all(&mut self, numbers: impl IntoIterator<Item = u32>) {
        for number in numbers {
            let hash = KeyHash::of(&self.keys[number as usize]);
            let last = self.places.len() - 1;
            let mut at = self.home(hash);
            while self.places[at] > 0 {
                at = (at + 1) & last;
            }
            self.put(number, hash, at);
        }
    }

    fn put(&mut self, number: u32, hash: KeyHash, at: usize) {
        self.places[at] = self.tag(hash) | (number + 1);
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
        self.put(number, hash, at);
        // This one is counted already.
        if self.len() * PLACES > self.places.len() * TAKEN {
            self.grow();
        }
        number
    }
}

/// The bits of a number.
fn mask(bits: u32) -> u32 {
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

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
            let mut end = 0;
            for (step, key) in steps {
                let key = Close(key);
                let hash = KeyHash::of(&key);
                let known = model.get(&key).copied();
                prop_assert_eq!(index.find(&key, hash), known);
                if step == 0 {
                    index.retain(|number| number % 3 != 0);
                    model.retain(|_, number| *number % 3 != 0);
                } else if step == 1 {
                    let keep = |number| number % 2 == u32::from(key.0) % 2;
                    let old = index.renumber(keep);
                    model.retain(|_, number| keep(*number));
                    prop_assert_eq!((old.len(), index.end()), (model.len(), model.len()));
                    for number in model.values_mut() {
                        let new = old.iter().position(|old| old == number);
                        *number = u32::try_from(new.unwrap()).unwrap();
                    }
                    end = 0;
                } else {
                    let number = index.number_of(&key, hash);
                    prop_assert_eq!(known.unwrap_or(number), number);
                    prop_assert!(known.is_some() || model.values().all(|other| *other != number));
                    model.insert(key, number);
                }
                prop_assert_eq!(index.len(), model.len());
                // Numbers are given out again before there are more of them.
                end = end.max(index.len());
                prop_assert_eq!(index.end(), end);
            }
            for (key, number) in &model {
                prop_assert_eq!(index.key(*number), Some(key));
                prop_assert_eq!(index.find(key, KeyHash::of(key)), Some(*number));
            }
        }
    }
}

//! What is stored of a state, read back.

use std::collections::HashMap;

use serde::de::DeserializeOwned;

use super::changes::{op, stepped};
use super::codec::{decode, take, take_varint};
use crate::error::{BoxError, Result};

/// One unit of a state as it is stored: its image, and the changes after it in order.
pub struct StoredUnit<'u> {
    values: &'u [Vec<u8>],
    /// Of several units of tasks this is not the first one that the task gets.
    merges: bool,
}

/// One entry of a stored unit.
#[derive(Debug)]
pub enum Entry<S, K, V> {
    /// A key with its value, in the section given before it.
    Put(Option<S>, K, V),
    /// A key that is gone.
    Delete(Option<S>, K),
    /// A section that is gone with all that was in it.
    Drop(S),
}

/// [`Entry`] as it is encoded.
#[derive(Debug)]
pub(crate) enum AnyEntry<'b> {
    Put(Option<&'b [u8]>, &'b [u8], &'b [u8]),
    Delete(Option<&'b [u8]>, &'b [u8]),
    Drop(&'b [u8]),
}

impl<'u> StoredUnit<'u> {
    pub(crate) fn new(values: &'u [Vec<u8>], merges: bool) -> Self {
        Self { values, merges }
    }

    /// Whether the unit is to be merged with those that were loaded before it: it was kept
    /// by another task.
    #[must_use]
    pub fn merges(&self) -> bool {
        self.merges
    }

    /// Calls `each` for every entry, in order: what comes later holds.
    ///
    /// # Errors
    /// The first one of `each`, and where something cannot be decoded as these types.
    pub fn each<S, K, V>(&self, mut each: impl FnMut(Entry<S, K, V>) -> Result) -> Result
    where
        S: DeserializeOwned + Clone,
        K: DeserializeOwned,
        V: DeserializeOwned,
    {
        // Many entries follow each other in one section.
        let mut latest: Option<(&[u8], S)> = None;
        for entry in entries(self.values) {
            let section = |bytes: Option<&'_ [u8]>| -> Result<Option<S>> {
                let Some(bytes) = bytes else { return Ok(None) };
                match &latest {
                    Some((known, section)) if *known == bytes => Ok(Some(section.clone())),
                    _ => Ok(Some(decode(bytes)?)),
                }
            };
            let entry = entry?;
            let (decoded, now) = match entry {
                AnyEntry::Put(at, key, value) => {
                    let section = section(at)?;
                    let entry = Entry::Put(section.clone(), decode(key)?, decode(value)?);
                    (entry, at.zip(section))
                }
                AnyEntry::Delete(at, key) => (Entry::Delete(section(at)?, decode(key)?), None),
                AnyEntry::Drop(section) => (Entry::Drop(decode(section)?), None),
            };
            if now.is_some() {
                latest = now;
            }
            each(decoded)?;
        }
        Ok(())
    }
}

/// The entries of a unit, in order; the values are its image and the changes after it.
pub(crate) fn entries(values: &[Vec<u8>]) -> Entries<'_> {
    Entries {
        values: values.iter(),
        rest: &[],
        section: None,
        number: 0,
        names: HashMap::default(),
    }
}

/// See [`entries`].
pub(crate) struct Entries<'b> {
    values: std::slice::Iter<'b, Vec<u8>>,
    /// What is left of the value at hand.
    rest: &'b [u8],
    section: Option<&'b [u8]>,
    /// Of the latest key in the section that has one.
    number: u32,
    /// The keys that numbers stand for.
    names: HashMap<u32, &'b [u8], ahash::RandomState>,
}

impl<'b> Iterator for Entries<'b> {
    type Item = Result<AnyEntry<'b>>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            while self.rest.is_empty() {
                (self.rest, self.section, self.number) = (self.values.next()?, None, 0);
            }
            let entry = self.entry();
            if entry.is_err() {
                // Where the next one begins is not known.
                (self.rest, self.values) = (&[], [].iter());
            }
            if let Some(entry) = entry.transpose() {
                return Some(entry);
            }
        }
    }
}

impl<'b> Entries<'b> {
    /// The next entry; none where it was the beginning of a section.
    fn entry(&mut self) -> Result<Option<AnyEntry<'b>>> {
        let head = self.varint()?;
        let (operation, length) = (head & ((1 << op::BITS) - 1), head >> op::BITS);
        Ok(Some(match operation {
            op::PUT => {
                let key = self.bytes(length)?;
                let length = self.varint()?;
                AnyEntry::Put(self.section, key, self.bytes(length)?)
            }
            op::DELETE => AnyEntry::Delete(self.section, self.bytes(length)?),
            op::SECTION => {
                (self.section, self.number) = (Some(self.bytes(length)?), 0);
                return Ok(None);
            }
            op::DROP => AnyEntry::Drop(self.bytes(length)?),
            op::PUT_NAMED => {
                let key = self.bytes(length)?;
                let step = self.varint()?;
                let number = self.step(step)?;
                self.names.insert(number, key);
                AnyEntry::Put(self.section, key, self.value()?)
            }
            op::PUT_NUMBERED => {
                let key = self.named(length)?;
                AnyEntry::Put(self.section, key, self.value()?)
            }
            op::PUT_ONE => AnyEntry::Put(self.section, self.named(length)?, &[1]),
            _ => return Err("the stored state has an entry of an unknown kind".into()),
        }))
    }

    fn varint(&mut self) -> Result<u64> {
        take_varint(&mut self.rest).ok_or_else(cut_short)
    }

    fn bytes(&mut self, count: u64) -> Result<&'b [u8]> {
        take(&mut self.rest, count).ok_or_else(cut_short)
    }

    fn step(&mut self, step: u64) -> Result<u32> {
        let number = stepped(self.number, step);
        self.number = number.ok_or("the stored state has a number that no key can have")?;
        Ok(self.number)
    }

    /// The key of the number that is a step from the latest one.
    fn named(&mut self, step: u64) -> Result<&'b [u8]> {
        let number = self.step(step)?;
        let key = self.names.get(&number).copied();
        key.ok_or_else(|| format!("the stored state has no key of the number {number}").into())
    }

    /// A value that is a number.
    fn value(&mut self) -> Result<&'b [u8]> {
        let length = self.rest.first().and_then(|first| number_length(*first));
        self.bytes(length.ok_or("the stored state has no number where one belongs")?)
    }
}

/// How many bytes a number has that begins with this one, as `MessagePack` writes those that are
/// not negative.
fn number_length(first: u8) -> Option<u64> {
    match first {
        0..0x80 => Some(1),
        0xcc => Some(2),
        0xcd => Some(3),
        0xce => Some(5),
        0xcf => Some(9),
        _ => None,
    }
}

fn cut_short() -> BoxError {
    "the stored state ends in the middle of an entry".into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::state::Changes;
    use crate::time::Timestamp;

    fn changes() -> Changes {
        let now = Timestamp::from_millis(0);
        Changes::new(1, now, |_| false, |_| true)
    }

    fn bytes(changes: Changes) -> Vec<u8> {
        changes.into_units().collect::<Vec<_>>().concat()
    }

    fn read(values: &[Vec<u8>]) -> Result<Vec<(Option<u8>, String, u64)>> {
        let mut read = Vec::new();
        StoredUnit::new(values, false).each(|entry| {
            if let Entry::Put(section, key, value) = entry {
                read.push((section, key, value));
            }
            Ok(())
        })?;
        Ok(read)
    }

    #[test]
    fn a_number_stands_for_the_key_that_it_was_given_last() -> Result {
        let mut first = changes();
        first.put_named(0, 70, "storm", 1)?;
        first.section(&1_u8)?;
        first.put_named(0, 9, "bolt", 2)?;
        first.put_numbered(0, 70, 3)?;
        let mut second = changes();
        second.section(&2_u8)?;
        second.put_numbered(0, 9, 4)?;
        second.put_named(0, 9, "spout", 5)?;
        second.put_numbered(0, 9, 6)?;
        // Without a section, as the first one.
        let mut third = changes();
        third.put_numbered(0, 70, 7)?;

        let read = read(&[bytes(first), bytes(second), bytes(third)])?;

        let expected = [
            (None, "storm", 1),
            (Some(1), "bolt", 2),
            (Some(1), "storm", 3),
            (Some(2), "bolt", 4),
            (Some(2), "spout", 5),
            (Some(2), "spout", 6),
            (None, "storm", 7),
        ];
        let expected = expected.map(|(section, key, value)| (section, key.to_owned(), value));
        assert_eq!(read, expected);
        Ok(())
    }

    #[test]
    fn a_known_key_takes_a_few_bytes() -> Result {
        let mut named = changes();
        named.put_named(0, 1_000, "a key of some length", 1)?;
        assert!(bytes(named).len() > "a key of some length".len());
        let mut numbered = changes();
        for number in (1_000..2_000).step_by(100) {
            numbered.put_numbered(0, number, 127)?;
            numbered.put_numbered(0, number + 50, 1)?;
        }
        assert_eq!(bytes(numbered).len(), 10 * (3 + 2));
        Ok(())
    }

    #[test]
    fn a_number_without_a_key_is_an_error() -> Result {
        let mut changes = changes();
        changes.put_named(0, 7, "storm", 1)?;
        changes.put_numbered(0, 8, 1)?;
        let error = read(&[bytes(changes)]).unwrap_err().to_string();
        assert_eq!(error, "the stored state has no key of the number 8");
        Ok(())
    }

    proptest! {
        #[test]
        fn numbered_values_come_back(
            puts in prop::collection::vec(
                (any::<u32>(), prop_oneof![0..3_u64, 0..300_u64, any::<u64>()], any::<bool>()),
                1..60,
            ),
        ) {
            // Steps of all lengths, those of one and two bytes too.
            let number = |number, near| if near { number % 5_000 } else { number };
            let puts = puts.iter().map(|(any, value, near)| (number(*any, *near), *value));
            let (mut changes, mut expected) = (changes(), Vec::new());
            for (number, _) in puts.clone() {
                let key = number.to_string();
                changes.put_named(0, number, &key, 0).unwrap();
                expected.push((None, key, 0));
            }
            for (number, value) in puts {
                changes.put_numbered(0, number, value).unwrap();
                expected.push((None, number.to_string(), value));
            }
            prop_assert_eq!(read(&[bytes(changes)]).unwrap(), expected);
        }

        /// What is damaged is an error or something else, and an end in any case.
        #[test]
        fn any_bytes_are_read_to_an_end(value in prop::collection::vec(any::<u8>(), 0..200)) {
            let length = value.len();
            let values = [value];
            prop_assert!(entries(&values).count() <= length);
        }
    }
}

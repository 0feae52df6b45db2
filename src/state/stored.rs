//! What is stored of a state, read back.

use serde::de::DeserializeOwned;

use super::changes::op;
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
        for value in self.values {
            // Many entries follow each other in one section.
            let mut latest: Option<(&[u8], S)> = None;
            for entry in entries(value) {
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
        }
        Ok(())
    }
}

/// The entries of one stored value.
pub(crate) fn entries(value: &[u8]) -> impl Iterator<Item = Result<AnyEntry<'_>>> {
    let mut rest = value;
    let mut section = None;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            match next(&mut rest, &mut section) {
                Some(Some(entry)) => return Some(Ok(entry)),
                Some(None) => {}
                None => {
                    rest = &[];
                    return Some(Err(cut_short()));
                }
            }
        }
        None
    })
}

/// Takes the next entry off; none within where it was the beginning of a section.
#[allow(clippy::option_option)] // three outcomes, and `?` for the third
fn next<'b>(rest: &mut &'b [u8], section: &mut Option<&'b [u8]>) -> Option<Option<AnyEntry<'b>>> {
    let number = take_varint(rest)?;
    let bytes = take(rest, number >> 2)?;
    Some(match number & 3 {
        op::PUT => {
            let length = take_varint(rest)?;
            Some(AnyEntry::Put(*section, bytes, take(rest, length)?))
        }
        op::DELETE => Some(AnyEntry::Delete(*section, bytes)),
        op::SECTION => {
            *section = Some(bytes);
            None
        }
        _ => Some(AnyEntry::Drop(bytes)),
    })
}

fn cut_short() -> BoxError {
    "the stored state ends in the middle of an entry".into()
}

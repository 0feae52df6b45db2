//! What is stored as of one commit, read without the types of the topology.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use crate::durable::error::DataDirError;
use crate::durable::layout::{self, Commit};
use crate::durable::manifest::{KeptComponent, Manifest};
use crate::error::{BoxError, Result};
use crate::state::{AnyEntry, Shape, entries};
use crate::store::{Reader, StoreError};

/// A store as of one commit, with the names of what is in it.
pub(crate) struct Contents<'r> {
    reader: &'r Reader,
    pub(in crate::durable) dir: Option<&'r Path>,
    /// Whether nobody waits for the result any more.
    given_up: &'r dyn Fn() -> bool,
}

/// What a unit holds: in each section its keys with their values, all as they are encoded.
pub(in crate::durable) type Image =
    BTreeMap<Option<Vec<u8>>, HashMap<Vec<u8>, Vec<u8>, ahash::RandomState>>;

/// Whether the section of an entry is a part of its key. In a table it is the time at which
/// the entry was written.
pub(in crate::durable) fn has_sections(shape: &Shape) -> bool {
    shape.kind != "table"
}

/// What is stored of a unit is looked through once for each so many bytes of it.
const PART_BYTES: usize = 16 << 20;

/// After so many entries of a unit is looked whether anybody still waits.
const ENTRIES_AT_ONCE: usize = 1 << 12;

/// One of so many parts of a unit.
fn replay(
    values: &[Vec<u8>],
    sections: bool,
    (part, parts): (u64, u64),
    given_up: &dyn Fn() -> bool,
) -> Result<Image> {
    let mut image = Image::new();
    let at = |section: Option<&[u8]>| section.filter(|_| sections).map(<[u8]>::to_vec);
    let is_in = |key: &[u8]| parts == 1 || xxh3_64(key) % parts == part;
    while_wanted(values, given_up, |entry| match entry {
        AnyEntry::Put(section, key, value) if is_in(key) => {
            let section = image.entry(at(section)).or_default();
            section.insert(key.to_vec(), value.to_vec());
        }
        AnyEntry::Delete(section, key) if is_in(key) => {
            if let Some(section) = image.get_mut(&at(section)) {
                section.remove(key);
            }
        }
        AnyEntry::Drop(section) => {
            image.remove(&at(Some(section)));
        }
        AnyEntry::Put(..) | AnyEntry::Delete(..) => {}
    })?;
    Ok(image)
}

/// How many keys a unit has, over all sections. Of each a hash is in memory, so that one pass is
/// enough however large the unit is.
fn count_keys(values: &[Vec<u8>], sections: bool, given_up: &dyn Fn() -> bool) -> Result<u64> {
    let mut keys: BTreeMap<Option<&[u8]>, HashSet<u64, ahash::RandomState>> = BTreeMap::new();
    let at = |section: Option<_>| section.filter(|_| sections);
    while_wanted(values, given_up, |entry| match entry {
        AnyEntry::Put(section, key, _) => {
            keys.entry(at(section)).or_default().insert(xxh3_64(key));
        }
        AnyEntry::Delete(section, key) => {
            if let Some(keys) = keys.get_mut(&at(section)) {
                keys.remove(&xxh3_64(key));
            }
        }
        AnyEntry::Drop(section) => {
            keys.remove(&at(Some(section)));
        }
    })?;
    Ok(keys.values().map(|keys| keys.len() as u64).sum())
}

/// Calls `each` for every entry of a unit, unless nobody waits for it any more.
fn while_wanted<'v>(
    values: &'v [Vec<u8>],
    given_up: &dyn Fn() -> bool,
    mut each: impl FnMut(AnyEntry<'v>),
) -> Result {
    for (number, entry) in entries(values).enumerate() {
        if number % ENTRIES_AT_ONCE == 0 && given_up() {
            return Err(DataDirError::Ended.into());
        }
        each(entry?);
    }
    Ok(())
}

impl<'r> Contents<'r> {
    pub(crate) fn new(
        reader: &'r Reader,
        dir: Option<&'r Path>,
        given_up: &'r dyn Fn() -> bool,
    ) -> Self {
        Self {
            reader,
            dir,
            given_up,
        }
    }

    /// The directory in words.
    pub(in crate::durable) fn dir(&self) -> String {
        self.dir.map_or_else(
            || "the store in memory".to_owned(),
            |dir| dir.display().to_string(),
        )
    }

    pub(crate) fn manifest(&self) -> Result<Option<Manifest>, DataDirError> {
        self.record(layout::MANIFEST)
    }

    pub(crate) fn commit(&self) -> Result<Option<Commit>, DataDirError> {
        self.record(layout::COMMIT)
    }

    fn record<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, DataDirError> {
        let Some(bytes) = self.reader.get(key)? else {
            return Ok(None);
        };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|error| self.failed(error.into()))
    }

    /// Every component of which anything is stored; nothing more is known of those that
    /// keep no state, and only have something to deliver or have panicked.
    pub(crate) fn components(
        &self,
    ) -> Result<BTreeMap<String, Option<KeptComponent>>, DataDirError> {
        let manifest = self.manifest()?.unwrap_or_default();
        let kept = manifest.components.into_iter();
        let mut components: BTreeMap<_, _> = kept.map(|(id, kept)| (id, Some(kept))).collect();
        let mut more = BTreeSet::new();
        for family in [b"o", b"q"] {
            self.each(family, &mut |key, _| {
                more.insert(layout::read_component(key)?);
                Ok(())
            })?;
        }
        for id in more {
            components.entry(id).or_insert(None);
        }
        Ok(components)
    }

    /// Calls `each` for every key that begins so.
    pub(in crate::durable) fn each(
        &self,
        prefix: &[u8],
        each: &mut dyn FnMut(&[u8], &[u8]) -> Result,
    ) -> Result<(), DataDirError> {
        let read = self.reader.prefix(prefix, &mut |key, value| {
            if (self.given_up)() {
                return Err(DataDirError::Ended.into());
            }
            each(key, value)
        });
        read.map_err(|error| self.failed(error))
    }

    /// Calls `each` for every unit of a state with its values in order, one at a time:
    /// together they may be as large as memory.
    pub(in crate::durable) fn units(
        &self,
        component: &str,
        state: &str,
        mut each: impl FnMut(u16, &[Vec<u8>]) -> Result,
    ) -> Result<(), DataDirError> {
        let mut unit: Option<u16> = None;
        let mut values = Vec::new();
        self.each(&layout::state(component, state), &mut |key, value| {
            let number = layout::read_unit(key)?.unit;
            if let Some(before) = unit.replace(number).filter(|before| *before != number) {
                each(before, &values)?;
                values.clear();
            }
            values.push(value.to_vec());
            Ok(())
        })?;
        let Some(unit) = unit else { return Ok(()) };
        each(unit, &values).map_err(|error| self.failed(error))
    }

    /// Calls `each` with what the values of a unit, in the order of their epochs, add up to; in
    /// parts, of which each has some of the keys, where that is much: decoded it takes many times
    /// as much as what is stored.
    pub(in crate::durable) fn replay_in_parts(
        &self,
        values: &[Vec<u8>],
        sections: bool,
        each: &mut dyn FnMut(Image) -> Result,
    ) -> Result {
        let bytes: usize = values.iter().map(Vec::len).sum();
        let parts = (bytes / PART_BYTES + 1) as u64;
        (0..parts)
            .try_for_each(|part| each(replay(values, sections, (part, parts), self.given_up)?))
    }

    /// How many keys the values of a unit add up to.
    pub(in crate::durable) fn keys(&self, values: &[Vec<u8>], sections: bool) -> Result<u64> {
        count_keys(values, sections, self.given_up)
    }

    /// An error while reading: what the store did not say itself is damage.
    pub(in crate::durable) fn failed(&self, error: BoxError) -> DataDirError {
        let error = match error.downcast::<DataDirError>() {
            Ok(error) => return *error,
            Err(error) => error,
        };
        match error.downcast::<StoreError>() {
            Ok(error) => (*error).into(),
            Err(error) => damaged(self.dir, error.to_string()).into(),
        }
    }
}

/// The error that what is stored cannot be read.
pub(in crate::durable) fn damaged(dir: Option<&Path>, what: String) -> StoreError {
    let file = dir.map_or_else(|| "(in memory)".into(), |dir| dir.join("store.redb"));
    StoreError::Damaged { file, what }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::state::Changes;
    use crate::store::Store;
    use crate::time::Timestamp;

    #[test]
    fn the_parts_of_a_unit_are_all_of_it_and_each_key_is_in_one() {
        let mut changes = Changes::new(1, Timestamp::from_millis(0), |_| false, |_| true);
        for section in 0..3_u8 {
            changes.section(&section).unwrap();
            for key in 0..100_u32 {
                changes.put(0, &key, &section).unwrap();
            }
        }
        changes.section(&1_u8).unwrap();
        changes.delete(0, &7_u32).unwrap();
        let values: Vec<_> = changes.into_units().collect();
        let whole = replay(&values, true, (0, 1), &|| false).unwrap();
        assert_eq!(whole.values().map(HashMap::len).sum::<usize>(), 299);
        let mut together = Image::new();
        for part in 0..5 {
            let part = replay(&values, true, (part, 5), &|| false).unwrap();
            assert!(part.values().all(|keys| keys.len() < 40));
            for (section, keys) in part {
                let section = together.entry(section).or_default();
                for (key, value) in keys {
                    assert_eq!(section.insert(key, value), None);
                }
            }
        }
        assert_eq!(together, whole);
    }

    /// Keys that come again, go, and are dropped with their sections.
    #[test]
    fn keys_are_counted_as_they_are_replayed() {
        let mut random = fastrand::Rng::with_seed(1);
        let mut values = Vec::new();
        for epoch in 0..20 {
            let mut changes = Changes::new(1, Timestamp::from_millis(epoch), |_| false, |_| true);
            for _ in 0..4 {
                let section = random.u8(0..5);
                if random.u8(0..6) == 0 {
                    changes.drop_section(&section).unwrap();
                    continue;
                }
                changes.section(&section).unwrap();
                for _ in 0..10 {
                    let key = random.u32(0..50);
                    if random.bool() {
                        changes.put(0, &key, &epoch).unwrap();
                    } else {
                        changes.delete(0, &key).unwrap();
                    }
                }
            }
            values.extend(changes.into_units());
            for sections in [true, false] {
                let image = replay(&values, sections, (0, 1), &|| false).unwrap();
                let wanted: usize = image.values().map(HashMap::len).sum();
                let counted = count_keys(&values, sections, &|| false).unwrap();
                assert_eq!(counted, wanted as u64);
            }
        }
    }

    /// The end of a run does not wait until a large unit is looked through.
    #[test]
    fn a_unit_is_not_looked_through_for_nobody() {
        let mut changes = Changes::new(1, Timestamp::from_millis(0), |_| false, |_| true);
        for key in 0..100_000_u32 {
            changes.put(0, &key, &0_u8).unwrap();
        }
        let values: Vec<_> = changes.into_units().collect();
        let store = Store::in_memory().unwrap();
        let reader = store.read().unwrap();
        let ended = |done: Result| {
            let error = done.unwrap_err().downcast::<DataDirError>().unwrap();
            assert!(matches!(*error, DataDirError::Ended), "{error}");
        };
        for after in [0, 1, 7] {
            let asked = Cell::new(0);
            let given_up = || asked.replace(asked.get() + 1) == after;
            let contents = Contents::new(&reader, None, &given_up);
            ended(contents.replay_in_parts(&values, false, &mut |_| panic!("a part")));
            asked.set(0);
            ended(contents.keys(&values, false).map(drop));
        }
    }
}

//! What a counter keeps over a failure.

use std::collections::HashMap;

use super::SlidingWindowCounter;
use super::slot::{CHANGED, COUNT, Counts, List};
use crate::error::Result;
use crate::key::{KeyHash, KeyValue, SHARDS, shard_of};
use crate::state::{AcrossTasks, Changes, Entry, KeyIndex, Shape, State, StoredUnit};

/// The counts of a counter, as state: in the section of each slot its keys with their
/// counts, and of running totals their sums in a section without a slot. Sums of a window
/// are not stored; they are summed up again.
pub(super) struct Kept<'c, K>(pub(super) &'c mut SlidingWindowCounter<K>);

/// Writes counts into the section at hand.
struct Writer<'w, K> {
    index: &'w KeyIndex<K>,
    /// See [`SlidingWindowCounter::named`].
    named: &'w mut [u16],
    changes: &'w mut Changes,
    any_whole: bool,
    /// By what is in `named`, whether a count is to be written that has not changed; where
    /// nothing is there, whether it may have to be.
    whole: [bool; LABELS],
    /// The counts at hand that may have to be written.
    found: Vec<Found>,
}

#[derive(Clone, Copy, Default)]
struct Found {
    number: u32,
    label: u16,
    /// Whether what is stored knows the key by its number.
    named: bool,
    /// With its mark.
    count: u64,
}

/// How many counts are gone through before what is found of them is written.
const AT_ONCE: usize = 128;

/// One for each shard, and 0.
const LABELS: usize = SHARDS + 1;

impl<'w, K: KeyValue> Writer<'w, K> {
    fn new(index: &'w KeyIndex<K>, named: &'w mut Vec<u16>, changes: &'w mut Changes) -> Self {
        named.resize(index.end(), 0);
        let any_whole = changes.any_whole();
        let mut whole = [false; LABELS];
        if any_whole {
            for (shard, whole) in (0..=u8::MAX).zip(&mut whole[1..]) {
                *whole = changes.is_whole(changes.unit(shard));
            }
            // What is written whole knows no number from before.
            for label in named.iter_mut() {
                if whole[usize::from(*label)] {
                    *label = 0;
                }
            }
            whole[0] = true;
        }
        Self {
            index,
            named,
            changes,
            any_whole,
            whole,
            found: vec![Found::default(); AT_ONCE],
        }
    }

    /// Writes the counts that have changed, or whose unit is to be written whole; `count` gives
    /// them with the numbers of their keys, by their position.
    ///
    /// In passes over a few counts each: which counts these are is not foreseen by the
    /// processor, nor are the lengths of keys, and each wrong guess would throw away what it
    /// has begun to load. So one pass finds them without a branch, the next one loads the keys
    /// that are not known by their numbers, and the last one writes.
    #[inline]
    fn write<T>(
        &mut self,
        counts: &mut [T],
        count: impl Fn(usize, &mut T) -> (u32, &mut u64),
    ) -> Result {
        for (part, counts) in counts.chunks_mut(AT_ONCE).enumerate() {
            let (mut found, mut changed) = (0, 0);
            for (position, entry) in counts.iter_mut().enumerate() {
                let (number, count) = count(part * AT_ONCE + position, entry);
                let label = self.named[number as usize];
                let is_whole = usize::from(self.whole[usize::from(label)]);
                let is_held = usize::from(*count > 0);
                let is_changed = usize::from(*count & CHANGED > 0);
                self.found[found] = Found {
                    number,
                    label,
                    named: label > 0,
                    count: *count,
                };
                found += (is_whole & is_held) | is_changed;
                changed |= *count & CHANGED;
            }
            if changed > 0 {
                for (position, entry) in counts.iter_mut().enumerate() {
                    *count(part * AT_ONCE + position, entry).1 &= COUNT;
                }
            }
            self.write_found(found)?;
        }
        Ok(())
    }

    fn write_found(&mut self, found: usize) -> Result {
        for found in &mut self.found[..found] {
            if !found.named {
                let key = self.index.key(found.number);
                found.label = label(key.ok_or("a number without a key has a count")?);
            }
        }
        for at in 0..found {
            let found = self.found[at];
            let (number, count) = (found.number, found.count & COUNT);
            // Labels are one more than one of 256 shards.
            #[allow(clippy::cast_possible_truncation)]
            let unit = self.changes.unit((found.label - 1) as u8);
            if found.named {
                self.changes.put_numbered(unit, number, count)?;
            } else if found.count & CHANGED > 0 || self.changes.is_whole(unit) {
                self.named[number as usize] = found.label;
                if let Some(key) = self.index.key(number) {
                    self.changes.put_named(unit, number, key, count)?;
                }
            }
        }
        Ok(())
    }
}

/// What [`SlidingWindowCounter::named`] has for a key that is known by its number.
fn label<K: KeyValue>(key: &K) -> u16 {
    // There are 256 shards.
    #[allow(clippy::cast_possible_truncation)]
    let shard = shard_of(key.route_hash()) as u16;
    shard + 1
}

impl<K: KeyValue> State for Kept<'_, K> {
    fn shape(&self) -> Shape {
        let slot = match self.0.span {
            Some(span) => format!("panes of {span:?}"),
            None => "panes".to_owned(),
        };
        let slots = match self.0.slots {
            Some(slots) => format!("{slots} to a window"),
            None => "all to a window".to_owned(),
        };
        Shape {
            kind: format!("table in {slot}, {slots},"),
            key: crate::state::described::<K>(),
            value: crate::state::described::<u64>(),
            by_key: true,
            tasks: AcrossTasks::Fixed,
        }
    }

    fn track(&mut self) {
        // The mark in a count costs less than a look at whether anything is tracked.
    }

    fn save(&mut self, changes: &mut Changes) -> Result {
        for slot in self.0.left.drain(..) {
            changes.drop_section(&Some(slot))?;
        }
        let mut writer = Writer::new(&self.0.index, &mut self.0.named, changes);
        let any_whole = writer.any_whole;
        let sums_changed = std::mem::take(&mut self.0.sums_changed);
        if self.0.slots.is_none() && (sums_changed || any_whole) {
            writer.changes.section(&None::<i64>)?;
            writer.write(&mut self.0.sums, by_number)?;
        }
        for closed in &mut self.0.closed {
            let unsaved = std::mem::take(&mut closed.unsaved);
            if unsaved || any_whole {
                writer.changes.section(&Some(closed.slot))?;
                writer.write(&mut closed.counts, listed)?;
            }
            closed.stored = true;
        }
        for open in self.0.open.iter_mut() {
            let unsaved = std::mem::take(&mut open.unsaved);
            if unsaved || any_whole {
                writer.changes.section(&Some(open.slot))?;
                match &mut open.counts {
                    Counts::Dense(dense) => writer.write(&mut dense.counts, by_number)?,
                    Counts::Sparse(counts) => {
                        let mut list: List = counts.iter().map(|(n, count)| (*n, *count)).collect();
                        writer.write(&mut list, listed)?;
                        for count in counts.values_mut() {
                            *count &= COUNT;
                        }
                    }
                }
            }
            open.stored = true;
        }
        // The next tuple looks for its slot, and notes that it is not saved any more.
        self.0.open.forget_latest();
        Ok(())
    }

    fn load(&mut self, unit: &StoredUnit<'_>) -> Result {
        // A slot that is gone is gone from this unit.
        let mut sections: HashMap<Option<i64>, HashMap<K, u64, ahash::RandomState>> =
            HashMap::new();
        unit.each(|entry: Entry<Option<i64>, K, u64>| {
            match entry {
                Entry::Put(section, key, count) => {
                    let section = section.ok_or("a count without a section")?;
                    sections.entry(section).or_default().insert(key, count);
                }
                Entry::Drop(section) => {
                    sections.remove(&section);
                }
                // Within a slot counts only grow.
                Entry::Delete(..) => return Err("a count was deleted by itself".into()),
            }
            Ok(())
        })?;
        for (section, counts) in sections {
            for (key, count) in counts {
                let number = self.0.number_of(&key, KeyHash::of(&key));
                match section {
                    Some(slot) => self.0.put(number, slot, count),
                    None => self.0.sums[number as usize] = count,
                }
            }
        }
        Ok(())
    }

    fn loaded(&mut self) -> Result {
        self.0.close_again();
        Ok(())
    }
}

/// A count whose position is the number of its key; 2^32 do not fit into memory.
#[allow(clippy::cast_possible_truncation)]
fn by_number(position: usize, count: &mut u64) -> (u32, &mut u64) {
    (position as u32, count)
}

/// A count that has the number of its key beside it.
fn listed(_: usize, (number, count): &mut (u32, u64)) -> (u32, &mut u64) {
    (*number, count)
}

//! What a counter keeps over a failure.

use std::collections::HashMap;

use super::SlidingWindowCounter;
use super::slot::{CHANGED, COUNT, Counts};
use crate::error::Result;
use crate::key::{KeyHash, KeyValue, shard_of};
use crate::state::{AcrossTasks, Changes, Entry, KeyIndex, Shape, State, StoredUnit};

/// The counts of a counter, as state: in the section of each slot its keys with their
/// counts, and of running totals their sums in a section without a slot. Sums of a window
/// are not stored; they are summed up again.
pub(super) struct Kept<'c, K>(pub(super) &'c mut SlidingWindowCounter<K>);

/// Writes counts into the section at hand.
struct Writer<'w, K> {
    index: &'w KeyIndex<K>,
    changes: &'w mut Changes,
    any_whole: bool,
    /// The counts at hand that are to be written: their numbers, units, and values.
    entries: Vec<(u32, usize, u64)>,
}

/// How many counts are gone through before what is found of them is written.
const AT_ONCE: usize = 128;

impl<'w, K: KeyValue> Writer<'w, K> {
    fn new(index: &'w KeyIndex<K>, changes: &'w mut Changes) -> Self {
        Self {
            index,
            any_whole: changes.any_whole(),
            changes,
            entries: vec![(0, 0, 0); AT_ONCE],
        }
    }

    /// Writes the counts that have changed, or whose unit is to be written whole.
    ///
    /// In three passes over a few counts each: which counts these are is not foreseen by the
    /// processor, nor are the lengths of keys, and each wrong guess would throw away what it
    /// has begun to load. So one pass finds them without a branch, the next one loads all of
    /// their keys, and the last one writes.
    fn write<'c>(&mut self, counts: impl Iterator<Item = (u32, &'c mut u64)>) -> Result {
        let mut counts = counts.peekable();
        while counts.peek().is_some() {
            let found = self.look_for(counts.by_ref().take(AT_ONCE));
            self.find_units(found)?;
            for &(number, unit, count) in &self.entries[..found] {
                if count & CHANGED == 0 && !self.changes.is_whole(unit) {
                    continue;
                }
                if let Some(key) = self.index.key(number) {
                    self.changes.put_number(unit, key, count & COUNT)?;
                }
            }
        }
        Ok(())
    }

    /// Notes the counts that may have to be written, and says how many these are.
    #[inline]
    fn look_for<'c>(&mut self, counts: impl Iterator<Item = (u32, &'c mut u64)>) -> usize {
        let any = if self.any_whole { COUNT } else { 0 };
        let mut found = 0;
        for (number, count) in counts {
            self.entries[found] = (number, 0, *count);
            found += usize::from(*count & (CHANGED | any) != 0);
            *count &= COUNT;
        }
        found
    }

    #[inline]
    fn find_units(&mut self, found: usize) -> Result {
        for (number, unit, _) in &mut self.entries[..found] {
            let Some(key) = self.index.key(*number) else {
                return Err("a number without a key has a count".into());
            };
            *unit = self.changes.unit(shard(key));
        }
        Ok(())
    }
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
            key: crate::state::type_name::<K>(),
            value: crate::state::type_name::<u64>(),
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
        let mut writer = Writer::new(&self.0.index, changes);
        let any_whole = writer.any_whole;
        let sums_changed = std::mem::take(&mut self.0.sums_changed);
        if self.0.slots.is_none() && (sums_changed || any_whole) {
            writer.changes.section(&None::<i64>)?;
            writer.write((0..).zip(&mut self.0.sums))?;
        }
        for closed in &mut self.0.closed {
            let unsaved = std::mem::take(&mut closed.unsaved);
            if unsaved || any_whole {
                writer.changes.section(&Some(closed.slot))?;
                let counts = closed.counts.iter_mut();
                writer.write(counts.map(|(number, count)| (*number, count)))?;
            }
            closed.stored = true;
        }
        for open in &mut self.0.open {
            let unsaved = std::mem::take(&mut open.unsaved);
            if unsaved || any_whole {
                writer.changes.section(&Some(open.slot))?;
                match &mut open.counts {
                    Counts::Dense(dense) => writer.write((0..).zip(&mut dense.counts))?,
                    Counts::Sparse(counts) => {
                        writer.write(counts.iter_mut().map(|(number, count)| (*number, count)))?;
                    }
                }
            }
            open.stored = true;
        }
        // The next tuple looks for its slot, and notes that it is not saved any more.
        self.0.latest = usize::MAX;
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

/// The shard of a key; there are 256.
#[allow(clippy::cast_possible_truncation)]
pub(super) fn shard<K: KeyValue>(key: &K) -> u8 {
    shard_of(key.route_hash()) as u8
}

//! A value for each key.

use std::fmt;
use std::time::Duration;

use indexmap::IndexMap;
use indexmap::map::Entry as Place;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AcrossTasks, Changes, Entry, Shape, State, StoredUnit, described};
use crate::error::Result;
use crate::key::{KeyValue, shard_of};
use crate::time::Timestamp;

/// A value for each key: in memory, with what has changed since the last commit noted.
///
/// In a component whose inputs are grouped by fields each entry belongs to the shard of its
/// key, which must be the key that the tuples are grouped by, or one of the same
/// [routing hash](KeyValue::route_hash). Elsewhere the table belongs to its task, and the
/// number of tasks may only change where [`Table::merged`] says how values of one key are
/// put together.
///
/// ```
/// use squall::Table;
///
/// let mut totals = Table::<String, u64>::new();
/// *totals.entry(&"ann".to_owned()) += 300;
/// totals.insert("bob".to_owned(), 200);
/// assert_eq!(totals.get(&"ann".to_owned()), Some(&300));
/// assert_eq!(totals.remove(&"bob".to_owned()), Some(200));
/// assert_eq!(totals.len(), 1);
/// ```
pub struct Table<K, V> {
    entries: IndexMap<K, Kept<V>, ahash::RandomState>,
    merge: Option<fn(&mut V, V)>,
    time_to_live: Option<TimeToLive>,
    /// The time of the latest epoch, in ticks.
    tick: u32,
    tracked: bool,
    /// The positions of entries that may have changed: all that have, and others.
    changed: Vec<u32>,
    /// Keys that are gone, with their shards.
    removed: Vec<(u8, K)>,
}

#[derive(Clone)]
struct Kept<V> {
    value: V,
    /// When it was written, where it has a time to live.
    tick: u32,
    shard: u8,
    changed: bool,
}

/// How long entries live, in ticks.
#[derive(Clone, Copy)]
struct TimeToLive {
    tick_ms: i64,
    ticks: u32,
}

/// A time to live is kept to one part in so many, or to a second.
const TICKS: i64 = 64;
const SECOND_MS: i64 = 1_000;

impl<K, V> Default for Table<K, V> {
    fn default() -> Self {
        Self {
            entries: IndexMap::default(),
            merge: None,
            time_to_live: None,
            tick: 0,
            tracked: false,
            changed: Vec::new(),
            removed: Vec::new(),
        }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Table<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.iter();
        f.debug_map()
            .entries(entries.map(|(key, kept)| (key, &kept.value)))
            .finish()
    }
}

impl<K: KeyValue, V> Table<K, V> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says how the values that several tasks have for one key are put together when the
    /// number of tasks changes.
    #[must_use]
    pub fn merged(mut self, merge: fn(&mut V, V)) -> Self {
        self.merge = Some(merge);
        self
    }

    /// Forgets entries that were not written for this long, by the clock of the epochs: as
    /// late as a 64th of the span after it, or a second where that is more.
    #[must_use]
    pub fn time_to_live(mut self, span: Duration) -> Self {
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        let tick_ms = (millis / TICKS).max(SECOND_MS);
        let ticks = (millis / tick_ms).saturating_add(2);
        self.time_to_live = Some(TimeToLive {
            tick_ms,
            ticks: u32::try_from(ticks).unwrap_or(u32::MAX),
        });
        self
    }

    /// The value of a key.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.entries.get(key).map(|kept| &kept.value)
    }

    /// Whether the key has a value.
    #[must_use]
    pub fn contains_key(&self, key: &K) -> bool {
        self.entries.contains_key(key)
    }

    /// The value of a key, to be changed.
    #[inline]
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let position = self.entries.get_index_of(key)?;
        Some(self.at(position))
    }

    /// The value of a key, to be changed; a key without one gets the default.
    #[inline]
    pub fn entry(&mut self, key: &K) -> &mut V
    where
        V: Default,
    {
        let position = match self.entries.get_index_of(key) {
            Some(position) => position,
            None => self.add(key.clone(), V::default()),
        };
        self.at(position)
    }

    /// Sets the value of a key; gives the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        if let Some(position) = self.entries.get_index_of(&key) {
            return Some(std::mem::replace(self.at(position), value));
        }
        self.add(key, value);
        None
    }

    /// Takes a key out; gives the value it had.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (position, key, kept) = self.entries.swap_remove_full(key)?;
        if self.tracked {
            self.removed.push((kept.shard, key));
            // The last entry has moved here.
            if self
                .entries
                .get_index(position)
                .is_some_and(|(_, moved)| moved.changed)
            {
                self.changed.push(index(position));
            }
        }
        Some(kept.value)
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        for (key, kept) in self.entries.drain(..) {
            if self.tracked {
                self.removed.push((kept.shard, key));
            }
        }
        self.changed.clear();
    }

    /// Keeps the entries that `keep` wants.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        let mut position = 0;
        while let Some((key, kept)) = self.entries.get_index(position) {
            if keep(key, &kept.value) {
                position += 1;
            } else {
                let key = key.clone();
                self.remove(&key);
            }
        }
    }

    /// All keys with their values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, kept)| (key, &kept.value))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[cold]
    fn add(&mut self, key: K, value: V) -> usize {
        let kept = Kept {
            value,
            tick: self.tick,
            // The shard is in a byte: there are 256.
            #[allow(clippy::cast_possible_truncation)]
            shard: shard_of(key.route_hash()) as u8,
            changed: self.tracked,
        };
        let (position, _) = self.entries.insert_full(key, kept);
        if self.tracked {
            self.changed.push(index(position));
        }
        position
    }

    /// The value at a position, which is about to change.
    #[inline]
    fn at(&mut self, position: usize) -> &mut V {
        let kept = &mut self.entries[position];
        kept.tick = self.tick;
        if self.tracked && !kept.changed {
            kept.changed = true;
            self.changed.push(index(position));
        }
        &mut kept.value
    }

    pub(super) fn begin_tracking(&mut self) {
        self.tracked = true;
    }
}

impl<K, V> Table<K, V>
where
    K: KeyValue,
    V: Serialize + DeserializeOwned + Send,
{
    /// Takes in an entry that is stored.
    pub(super) fn put(&mut self, key: K, value: V, tick: u32) {
        #[allow(clippy::cast_possible_truncation)] // there are 256 shards
        let shard = shard_of(key.route_hash()) as u8;
        let kept = Kept {
            value,
            tick,
            shard,
            changed: false,
        };
        self.entries.insert(key, kept);
    }

    /// Takes in that a stored entry is gone.
    pub(super) fn take_out(&mut self, key: &K) {
        self.entries.swap_remove(key);
    }

    /// Writes what has changed into the section at hand.
    pub(super) fn save_entries(&mut self, changes: &mut Changes) -> Result {
        for (shard, key) in self.removed.drain(..) {
            // A key that came back is written below.
            changes.delete(changes.unit(shard), &key)?;
        }
        let ages = self.time_to_live.is_some();
        let any_whole = changes.any_whole();
        let mut write = |key: &K, kept: &mut Kept<V>| -> Result {
            let unit = changes.unit(kept.shard);
            if !std::mem::take(&mut kept.changed) && !changes.is_whole(unit) {
                return Ok(());
            }
            if ages {
                changes.section(&kept.tick)?;
            }
            changes.put(unit, key, &kept.value)
        };
        let mut changed = std::mem::take(&mut self.changed);
        if any_whole {
            for (key, kept) in &mut self.entries {
                write(key, kept)?;
            }
        } else {
            for position in &changed {
                if let Some((key, kept)) = self.entries.get_index_mut(*position as usize)
                    && kept.changed
                {
                    write(key, kept)?;
                }
            }
        }
        changed.clear();
        self.changed = changed;
        Ok(())
    }
}

/// Positions are kept in four bytes: as many entries do not fit into memory.
fn index(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

impl<K, V> State for Table<K, V>
where
    K: KeyValue,
    V: Serialize + DeserializeOwned + Send,
{
    fn shape(&self) -> Shape {
        let tasks = self
            .merge
            .map_or(AcrossTasks::Fixed, |_| AcrossTasks::Merged);
        Shape {
            kind: "table".to_owned(),
            key: described::<K>(),
            value: described::<V>(),
            by_key: true,
            tasks,
        }
    }

    fn track(&mut self) {
        self.begin_tracking();
    }

    fn save(&mut self, changes: &mut Changes) -> Result {
        self.save_entries(changes)
    }

    fn load(&mut self, unit: &StoredUnit<'_>) -> Result {
        if unit.merges() {
            let mut other = Self::default();
            other.load_entries(unit)?;
            for (key, kept) in other.entries {
                match (self.entries.entry(key), self.merge) {
                    (Place::Vacant(place), _) => {
                        place.insert(kept);
                    }
                    (Place::Occupied(mut place), Some(merge)) => {
                        merge(&mut place.get_mut().value, kept.value);
                    }
                    (Place::Occupied(place), None) => {
                        let key = place.key();
                        return Err(format!("two tasks have a value for {key:?}").into());
                    }
                }
            }
            return Ok(());
        }
        self.load_entries(unit)
    }

    fn expire(&mut self, now: Timestamp) {
        let Some(TimeToLive { tick_ms, ticks }) = self.time_to_live else {
            return;
        };
        let tick = u32::try_from(now.millis() / tick_ms).unwrap_or(0);
        if tick <= self.tick {
            return;
        }
        // What was written before the first epoch of this run was written now, not in 1970.
        if self.tick == 0 {
            for kept in self.entries.values_mut().filter(|kept| kept.tick == 0) {
                kept.tick = tick;
            }
        }
        self.tick = tick;
        let oldest = tick.saturating_sub(ticks);
        let mut position = 0;
        while let Some((key, kept)) = self.entries.get_index(position) {
            if kept.tick >= oldest {
                position += 1;
            } else {
                let key = key.clone();
                self.remove(&key);
            }
        }
    }
}

impl<K, V> Table<K, V>
where
    K: KeyValue,
    V: Serialize + DeserializeOwned + Send,
{
    fn load_entries(&mut self, unit: &StoredUnit<'_>) -> Result {
        unit.each(|entry: Entry<u32, K, V>| {
            match entry {
                Entry::Put(tick, key, value) => self.put(key, value, tick.unwrap_or(0)),
                Entry::Delete(_, key) => self.take_out(&key),
                Entry::Drop(_) => {}
            }
            Ok(())
        })
    }
}

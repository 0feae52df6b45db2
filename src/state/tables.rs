//! A table for each of several sections.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::ops::RangeBounds;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AcrossTasks, Changes, Entry, Shape, State, StoredUnit, Table, described};
use crate::error::Result;
use crate::key::KeyValue;

/// A table for each of an ordered set of sections, such as windows: a section goes as a
/// whole, whatever it holds.
///
/// ```
/// use squall::state::Tables;
///
/// let mut clicks = Tables::<u32, String, u64>::new();
/// *clicks.section(2017).entry(&"ann".to_owned()) += 1;
/// *clicks.section(2018).entry(&"ann".to_owned()) += 1;
/// let (year, table) = clicks.pop_first().unwrap();
/// assert_eq!((year, table.get(&"ann".to_owned())), (2017, Some(&1)));
/// assert_eq!(clicks.len(), 1);
/// ```
pub struct Tables<S, K, V> {
    sections: BTreeMap<S, Table<K, V>>,
    tracked: bool,
    /// Sections that are gone since the last commit.
    dropped: BTreeSet<S>,
}

impl<S, K, V> Default for Tables<S, K, V> {
    fn default() -> Self {
        Self {
            sections: BTreeMap::new(),
            tracked: false,
            dropped: BTreeSet::new(),
        }
    }
}

impl<S: fmt::Debug, K: fmt::Debug, V: fmt::Debug> fmt::Debug for Tables<S, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sections.fmt(f)
    }
}

impl<S: Ord + Clone, K: KeyValue, V> Tables<S, K, V> {
    /// No sections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The table of a section, which is made where there is none.
    pub fn section(&mut self, section: S) -> &mut Table<K, V> {
        let tracked = self.tracked;
        self.sections.entry(section).or_insert_with(|| {
            let mut table = Table::new();
            if tracked {
                table.begin_tracking();
            }
            table
        })
    }

    /// The table of a section.
    #[must_use]
    pub fn get(&self, section: &S) -> Option<&Table<K, V>> {
        self.sections.get(section)
    }

    /// The first section with its table.
    #[must_use]
    pub fn first(&self) -> Option<(&S, &Table<K, V>)> {
        self.sections.first_key_value()
    }

    /// Takes out the first section.
    pub fn pop_first(&mut self) -> Option<(S, Table<K, V>)> {
        let (section, table) = self.sections.pop_first()?;
        self.note_dropped(&section);
        Some((section, table))
    }

    /// Takes out a section.
    pub fn remove(&mut self, section: &S) -> Option<Table<K, V>> {
        let table = self.sections.remove(section)?;
        self.note_dropped(section);
        Some(table)
    }

    fn note_dropped(&mut self, section: &S) {
        if self.tracked {
            self.dropped.insert(section.clone());
        }
    }

    /// The sections with their tables, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&S, &Table<K, V>)> {
        self.sections.iter()
    }

    /// The sections of a range, in order: found without looking at those before it.
    pub(crate) fn range(
        &self,
        range: impl RangeBounds<S>,
    ) -> impl DoubleEndedIterator<Item = (&S, &Table<K, V>)> {
        self.sections.range(range)
    }

    /// How many sections there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sections.len()
    }

    /// Whether there is no section.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sections.is_empty()
    }
}

impl<S, K, V> State for Tables<S, K, V>
where
    S: Ord + Clone + Serialize + DeserializeOwned + Send,
    K: KeyValue,
    V: Serialize + DeserializeOwned + Send,
{
    fn shape(&self) -> Shape {
        Shape {
            kind: format!("set of tables by {}", described::<S>()),
            key: described::<K>(),
            value: described::<V>(),
            by_key: true,
            tasks: AcrossTasks::Fixed,
        }
    }

    fn track(&mut self) {
        self.tracked = true;
        for table in self.sections.values_mut() {
            table.begin_tracking();
        }
    }

    fn save(&mut self, changes: &mut Changes) -> Result {
        // Before what was put into a section of the same name afterwards.
        for section in std::mem::take(&mut self.dropped) {
            changes.drop_section(&section)?;
        }
        for (section, table) in &mut self.sections {
            changes.section(section)?;
            table.save_entries(changes)?;
        }
        Ok(())
    }

    fn load(&mut self, unit: &StoredUnit<'_>) -> Result {
        // A section that is gone is gone from this unit; others may have it again.
        let mut sections: BTreeMap<S, HashMap<K, V, ahash::RandomState>> = BTreeMap::new();
        unit.each(|entry: Entry<S, K, V>| {
            match entry {
                Entry::Put(section, key, value) => {
                    let section = section.ok_or("an entry without a section")?;
                    sections.entry(section).or_default().insert(key, value);
                }
                Entry::Delete(section, key) => {
                    let section = section.ok_or("an entry without a section")?;
                    if let Some(entries) = sections.get_mut(&section) {
                        entries.remove(&key);
                    }
                }
                Entry::Drop(section) => {
                    sections.remove(&section);
                }
            }
            Ok(())
        })?;
        for (section, entries) in sections {
            let table = self.section(section);
            for (key, value) in entries {
                table.put(key, value, 0);
            }
        }
        Ok(())
    }
}

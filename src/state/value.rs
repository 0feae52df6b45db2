//! One value for a task.

use std::fmt;
use std::ops::{Deref, DerefMut};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{AcrossTasks, Changes, Entry, Shape, State, StoredUnit, described};
use crate::error::Result;

/// A value that a task keeps; reads as what it holds, and is stored when it was touched.
///
/// It belongs to the task and not to a key, so the number of tasks may only change where it
/// says what becomes of the tasks' values: [`Value::merged`] or [`Value::shared`].
///
/// ```
/// use squall::Value;
///
/// let mut latest = Value::new(0_u64);
/// *latest += 3;
/// assert_eq!(*latest, 3);
/// ```
pub struct Value<V> {
    value: V,
    changed: bool,
    merge: Option<(AcrossTasks, Merge<V>)>,
}

/// Makes one of the values of two tasks.
type Merge<V> = fn(&V, &V) -> V;

impl<V> Value<V> {
    /// A value that begins so.
    #[must_use]
    pub fn new(value: V) -> Self {
        Self {
            value,
            changed: false,
            merge: None,
        }
    }

    /// The tasks' values are parts of a whole: when the number of tasks changes, they are
    /// put together, and tasks that get none begin anew.
    #[must_use]
    pub fn merged(mut self, merge: fn(&V, &V) -> V) -> Self {
        self.merge = Some((AcrossTasks::Merged, merge));
        self
    }

    /// The tasks' values say the same, some later than others: when the number of tasks
    /// changes, every task gets what `merge` makes of all.
    #[must_use]
    pub fn shared(mut self, merge: fn(&V, &V) -> V) -> Self {
        self.merge = Some((AcrossTasks::Shared, merge));
        self
    }
}

impl<V: Default> Default for Value<V> {
    fn default() -> Self {
        Self::new(V::default())
    }
}

impl<V: fmt::Debug> fmt::Debug for Value<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl<V> Deref for Value<V> {
    type Target = V;
    #[inline]
    fn deref(&self) -> &V {
        &self.value
    }
}

impl<V> DerefMut for Value<V> {
    #[inline]
    fn deref_mut(&mut self) -> &mut V {
        self.changed = true;
        &mut self.value
    }
}

impl<V: Serialize + DeserializeOwned + Send> State for Value<V> {
    fn shape(&self) -> Shape {
        Shape {
            kind: "value".to_owned(),
            key: String::new(),
            value: described::<V>(),
            by_key: false,
            tasks: self.merge.map_or(AcrossTasks::Fixed, |(across, _)| across),
        }
    }

    fn track(&mut self) {}

    fn save(&mut self, changes: &mut Changes) -> Result {
        let changed = std::mem::take(&mut self.changed);
        if changed || changes.is_whole(0) {
            changes.put(0, &(), &self.value)?;
        }
        Ok(())
    }

    fn load(&mut self, unit: &StoredUnit<'_>) -> Result {
        let mut loaded = None;
        unit.each(|entry: Entry<(), (), V>| {
            if let Entry::Put(_, (), value) = entry {
                loaded = Some(value);
            }
            Ok(())
        })?;
        if let Some(value) = loaded {
            self.value = match self.merge {
                Some((_, merge)) if unit.merges() => merge(&self.value, &value),
                _ => value,
            };
        }
        Ok(())
    }
}

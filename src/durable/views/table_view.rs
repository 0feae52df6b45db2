//! One table of a snapshot.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BinaryHeap, btree_map};
use std::fmt;
use std::ops::RangeBounds;
use std::sync::{Arc, OnceLock};

use serde::de::DeserializeOwned;

use super::snapshot::{Image, Snapshot, Version, ViewError, named};
use crate::key::{KeyValue, shard_of};

/// A table as of one commit, made by [`Snapshot::table`]. Each shard is decoded when it is
/// needed first.
pub struct TableView<K, V> {
    snapshot: Snapshot,
    component: String,
    state: String,
    by_shard: bool,
    units: BTreeMap<u16, Unit<K, V>>,
}

struct Unit<K, V> {
    version: Version,
    image: OnceLock<Image<K, V>>,
}

impl<K, V> fmt::Debug for TableView<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            component, state, ..
        } = self;
        write!(f, "TableView({component}.{state}, {:?})", self.snapshot)
    }
}

impl Snapshot {
    /// A [`Table`](crate::Table), over all of its shards.
    ///
    /// # Errors
    /// Where there is no such state, where it is no table of these types, and where the
    /// tasks have tables of their own ([`Snapshot::table_of_task`]).
    pub fn table<K, V>(&self, component: &str, state: &str) -> Result<TableView<K, V>, ViewError>
    where
        K: KeyValue + Sync,
        V: DeserializeOwned + Send + Sync + 'static,
    {
        let (kept, shape) = self.table_shape::<K, V>(component, state)?;
        let by_shard = kept.by_shard && shape.by_key;
        if !by_shard && kept.tasks > 1 {
            return Err(ViewError::OfTasks {
                state: named(component, state),
                tasks: kept.tasks,
            });
        }
        TableView::new(self.clone(), component, state, by_shard, |_| true)
    }

    /// The [`Table`](crate::Table) of one task, numbered from 0, of a component whose tasks
    /// have tables of their own; one that does not exist is empty.
    ///
    /// # Errors
    /// As [`Snapshot::table`].
    pub fn table_of_task<K, V>(
        &self,
        component: &str,
        state: &str,
        task: usize,
    ) -> Result<TableView<K, V>, ViewError>
    where
        K: KeyValue + Sync,
        V: DeserializeOwned + Send + Sync + 'static,
    {
        let (kept, shape) = self.table_shape::<K, V>(component, state)?;
        if kept.by_shard && shape.by_key {
            let task_of = |shard: u16| crate::key::task_of_shard(shard.into(), kept.tasks);
            return TableView::new(self.clone(), component, state, true, |unit| {
                task_of(unit) == task
            });
        }
        TableView::new(self.clone(), component, state, false, |unit| {
            usize::from(unit) == task
        })
    }
}

impl<K, V> TableView<K, V>
where
    K: KeyValue + Sync,
    V: DeserializeOwned + Send + Sync + 'static,
{
    pub(in crate::durable) fn new(
        snapshot: Snapshot,
        component: &str,
        state: &str,
        by_shard: bool,
        has: impl Fn(u16) -> bool,
    ) -> Result<Self, ViewError> {
        let versions = snapshot.versions(component, state)?;
        snapshot.forget_all_but(component, state, &versions);
        let units = versions.into_iter().filter(|(unit, _)| has(*unit));
        let unit = |version| Unit {
            version,
            image: OnceLock::new(),
        };
        Ok(Self {
            component: component.to_owned(),
            state: state.to_owned(),
            by_shard,
            units: units
                .map(|(number, version)| (number, unit(version)))
                .collect(),
            snapshot,
        })
    }

    /// The epoch of its snapshot.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.snapshot.epoch()
    }

    /// The value of a key. Of a table by shards only the shard of the key is decoded.
    ///
    /// # Errors
    /// Where what is stored cannot be read or decoded.
    pub fn get(&self, key: &K) -> Result<Option<&V>, ViewError> {
        if self.by_shard {
            // There are 256 shards.
            let shard = u16::try_from(shard_of(key.route_hash())).unwrap_or(u16::MAX);
            let Some(unit) = self.units.get(&shard) else {
                return Ok(None);
            };
            return Ok(self.image(shard, unit)?.get(key));
        }
        for (number, unit) in &self.units {
            if let Some(value) = self.image(*number, unit)?.get(key) {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// All keys with their values, in the order of the keys.
    ///
    /// # Errors
    /// As [`TableView::get`].
    #[allow(clippy::iter_not_returning_iterator)] // nothing is decoded before
    pub fn iter(&self) -> Result<impl Iterator<Item = (&K, &V)>, ViewError> {
        self.range(..)
    }

    /// The keys of a range with their values, in the order of the keys.
    ///
    /// # Errors
    /// As [`TableView::get`].
    ///
    /// # Panics
    /// Where the range ends before it begins, as that of a [`BTreeMap`].
    pub fn range<R>(&self, range: R) -> Result<impl Iterator<Item = (&K, &V)>, ViewError>
    where
        R: RangeBounds<K> + Clone,
    {
        let mut heads = BinaryHeap::with_capacity(self.units.len());
        for (number, unit) in &self.units {
            let rest = self.image(*number, unit)?.range(range.clone());
            heads.extend(Head::of(rest));
        }
        Ok(std::iter::from_fn(move || {
            let Head { key, value, rest } = heads.pop()?;
            heads.extend(Head::of(rest));
            Some((key, value))
        }))
    }

    /// How many keys there are.
    ///
    /// # Errors
    /// As [`TableView::get`].
    pub fn len(&self) -> Result<usize, ViewError> {
        let mut keys = 0;
        for (number, unit) in &self.units {
            keys += self.image(*number, unit)?.len();
        }
        Ok(keys)
    }

    /// Whether there is no key.
    ///
    /// # Errors
    /// As [`TableView::get`].
    pub fn is_empty(&self) -> Result<bool, ViewError> {
        Ok(self.len()? == 0)
    }

    fn image<'t>(
        &'t self,
        number: u16,
        unit: &'t Unit<K, V>,
    ) -> Result<&'t Image<K, V>, ViewError> {
        if let Some(image) = unit.image.get() {
            return Ok(image);
        }
        let (component, state) = (&self.component, &self.state);
        let image = self
            .snapshot
            .image(component, state, number, unit.version)?;
        Ok(unit.image.get_or_init(|| image))
    }

    /// All units, decoded.
    pub(in crate::durable) fn images(&self) -> Result<BTreeMap<u16, Image<K, V>>, ViewError> {
        let images = self.units.iter().map(|(number, unit)| {
            let image = self.image(*number, unit)?;
            Ok((*number, Arc::clone(image)))
        });
        images.collect()
    }
}

/// The next entry of a unit, in the order of the keys; the least one is the greatest, as a
/// heap has it.
struct Head<'t, K, V> {
    key: &'t K,
    value: &'t V,
    rest: btree_map::Range<'t, K, V>,
}

impl<'t, K: Ord, V> Head<'t, K, V> {
    fn of(mut rest: btree_map::Range<'t, K, V>) -> Option<Self> {
        let (key, value) = rest.next()?;
        Some(Self { key, value, rest })
    }
}

impl<K: Ord, V> Ord for Head<'_, K, V> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(self.key)
    }
}

impl<K: Ord, V> PartialOrd for Head<'_, K, V> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<K: Ord, V> PartialEq for Head<'_, K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<K: Ord, V> Eq for Head<'_, K, V> {}

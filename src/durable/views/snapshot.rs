//! Typed reading of the state of a topology, while it runs.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::DeserializeOwned;

use super::commit_notifier::CommitNotifier;
use crate::durable::error::DataDirError;
use crate::durable::inspection::Contents;
use crate::durable::layout::{self, Commit};
use crate::durable::manifest::{KeptComponent, Manifest};
use crate::error::BoxError;
use crate::key::KeyValue;
use crate::state::{Entry, Shape, StoredUnit, described};
use crate::store::{Reader, Store, WeakStore};

/// The state of a topology for readers: what every table held at the last commit.
///
/// Reading takes nothing from the run: it waits for no task, and no task for it. Every
/// [`Snapshot`] shows one commit over all components, tables and tasks: of what the spouts
/// had emitted until its cut everything is in it, and nothing else.
///
/// Clones share what was decoded: the next snapshot decodes only what has changed since.
/// That takes as much memory as the tables that were read, until the last clone is gone.
///
/// ```
/// use squall::testing::{Events, TopologyTest};
/// use squall::{Bolt, DataDir, Out, Result, RunOptions, States, Table, Text, Topology, Word};
///
/// #[derive(Default)]
/// struct Counts(Table<Text, u64>);
/// impl Bolt for Counts {
///     type Input = Word;
///     type Output = ();
///     fn execute(&mut self, word: &Word, _: &mut Out<()>) -> Result {
///         *self.0.entry(&word.word) += 1;
///         Ok(())
///     }
///     fn state(&mut self, states: &mut States<'_>) {
///         states.keep("totals", &mut self.0);
///     }
/// }
///
/// let topology = Topology::named("words");
/// let words = Events::now(["a", "b", "a"].map(|word| Word { word: word.into() }));
/// let words = topology.spout("words", move || words.clone());
/// topology.bolt("counts", Counts::default).fields_grouping(&words, Word::WORD);
///
/// let data_dir = DataDir::in_memory()?;
/// let options = RunOptions { data_dir: Some(data_dir.clone()), ..RunOptions::default() };
/// TopologyTest::new(topology).options(options).run()?;
///
/// let snapshot = data_dir.views()?.read()?;
/// let totals = snapshot.table::<Text, u64>("counts", "totals")?;
/// assert_eq!(totals.get(&"a".into())?, Some(&2));
/// let all: Vec<_> = totals.iter()?.map(|(word, count)| (word.as_str(), *count)).collect();
/// assert_eq!(all, [("a", 2), ("b", 1)]);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Clone)]
pub struct Views(Arc<Shared>);

struct Shared {
    store: Held,
    notifier: CommitNotifier,
    // Shared by all clones and their snapshots; readers hold it while they look an image up
    // and never while they decode one.
    cache: Mutex<Cache>,
}

/// A run ends by letting go of its store, whoever reads.
enum Held {
    Open(Store),
    OfRun(WeakStore),
}

/// The decoded units of each table.
type Cache = HashMap<(String, String), BTreeMap<u16, Cached>>;

struct Cached {
    version: Version,
    image: Arc<dyn Any + Send + Sync>,
}

/// What is stored of a unit: as long as it is the same, the unit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::durable) struct Version {
    first: u64,
    newest: u64,
    values: usize,
}

/// A decoded unit.
pub(in crate::durable) type Image<K, V> = Arc<BTreeMap<K, V>>;

/// Why a table or value cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ViewError {
    /// The store cannot be read.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The run has ended, and let go of its data directory:
    /// [`DataDir::views`](crate::DataDir::views) reads that.
    #[error("the run has ended, and its data directory is closed")]
    Ended,
    /// There is no such state; or nothing was committed yet.
    #[error("unknown state `{asked}`: {are}", are = are(known))]
    Unknown {
        /// What was asked for, as `component.state`.
        asked: String,
        /// All states, as `component.state`.
        known: Vec<String>,
    },
    /// The state is not what it is read as.
    #[error("`{state}` is stored as {stored}, but was read as {asked}")]
    Misfit {
        /// The state, as `component.state`.
        state: String,
        /// What is stored, as `a table of text to u64`.
        stored: String,
        /// What it was read as.
        asked: String,
    },
    /// Each task has a table of its own.
    #[error(
        "`{state}` is kept by task, not by the shard of its keys: read the table of one of its \
         {tasks} tasks with `table_of_task`"
    )]
    OfTasks {
        /// The state, as `component.state`.
        state: String,
        /// How many tasks there are.
        tasks: usize,
    },
    /// A key or value cannot be decoded.
    #[error("`{state}` cannot be read: {cause}")]
    Decode {
        /// The state, as `component.state`.
        state: String,
        /// What is wrong with it.
        #[source]
        cause: BoxError,
    },
}

fn are(known: &[String]) -> String {
    if known.is_empty() {
        "nothing was committed yet".to_owned()
    } else {
        format!("known are {}", known.join(", "))
    }
}

impl Views {
    /// Of a run, which notifies of its commits.
    pub(crate) fn of_run(store: &Store, notifier: CommitNotifier) -> Self {
        Self::new(Held::OfRun(store.downgrade()), notifier)
    }

    /// Of a store that is opened for this.
    pub(in crate::durable) fn open(store: Store) -> Self {
        let notifier = CommitNotifier::default();
        notifier.end();
        Self::new(Held::Open(store), notifier)
    }

    fn new(store: Held, notifier: CommitNotifier) -> Self {
        let cache = Mutex::default();
        Self(Arc::new(Shared {
            store,
            notifier,
            cache,
        }))
    }

    pub(in crate::durable) fn notifier(&self) -> &CommitNotifier {
        &self.0.notifier
    }

    /// Everything as of the last commit.
    ///
    /// A snapshot keeps what it shows on disk, and keeps the data directory open, until it
    /// and the tables read from it are dropped: keep it for as long as an answer takes.
    ///
    /// # Errors
    /// [`ViewError::Ended`] after the end of the run; and where the store cannot be read.
    pub fn read(&self) -> Result<Snapshot, ViewError> {
        let store = match &self.0.store {
            Held::Open(store) => store.clone(),
            Held::OfRun(store) => store.upgrade().ok_or(ViewError::Ended)?,
        };
        let reader = store.read().map_err(DataDirError::from)?;
        let contents = Contents::new(&reader, store.dir(), &|| false);
        let manifest = contents.manifest()?.unwrap_or_default();
        let commit = contents.commit()?;
        Ok(Snapshot(Arc::new(Shown {
            views: self.clone(),
            manifest,
            commit,
            reader,
        })))
    }
}

impl fmt::Debug for Views {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Views").field(&self.0.notifier).finish()
    }
}

/// Everything as of one commit; a clone is the same snapshot. Made by [`Views::read`].
#[derive(Clone)]
pub struct Snapshot(Arc<Shown>);

struct Shown {
    views: Views,
    manifest: Manifest,
    commit: Option<Commit>,
    reader: Reader,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Snapshot").field(&self.0.commit).finish()
    }
}

impl Snapshot {
    /// The epoch that was committed last, from 1; 0 where nothing was committed yet.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.0.commit.map_or(0, |commit| commit.epoch)
    }

    /// The commit that it shows; none where nothing was committed yet.
    #[must_use]
    pub fn commit(&self) -> Option<Commit> {
        self.0.commit
    }

    /// The [`Value`](crate::Value) of one task, numbered from 0; none where it was never
    /// touched.
    ///
    /// # Errors
    /// As [`Snapshot::table`].
    pub fn value<V: DeserializeOwned>(
        &self,
        component: &str,
        state: &str,
        task: usize,
    ) -> Result<Option<V>, ViewError> {
        self.shape(component, state, "value", "", &described::<V>())?;
        let Ok(unit) = u16::try_from(task) else {
            return Ok(None);
        };
        let mut found = None;
        self.entries(component, state, unit, |entry: Entry<(), (), V>| {
            if let Entry::Put(_, (), value) = entry {
                found = Some(value);
            }
        })?;
        Ok(found)
    }

    /// What is stored of a table of these types.
    pub(in crate::durable) fn table_shape<K: DeserializeOwned, V: DeserializeOwned>(
        &self,
        component: &str,
        state: &str,
    ) -> Result<(&KeptComponent, &Shape), ViewError> {
        let (key, value) = (described::<K>(), described::<V>());
        self.shape(component, state, "table", &key, &value)
    }

    /// What is stored of a state, which must be of this kind and these types.
    fn shape(
        &self,
        component: &str,
        state: &str,
        kind: &str,
        key: &str,
        value: &str,
    ) -> Result<(&KeptComponent, &Shape), ViewError> {
        let components = &self.0.manifest.components;
        let kept = components.get(component);
        let found = kept.and_then(|kept| Some((kept, kept.states.get(state)?)));
        let Some((kept, shape)) = found else {
            let known = components.iter();
            let known =
                known.flat_map(|(id, kept)| kept.states.keys().map(|state| named(id, state)));
            return Err(ViewError::Unknown {
                asked: named(component, state),
                known: known.collect(),
            });
        };
        if (&*shape.kind, &*shape.key, &*shape.value) == (kind, key, value) {
            return Ok((kept, shape));
        }
        let asked = Shape {
            kind: kind.to_owned(),
            key: key.to_owned(),
            value: value.to_owned(),
            ..shape.clone()
        };
        Err(ViewError::Misfit {
            state: named(component, state),
            stored: shape.to_string(),
            asked: asked.to_string(),
        })
    }

    /// The units of a state with what is stored of each.
    pub(in crate::durable) fn versions(
        &self,
        component: &str,
        state: &str,
    ) -> Result<BTreeMap<u16, Version>, ViewError> {
        let mut versions: BTreeMap<u16, Version> = BTreeMap::new();
        let prefix = layout::state(component, state);
        let read = self.0.reader.keys(&prefix, &mut |key| {
            let (unit, newest) = layout::read_unit_epoch(&key[prefix.len()..])?;
            let version = versions.entry(unit).or_insert(Version {
                first: newest,
                newest,
                values: 0,
            });
            version.newest = newest;
            version.values += 1;
            Ok(())
        });
        read.map_err(|error| self.contents(|contents| contents.failed(error)))?;
        Ok(versions)
    }

    fn contents<T>(&self, read: impl FnOnce(Contents<'_>) -> T) -> T {
        read(Contents::new(&self.0.reader, None, &|| false))
    }

    /// Calls `each` for every entry of a unit, in order.
    fn entries<S, K, V>(
        &self,
        component: &str,
        state: &str,
        unit: u16,
        mut each: impl FnMut(Entry<S, K, V>),
    ) -> Result<(), ViewError>
    where
        S: DeserializeOwned + Clone,
        K: DeserializeOwned,
        V: DeserializeOwned,
    {
        let mut values = Vec::new();
        let prefix = layout::unit_epochs(component, state, unit);
        self.contents(|contents| {
            contents.each(&prefix, &mut |_, value| {
                values.push(value.to_vec());
                Ok(())
            })
        })?;
        let decoded = StoredUnit::new(&values, false).each(|entry| {
            each(entry);
            Ok(())
        });
        decoded.map_err(|cause| ViewError::Decode {
            state: named(component, state),
            cause,
        })
    }

    /// A unit, decoded now or before.
    pub(in crate::durable) fn image<K, V>(
        &self,
        component: &str,
        state: &str,
        unit: u16,
        version: Version,
    ) -> Result<Image<K, V>, ViewError>
    where
        K: KeyValue + Sync,
        V: DeserializeOwned + Send + Sync + 'static,
    {
        let views = &self.0.views.0;
        let cache = || views.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let table = (component.to_owned(), state.to_owned());
        if let Some(cached) = cache().get(&table).and_then(|units| units.get(&unit))
            && cached.version == version
            // Another type of the same name is decoded for itself.
            && let Ok(image) = Arc::clone(&cached.image).downcast()
        {
            return Ok(image);
        }
        let mut image = BTreeMap::new();
        self.entries(
            component,
            state,
            unit,
            |entry: Entry<u32, K, V>| match entry {
                Entry::Put(_, key, value) => {
                    image.insert(key, value);
                }
                Entry::Delete(_, key) => {
                    image.remove(&key);
                }
                Entry::Drop(_) => {}
            },
        )?;
        let image = Arc::new(image);
        let mut cache = cache();
        let units = cache.entry(table).or_default();
        // A snapshot that was kept does not put back what is older.
        if units
            .get(&unit)
            .is_none_or(|cached| cached.version.newest <= version.newest)
        {
            let image = Arc::clone(&image) as Arc<dyn Any + Send + Sync>;
            units.insert(unit, Cached { version, image });
        }
        Ok(image)
    }

    /// Forgets decoded units of a table that are not stored any more.
    pub(in crate::durable) fn forget_all_but(
        &self,
        component: &str,
        state: &str,
        versions: &BTreeMap<u16, Version>,
    ) {
        let cache = &self.0.views.0.cache;
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(units) = cache.get_mut(&(component.to_owned(), state.to_owned())) {
            units.retain(|unit, _| versions.contains_key(unit));
        }
    }
}

pub(in crate::durable) fn named(component: &str, state: &str) -> String {
    format!("{component}.{state}")
}

//! Durable state: one embedded key-value store in a data directory.
//!
//! ```text
//!  DIR/lock         held while the directory is open; who holds it
//!  DIR/socket       where the holder answers questions; see `durable`
//!  DIR/store.redb   keys and values, each with its checksum; format, number and checksum of all
//! ```
//!
//! A [`Batch`] of changes is committed atomically and is on disk when the call returns. A
//! [`Reader`] shows everything as of one commit. What the disk or a crash does to the file shows
//! as a [`StoreError`], never as a panic or as values that are missing.

mod backup;
mod batch;
mod dir;
#[cfg(test)]
pub(crate) mod disk;
mod engine;
mod error;
mod lock;
mod place;

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

pub(crate) use backup::PartialBackup;
pub(crate) use batch::Batch;
pub(crate) use dir::SOCKET;
pub use error::StoreError;

use crate::error::BoxError;
use engine::{Each, EachUntil, Engine, View};
use lock::Lock;
use place::{Held, Place};

/// One open data directory: a key-value store with atomic, synced batches. A clone is the same
/// store; the directory is let go of with the last clone and the last [`Reader`].
#[derive(Clone)]
pub(crate) struct Store {
    shared: Arc<Shared>,
}

/// What the clones of a store have in common. The engine is dropped before the lock is.
struct Shared {
    /// None after a commit that failed, until the file is opened again. Commits and the
    /// beginnings of reads share it; without the lock, opening again could meet an engine that
    /// still has the file.
    engine: RwLock<Option<Engine>>,
    place: Place,
    /// The file that was opened; none where the store is in none.
    held: Option<Held>,
    dir: Option<PathBuf>,
    /// What its users have in common, by name; shared by them all, hence the lock.
    common: Mutex<HashMap<String, Weak<dyn Any + Send + Sync>>>,
    _lock: Option<Lock>,
}

impl Store {
    /// Opens the data directory, or makes it, and takes its lock. Checks every page of the file,
    /// and so reads all of it.
    ///
    /// # Errors
    /// Where somebody has it open, where the path is something else, where the file is damaged
    /// or of a later format, and where the operating system refuses anything.
    pub(crate) fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::in_dir(dir, dir::open(dir)?)
    }

    /// As [`Store::open`], but only for what is a data directory already: for looking into one.
    ///
    /// # Errors
    /// As [`Store::open`], and where there is no data directory.
    pub(crate) fn open_existing(dir: &Path) -> Result<Self, StoreError> {
        Self::in_dir(dir, dir::open_existing(dir)?)
    }

    /// The store of a [`PartialBackup`], which nobody else opens.
    ///
    /// # Errors
    /// As [`Store::open_existing`].
    pub(crate) fn open_partial(dir: &Path) -> Result<Self, StoreError> {
        Self::in_dir(dir, dir::open_partial(dir)?)
    }

    /// A store in memory, for tests and for runs that must survive only their own failures.
    ///
    /// # Errors
    /// None that is known of.
    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let engine = Engine::create(&Place::Memory)?;
        Ok(Self::over(engine, Place::Memory))
    }

    fn in_dir(dir: &Path, lock: Lock) -> Result<Self, StoreError> {
        // The program may go to another directory afterwards.
        let absolute = dir.canonicalize().map_err(StoreError::io("open", dir))?;
        let place = Place::File(absolute.join(dir::STORE));
        let held = place.hold()?;
        let shared = Shared {
            held,
            dir: Some(dir.to_owned()),
            _lock: Some(lock),
            ..Shared::over(Engine::open(&place)?, place)
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    fn over(engine: Engine, place: Place) -> Self {
        Self {
            shared: Arc::new(Shared::over(engine, place)),
        }
    }

    /// The directory as it was given; none in memory.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.shared.dir.as_deref()
    }

    /// Writes all of the batch or nothing; it is synced when this returns. Several at the same
    /// time are done one after the other.
    ///
    /// # Errors
    /// [`StoreError::Gone`] where the file was deleted or replaced meanwhile; what is at its path
    /// then is never opened. Where it cannot be written: the store stays at the last commit, and the next call
    /// opens the file again, checks it and goes on from there, with the same handle. Only where
    /// the operating system fails in the last sync may the batch be there after all, as a whole:
    /// a [`Reader`] tells, and committing the same batch once more does no harm. Readers from
    /// before the error end with errors.
    pub(crate) fn commit(&self, mut batch: Batch) -> Result<(), StoreError> {
        let committed = batch.take_committed();
        if batch.is_empty() {
            committed.tell();
            return Ok(());
        }
        let done = self.with_engine(|engine| engine.commit(batch));
        // What is written to a file that has no name is gone with the process.
        let done = done.and_then(|()| self.shared.is_there());
        let usable = matches!(done, Ok(()) | Err(StoreError::TooLarge { .. }));
        if !usable && self.shared.place.lasts() {
            // After an error the engine refuses everything until it is opened again.
            let engine = self.shared.engine.write();
            *engine.unwrap_or_else(PoisonError::into_inner) = None;
        }
        if done.is_ok() {
            committed.tell();
        }
        done
    }

    /// What the users of this store have in common under a name: made by the first who asks,
    /// and forgotten with its last handle.
    ///
    /// # Errors
    /// Those of `make`.
    pub(crate) fn in_common<T, E>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<T, E>,
    ) -> Result<Arc<T>, E>
    where
        T: Send + Sync + 'static,
    {
        let common = self.shared.common.lock();
        let mut common = common.unwrap_or_else(PoisonError::into_inner);
        let known = common.get(name).and_then(Weak::upgrade);
        if let Some(known) = known.and_then(|known| known.downcast::<T>().ok()) {
            return Ok(known);
        }
        let made = Arc::new(make()?);
        let any: Arc<dyn Any + Send + Sync> = Arc::<T>::clone(&made);
        common.retain(|_, known| known.strong_count() > 0);
        common.insert(name.to_owned(), Arc::downgrade(&any));
        Ok(made)
    }

    /// The store belongs to one topology until the claim is dropped: two would write over each
    /// other's state.
    ///
    /// # Errors
    /// Where another one has claimed it.
    pub(crate) fn claim(&self, topology: &str) -> Result<Claim, StoreError> {
        let mut mine = false;
        let claim = self.in_common("claim", || {
            mine = true;
            Ok::<_, StoreError>(Claimed(topology.to_owned()))
        })?;
        if mine {
            return Ok(Claim { _claimed: claim });
        }
        Err(StoreError::InUse {
            dir: self.dir().unwrap_or(self.shared.place.file()).to_owned(),
            holder: format!("the topology `{}` of this process", claim.0),
        })
    }

    /// A consistent view as of the last commit; does not hold up writers. What it shows stays
    /// on disk until it is dropped, so a reader that is kept makes the file grow.
    ///
    /// # Errors
    /// Where the file is damaged or cannot be opened again after a failed commit.
    pub(crate) fn read(&self) -> Result<Reader, StoreError> {
        Ok(Reader {
            view: self.with_engine(Engine::read)?,
            _shared: Arc::clone(&self.shared),
        })
    }

    /// Copies everything as of the last commit into a [`PartialBackup`], while this store is in
    /// use.
    ///
    /// # Errors
    /// Where none was begun at `to`, where it cannot be written, where a value is damaged or
    /// missing, and where it is `given_up` on the way.
    pub(crate) fn backup(&self, to: &Path, given_up: &dyn Fn() -> bool) -> Result<(), StoreError> {
        backup::backup(&self.read()?.view, to, given_up)
    }

    /// The same store, without keeping it open.
    pub(crate) fn downgrade(&self) -> WeakStore {
        WeakStore(Arc::downgrade(&self.shared))
    }

    /// Bytes of the store on disk, free pages included; 0 in memory, or where it is gone.
    pub(crate) fn bytes_on_disk(&self) -> u64 {
        let Place::File(path) = &self.shared.place else {
            return 0;
        };
        path.metadata().map_or(0, |file| file.len())
    }

    /// Calls the engine; opens it again first where a commit has failed.
    fn with_engine<T>(
        &self,
        call: impl FnOnce(&Engine) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let engine = self.shared.engine.read();
        // An engine stays usable when its user panics.
        let engine = engine.unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = engine.as_ref() {
            return call(engine);
        }
        drop(engine);
        let engine = self.shared.engine.write();
        let mut engine = engine.unwrap_or_else(PoisonError::into_inner);
        let engine = if let Some(opened_meanwhile) = engine.take() {
            engine.insert(opened_meanwhile)
        } else {
            // Another file at the path is somebody else's.
            self.shared.is_there()?;
            engine.insert(Engine::open(&self.shared.place)?)
        };
        call(engine)
    }
}

impl Shared {
    fn over(engine: Engine, place: Place) -> Self {
        Self {
            engine: RwLock::new(Some(engine)),
            held: None,
            place,
            dir: None,
            common: Mutex::default(),
            _lock: None,
        }
    }

    /// Whether the file that was opened is the one at its path.
    fn is_there(&self) -> Result<(), StoreError> {
        if self.held.as_ref().is_none_or(Held::is_there) {
            return Ok(());
        }
        let file = self.place.file().to_owned();
        Err(StoreError::Gone { file })
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.shared.place.file();
        f.debug_tuple("Store").field(&file).finish()
    }
}

/// Says that a topology has the store.
pub(crate) struct Claim {
    _claimed: Arc<Claimed>,
}

/// The name of the topology.
struct Claimed(String);

/// A store that may have been let go of.
#[derive(Clone)]
pub(crate) struct WeakStore(Weak<Shared>);

impl WeakStore {
    /// The store, where somebody else still has it.
    pub(crate) fn upgrade(&self) -> Option<Store> {
        let shared = self.0.upgrade()?;
        Some(Store { shared })
    }
}

/// Everything in a store as of one commit.
pub(crate) struct Reader {
    view: View,
    /// Keeps the directory locked.
    _shared: Arc<Shared>,
}

impl Reader {
    /// The value of a key, or none.
    ///
    /// # Errors
    /// Where the value differs from its checksum, or the file cannot be read.
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.view.get(key)
    }

    /// Calls `each` for every key that starts with `prefix` and its value, in the order of the
    /// keys; stops at its error.
    ///
    /// # Errors
    /// That of `each`, or a [`StoreError`] as of [`Reader::get`].
    pub(crate) fn prefix(&self, prefix: &[u8], each: &mut Each<'_>) -> Result<(), BoxError> {
        self.view.prefix(prefix, each).map(drop)
    }

    /// Calls `each` for every key in `range` and its value, in the order of the keys, as long as
    /// that says to go on; stops at its error.
    ///
    /// # Errors
    /// That of `each`, or a [`StoreError`] as of [`Reader::get`].
    pub(crate) fn range(
        &self,
        range: Range<&[u8]>,
        each: &mut EachUntil<'_>,
    ) -> Result<(), BoxError> {
        self.view.range(range, each)
    }

    /// Calls `each` for every key that starts with `prefix`, in order; stops at its error. The
    /// values are not looked at, so nothing says whether they are damaged.
    ///
    /// # Errors
    /// That of `each`, or a [`StoreError`] where the file cannot be read.
    pub(crate) fn keys(
        &self,
        prefix: &[u8],
        each: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        self.view.keys(prefix, each)
    }

    /// Reads everything, and compares its number and checksum with what the commits have added
    /// up. Opening checks the file page by page already; this finds what goes wrong above that.
    ///
    /// # Errors
    /// Where a value is missing, is too much, or differs from its checksum.
    pub(crate) fn verify(&self) -> Result<(), StoreError> {
        self.view.verify()
    }
}

/// Stores on disks that fail as a test wants it.
#[cfg(test)]
impl Store {
    /// A new store on this disk.
    pub(crate) fn on(disk: &disk::Disk) -> Self {
        let place = Place::Disk(disk.clone());
        // The disk is new, and nothing has broken it.
        let engine = Engine::create(&place).expect("an engine");
        Self::over(engine, place)
    }

    /// The store that is on this disk.
    pub(crate) fn again(disk: &disk::Disk) -> Result<Self, StoreError> {
        let place = Place::Disk(disk.clone());
        Ok(Self::over(Engine::open(&place)?, place))
    }
}

#[cfg(test)]
mod tests;

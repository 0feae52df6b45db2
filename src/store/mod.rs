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
mod disk;
mod engine;
mod error;
mod lock;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, Weak};

pub(crate) use batch::Batch;
pub(crate) use dir::SOCKET;
pub use error::StoreError;

use crate::error::BoxError;
use engine::{Each, Engine, Place, View};
use lock::Lock;

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
    dir: Option<PathBuf>,
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

    /// A store in memory, for tests and for runs that must survive only their own failures.
    ///
    /// # Errors
    /// None that is known of.
    pub(crate) fn in_memory() -> Result<Self, StoreError> {
        let engine = Engine::create(&Place::Memory)?;
        Ok(Self::over(engine, Place::Memory, None, None))
    }

    fn in_dir(dir: &Path, lock: Lock) -> Result<Self, StoreError> {
        let place = Place::File(dir.join(dir::STORE));
        let engine = Engine::open(&place)?;
        Ok(Self::over(engine, place, Some(dir.to_owned()), Some(lock)))
    }

    fn over(engine: Engine, place: Place, dir: Option<PathBuf>, lock: Option<Lock>) -> Self {
        let shared = Shared {
            engine: RwLock::new(Some(engine)),
            place,
            dir,
            _lock: lock,
        };
        Self {
            shared: Arc::new(shared),
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
    /// Where the file cannot be written: the store stays at the last commit, and the next call
    /// opens the file again, checks it and goes on from there, with the same handle. Only where
    /// the operating system fails in the last sync may the batch be there after all, as a whole:
    /// a [`Reader`] tells, and committing the same batch once more does no harm. Readers from
    /// before the error end with errors.
    pub(crate) fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        let done = self.with_engine(|engine| engine.commit(batch));
        let usable = matches!(done, Ok(()) | Err(StoreError::TooLarge { .. }));
        if !usable && self.shared.place.lasts() {
            // After an error the engine refuses everything until it is opened again.
            let engine = self.shared.engine.write();
            *engine.unwrap_or_else(PoisonError::into_inner) = None;
        }
        done
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

    /// Copies everything as of the last commit into a new data directory, while this one is in
    /// use. `to` is empty or absent, and nothing is left of it where the copy fails.
    ///
    /// # Errors
    /// Where `to` holds anything, where it cannot be written, where a value is damaged or
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
        let engine = match engine.take() {
            Some(opened_meanwhile) => engine.insert(opened_meanwhile),
            None => engine.insert(Engine::open(&self.shared.place)?),
        };
        call(engine)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.shared.place.file();
        f.debug_tuple("Store").field(&file).finish()
    }
}

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::os::unix::fs::FileExt;

    use proptest::prelude::*;

    use super::disk::Disk;
    use super::*;

    type Values = BTreeMap<Vec<u8>, Vec<u8>>;

    fn all(store: &Store) -> Result<Values, BoxError> {
        let mut values = Values::new();
        let reader = store.read()?;
        reader.verify()?;
        reader.prefix(b"", &mut |key, value| {
            values.insert(key.to_vec(), value.to_vec());
            Ok(())
        })?;
        Ok(values)
    }

    /// Puts a value for each of `units`, and deletes what older commits have put for every third.
    fn commit(store: &Store, model: &mut Values, number: u8, units: u8, bytes: usize) -> bool {
        let mut batch = Batch::default();
        let mut after = model.clone();
        for unit in 0..units {
            if (number + unit).is_multiple_of(3) {
                batch.delete_range(vec![unit, 0], vec![unit, number]);
                after.retain(|key, _| key[0] != unit);
            }
            batch.put(vec![unit, number], vec![number; bytes]);
            after.insert(vec![unit, number], vec![number; bytes]);
        }
        let done = store.commit(batch).is_ok();
        if done {
            *model = after;
        }
        done
    }

    fn on(disk: &Disk) -> Store {
        let place = Place::Disk(disk.clone());
        let engine = Engine::create(&place).unwrap();
        Store::over(engine, place, None, None)
    }

    fn again(disk: &Disk) -> Result<Store, StoreError> {
        let place = Place::Disk(disk.clone());
        Ok(Store::over(Engine::open(&place)?, place, None, None))
    }

    #[test]
    fn changes_apply_in_the_order_of_the_calls() {
        let store = Store::in_memory().unwrap();
        let mut batch = Batch::default();
        batch.put(b"a1".to_vec(), b"gone".to_vec());
        batch.delete_range(b"a".to_vec(), b"b".to_vec());
        batch.put(b"a2".to_vec(), b"stays".to_vec());
        batch.put(b"c".to_vec(), b"gone too".to_vec());
        batch.delete(b"c".to_vec());
        assert_eq!(batch.bytes(), 6 + 7 + 9);
        store.commit(batch).unwrap();
        assert_eq!(
            all(&store).unwrap(),
            Values::from([(b"a2".to_vec(), b"stays".to_vec())])
        );
        assert_eq!((store.dir(), store.bytes_on_disk()), (None, 0));
    }

    #[test]
    fn a_prefix_is_read_in_order_and_stops_at_an_error() {
        let store = Store::in_memory().unwrap();
        let mut batch = Batch::default();
        for key in ["b", "ab", "a", "aa", "\u{10ffff}"] {
            batch.put(key.into(), Vec::new());
        }
        store.commit(batch).unwrap();
        let reader = store.read().unwrap();
        let mut seen = Vec::new();
        let mut see = |key: &[u8], _: &[u8]| {
            seen.push(key.to_vec());
            if key == b"ab" {
                Err("enough".into())
            } else {
                Ok(())
            }
        };
        let error = reader.prefix(b"a", &mut see).unwrap_err();
        assert_eq!(error.to_string(), "enough");
        assert_eq!(seen, [b"a".as_slice(), b"aa", b"ab"]);
    }

    #[test]
    fn a_reader_shows_its_commit_while_others_follow() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut model = Values::new();
        assert!(commit(&store, &mut model, 1, 4, 5_000));
        let reader = store.read().unwrap();
        for number in 2..9 {
            assert!(commit(&store, &mut model, number, 4, 5_000));
        }
        assert_eq!(reader.get(&[0, 1]).unwrap(), Some(vec![1; 5_000]));
        assert_eq!(store.read().unwrap().get(&[0, 1]).unwrap(), None);
    }

    #[test]
    fn a_directory_belongs_to_one_store_until_its_last_reader_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let mut model = Values::new();
        assert!(commit(&store, &mut model, 1, 4, 10));
        let reader = store.read().unwrap();
        let refused = |what: Result<Store, StoreError>| what.unwrap_err().to_string();
        assert!(refused(Store::open(dir.path())).contains("in use by process"));
        drop(store);
        assert!(refused(Store::open_existing(dir.path())).contains("in use by process"));
        drop(reader);
        assert_eq!(
            all(&Store::open_existing(dir.path()).unwrap()).unwrap(),
            model
        );
    }

    #[test]
    fn a_full_disk_is_an_error_and_the_same_handle_goes_on_when_there_is_space() {
        let disk = Disk::default();
        let store = on(&disk);
        let mut model = Values::new();
        assert!(commit(&store, &mut model, 1, 8, 9_000));
        disk.set_capacity(Some(disk.used() + 100_000));
        let full = (2..100).find(|number| !commit(&store, &mut model, *number, 8, 9_000));
        let full = full.expect("it gets full");
        assert_eq!(all(&store).unwrap(), model);

        let mut batch = Batch::default();
        batch.put(b"large".to_vec(), vec![1; 1_000_000]);
        let error = store.commit(batch).unwrap_err().to_string();
        assert!(
            error.contains("cannot write `(on a simulated disk)`"),
            "{error}"
        );
        let said = std::io::Error::from(std::io::ErrorKind::StorageFull).to_string();
        assert!(error.contains(&said), "{error}");

        disk.set_capacity(None);
        assert!(commit(&store, &mut model, full, 8, 9_000));
        assert_eq!(all(&store).unwrap(), model);
        drop(store);
        assert_eq!(all(&again(&disk).unwrap()).unwrap(), model);
    }

    #[test]
    fn a_store_cut_off_anywhere_is_an_error() {
        let (dir, model) = filled();
        let file = dir.path().join(dir::STORE);
        let whole = fs::read(&file).unwrap();
        for part in 0..40 {
            let length = whole.len() * part / 40;
            fs::write(&file, &whole[..length]).unwrap();
            must_be_noticed(dir.path(), &model, &format!("cut off at {length}"));
        }
    }

    #[test]
    fn flipped_bytes_are_an_error_or_do_not_matter() {
        let (dir, model) = filled();
        let file = dir.path().join(dir::STORE);
        let whole = fs::read(&file).unwrap();
        for seed in 0..150 {
            let mut random = fastrand::Rng::with_seed(seed);
            fs::write(&file, &whole).unwrap();
            let open = fs::OpenOptions::new().write(true).open(&file).unwrap();
            // Some anywhere, some in the header, where the engine keeps what it starts from.
            let within = [whole.len(), 320, 12_288][usize::try_from(seed % 3).unwrap()];
            for _ in 0..[1, 3, 64][usize::try_from(seed / 3 % 3).unwrap()] {
                let at = random.usize(0..within);
                open.write_at(&[whole[at] ^ random.u8(1..)], at as u64)
                    .unwrap();
            }
            must_be_noticed(dir.path(), &model, &format!("seed {seed}"));
        }
    }

    /// With commits in one phase the one before would take the place of a damaged one.
    #[test]
    fn damage_after_a_crash_does_not_bring_back_an_older_commit() {
        let disk = Disk::default();
        let store = on(&disk);
        let mut model = Values::new();
        for number in 1..8 {
            assert!(commit(&store, &mut model, number, 20, 1_500));
        }
        for seed in 0..300 {
            let crashed = disk.after_crash(seed);
            let mut random = fastrand::Rng::with_seed(seed);
            let within = if seed % 2 == 0 { 320 } else { crashed.used() };
            for _ in 0..[1, 64][random.usize(0..2)] {
                crashed.flip(random.u64(0..within), random.u8(1..));
            }
            match again(&crashed)
                .map_err(BoxError::from)
                .and_then(|store| all(&store))
            {
                Ok(found) => assert_eq!(found, model, "seed {seed}"),
                Err(error) => assert!(error.to_string().contains("is damaged"), "{error}"),
            }
        }
    }

    /// A data directory with a few commits, and what it holds.
    fn filled() -> (tempfile::TempDir, Values) {
        let dir = tempfile::tempdir().unwrap();
        let mut model = Values::new();
        let store = Store::open(dir.path()).unwrap();
        for number in 1..8 {
            assert!(commit(&store, &mut model, number, 20, 1_500));
        }
        (dir, model)
    }

    /// The directory opens with all of its values, or with an error that names its file.
    fn must_be_noticed(dir: &Path, model: &Values, damage: &str) {
        let found = Store::open(dir).map_err(BoxError::from);
        match found.and_then(|store| all(&store)) {
            Ok(found) => assert_eq!(&found, model, "{damage}"),
            Err(error) => {
                let error = error.to_string();
                assert!(
                    error.contains("store.redb` is damaged"),
                    "{damage}: {error}"
                );
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// The disk breaks at any of its writes and syncs, and then the power goes: of what was
        /// not synced any part may be on it.
        #[test]
        fn after_a_crash_a_batch_is_there_or_not(
            commits in prop::collection::vec((1u8..12, 0usize..9_000), 1..8),
            changes in 0u64..120,
            seed: u64,
        ) {
            let disk = Disk::default();
            let store = on(&disk);
            disk.break_after(changes);
            let mut before = Values::new();
            let mut after = Values::new();
            for (number, (units, bytes)) in (1..).zip(commits) {
                let mut tried = before.clone();
                // What it would hold if the commit were done, from a store that does not break.
                let model = Store::in_memory().unwrap();
                commit(&model, &mut tried, number, units, bytes);
                after = tried;
                if !commit(&store, &mut before, number, units, bytes) {
                    break;
                }
            }
            prop_assert!(disk.broken() || before == after);
            let crashed = disk.after_crash(seed);
            drop(store);
            let store = again(&crashed).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let found = all(&store).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert!(found == before || found == after);
            // And it goes on from there.
            let mut model = found;
            prop_assert!(commit(&store, &mut model, 99, 5, 100));
            prop_assert_eq!(all(&store).unwrap(), model);
        }
    }
}

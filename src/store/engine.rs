//! The storage engine behind a store: redb, with checksums and errors of our own.
//!
//! Nothing of redb is seen outside of this file and `error.rs`. It promises that a commit is
//! atomic and synced; we add
//! - a checksum to every value, looked at in every read, and the number and the combined
//!   checksum of all values to every commit, so that a lost value is noticed too;
//! - the check of every page when a file is opened (`set_check_integrity_on_open`): redb does
//!   not look at its checksums later, and panics or reads nonsense where they are wrong;
//! - two-phase commits: after a crash, a commit that was reported as done can only be there or
//!   be reported as damaged. With one phase the commit before it would silently take its place;
//! - a guard around every call, which turns a panic into an error.

use std::any::Any;
use std::fmt;
use std::ops::{ControlFlow, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{
    Builder, Database, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable,
    ReadableTableMetadata, Table, TableDefinition,
};
use xxhash_rust::xxh3::Xxh3;

use super::batch::{Batch, Change};
use super::error::StoreError;
use super::place::Place;
use crate::error::BoxError;
use crate::private;

/// The format of our own that this version reads and writes. In the first one counts had their
/// keys beside them. In the second nothing said what results mean, so that a run could go on with
/// those of another question, and files were known by their paths alone. In the third one states had
/// the names of Rust types, so that a struct could not be renamed.
pub(super) const FORMAT: u64 = 4;

/// Most memory that the engine uses for pages.
const CACHE_BYTES: usize = 64 << 20;

/// Keys, and values with their checksums appended.
const VALUES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("values");

/// What is known of the store as a whole, by the names below.
const ABOUT: TableDefinition<&str, u64> = TableDefinition::new("about");
const ABOUT_FORMAT: &str = "format";
const ABOUT_COUNT: &str = "values";
const ABOUT_CHECKSUM: &str = "checksum";

/// Bytes of a checksum, at the end of each stored value.
const CHECKSUM_BYTES: usize = size_of::<u64>();

/// Number and combined checksum of all values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sum {
    count: u64,
    /// The exclusive or of the values' checksums: it does not depend on their order, and takes a
    /// value out as it took it in. Keys differ, so no two checksums are equal but by chance.
    checksum: u64,
}

impl Sum {
    fn add(&mut self, checksum: u64) {
        self.count = self.count.wrapping_add(1);
        self.checksum ^= checksum;
    }

    fn remove(&mut self, checksum: u64) {
        self.count = self.count.wrapping_sub(1);
        self.checksum ^= checksum;
    }

    fn load(about: &impl ReadableTable<&'static str, u64>) -> Result<Self, redb::Error> {
        Ok(Self {
            count: known(about, ABOUT_COUNT)?,
            checksum: known(about, ABOUT_CHECKSUM)?,
        })
    }

    fn save(self, about: &mut Table<&'static str, u64>) -> Result<(), redb::Error> {
        about.insert(ABOUT_COUNT, self.count)?;
        about.insert(ABOUT_CHECKSUM, self.checksum)?;
        Ok(())
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, checksum } = self;
        write!(f, "{count} values with the checksum {checksum:016x}")
    }
}

fn known(about: &impl ReadableTable<&'static str, u64>, what: &str) -> Result<u64, redb::Error> {
    let found = about.get(what)?;
    let missing = || redb::Error::Corrupted(format!("it does not say its `{what}`"));
    Ok(found.ok_or_else(missing)?.value())
}

/// The checksum of a key and its value.
fn checksum(key: &[u8], value: &[u8]) -> u64 {
    let mut hash = Xxh3::new();
    // By its length a key does not run into its value.
    hash.update(&(key.len() as u64).to_le_bytes());
    hash.update(key);
    hash.update(value);
    hash.digest()
}

/// The value and the checksum that were stored together; none where it is too short for one.
fn split(stored: &[u8]) -> Option<(&[u8], u64)> {
    let (value, checksum) = stored.split_last_chunk::<CHECKSUM_BYTES>()?;
    Some((value, u64::from_le_bytes(*checksum)))
}

/// As [`split`], for a value that is about to go.
fn checksum_of(stored: &[u8]) -> Result<u64, redb::Error> {
    let short = || redb::Error::Corrupted("a value is shorter than its checksum".to_owned());
    split(stored)
        .map(|(_, checksum)| checksum)
        .ok_or_else(short)
}

/// Calls the engine; a panic of it becomes an error.
fn guarded<T>(
    doing: &'static str,
    file: &Path,
    call: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, StoreError> {
    // A panic leaves nothing behind that is used again: a transaction ends with it, and what
    // the engine itself keeps it locks and poisons.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(done) => done.map_err(|error| StoreError::engine(doing, file, error)),
        Err(panic) => Err(StoreError::damaged(file, message(panic.as_ref()))),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "the storage engine panicked: {}",
        text.unwrap_or("no message")
    )
}

/// An open database.
pub(super) struct Engine {
    /// There until the engine is dropped.
    database: Option<Database>,
    place: Place,
}

impl Engine {
    /// Makes an empty database.
    pub(super) fn create(place: &Place) -> Result<Self, StoreError> {
        let engine = Self::start(place)?;
        guarded("write", place.file(), || {
            let transaction = engine.database()?.begin_write()?;
            transaction.open_table(VALUES)?;
            let mut about = transaction.open_table(ABOUT)?;
            about.insert(ABOUT_FORMAT, FORMAT)?;
            Sum::default().save(&mut about)?;
            drop(about);
            Ok(transaction.commit()?)
        })?;
        Ok(engine)
    }

    /// Opens what [`Engine::create`] made, and checks every page of it.
    pub(super) fn open(place: &Place) -> Result<Self, StoreError> {
        let file = place.file();
        if let Place::File(path) = place {
            let about = private::open_to_read(path).and_then(|file| file.metadata());
            if about.map_err(StoreError::io("open", path))?.len() == 0 {
                // The engine would make a new database of it.
                return Err(StoreError::damaged(path, "it is empty"));
            }
        }
        let engine = Self::start(place)?;
        let format = guarded("read", file, || {
            let transaction = engine.database()?.begin_read()?;
            known(&transaction.open_table(ABOUT)?, ABOUT_FORMAT)
        })?;
        if format != FORMAT {
            return Err(StoreError::OtherFormat {
                dir: file.parent().unwrap_or(file).to_owned(),
                found: format,
                known: FORMAT,
            });
        }
        let view = engine.read()?;
        let count = guarded("read", file, || Ok(view.values.len()?))?;
        if count != view.sum.count {
            let what = format!("it holds {count} values instead of {}", view.sum.count);
            return Err(StoreError::damaged(file, what));
        }
        Ok(engine)
    }

    fn start(place: &Place) -> Result<Self, StoreError> {
        let file = match place {
            Place::File(path) => {
                let file = private::open_or_make(path);
                Some(file.map_err(StoreError::io("open", path))?)
            }
            Place::Memory => None,
            #[cfg(test)]
            Place::Disk(_) => None,
        };
        let database = guarded("open", place.file(), || {
            let mut builder = Builder::new();
            builder.set_cache_size(CACHE_BYTES);
            builder.set_check_integrity_on_open(place.lasts());
            Ok(match (place, file) {
                (_, Some(file)) => builder.create_with_backend(FileBackend::new(file)?)?,
                #[cfg(test)]
                (Place::Disk(disk), None) => builder.create_with_backend(disk.handle())?,
                (_, None) => builder.create_with_backend(InMemoryBackend::new())?,
            })
        })?;
        Ok(Self {
            database: Some(database),
            place: place.clone(),
        })
    }

    fn database(&self) -> Result<&Database, redb::Error> {
        self.database.as_ref().ok_or(redb::Error::DatabaseClosed)
    }

    /// Writes all of the batch or nothing; returns when it is synced.
    pub(super) fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        guarded("write", self.place.file(), || {
            let mut transaction = self.database()?.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            transaction.set_two_phase_commit(self.place.lasts());
            let mut values = transaction.open_table(VALUES)?;
            let mut about = transaction.open_table(ABOUT)?;
            let mut sum = Sum::load(&about)?;
            for change in batch.into_changes() {
                apply(change, &mut values, &mut sum)?;
            }
            sum.save(&mut about)?;
            drop((values, about));
            Ok(transaction.commit()?)
        })
    }

    /// What was committed last.
    pub(super) fn read(&self) -> Result<View, StoreError> {
        guarded("read", self.place.file(), || {
            let transaction = self.database()?.begin_read()?;
            Ok(View {
                values: transaction.open_table(VALUES)?,
                sum: Sum::load(&transaction.open_table(ABOUT)?)?,
                _transaction: transaction,
                file: self.place.file().to_owned(),
            })
        })
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Closing writes, and where the file is damaged it may panic. What was committed is
        // synced already, so nothing is lost.
        let database = self.database.take();
        drop(catch_unwind(AssertUnwindSafe(|| drop(database))));
    }
}

fn apply(
    change: Change,
    values: &mut Table<&'static [u8], &'static [u8]>,
    sum: &mut Sum,
) -> Result<(), redb::Error> {
    match change {
        Change::Put(key, value) => {
            if let Some(old) = values.get(key.as_slice())? {
                sum.remove(checksum_of(old.value())?);
            }
            // Written in place: large values are not copied to have their checksums appended.
            let mut stored = values.insert_reserve(key.as_slice(), value.len() + CHECKSUM_BYTES)?;
            let checksum = checksum(&key, &value);
            let (start, end) = stored.as_mut().split_at_mut(value.len());
            start.copy_from_slice(&value);
            end.copy_from_slice(&checksum.to_le_bytes());
            sum.add(checksum);
        }
        Change::Delete(key) => {
            if let Some(old) = values.remove(key.as_slice())? {
                sum.remove(checksum_of(old.value())?);
            }
        }
        Change::DeleteRange(from, to) if from < to => {
            let mut short = None;
            values.retain_in::<&[u8], _>(from.as_slice()..to.as_slice(), |_, stored| {
                match checksum_of(stored) {
                    Ok(checksum) => sum.remove(checksum),
                    Err(error) => short = Some(error),
                }
                false
            })?;
            short.map_or(Ok(()), Err)?;
        }
        Change::DeleteRange(..) => {}
    }
    Ok(())
}

/// What is called with a key and its value.
pub(crate) type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), BoxError> + 'a;

/// What is called with a key and its value, and says whether to go on.
pub(crate) type EachUntil<'a> = dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, BoxError> + 'a;

/// Everything as of one commit. What it shows stays on disk as long as it lives.
pub(super) struct View {
    values: ReadOnlyTable<&'static [u8], &'static [u8]>,
    sum: Sum,
    /// Keeps what is shown from being overwritten.
    _transaction: ReadTransaction,
    file: PathBuf,
}

impl View {
    /// The value of a key.
    pub(super) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let found = guarded("read", &self.file, || Ok(self.values.get(key)?))?;
        let Some(found) = found else {
            return Ok(None);
        };
        let stored = guarded("read", &self.file, || Ok(found.value()))?;
        let (value, _) = self.checked(key, stored)?;
        Ok(Some(value.to_vec()))
    }

    /// Calls `each` for every key that starts with `prefix`, in order; returns what they add up
    /// to. Values are not copied.
    pub(super) fn prefix(&self, prefix: &[u8], each: &mut Each<'_>) -> Result<Sum, BoxError> {
        let mut sum = Sum::default();
        let mut found = guarded("read", &self.file, || {
            Ok(self.values.range::<&[u8]>(prefix..)?)
        })?;
        while let Some(next) = guarded("read", &self.file, || Ok(found.next().transpose()?))? {
            let (key, stored) =
                guarded("read", &self.file, || Ok((next.0.value(), next.1.value())))?;
            if !key.starts_with(prefix) {
                break;
            }
            let (value, checksum) = self.checked(key, stored)?;
            sum.add(checksum);
            each(key, value)?;
        }
        Ok(sum)
    }

    /// Calls `each` for every key in `range`, in order, as long as it says to go on. Values are
    /// not copied.
    pub(super) fn range(
        &self,
        range: Range<&[u8]>,
        each: &mut EachUntil<'_>,
    ) -> Result<(), BoxError> {
        if range.start >= range.end {
            return Ok(());
        }
        let mut found = guarded("read", &self.file, || {
            Ok(self.values.range::<&[u8]>(range)?)
        })?;
        while let Some(next) = guarded("read", &self.file, || Ok(found.next().transpose()?))? {
            let (key, stored) =
                guarded("read", &self.file, || Ok((next.0.value(), next.1.value())))?;
            let (value, _) = self.checked(key, stored)?;
            if each(key, value)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Calls `each` for every key that starts with `prefix`, in order; the values are not
    /// looked at.
    pub(super) fn keys(
        &self,
        prefix: &[u8],
        each: &mut dyn FnMut(&[u8]) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        let mut found = guarded("read", &self.file, || {
            Ok(self.values.range::<&[u8]>(prefix..)?)
        })?;
        while let Some(next) = guarded("read", &self.file, || Ok(found.next().transpose()?))? {
            let key = guarded("read", &self.file, || Ok(next.0.value()))?;
            if !key.starts_with(prefix) {
                break;
            }
            each(key)?;
        }
        Ok(())
    }

    /// Reads everything, and compares it with what the commits have added up.
    pub(super) fn verify(&self) -> Result<(), StoreError> {
        let found = self.prefix(&[], &mut |_, _| Ok(()));
        self.compare(found.map_err(|error| self.error(error))?)
    }

    /// An error of [`View::prefix`] where that can only be an error of a store.
    pub(super) fn error(&self, error: BoxError) -> StoreError {
        match error.downcast::<StoreError>() {
            Ok(error) => *error,
            Err(error) => StoreError::damaged(&self.file, error.to_string()),
        }
    }

    /// Whether `found` is what the commits have added up.
    pub(super) fn compare(&self, found: Sum) -> Result<(), StoreError> {
        if found == self.sum {
            return Ok(());
        }
        let what = format!("it holds {found} instead of {}", self.sum);
        Err(StoreError::damaged(&self.file, what))
    }

    fn checked<'a>(&self, key: &[u8], stored: &'a [u8]) -> Result<(&'a [u8], u64), StoreError> {
        split(stored)
            .filter(|(value, stored)| checksum(key, value) == *stored)
            .ok_or_else(|| {
                let key = key.escape_ascii();
                let what = format!("the value of the key `{key}` does not match its checksum");
                StoreError::damaged(&self.file, what)
            })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn put(key: &[u8], value: &[u8]) -> Batch {
        let mut batch = Batch::default();
        batch.put(key.to_vec(), value.to_vec());
        batch
    }

    /// Writes a stored value past the store's own code.
    fn write_stored(engine: &Engine, key: &[u8], stored: Option<&[u8]>) {
        let transaction = engine.database().unwrap().begin_write().unwrap();
        let mut values = transaction.open_table(VALUES).unwrap();
        match stored {
            Some(stored) => drop(values.insert(key, stored).unwrap()),
            None => drop(values.remove(key).unwrap()),
        }
        drop(values);
        transaction.commit().unwrap();
    }

    #[test]
    fn a_value_that_changed_is_not_read() {
        let engine = Engine::create(&Place::Memory).unwrap();
        engine.commit(put(b"a", b"one")).unwrap();
        let mut stored = b"two".to_vec();
        stored.extend(checksum(b"a", b"one").to_le_bytes());
        for stored in [stored.as_slice(), b"short"] {
            write_stored(&engine, b"a", Some(stored));
            let view = engine.read().unwrap();
            for error in [
                view.get(b"a").unwrap_err(),
                view.verify().unwrap_err(),
                view.error(view.prefix(b"", &mut |_, _| Ok(())).unwrap_err()),
            ] {
                let error = error.to_string();
                assert!(error.contains("(in memory)` is damaged"), "{error}");
                assert!(error.contains("the key `a` does not match"), "{error}");
            }
        }
    }

    #[test]
    fn a_value_under_the_wrong_key_is_not_read() {
        let engine = Engine::create(&Place::Memory).unwrap();
        let mut stored = b"bc".to_vec();
        stored.extend(checksum(b"a", b"bc").to_le_bytes());
        write_stored(&engine, b"b", Some(&stored));
        assert!(engine.read().unwrap().get(b"b").is_err());
        assert_ne!(checksum(b"a", b"bc"), checksum(b"ab", b"c"));
    }

    #[test]
    fn a_lost_value_is_noticed() {
        let disk = Place::Disk(super::super::disk::Disk::default());
        let engine = Engine::create(&disk).unwrap();
        engine.commit(put(b"a", b"one")).unwrap();
        engine.commit(put(b"b", b"two")).unwrap();
        engine.read().unwrap().verify().unwrap();
        write_stored(&engine, b"a", None);

        let error = engine.read().unwrap().verify().unwrap_err().to_string();
        assert!(error.contains("it holds 1 values"), "{error}");
        assert!(error.contains("instead of 2 values"), "{error}");

        drop(engine);
        let error = Engine::open(&disk).err().unwrap().to_string();
        assert!(error.contains("it holds 1 values instead of 2"), "{error}");
    }

    #[test]
    fn another_format_is_refused() {
        for other in [FORMAT - 1, FORMAT + 5] {
            let dir = tempfile::tempdir().unwrap();
            let place = Place::File(dir.path().join("store.redb"));
            let engine = Engine::create(&place).unwrap();
            let transaction = engine.database().unwrap().begin_write().unwrap();
            let mut about = transaction.open_table(ABOUT).unwrap();
            about.insert(ABOUT_FORMAT, other).unwrap();
            drop(about);
            transaction.commit().unwrap();
            drop(engine);

            let error = Engine::open(&place).err().unwrap().to_string();

            assert!(error.contains(&format!("has format {other}")), "{error}");
            assert!(error.contains("knows format 4"), "{error}");
            assert!(error.contains(&dir.path().display().to_string()), "{error}");
        }
    }

    #[test]
    fn a_panic_of_the_engine_is_an_error_that_names_the_file() {
        let file = Path::new("some/store.redb");
        let error = guarded::<()>("read", file, || panic!("page {} is odd", 7)).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("some/store.redb"), "{error}");
        assert!(error.contains("panicked: page 7 is odd"), "{error}");
    }

    proptest! {
        #[test]
        fn the_sum_follows_the_changes_and_not_their_order(
            changes in prop::collection::vec((0u8..3, 0u8..12, 0u8..12, 0usize..40), 1..60)
        ) {
            let engine = Engine::create(&Place::Memory).unwrap();
            let mut model = std::collections::BTreeMap::new();
            for commit in changes.chunks(7) {
                let mut batch = Batch::default();
                for &(kind, key, to, length) in commit {
                    match kind {
                        0 => {
                            batch.put(vec![key], vec![to; length]);
                            model.insert(vec![key], vec![to; length]);
                        }
                        1 => {
                            batch.delete(vec![key]);
                            model.remove(&vec![key]);
                        }
                        _ => {
                            batch.delete_range(vec![key], vec![to]);
                            model.retain(|k, _| k[0] < key || k[0] >= to);
                        }
                    }
                }
                engine.commit(batch).unwrap();
                let view = engine.read().unwrap();
                view.verify().unwrap();
                let mut found = std::collections::BTreeMap::new();
                view.prefix(b"", &mut |key, value| {
                    found.insert(key.to_vec(), value.to_vec());
                    Ok(())
                }).unwrap();
                prop_assert_eq!(&found, &model);
            }
        }
    }
}

//! Depots: durable logs in a data directory, which topologies read.
//!
//! The idea and the name are Rama's. The hash of a key chooses the partition that a record is
//! appended to; readers keep offsets. So several topologies may read one depot, each from its own
//! position, and a new one may begin at the beginning.
//!
//! | file | idea |
//! |---|---|
//! | `layout` | the keys of a depot in the store |
//! | `block` | the records of one commit and one partition, as one value |
//! | `appended` | what an appender with an id has appended, in two numbers |
//! | `log` | blocks in order: written as one commit, read by offset, dropped when they are old |
//! | `readers` | who reads, and how far each has committed |
//! | `inspected` | what is in a depot, for people |
//! | `writer` | the thread that writes what waits as one commit |
//!
//! **An acknowledged record is on disk.** A commit is synced before it is acknowledged, and only
//! committed records are read, so no position is ever beyond the records that survive a crash. **A
//! processed record is committed.** A reader's positions are part of its topology's state, and the
//! store notifies when that state is on disk.

mod appended;
mod block;
mod error;
#[cfg(all(unix, any(fuzzing, test)))]
pub(crate) mod fuzzing;
mod inspected;
pub(crate) mod layout;
mod log;
mod readers;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::time::Duration;

use crate::key::{KeyValue, hash_bytes, shard_of, task_of_shard};
use crate::store::Store;
use log::{Append, AppendOf};
use readers::Reading;
use writer::{ReadersMoved, Writer};

pub(crate) use appended::{Appended, Digest};
pub(crate) use block::Block;
pub use error::DepotError;
pub use inspected::{InspectedDepot, InspectedPartition, InspectedReader};
pub use layout::Retention;
pub use log::Dropped;

/// The default number of partitions.
pub const PARTITIONS: u16 = 8;

/// The most partitions of a depot: as many as there are [shards](crate::key::SHARDS).
pub const MAX_PARTITIONS: u16 = 256;

/// The longest record, in bytes.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// Of an append that is not written as one, as many bytes are.
const PORTION_BYTES: usize = 1 << 20;

/// When an append is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Acknowledge {
    /// When the record waits to be written: a crash may lose it.
    None,
    /// When the record is on disk.
    Appended,
    /// When every topology that reads the depot at the time of the append, with a data directory,
    /// has committed its results from the record.
    Processed {
        /// After this time it is an error; the records are appended then.
        patience: Duration,
    },
}

/// An open depot; clones share it. Its data directory is in use until the last clone is dropped,
/// which waits until everything is written.
///
/// ```
/// use squall::connectors::files::FieldSelector;
/// use squall::testing::{Collected, TopologyTest};
/// use squall::{DataDir, RunOptions, Topology, Word, depot::{Acknowledge, Depot}};
///
/// let data_dir = DataDir::in_memory()?;
/// let said: Depot = data_dir.make_depot("said", 4, "word")?;
/// said.append(&"storm".to_owned(), r#"{"word": "storm"}"#, Acknowledge::Appended)?;
///
/// let topology = Topology::named("words");
/// let reading = said.read().from_beginning().until_end();
/// let words = topology.spout("words", move || {
///     reading.decode::<Word, _>(|record, out| {
///         let word = record.field(&FieldSelector::named("word"))?.unwrap_or_default();
///         out.emit(Word { word: (*word).into() });
///         Ok(())
///     })
/// });
/// let collected = Collected::of(&topology, "collected", &words);
/// let options = RunOptions { data_dir: Some(data_dir), ..RunOptions::default() };
/// TopologyTest::new(topology).options(options).run()?;
/// assert_eq!(collected.take(), [Word { word: "storm".into() }]);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Clone)]
pub struct Depot(Arc<Writer>);

/// An appender with an id: a record that it sends again is not appended again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appender {
    /// The id, unique among the appenders of the depot.
    pub id: String,
    /// How many records it has appended before these, whether that was acknowledged or not.
    pub from: u64,
}

impl Depot {
    /// Opens a depot of a store.
    pub(crate) fn open(store: &Store, name: &str) -> Result<Self, DepotError> {
        let turn = store.in_common(&format!("turn of the depot {name}"), || {
            Ok::<_, DepotError>(Mutex::new(()))
        })?;
        let in_common = format!("depot {name}");
        let writer = store.in_common(&in_common, || Writer::start(store, name, turn))?;
        Ok(Self(writer))
    }

    /// Makes a depot, or opens the one that is there and is the same.
    pub(crate) fn make(
        store: &Store,
        name: &str,
        partitions: u16,
        key: &str,
    ) -> Result<Self, DepotError> {
        Self::check_possible(name, partitions)?;
        let about = layout::About {
            format: layout::FORMAT,
            partitions,
            key: key.to_owned(),
            id: fastrand::u64(..),
            keep: Retention::default(),
        };
        // Of several who make one at the same time, say the run and who appends through its
        // socket, one does: those who open it would know it by the numbers of others.
        let making = store.in_common(&format!("making of the depot {name}"), || {
            Ok::<_, DepotError>(Mutex::new(()))
        })?;
        let made = {
            let _alone = making.lock().unwrap_or_else(PoisonError::into_inner);
            log::Log::make(store, name, &about)
        };
        made?;
        Self::open(store, name)
    }

    /// Whether there can be a depot of this name and so many partitions.
    pub(crate) fn check_possible(name: &str, partitions: u16) -> Result<(), DepotError> {
        if name.is_empty() || name.len() > layout::MAX_NAME_BYTES {
            let (length, most) = (name.len(), layout::MAX_NAME_BYTES);
            return Err(DepotError::Impossible(format!(
                "the name of a depot has 1 to {most} bytes, but `{name}` has {length}"
            )));
        }
        if !(1..=MAX_PARTITIONS).contains(&partitions) {
            return Err(DepotError::Impossible(format!(
                "a depot has 1 to {MAX_PARTITIONS} partitions, not {partitions}"
            )));
        }
        Ok(())
    }

    /// Opens a depot that is as it is asked for; makes it where there is none and a key is given.
    pub(crate) fn open_or_make(
        store: &Store,
        name: &str,
        partitions: Option<u16>,
        key: Option<&str>,
    ) -> Result<Self, DepotError> {
        let (depot, key) = match (Self::open(store, name), key) {
            (Err(DepotError::Unknown { .. }), Some(key)) => {
                return Self::make(store, name, partitions.unwrap_or(PARTITIONS), key);
            }
            (depot, key) => (depot?, key),
        };
        let partitions = partitions.unwrap_or(depot.partitions());
        Self::make(store, name, partitions, key.unwrap_or(depot.key()))
    }

    /// All depots of a store, by name.
    pub(crate) fn all(store: &Store) -> Result<Vec<Self>, DepotError> {
        let names = log::names(&store.read()?)?;
        names.iter().map(|name| Self::open(store, name)).collect()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.log.name
    }

    /// How many partitions it has, from 1 to [`MAX_PARTITIONS`]; fixed when it is made.
    #[must_use]
    pub fn partitions(&self) -> u16 {
        self.0.log.partitions
    }

    /// The field whose hash chooses the partition of a record, as it was named when the depot was
    /// made; empty where programs append by keys of their own.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.log.key
    }

    /// Tells it from one that is made later under its name.
    pub(crate) fn id(&self) -> u64 {
        self.0.log.id
    }

    /// The partition of a key: the task that its shard would have of as many tasks.
    #[must_use]
    pub fn partition_of(&self, key: &impl KeyValue) -> u16 {
        self.partition(key.route_hash())
    }

    fn partition(&self, hash: u64) -> u16 {
        let partition = task_of_shard(shard_of(hash), usize::from(self.partitions()));
        // It is below the number of partitions.
        u16::try_from(partition).unwrap_or_default()
    }

    /// Appends one record to the partition of its key. Many at the same time go into one commit.
    ///
    /// A record is text, and mostly one object of JSON, whose fields `decode` then has.
    ///
    /// # Errors
    /// Where it is too long or cannot be written, and, where that is asked for, where it is not
    /// processed.
    pub fn append(
        &self,
        key: &impl KeyValue,
        record: &str,
        acknowledge: Acknowledge,
    ) -> Result<(), DepotError> {
        let records = vec![(self.partition_of(key), record.to_owned())];
        self.send(records, None, acknowledge, &|| false)
    }

    /// Appends records, each after its key as text, in their order within each partition. Those
    /// of a commit are about a mebibyte: where an error comes, the first ones may be there.
    ///
    /// # Errors
    /// As [`Depot::append`].
    ///
    /// ```
    /// use squall::{DataDir, depot::Acknowledge};
    ///
    /// let depot = DataDir::in_memory()?.make_depot("said", 2, "word")?;
    /// let records = ["a", "b"].map(|word| (word.to_owned(), format!("{{\"word\":\"{word}\"}}")));
    /// depot.append_all(records, Acknowledge::Appended)?;
    /// assert_eq!(depot.records(), 2);
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    pub fn append_all(
        &self,
        records: impl IntoIterator<Item = (String, String)>,
        acknowledge: Acknowledge,
    ) -> Result<(), DepotError> {
        let mut portion = Vec::new();
        let mut bytes = 0;
        for (key, record) in records {
            if bytes + record.len() > PORTION_BYTES && !portion.is_empty() {
                self.send(std::mem::take(&mut portion), None, acknowledge, &|| false)?;
                bytes = 0;
            }
            bytes += record.len();
            portion.push((self.partition(hash_bytes(key.as_bytes())), record));
        }
        self.send(portion, None, acknowledge, &|| false)
    }

    /// How many records an appender with this id has appended.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn appended_by(&self, id: &str) -> Result<u64, DepotError> {
        Ok(self.all_appended_by(id)?.records)
    }

    /// The same, and their hash.
    pub(crate) fn all_appended_by(&self, id: &str) -> Result<Appended, DepotError> {
        self.0.log.appended_by(id)
    }

    /// As [`Depot::append_all`], but as one commit, and once: of the records the first ones that
    /// the appender has appended already, as it does not know after a crash, are left out. That
    /// they are the same is not looked at.
    ///
    /// # Errors
    /// As [`Depot::append`], and where `appender.from` is beyond what it has appended.
    ///
    /// ```
    /// use squall::{DataDir, depot::{Acknowledge, Appender}};
    ///
    /// let depot = DataDir::in_memory()?.make_depot("said", 2, "word")?;
    /// let records = ["a", "b", "c"].map(|word| (word.to_owned(), word.to_owned()));
    /// let me = Appender { id: "me".to_owned(), from: 0 };
    /// depot.append_once(&me, records[..2].to_vec(), Acknowledge::Appended)?;
    /// depot.append_once(&me, records.to_vec(), Acknowledge::Appended)?;
    /// assert_eq!(depot.records(), 3);
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    pub fn append_once(
        &self,
        appender: &Appender,
        records: Vec<(String, String)>,
        acknowledge: Acknowledge,
    ) -> Result<(), DepotError> {
        self.append_for(Some(appender), records, acknowledge, &|| false)
    }

    /// As one commit, with or without an id, until nobody waits any more.
    pub(crate) fn append_for(
        &self,
        appender: Option<&Appender>,
        records: Vec<(String, String)>,
        acknowledge: Acknowledge,
        given_up: &dyn Fn() -> bool,
    ) -> Result<(), DepotError> {
        let appender = appender.map(|appender| AppendOf {
            id: appender.id.clone(),
            from: appender.from,
            digests: records
                .iter()
                .map(|(key, record)| Digest::of(key, record))
                .collect(),
        });
        let records = records.into_iter();
        let records =
            records.map(|(key, record)| (self.partition(hash_bytes(key.as_bytes())), record));
        self.send(records.collect(), appender, acknowledge, given_up)
    }

    fn send(
        &self,
        records: Vec<(u16, String)>,
        appender: Option<AppendOf>,
        acknowledge: Acknowledge,
        given_up: &dyn Fn() -> bool,
    ) -> Result<(), DepotError> {
        if records.is_empty() {
            return Ok(());
        }
        let lengths = records.iter().map(|(_, record)| record.len());
        if let Some(bytes) = lengths.max().filter(|bytes| *bytes > MAX_RECORD_BYTES) {
            return Err(DepotError::TooLong {
                bytes,
                most: MAX_RECORD_BYTES,
            });
        }
        let append = Append { records, appender };
        let Acknowledge::Processed { patience } = acknowledge else {
            if acknowledge == Acknowledge::None {
                self.0.append_unheard(append);
                return Ok(());
            }
            return self.0.append(append).map(drop);
        };
        let log = &self.0.log;
        let readers = log.readers.committing(true);
        if readers.is_empty() {
            return Err(DepotError::NobodyReads {
                depot: log.name.clone(),
                known: log.readers.committing(false),
            });
        }
        let written = self.0.append(append)?;
        log.readers
            .wait(&log.name, &readers, &written.ends, patience, given_up)
    }

    /// How many records are kept.
    #[must_use]
    pub fn records(&self) -> u64 {
        let extents = self.0.log.all_extents();
        extents.iter().map(|extent| extent.end - extent.first).sum()
    }

    /// For each partition the offset after its last record: what was appended to it so far.
    #[must_use]
    pub fn ends(&self) -> Vec<u64> {
        let extents = self.0.log.all_extents();
        extents.iter().map(|extent| extent.end).collect()
    }

    /// For each partition the first offset that is kept.
    #[must_use]
    pub fn firsts(&self) -> Vec<u64> {
        let extents = self.0.log.all_extents();
        extents.iter().map(|extent| extent.first).collect()
    }

    /// Drops the oldest records now: whole blocks, which are what one commit has brought for a
    /// partition. What a reader has not committed yet is kept, with all that follows it, unless
    /// forced; a reader whose records are gone ends with an error.
    ///
    /// # Errors
    /// Where it cannot be read or written.
    ///
    /// ```
    /// use squall::{DataDir, depot::{Acknowledge, Retention}};
    ///
    /// let depot = DataDir::in_memory()?.make_depot("said", 2, "word")?;
    /// depot.append(&"a".to_owned(), "a", Acknowledge::Appended)?;
    /// let dropped = depot.retain(Retention { bytes: Some(0), ..Retention::default() }, false)?;
    /// assert_eq!((dropped.records, depot.records()), (1, 0));
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    pub fn retain(&self, keep: Retention, force: bool) -> Result<Dropped, DepotError> {
        self.0.drop_oldest(keep, force)
    }

    /// From now on, also in later runs, the oldest records are dropped, as by [`Depot::retain`]
    /// without force: looked at when something is appended, every ten seconds at most.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn keep(&self, keep: Retention) -> Result<(), DepotError> {
        self.0.keep(keep)
    }

    /// Forgets a reader that will not come back, which then holds nothing back. Says whether
    /// there was one of this name.
    ///
    /// # Errors
    /// Where it reads at present, and where that cannot be written.
    pub fn forget(&self, reader: &str) -> Result<bool, DepotError> {
        self.0.forget(reader)
    }

    /// The block that holds the record at an offset, from there on; none at the end.
    pub(crate) fn block(&self, partition: u16, position: u64) -> Result<Option<Block>, DepotError> {
        self.0.log.read(partition, position)
    }

    /// The error of a block that is not as it was written.
    pub(crate) fn broken(&self, partition: u16, broken: block::BrokenBlock) -> DepotError {
        self.0.log.broken(partition, broken)
    }

    /// A task begins to read these partitions from these offsets. Where what it makes of them is
    /// `durable`, that is on disk when this returns, so that nothing is dropped before its time.
    pub(crate) fn begin_reading(
        &self,
        reader: &str,
        durable: bool,
        positions: &[(u16, u64)],
        waker: Waker,
    ) -> Result<DepotReader, DepotError> {
        if reader.is_empty() || reader.contains('\0') {
            let fault = "the name of a reader is not empty and has no zero byte";
            return Err(DepotError::Impossible(fault.to_owned()));
        }
        let log = &self.0.log;
        let reading = log.readers.open(reader, durable, positions);
        let reading = reading.ok_or_else(|| DepotError::TwoReaders {
            depot: log.name.clone(),
            reader: reader.to_owned(),
        })?;
        if durable {
            self.0.note()?;
        }
        Ok(DepotReader {
            reading: Arc::new(reading),
            moved: self.0.readers_moved(),
            number: log.wakes(waker),
            depot: self.clone(),
        })
    }
}

impl fmt::Debug for Depot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Depot").field(&self.name()).finish()
    }
}

/// What a task has of the depot that it reads; its partitions are free again when it is dropped.
pub(crate) struct DepotReader {
    reading: Arc<Reading>,
    moved: ReadersMoved,
    number: u64,
    depot: Depot,
}

impl DepotReader {
    /// What is to be called when these positions are committed. The last commit may come after
    /// the task; until then its partitions are not free.
    pub(crate) fn committed(&self, positions: Vec<(u16, u64)>) -> impl FnOnce() + Send + use<> {
        let (reading, moved) = (Arc::clone(&self.reading), self.moved.clone());
        move || {
            reading.advance(&positions);
            moved.tell();
        }
    }

    /// What is read is needed no more, where nothing is committed.
    pub(crate) fn read(&self, positions: &[(u16, u64)]) {
        self.reading.advance(positions);
    }
}

impl Drop for DepotReader {
    fn drop(&mut self) {
        self.depot.0.log.no_longer_wakes(self.number);
    }
}

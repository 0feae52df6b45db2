//! The log itself: blocks in the store, written by one thread and read by many.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{SystemTime, UNIX_EPOCH};

use super::appended::{Appended, Digest};
use super::block::{Block, BrokenBlock, Filling};
use super::error::DepotError;
use super::layout::{self, About, FORMAT, Retention};
use super::readers::{Positions, Readers};
use crate::error::BoxError;
use crate::store::{Batch, Reader, Store, StoreError};

/// One depot of a store.
pub(super) struct Log {
    pub(super) store: Store,
    pub(super) name: String,
    pub(super) partitions: u16,
    /// The field whose hash chooses the partition of a record; empty where programs say by what.
    pub(super) key: String,
    pub(super) id: u64,
    pub(super) readers: Arc<Readers>,
    /// What is committed of each partition. Written by the writer, after its commit, and read by
    /// all that read, hence the lock.
    extents: Mutex<Vec<Extent>>,
    /// The tasks that wait for records, by a number of their own.
    waiting: Mutex<HashMap<u64, Waker>>,
}

/// What there is of one partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The first offset that is kept.
    pub(super) first: u64,
    /// The offset after the last record.
    pub(super) end: u64,
    /// Bytes of the blocks between.
    pub(super) bytes: u64,
}

/// Records on their way into the log, all or none.
#[derive(Debug, Default)]
pub(super) struct Append {
    /// Each with the partition that it belongs to.
    pub(super) records: Vec<(u16, String)>,
    /// Whose they are, of one with an id.
    pub(super) appender: Option<AppendOf>,
}

/// Of the records of an [`Append`], what is known by their appender's id.
#[derive(Debug)]
pub(super) struct AppendOf {
    pub(super) id: String,
    /// How many came before.
    pub(super) from: u64,
    /// One for each record.
    pub(super) digests: Vec<Digest>,
}

impl Append {
    pub(super) fn bytes(&self) -> usize {
        self.records
            .iter()
            .map(|(_, record)| record.len() + 32)
            .sum()
    }
}

/// What has become of an [`Append`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    /// Where the last record of each partition that it has records of is at most: one further.
    pub(super) ends: Positions,
}

/// What was dropped from a depot, and what was not.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Dropped {
    /// The records that are gone.
    pub records: u64,
    /// The bytes of them.
    pub bytes: u64,
    /// Whose next record was to go too, and so was kept with all that follow it.
    pub kept_for: Vec<String>,
}

impl Log {
    /// Opens a depot of a store.
    pub(super) fn open(store: &Store, name: &str) -> Result<Self, DepotError> {
        let reader = store.read()?;
        let about = read_about(&reader, name)?;
        let log = Self {
            extents: Mutex::default(),
            name: name.to_owned(),
            partitions: about.partitions,
            key: about.key,
            id: about.id,
            readers: Arc::default(),
            waiting: Mutex::default(),
            store: store.clone(),
        };
        *lock(&log.extents) = log.read_extents(&reader)?;
        let prefix = layout::readers(name);
        let load = reader.prefix(&prefix, &mut |key, value| {
            let key = layout::read_reader(&prefix, key).ok_or("a key of a reader")?;
            let [position] = layout::read_numbers(value).ok_or("a reader's position")?;
            log.readers.load(key.0, key.1, position);
            Ok(())
        });
        load.map_err(|error| log.failed(error))?;
        Ok(log)
    }

    /// Makes a depot; one that is there stays.
    pub(super) fn make(store: &Store, name: &str, about: &About) -> Result<(), DepotError> {
        match read_about(&store.read()?, name) {
            Err(DepotError::Unknown { .. }) => {}
            Err(error) => return Err(error),
            Ok(found) if (found.partitions, &found.key) == (about.partitions, &about.key) => {
                return Ok(());
            }
            Ok(found) => {
                return Err(DepotError::Exists {
                    depot: name.to_owned(),
                    found: found.partitions,
                    found_key: found.key,
                    asked: about.partitions,
                    asked_key: about.key.clone(),
                });
            }
        }
        write_about(store, name, about)
    }

    fn read_extents(&self, reader: &Reader) -> Result<Vec<Extent>, DepotError> {
        let partitions = 0..self.partitions;
        let extents = partitions.map(|partition| {
            let Some(value) = reader.get(&layout::extent(&self.name, partition))? else {
                return Ok(Extent::default());
            };
            let numbers = layout::read_numbers(&value);
            let [first, end, bytes] =
                numbers.ok_or_else(|| self.damaged("a partition's extent"))?;
            Ok(Extent { first, end, bytes })
        });
        extents.collect()
    }

    fn damaged(&self, what: &str) -> DepotError {
        DepotError::Damaged {
            depot: self.name.clone(),
            what: format!("{what} is not as it was written"),
        }
    }

    /// An error while reading: what the store did not say itself is damage.
    fn failed(&self, error: BoxError) -> DepotError {
        let error = match error.downcast::<DepotError>() {
            Ok(error) => return *error,
            Err(error) => error,
        };
        match error.downcast::<StoreError>() {
            Ok(error) => (*error).into(),
            Err(error) => self.damaged(&error.to_string()),
        }
    }

    fn extents(&self) -> MutexGuard<'_, Vec<Extent>> {
        lock(&self.extents)
    }

    pub(super) fn extent(&self, partition: u16) -> Extent {
        let extents = self.extents();
        extents
            .get(usize::from(partition))
            .copied()
            .unwrap_or_default()
    }

    pub(super) fn all_extents(&self) -> Vec<Extent> {
        self.extents().clone()
    }

    /// What is known is compared with what is on disk: after a commit that has failed, it may be
    /// there after all.
    fn reload(&self) -> Result<(), DepotError> {
        let found = self.read_extents(&self.store.read()?)?;
        let moved = std::mem::replace(&mut *self.extents(), found.clone()) != found;
        if moved {
            self.wake();
        }
        Ok(())
    }

    /// Writes appends as one commit, in their order. What the answer to each is.
    pub(super) fn write(&self, appends: &[&Append]) -> Vec<Result<Written, DepotError>> {
        let mut writing = Writing::new(self);
        let mut results: Vec<_> = appends.iter().map(|append| writing.take(append)).collect();
        if let Err(error) = writing.commit() {
            // Whether it is there is known only after another look.
            if let Err(error) = self.reload() {
                tracing::warn!("the depot `{}` cannot be read: {error}", self.name);
            }
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(error.clone());
            }
        }
        results
    }

    /// Which records of an appender with an id are in the depot.
    pub(super) fn appended_by(&self, id: &str) -> Result<Appended, DepotError> {
        let found = self.store.read()?.get(&layout::appender(&self.name, id))?;
        let Some(value) = found else {
            return Ok(Appended::default());
        };
        let Some([records, hash]) = layout::read_numbers(&value) else {
            let what = format!(
                "the position of `{id}` is damaged, or was stored without a hash by an older \
                 squall: append with another id"
            );
            return Err(damaged(&self.name, &what));
        };
        Ok(Appended { records, hash })
    }

    /// The block that holds the record at an offset, from there on; none at the end.
    pub(super) fn read(&self, partition: u16, position: u64) -> Result<Option<Block>, DepotError> {
        let Extent { first, end, .. } = self.extent(partition);
        if position < first {
            return Err(self.dropped(partition, position, first));
        }
        if position > end {
            return Err(DepotError::Ahead {
                depot: self.name.clone(),
                partition,
                position,
                end,
            });
        }
        if position == end {
            return Ok(None);
        }
        let Some(mut block) = self.first_block(&self.store.read()?, partition, position)? else {
            return Err(self.damaged(&format!("the record {position} of partition {partition}")));
        };
        if block.next_offset() > position {
            return Err(self.dropped(partition, position, block.next_offset()));
        }
        block
            .skip_to(position)
            .map_err(|broken| self.broken(partition, broken))?;
        Ok(Some(block))
    }

    /// The first block with a record at this offset or a later one.
    fn first_block(
        &self,
        reader: &Reader,
        partition: u16,
        position: u64,
    ) -> Result<Option<Block>, DepotError> {
        let from = layout::block(&self.name, partition, position.saturating_add(1));
        let to = layout::block(&self.name, partition, u64::MAX);
        let mut found = None;
        let read = reader.range(&from..&to, &mut |key, value| {
            let block = layout::read_block(key).and_then(|end| Block::new(end, value));
            found = Some(block.ok_or("a block")?);
            Ok(ControlFlow::Break(()))
        });
        read.map_err(|error| self.failed(error))?;
        Ok(found)
    }

    fn dropped(&self, partition: u16, position: u64, first: u64) -> DepotError {
        DepotError::Dropped {
            depot: self.name.clone(),
            partition,
            position,
            first,
        }
    }

    pub(super) fn broken(&self, partition: u16, broken: BrokenBlock) -> DepotError {
        self.damaged(&format!(
            "the record {} of partition {partition}",
            broken.offset
        ))
    }

    /// Drops the oldest blocks, as one commit; none that a reader still needs, unless forced.
    pub(super) fn drop_oldest(&self, keep: Retention, force: bool) -> Result<Dropped, DepotError> {
        // What holds after a crash is what is on disk of the readers: as new as can be.
        self.note()?;
        let reader = self.store.read()?;
        let mut extents = self.all_extents();
        let mut dropped = Dropped::default();
        let too_old = keep.age.map(|age| {
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            now_ms().saturating_sub(age)
        });
        let mut total: u64 = extents.iter().map(|extent| extent.bytes).sum();
        // The oldest block of each partition that has one which may go.
        let mut oldest: BTreeMap<(u64, u16), Block> = BTreeMap::new();
        for partition in 0..self.partitions {
            let first = extents[usize::from(partition)].first;
            if let Some(block) = self.first_block(&reader, partition, first)? {
                oldest.insert((block.time_ms(), partition), block);
            }
        }
        let mut batch = Batch::default();
        while let Some(((time_ms, partition), block)) = oldest.pop_first() {
            let goes = too_old.is_some_and(|too_old| time_ms < too_old)
                || keep.bytes.is_some_and(|bytes| total > bytes);
            if !goes {
                break;
            }
            if let Some((position, reader)) = self.readers.least(partition)
                && position < block.end()
                && !force
            {
                if !dropped.kept_for.contains(&reader) {
                    dropped.kept_for.push(reader);
                }
                continue;
            }
            let extent = &mut extents[usize::from(partition)];
            let bytes = block.stored_bytes();
            dropped.records += block.end() - extent.first;
            dropped.bytes += bytes;
            total = total.saturating_sub(bytes);
            extent.first = block.end();
            extent.bytes = extent.bytes.saturating_sub(bytes);
            batch.delete(layout::block(&self.name, partition, block.end()));
            if let Some(next) = self.first_block(&reader, partition, block.end())? {
                oldest.insert((next.time_ms(), partition), next);
            }
        }
        drop(reader);
        for (partition, extent) in (0..).zip(&extents) {
            if *extent != self.extent(partition) {
                self.put_extent(partition, *extent, &mut batch);
            }
        }
        dropped.kept_for.sort();
        if let Err(error) = self.store.commit(batch) {
            self.reload()?;
            return Err(error.into());
        }
        *self.extents() = extents;
        Ok(dropped)
    }

    fn put_extent(&self, partition: u16, extent: Extent, batch: &mut Batch) {
        let Extent { first, end, bytes } = extent;
        let key = layout::extent(&self.name, partition);
        batch.put(key, layout::numbers([first, end, bytes]));
    }

    /// How much is to be kept, as of the last call of [`Log::set_keep`].
    pub(super) fn keep(&self) -> Result<Retention, DepotError> {
        Ok(read_about(&self.store.read()?, &self.name)?.keep)
    }

    pub(super) fn set_keep(&self, keep: Retention) -> Result<(), DepotError> {
        let about = read_about(&self.store.read()?, &self.name)?;
        write_about(&self.store, &self.name, &About { keep, ..about })
    }

    /// Writes how far the readers are; the commit is synced.
    pub(super) fn note(&self) -> Result<(), DepotError> {
        let notes = self.readers.to_note();
        let mut batch = Batch::default();
        for (reader, positions) in &notes {
            for (partition, position) in positions {
                let key = layout::reader(&self.name, reader, *partition);
                batch.put(key, layout::numbers([*position]));
            }
        }
        self.store.commit(batch)?;
        self.readers.noted(&notes);
        Ok(())
    }

    /// Takes a reader out, which then holds nothing back; says whether there was one.
    pub(super) fn forget(&self, reader: &str) -> Result<bool, DepotError> {
        if !self.readers.forget(&self.name, reader)? {
            return Ok(false);
        }
        let mut batch = Batch::default();
        for partition in 0..self.partitions {
            batch.delete(layout::reader(&self.name, reader, partition));
        }
        self.store.commit(batch)?;
        Ok(true)
    }

    /// From now on, and until [`Log::no_longer_wakes`], the task is woken when there are records.
    pub(super) fn wakes(&self, waker: Waker) -> u64 {
        let number = fastrand::u64(..);
        lock(&self.waiting).insert(number, waker);
        number
    }

    pub(super) fn no_longer_wakes(&self, number: u64) {
        lock(&self.waiting).remove(&number);
    }

    fn wake(&self) {
        for waker in lock(&self.waiting).values() {
            waker.wake_by_ref();
        }
    }
}

/// What the locks guard is whole at every moment, so a panic elsewhere does not matter.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(super) fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since_1970.map_or(0, |since| since.as_millis());
    u64::try_from(millis).unwrap_or(u64::MAX)
}

/// The names of all depots. Looks at their keys, of which there is one for each block.
pub(super) fn names(reader: &Reader) -> Result<Vec<String>, DepotError> {
    let mut names = Vec::new();
    let read = reader.keys(layout::DEPOTS, &mut |key| {
        names.extend(layout::read_about(key).map(str::to_owned));
        Ok(())
    });
    read.map_err(|error| match error.downcast::<StoreError>() {
        Ok(error) => (*error).into(),
        Err(error) => damaged("", &error),
    })?;
    Ok(names)
}

/// What a depot is; an error that names all depots where there is none of this name.
fn read_about(reader: &Reader, name: &str) -> Result<About, DepotError> {
    let Some(value) = reader.get(&layout::about(name))? else {
        return Err(DepotError::Unknown {
            asked: name.to_owned(),
            known: names(reader)?,
        });
    };
    let about: About = serde_json::from_slice(&value).map_err(|error| damaged(name, &error))?;
    if about.format > FORMAT {
        return Err(DepotError::NewerFormat {
            depot: name.to_owned(),
            found: about.format,
            known: FORMAT,
        });
    }
    Ok(about)
}

fn damaged(depot: &str, what: &impl ToString) -> DepotError {
    DepotError::Damaged {
        depot: depot.to_owned(),
        what: what.to_string(),
    }
}

fn write_about(store: &Store, name: &str, about: &About) -> Result<(), DepotError> {
    let text = serde_json::to_vec(about).map_err(|error| damaged(name, &error))?;
    let mut batch = Batch::default();
    batch.put(layout::about(name), text);
    Ok(store.commit(batch)?)
}

/// A commit in the making.
struct Writing<'l> {
    log: &'l Log,
    batch: Batch,
    extents: Vec<Extent>,
    filling: BTreeMap<u16, Filling>,
    /// Which records of each appender are in it then.
    appenders: HashMap<String, Appended>,
    now_ms: u64,
}

impl<'l> Writing<'l> {
    fn new(log: &'l Log) -> Self {
        Self {
            log,
            batch: Batch::default(),
            extents: log.all_extents(),
            filling: BTreeMap::new(),
            appenders: HashMap::new(),
            now_ms: now_ms(),
        }
    }

    /// Takes in the records of an append that are not there yet.
    fn take(&mut self, append: &Append) -> Result<Written, DepotError> {
        let new = self.new_records(append)?;
        let repeated = append.records.len() - new.len();
        for (partition, record) in new {
            let filling = self.filling.entry(*partition).or_default();
            filling.push(record);
            self.extents[usize::from(*partition)].end += 1;
            if filling.is_full() {
                self.close(*partition);
            }
        }
        let mut ends: BTreeMap<u16, u64> = BTreeMap::new();
        let (before, _) = append.records.split_at(repeated);
        for (partition, _) in before.iter().chain(new) {
            ends.insert(*partition, self.extents[usize::from(*partition)].end);
        }
        Ok(Written {
            ends: ends.into_iter().collect(),
        })
    }

    fn new_records<'a>(&mut self, append: &'a Append) -> Result<&'a [(u16, String)], DepotError> {
        let Some(AppendOf { id, from, digests }) = &append.appender else {
            return Ok(&append.records);
        };
        let appended = match self.appenders.get(id) {
            Some(appended) => *appended,
            None => self.log.appended_by(id)?,
        };
        if appended.records < *from {
            return Err(DepotError::Gap {
                depot: self.log.name.clone(),
                id: id.clone(),
                appended: appended.records,
                from: *from,
            });
        }
        let repeated = usize::try_from(appended.records - from).unwrap_or(usize::MAX);
        let digests = digests.get(repeated..).unwrap_or_default();
        let appended = digests.iter().copied().fold(appended, Appended::and);
        self.appenders.insert(id.clone(), appended);
        Ok(append.records.get(repeated..).unwrap_or_default())
    }

    fn close(&mut self, partition: u16) {
        let Some(filling) = self.filling.get_mut(&partition) else {
            return;
        };
        if filling.records() == 0 {
            return;
        }
        let extent = &mut self.extents[usize::from(partition)];
        let block = filling.take(self.now_ms);
        extent.bytes += block.len() as u64;
        let key = layout::block(&self.log.name, partition, extent.end);
        self.batch.put(key, block);
    }

    fn commit(mut self) -> Result<(), DepotError> {
        for partition in 0..self.log.partitions {
            self.close(partition);
        }
        for (partition, extent) in (0..).zip(&self.extents) {
            if *extent != self.log.extent(partition) {
                self.log.put_extent(partition, *extent, &mut self.batch);
            }
        }
        for (id, appended) in &self.appenders {
            let key = layout::appender(&self.log.name, id);
            let Appended { records, hash } = *appended;
            self.batch.put(key, layout::numbers([records, hash]));
        }
        self.log.store.commit(self.batch)?;
        *self.log.extents() = self.extents;
        self.log.wake();
        Ok(())
    }
}

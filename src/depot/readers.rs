//! Who reads a depot, and how far each has committed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::DepotError;

/// Whether somebody who waits has given up is looked at so often.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The readers of a depot. Shared between the tasks that read, the threads that commit, those
/// that wait for a record to be processed, and the writer, hence the lock; it is held for a few
/// instructions.
#[derive(Default)]
pub(super) struct Readers {
    known: Mutex<BTreeMap<String, Reader>>,
    moved: Condvar,
}

#[derive(Default)]
struct Reader {
    /// How far each partition was committed, or read where nothing is committed.
    positions: BTreeMap<u16, u64>,
    /// The positions as they are on disk.
    noted: BTreeMap<u16, u64>,
    /// The partitions that are being read at present.
    live: BTreeSet<u16>,
    /// Whether it commits its positions.
    durable: bool,
}

/// What a reader's tasks have in hand; the partitions are free again when it is dropped.
pub(crate) struct Reading {
    readers: Arc<Readers>,
    name: String,
    partitions: Vec<u16>,
}

/// Positions of one reader: partition and offset.
pub(super) type Positions = Vec<(u16, u64)>;

impl Readers {
    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Reader>> {
        // It is whole at every moment, so a panic elsewhere does not matter.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what is on disk.
    pub(super) fn load(&self, name: String, partition: u16, position: u64) {
        let mut known = self.known();
        let reader = known.entry(name).or_default();
        reader.durable = true;
        reader.positions.insert(partition, position);
        reader.noted.insert(partition, position);
    }

    /// A task begins to read partitions from these positions; none where another does.
    pub(super) fn open(
        self: &Arc<Self>,
        name: &str,
        durable: bool,
        positions: &[(u16, u64)],
    ) -> Option<Reading> {
        let mut known = self.known();
        let reader = known.entry(name.to_owned()).or_default();
        if positions.iter().any(|(at, _)| reader.live.contains(at)) {
            return None;
        }
        reader.durable = durable;
        reader.positions.extend(positions.iter().copied());
        reader.live.extend(positions.iter().map(|(at, _)| at));
        Some(Reading {
            readers: Arc::clone(self),
            name: name.to_owned(),
            partitions: positions.iter().map(|(at, _)| *at).collect(),
        })
    }

    /// Reader and positions that are on disk otherwise than they are; none of those that keep
    /// nothing.
    pub(super) fn to_note(&self) -> Vec<(String, Positions)> {
        let known = self.known();
        let durable = known.iter().filter(|(_, reader)| reader.durable);
        let changed = durable.map(|(name, reader)| {
            let positions = reader.positions.iter();
            let positions = positions.filter(|(at, to)| reader.noted.get(at) != Some(to));
            (name.clone(), positions.map(|(at, to)| (*at, *to)).collect())
        });
        changed
            .filter(|(_, positions): &(_, Positions)| !positions.is_empty())
            .collect()
    }

    /// These are on disk now.
    pub(super) fn noted(&self, notes: &[(String, Positions)]) {
        let mut known = self.known();
        for (name, positions) in notes {
            if let Some(reader) = known.get_mut(name) {
                reader.noted.extend(positions.iter().copied());
            }
        }
    }

    /// Takes a reader out; says whether there was one. One that reads at present stays.
    pub(super) fn forget(&self, depot: &str, name: &str) -> Result<bool, DepotError> {
        let mut known = self.known();
        if known
            .get(name)
            .is_some_and(|reader| !reader.live.is_empty())
        {
            return Err(DepotError::ReadsNow {
                depot: depot.to_owned(),
                reader: name.to_owned(),
            });
        }
        Ok(known.remove(name).is_some())
    }

    /// The least position of a partition that any reader has, and whose it is.
    pub(super) fn least(&self, partition: u16) -> Option<(u64, String)> {
        let known = self.known();
        let positions = known.iter().filter_map(|(name, reader)| {
            // On disk is what holds after a crash.
            let position = reader.positions.get(&partition);
            let position = position
                .into_iter()
                .chain(reader.noted.get(&partition))
                .min()?;
            Some((*position, name.clone()))
        });
        positions.min()
    }

    /// All readers with their positions, and whether they read at present.
    pub(super) fn all(&self) -> Vec<(String, Positions, bool)> {
        let known = self.known();
        let all = known.iter().map(|(name, reader)| {
            let positions = reader.positions.iter().map(|(at, to)| (*at, *to)).collect();
            (name.clone(), positions, !reader.live.is_empty())
        });
        all.collect()
    }

    /// The readers that commit: those that read at present, or those that do not.
    pub(super) fn committing(&self, at_present: bool) -> Vec<String> {
        let known = self.known();
        let committing = known
            .iter()
            .filter(|(_, reader)| reader.durable && reader.live.is_empty() != at_present);
        committing.map(|(name, _)| name.clone()).collect()
    }

    /// Waits until these readers have committed everything before these positions.
    pub(super) fn wait(
        &self,
        depot: &str,
        names: &[String],
        ends: &[(u16, u64)],
        patience: Duration,
        given_up: &dyn Fn() -> bool,
    ) -> Result<(), DepotError> {
        let began = Instant::now();
        let mut known = self.known();
        loop {
            let behind: Vec<&String> = names
                .iter()
                .filter(|name| {
                    known
                        .get(*name)
                        .is_some_and(|reader| reader.is_behind(ends))
                })
                .collect();
            if behind.is_empty() {
                return Ok(());
            }
            if given_up() {
                return Err(DepotError::Ended {
                    depot: depot.to_owned(),
                });
            }
            let left = patience.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Err(DepotError::NotProcessed {
                    depot: depot.to_owned(),
                    readers: behind.into_iter().cloned().collect(),
                    patience,
                });
            }
            let waited = self.moved.wait_timeout(known, left.min(LOOK_INTERVAL));
            known = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn advance(&self, name: &str, positions: &[(u16, u64)]) {
        if let Some(reader) = self.known().get_mut(name) {
            reader.positions.extend(positions.iter().copied());
        }
        self.moved.notify_all();
    }
}

impl Reader {
    fn is_behind(&self, ends: &[(u16, u64)]) -> bool {
        ends.iter()
            .any(|(at, end)| self.positions.get(at).is_none_or(|position| position < end))
    }
}

impl Reading {
    /// The reader has committed these positions, or has read so far where it commits nothing.
    pub(super) fn advance(&self, positions: &[(u16, u64)]) {
        self.readers.advance(&self.name, positions);
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(reader) = self.readers.known().get_mut(&self.name) {
            reader.live.retain(|at| !self.partitions.contains(at));
            if !reader.durable && reader.live.is_empty() {
                // It will never go on from there.
                reader.positions.clear();
            }
        }
    }
}

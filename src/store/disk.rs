//! A disk for tests: it fills up, breaks, and forgets at a crash what was not synced.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;

/// A file on a simulated disk; a clone is the same file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    /// Shared, since the engine keeps its handle, and the test looks on.
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// What reads see.
    now: Vec<u8>,
    /// What was there at the last sync.
    synced: Vec<u8>,
    /// What was done since.
    since: Vec<Change>,
    /// Bytes that fit on it; none for as many as one likes.
    capacity: Option<u64>,
    /// How many more changes and syncs it does before it breaks; none for all.
    left: Option<u64>,
}

#[derive(Clone, Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, written) => {
                let end = at + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(written);
            }
            Self::Length(length) => bytes.resize(*length, 0),
        }
    }
}

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file for an engine.
    pub(super) fn handle(&self) -> Handle {
        Handle(self.clone())
    }

    /// From now on `bytes` fit, or as many as one likes.
    pub(crate) fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Bytes on it.
    pub(crate) fn used(&self) -> u64 {
        self.state().now.len() as u64
    }

    /// Changes a byte, as a bad sector does; `by` is not 0.
    pub(super) fn flip(&self, at: u64, by: u8) {
        self.state().now[index(at)] ^= by;
    }

    /// It breaks after `changes` more writes, changes of length and syncs.
    pub(crate) fn break_after(&self, changes: u64) {
        self.state().left = Some(changes);
    }

    /// Whether it has broken.
    pub(crate) fn broken(&self) -> bool {
        self.state().left == Some(0)
    }

    /// The disk after a loss of power: of what was not synced it keeps what `keeps` says, in
    /// any selection; of the last write that it keeps, possibly a part.
    pub(crate) fn after_crash(&self, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let state = self.state();
        let mut bytes = state.synced.clone();
        for change in &state.since {
            match (random.u8(0..3), change) {
                (0, _) => {}
                (1, Change::Write(at, written)) => {
                    let sectors = random.usize(0..=written.len() / 512);
                    Change::Write(*at, written[..sectors * 512].to_vec()).apply(&mut bytes);
                }
                _ => change.apply(&mut bytes),
            }
        }
        let state = State {
            now: bytes.clone(),
            synced: bytes,
            ..State::default()
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }
}

impl State {
    fn count(&mut self) -> io::Result<()> {
        match &mut self.left {
            Some(0) => Err(io::Error::other("the disk is broken")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn change(&mut self, change: Change, end: u64) -> io::Result<()> {
        self.count()?;
        if self.capacity.is_some_and(|capacity| end > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        change.apply(&mut self.now);
        self.since.push(change);
        Ok(())
    }
}

/// What an engine has of a [`Disk`].
#[derive(Debug)]
pub(super) struct Handle(Disk);

fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.used())
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.state();
        let found = state.now.get(index(offset)..index(offset) + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // A file that is longer has a hole, which takes no space yet.
        self.0.state().change(Change::Length(index(len)), 0)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.0.state();
        state.count()?;
        state.synced = state.now.clone();
        state.since.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let end = offset + data.len() as u64;
        let change = Change::Write(index(offset), data.to_vec());
        self.0.state().change(change, end)
    }
}

//! The changes of one commit.

use std::fmt;
use std::sync::Arc;

/// Changes that are committed together, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    changes: Vec<Change>,
    bytes: usize,
    committed: Committed,
}

/// Who is told when a batch is on disk.
#[derive(Default)]
pub(super) struct Committed(Vec<Box<dyn FnOnce() + Send>>);

impl Committed {
    /// Tells them, in the order in which they asked.
    pub(super) fn tell(self) {
        for tell in self.0 {
            tell();
        }
    }
}

impl fmt::Debug for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Committed({})", self.0.len())
    }
}

/// One change.
#[derive(Debug)]
pub(super) enum Change {
    /// The key has this value from now on.
    Put(Vec<u8>, Arc<Vec<u8>>),
    /// The key has no value from now on.
    Delete(Vec<u8>),
    /// The keys from the first one up to, and without, the second have no value from now on.
    DeleteRange(Vec<u8>, Vec<u8>),
}

impl Batch {
    /// Gives `key` the value `value`, in place of any that it has. Whoever keeps a handle to the
    /// value has its memory back when the batch is committed.
    pub(crate) fn put(&mut self, key: Vec<u8>, value: impl Into<Arc<Vec<u8>>>) {
        let value = value.into();
        self.bytes += key.len() + value.len();
        self.changes.push(Change::Put(key, value));
    }

    /// Deletes `key`; one that has no value is fine.
    pub(crate) fn delete(&mut self, key: Vec<u8>) {
        self.changes.push(Change::Delete(key));
    }

    /// Deletes every key in `from..to`; none where `from` is not below `to`.
    pub(crate) fn delete_range(&mut self, from: Vec<u8>, to: Vec<u8>) {
        self.changes.push(Change::DeleteRange(from, to));
    }

    /// Adds the changes of another batch after those of this one.
    pub(crate) fn append(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.committed.0.extend(other.committed.0);
        self.changes.extend(other.changes);
    }

    /// Calls `tell` when the batch is on disk, on the thread that commits it, which waits for
    /// it: it must be short. Where the commit fails nobody is told.
    pub(crate) fn when_committed(&mut self, tell: impl FnOnce() + Send + 'static) {
        self.committed.0.push(Box::new(tell));
    }

    /// Takes out who is to be told.
    pub(super) fn take_committed(&mut self) -> Committed {
        std::mem::take(&mut self.committed)
    }

    /// Bytes of the keys and values that are put.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it changes nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes, in order.
    pub(super) fn into_changes(self) -> impl Iterator<Item = Change> {
        self.changes.into_iter()
    }
}

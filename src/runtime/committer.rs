//! Commits: the changes of an epoch become durable together.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::ended::{CommitFailure, panic_message};
use crate::context::Epoch;
use crate::durable::layout;
use crate::durable::{Commit, CommitNotifier};
use crate::fault::Faults;
use crate::store::{Batch, Store};

/// Writes epochs into the store.
pub(crate) struct Committer {
    store: Store,
    notifier: CommitNotifier,
    /// What is changed by the first commit before all else.
    first: Batch,
    faults: Faults,
}

impl Committer {
    /// `first` is written with the first commit, before all else.
    pub(super) fn new(
        store: Store,
        notifier: CommitNotifier,
        faults: Faults,
        first: Batch,
    ) -> Self {
        Self {
            store,
            notifier,
            first,
            faults,
        }
    }

    /// Writes all changes of an epoch, with its number, or nothing; gives their bytes.
    pub(crate) fn commit(
        &mut self,
        epoch: &Epoch,
        batches: Vec<Batch>,
    ) -> Result<usize, CommitFailure> {
        let done = catch_unwind(AssertUnwindSafe(|| self.write(epoch, batches)));
        done.unwrap_or_else(|panic| Err(CommitFailure::Other(panic_message(&*panic))))
    }

    fn write(&mut self, epoch: &Epoch, batches: Vec<Batch>) -> Result<usize, CommitFailure> {
        self.faults
            .pass("commit")
            .map_err(|error| CommitFailure::of(&error))?;
        let mut all = std::mem::take(&mut self.first);
        for batch in batches {
            all.append(batch);
        }
        let commit = Commit {
            epoch: epoch.number,
            time: epoch.time,
        };
        let record = serde_json::to_vec(&commit);
        let record = record.map_err(|error| CommitFailure::Other(error.to_string()))?;
        all.put(layout::COMMIT.to_vec(), record);
        let bytes = all.bytes();
        self.store.commit(all).map_err(CommitFailure::Store)?;
        self.notifier.notify(epoch.number);
        self.faults
            .pass("committed")
            .map_err(|error| CommitFailure::of(&error))?;
        Ok(bytes)
    }
}

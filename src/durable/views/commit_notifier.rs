//! Notifies those who wait for a commit of a run.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

/// What a run tells those who wait for its commits; clones are one.
///
/// The lock is held for a few instructions at each commit and by nobody who reads.
#[derive(Clone, Default)]
pub(crate) struct CommitNotifier(Arc<Inside>);

#[derive(Default)]
struct Inside {
    latest: Mutex<Latest>,
    again: Condvar,
    followers: Mutex<Vec<Weak<dyn Follower>>>,
}

#[derive(Clone, Copy, Default)]
struct Latest {
    epoch: u64,
    ended: bool,
}

/// Somebody who wants to see the last commit even where the run has ended meanwhile.
pub(in crate::durable) trait Follower: Send + Sync {
    /// The run is about to end, and its store to be let go of: take what is to be had.
    fn take_last(&self);
}

impl CommitNotifier {
    /// An epoch was committed.
    pub(crate) fn notify(&self, epoch: u64) {
        let mut latest = lock(&self.0.latest);
        latest.epoch = epoch;
        self.0.again.notify_all();
    }

    /// No further commit comes; to be called while the store is still open.
    pub(crate) fn end(&self) {
        let mut followers = lock(&self.0.followers);
        for follower in followers.drain(..).filter_map(|weak| weak.upgrade()) {
            // The types of the follower's are read by user code, which is not the run's.
            let _ = catch_unwind(AssertUnwindSafe(|| follower.take_last()));
        }
        // Still with the lock on the followers: whoever comes now sees the end instead.
        lock(&self.0.latest).ended = true;
        self.0.again.notify_all();
    }

    /// Adds a follower, unless the run has ended.
    pub(in crate::durable) fn follow(&self, follower: Weak<dyn Follower>) {
        let mut followers = lock(&self.0.followers);
        followers.retain(|follower| follower.strong_count() > 0);
        if !lock(&self.0.latest).ended {
            followers.push(follower);
        }
    }

    /// Waits for a commit after `epoch`; says whether one may still come after it.
    pub(in crate::durable) fn wait(&self, epoch: u64) -> bool {
        let waits = |latest: &mut Latest| latest.epoch <= epoch && !latest.ended;
        let latest = self.0.again.wait_while(lock(&self.0.latest), waits);
        !latest.unwrap_or_else(PoisonError::into_inner).ended
    }
}

/// What the locks guard is whole at every moment, so a panic elsewhere does not matter.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for CommitNotifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latest { epoch, ended } = *lock(&self.0.latest);
        write!(f, "CommitNotifier(epoch {epoch}, ended {ended})")
    }
}

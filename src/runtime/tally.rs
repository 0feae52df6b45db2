//! What a task has lost, by reason: counted where it is lost, read where it is told.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::tuple::LossExample;

/// The late tuples and dead letters of one task, by reason. Only what is lost takes this lock.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Tallied>);

#[derive(Debug, Default)]
pub(super) struct Tallied {
    pub(super) counted: Counted,
    /// As it was at each of the latest commits, oldest first.
    pub(super) commits: VecDeque<(u64, Numbers, Counted)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Counted {
    pub(super) kinds: HashMap<String, (u64, LossExample)>,
    pub(super) others: u64,
    pub(super) late: Option<LossExample>,
    pub(super) behind_ms: Option<u64>,
}

/// The numbers of a task that a restored run takes back.
pub(super) type Numbers = [u64; 6];

/// A run can be restored from one of the latest so many commits that were begun.
pub(super) const COMMITS_KEPT: usize = 4;

impl Tally {
    pub(super) fn lock(&self) -> MutexGuard<'_, Tallied> {
        // Counts are right at every moment, so a panic elsewhere does not matter.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

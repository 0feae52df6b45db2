//! Which epochs are committed, and how far each commit is.
//!
//! A commit is on its way from the cut of its epoch until every sink has delivered it. Only
//! then the next one is cut, but for the last epoch of the run, which does not wait to be
//! cut and waits to be written. Where a sink holds much that it is to deliver, the next commit
//! is cut as soon as none is on its way.

use std::collections::VecDeque;
use std::time::Duration;

use super::action::Action;
use crate::context::Epoch;
use crate::store::Batch;
use crate::time::Timestamp;

pub(crate) struct Commits {
    /// The least time between the cuts of two commits.
    interval: Duration,
    last_cut: Duration,
    committed: u64,
    sinks: usize,
    /// A sink holds much that waits for the next commit.
    full: bool,
    /// What not all tasks have saved: two epochs where the last one of the run is the second.
    collecting: VecDeque<Collecting>,
    /// Saved by all tasks, and waiting for the commit before it.
    ready: VecDeque<(Epoch, Vec<Batch>)>,
    writing: bool,
    /// How many sinks have not delivered the epoch that was committed last.
    delivering: usize,
    settled: Vec<Batch>,
    settling: bool,
}

struct Collecting {
    epoch: Epoch,
    batches: Vec<Batch>,
    missing: usize,
}

/// What is left to be done when every task has finished.
pub(crate) enum Settle {
    Wait,
    Commit(Epoch, Vec<Batch>),
    Done,
}

impl Commits {
    /// `committed` is the epoch that the run goes on from, 0 where it begins.
    pub(crate) fn new(interval: Duration, committed: u64, now: Duration, sinks: usize) -> Self {
        Self {
            interval,
            last_cut: now,
            committed,
            sinks,
            full: false,
            collecting: VecDeque::new(),
            ready: VecDeque::new(),
            writing: false,
            delivering: 0,
            settled: Vec::new(),
            settling: false,
        }
    }

    pub(crate) fn committed(&self) -> u64 {
        self.committed
    }

    /// What the run before had committed may not be delivered.
    pub(crate) fn begin(&mut self) -> Option<Action> {
        (self.committed > 0).then(|| self.deliver()).flatten()
    }

    fn deliver(&mut self) -> Option<Action> {
        self.delivering = self.sinks;
        (self.sinks > 0).then_some(Action::Deliver(self.committed))
    }

    /// An epoch is cut: whether it is going to be committed.
    pub(crate) fn cut(&mut self, epoch: &Epoch, now: Duration, tasks: usize) -> bool {
        let time = self.full || now >= self.last_cut.saturating_add(self.interval);
        let due = time && !self.is_busy();
        if !due && !epoch.last {
            return false;
        }
        self.last_cut = now;
        self.full = false;
        let epoch = Epoch {
            commit: true,
            ..*epoch
        };
        self.collecting.push_back(Collecting {
            epoch,
            batches: Vec::new(),
            missing: tasks,
        });
        true
    }

    fn is_busy(&self) -> bool {
        !self.collecting.is_empty() || !self.ready.is_empty() || self.writing || self.delivering > 0
    }

    /// A sink holds much that waits for the next commit.
    pub(crate) fn full(&mut self) {
        self.full = true;
    }

    /// Whether a commit should be cut now, before its time.
    pub(crate) fn is_wanted(&self) -> bool {
        self.full && !self.is_busy()
    }

    /// A task has saved what it has to commit of an epoch.
    pub(crate) fn saved(&mut self, number: u64, batch: Batch) -> Option<Action> {
        let mut all = self.collecting.iter_mut();
        let collecting = all.find(|collecting| collecting.epoch.number == number)?;
        collecting.batches.push(batch);
        collecting.missing -= 1;
        // Each task saves the earlier epoch first, so that is complete first.
        let first = self.collecting.pop_front_if(|first| first.missing == 0)?;
        self.ready.push_back((first.epoch, first.batches));
        self.write()
    }

    fn write(&mut self) -> Option<Action> {
        if self.writing || self.delivering > 0 {
            return None;
        }
        let (epoch, batches) = self.ready.pop_front()?;
        self.writing = true;
        Some(Action::Commit(epoch, batches))
    }

    /// The store has written an epoch.
    pub(crate) fn written(&mut self, epoch: u64) -> Option<Action> {
        self.writing = false;
        self.committed = epoch;
        if self.settling {
            return None;
        }
        self.deliver().or_else(|| self.write())
    }

    /// A sink has delivered an epoch.
    pub(crate) fn delivered(&mut self, epoch: u64) -> Option<Action> {
        if epoch == self.committed {
            self.delivering = self.delivering.saturating_sub(1);
        }
        self.write()
    }

    /// A sink has delivered the last epoch, and this says so.
    pub(crate) fn settled(&mut self, batch: Batch) {
        if !batch.is_empty() {
            self.settled.push(batch);
        }
    }

    /// Every task has finished after epoch `last`.
    pub(crate) fn settle(&mut self, last: u64, now: Timestamp) -> Settle {
        if self.committed < last || self.writing {
            return Settle::Wait;
        }
        if self.settled.is_empty() {
            return Settle::Done;
        }
        self.settling = true;
        self.writing = true;
        let epoch = Epoch {
            number: last + 1,
            time: now,
            last: true,
            closes: false,
            commit: true,
        };
        Settle::Commit(epoch, std::mem::take(&mut self.settled))
    }
}

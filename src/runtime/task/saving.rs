//! The part of a task that deals with durability.

use std::sync::Arc;

use super::Task;
use crate::batch::AnyBatch;
use crate::context::Epoch;
use crate::error::Result;
use crate::meaning::Meaning;
use crate::operator::{Outbox, Quarantine};
use crate::runtime::keeper::Keeper;
use crate::runtime::message::Report;
use crate::runtime::metrics::Metrics;
use crate::runtime::work::Work;
use crate::state::{State, States};
use crate::store::Batch;

/// What a task knows of the commits.
#[derive(Default)]
pub(in crate::runtime) struct Saving {
    /// Set where the run is durable.
    keeper: Option<Keeper>,
    /// The epoch that has passed and is to be saved before anything else happens.
    pub(super) due: Option<Epoch>,
    /// The last epoch that is known to be committed.
    pub(in crate::runtime) committed: u64,
    /// The last one that has passed and is going to be.
    committing: u64,
}

impl Saving {
    /// This epoch has passed.
    pub(super) fn passed(&mut self, epoch: Epoch) {
        if epoch.commit && self.keeper.is_some() {
            self.due = Some(epoch);
            self.committing = epoch.number;
        }
    }
}

impl Task {
    /// Calls `visit` for every state that the user code keeps.
    pub(crate) fn states(&mut self, visit: impl FnMut(&str, &mut dyn State) -> Result) -> Result {
        states(&mut self.work, visit)
    }

    /// What the user code says that its results mean.
    pub(crate) fn meaning(&self) -> Meaning {
        match &self.work {
            Work::Spout { spout, .. } => spout.meaning(),
            Work::Bolt(bolt) => bolt.meaning(),
        }
    }

    /// The sink's side of the outbox; none where the task is no sink.
    pub(crate) fn outbox(&mut self) -> Option<&mut dyn Outbox> {
        match &mut self.work {
            Work::Spout { .. } => None,
            Work::Bolt(bolt) => bolt.outbox(),
        }
    }

    /// Tuples that user code is not to see again.
    pub(crate) fn quarantine(&mut self, tuples: &Quarantine) {
        if let Work::Bolt(bolt) = &mut self.work {
            bolt.quarantine(Arc::clone(tuples));
        }
    }

    /// The task is durable from now on: what the user code keeps is loaded.
    pub(crate) fn keep(&mut self, keeper: Keeper) -> Result {
        self.saving.keeper = Some(keeper);
        self.context.durable = true;
        self.states(|_, state| {
            state.track();
            Ok(())
        })
    }

    /// The text of the tuple that user code had in hand when it panicked.
    pub(crate) fn culprit(&mut self) -> Option<String> {
        let mut batch: Box<dyn AnyBatch> = self.in_hand.take()?;
        match &mut self.work {
            Work::Spout { .. } => None,
            Work::Bolt(bolt) => bolt.in_hand(batch.as_mut()),
        }
    }

    /// Lets state forget what has outlived its time.
    pub(super) fn expire(&mut self, epoch: &Epoch) -> Result {
        states(&mut self.work, |_, state| {
            state.expire(epoch.time);
            Ok(())
        })
    }

    /// Saves what is to be saved of the epoch that has just passed.
    pub(super) fn save_now(&mut self) -> Result {
        let Saving { keeper, due, .. } = &mut self.saving;
        let (Some(epoch), Some(keeper)) = (due.take(), keeper) else {
            return Ok(());
        };
        self.context.fault_point("save")?;
        let began = self.shared.clock.elapsed();
        let mut batch = Batch::default();
        states(&mut self.work, |name, state| {
            keeper.save(name, state, &epoch, &mut batch)
        })?;
        if let Work::Bolt(bolt) = &mut self.work
            && let Some(outbox) = bolt.outbox()
        {
            let bytes = outbox.hand_over(&epoch)?;
            keeper.save_outbox(Some((&epoch, bytes)), &mut batch);
        }
        self.metrics.commit_counts(epoch.number);
        self.report(Report::Saved(epoch.number, batch));
        self.note_outbox();
        self.note_work(began);
        Ok(())
    }

    /// Where much waits in a sink to be delivered, the next commit should come soon.
    pub(super) fn note_outbox(&mut self) {
        let Some(outbox) = self.outbox() else {
            return;
        };
        let (full, pending) = (outbox.is_full(), outbox.pending_bytes());
        Metrics::set(&self.metrics.pending_bytes, pending);
        let Some(keeper) = &mut self.saving.keeper else {
            return;
        };
        let fills = full && !keeper.full;
        keeper.full = full;
        if fills {
            self.report(Report::Full);
        }
    }

    /// Whether a sink takes nothing more before what it has handed over is delivered. The
    /// commit does not wait for it: whoever sends to it has passed the epoch, too.
    pub(super) fn holds_back(&self) -> bool {
        let full = self
            .saving
            .keeper
            .as_ref()
            .is_some_and(|keeper| keeper.full);
        full && self.saving.committing > self.saving.committed
    }

    /// The epoch is committed: a sink delivers it, and is through after the last one.
    pub(super) fn on_committed(&mut self, epoch: u64) -> Result {
        self.save_now()?;
        self.saving.committed = epoch;
        let Some(keeper) = &mut self.saving.keeper else {
            return Ok(());
        };
        let Work::Bolt(bolt) = &mut self.work else {
            return Ok(());
        };
        let Some(outbox) = bolt.outbox() else {
            return Ok(());
        };
        if let Some(delivered) = outbox.deliver(epoch)? {
            keeper.delivered(delivered);
        }
        if self.finished && epoch >= self.passed {
            // Nothing comes with it but word of the delivery.
            let last = Epoch {
                number: epoch + 1,
                time: self.shared.clock.now(),
                last: true,
                closes: false,
                commit: true,
            };
            let mut batch = Batch::default();
            keeper.save_outbox(None, &mut batch);
            states(&mut self.work, |name, state| {
                keeper.save(name, state, &last, &mut batch)
            })?;
            self.report(Report::Settled(batch));
        }
        self.report(Report::Delivered(epoch));
        self.note_outbox();
        Ok(())
    }

    /// Whether a sink must deliver once more before it is through.
    pub(super) fn awaits_commit(&mut self) -> bool {
        if self.saving.keeper.is_none() {
            return false;
        }
        self.saving.due.is_some()
            || (self.outbox().is_some() && self.saving.committed < self.passed)
    }
}

fn states(work: &mut Work, visit: impl FnMut(&str, &mut dyn State) -> Result) -> Result {
    States::visit(visit, |states| match work {
        Work::Spout { spout, .. } => spout.state(states),
        Work::Bolt(bolt) => bolt.state(states),
    })
}

//! What a run is made of, and made of again after a failure.

use std::sync::{Arc, Mutex};

use super::clock::{Clock, stored_is_ahead};
use super::ended::InHand;
use super::metrics::Metrics;
use super::options::RunOptions;
use super::report::RunError;
use super::timings::Timings;
use crate::durable::layout::{self, Culprit};
use crate::durable::{Commit, CommitNotifier, DataDir};
use crate::fault::Faults;
use crate::store::{Batch, Claim, Store, StoreError};
use crate::topology::{Parts, PhysicalPlan, Plan, Topology};

/// A checked topology with the settings of a run.
pub(crate) struct Program {
    pub(super) plan: Plan,
    /// The same as tasks, channels and threads.
    pub(super) physical: PhysicalPlan,
    /// The components in topological order.
    pub(super) order: Vec<usize>,
    pub(super) parts: Parts,
    pub(crate) options: RunOptions,
    pub(crate) clock: Clock,
    /// What is to be said where the clock was ahead in an earlier run, once.
    pub(super) clock_was_ahead: Mutex<Option<String>>,
    pub(crate) store: Option<Store>,
    /// The store is this topology's until the run has ended.
    _claim: Option<Claim>,
    /// As [`Context::life`](crate::Context::life).
    pub(super) life: Option<u64>,
    /// The number of the data directory itself.
    pub(super) identity: Option<u64>,
    /// Told of each commit.
    pub(super) notifier: CommitNotifier,
    pub(super) faults: Faults,
    /// Of each task, over all restarts.
    pub(super) metrics: Vec<Arc<Metrics>>,
    pub(super) timings: Arc<Timings>,
}

impl Program {
    /// Checks the plan and opens the data directory.
    pub(crate) fn new(
        topology: Topology,
        mut options: RunOptions,
        clock: Clock,
        faults: Faults,
    ) -> Result<Self, RunError> {
        let plan = topology.plan();
        let order = plan.order()?;
        // The options go to those who may outlive the run for a moment: the store does not.
        let data_dir = options.data_dir.take();
        let store = data_dir.as_ref().map(DataDir::open).transpose()?;
        let claim = store.as_ref().map(|store| store.claim(&plan.name));
        let claim = claim.transpose()?;
        let parts = topology.into_parts();
        let options = options.sane();
        let physical = PhysicalPlan::of(&plan, &parts, &order, options.threads);
        let metrics = physical.tasks.iter().map(|_| Arc::default()).collect();
        let mut program = Self {
            plan,
            physical,
            order,
            parts,
            options,
            clock,
            clock_was_ahead: Mutex::default(),
            store,
            _claim: claim,
            life: None,
            identity: None,
            notifier: CommitNotifier::default(),
            faults,
            metrics,
            timings: Arc::default(),
        };
        if let Some(commit) = program.last_commit()? {
            // Moments that were given out already do not come again, whatever was done to
            // the computer's date meanwhile.
            program.clock_was_ahead = Mutex::new(stored_is_ahead(commit.time, program.clock.now()));
            program.clock = program.clock.clone().not_before(commit.time);
        }
        if let Some(store) = &program.store {
            program.life = Some(number(store, layout::LIFE)?);
            program.identity = Some(number(store, layout::IDENTITY)?);
        }
        Ok(program)
    }

    fn last_commit(&self) -> Result<Option<Commit>, RunError> {
        let Some(store) = &self.store else {
            return Ok(None);
        };
        let bytes = store.read()?.get(layout::COMMIT)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Notes a tuple that user code has panicked on.
    pub(crate) fn note(&self, culprit: &InHand) -> Result<(), StoreError> {
        let Some(store) = &self.store else {
            return Ok(());
        };
        let key = layout::culprit(&culprit.component, &culprit.tuple);
        let before = store.read()?.get(&key)?;
        let before = before.and_then(|bytes| serde_json::from_slice::<Culprit>(&bytes).ok());
        let now = Culprit {
            panics: before.map_or(0, |before| before.panics) + 1,
            message: culprit.message.clone(),
        };
        let Ok(value) = serde_json::to_vec(&now) else {
            return Ok(());
        };
        let mut batch = Batch::default();
        batch.put(key, value);
        store.commit(batch)
    }
}

impl Drop for Program {
    /// Who follows the commits sees the last one before the store is let go of.
    fn drop(&mut self) {
        self.notifier.end();
    }
}

/// A number of a store; one that has none gets one.
fn number(store: &Store, key: &[u8]) -> Result<u64, StoreError> {
    let known = store.read()?.get(key)?;
    if let Some(number) = known.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(number);
    }
    let number = fastrand::u64(..);
    let mut batch = Batch::default();
    batch.put(key.to_vec(), number.to_string().into_bytes());
    store.commit(batch)?;
    Ok(number)
}

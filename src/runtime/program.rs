//! What a run is made of, and made of again after a failure.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use super::assemble::assemble;
use super::clock::{Clock, stored_is_ahead};
use super::coordinator::Coordinator;
use super::message::TaskId;
use super::metrics::Metrics;
use super::options::RunOptions;
use super::report::RunError;
use super::task::Task;
use crate::context::Epoch;
use crate::durable::layout::{self, Culprit};
use crate::durable::{Bell, Commit, DataDir};
use crate::error::BoxError;
use crate::fault::{Faults, Killed};
use crate::store::{Batch, Claim, Store, StoreError};
use crate::topology::{Parts, Plan, PlanErrors, Topology};

/// A checked topology with the settings of a run.
pub(crate) struct Program {
    pub(super) plan: Plan,
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
    /// Rings after each commit.
    pub(super) bell: Bell,
    pub(super) faults: Faults,
    /// Of each task, over all restarts.
    pub(super) metrics: Vec<Arc<Metrics>>,
}

/// A topology ready to be driven.
pub(crate) struct Assembly {
    pub(crate) tasks: Vec<Task>,
    /// The tasks of each thread, each before those that read it.
    pub(crate) threads: Vec<Vec<TaskId>>,
    pub(crate) coordinator: Coordinator,
    pub(crate) committer: Option<Committer>,
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
        plan.check()?;
        let order = plan.topological_order().ok_or_else(|| PlanErrors {
            topology: plan.name.clone(),
            errors: Vec::new(),
        })?;
        // The options go to those who may outlive the run for a moment: the store does not.
        let data_dir = options.data_dir.take();
        let store = data_dir.as_ref().map(DataDir::open).transpose()?;
        let claim = store.as_ref().map(|store| store.claim(&plan.name));
        let claim = claim.transpose()?;
        let parts = topology.into_parts();
        let tasks = parts
            .components
            .iter()
            .map(|component| component.parallelism);
        let metrics = (0..tasks.sum()).map(|_| Arc::default()).collect();
        let mut program = Self {
            plan,
            order,
            parts,
            options: options.sane(),
            clock,
            clock_was_ahead: Mutex::default(),
            store,
            _claim: claim,
            life: None,
            bell: Bell::default(),
            faults,
            metrics,
        };
        if let Some(commit) = program.last_commit()? {
            // Moments that were given out already do not come again, whatever was done to
            // the computer's date meanwhile.
            program.clock_was_ahead = Mutex::new(stored_is_ahead(commit.time, program.clock.now()));
            program.clock = program.clock.clone().not_before(commit.time);
        }
        program.life = program.store.as_ref().map(life).transpose()?;
        Ok(program)
    }

    fn last_commit(&self) -> Result<Option<Commit>, RunError> {
        let Some(store) = &self.store else {
            return Ok(None);
        };
        let bytes = store.read()?.get(layout::COMMIT)?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Makes every task, with what is stored of it, and lets its user code get ready.
    pub(crate) fn assemble(&self, waker: impl Fn(TaskId) -> Waker) -> Result<Assembly, RunError> {
        // Code of users is guarded where it is called; what is left is named by the topology.
        let name = || self.plan.name.clone();
        let mut assembly = guarded(name, "its making", || assemble(self, waker))??;
        prepare(&mut assembly.tasks)?;
        Ok(assembly)
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
        self.bell.end();
    }
}

/// The tuple that user code panicked on.
#[derive(Debug)]
pub(crate) struct InHand {
    pub(crate) component: String,
    pub(crate) tuple: String,
    pub(crate) message: String,
}

/// The number of what a store holds; one that has none gets one.
fn life(store: &Store) -> Result<u64, StoreError> {
    let known = store.read()?.get(layout::LIFE)?;
    if let Some(life) = known.and_then(|bytes| serde_json::from_slice(&bytes).ok()) {
        return Ok(life);
    }
    let life = fastrand::u64(..);
    let mut batch = Batch::default();
    batch.put(layout::LIFE.to_vec(), life.to_string().into_bytes());
    store.commit(batch)?;
    Ok(life)
}

/// Writes epochs into the store.
pub(crate) struct Committer {
    store: Store,
    bell: Bell,
    /// What is changed by the first commit before all else.
    first: Batch,
    faults: Faults,
}

/// Why an epoch was not committed.
#[derive(Debug)]
pub(crate) enum CommitFailure {
    Store(StoreError),
    /// Something else, after which the run can be restored.
    Other(String),
    Killed,
}

impl Committer {
    pub(super) fn new(store: Store, program: &Program, first: Batch) -> Self {
        Self {
            store,
            bell: program.bell.clone(),
            first,
            faults: program.faults.clone(),
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
        self.bell.ring(epoch.number);
        self.faults
            .pass("committed")
            .map_err(|error| CommitFailure::of(&error))?;
        Ok(bytes)
    }
}

impl CommitFailure {
    fn of(error: &BoxError) -> Self {
        if error.is::<Killed>() {
            Self::Killed
        } else {
            Self::Other(error.to_string())
        }
    }
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a value that is no text".to_owned())
}

/// Calls user code of a task; a panic becomes an error that names the task and `place`, the code
/// that was called.
pub(super) fn guarded<T>(
    task: impl FnOnce() -> String,
    place: &str,
    call: impl FnOnce() -> T,
) -> Result<T, RunError> {
    // What a panic leaves behind is dropped with the attempt.
    catch_unwind(AssertUnwindSafe(call)).map_err(|panic| RunError::Panicked {
        task: task(),
        message: format!("in {place}: {}", panic_message(&*panic)),
    })
}

/// Lets the user code of every task get ready.
fn prepare(tasks: &mut [Task]) -> Result<(), RunError> {
    for task in tasks {
        let name = task.context.name();
        let place = if task.is_spout() {
            "`open`"
        } else {
            "`prepare`"
        };
        if let Err(cause) = guarded(|| name.clone(), place, || task.prepare())? {
            return Err(RunError::Start { task: name, cause });
        }
    }
    Ok(())
}

/// How an attempt at a run has ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// For good.
    Done(Result<super::report::Summary, RunError>),
    /// By a failure from which it may be restored.
    Failed(RunError, Option<InHand>),
    /// By a kill that is only played.
    Killed,
}

impl Ended {
    /// What the store said ends a run: it goes on when somebody has mended the cause.
    pub(crate) fn by(failure: CommitFailure) -> Self {
        match failure {
            CommitFailure::Store(error) => Self::Done(Err(RunError::Store(error))),
            CommitFailure::Other(message) => Self::Failed(RunError::Commit(message), None),
            CommitFailure::Killed => Self::Killed,
        }
    }
}

//! How a run ended, and what it counted.

use std::fmt;
use std::time::Duration;

use super::losses::{Losses, TooManyLost};
use crate::durable::Misfit;
use crate::error::{BoxError, Fatal, stems_from};
use crate::store::StoreError;
use crate::time::Timestamp;
use crate::topology::PlanErrors;

/// Why a run could not start, or did not end well.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The plan has mistakes; nothing was started.
    #[error(transparent)]
    Plan(#[from] PlanErrors),
    /// A task could not get ready; nothing was started.
    #[error("{task} could not start: {cause}")]
    Start {
        /// The task, as `counts[2]`.
        task: String,
        /// What its spout, bolt or sink said.
        #[source]
        cause: BoxError,
    },
    /// User code returned an error where that ends the topology.
    #[error("{task} failed: {cause}")]
    Failed {
        /// The task, as `counts[2]`.
        task: String,
        /// What its spout, bolt or sink said.
        #[source]
        cause: BoxError,
    },
    /// User code panicked.
    #[error("{task} panicked: {message}")]
    Panicked {
        /// The task, as `counts[2]`.
        task: String,
        /// The panic's message.
        message: String,
    },
    /// A graceful stop took too long.
    #[error("the topology did not stop within {drain:?}: {tasks}", tasks = tasks.join(", "))]
    Stuck {
        /// The time it was given.
        drain: Duration,
        /// The tasks that did not finish, each with what it was doing.
        tasks: Vec<String>,
    },
    /// The data directory cannot be used, or could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The topology is not the one whose state the data directory holds.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// What is stored of a task could not be loaded.
    #[error("{task} cannot go on with its state `{state}`: {cause}")]
    Restore {
        /// The task, as `counts[2]`.
        task: String,
        /// The name of the state.
        state: String,
        /// What is wrong with it.
        #[source]
        cause: BoxError,
    },
    /// More tuples were late, or more dead letters came, than the options allow.
    #[error(transparent)]
    TooManyLost(#[from] Box<TooManyLost>),
    /// The topology was restored from its last commit again and again.
    #[error(
        "gave up after {restarts} restarts within a minute; the cause of the first one: {cause}"
    )]
    GaveUp {
        /// How often it was restored.
        restarts: u32,
        /// Why the first time.
        #[source]
        cause: Box<RunError>,
    },
    /// A commit failed, but not in the store.
    #[error("the commit of an epoch failed: {0}")]
    Commit(String),
    /// A second Ctrl-C came while the topology was stopping.
    #[error("the topology was interrupted before it had stopped")]
    Interrupted,
    /// The operating system refused a thread.
    #[error("the topology could not start a thread: {0}")]
    Thread(#[source] std::io::Error),
}

impl RunError {
    /// Whether another attempt would find the same, and is not made.
    pub(crate) fn is_final(&self) -> bool {
        match self {
            Self::Start { cause, .. } | Self::Failed { cause, .. } => stems_from::<Fatal>(cause),
            Self::Store(_) | Self::Misfit(_) | Self::Plan(_) => true,
            _ => false,
        }
    }
}

/// What one component has done, over all of its tasks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ComponentStats {
    /// The component's id.
    pub component: String,
    /// How many tasks it has.
    pub tasks: usize,
    /// Tuples taken.
    pub tuples_in: u64,
    /// Tuples emitted on all streams, dead letters aside.
    pub tuples_out: u64,
    /// Tuples that came too late for their windows.
    pub late: u64,
    /// Tuples and records that could not be processed.
    pub dead_letters: u64,
    /// Messages with tuples taken.
    pub batches: u64,
    /// The share of the time in which user code ran, averaged over the tasks, `0.0..=1.0`.
    pub busy: f64,
    /// Time that the tasks waited until a reader could take more, summed.
    pub waiting: Duration,
    /// Windows that hold tuples and are not closed, the most of any task.
    pub open_windows: u64,
    /// The most tuples that a task has held at once for its readers: what one call of user code
    /// has emitted, or what has waited until a reader could take more.
    pub held: u64,
}

/// What a run has done so far, or in all.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RunStats {
    /// Time since the start.
    pub elapsed: Duration,
    /// The components in the order of their declaration.
    pub components: Vec<ComponentStats>,
    /// How many epochs every task has passed.
    pub epochs: u64,
    /// The median time from the cut of an epoch until every task had passed it.
    pub epoch_p50: Duration,
    /// The same, 99th percentile.
    pub epoch_p99: Duration,
    /// The least watermark of all tasks, and the task that holds it back.
    pub watermark: (Timestamp, String),
    /// Tuples that the spouts emitted.
    pub tuples: u64,
    /// The late tuples, and why they are.
    pub late_tuples: Box<Losses>,
    /// The dead letters, and why they are.
    pub refused: Box<Losses>,
    /// What was committed; none without a data directory.
    pub commits: Option<CommitStats>,
}

/// What a durable run has committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommitStats {
    /// The number of the epoch that was committed last.
    pub epoch: u64,
    /// How many commits this run has made.
    pub commits: u64,
    /// Bytes of the changes, before what the store adds.
    pub bytes: u64,
    /// The median time that the store took to write one.
    pub p50: Duration,
    /// The same, 99th percentile.
    pub p99: Duration,
}

impl RunStats {
    /// Tuples that the spouts emitted per second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn tuples_per_second(&self) -> f64 {
        self.tuples as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Late tuples over all components.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.components.iter().map(|component| component.late).sum()
    }

    /// Dead letters over all components.
    #[must_use]
    pub fn dead_letters(&self) -> u64 {
        self.components
            .iter()
            .map(|component| component.dead_letters)
            .sum()
    }

    /// The statistics of one component.
    #[must_use]
    pub fn component(&self, id: &str) -> Option<&ComponentStats> {
        self.components
            .iter()
            .find(|component| component.component == id)
    }
}

impl fmt::Display for RunStats {
    /// A table for people, one row for each component.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .components
            .iter()
            .map(|component| component.component.chars().count());
        let width = names.max().unwrap_or(0).max("component".len());
        writeln!(
            f,
            "{:<width$} {:>5} {:>12} {:>12} {:>8} {:>8} {:>10} {:>6} {:>11}",
            "component",
            "tasks",
            "tuples in",
            "tuples out",
            "late",
            "dead",
            "batches",
            "busy",
            "waiting"
        )?;
        for row in &self.components {
            writeln!(
                f,
                "{:<width$} {:>5} {:>12} {:>12} {:>8} {:>8} {:>10} {:>5.1}% {:>10.3}s",
                row.component,
                row.tasks,
                row.tuples_in,
                row.tuples_out,
                row.late,
                row.dead_letters,
                row.batches,
                row.busy * 100.0,
                row.waiting.as_secs_f64(),
            )?;
        }
        let (watermark, holder) = &self.watermark;
        match *watermark {
            Timestamp::MAX => writeln!(f, "watermark: end of input")?,
            Timestamp::MIN => writeln!(f, "watermark: none yet, held back by {holder}")?,
            moment => writeln!(f, "watermark: {moment}, held back by {holder}")?,
        }
        writeln!(
            f,
            "epochs: {} passed, latency p50 {:.1} ms, p99 {:.1} ms",
            self.epochs,
            self.epoch_p50.as_secs_f64() * 1e3,
            self.epoch_p99.as_secs_f64() * 1e3,
        )?;
        if let Some(commits) = &self.commits {
            writeln!(
                f,
                "commits: {} up to epoch {}, {} bytes, p50 {:.1} ms, p99 {:.1} ms",
                commits.commits,
                commits.epoch,
                commits.bytes,
                commits.p50.as_secs_f64() * 1e3,
                commits.p99.as_secs_f64() * 1e3,
            )?;
        }
        write!(
            f,
            "{} tuples in {:.3} s: {:.0} tuples/s",
            self.tuples,
            self.elapsed.as_secs_f64(),
            self.tuples_per_second()
        )
    }
}

/// How a run that went well ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Summary {
    /// Whether the input had ended; otherwise the run was stopped.
    pub input_ended: bool,
    /// What the run has done.
    pub stats: RunStats,
}

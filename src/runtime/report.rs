//! How a run ended.

use std::time::Duration;

use super::losses::TooManyLost;
use super::stats::RunStats;
use crate::durable::Misfit;
use crate::error::{BoxError, Fatal, stems_from};
use crate::store::StoreError;
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

/// How a run that went well ended.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Whether the input had ended; otherwise the run was stopped.
    pub input_ended: bool,
    /// What the run has done.
    pub stats: RunStats,
}

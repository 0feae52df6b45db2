//! How an attempt at a run ends, and what user code has to do with it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::report::{RunError, Summary};
use crate::error::BoxError;
use crate::fault::Killed;
use crate::store::StoreError;

/// How an attempt at a run has ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// For good.
    Done(Result<Summary, RunError>),
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

/// The tuple that user code panicked on.
#[derive(Debug)]
pub(crate) struct InHand {
    pub(crate) component: String,
    pub(crate) tuple: String,
    pub(crate) message: String,
}

/// Why an epoch was not committed.
#[derive(Debug)]
pub(crate) enum CommitFailure {
    Store(StoreError),
    /// Something else, after which the run can be restored.
    Other(String),
    Killed,
}

impl CommitFailure {
    pub(super) fn of(error: &BoxError) -> Self {
        if error.is::<Killed>() {
            Self::Killed
        } else {
            Self::Other(error.to_string())
        }
    }
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

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a value that is not text".to_owned())
}

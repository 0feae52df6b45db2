//! What the coordinator wants of its driver.

use super::report::{RunError, Summary};
use crate::context::Epoch;
use crate::store::Batch;

/// What the driver is to do.
#[derive(Debug)]
pub(crate) enum Action {
    /// Give this cut to every spout, with its floor.
    Cut(Epoch),
    /// Write these changes to the store.
    Commit(Epoch, Vec<Batch>),
    /// Tell every sink that this epoch is committed.
    Deliver(u64),
    /// The run is over.
    End(Result<Summary, RunError>),
}

//! What the actors tell each other, and where each task runs.

use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use ractor::ActorRef;

use crate::runtime::coordinator::Failure;
use crate::runtime::ended::CommitFailure;
use crate::runtime::message::{Report, TaskId, TaskInput};
use crate::runtime::stats::RunStats;

/// Of each task, once all actors are there.
pub(super) type Peers = Arc<OnceLock<Vec<Peer>>>;

/// Where a task runs.
#[derive(Clone)]
pub(super) struct Peer {
    pub(super) actor: ActorRef<TaskMessage>,
    /// The number of the actor.
    pub(super) thread: usize,
    /// Its position among the tasks that run there.
    pub(super) place: usize,
}

impl Peer {
    /// Sends the task something; one that is gone has failed or finished.
    pub(super) fn tell(&self, input: TaskInput) {
        let _ = self.actor.cast(TaskMessage::Input(self.place, input));
    }
}

pub(super) enum TaskMessage {
    /// For the task at this place.
    Input(usize, TaskInput),
    /// All actors exist: begin.
    Begin,
    /// The timer has run out.
    Timer,
    /// There is more to do.
    Continue,
}

pub(in crate::runtime) enum CoordinatorMessage {
    /// All actors exist: begin.
    Begin,
    Report(TaskId, Report),
    Failed(TaskId, Failure),
    /// The store has written an epoch: how long it took, and how many bytes.
    Committed(u64, Duration, usize),
    /// It could not.
    NotCommitted(CommitFailure),
    Timer,
    Stop,
    Stats(mpsc::SyncSender<RunStats>),
}

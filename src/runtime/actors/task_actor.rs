//! The tasks of one thread.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Wake;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::messages::{CoordinatorMessage, Peers, TaskMessage};
use super::thread::Timer;
use crate::error::Result as UserResult;
use crate::runtime::clock::Clock;
use crate::runtime::coordinator::Failure;
use crate::runtime::ended::panic_message;
use crate::runtime::message::{Outgoing, TaskId, TaskInput};
use crate::runtime::task::Task;

/// How many steps the tasks of a thread make before it looks at its messages again: with more
/// of them others wait for the credit that is in them.
const STEPS: usize = 2;

pub(super) struct TaskActor;

/// Places of tasks.
#[derive(Default)]
pub(super) struct Stepped {
    bolt: usize,
    spout: usize,
}

/// The tasks that share a thread.
pub(super) struct TaskState {
    /// Each before those that read it.
    pub(super) tasks: Vec<Task>,
    pub(super) thread: usize,
    /// The one whose code is running.
    pub(super) at: usize,
    /// The bolt and the spout that have made the latest steps: spouts have turns of their own,
    /// or the one whose tuples always fill a batch for a bolt would always be the next one.
    pub(super) stepped: Stepped,
    pub(super) peers: Peers,
    pub(super) coordinator: ActorRef<CoordinatorMessage>,
    pub(super) clock: Clock,
    pub(super) timer: Option<Timer>,
    pub(super) continues: bool,
    pub(super) failed: bool,
    /// Dropped with the state, after the user code: who waits for the run sees the task go.
    pub(super) _alive: mpsc::Sender<()>,
}

impl Actor for TaskActor {
    type Msg = TaskMessage;
    type State = TaskState;
    type Arguments = TaskState;

    async fn pre_start(
        &self,
        _: ActorRef<TaskMessage>,
        state: TaskState,
    ) -> Result<TaskState, ActorProcessingErr> {
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<TaskMessage>,
        message: TaskMessage,
        state: &mut TaskState,
    ) -> Result<(), ActorProcessingErr> {
        if state.failed {
            return Ok(());
        }
        // What a panic leaves behind is never used again: the task does nothing further.
        let done = catch_unwind(AssertUnwindSafe(|| state.handle(&myself, message)));
        let failure = match done {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Failure::Error(error)),
            Err(panic) => {
                let task = &mut state.tasks[state.at];
                let tuple = catch_unwind(AssertUnwindSafe(|| task.culprit()));
                let tuple = tuple.unwrap_or_default();
                Some(Failure::Panic(panic_message(&*panic), tuple))
            }
        };
        if let Some(failure) = failure {
            state.failed = true;
            let failed = CoordinatorMessage::Failed(state.tasks[state.at].id, failure);
            // Without a coordinator the run is over and nobody is left to be told.
            let _ = state.coordinator.cast(failed);
        } else if state.tasks.iter().all(Task::is_finished) {
            myself.stop(None);
        }
        Ok(())
    }
}

impl TaskState {
    fn handle(&mut self, myself: &ActorRef<TaskMessage>, message: TaskMessage) -> UserResult {
        match message {
            TaskMessage::Input(place, input) => self.accept(place, input)?,
            TaskMessage::Timer => self.timer = None,
            TaskMessage::Continue => self.continues = false,
            TaskMessage::Begin => {}
        }
        for _ in 0..STEPS {
            let Some(place) = self.next() else { break };
            self.at = place;
            if self.tasks[place].is_spout() {
                self.stepped.spout = place;
            } else {
                self.stepped.bolt = place;
            }
            self.tasks[place].step()?;
            self.deliver()?;
        }
        if self.next().is_some() {
            if !self.continues {
                self.continues = true;
                let _ = myself.cast(TaskMessage::Continue);
            }
        } else {
            self.set_timer(myself);
        }
        Ok(())
    }

    /// The task whose turn it is: a bolt if any can do something, so that what one has emitted
    /// is read before another emits more; in turn, so that nobody waits for ever.
    fn next(&self) -> Option<usize> {
        let now = self.clock.elapsed();
        let next = |stepped, spout| {
            let before = (0..stepped).rev();
            let mut places = before.chain((stepped..self.tasks.len()).rev());
            places.find(|place| {
                let task = &self.tasks[*place];
                task.is_spout() == spout && task.can_step(now)
            })
        };
        next(self.stepped.bolt, false).or_else(|| next(self.stepped.spout, true))
    }

    fn accept(&mut self, place: usize, input: TaskInput) -> UserResult {
        self.at = place;
        self.tasks[place].accept(input)?;
        self.deliver()
    }

    /// Delivers what the task at hand has to say. What is for a task on this thread is there
    /// at once.
    fn deliver(&mut self) -> UserResult {
        let Some(peers) = self.peers.get() else {
            return Ok(());
        };
        let id = self.tasks[self.at].id;
        let mut here = Vec::new();
        for outgoing in self.tasks[self.at].outgoing() {
            match outgoing {
                Outgoing::To(task, input) if peers[task].thread != self.thread => {
                    peers[task].tell(input);
                }
                Outgoing::To(task, input) => here.push((peers[task].place, input)),
                Outgoing::Report(report) => {
                    // Without a coordinator the run is over.
                    let _ = self
                        .coordinator
                        .cast(CoordinatorMessage::Report(id, report));
                }
            }
        }
        for (place, input) in here {
            self.accept(place, input)?;
        }
        Ok(())
    }

    fn set_timer(&mut self, myself: &ActorRef<TaskMessage>) {
        let deadlines = self.tasks.iter().filter_map(Task::deadline);
        let Some(deadline) = deadlines.min() else {
            return;
        };
        let span = deadline.saturating_sub(self.clock.elapsed());
        Timer::set(&mut self.timer, deadline, || {
            myself
                .send_after(span, || TaskMessage::Timer)
                .abort_handle()
        });
    }
}

/// Wakes a task's actor.
pub(super) struct TaskWaker {
    pub(super) peers: Peers,
    pub(super) task: TaskId,
    /// A message is on its way: clients wake more often than a task can look.
    pub(super) sent: Arc<AtomicBool>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if let Some(peers) = self.peers.get()
            && !self.sent.swap(true, Ordering::AcqRel)
        {
            peers[self.task].tell(TaskInput::Wake(Arc::clone(&self.sent)));
        }
    }
}

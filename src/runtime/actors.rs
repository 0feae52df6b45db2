//! The driver of real runs: each task an actor on a thread of its own.
//!
//! A thread for each task, as Storm's executors: user code that blocks holds up its own
//! task and nobody else's, whatever the number of cores. Each thread runs a ractor actor on
//! a runtime of its own; the coordinator is an actor on a further one, with the timer and
//! the signals, so that no user code can take Ctrl-C away.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::task::{Wake, Waker};
use std::thread;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::assemble::{Assembly, assemble};
use super::clock::Clock;
use super::coordinator::{Action, Coordinator, Failure};
use super::message::{Outgoing, Report, TaskId, TaskInput};
use super::options::RunOptions;
use super::report::{RunError, RunStats, Summary};
use super::task::Task;
use crate::error::Result as UserResult;
use crate::topology::Topology;

/// How many steps a task makes before it looks at its messages again.
const STEPS: usize = 8;

type Peers = Arc<OnceLock<Vec<ActorRef<TaskMessage>>>>;

enum TaskMessage {
    Input(TaskInput),
    /// All actors exist: begin.
    Begin,
    /// The timer has run out.
    Timer,
    /// There is more to do.
    Continue,
}

enum CoordinatorMessage {
    /// All actors exist: begin.
    Begin,
    Report(TaskId, Report),
    Failed(TaskId, Failure),
    Timer,
    Stop,
    Stats(mpsc::SyncSender<RunStats>),
}

/// The one timer of an actor.
struct Timer {
    at: Duration,
    running: tokio::task::AbortHandle,
}

impl Timer {
    /// Sets the timer to a time, unless it is set to an earlier one.
    fn set(
        timer: &mut Option<Self>,
        at: Duration,
        start: impl FnOnce() -> tokio::task::AbortHandle,
    ) {
        if timer.as_ref().is_some_and(|timer| timer.at <= at) {
            return;
        }
        let running = start();
        if let Some(later) = timer.replace(Self { at, running }) {
            later.running.abort();
        }
    }
}

// --- tasks ---

struct TaskActor;

struct TaskState {
    task: Task,
    peers: Peers,
    coordinator: ActorRef<CoordinatorMessage>,
    clock: Clock,
    timer: Option<Timer>,
    continues: bool,
    failed: bool,
    /// Dropped with the state, after the user code: who waits for the run sees the task go.
    _alive: mpsc::Sender<()>,
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
            Err(panic) => Some(Failure::Panic(panic_message(&*panic))),
        };
        if let Some(failure) = failure {
            state.failed = true;
            let failed = CoordinatorMessage::Failed(state.task.id, failure);
            // Without a coordinator the run is over and nobody is left to be told.
            let _ = state.coordinator.cast(failed);
        } else if state.task.is_finished() {
            myself.stop(None);
        }
        Ok(())
    }
}

pub(crate) fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a value that is no text".to_owned())
}

impl TaskState {
    fn handle(&mut self, myself: &ActorRef<TaskMessage>, message: TaskMessage) -> UserResult {
        match message {
            TaskMessage::Input(input) => self.task.accept(input)?,
            TaskMessage::Timer => self.timer = None,
            TaskMessage::Continue => self.continues = false,
            TaskMessage::Begin => {}
        }
        self.deliver();
        for _ in 0..STEPS {
            if !self.task.can_step() {
                break;
            }
            self.task.step()?;
            self.deliver();
        }
        if self.task.can_step() {
            if !self.continues {
                self.continues = true;
                // A send to oneself fails only when the actor is being stopped.
                let _ = myself.cast(TaskMessage::Continue);
            }
        } else {
            self.set_timer(myself);
        }
        Ok(())
    }

    fn deliver(&mut self) {
        let id = self.task.id;
        let Some(peers) = self.peers.get() else {
            return;
        };
        for outgoing in self.task.outgoing() {
            // A reader that is gone has failed or finished; the coordinator knows.
            match outgoing {
                Outgoing::To(task, input) => {
                    let _ = peers[task].cast(TaskMessage::Input(input));
                }
                Outgoing::Report(report) => {
                    let _ = self
                        .coordinator
                        .cast(CoordinatorMessage::Report(id, report));
                }
            }
        }
    }

    fn set_timer(&mut self, myself: &ActorRef<TaskMessage>) {
        let Some(deadline) = self.task.deadline() else {
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
struct TaskWaker {
    peers: Peers,
    task: TaskId,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if let Some(peers) = self.peers.get() {
            // A task that is gone needs no waking.
            let _ = peers[self.task].cast(TaskMessage::Input(TaskInput::Wake));
        }
    }
}

/// What the runtime of an actor's thread offers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Drivers {
    /// Timers alone: a thread that waits is woken by less.
    Time,
    /// Signals too.
    TimeAndSignals,
}

/// Runs one actor on this thread until it stops.
fn run_actor<A: Actor>(
    drivers: Drivers,
    actor: A,
    arguments: A::Arguments,
    started: &mpsc::SyncSender<Option<ActorRef<A::Msg>>>,
) {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    match drivers {
        Drivers::Time => builder.enable_time(),
        Drivers::TimeAndSignals => builder.enable_all(),
    };
    let Ok(runtime) = builder.build() else {
        let _ = started.send(None);
        return;
    };
    runtime.block_on(async {
        match Actor::spawn(None, actor, arguments).await {
            Ok((reference, handle)) => {
                let _ = started.send(Some(reference));
                // The actor's own failures have been reported by its handler.
                let _ = handle.await;
            }
            Err(_) => drop(started.send(None)),
        }
    });
}

fn spawn_actor<A: Actor>(
    name: String,
    drivers: Drivers,
    actor: A,
    arguments: A::Arguments,
) -> Result<ActorRef<A::Msg>, RunError> {
    let (started, starts) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name(name)
        .spawn(move || run_actor(drivers, actor, arguments, &started))
        .map_err(RunError::Thread)?;
    let reference = starts.recv().ok().flatten();
    reference.ok_or_else(|| RunError::Thread(std::io::Error::other("no runtime for an actor")))
}

// --- the coordinator ---

struct CoordinatorActor;

struct CoordinatorState {
    coordinator: Coordinator,
    clock: Clock,
    signals: bool,
    spouts: Vec<TaskId>,
    peers: Peers,
    /// A stop came before the tasks were there.
    stop_at_once: bool,
    timer: Option<Timer>,
    ended: Option<mpsc::SyncSender<Result<Summary, RunError>>>,
}

impl Actor for CoordinatorActor {
    type Msg = CoordinatorMessage;
    type State = CoordinatorState;
    type Arguments = CoordinatorState;

    async fn pre_start(
        &self,
        myself: ActorRef<CoordinatorMessage>,
        state: CoordinatorState,
    ) -> Result<CoordinatorState, ActorProcessingErr> {
        if state.signals {
            tokio::spawn(pass_signals(myself));
        }
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<CoordinatorMessage>,
        message: CoordinatorMessage,
        state: &mut CoordinatorState,
    ) -> Result<(), ActorProcessingErr> {
        let begun = state.peers.get().is_some();
        let action = match message {
            CoordinatorMessage::Begin if state.stop_at_once => state.coordinator.stop(),
            CoordinatorMessage::Begin => None,
            CoordinatorMessage::Report(task, report) => state.coordinator.report(task, report),
            CoordinatorMessage::Stop if begun => state.coordinator.stop(),
            CoordinatorMessage::Stop => {
                state.stop_at_once = true;
                None
            }
            CoordinatorMessage::Failed(task, failure) => {
                let error = state.coordinator.failure(task, failure);
                Some(Action::End(Err(error)))
            }
            CoordinatorMessage::Timer => {
                state.timer = None;
                if begun {
                    state.coordinator.tick()
                } else {
                    None
                }
            }
            CoordinatorMessage::Stats(reply) => {
                let _ = reply.send(state.coordinator.stats());
                None
            }
        };
        match action {
            Some(Action::Cut(epoch)) => {
                for &spout in &state.spouts {
                    let floor = state.coordinator.floor(spout);
                    let cut = TaskInput::Cut { epoch, floor };
                    if let Some(peers) = state.peers.get() {
                        // A spout that is gone has failed; its report comes.
                        let _ = peers[spout].cast(TaskMessage::Input(cut));
                    }
                }
            }
            Some(Action::End(result)) => state.end(&myself, result),
            None => {}
        }
        state.set_timer(&myself);
        Ok(())
    }
}

impl CoordinatorState {
    fn end(&mut self, myself: &ActorRef<CoordinatorMessage>, result: Result<Summary, RunError>) {
        for peer in self.peers.get().into_iter().flatten() {
            // User code that does not return cannot be stopped; its thread ends with the
            // process.
            peer.stop(None);
        }
        if let Some(ended) = self.ended.take() {
            // Nobody waits any more where the handle was dropped.
            let _ = ended.send(result);
        }
        myself.stop(None);
    }

    fn set_timer(&mut self, myself: &ActorRef<CoordinatorMessage>) {
        let deadline = self.coordinator.deadline();
        let span = deadline.saturating_sub(self.clock.elapsed());
        Timer::set(&mut self.timer, deadline, || {
            myself
                .send_after(span, || CoordinatorMessage::Timer)
                .abort_handle()
        });
    }
}

/// Turns every Ctrl-C and SIGTERM into a stop.
async fn pass_signals(coordinator: ActorRef<CoordinatorMessage>) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        );
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            tracing::warn!("signals cannot be handled: Ctrl-C will not stop gracefully");
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tracing::info!("stopping");
            if coordinator.cast(CoordinatorMessage::Stop).is_err() {
                return;
            }
        }
    }
    #[cfg(not(unix))]
    while tokio::signal::ctrl_c().await.is_ok() {
        tracing::info!("stopping");
        if coordinator.cast(CoordinatorMessage::Stop).is_err() {
            return;
        }
    }
}

// --- the user's side ---

/// A topology that runs on threads of its own.
///
/// Dropping it lets the topology run on.
#[must_use = "wait for the end of the run, or its result is lost"]
pub struct Running {
    coordinator: ActorRef<CoordinatorMessage>,
    // A receiver may not be shared between threads by itself; `stats` and `stop` are called
    // from others while one waits.
    end: Mutex<End>,
}

/// The end of a run, once it is known.
struct End {
    ends: mpsc::Receiver<Result<Summary, RunError>>,
    result: Option<Result<Summary, RunError>>,
    /// Says when the last task is gone.
    gone: mpsc::Receiver<()>,
}

/// After a run that went well its tasks, and what they hold open, are waited for so long.
const CLOSE: Duration = Duration::from_secs(5);

/// After a failure user code that still runs is waited for so long.
const CLOSE_AFTER_FAILURE: Duration = Duration::from_millis(500);

impl Running {
    /// Asks for a graceful stop: spouts stop, what was accepted is processed, and
    /// [`Running::wait`] returns. A second call ends the run at once.
    pub fn stop(&self) {
        // Where the coordinator is gone the run has ended already.
        let _ = self.coordinator.cast(CoordinatorMessage::Stop);
    }

    /// What the run has done so far; none after its end.
    #[must_use]
    pub fn stats(&self) -> Option<RunStats> {
        let (reply, stats) = mpsc::sync_channel(1);
        self.coordinator
            .cast(CoordinatorMessage::Stats(reply))
            .ok()?;
        stats.recv_timeout(Duration::from_secs(1)).ok()
    }

    /// Waits for the end of the run, at most for `timeout`; says whether it has come.
    #[must_use]
    pub fn ends_within(&self, timeout: Duration) -> bool {
        let mut end = self.end.lock().unwrap_or_else(PoisonError::into_inner);
        if end.result.is_none() {
            end.result = match end.ends.recv_timeout(timeout) {
                Ok(result) => Some(result),
                Err(mpsc::RecvTimeoutError::Timeout) => None,
                Err(mpsc::RecvTimeoutError::Disconnected) => Some(Err(RunError::Interrupted)),
            };
        }
        end.result.is_some()
    }

    /// Waits for the end of the run, and then until every task has dropped its user code
    /// (at most for 5 s; after a failure 500 ms, since user code may never return).
    ///
    /// # Errors
    /// As [`Topology::run`].
    pub fn wait(self) -> Result<Summary, RunError> {
        let end = self.end.into_inner();
        let End { ends, result, gone } = end.unwrap_or_else(PoisonError::into_inner);
        let result = result.unwrap_or_else(|| ends.recv().unwrap_or(Err(RunError::Interrupted)));
        let patience = if result.is_ok() {
            CLOSE
        } else {
            CLOSE_AFTER_FAILURE
        };
        // Nothing is ever sent: the wait ends when the last task is gone.
        let _ = gone.recv_timeout(patience);
        result
    }
}

impl Topology {
    /// Runs the topology until its input ends, Ctrl-C, or a failure.
    ///
    /// # Errors
    /// Mistakes in the plan and tasks that cannot get ready, before anything runs; then the
    /// first failure, naming the component and task, or what kept a stop from ending.
    pub fn run(self, options: RunOptions) -> Result<Summary, RunError> {
        self.start(options)?.wait()
    }

    /// Starts the topology and gives it back as a handle.
    ///
    /// # Errors
    /// Mistakes in the plan and tasks that cannot get ready; nothing runs then.
    pub fn start(self, options: RunOptions) -> Result<Running, RunError> {
        let options = options.sane();
        let clock = Clock::system();
        let peers = Peers::default();
        let waker = |task| {
            let peers = Arc::clone(&peers);
            Waker::from(Arc::new(TaskWaker { peers, task }))
        };
        let Assembly {
            mut tasks,
            coordinator,
        } = assemble(self, &options, &clock, waker)?;
        prepare(&mut tasks)?;

        let (ended, ends) = mpsc::sync_channel(1);
        let (alive, gone) = mpsc::channel();
        let spouts = tasks.iter().filter(|task| task.is_spout());
        let state = CoordinatorState {
            coordinator,
            clock: clock.clone(),
            signals: options.signals,
            spouts: spouts.map(|task| task.id).collect(),
            peers: Arc::clone(&peers),
            stop_at_once: false,
            timer: None,
            ended: Some(ended),
        };
        let coordinator = spawn_actor(
            "coordinator".to_owned(),
            Drivers::TimeAndSignals,
            CoordinatorActor,
            state,
        )?;
        let mut actors = Vec::with_capacity(tasks.len());
        for task in tasks {
            let name = task.context.name();
            let state = TaskState {
                task,
                peers: Arc::clone(&peers),
                coordinator: coordinator.clone(),
                clock: clock.clone(),
                timer: None,
                continues: false,
                failed: false,
                _alive: alive.clone(),
            };
            match spawn_actor(name, Drivers::Time, TaskActor, state) {
                Ok(actor) => actors.push(actor),
                Err(error) => {
                    for actor in &actors {
                        actor.stop(None);
                    }
                    coordinator.stop(None);
                    return Err(error);
                }
            }
        }
        // Nobody else sets the list, so it is empty until here.
        let _ = peers.set(actors);
        for actor in peers.get().into_iter().flatten() {
            let _ = actor.cast(TaskMessage::Begin);
        }
        let _ = coordinator.cast(CoordinatorMessage::Begin);
        Ok(Running {
            coordinator,
            end: Mutex::new(End {
                ends,
                result: None,
                gone,
            }),
        })
    }
}

/// Lets the user code of every task get ready.
pub(crate) fn prepare(tasks: &mut [Task]) -> Result<(), RunError> {
    for task in tasks {
        let name = task.context.name();
        match catch_unwind(AssertUnwindSafe(|| task.prepare())) {
            Ok(Ok(())) => {}
            Ok(Err(cause)) => return Err(RunError::Start { task: name, cause }),
            Err(panic) => {
                let message = panic_message(&*panic);
                return Err(RunError::Panicked {
                    task: name,
                    message,
                });
            }
        }
    }
    Ok(())
}

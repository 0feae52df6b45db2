//! The actors of a real run, each on a thread of its own: one for each task or chain of tasks
//! whose code may wait, and one for each core for all others.
//!
//! User code that waits holds up its own task and nobody else's, as with Storm's executors,
//! whatever the number of cores. What never waits shares a thread, and with it the
//! core's cache. Each thread runs a ractor actor on a runtime of its own; the
//! coordinator is an actor on a further one, with the timer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::action::Action;
use super::assemble::Assembly;
use super::clock::Clock;
use super::committer::Committer;
use super::coordinator::{Coordinator, Failure};
use super::ended::{CommitFailure, Ended, panic_message};
use super::message::{Outgoing, Report, TaskId, TaskInput};
use super::report::{RunError, RunStats};
use super::task::Task;
use crate::context::Epoch;
use crate::error::Result as UserResult;
use crate::store::Batch;

/// How many steps the tasks of a thread make before it looks at its messages again: with more
/// of them others wait for the credit that is in them.
const STEPS: usize = 2;

type Peers = Arc<OnceLock<Vec<Peer>>>;

/// Where a task runs.
#[derive(Clone)]
struct Peer {
    actor: ActorRef<TaskMessage>,
    /// The number of the actor.
    thread: usize,
    /// Its position among the tasks that run there.
    place: usize,
}

impl Peer {
    /// Sends the task something; one that is gone has failed or finished.
    fn tell(&self, input: TaskInput) {
        let _ = self.actor.cast(TaskMessage::Input(self.place, input));
    }
}

enum TaskMessage {
    /// For the task at this place.
    Input(usize, TaskInput),
    /// All actors exist: begin.
    Begin,
    /// The timer has run out.
    Timer,
    /// There is more to do.
    Continue,
}

pub(super) enum CoordinatorMessage {
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

/// Places of tasks.
#[derive(Default)]
struct Stepped {
    bolt: usize,
    spout: usize,
}

/// The tasks that share a thread.
struct TaskState {
    /// Each before those that read it.
    tasks: Vec<Task>,
    thread: usize,
    /// The one whose code is running.
    at: usize,
    /// The bolt and the spout that have made the latest steps: spouts have turns of their own,
    /// or the one whose tuples always fill a batch for a bolt would always be the next one.
    stepped: Stepped,
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
struct TaskWaker {
    peers: Peers,
    task: TaskId,
    /// A message is on its way: clients wake more often than a task can look.
    sent: Arc<AtomicBool>,
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

/// Runs one actor on this thread until it stops.
fn run_actor<A: Actor>(
    actor: A,
    arguments: A::Arguments,
    started: &mpsc::SyncSender<Option<ActorRef<A::Msg>>>,
) {
    // Timers alone: a thread that waits is woken by less.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let Ok(runtime) = runtime else {
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
    actor: A,
    arguments: A::Arguments,
) -> Result<ActorRef<A::Msg>, RunError> {
    let (started, starts) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name(name)
        .spawn(move || run_actor(actor, arguments, &started))
        .map_err(RunError::Thread)?;
    let reference = starts.recv().ok().flatten();
    reference.ok_or_else(|| RunError::Thread(std::io::Error::other("no runtime for an actor")))
}

// --- the coordinator ---

struct CoordinatorActor;

struct CoordinatorState {
    coordinator: Coordinator,
    clock: Clock,
    spouts: Vec<TaskId>,
    sinks: Vec<TaskId>,
    /// The thread that writes commits, where there is one.
    store: Option<mpsc::Sender<(Epoch, Vec<Batch>)>>,
    peers: Peers,
    timer: Option<Timer>,
    ended: Option<mpsc::SyncSender<Ended>>,
}

impl Actor for CoordinatorActor {
    type Msg = CoordinatorMessage;
    type State = CoordinatorState;
    type Arguments = CoordinatorState;

    async fn pre_start(
        &self,
        _: ActorRef<CoordinatorMessage>,
        state: CoordinatorState,
    ) -> Result<CoordinatorState, ActorProcessingErr> {
        Ok(state)
    }

    async fn handle(
        &self,
        myself: ActorRef<CoordinatorMessage>,
        message: CoordinatorMessage,
        state: &mut CoordinatorState,
    ) -> Result<(), ActorProcessingErr> {
        let coordinator = &mut state.coordinator;
        let action = match message {
            CoordinatorMessage::Begin => coordinator.begin(),
            CoordinatorMessage::Report(task, report) => coordinator.report(task, report),
            CoordinatorMessage::Stop => coordinator.stop(),
            CoordinatorMessage::Committed(epoch, took, bytes) => {
                coordinator.note_commit(took, bytes);
                coordinator.committed(epoch)
            }
            CoordinatorMessage::NotCommitted(failure) => {
                state.end(&myself, Ended::by(failure));
                None
            }
            CoordinatorMessage::Failed(task, failure) => {
                let ended = coordinator.failed(task, failure);
                state.end(&myself, ended);
                None
            }
            CoordinatorMessage::Timer => {
                state.timer = None;
                coordinator.tick()
            }
            CoordinatorMessage::Stats(reply) => {
                let _ = reply.send(coordinator.stats());
                None
            }
        };
        match action {
            Some(Action::Cut(epoch)) => {
                for &spout in &state.spouts {
                    let floor = state.coordinator.floor(spout);
                    state.tell(spout, TaskInput::Cut { epoch, floor });
                }
            }
            Some(Action::Commit(epoch, batches)) => {
                if let Some(store) = &state.store {
                    // The thread ends only after this end of the channel.
                    let _ = store.send((epoch, batches));
                }
            }
            Some(Action::Deliver(epoch)) => {
                for &sink in &state.sinks {
                    state.tell(sink, TaskInput::Committed(epoch));
                }
            }
            Some(Action::End(result)) => state.end(&myself, Ended::Done(result)),
            None => {}
        }
        state.set_timer(&myself);
        Ok(())
    }
}

impl CoordinatorState {
    fn tell(&self, task: TaskId, input: TaskInput) {
        if let Some(peers) = self.peers.get() {
            peers[task].tell(input);
        }
    }

    fn end(&mut self, myself: &ActorRef<CoordinatorMessage>, ended: Ended) {
        for peer in self.peers.get().into_iter().flatten() {
            // User code that does not return cannot be stopped; its thread ends with the
            // process.
            peer.actor.stop(None);
        }
        self.store = None;
        if let Some(tell) = self.ended.take() {
            // Whoever waits has not gone: it is the thread of the run.
            let _ = tell.send(ended);
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

// --- a whole attempt ---

/// The actors of a run, until it ends or fails.
pub(super) struct Attempt {
    pub(super) coordinator: ActorRef<CoordinatorMessage>,
    pub(super) ended: mpsc::Receiver<Ended>,
    /// Says when the last task is gone: nothing is ever sent.
    pub(super) gone: mpsc::Receiver<()>,
    /// The thread that writes commits.
    pub(super) store: Option<thread::JoinHandle<()>>,
}

/// The list of the actors of an attempt, filled when all are there; wakers need it before.
#[derive(Default)]
pub(super) struct Roll(Peers);

impl Roll {
    pub(super) fn waker(&self, task: TaskId) -> Waker {
        let peers = Arc::clone(&self.0);
        let sent = Arc::default();
        Waker::from(Arc::new(TaskWaker { peers, task, sent }))
    }
}

/// Starts the actors of an assembly, whose wakers came from this roll.
pub(super) fn launch(assembly: Assembly, roll: Roll, clock: &Clock) -> Result<Attempt, RunError> {
    let Assembly {
        mut tasks,
        threads,
        coordinator,
        committer,
    } = assembly;
    let Roll(peers) = roll;
    let (ended, ends) = mpsc::sync_channel(1);
    let (alive, gone) = mpsc::channel();
    let (commits, to_write) = mpsc::channel();
    let sinks = tasks.iter_mut().filter_map(|task| {
        let id = task.id;
        task.outbox().map(|_| id)
    });
    let sinks = sinks.collect();
    let spouts = tasks.iter().filter(|task| task.is_spout());
    let state = CoordinatorState {
        coordinator,
        clock: clock.clone(),
        spouts: spouts.map(|task| task.id).collect(),
        sinks,
        store: committer.is_some().then_some(commits),
        peers: Arc::clone(&peers),
        timer: None,
        ended: Some(ended),
    };
    let coordinator = spawn_actor("coordinator".to_owned(), CoordinatorActor, state)?;
    let store = committer.map(|committer| start_store(committer, to_write, coordinator.clone()));
    let store = store.transpose().inspect_err(|_| coordinator.stop(None))?;
    let mut tasks: Vec<Option<Task>> = tasks.into_iter().map(Some).collect();
    let mut actors: Vec<Option<Peer>> = vec![None; tasks.len()];
    for (thread, ids) in threads.into_iter().enumerate() {
        let mut of_thread: Vec<Task> = ids.iter().filter_map(|id| tasks[*id].take()).collect();
        let turns = of_thread.len();
        for task in &mut of_thread {
            task.set_turns(turns);
        }
        let name = thread_name(&of_thread);
        let state = TaskState {
            tasks: of_thread,
            thread,
            at: 0,
            stepped: Stepped::default(),
            peers: Arc::clone(&peers),
            coordinator: coordinator.clone(),
            clock: clock.clone(),
            timer: None,
            continues: false,
            failed: false,
            _alive: alive.clone(),
        };
        match spawn_actor(name, TaskActor, state) {
            Ok(actor) => {
                for (place, id) in ids.into_iter().enumerate() {
                    let actor = actor.clone();
                    actors[id] = Some(Peer {
                        actor,
                        thread,
                        place,
                    });
                }
            }
            Err(error) => {
                for peer in actors.iter().flatten() {
                    peer.actor.stop(None);
                }
                coordinator.stop(None);
                return Err(error);
            }
        }
    }
    // Every task is on one thread; nobody else sets the list, so it is empty until here.
    let _ = peers.set(actors.into_iter().flatten().collect());
    for peer in peers
        .get()
        .into_iter()
        .flatten()
        .filter(|peer| peer.place == 0)
    {
        let _ = peer.actor.cast(TaskMessage::Begin);
    }
    let _ = coordinator.cast(CoordinatorMessage::Begin);
    Ok(Attempt {
        coordinator,
        ended: ends,
        gone,
        store,
    })
}

/// The name of a thread with these tasks.
fn thread_name(tasks: &[Task]) -> String {
    const NAMED: usize = 4;
    let names = tasks.iter().map(|task| task.context.name());
    let mut names: Vec<String> = names.take(NAMED).collect();
    if tasks.len() > NAMED {
        names.push(format!("{} more", tasks.len() - NAMED));
    }
    names.join("+")
}

/// Starts the thread that writes commits; it ends with the coordinator.
fn start_store(
    mut committer: Committer,
    commits: mpsc::Receiver<(Epoch, Vec<Batch>)>,
    coordinator: ActorRef<CoordinatorMessage>,
) -> Result<thread::JoinHandle<()>, RunError> {
    let write = move || {
        for (epoch, batches) in commits {
            let began = Instant::now();
            let done = committer.commit(&epoch, batches);
            let message = match done {
                Ok(bytes) => CoordinatorMessage::Committed(epoch.number, began.elapsed(), bytes),
                Err(failure) => CoordinatorMessage::NotCommitted(failure),
            };
            // Where the coordinator is gone the run is over.
            let _ = coordinator.cast(message);
        }
    };
    thread::Builder::new()
        .name("store".to_owned())
        .spawn(write)
        .map_err(RunError::Thread)
}

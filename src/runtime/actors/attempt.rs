//! All actors of a run.

use std::sync::{Arc, mpsc};
use std::task::Waker;
use std::thread;
use std::time::Instant;

use ractor::ActorRef;

use super::coordinator_actor::{CoordinatorActor, CoordinatorState};
use super::messages::{CoordinatorMessage, Peer, Peers, TaskMessage};
use super::task_actor::{Stepped, TaskActor, TaskState, TaskWaker};
use super::thread::spawn_actor;
use crate::clients::Clients;
use crate::context::Epoch;
use crate::runtime::assemble::Assembly;
use crate::runtime::clock::Clock;
use crate::runtime::committer::Committer;
use crate::runtime::ended::Ended;
use crate::runtime::message::TaskId;
use crate::runtime::report::RunError;
use crate::runtime::stats::RunStats;
use crate::runtime::task::Task;
use crate::store::Batch;

/// The actors of a run, until it ends or fails.
pub(in crate::runtime) struct Attempt {
    pub(in crate::runtime) coordinator: ActorRef<CoordinatorMessage>,
    pub(in crate::runtime) ended: mpsc::Receiver<(Ended, RunStats)>,
    /// Says when the last task is gone: nothing is ever sent.
    pub(in crate::runtime) gone: mpsc::Receiver<()>,
    /// The thread that writes commits.
    pub(in crate::runtime) store: Option<thread::JoinHandle<()>>,
    /// What the clients of its tasks run on.
    pub(in crate::runtime) clients: Arc<Clients>,
}

/// The list of the actors of an attempt, filled when all are there; wakers need it before.
#[derive(Default)]
pub(in crate::runtime) struct Roll(Peers);

impl Roll {
    pub(in crate::runtime) fn waker(&self, task: TaskId) -> Waker {
        let peers = Arc::clone(&self.0);
        let sent = Arc::default();
        Waker::from(Arc::new(TaskWaker { peers, task, sent }))
    }
}

/// Starts the actors of an assembly, whose wakers came from this roll.
pub(in crate::runtime) fn launch(
    assembly: Assembly,
    roll: Roll,
    clock: &Clock,
) -> Result<Attempt, RunError> {
    let Assembly {
        mut tasks,
        threads,
        coordinator,
        committer,
    } = assembly;
    let clients = tasks.first().map(|task| Arc::clone(&task.shared.clients));
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
        clients: clients.unwrap_or_default(),
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

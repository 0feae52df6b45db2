//! A run as its user sees it, and the thread that keeps it going: it ends the run, or
//! restores it from the last commit after a failure.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::actors::{Attempt, Roll, launch};
use super::assemble::Assembly;
use super::clock::Clock;
use super::control::Control;
use super::ended::{Ended, InHand, guarded};
use super::options::RunOptions;
use super::program::Program;
use super::report::{RunError, Summary};
use super::signals::at_stop_signals;
use super::stats::RunStats;
use super::supervisor::{Cause, Supervisor, Verdict};
use super::watch::Watch;
#[cfg(unix)]
use crate::durable::Socket;
use crate::durable::Views;
use crate::topology::{Plan, Topology};

/// A running topology, on its own threads.
///
/// The topology runs on if this is dropped.
#[must_use = "wait for the end of the run, or its result is lost"]
pub struct Running {
    control: Control,
    plan: Arc<Plan>,
    views: Option<Views>,
    // A receiver may not be shared between threads by itself; `stats` and `stop` are called
    // from others while one waits.
    end: Mutex<End>,
}

/// The end of a run, once it is known.
struct End {
    ends: mpsc::Receiver<Result<Summary, RunError>>,
    result: Option<Result<Summary, RunError>>,
}

/// After a run that went well its tasks, and what they hold open, are waited for so long.
const CLOSE: Duration = Duration::from_secs(5);

/// After a failure user code that still runs is waited for so long.
const CLOSE_AFTER_FAILURE: Duration = Duration::from_millis(500);

impl Running {
    /// Asks for a graceful stop: spouts stop, what was accepted is processed, and
    /// [`Running::wait`] returns. A second call ends the run at once.
    pub fn stop(&self) {
        self.control.stop();
    }

    /// What the run has done so far; none after its end, and while it is being restored
    /// after a failure.
    #[must_use]
    pub fn stats(&self) -> Option<RunStats> {
        self.control.ask()
    }

    /// Sees the run from other threads, also after its end.
    #[must_use]
    pub fn watch(&self) -> Watch {
        Watch::new(Arc::clone(&self.plan), self.control.clone())
    }

    /// The state of the run for readers, as of its last commit; none without a data
    /// directory.
    #[must_use]
    pub fn views(&self) -> Option<Views> {
        self.views.clone()
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

    /// Waits for the end of the run, and until every task has dropped its user code (at
    /// most for 5 s; after a failure 500 ms, since user code may never return).
    ///
    /// # Errors
    /// As [`Topology::run`].
    pub fn wait(self) -> Result<Summary, RunError> {
        let end = self.end.into_inner();
        let End { ends, result } = end.unwrap_or_else(PoisonError::into_inner);
        result.unwrap_or_else(|| ends.recv().unwrap_or(Err(RunError::Interrupted)))
    }
}

impl Topology {
    /// Runs the topology until its input ends, Ctrl-C, or a failure. With a data directory
    /// ([`RunOptions::data_dir`]) it goes on from the last commit, also after a failure.
    ///
    /// # Errors
    /// Mistakes in the plan, a data directory that cannot be used, and tasks that cannot get
    /// ready, before anything runs; then the first failure, naming the component and task,
    /// or what kept a stop from ending.
    pub fn run(self, options: RunOptions) -> Result<Summary, RunError> {
        self.start(options)?.wait()
    }

    /// Starts the topology and gives it back as a handle.
    ///
    /// # Errors
    /// Mistakes in the plan, a data directory that cannot be used, tasks that cannot get ready,
    /// and threads or signals that cannot be had; nothing runs then.
    pub fn start(self, options: RunOptions) -> Result<Running, RunError> {
        let faults = options.faults.clone();
        let program = Program::new(self, options, Clock::system(), faults)?;
        let made = make(&program)?;
        let control = Control::new(made.0.coordinator.stats());
        let plan = Arc::new(program.plan.clone());
        // All that may be missing is had before a task runs.
        let (hand_over, handed_over) = mpsc::sync_channel(1);
        let (ended, ends) = mpsc::sync_channel(1);
        let of_run = control.clone();
        thread::Builder::new()
            .name("run".to_owned())
            .spawn(move || {
                // Nothing is handed over where nothing runs.
                if let Ok(begun) = handed_over.recv() {
                    // Nobody waits any more where the handle was dropped.
                    let _ = ended.send(run(begun, &of_run));
                }
            })
            .map_err(RunError::Thread)?;
        if program.options.signals {
            // No user code can take Ctrl-C away.
            let control = control.clone();
            at_stop_signals(move || {
                tracing::info!("stopping");
                control.stop();
            })
            .map_err(RunError::Thread)?;
        }
        let attempt = begin(&program, &control, made)?;
        let store = program.store.as_ref();
        let views = store.map(|store| Views::of_run(store, program.notifier.clone()));
        let begun = Begun {
            #[cfg(unix)]
            socket: store.and_then(Socket::open),
            program,
            attempt,
        };
        // The thread is there: it waits for this.
        let _ = hand_over.send(begun);
        Ok(Running {
            control,
            plan,
            views,
            end: Mutex::new(End { ends, result: None }),
        })
    }
}

/// What the thread of a run is given.
struct Begun {
    #[cfg(unix)]
    socket: Option<Arc<Socket>>,
    program: Program,
    attempt: Attempt,
}

/// Keeps a run going until its end.
fn run(begun: Begun, control: &Control) -> Result<Summary, RunError> {
    let Begun {
        #[cfg(unix)]
        socket,
        program,
        attempt,
    } = begun;
    // Code of users that is called here is guarded by itself.
    let name = || program.plan.name.clone();
    let going = || keep_going(&program, control, attempt);
    let result = guarded(name, "the thread of the run", going).flatten();
    control.end(&result);
    // The data directory is let go of before anybody hears of the end.
    #[cfg(unix)]
    drop(socket);
    drop(program);
    result
}

/// The tasks, and the list of their actors, which is empty yet.
type Made = (Assembly, Roll);

/// Makes the tasks.
fn make(program: &Program) -> Result<Made, RunError> {
    let roll = Roll::default();
    let assembly = program.assemble(|task| roll.waker(task))?;
    Ok((assembly, roll))
}

/// Starts the tasks.
fn begin(program: &Program, control: &Control, made: Made) -> Result<Attempt, RunError> {
    let (assembly, roll) = made;
    let attempt = launch(assembly, roll, &program.clock)?;
    control.pass_to(attempt.coordinator.clone());
    Ok(attempt)
}

/// Waits for the end of the run; restores it after a failure, as far as that goes.
fn keep_going(
    program: &Program,
    control: &Control,
    mut attempt: Attempt,
) -> Result<Summary, RunError> {
    let mut supervisor = Supervisor::new(program.options.restarts);
    loop {
        let (ended, stats) = match attempt.ended.recv() {
            Ok((ended, stats)) => (ended, Some(stats)),
            Err(_) => (Ended::Killed, None),
        };
        control.left(stats);
        let (mut error, in_hand) = match ended {
            Ended::Done(result) => {
                if result.is_err() {
                    attempt.clients.end();
                }
                close(
                    attempt,
                    if result.is_ok() {
                        CLOSE
                    } else {
                        CLOSE_AFTER_FAILURE
                    },
                );
                return result;
            }
            // The coordinator is gone without a word: it has panicked.
            Ended::Killed => {
                attempt.clients.end();
                return Err(RunError::Interrupted);
            }
            Ended::Failed(error, in_hand) => (error, in_hand),
        };
        // A sink whose target is away would wait for it, and deliver when the run is restored.
        attempt.clients.end();
        let mut cause = Cause::of(&error, in_hand.as_ref());
        if !close(attempt, program.options.drain) {
            tracing::warn!(
                "the user code of a task does not return, so the topology is not restored"
            );
            return Err(error);
        }
        note(program, in_hand)?;
        control.restores(&error);
        attempt = loop {
            match supervisor.failed(program.clock.elapsed(), error, cause) {
                Verdict::Restart(pause) => wait(control, pause),
                Verdict::End(error) => return Err(error),
            }
            match make(program).and_then(|made| begin(program, control, made)) {
                Ok(attempt) => {
                    program.timings.note_restart();
                    break attempt;
                }
                Err(failed) if failed.is_final() => return Err(failed),
                Err(failed) => {
                    control.restores(&failed);
                    cause = Cause::of(&failed, None);
                    error = failed;
                }
            }
        };
    }
}

/// Remembers the tuple that user code panicked on.
fn note(program: &Program, in_hand: Option<InHand>) -> Result<(), RunError> {
    let Some(in_hand) = in_hand else {
        return Ok(());
    };
    Ok(program.note(&in_hand)?)
}

/// Waits until the tasks are gone, and the last commit is written; says whether they are.
fn close(attempt: Attempt, patience: Duration) -> bool {
    let gone = attempt.gone.recv_timeout(patience);
    // Whoever is left delivers nothing to what another run may deliver to.
    attempt.clients.end();
    if let Some(store) = attempt.store {
        // It ends when the coordinator is gone, which was the last to speak.
        let _ = store.join();
    }
    gone == Err(mpsc::RecvTimeoutError::Disconnected)
}

/// The pause before a run is restored is waited out in pieces of this length, so that a stop
/// is noticed.
const PAUSE_PIECE: Duration = Duration::from_millis(50);

/// Waits before the run is restored, but not once a stop was asked for.
fn wait(control: &Control, pause: Duration) {
    let mut left = pause;
    while left > Duration::ZERO && control.stops() == 0 {
        let piece = left.min(PAUSE_PIECE);
        thread::park_timeout(piece);
        left = left.saturating_sub(piece);
    }
}

//! The driver of tests: all tasks on this thread, virtual time, a seeded order.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::action::Action;
use super::assemble::Assembly;
use super::clock::Clock;
use super::committer::Committer;
use super::coordinator::{Coordinator, Failure};
use super::ended::{Ended, panic_message};
use super::message::{Outgoing, TaskId, TaskInput};
use super::options::RunOptions;
use super::program::Program;
use super::report::{RunError, Summary};
use super::supervisor::{Cause, Supervisor, Verdict};
use super::task::Task;
use crate::context::Epoch;
use crate::fault::Killed;
use crate::store::Batch;
use crate::time::Timestamp;
use crate::topology::Topology;

/// The coordinator as a sender of messages.
const COORDINATOR: TaskId = TaskId::MAX;

/// Wakers may be called from threads that a spout has started, so what they note is locked.
type Woken = Arc<Mutex<Vec<TaskId>>>;

struct NoteWake {
    woken: Woken,
    task: TaskId,
}

impl Wake for NoteWake {
    fn wake(self: Arc<Self>) {
        let mut woken = self.woken.lock().unwrap_or_else(PoisonError::into_inner);
        woken.push(self.task);
    }
}

struct Single<'r> {
    tasks: Vec<Task>,
    coordinator: Coordinator,
    committer: Option<Committer>,
    /// What the store is to write; it takes its time, as on a thread of its own.
    writing: Option<(Epoch, Vec<Batch>)>,
    clock: Clock,
    woken: Woken,
    /// What is on its way, in order for each pair of sender and receiver.
    wires: BTreeMap<(TaskId, TaskId), VecDeque<TaskInput>>,
    random: &'r mut fastrand::Rng,
    /// How often time has passed since a task had a time to wait for.
    quiet: usize,
    may_be_quiet: bool,
}

/// Virtual time that a step of a task takes, so that time passes while there is work.
const STEP: Duration = Duration::from_micros(100);

/// After so many epochs without a sign of a task a run without an end is given up.
const QUIET_EPOCHS: usize = 1_000;

/// Runs a topology on this thread; see [`TopologyTest`](crate::testing::TopologyTest).
pub(crate) fn run_on_this_thread(
    topology: Topology,
    options: RunOptions,
    began: Timestamp,
    seed: u64,
) -> Result<Summary, RunError> {
    let clock = Clock::manual(began);
    let faults = options.faults.simulated();
    let program = Program::new(topology, options, clock, faults)?;
    let mut supervisor = Supervisor::new(program.options.restarts);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut first = true;
    loop {
        let (error, in_hand) = match attempt(&program, &mut random) {
            Ok(Ended::Done(result)) => return result,
            Ok(Ended::Killed) => {
                // Whoever starts the process again after a kill does so after a failure, too.
                first = false;
                continue;
            }
            Ok(Ended::Failed(error, in_hand)) => (error, in_hand),
            Err(RunError::Failed { cause, .. }) if cause.is::<Killed>() => continue,
            Err(error) if first || error.is_final() => return Err(error),
            Err(error) => (error, None),
        };
        first = false;
        let cause = Cause::of(&error, in_hand.as_ref());
        if let Some(in_hand) = in_hand {
            program.note(&in_hand)?;
        }
        match supervisor.failed(program.clock.elapsed(), error, cause) {
            Verdict::Restart(pause) => {
                program.timings.note_restart();
                let end = program.clock.elapsed().saturating_add(pause);
                program.clock.advance_to(end);
            }
            Verdict::End(error) => return Err(error),
        }
    }
}

/// Runs it until it ends or fails.
fn attempt(program: &Program, random: &mut fastrand::Rng) -> Result<Ended, RunError> {
    let woken = Woken::default();
    let waker = |task| {
        let woken = Arc::clone(&woken);
        Waker::from(Arc::new(NoteWake { woken, task }))
    };
    let Assembly {
        tasks,
        coordinator,
        committer,
        // There is one thread.
        threads: _,
    } = program.assemble(waker)?;
    let mut single = Single {
        tasks,
        coordinator,
        committer,
        writing: None,
        clock: program.clock.clone(),
        woken,
        wires: BTreeMap::new(),
        random,
        quiet: 0,
        may_be_quiet: program.options.run_for.is_some(),
    };
    let begun = single.coordinator.begin();
    let mut ended = single.act(begun);
    while ended.is_none() {
        ended = single.turn();
    }
    // What was being written when the run ended is written or not.
    if single.writing.is_some() && single.random.bool() {
        let _ = single.write();
    }
    Ok(ended.unwrap_or(Ended::Killed))
}

impl Single<'_> {
    /// One step of one task, one delivery, or the passing of time.
    fn turn(&mut self) -> Option<Ended> {
        let woken = std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner));
        for task in woken {
            self.wires
                .entry((COORDINATOR, task))
                .or_default()
                .push_back(TaskInput::Wake(Arc::default()));
        }
        let wires: Vec<_> = self.wires.keys().copied().collect();
        let now = self.clock.elapsed();
        let ready = self.tasks.iter().filter(|task| task.can_step(now));
        let ready: Vec<_> = ready.map(|task| task.id).collect();
        let writing = usize::from(self.writing.is_some());
        let choices = wires.len() + ready.len() + writing;
        if choices == 0 {
            return self.pass_time();
        }
        let choice = self.random.usize(..choices);
        if choice == wires.len() + ready.len() {
            return self.write();
        }
        let (task, input) = match wires.get(choice) {
            Some(wire) => {
                let queue = self.wires.get_mut(wire)?;
                let input = queue.pop_front();
                if queue.is_empty() {
                    self.wires.remove(wire);
                }
                (wire.1, input)
            }
            None => (ready[choice - wires.len()], None),
        };
        let stepped = input.is_none();
        let state = &mut self.tasks[task];
        let done = catch_unwind(AssertUnwindSafe(|| match input {
            Some(input) => state.accept(input),
            None => state.step(),
        }));
        let failure = match done {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Failure::Error(error)),
            Err(panic) => {
                let tuple = catch_unwind(AssertUnwindSafe(|| state.culprit()));
                let tuple = tuple.unwrap_or_default();
                Some(Failure::Panic(panic_message(&*panic), tuple))
            }
        };
        if let Some(failure) = failure {
            return Some(self.coordinator.failed(task, failure));
        }
        let outgoing: Vec<_> = self.tasks[task].outgoing().collect();
        for outgoing in outgoing {
            match outgoing {
                Outgoing::To(to, input) => {
                    self.wires.entry((task, to)).or_default().push_back(input);
                }
                Outgoing::Report(report) => {
                    let action = self.coordinator.report(task, report);
                    if let Some(end) = self.act(action) {
                        return Some(end);
                    }
                }
            }
        }
        if stepped {
            self.clock.advance_to(self.clock.elapsed() + STEP);
            if self.coordinator.deadline() <= self.clock.elapsed() {
                let action = self.coordinator.tick();
                return self.act(action);
            }
        }
        None
    }

    fn act(&mut self, action: Option<Action>) -> Option<Ended> {
        match action? {
            Action::Cut(epoch) => {
                for spout in self.tasks.iter().filter(|task| task.is_spout()) {
                    let floor = self.coordinator.floor(spout.id);
                    let wire = self.wires.entry((COORDINATOR, spout.id)).or_default();
                    wire.push_back(TaskInput::Cut { epoch, floor });
                }
                None
            }
            Action::Commit(epoch, batches) => {
                self.writing = Some((epoch, batches));
                None
            }
            Action::Deliver(epoch) => {
                for task in &mut self.tasks {
                    let id = task.id;
                    if task.outbox().is_some() {
                        let wire = self.wires.entry((COORDINATOR, id)).or_default();
                        wire.push_back(TaskInput::Committed(epoch));
                    }
                }
                None
            }
            Action::End(result) => Some(Ended::Done(result)),
        }
    }

    /// The store writes what it was given.
    fn write(&mut self) -> Option<Ended> {
        let (epoch, batches) = self.writing.take()?;
        match self.committer.as_mut()?.commit(&epoch, batches) {
            Ok(bytes) => {
                self.coordinator.note_commit(Duration::ZERO, bytes);
                let action = self.coordinator.committed(epoch.number);
                self.act(action)
            }
            Err(failure) => Some(Ended::by(failure)),
        }
    }

    /// Nobody has anything to do: time passes until somebody has.
    fn pass_time(&mut self) -> Option<Ended> {
        let now = self.clock.elapsed();
        let deadline = self.tasks.iter().filter_map(Task::deadline).min();
        self.quiet = if deadline.is_some() {
            0
        } else {
            self.quiet + 1
        };
        if self.quiet > QUIET_EPOCHS && !self.may_be_quiet {
            return Some(Ended::Done(Err(self.coordinator.stuck())));
        }
        let next = deadline
            .into_iter()
            .fold(self.coordinator.deadline(), Duration::min);
        self.clock
            .advance_to(next.max(now + Duration::from_nanos(1)));
        let action = self.coordinator.tick();
        self.act(action)
    }
}

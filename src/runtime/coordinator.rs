//! The coordinator: cuts epochs, watches that they pass, and ends the run.
//!
//! Like a task it is a state machine: reports and the time go in, cuts and the end come
//! out. Its driver holds the thread, the timer and the signals.

mod stats;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::action::Action;
use super::clock::{Clock, ClockWatch};
use super::commits::{Commits, Settle};
use super::deliveries::Deliveries;
use super::ended::{Ended, InHand};
use super::losses::{LossWatch, TooManyLost};
use super::message::{Report, TaskId};
use super::metrics::{Activity, Metrics};
use super::options::RunOptions;
use super::report::{RunError, Summary};
use super::timings::Timings;
use crate::context::Epoch;
use crate::error::{Fatal, stems_from};
use crate::fault::Killed;
use crate::spout::Progress;
use crate::status::Status;
use crate::time::Timestamp;

/// Cuts that not every task has passed, at most this many; tasks that are stuck do not
/// count, so that the others go on.
const MAX_IN_FLIGHT: u64 = 16;

/// While some task is stuck, the interval of epochs is this many times as long, so that
/// what queues up before it grows slowly.
const STUCK_FACTOR: u32 = 10;

/// An error names at most so many tasks.
const MAX_NAMED: usize = 8;

/// A stuck task is named again after this time.
const REMIND: Duration = Duration::from_secs(30);

/// What the coordinator knows of a task.
pub(crate) struct Watched {
    pub(crate) name: String,
    pub(crate) component: usize,
    /// Set for spouts.
    pub(crate) spout: Option<SpoutTies>,
    pub(crate) sink: bool,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) status: Status,
}

/// What a spout has to do with others.
#[derive(Clone)]
pub(crate) struct SpoutTies {
    /// The spouts whose watermarks it follows while it is idle, by component: those by event
    /// time whose tuples meet its own in some reader, itself included.
    pub(crate) follows: Arc<[usize]>,
}

struct TaskState {
    watched: Watched,
    passed: u64,
    /// The last epoch that a sink has delivered.
    delivered: u64,
    /// How far a spout had come at its latest cut.
    progress: Progress,
    input_ended: bool,
    finished: bool,
    /// When the log has named the task as stuck.
    named_at: Option<Duration>,
}

pub(crate) struct Coordinator {
    tasks: Vec<TaskState>,
    components: Vec<String>,
    clock: Clock,
    clock_watch: ClockWatch,
    options: RunOptions,
    /// The slides of windows by processing time, in milliseconds: an epoch is cut at each
    /// multiple.
    slides: Vec<i64>,
    next_number: u64,
    last_cut: Duration,
    /// The cuts that some task has not passed, with their times.
    cuts: VecDeque<(u64, Duration)>,
    completed: u64,
    deliveries: Deliveries,
    timings: Arc<Timings>,
    last_was_cut: bool,
    /// The input of some spout has ended, but not for good.
    paused: bool,
    commits: Option<Commits>,
    losses: Arc<LossWatch>,
    /// The end of a graceful stop.
    drain_until: Option<Duration>,
}

impl Coordinator {
    pub(crate) fn new(
        (tasks, components): (Vec<Watched>, Vec<String>),
        clock: Clock,
        options: RunOptions,
        slides: Vec<i64>,
        commits: Option<Commits>,
        (losses, timings): (Arc<LossWatch>, Arc<Timings>),
    ) -> Self {
        let committed = commits.as_ref().map_or(0, Commits::committed);
        let tasks = tasks.into_iter().map(|watched| TaskState {
            watched,
            passed: committed,
            delivered: 0,
            progress: Progress {
                watermark: Timestamp::MIN,
                idle: false,
            },
            input_ended: false,
            finished: false,
            named_at: None,
        });
        let mut deliveries = Deliveries::default();
        if committed > 0 {
            // What the run before had committed is delivered once more.
            deliveries.cut(committed, clock.elapsed());
        }
        Self {
            tasks: tasks.collect(),
            components,
            last_cut: clock.elapsed(),
            clock,
            clock_watch: ClockWatch::default(),
            options,
            slides,
            next_number: committed + 1,
            cuts: VecDeque::new(),
            completed: committed,
            deliveries,
            timings,
            last_was_cut: false,
            paused: false,
            commits,
            losses,
            drain_until: None,
        }
    }

    /// A task has something to say.
    pub(crate) fn report(&mut self, task: TaskId, report: Report) -> Option<Action> {
        let state = &mut self.tasks[task];
        match report {
            Report::Passed(number) => {
                state.passed = number;
                if state.named_at.take().is_some() {
                    tracing::info!("{} goes on", state.watched.name);
                }
                if self.commits.is_none() {
                    state.delivered = number;
                }
                self.complete();
                None
            }
            Report::Progress(progress) => {
                state.progress = progress;
                None
            }
            Report::InputEnded { closes } => {
                state.input_ended = true;
                self.paused |= !closes;
                let mut spouts = self
                    .tasks
                    .iter()
                    .filter(|task| task.watched.spout.is_some());
                let ended = spouts.all(|spout| spout.input_ended);
                (ended && !self.last_was_cut).then(|| self.cut(true))
            }
            Report::Finished => {
                state.finished = true;
                self.end_if_done()
            }
            Report::Saved(number, batch) => self.commits.as_mut()?.saved(number, batch),
            Report::Full => {
                self.commits.as_mut()?.full();
                self.cut_early()
            }
            Report::Delivered(number) => {
                state.delivered = number;
                self.forget_delivered();
                let action = self.commits.as_mut()?.delivered(number);
                action.or_else(|| self.cut_early())
            }
            Report::Settled(batch) => {
                self.commits.as_mut()?.settled(batch);
                None
            }
        }
    }

    /// What was not delivered in the run before is delivered now.
    pub(crate) fn begin(&mut self) -> Option<Action> {
        self.commits.as_mut()?.begin()
    }

    /// The store has written an epoch.
    pub(crate) fn committed(&mut self, epoch: u64) -> Option<Action> {
        let action = self.commits.as_mut()?.written(epoch);
        action.or_else(|| self.end_if_done())
    }

    /// The end, where all tasks have finished and nothing is left to be committed.
    fn end_if_done(&mut self) -> Option<Action> {
        if !self.tasks.iter().all(|task| task.finished) {
            return None;
        }
        if let Some(commits) = &mut self.commits {
            let last = self.next_number - 1;
            match commits.settle(last, self.clock.now()) {
                Settle::Wait => return None,
                Settle::Commit(epoch, batches) => return Some(Action::Commit(epoch, batches)),
                Settle::Done => {}
            }
        }
        let too_many = self.losses.judge(true);
        let too_many = too_many.map(|lost| RunError::TooManyLost(Box::new(lost)));
        Some(Action::End(
            too_many.map_or_else(|| Ok(self.summary()), Err),
        ))
    }

    /// Asks for a graceful stop; a second one ends the run at once.
    pub(crate) fn stop(&mut self) -> Option<Action> {
        if self.drain_until.is_some() {
            return Some(Action::End(Err(RunError::Interrupted)));
        }
        self.drain_until = Some(self.clock.elapsed().saturating_add(self.options.drain));
        (!self.last_was_cut).then(|| self.cut(true))
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self) -> Option<Action> {
        let now = self.clock.elapsed();
        if self.drain_until.is_some_and(|at| at <= now) {
            return Some(Action::End(Err(self.stuck())));
        }
        self.name_stuck(now);
        self.watch_clock();
        if self.drain_until.is_none() && self.options.run_for.is_some_and(|end| end <= now) {
            return self.stop();
        }
        (!self.last_was_cut && self.next_cut() <= now && self.may_cut()).then(|| self.cut(false))
    }

    /// Windows by processing time follow the run's clock, not the computer's.
    fn watch_clock(&mut self) {
        if self.slides.is_empty() {
            return;
        }
        let computer = self.clock.computer();
        let told = computer.and_then(|it| self.clock_watch.look(self.clock.now(), it));
        if let Some(told) = told {
            tracing::warn!("{told}");
        }
    }

    /// When the next tick is due.
    pub(crate) fn deadline(&self) -> Duration {
        let now = self.clock.elapsed();
        let stall = now + self.options.stall.min(Duration::from_secs(1));
        let run_for = self.options.run_for.filter(|_| self.drain_until.is_none());
        let cut = (!self.last_was_cut && self.may_cut()).then(|| self.next_cut());
        let all = [self.drain_until, run_for, cut];
        all.into_iter()
            .flatten()
            .fold(stall, Duration::min)
            .max(now)
    }

    fn next_cut(&self) -> Duration {
        let some_stuck = self.tasks.iter().any(|task| task.named_at.is_some());
        let interval = if some_stuck {
            self.options.epoch.saturating_mul(STUCK_FACTOR)
        } else {
            self.options.epoch
        };
        let last = self.clock.at(self.last_cut).millis();
        let ends = self.slides.iter().map(|slide| {
            let end = (last.div_euclid(*slide) + 1).saturating_mul(*slide);
            self.clock.until(Timestamp::from_millis(end))
        });
        ends.fold(self.last_cut.saturating_add(interval), Duration::min)
    }

    fn may_cut(&self) -> bool {
        let going = self.tasks.iter().filter(|task| task.named_at.is_none());
        let slowest = going.map(|task| task.passed).min().unwrap_or(u64::MAX);
        self.next_number.saturating_sub(slowest) <= MAX_IN_FLIGHT
    }

    /// A cut before its time, where a sink waits for a commit and none is on its way.
    fn cut_early(&mut self) -> Option<Action> {
        let wanted = self.commits.as_ref().is_some_and(Commits::is_wanted);
        (wanted && !self.last_was_cut && self.may_cut()).then(|| self.cut(false))
    }

    fn cut(&mut self, last: bool) -> Action {
        let now = self.clock.elapsed();
        let mut spouts = self
            .tasks
            .iter()
            .filter(|task| task.watched.spout.is_some());
        let ended = spouts.all(|spout| spout.input_ended) && !self.paused;
        let mut epoch = Epoch {
            number: self.next_number,
            time: self.clock.at(now),
            last,
            // What can be continued is over only when its input is.
            closes: last && (ended || self.commits.is_none()),
            commit: false,
        };
        if let Some(commits) = &mut self.commits {
            epoch.commit = commits.cut(&epoch, now, self.tasks.len());
        }
        self.next_number += 1;
        self.last_cut = now;
        self.last_was_cut = last;
        self.cuts.push_back((epoch.number, now));
        self.deliveries.cut(epoch.number, now);
        Action::Cut(epoch)
    }

    /// The watermark that a spout follows while it is idle: the least of the spouts that it
    /// has to do with and that read; where all of those have ended, the greatest that they
    /// had.
    pub(crate) fn floor(&self, spout: TaskId) -> Option<Timestamp> {
        let ties = self.tasks[spout].watched.spout.as_ref()?;
        let tied = self.tasks.iter().filter(|task| {
            task.watched.spout.is_some() && ties.follows.contains(&task.watched.component)
        });
        let (ended, others): (Vec<_>, Vec<_>) = tied.partition(|task| task.input_ended);
        let reading = others.iter().filter(|task| !task.progress.idle);
        let least = reading.map(|task| task.progress.watermark).min();
        least.or_else(|| ended.iter().map(|task| task.progress.watermark).max())
    }

    fn complete(&mut self) {
        let passed = self.tasks.iter().map(|task| task.passed).min().unwrap_or(0);
        let now = self.clock.elapsed();
        while let Some((number, cut_at)) = self.cuts.front().copied() {
            if number > passed {
                return;
            }
            self.timings.note_epoch(now.saturating_sub(cut_at));
            self.completed = number;
            self.cuts.pop_front();
            self.forget_delivered();
        }
    }

    /// Cuts that every sink has delivered are not needed any more.
    fn forget_delivered(&mut self) {
        let sinks = self.tasks.iter().filter(|task| task.watched.sink);
        let delivered = sinks.map(|task| task.delivered).min();
        self.deliveries.delivered(delivered.unwrap_or(u64::MAX));
    }

    /// Names the tasks that have not passed an epoch for too long.
    fn name_stuck(&mut self, now: Duration) {
        let Some((number, _)) = self
            .cuts
            .iter()
            .rev()
            .find(|(_, at)| now.saturating_sub(*at) >= self.options.stall)
        else {
            return;
        };
        let number = *number;
        for task in 0..self.tasks.len() {
            let state = &self.tasks[task];
            let named_lately = state.named_at.is_some_and(|at| now < at + REMIND);
            if state.passed >= number || named_lately {
                continue;
            }
            let what = self.what_it_does(task, now);
            let name = &self.tasks[task].watched.name;
            if self.tasks[task].watched.metrics.activity().0 == Activity::Working {
                tracing::warn!("{name} has not passed epoch {number}: {what}");
            } else {
                tracing::info!("{name} has not passed epoch {number}: {what}");
            }
            self.tasks[task].named_at = Some(now);
        }
    }

    fn what_it_does(&self, task: TaskId, now: Duration) -> String {
        let watched = &self.tasks[task].watched;
        let metrics = &watched.metrics;
        let (activity, since) = metrics.activity();
        let span = now.saturating_sub(since).as_secs_f64();
        let other = self.tasks.get(match activity {
            Activity::Ahead => metrics.behind(),
            _ => metrics.waits_for(),
        });
        let other = other.map_or("another task", |other| other.watched.name.as_str());
        match activity {
            Activity::Working if let Some(reason) = watched.status.waits_for() => {
                format!("for {span:.1} s it has waited: {reason}")
            }
            Activity::Working => format!("its user code has been running for {span:.1} s"),
            Activity::Blocked => {
                format!("for {span:.1} s it has waited until {other} can take more")
            }
            Activity::Ahead => format!("it waits for {other} to close earlier windows"),
            Activity::Waiting => format!("it waits for the epoch, or for tuples, of {other}"),
        }
    }

    /// Nothing goes on, as an error that names the tasks.
    pub(crate) fn stuck(&self) -> RunError {
        let now = self.clock.elapsed();
        let stuck = |wanted: fn(Activity) -> bool| {
            let tasks = self.tasks.iter().enumerate();
            let tasks = tasks
                .filter(|(_, task)| !task.finished && wanted(task.watched.metrics.activity().0));
            let named = tasks.map(|(number, task)| {
                format!("{} ({})", task.watched.name, self.what_it_does(number, now))
            });
            named.collect::<Vec<_>>()
        };
        // The tasks that hold the others up come first.
        let mut tasks = stuck(|activity| activity == Activity::Working);
        tasks.extend(stuck(|activity| activity != Activity::Working));
        if let Some(more) = tasks.len().checked_sub(MAX_NAMED).filter(|more| *more > 0) {
            tasks.truncate(MAX_NAMED);
            tasks.push(format!("{more} more"));
        }
        RunError::Stuck {
            drain: self.options.drain,
            tasks,
        }
    }

    /// A task cannot go on. A durable run may be restored.
    pub(crate) fn failed(&self, task: TaskId, failure: Failure) -> Ended {
        let Watched {
            name, component, ..
        } = &self.tasks[task].watched;
        let (error, in_hand) = match failure {
            Failure::Error(cause) if stems_from::<Killed>(&cause) => return Ended::Killed,
            Failure::Error(cause) if cause.is::<TooManyLost>() => {
                // Whoever tries again meets the same records.
                return match cause.downcast::<TooManyLost>() {
                    Ok(lost) => Ended::Done(Err(RunError::TooManyLost(lost))),
                    Err(cause) => Ended::Done(Err(RunError::Failed {
                        task: name.clone(),
                        cause,
                    })),
                };
            }
            Failure::Error(cause) if stems_from::<Fatal>(&cause) => {
                let task = name.clone();
                return Ended::Done(Err(RunError::Failed { task, cause }));
            }
            Failure::Error(cause) => {
                let task = name.clone();
                (RunError::Failed { task, cause }, None)
            }
            Failure::Panic(message, tuple) => {
                let in_hand = tuple.map(|tuple| InHand {
                    component: self.components[*component].clone(),
                    tuple,
                    message: message.clone(),
                });
                let task = name.clone();
                (RunError::Panicked { task, message }, in_hand)
            }
        };
        if self.commits.is_some() {
            Ended::Failed(error, in_hand)
        } else {
            Ended::Done(Err(error))
        }
    }

    /// How long a commit took, and how much it wrote.
    pub(crate) fn note_commit(&mut self, took: Duration, bytes: usize) {
        self.timings.note_commit(took, bytes);
    }

    fn summary(&self) -> Summary {
        let mut spouts = self
            .tasks
            .iter()
            .filter(|task| task.watched.spout.is_some());
        Summary {
            input_ended: spouts.all(|spout| spout.input_ended),
            stats: self.stats(),
        }
    }
}

/// Why a task cannot go on.
#[derive(Debug)]
pub(crate) enum Failure {
    Error(crate::error::BoxError),
    /// The message, and the tuple in hand.
    Panic(String, Option<String>),
}

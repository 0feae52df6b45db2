//! A task: a state machine without input or output of its own.
//!
//! It is given [`TaskInput`]s, makes steps, and leaves what is to be delivered in a list.
//! An actor drives it in a real run, the test kit on one thread with virtual time; both
//! run this code and no other.

mod saving;
mod sending;
mod taking;
mod telling;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::alignment::{Others, PAUSE};
use super::channels::Channels;
use super::credit_window::CreditWindow;
use super::inputs::Inputs;
use super::losses::JUDGED_FROM;
use super::message::{Outgoing, Report, TaskId, TaskInput};
use super::metrics::{Activity, Metrics};
use super::work::{Shared, Work};
use crate::batch::AnyBatch;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::operator::AnyEdge;
use crate::spout::Next;
use crate::time::{TimeDomain, Timestamp, WindowShape};
use saving::Saving;
use taking::Begun;
use telling::Telling;

/// What a spout is waiting for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// Input may be at hand.
    Ready,
    /// It is, but the spout is ahead of its other tasks, and pauses until this time.
    Ahead(Duration),
    /// Nothing until the waker is called.
    Waiting,
    /// Nothing until this time or the waker.
    Until(Duration),
    /// The input has ended, for good or until a later run.
    Ended,
    /// The last epoch was put into the output.
    Stopped,
}

pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) context: Context,
    pub(crate) metrics: Arc<Metrics>,
    pub(super) work: Work,
    inputs: Inputs,
    /// For each output stream, the edges that read it; the dead letters last.
    edges: Vec<Vec<Box<dyn AnyEdge>>>,
    channels: Channels,
    window: CreditWindow,
    pub(super) shared: Shared,
    reading: Reading,
    /// The other tasks of the component, where they keep step.
    others: Others,
    /// The latest cut: the time of tuples by processing time.
    cut: Timestamp,
    pub(super) passed: u64,
    pub(super) finished: bool,
    told_finished: bool,
    /// When buffered tuples must be sent.
    flush_at: Option<Duration>,
    telling: Telling,
    blocked_since: Option<Duration>,
    /// What a bolt goes on with before it takes anything else.
    begun: Option<Begun>,
    /// It waits until this time: windows close in the component's other tasks first.
    waits_until: Option<Duration>,
    /// How many tuples the latest windows gave when they closed.
    of_a_window: usize,
    /// What is being executed; after a panic it is still there.
    pub(super) in_hand: Option<Box<dyn AnyBatch>>,
    pub(super) saving: Saving,
}

impl Task {
    pub(crate) fn new(
        (id, context): (TaskId, Context),
        work: Work,
        inputs: Inputs,
        edges: Vec<Vec<Box<dyn AnyEdge>>>,
        channels: Channels,
        window: CreditWindow,
        shared: Shared,
    ) -> Self {
        let reading = match work {
            Work::Spout { .. } => Reading::Ready,
            Work::Bolt(_) => Reading::Ended,
        };
        let cut = shared.clock.now();
        Self {
            id,
            context,
            metrics: Arc::default(),
            work,
            inputs,
            edges,
            channels,
            window,
            shared,
            reading,
            others: Others::default(),
            cut,
            passed: 0,
            finished: false,
            told_finished: false,
            flush_at: None,
            telling: Telling::new(),
            blocked_since: None,
            begun: None,
            waits_until: None,
            of_a_window: 0,
            in_hand: None,
            saving: Saving::default(),
        }
    }

    /// Lets user code get ready; before anything else.
    pub(crate) fn prepare(&mut self) -> Result {
        match &mut self.work {
            Work::Spout { spout, .. } => {
                spout.open(&self.context)?;
                self.channels.watermark = spout.progress(self.cut).watermark;
            }
            Work::Bolt(bolt) => bolt.prepare(&self.context)?,
        }
        self.metrics.set_watermark(self.channels.watermark);
        Ok(())
    }

    pub(crate) fn is_spout(&self) -> bool {
        matches!(self.work, Work::Spout { .. })
    }

    /// What a spout loses is judged as soon as it is lost.
    pub(crate) fn stop_at_losses(&mut self) {
        if let Work::Spout { spout, .. } = &mut self.work {
            spout.stop_at_losses(JUDGED_FROM);
        }
    }

    /// The time domain that a spout's tuples bring; none for a bolt.
    pub(crate) fn domain(&self) -> Option<TimeDomain> {
        match &self.work {
            Work::Spout { spout, .. } => Some(spout.domain()),
            Work::Bolt(_) => None,
        }
    }

    /// The windows that the task's bolt keeps.
    pub(crate) fn windows(&self) -> Option<WindowShape> {
        match &self.work {
            Work::Spout { .. } => None,
            Work::Bolt(bolt) => bolt.window(),
        }
    }

    pub(crate) fn set_slides(&mut self, slides: Arc<[i64]>) {
        self.shared.slides = slides;
    }

    /// So many tasks share the thread, this one among them.
    pub(super) fn set_turns(&mut self, tasks: usize) {
        self.telling.take_turns(tasks);
    }

    pub(super) fn set_others(&mut self, others: Vec<(TaskId, Arc<Metrics>)>) {
        self.others = Others::new(others);
    }

    /// Takes what was sent to the task. Cuts are acted on at once, the rest by steps.
    pub(crate) fn accept(&mut self, input: TaskInput) -> Result {
        match input {
            TaskInput::Deliver { channel, message } => self.inputs.arrive(channel, message),
            TaskInput::Credit {
                channel,
                tuples,
                window,
                buffer,
            } => {
                self.channels.credit(channel, tuples, window, buffer);
                self.note_blocking();
            }
            TaskInput::Told { channel } => {
                let told = self.channels.taken(channel);
                if told.is_some_and(|told| self.passes_an_end(told)) {
                    // A window has ended while it was on its way.
                    self.telling.later = true;
                    self.flush_at = Some(self.shared.clock.elapsed());
                }
            }
            TaskInput::Cut { epoch, floor } => {
                self.save_now()?;
                self.cut(epoch, floor)?;
            }
            TaskInput::Committed(epoch) => self.on_committed(epoch)?,
            TaskInput::Wake(sent) => {
                // Before the spout is asked: what comes to it from now on wakes it anew.
                sent.store(false, Ordering::Release);
                if matches!(self.reading, Reading::Waiting | Reading::Until(_)) {
                    self.reading = Reading::Ready;
                }
            }
        }
        self.tell_finished();
        Ok(())
    }

    /// Whether a step would do something at this time, which is now.
    pub(crate) fn can_step(&self, now: Duration) -> bool {
        if self.saving.due.is_some() || self.flush_at.is_some_and(|at| at <= now) {
            return true;
        }
        if self.channels.blocked() {
            return false;
        }
        match self.begun {
            Some(_) => self.waits_until.is_none_or(|at| at <= now),
            None => self.has_input() || self.may_read(now),
        }
    }

    /// Whether there is a message that may be taken now.
    fn has_input(&self) -> bool {
        !self.inputs.is_empty() && !self.holds_back()
    }

    /// The time at which [`Task::can_step`] becomes true though nothing arrives.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        let reads_at = match self.reading {
            Reading::Ready | Reading::Ahead(_) | Reading::Until(_) if self.channels.blocked() => {
                None
            }
            Reading::Ready => self.due().err(),
            Reading::Ahead(at) | Reading::Until(at) => {
                Some(self.due().err().map_or(at, |due| due.max(at)))
            }
            Reading::Waiting | Reading::Ended | Reading::Stopped => None,
        };
        let goes_on_at = self.waits_until.filter(|_| !self.channels.blocked());
        let all = [self.flush_at, reads_at, goes_on_at];
        all.into_iter().flatten().min()
    }

    /// Does the next piece of work: one message or a part of it, one slice of a spout, or a flush.
    pub(crate) fn step(&mut self) -> Result {
        let now = self.shared.clock.elapsed();
        if self.saving.due.is_some() {
            self.save_now()?;
        } else if self.flush_at.is_some_and(|at| at <= now) {
            if self.telling.later {
                self.tell(now);
            } else {
                self.flush();
            }
        } else if self.channels.blocked() {
            return Ok(());
        } else if let Some(begun) = self.begun.take() {
            self.go_on(begun)?;
        } else if self.has_input()
            && let Some((channel, message)) = self.inputs.next()
        {
            self.take(channel, message)?;
        } else if self.may_read(now) {
            self.read(now)?;
        }
        self.after_step();
        Ok(())
    }

    /// What is to be delivered, in order.
    pub(crate) fn outgoing(&mut self) -> std::vec::Drain<'_, Outgoing> {
        self.channels.outgoing.drain(..)
    }

    /// Whether the last epoch has passed and nothing is left to say.
    pub(crate) fn is_finished(&self) -> bool {
        self.told_finished
    }

    fn note_blocking(&mut self) {
        let (in_flight, credit) = self.channels.in_flight();
        Metrics::set(&self.metrics.in_flight, in_flight);
        Metrics::set(&self.metrics.credit, credit);
        match (self.channels.waits_for(), self.blocked_since) {
            (Some(reader), None) => {
                let now = self.shared.clock.elapsed();
                self.blocked_since = Some(now);
                self.metrics.set_waits_for(reader);
                self.metrics.set_activity(Activity::Blocked, now);
            }
            (None, Some(since)) => {
                let now = self.shared.clock.elapsed();
                self.blocked_since = None;
                self.window.blocked(now.saturating_sub(since));
                Metrics::add_time(&self.metrics.blocked_nanos, now.saturating_sub(since));
                self.metrics.set_activity(Activity::Waiting, now);
            }
            _ => {}
        }
    }

    fn tell_finished(&mut self) {
        if self.finished && !self.told_finished && !self.channels.blocked() && !self.awaits_commit()
        {
            self.told_finished = true;
            self.report(Report::Finished);
        }
    }

    pub(super) fn report(&mut self, report: Report) {
        self.channels.outgoing.push(Outgoing::Report(report));
    }

    /// User code has run since `began`.
    pub(super) fn note_work(&mut self, began: Duration) {
        let ended = self.shared.clock.elapsed();
        self.metrics.set_activity(Activity::Waiting, ended);
        Metrics::add_time(&self.metrics.busy_nanos, ended.saturating_sub(began));
    }

    // --- spouts ---

    fn due(&self) -> std::result::Result<usize, Duration> {
        let Work::Spout { limit, .. } = &self.work else {
            return Ok(usize::MAX);
        };
        match limit {
            Some(limit) => limit.allowance(self.shared.clock.elapsed()),
            None => Ok(usize::MAX),
        }
    }

    fn may_read(&self, now: Duration) -> bool {
        match self.reading {
            Reading::Ready => self.due().is_ok(),
            Reading::Ahead(at) | Reading::Until(at) => at <= now && self.due().is_ok(),
            Reading::Waiting | Reading::Ended | Reading::Stopped => false,
        }
    }

    fn read(&mut self, now: Duration) -> Result {
        let allowance = self.due().unwrap_or(0);
        let budget = self
            .channels
            .appetite()
            .min(allowance)
            .min(self.shared.batch_tuples);
        self.context.fault_point("spout.next")?;
        let Work::Spout { spout, limit } = &mut self.work else {
            return Ok(());
        };
        let limit = limit.clone();
        self.metrics.set_activity(Activity::Working, now);
        let next = spout.poll(budget.max(1))?;
        let progress = spout.progress(self.cut);
        let records = spout.take_records();
        self.metrics.records.fetch_add(records, Ordering::Relaxed);
        let emitted = self.route()?;
        if self.shared.limits.is_some() {
            // What was lost before a share is judged may be too much now.
            self.judge_losses()?;
        }
        let ended = self.shared.clock.elapsed();
        self.metrics.set_activity(Activity::Waiting, ended);
        Metrics::add_time(&self.metrics.busy_nanos, ended.saturating_sub(now));
        if let Some(limit) = limit {
            limit.charge(emitted, now);
        }
        self.reading = match next {
            Next::More
                if self
                    .others
                    .are_behind(progress.watermark, &self.shared.slides, ended) =>
            {
                Reading::Ahead(ended.saturating_add(PAUSE))
            }
            Next::More => Reading::Ready,
            Next::Idle => Reading::Waiting,
            Next::After(span) => Reading::Until(ended.saturating_add(span)),
            Next::End | Next::Pause => Reading::Ended,
        };
        self.metrics.set_reads(next == Next::More);
        match next {
            Next::End => {
                self.report(Report::Progress(progress));
                self.go_on_to(Timestamp::MAX);
                self.report(Report::InputEnded { closes: true });
            }
            Next::Pause => {
                self.go_on_to(progress.watermark);
                self.report(Report::Progress(progress));
                self.report(Report::InputEnded { closes: false });
            }
            _ => self.go_on_to(progress.watermark),
        }
        Ok(())
    }

    /// Puts a cut into the output of a spout.
    fn cut(&mut self, epoch: Epoch, floor: Option<Timestamp>) -> Result {
        let Work::Spout { spout, .. } = &mut self.work else {
            return Err("a bolt was asked for an epoch".into());
        };
        if self.reading == Reading::Stopped {
            return Ok(());
        }
        self.cut = self.cut.max(epoch.time);
        // After the end, too: a spout that leaves its windows open may be idle.
        if let Some(floor) = floor {
            spout.follow(floor);
        }
        let progress = spout.progress(self.cut);
        self.go_on_to(progress.watermark);
        self.report(Report::Progress(progress));
        if epoch.last {
            self.reading = Reading::Stopped;
            self.metrics.set_reads(false);
        }
        self.expire(&epoch)?;
        self.put_epoch(epoch);
        self.after_step();
        Ok(())
    }
}

//! How a bolt or sink takes what it is sent: in parts, so that what comes of it at once is bounded.
//!
//! It stops between two tuples of a batch, and between two windows that close, where it has
//! emitted much or a reader must take something first. What it has begun it goes on with
//! before anything else: batches, watermarks and epochs behind it wait, so the state at a cut is
//! that after all that came before it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Task;
use crate::context::Epoch;
use crate::error::Result;
use crate::operator::{MAX_STAGED, next_step};
use crate::runtime::alignment::PAUSE;
use crate::runtime::inputs::follows;
use crate::runtime::message::{Message, Outgoing, TaskInput};
use crate::runtime::metrics::{Activity, Metrics};
use crate::runtime::work::Work;
use crate::time::Timestamp;

/// So many windows close in a step at most.
const CLOSED_AT_ONCE: usize = 64;

/// What a bolt has begun and goes on with.
#[derive(Clone, Copy)]
pub(super) enum Begun {
    /// The batch in hand, after which its channel has come so far.
    Batch {
        channel: usize,
        watermark: Timestamp,
        /// How long its tuples have taken so far.
        busy: Duration,
    },
    /// Windows close until this watermark, then the epoch passes that a channel has brought.
    Closing {
        until: Timestamp,
        epoch: Option<(usize, Epoch)>,
    },
}

impl Task {
    pub(super) fn take(&mut self, channel: usize, message: Message) -> Result {
        let begun = match message {
            Message::Batch(batch, watermark) => {
                self.context.fault_point("bolt.execute")?;
                // Losses are judged by it while parts of the batch are routed.
                Metrics::add(&self.metrics.tuples_in, batch.stands_for());
                self.in_hand = Some(batch);
                let busy = Duration::ZERO;
                Begun::Batch {
                    channel,
                    watermark,
                    busy,
                }
            }
            Message::Watermark(watermark) => {
                let (sender, told) = self.inputs.sender(channel);
                let told = TaskInput::Told { channel: told };
                self.channels.outgoing.push(Outgoing::To(sender, told));
                let until = self.inputs.watermark(channel, watermark);
                Begun::Closing { until, epoch: None }
            }
            Message::Epoch(epoch, watermark) => {
                let until = self.inputs.watermark(channel, watermark);
                let epoch = Some((channel, epoch));
                Begun::Closing { until, epoch }
            }
        };
        self.go_on(begun)
    }

    /// Goes on with what was begun, which is kept where there is more of it.
    pub(super) fn go_on(&mut self, begun: Begun) -> Result {
        let (until, epoch) = match begun {
            Begun::Batch {
                channel,
                watermark,
                mut busy,
            } => {
                if !self.execute(channel, &mut busy)? {
                    self.begun = Some(Begun::Batch {
                        channel,
                        watermark,
                        busy,
                    });
                    return Ok(());
                }
                (self.inputs.watermark(channel, watermark), None)
            }
            Begun::Closing { until, epoch } => (until, epoch),
        };
        self.waits_until = None;
        let closed = self.close_until(until)?;
        self.metrics.set_reads(!closed);
        if !closed {
            self.begun = Some(Begun::Closing { until, epoch });
            return Ok(());
        }
        let Some((channel, epoch)) = epoch else {
            return Ok(());
        };
        if self.inputs.align(channel) {
            self.pass(epoch)?;
        } else if let Some(sender) = self.inputs.missing_sender() {
            self.metrics.set_waits_for(sender);
        }
        Ok(())
    }

    /// Takes tuples of the batch in hand; says whether these were all.
    fn execute(&mut self, channel: usize, busy: &mut Duration) -> Result<bool> {
        let (Work::Bolt(bolt), Some(batch)) = (&mut self.work, &mut self.in_hand) else {
            return Err("a spout was sent a batch".into());
        };
        let tuples = batch.tuples();
        let began = self.shared.clock.elapsed();
        self.metrics.set_activity(Activity::Working, began);
        let all = bolt.execute(batch.as_mut())?;
        self.route()?;
        let ended = self.shared.clock.elapsed();
        self.metrics.set_activity(Activity::Waiting, ended);
        *busy += ended.saturating_sub(began);
        if !all {
            return Ok(false);
        }
        let Some(mut batch) = self.in_hand.take() else {
            return Ok(true);
        };
        Metrics::add_time(&self.metrics.busy_nanos, *busy);
        Metrics::add(&self.metrics.batches_in, 1);
        batch.clear_all();
        let (sender, channel) = self.inputs.sender(channel);
        let window = self.window.after(tuples, *busy, self.inputs.len());
        let credit = TaskInput::Credit {
            channel,
            tuples,
            window,
            buffer: batch,
        };
        self.channels.outgoing.push(Outgoing::To(sender, credit));
        self.note_outbox();
        Ok(true)
    }

    /// All channels have come so far: lets windows close one after the other, each with a
    /// watermark of its own, which the readers can be told. Says whether all have.
    fn close_until(&mut self, until: Timestamp) -> Result<bool> {
        let (mut emitted, mut closed) = (0, 0);
        loop {
            let before = self.channels.watermark;
            if until <= before {
                return Ok(true);
            }
            let Work::Bolt(bolt) = &mut self.work else {
                return Err("a spout was sent a watermark".into());
            };
            let next = next_step(&**bolt, before, until);
            let began = self.shared.clock.elapsed();
            if next.is_some() {
                if emitted >= MAX_STAGED || closed == CLOSED_AT_ONCE || self.channels.blocked() {
                    return Ok(false);
                }
                let slide = self.shared.slides.first();
                let behind =
                    slide.and_then(|slide| self.others.behind(before, *slide, self.of_a_window));
                if let Some(other) = behind {
                    self.metrics.set_behind(other);
                    self.metrics.set_activity(Activity::Ahead, began);
                    self.waits_until = Some(began.saturating_add(PAUSE));
                    return Ok(false);
                }
            }
            self.context.fault_point("bolt.watermark")?;
            self.metrics.set_activity(Activity::Working, began);
            let watermark = next.unwrap_or(until);
            bolt.on_watermark(watermark)?;
            let came = self.route()?;
            emitted += came;
            closed += 1;
            // The most of late.
            self.of_a_window = came.max(self.of_a_window - self.of_a_window / 8);
            self.note_work(began);
            self.go_on_to(watermark);
        }
    }

    /// All channels have brought the epoch.
    fn pass(&mut self, epoch: Epoch) -> Result {
        debug_assert!(follows(self.passed, &epoch), "epochs pass in order");
        self.context.fault_point("bolt.epoch")?;
        let Work::Bolt(bolt) = &mut self.work else {
            return Err("a spout was sent an epoch".into());
        };
        let began = self.shared.clock.elapsed();
        self.metrics.set_activity(Activity::Working, began);
        bolt.on_epoch(&epoch)?;
        let open_windows = bolt.open_windows();
        self.metrics
            .open_windows
            .store(open_windows as u64, Ordering::Relaxed);
        self.route()?;
        self.expire(&epoch)?;
        self.note_work(began);
        self.put_epoch(epoch);
        Ok(())
    }
}

//! What a task sends, and when.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Reading, Task};
use crate::context::Epoch;
use crate::error::Result;
use crate::operator::{Combining, MAX_STAGED, Staged};
use crate::runtime::inputs::passes_an_end;
use crate::runtime::log;
use crate::runtime::losses;
use crate::runtime::message::Report;
use crate::runtime::metrics::Metrics;
use crate::runtime::work::Work;
use crate::time::Timestamp;

/// The memory of so many staged tuples is not kept for the next ones.
const MAX_STAGED_AT_ONCE: usize = 16 * MAX_STAGED;

impl Task {
    /// From now on what the edge sends is combined.
    pub(crate) fn combine(&mut self, stream: usize, edge: usize, combining: Combining) {
        if let Some(edge) = self
            .edges
            .get_mut(stream)
            .and_then(|edges| edges.get_mut(edge))
        {
            edge.combine(combining);
        }
    }

    pub(super) fn after_step(&mut self) {
        // Under load batches fill; what trickles in is not kept from those who wait for it.
        let rests = self.waits_until.is_some() || (self.begun.is_none() && self.inputs.is_empty());
        if rests
            && !matches!(self.reading, Reading::Ahead(_))
            && !self.may_read(self.shared.clock.elapsed())
        {
            for edge in self
                .edges
                .iter_mut()
                .flatten()
                .filter(|edge| !edge.is_empty())
            {
                edge.flush_to_idle(&mut self.channels);
            }
        }
        let buffered = self.edges.iter().flatten().any(|edge| !edge.is_empty());
        self.flush_at = match (buffered || self.telling.later, self.flush_at) {
            (false, _) => None,
            (true, Some(at)) => Some(at),
            (true, None) => Some(
                self.shared
                    .clock
                    .elapsed()
                    .saturating_add(self.shared.linger),
            ),
        };
        self.note_blocking();
        self.tell_finished();
    }

    /// Moves what user code has staged into the batches of the readers; gives the number
    /// of tuples that were emitted.
    pub(super) fn route(&mut self) -> Result<usize> {
        let staged: &mut dyn Staged = match &mut self.work {
            Work::Spout { spout, .. } => &mut **spout,
            Work::Bolt(bolt) => &mut **bolt,
        };
        let (late, seen) = staged.take_late();
        let mut lost = late > 0;
        if late > 0 {
            self.metrics.late.fetch_add(late, Ordering::Relaxed);
        }
        if let Some(mut seen) = seen {
            if let Some(example) = seen.example.as_mut().filter(|it| it.source.is_empty()) {
                example.source = self.context.name();
            }
            losses::late(&self.metrics, *seen);
        }
        let streams = staged.streams();
        let (mut emitted, mut staged_tuples) = (0, 0);
        let mut contents = staged.take_contents();
        for (stream, edges) in self.edges.iter_mut().enumerate() {
            let Some(batch) = staged.staged(stream) else {
                continue;
            };
            let tuples = batch.tuples();
            if tuples == 0 {
                continue;
            }
            staged_tuples += tuples;
            let mut earlier_letters = None;
            if stream == streams {
                let letters = &self.metrics.dead_letters;
                earlier_letters = Some(letters.load(Ordering::Relaxed));
                Metrics::add(letters, tuples);
                losses::dead_letters(&self.metrics, batch, std::mem::take(&mut contents));
                lost = true;
            } else {
                emitted += tuples;
            }
            let Some(last) = edges.len().checked_sub(1) else {
                if let Some(earlier) = earlier_letters {
                    log::dead_letters(batch, earlier);
                }
                batch.clear_all();
                continue;
            };
            for (number, edge) in edges.iter_mut().enumerate() {
                edge.route(batch, number == last, &mut self.channels)?;
            }
            if tuples > MAX_STAGED_AT_ONCE {
                // As much may not be needed again.
                batch.let_go();
            }
        }
        self.metrics
            .note_held(staged_tuples.max(self.channels.held()));
        Metrics::add(&self.metrics.tuples_out, emitted);
        if lost {
            self.judge_losses()?;
        }
        Ok(emitted)
    }

    /// Ends the run where more is lost than may be.
    pub(super) fn judge_losses(&self) -> Result {
        let limits = self.shared.limits.as_ref();
        match limits.and_then(|limits| limits.judge(false)) {
            Some(too_many) => Err(too_many.into()),
            None => Ok(()),
        }
    }

    pub(super) fn flush(&mut self) {
        for edge in self.edges.iter_mut().flatten() {
            edge.flush(&mut self.channels);
        }
        self.flush_at = None;
    }

    /// What was routed so far is all before this watermark. Where it passes the end of a
    /// window, the readers are told soon, so that a ranking need not wait for a full batch.
    pub(super) fn go_on_to(&mut self, watermark: Timestamp) {
        let before = self.channels.watermark;
        if watermark <= before {
            return;
        }
        self.channels.watermark = watermark;
        self.metrics.set_watermark(watermark);
        if let Some(slowest) = self.inputs.slowest_sender() {
            self.metrics.set_slowest(slowest);
        }
        if !self.passes_an_end(before) {
            return;
        }
        let now = self.shared.clock.elapsed();
        match self.telling.may_at() {
            Some(soon) if now < soon && watermark != Timestamp::MAX => {
                self.flush_at = Some(self.flush_at.map_or(soon, |at| at.min(soon)));
                self.telling.later = true;
            }
            _ => self.tell(now),
        }
    }

    /// Whether a window ends between this watermark and the task's.
    pub(super) fn passes_an_end(&self, before: Timestamp) -> bool {
        let watermark = self.channels.watermark;
        before < watermark && passes_an_end(&self.shared.slides, before, watermark)
    }

    /// Sends what is buffered, and the watermark to those who have not heard of it.
    pub(super) fn tell(&mut self, now: Duration) {
        self.flush();
        self.channels.tell_watermark();
        self.telling.told(now);
    }

    pub(super) fn put_epoch(&mut self, epoch: Epoch) {
        self.flush();
        self.channels.tell_epoch(epoch);
        self.telling.later = false;
        self.passed = epoch.number;
        self.finished = epoch.last;
        self.saving.passed(epoch);
        self.report(Report::Passed(epoch.number));
    }
}

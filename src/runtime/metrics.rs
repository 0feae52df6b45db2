//! What a run counts: kept by each task, read by anybody.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use super::tally::Tally;
use crate::time::Timestamp;

/// What a task is doing, for the watchdog and for `--stats`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Activity {
    /// Waits for messages.
    Waiting = 0,
    /// Runs user code.
    Working = 1,
    /// Waits until a reader takes what is pending.
    Blocked = 2,
    /// Waits until another task of its component has closed earlier windows.
    Ahead = 3,
}

/// The counters of one task.
///
/// Atomics, because the coordinator and views read them while the task runs; relaxed,
/// because each is a number of its own: a reader that sees one of them a moment early is
/// not wrong.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) tuples_in: AtomicU64,
    pub(crate) tuples_out: AtomicU64,
    pub(crate) late: AtomicU64,
    pub(crate) dead_letters: AtomicU64,
    /// The records that were lost and have no dead letter of their own.
    pub(crate) lost_with_others: AtomicU64,
    pub(crate) batches_in: AtomicU64,
    pub(crate) busy_nanos: AtomicU64,
    pub(crate) blocked_nanos: AtomicU64,
    pub(crate) open_windows: AtomicU64,
    /// What a spout has read, as far as it says.
    pub(crate) records: AtomicU64,
    /// Tuples on their way to the task's readers, and how many may be.
    pub(crate) in_flight: AtomicU64,
    pub(crate) credit: AtomicU64,
    /// Bytes that a sink has not delivered.
    pub(crate) pending_bytes: AtomicU64,
    pub(super) tally: Tally,
    held: AtomicU64,
    watermark: AtomicI64,
    activity: AtomicU8,
    since_nanos: AtomicU64,
    waits_for: AtomicU64,
    behind: AtomicU64,
    slowest: AtomicU64,
    reads: AtomicBool,
}

impl Metrics {
    pub(crate) fn add(counter: &AtomicU64, amount: usize) {
        counter.fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub(crate) fn add_time(counter: &AtomicU64, span: Duration) {
        let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        counter.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Notes a number as it is now.
    pub(crate) fn set(gauge: &AtomicU64, value: usize) {
        gauge.store(value as u64, Ordering::Relaxed);
    }

    pub(crate) fn set_activity(&self, activity: Activity, since: Duration) {
        self.activity.store(activity as u8, Ordering::Relaxed);
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.since_nanos.store(nanos, Ordering::Relaxed);
    }

    pub(crate) fn activity(&self) -> (Activity, Duration) {
        let activity = match self.activity.load(Ordering::Relaxed) {
            1 => Activity::Working,
            2 => Activity::Blocked,
            3 => Activity::Ahead,
            _ => Activity::Waiting,
        };
        let since = self.since_nanos.load(Ordering::Relaxed);
        (activity, Duration::from_nanos(since))
    }

    pub(crate) fn set_waits_for(&self, task: usize) {
        self.waits_for.store(task as u64, Ordering::Relaxed);
    }

    pub(crate) fn waits_for(&self) -> usize {
        usize::try_from(self.waits_for.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Notes the task of the component that is to close its windows first.
    pub(crate) fn set_behind(&self, task: usize) {
        self.behind.store(task as u64, Ordering::Relaxed);
    }

    pub(crate) fn behind(&self) -> usize {
        usize::try_from(self.behind.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Notes the sender whose watermark holds the task's back.
    pub(crate) fn set_slowest(&self, task: usize) {
        self.slowest.store(task as u64, Ordering::Relaxed);
    }

    pub(crate) fn slowest(&self) -> usize {
        usize::try_from(self.slowest.load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    /// Notes how many tuples are staged, or wait for credit.
    pub(crate) fn note_held(&self, tuples: usize) {
        let tuples = tuples as u64;
        // Only the task itself writes it.
        if tuples > self.held.load(Ordering::Relaxed) {
            self.held.store(tuples, Ordering::Relaxed);
        }
    }

    /// The most that were.
    pub(crate) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Notes whether a spout has something at hand to read, or a bolt more windows to close.
    pub(crate) fn set_reads(&self, reads: bool) {
        self.reads.store(reads, Ordering::Relaxed);
    }

    pub(crate) fn reads(&self) -> bool {
        self.reads.load(Ordering::Relaxed)
    }

    pub(crate) fn set_watermark(&self, watermark: Timestamp) {
        self.watermark.store(watermark.millis(), Ordering::Relaxed);
    }

    pub(crate) fn watermark(&self) -> Timestamp {
        Timestamp::from_millis(self.watermark.load(Ordering::Relaxed))
    }
}

/// The share of `part` in `whole`, `0.0..=1.0`.
pub(crate) fn share(part: Duration, whole: Duration) -> f64 {
    let whole = whole.as_secs_f64();
    if whole <= 0.0 {
        return 0.0;
    }
    (part.as_secs_f64() / whole).min(1.0)
}

/// Percentiles over the latest values, at most [`Percentiles::KEPT`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Percentiles {
    kept: std::collections::VecDeque<Duration>,
}

impl Percentiles {
    pub(crate) const KEPT: usize = 4_096;

    pub(crate) fn add(&mut self, value: Duration) {
        if self.kept.len() == Self::KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(value);
    }

    /// The value below which `share` (`0.0..=1.0`) of the values lie; zero without any.
    pub(crate) fn at(&self, share: f64) -> Duration {
        let mut sorted: Vec<_> = self.kept.iter().copied().collect();
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let rank = (share * last as f64).round() as usize;
        sorted.get(rank.min(last)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_nothing_and_of_a_hundred() {
        let mut values = Percentiles::default();
        assert_eq!(values.at(0.5), Duration::ZERO);
        for millis in (1..=101).rev() {
            values.add(Duration::from_millis(millis));
        }
        assert_eq!(values.at(0.5), Duration::from_millis(51));
        assert_eq!(values.at(0.99), Duration::from_millis(100));
    }
}

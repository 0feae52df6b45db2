//! How many tuples may be on their way to a task: what it can take in a tenth of a second.

use std::time::Duration;

use super::channels::FIRST_WINDOW;

/// The time that what is on its way to a task should take it.
const TARGET: Duration = Duration::from_millis(100);

/// A channel carries at most this many full batches at once, however fast the reader is:
/// more would only use memory.
const MAX_BATCHES: usize = 8;

/// A task that takes longer than this for a tuple may have a single one on its way.
const SLOW: Duration = Duration::from_millis(5);

/// The weight of the latest batch in the measured speed.
const LATEST: f64 = 0.25;

/// The credit that a task gives its senders, by its measured speed.
///
/// A slow bolt has little on its way, so that it stops soon and holds little memory; the
/// sum over its input channels is bounded in tuples.
#[derive(Debug)]
pub(super) enum CreditWindow {
    /// The same for every channel, for tests.
    Fixed(usize),
    Measured {
        batch_tuples: usize,
        nanos_per_tuple: Option<f64>,
        /// Time that the task itself waited for its readers since the last batch.
        blocked: Duration,
    },
}

impl CreditWindow {
    pub(super) fn measured(batch_tuples: usize) -> Self {
        Self::Measured {
            batch_tuples,
            nanos_per_tuple: None,
            blocked: Duration::ZERO,
        }
    }

    /// The task had to wait for its own readers: it is as slow as they are.
    pub(super) fn blocked(&mut self, span: Duration) {
        if let Self::Measured { blocked, .. } = self {
            *blocked += span;
        }
    }

    /// The window of each of `channels` channels after `tuples` took `busy`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    pub(super) fn after(&mut self, tuples: usize, busy: Duration, channels: usize) -> usize {
        let (batch_tuples, nanos_per_tuple, blocked) = match self {
            Self::Fixed(window) => return *window,
            Self::Measured {
                batch_tuples,
                nanos_per_tuple,
                blocked,
            } => (*batch_tuples, nanos_per_tuple, blocked),
        };
        let span = busy + std::mem::take(blocked);
        let latest = span.as_nanos() as f64 / tuples.max(1) as f64;
        let speed = match *nanos_per_tuple {
            Some(before) => before + LATEST * (latest - before),
            None => latest,
        };
        *nanos_per_tuple = Some(speed);
        let all = TARGET.as_nanos() as f64 / speed.max(1.0);
        let each = (all / channels.max(1) as f64) as usize;
        let most = batch_tuples.saturating_mul(MAX_BATCHES);
        // Where a batch costs much by itself (a sink that syncs), smaller ones only cost
        // more: it may grow as long as all channels together take about twice the target.
        let affordable = 2 * TARGET / u32::try_from(channels.max(1)).unwrap_or(u32::MAX);
        let grown = if span < affordable {
            tuples.saturating_mul(2)
        } else {
            1
        };
        let least = if speed < SLOW.as_nanos() as f64 {
            FIRST_WINDOW
        } else {
            1
        };
        each.max(grown).max(least).min(most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_task_has_a_tenth_of_a_second_on_its_way() {
        let mut window = CreditWindow::measured(1_024);
        // 10,000 tuples a second over four channels.
        assert_eq!(window.after(10, Duration::from_millis(1), 4), 250);
    }

    #[test]
    fn a_fast_task_has_a_few_batches_on_its_way() {
        let mut window = CreditWindow::measured(1_024);
        assert_eq!(window.after(1_000, Duration::from_micros(10), 2), 8 * 1_024);
    }

    #[test]
    fn a_fixed_cost_for_each_batch_does_not_shrink_the_batches_to_nothing() {
        let mut window = CreditWindow::measured(1_024);
        let mut tuples = 1_024;
        for _ in 0..50 {
            // A sink that takes 5 ms for each write, whatever it holds, with 16 senders.
            tuples = window
                .after(tuples, Duration::from_millis(5), 16)
                .min(1_024);
        }
        assert!(tuples >= 512, "{tuples} tuples a batch");
    }

    #[test]
    fn a_task_that_waits_for_its_readers_is_as_slow_as_they_are() {
        let mut window = CreditWindow::measured(1_024);
        window.blocked(Duration::from_secs(1));
        assert_eq!(window.after(10, Duration::ZERO, 1), 1);
    }
}

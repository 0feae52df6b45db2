//! Tasks of a spout that read the same times keep step.
//!
//! A window closes when the last of them has passed its end. What the others read meanwhile is
//! of windows that are kept open for it: memory, and a longer way through it for each tuple. The
//! measure is the slide of the windows. Flink aligns the watermarks of its sources where it is
//! told to, and stops those that are ahead; here one that is ahead pauses for a moment after
//! each slice, so that nobody waits for one that does not come.

use std::sync::Arc;
use std::time::Duration;

use super::metrics::Metrics;
use crate::time::Timestamp;

/// A task pauses where it is ahead by so many slides.
const NEAR: i64 = 2;

/// By so many it reads other times than the one behind, say the file of another day,
/// and it is of no use to wait.
const FAR: i64 = 1_000;

/// For so long; timers are no finer.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

/// The other tasks of a spout.
#[derive(Default)]
pub(super) struct Others(pub(super) Vec<Arc<Metrics>>);

impl Others {
    /// Whether a task with this watermark is so far ahead of one that has something to read
    /// that it should pause; slides in milliseconds, ascending.
    pub(super) fn are_behind(&self, watermark: Timestamp, slides: &[i64]) -> bool {
        let Some(slide) = slides.first() else {
            return false;
        };
        let ahead = slide.saturating_mul(NEAR)..slide.saturating_mul(FAR);
        self.0.iter().filter(|other| other.reads()).any(|other| {
            let other = other.watermark().millis();
            ahead.contains(&watermark.millis().saturating_sub(other))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_ahead_pauses_unless_it_reads_other_times() {
        let other = Arc::new(Metrics::default());
        let others = Others(vec![Arc::default(), Arc::clone(&other)]);
        let behind = |millis| others.are_behind(Timestamp::from_millis(millis), &[10, 60]);
        other.set_watermark(Timestamp::from_millis(100));
        assert!(!behind(120), "it has nothing to read");
        other.set_reads(true);
        assert!(!behind(119) && behind(120) && behind(10_099) && !behind(10_100));
        assert!(!behind(90), "it is not ahead");
        assert!(!others.are_behind(Timestamp::from_millis(120), &[]));
        other.set_watermark(Timestamp::MIN);
        assert!(!behind(i64::MAX), "nothing is known of it yet");
    }
}

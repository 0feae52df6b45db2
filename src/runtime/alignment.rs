//! Tasks of a spout that read the same times keep step, and those of a bolt that close windows.
//!
//! A window closes when the last of them has passed its end. What the others read meanwhile is
//! of windows that are kept open for it: memory, and a longer way through it for each tuple. The
//! measure is the slide of the windows. Flink aligns the watermarks of its sources where it is
//! told to, and stops those that are ahead; here one that is ahead pauses for a moment after
//! each slice, so that nobody waits for one that does not come.
//!
//! A pause is worth it where the one behind needs all of it to come up. Where slides are short,
//! or many tasks take turns, a task is some slides ahead after each slice, and the one behind
//! is there a moment later.
//!
//! Where many windows close at once, a task of a bolt that is ahead waits as long as another one
//! is closing earlier ones, or its readers would hold all windows by which it is ahead. That
//! one does not depend on the one that waits. The tasks of a bolt share their senders, so all have
//! the same watermark at an epoch: one that is behind has passed no epoch that the other has not,
//! and no reader holds back what it sends for an epoch of the other. This does not hold where each
//! task follows one sender of its own, as those do that are chained by shuffle or local grouping:
//! these do not know each other, and never wait.

use std::sync::Arc;
use std::time::Duration;

use super::message::TaskId;
use super::metrics::Metrics;
use crate::time::Timestamp;

/// A task pauses where it is ahead by so many slides.
const NEAR: i64 = 2;

/// By so many it reads other times than the one behind, say the file of another day,
/// and it is of no use to wait.
const FAR: i64 = 1_000;

/// A task that closes windows may be ahead by slides that give so many tuples.
const AHEAD_TUPLES: usize = 1 << 16;

/// It waits where it is ahead by more; with fewer, tasks would wait for each other at each turn.
const AHEAD_SLIDES: std::ops::RangeInclusive<usize> = 16..=4_096;

/// For so long; timers are no finer.
pub(super) const PAUSE: Duration = Duration::from_millis(1);

/// The other tasks of a spout or bolt.
#[derive(Default)]
pub(super) struct Others(Vec<Other>);

/// One of them, and how fast it is.
struct Other {
    task: TaskId,
    metrics: Arc<Metrics>,
    /// Its watermark at a time.
    seen: Option<(Timestamp, Duration)>,
    /// The milliseconds by which its watermark has gone on, and in what time.
    speed: Option<(i64, Duration)>,
}

impl Others {
    pub(super) fn new(others: Vec<(TaskId, Arc<Metrics>)>) -> Self {
        let others = others.into_iter().map(|(task, metrics)| Other {
            task,
            metrics,
            seen: None,
            speed: None,
        });
        Self(others.collect())
    }

    /// Whether a task with this watermark is so far ahead of one that has something to read
    /// that it should pause; slides in milliseconds, ascending; `now` since the run began.
    pub(super) fn are_behind(
        &mut self,
        watermark: Timestamp,
        slides: &[i64],
        now: Duration,
    ) -> bool {
        let Some(slide) = slides.first() else {
            return false;
        };
        let ahead = slide.saturating_mul(NEAR)..slide.saturating_mul(FAR);
        let mut behind = false;
        for other in self.0.iter_mut().filter(|other| other.metrics.reads()) {
            let by = watermark.millis().saturating_sub(other.look(now).millis());
            behind |= ahead.contains(&by) && other.needs_a_pause_for(by);
        }
        behind
    }

    /// The task of a bolt that is closing windows that end many slides, in milliseconds, before
    /// this watermark; `tuples` is how many a window gives.
    pub(super) fn behind(&self, watermark: Timestamp, slide: i64, tuples: usize) -> Option<TaskId> {
        let slides = AHEAD_TUPLES / tuples.max(1);
        let slides = slides.clamp(*AHEAD_SLIDES.start(), *AHEAD_SLIDES.end());
        let ahead = slide.saturating_mul(i64::try_from(slides).unwrap_or(i64::MAX));
        let until = watermark.back(ahead);
        let mut closing = self.0.iter().filter(|other| other.metrics.reads());
        let behind = closing.find(|other| other.metrics.watermark() < until);
        behind.map(|other| other.task)
    }
}

impl Other {
    /// Its watermark now.
    fn look(&mut self, now: Duration) -> Timestamp {
        let watermark = self.metrics.watermark();
        match self.seen {
            None => self.seen = Some((watermark, now)),
            Some((before, at)) => {
                let span = now.saturating_sub(at);
                if span >= PAUSE {
                    let went_on = watermark.millis().saturating_sub(before.millis());
                    self.speed = Some((went_on, span));
                    self.seen = Some((watermark, now));
                }
            }
        }
        watermark
    }

    /// Whether a pause is not longer than it needs for so many milliseconds; not before its
    /// speed is known.
    fn needs_a_pause_for(&self, millis: i64) -> bool {
        self.speed.is_some_and(|(went_on, span)| {
            let in_a_pause = i128::from(went_on).saturating_mul(nanos(PAUSE));
            i128::from(millis).saturating_mul(nanos(span)) >= in_a_pause
        })
    }
}

fn nanos(span: Duration) -> i128 {
    i128::try_from(span.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLIDES: [i64; 2] = [10, 60];

    /// The other tasks of one, the second of which is at 0 and can be moved.
    fn others() -> (Others, Arc<Metrics>) {
        let other = Arc::new(Metrics::default());
        let others = Others::new(vec![(4, Arc::default()), (5, Arc::clone(&other))]);
        (others, other)
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn who_is_ahead_pauses_unless_it_reads_other_times() {
        let (mut others, other) = others();
        let mut now = Duration::ZERO;
        let mut behind = |millis, slides: &[i64]| {
            now += PAUSE;
            others.are_behind(at(millis), slides, now)
        };
        assert!(!behind(100, &SLIDES), "it has nothing to read");
        other.set_reads(true);
        other.set_watermark(at(100));
        assert!(!behind(120, &SLIDES), "it is not known how fast it is");
        assert!(!behind(119, &SLIDES) && behind(120, &SLIDES));
        assert!(behind(10_099, &SLIDES) && !behind(10_100, &SLIDES));
        assert!(!behind(90, &SLIDES), "it is not ahead");
        assert!(!behind(120, &[]));
        other.set_watermark(Timestamp::MIN);
        assert!(!behind(i64::MAX, &SLIDES), "nothing is known of it yet");
    }

    #[test]
    fn who_closes_windows_waits_for_one_that_closes_much_earlier_ones() {
        let (others, other) = others();
        other.set_watermark(at(100));
        assert_eq!(others.behind(at(99_000), 10, 1), None, "it closes none");
        other.set_reads(true);
        for (tuples, slides) in [(0, 4_096), (1 << 10, 64), (1 << 20, 16)] {
            let ahead = 100 + slides * 10;
            assert_eq!(others.behind(at(ahead + 1), 10, tuples), Some(5));
            assert_eq!(others.behind(at(ahead), 10, tuples), None);
        }
        assert_eq!(others.behind(at(90), 10, 1), None, "that one waits");
    }

    #[test]
    fn nobody_pauses_for_one_that_comes_up_sooner() {
        let (mut others, other) = others();
        other.set_reads(true);
        assert!(!others.are_behind(at(50), &SLIDES, Duration::ZERO));
        other.set_watermark(at(80));
        // It goes on by 40 in a pause.
        let now = PAUSE * 2;
        assert!(!others.are_behind(at(119), &SLIDES, now));
        assert!(others.are_behind(at(120), &SLIDES, now));
        other.set_watermark(at(90));
        let sooner = now + PAUSE / 2;
        assert!(!others.are_behind(at(129), &SLIDES, sooner), "as before");
        assert!(others.are_behind(at(129), &SLIDES, now + PAUSE));
    }
}

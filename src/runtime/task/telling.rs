//! When readers are told of a watermark at once.

use std::time::Duration;

/// A window's end is told to the readers at most this often.
const INTERVAL: Duration = Duration::from_millis(1);

/// Up to so many tasks on a thread tell that often, twice as many half as often: each one tells
/// every reader, and what is combined for a reader is cut short by that.
const IN_TURN: usize = 4;

/// When readers were told of a window's end, and when they may be told again.
pub(super) struct Telling {
    told_at: Option<Duration>,
    interval: Duration,
    /// The next flush tells the watermark too.
    pub(super) later: bool,
}

impl Telling {
    pub(super) fn new() -> Self {
        Self {
            told_at: None,
            interval: INTERVAL,
            later: false,
        }
    }

    /// So many tasks share the thread, the teller among them.
    pub(super) fn take_turns(&mut self, tasks: usize) {
        let turns = u32::try_from(tasks.div_ceil(IN_TURN)).unwrap_or(u32::MAX);
        self.interval = INTERVAL.saturating_mul(turns.max(1));
    }

    /// When they may be told again; none where they were not told yet.
    pub(super) fn may_at(&self) -> Option<Duration> {
        self.told_at.map(|at| at + self.interval)
    }

    pub(super) fn told(&mut self, now: Duration) {
        self.told_at = Some(now);
        self.later = false;
    }
}

//! The two clocks: the computer's, and one that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::time::Timestamp;

/// Tells the time since the run began, and the moment that this is.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    began: Timestamp,
    source: Source,
}

#[derive(Clone, Debug)]
enum Source {
    System(Instant),
    /// Nanoseconds since the beginning. An atomic only because tasks are `Send`: the test
    /// kit moves the clock and runs the tasks on one thread.
    Virtual(Arc<AtomicU64>),
}

impl Clock {
    pub(crate) fn system() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
        let millis = since_1970.map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(0));
        Self {
            began: Timestamp::from_millis(millis),
            source: Source::System(Instant::now()),
        }
    }

    pub(crate) fn manual(began: Timestamp) -> Self {
        Self {
            began,
            source: Source::Virtual(Arc::default()),
        }
    }

    /// The same clock, by which it is at least this moment.
    pub(crate) fn not_before(mut self, moment: Timestamp) -> Self {
        let behind = moment.millis().saturating_sub(self.now().millis());
        if behind > 0 {
            self.began = self.began.forward(behind);
        }
        self
    }

    /// Time since the run began; never goes back.
    pub(crate) fn elapsed(&self) -> Duration {
        match &self.source {
            Source::System(instant) => instant.elapsed(),
            Source::Virtual(nanos) => Duration::from_nanos(nanos.load(Ordering::Relaxed)),
        }
    }

    /// The present moment: never goes back, whatever is done to the computer's date.
    pub(crate) fn now(&self) -> Timestamp {
        self.at(self.elapsed())
    }

    /// The moment that is `elapsed` after the beginning.
    pub(crate) fn at(&self, elapsed: Duration) -> Timestamp {
        self.began
            .forward(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }

    /// How long after the beginning `moment` is; zero for moments before it.
    pub(crate) fn until(&self, moment: Timestamp) -> Duration {
        let millis = moment.millis().saturating_sub(self.began.millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// Moves a manual clock forward to `elapsed`; the computer's clock moves by itself.
    pub(crate) fn advance_to(&self, elapsed: Duration) {
        if let Source::Virtual(nanos) = &self.source {
            let target = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
            nanos.fetch_max(target, Ordering::Relaxed);
        }
    }
}

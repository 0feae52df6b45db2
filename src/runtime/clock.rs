//! The two clocks: the computer's, and one that tests move; and whether the first can be right.

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
        Self {
            began: computers_time(),
            source: Source::System(Instant::now()),
        }
    }

    /// What the computer's clock says, which may be set while a run goes on; none for a manual
    /// clock.
    pub(crate) fn computer(&self) -> Option<Timestamp> {
        matches!(self.source, Source::System(_)).then(computers_time)
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

/// What the computer's clock says.
fn computers_time() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since_1970.map_or(0, |span| i64::try_from(span.as_millis()).unwrap_or(0));
    Timestamp::from_millis(millis)
}

/// By how much two clocks may differ before that is told, in milliseconds: time servers correct
/// less than this without anybody's doing.
const TOLD_FROM_MS: i64 = 60_000;

/// What to say at the start of a run that goes on from a moment that has not come yet: the
/// clock was ahead when `stored` was committed. Times by the clock do not go back, so they go on
/// from `stored`.
pub(crate) fn stored_is_ahead(stored: Timestamp, present: Timestamp) -> Option<String> {
    let ahead_ms = stored.millis().saturating_sub(present.millis());
    (ahead_ms > TOLD_FROM_MS).then(|| {
        format!(
            "the last commit was made at {stored}, but it is {present} now: the clock was {} \
             ahead then. Windows by processing time go on from {stored}, since their times never \
             go back. Wait until then before you run it again, or delete the state (`squall \
             reset`, `DataDir::reset`)",
            span(ahead_ms)
        )
    })
}

/// Tells when the computer's clock is set while a run goes on, which does not follow it.
#[derive(Debug, Default)]
pub(crate) struct ClockWatch {
    /// By how much the run's time was ahead of the computer's at the first look.
    ahead_ms: Option<i64>,
    told: bool,
}

impl ClockWatch {
    /// Compares the time of the run with the computer's; gives what is to be told, once until
    /// they agree again.
    pub(crate) fn look(&mut self, run: Timestamp, computer: Timestamp) -> Option<String> {
        let ahead_ms = run.millis().saturating_sub(computer.millis());
        let set_back_ms = ahead_ms.saturating_sub(*self.ahead_ms.get_or_insert(ahead_ms));
        let differs = set_back_ms.saturating_abs() > TOLD_FROM_MS;
        if !differs || std::mem::replace(&mut self.told, differs) {
            self.told = differs;
            return None;
        }
        let how = if set_back_ms > 0 { "back" } else { "ahead" };
        Some(format!(
            "the computer's clock was set {how} by {}: it says {computer}, but the run goes on at \
             {run}, since its times follow the elapsed time and never go back",
            span(set_back_ms.saturating_abs())
        ))
    }
}

/// A span for people: the two largest units of `3653d 4h`.
fn span(millis: i64) -> String {
    const UNITS: [(&str, i64); 4] = [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
    let mut seconds = millis / 1_000;
    let mut parts = Vec::new();
    for (unit, length) in UNITS {
        let number = seconds / length;
        seconds %= length;
        if number > 0 {
            parts.push(format!("{number} {unit}"));
        }
    }
    parts.truncate(2);
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        let moment: jiff::Timestamp = text.parse().unwrap();
        Timestamp::from_millis(moment.as_millisecond())
    }

    #[test]
    fn a_commit_of_a_clock_that_was_ahead_is_told_with_both_times() {
        let present = at("2026-03-01T12:00:00Z");
        let told = stored_is_ahead(at("2036-03-01T14:00:00Z"), present).unwrap();
        for part in [
            "2036-03-01T14:00:00Z",
            "2026-03-01T12:00:00Z",
            "3653 d 2 h",
            "reset",
        ] {
            assert!(told.contains(part), "no {part} in {told}");
        }
        for near in ["2026-03-01T12:01:00Z", "2026-03-01T11:00:00Z"] {
            assert_eq!(stored_is_ahead(at(near), present), None, "{near}");
        }
    }

    #[test]
    fn a_clock_that_is_set_during_a_run_is_told_once_each_time() {
        let mut watch = ClockWatch::default();
        let (run, minute) = (at("2036-01-01T00:00:00Z"), 60_000);
        let real = at("2026-01-01T00:00:00Z");
        // A run that is ahead from its start has been told of that.
        assert_eq!(watch.look(run, real), None);
        assert_eq!(
            watch.look(run.forward(minute), real),
            None,
            "a minute is not told"
        );
        let told = watch
            .look(run.forward(62 * minute), real.forward(minute))
            .unwrap();
        assert!(
            told.contains("set back by 1 h 1 min: it says 2026-01-01T00:01:00Z"),
            "{told}"
        );
        assert_eq!(
            watch.look(run.forward(63 * minute), real.forward(2 * minute)),
            None
        );
        assert_eq!(
            watch.look(run.forward(64 * minute), real.forward(64 * minute)),
            None
        );
        let told = watch
            .look(run.forward(65 * minute), real.forward(600 * minute))
            .unwrap();
        assert!(told.contains("set ahead by 8 h 55 min"), "{told}");
    }
}

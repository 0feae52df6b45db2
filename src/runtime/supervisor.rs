//! What becomes of a run whose task has failed: it is restored from its last commit, but
//! not for ever.

use std::collections::VecDeque;
use std::time::Duration;

use super::report::RunError;

/// How often a durable run is restored from its last commit after a failure, and after how
/// long. A run without a data directory has nothing to go on from, and ends.
///
/// ```
/// use squall::{Restarts, RunOptions, secs};
///
/// let restarts = Restarts { per_minute: 3, first_pause: secs(1), ..Restarts::default() };
/// let options = RunOptions { restarts, ..RunOptions::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restarts {
    /// At most so many within a minute, 10; the next failure ends the run with the first
    /// cause. 0 ends it at the first failure.
    pub per_minute: u32,
    /// The pause before the first of them, 100 ms; it doubles with each.
    pub first_pause: Duration,
    /// The longest pause, 5 s.
    pub longest_pause: Duration,
}

impl Default for Restarts {
    fn default() -> Self {
        Self {
            per_minute: 10,
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
        }
    }
}

const MINUTE: Duration = Duration::from_mins(1);

/// What to do after a failure.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Go on from the last commit after this pause.
    Restart(Duration),
    /// End the run.
    End(RunError),
}

pub(crate) struct Supervisor {
    restarts: Restarts,
    /// The failures of the last minute.
    recent: VecDeque<Duration>,
    /// The first of them.
    first: Option<RunError>,
}

impl Supervisor {
    pub(crate) fn new(restarts: Restarts) -> Self {
        Self {
            restarts,
            recent: VecDeque::new(),
            first: None,
        }
    }

    /// The run has failed.
    pub(crate) fn failed(&mut self, now: Duration, error: RunError) -> Verdict {
        while self.recent.front().is_some_and(|at| *at + MINUTE <= now) {
            self.recent.pop_front();
        }
        if self.recent.is_empty() {
            self.first = None;
        }
        let restarts = u32::try_from(self.recent.len()).unwrap_or(u32::MAX);
        if restarts >= self.restarts.per_minute {
            return Verdict::End(match self.first.take() {
                None => error,
                Some(first) => RunError::GaveUp {
                    restarts,
                    cause: Box::new(first),
                },
            });
        }
        self.recent.push_back(now);
        let doubled = 2_u32.saturating_pow(restarts);
        let pause = self.restarts.first_pause.saturating_mul(doubled);
        let pause = pause.min(self.restarts.longest_pause);
        tracing::warn!("{error}; the topology goes on from its last commit in {pause:?}");
        self.first.get_or_insert(error);
        Verdict::Restart(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{millis, secs};

    fn failure(number: u32) -> RunError {
        RunError::Panicked {
            task: format!("counts[{number}]"),
            message: "no".to_owned(),
        }
    }

    #[test]
    fn pauses_grow_and_the_first_cause_is_told() {
        let mut supervisor = Supervisor::new(Restarts {
            per_minute: 3,
            first_pause: millis(100),
            longest_pause: millis(300),
        });
        let mut pauses = Vec::new();
        for number in 0..3 {
            match supervisor.failed(secs(u64::from(number)), failure(number)) {
                Verdict::Restart(pause) => pauses.push(pause),
                Verdict::End(error) => panic!("{error}"),
            }
        }
        assert_eq!(pauses, [millis(100), millis(200), millis(300)]);
        let Verdict::End(error) = supervisor.failed(secs(4), failure(4)) else {
            panic!("a fourth restart");
        };
        assert_eq!(
            error.to_string(),
            "gave up after 3 restarts within a minute; the first was because counts[0] \
             panicked: no"
        );
    }

    #[test]
    fn a_minute_later_it_begins_anew() {
        let mut supervisor = Supervisor::new(Restarts {
            per_minute: 1,
            ..Restarts::default()
        });
        assert!(matches!(
            supervisor.failed(secs(0), failure(0)),
            Verdict::Restart(_)
        ));
        assert!(matches!(
            supervisor.failed(secs(60), failure(1)),
            Verdict::Restart(_)
        ));
        assert!(matches!(
            supervisor.failed(secs(61), failure(2)),
            Verdict::End(_)
        ));
    }
}

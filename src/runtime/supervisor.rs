//! What becomes of a run whose task has failed: it is restored from its last commit, but
//! not for ever.

use std::collections::VecDeque;
use std::time::Duration;

use super::ended::InHand;
use super::report::RunError;

/// How often a durable run is restored from its last commit after a failure, and after how
/// long. A run without a data directory has nothing to go on from, and ends.
///
/// What fails again and again counts, not what fails: a tuple on which a component panics is a
/// cause of its own, and all other failures of a component are one.
///
/// ```
/// use squall::{RunOptions, secs, run::Restarts};
///
/// let restarts = Restarts { per_minute: 3, first_pause: secs(1), ..Restarts::default() };
/// let options = RunOptions { restarts, ..RunOptions::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restarts {
    /// At most so many within a minute for one cause, 10, and ten times as many for all; the next
    /// failure ends the run with the first error. 0 ends it at the first failure.
    pub per_minute: u32,
    /// The pause before the first of a cause, 100 ms; it doubles with each.
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

/// What restarts are counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// What has failed; the topology where no component has.
    component: String,
    /// The tuple on which it panicked.
    tuple: Option<String>,
}

impl Cause {
    /// The cause of a failure, and the tuple that was in hand at a panic.
    pub(crate) fn of(error: &RunError, in_hand: Option<&InHand>) -> Self {
        let task = match error {
            RunError::Start { task, .. }
            | RunError::Failed { task, .. }
            | RunError::Panicked { task, .. }
            | RunError::Restore { task, .. } => task.as_str(),
            _ => "",
        };
        let component = task.split('[').next().unwrap_or_default();
        Self {
            component: component.to_owned(),
            tuple: in_hand.map(|in_hand| in_hand.tuple.clone()),
        }
    }
}

/// All causes together have so many times the restarts of one: a bolt that panics on every tuple
/// would go on until its input ends, two restarts for each.
const ALL_CAUSES: u32 = 10;

pub(crate) struct Supervisor {
    restarts: Restarts,
    /// The failures of the last minute. At most [`ALL_CAUSES`] times what one may have.
    recent: VecDeque<(Duration, Cause, RunError)>,
}

impl Supervisor {
    pub(crate) fn new(restarts: Restarts) -> Self {
        Self {
            restarts,
            recent: VecDeque::new(),
        }
    }

    /// The run has failed.
    pub(crate) fn failed(&mut self, now: Duration, error: RunError, cause: Cause) -> Verdict {
        let is_old = |(at, ..): &mut (Duration, _, _)| *at + MINUTE <= now;
        while self.recent.pop_front_if(is_old).is_some() {}
        let count = |restarts| u32::try_from(restarts).unwrap_or(u32::MAX);
        let all = count(self.recent.len());
        let is_same = |(_, other, _): &(_, Cause, _)| *other == cause;
        let same = self.recent.iter().filter(|failure| is_same(failure));
        let same = count(same.count());
        let most = self.restarts.per_minute;
        let too_often = same >= most;
        if too_often || all >= most.saturating_mul(ALL_CAUSES) {
            let mut recent = self.recent.iter();
            let first = recent.position(|failure| !too_often || is_same(failure));
            let first = first.and_then(|first| self.recent.remove(first));
            return Verdict::End(match first {
                None => error,
                Some((_, _, first)) => RunError::GaveUp {
                    restarts: if too_often { same } else { all },
                    cause: Box::new(first),
                },
            });
        }
        let doubled = 2_u32.saturating_pow(same);
        let pause = self.restarts.first_pause.saturating_mul(doubled);
        let pause = pause.min(self.restarts.longest_pause);
        let why = with_sources(&error);
        tracing::warn!("{why}; the topology goes on from its last commit in {pause:?}");
        self.recent.push_back((now, cause, error));
        Verdict::Restart(pause)
    }
}

/// An error with what it came from, each said once.
pub(super) fn with_sources(error: &RunError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::{millis, secs};

    fn failure(number: u32) -> (RunError, Cause) {
        let error = RunError::Panicked {
            task: format!("counts[{number}]"),
            message: "no".to_owned(),
        };
        let cause = Cause::of(&error, None);
        (error, cause)
    }

    /// The same with a tuple in hand.
    fn poisoned(tuple: &str) -> (RunError, Cause) {
        let (error, _) = failure(0);
        let in_hand = InHand {
            component: "counts".to_owned(),
            tuple: tuple.to_owned(),
            message: "no".to_owned(),
        };
        let cause = Cause::of(&error, Some(&in_hand));
        (error, cause)
    }

    fn fails(
        supervisor: &mut Supervisor,
        second: u64,
        (error, cause): (RunError, Cause),
    ) -> Result<Duration, String> {
        match supervisor.failed(secs(second), error, cause) {
            Verdict::Restart(pause) => Ok(pause),
            Verdict::End(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn pauses_grow_and_the_first_cause_is_told() {
        let mut supervisor = Supervisor::new(Restarts {
            per_minute: 3,
            first_pause: millis(100),
            longest_pause: millis(300),
        });
        let pauses = [0, 1, 2].map(|task| {
            // Tasks of one component are one cause.
            fails(&mut supervisor, u64::from(task), failure(task)).unwrap()
        });
        assert_eq!(pauses, [millis(100), millis(200), millis(300)]);
        assert_eq!(
            fails(&mut supervisor, 4, failure(4)).unwrap_err(),
            "gave up after 3 restarts within a minute; the cause of the first one: counts[0] \
             panicked: no"
        );
    }

    #[test]
    fn a_minute_later_it_begins_anew() {
        let mut supervisor = Supervisor::new(Restarts {
            per_minute: 1,
            ..Restarts::default()
        });
        assert!(fails(&mut supervisor, 0, failure(0)).is_ok());
        assert!(fails(&mut supervisor, 60, failure(1)).is_ok());
        assert!(fails(&mut supervisor, 61, failure(2)).is_err());
    }

    #[test]
    fn each_cause_has_its_own_restarts_and_all_together_ten_times_as_many() {
        let restarts = Restarts {
            per_minute: 2,
            first_pause: millis(100),
            ..Restarts::default()
        };
        let mut supervisor = Supervisor::new(restarts);
        for tuple in 0..10 {
            let tuple = tuple.to_string();
            for pause in [100, 200] {
                let paused = fails(&mut supervisor, 0, poisoned(&tuple));
                assert_eq!(paused.unwrap(), millis(pause), "{tuple}");
            }
        }
        let end = fails(&mut supervisor, 0, poisoned("another")).unwrap_err();
        assert!(end.starts_with("gave up after 20 restarts"), "{end}");

        let mut supervisor = Supervisor::new(restarts);
        for _ in 0..2 {
            assert!(fails(&mut supervisor, 0, poisoned("a")).is_ok());
        }
        assert!(fails(&mut supervisor, 0, poisoned("b")).is_ok());
        let end = fails(&mut supervisor, 0, poisoned("a")).unwrap_err();
        assert!(end.starts_with("gave up after 2 restarts"), "{end}");
    }
}

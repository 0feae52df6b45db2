//! What a task says of the systems outside that it depends on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A task that still waits is logged again after this time.
const REMIND: Duration = Duration::from_secs(30);

/// Says how a task stands with the systems outside of its run: whether it waits for one, and how
/// much of its input it has not read. Cheap to clone, so that a future or a thread of the task can
/// say it.
///
/// What is said here is in the log, once and then every 30 s, in the statistics of the run, and in
/// the error of a run that cannot stop.
///
/// ```
/// use squall::run::Status;
///
/// let status = Status::of("out[0]");
/// status.waits("Redis at 127.0.0.1:6379 refuses connections");
/// assert_eq!(status.waits_for().as_deref(), Some("Redis at 127.0.0.1:6379 refuses connections"));
/// status.goes_on();
/// assert_eq!(status.waits_for(), None);
/// ```
#[derive(Clone, Debug)]
pub struct Status(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    task: String,
    // Said by the task and its clients, read by the coordinator and by who asks for statistics.
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Told {
    waits: Option<Waits>,
    lag: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Waits {
    reason: String,
    since: Instant,
    logged: Instant,
}

impl Status {
    /// That of a task, named as people name it.
    #[must_use]
    pub fn of(task: impl Into<String>) -> Self {
        Self(Arc::new(Shared {
            task: task.into(),
            told: Mutex::default(),
        }))
    }

    /// The task cannot go on before something outside changes; `reason` says what. It has no
    /// secrets in it.
    pub fn waits(&self, reason: impl Into<String>) {
        let (reason, now) = (reason.into(), Instant::now());
        let task = &self.0.task;
        self.with(|told| match &mut told.waits {
            Some(waits) if waits.reason == reason => {
                if now.duration_since(waits.logged) >= REMIND {
                    waits.logged = now;
                    let seconds = now.duration_since(waits.since).as_secs();
                    tracing::warn!("{task} still waits, for {seconds} s: {reason}");
                }
            }
            waits => {
                tracing::warn!("{task} waits: {reason}");
                let since = waits.as_ref().map_or(now, |waits| waits.since);
                *waits = Some(Waits {
                    reason,
                    since,
                    logged: now,
                });
            }
        });
    }

    /// The task does not wait any more.
    pub fn goes_on(&self) {
        let task = &self.0.task;
        self.with(|told| {
            if let Some(waits) = told.waits.take() {
                let seconds = waits.since.elapsed().as_secs_f64();
                tracing::info!("{task} goes on after {seconds:.1} s");
            }
        });
    }

    /// What the task waits for; none where it does not.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        self.with(|told| told.waits.as_ref().map(|waits| waits.reason.clone()))
    }

    /// How many records of a split of its input a spout has not read, as far as is known.
    pub fn set_lag(&self, split: &str, records: u64) {
        self.with(|told| match told.lag.get_mut(split) {
            Some(lag) => *lag = records,
            None => _ = told.lag.insert(split.to_owned(), records),
        });
    }

    /// The [lag](Status::set_lag) of each split, by its name.
    #[must_use]
    pub fn lag(&self) -> BTreeMap<String, u64> {
        self.with(|told| told.lag.clone())
    }

    fn with<T>(&self, does: impl FnOnce(&mut Told) -> T) -> T {
        // It is right at every moment, so a panic elsewhere does not matter.
        does(&mut self.0.told.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_changes_and_its_beginning_stays() {
        let status = Status::of("out[0]");
        status.waits("one");
        let since = status.with(|told| told.waits.as_ref().map(|waits| waits.since));
        status.waits("two");
        assert_eq!(status.waits_for().as_deref(), Some("two"));
        let still = status.with(|told| told.waits.as_ref().map(|waits| waits.since));
        assert_eq!(since, still);
        status.goes_on();
        assert_eq!(status.clone().waits_for(), None);
    }

    #[test]
    fn the_lag_of_a_split_is_the_latest() {
        let status = Status::of("words[1]");
        for (split, records) in [("0", 5), ("1", 7), ("0", 3)] {
            status.set_lag(split, records);
        }
        let lag: Vec<_> = status.lag().into_iter().collect();
        assert_eq!(lag, [("0".to_owned(), 3), ("1".to_owned(), 7)]);
    }
}

//! Faults on purpose: named points where a test makes a run fail.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::Result;

/// What happens at a point; see [`Faults`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// User code panics.
    Panic,
    /// User code returns an error.
    Error,
    /// User code takes this long: it sleeps, in virtual time nothing happens.
    Delay(Duration),
    /// The process dies at once. Under [`TopologyTest`](crate::testing::TopologyTest) all
    /// tasks and what they hold are gone, as in a process that dies, and a new run goes on
    /// with the store.
    Kill,
}

/// Makes a run fail at named points, each at its n-th pass over all tasks.
///
/// The points of the runtime are in [`Faults::POINTS`]; user code adds its own by
/// [`Context::fault_point`](crate::Context::fault_point). Every fault happens once.
///
/// ```
/// use squall::testing::{Fault, Faults};
///
/// let faults = Faults::none().at("bolt.execute", 3, Fault::Panic).at("commit", 1, Fault::Kill);
/// assert_eq!(faults.left(), 2);
/// ```
#[derive(Clone, Default)]
pub struct Faults(Option<Arc<Shared>>);

#[derive(Default)]
struct Shared {
    // Tasks on several threads count the same points.
    points: Mutex<BTreeMap<String, Point>>,
    /// A kill ends the run and not the process.
    // An atomic only because it is set when the run begins; nothing is ordered by it.
    simulated: AtomicBool,
}

#[derive(Default)]
struct Point {
    passed: u64,
    faults: BTreeMap<u64, Fault>,
}

/// A kill that is only played: the driver takes everything down.
#[derive(Debug, thiserror::Error)]
#[error("killed on purpose at `{0}`")]
pub(crate) struct Killed(String);

impl Faults {
    /// The points that the runtime passes:
    ///
    /// - `spout.next`: before a spout is asked for tuples;
    /// - `bolt.execute`: before a bolt or sink takes a batch;
    /// - `bolt.watermark`, `bolt.epoch`: before it sees a watermark, or an epoch;
    /// - `save`: before the changes of a task are taken for a commit;
    /// - `commit`: before the store writes the batch of an epoch;
    /// - `committed`: after it was written, before anybody knows;
    /// - `deliver`: before a sink delivers what was committed;
    /// - `delivered`: after that, before it is recorded;
    /// - `restore`: before a task takes in what is stored of it.
    pub const POINTS: [&str; 10] = [
        "spout.next",
        "bolt.execute",
        "bolt.watermark",
        "bolt.epoch",
        "save",
        "commit",
        "committed",
        "deliver",
        "delivered",
        "restore",
    ];

    /// Nothing fails.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Fails at the `nth` pass (from 1) of a point.
    #[must_use]
    pub fn at(mut self, point: &str, nth: u64, fault: Fault) -> Self {
        let shared = self.0.get_or_insert_default();
        let mut points = shared.points.lock().unwrap_or_else(PoisonError::into_inner);
        let point = points.entry(point.to_owned()).or_default();
        point.faults.insert(nth, fault);
        drop(points);
        self
    }

    /// How many faults have not happened.
    #[must_use]
    pub fn left(&self) -> usize {
        let Some(shared) = &self.0 else { return 0 };
        let points = shared.points.lock().unwrap_or_else(PoisonError::into_inner);
        points.values().map(|point| point.faults.len()).sum()
    }

    /// The same faults, in a run in which kills are only played.
    pub(crate) fn simulated(&self) -> Self {
        if let Some(shared) = &self.0 {
            shared.simulated.store(true, Ordering::Relaxed);
        }
        self.clone()
    }

    /// A point is passed.
    #[inline]
    pub(crate) fn pass(&self, point: &str) -> Result {
        match &self.0 {
            None => Ok(()),
            Some(shared) => shared.pass(point),
        }
    }
}

impl Shared {
    fn pass(&self, name: &str) -> Result {
        let fault = {
            let mut points = self.points.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(point) = points.get_mut(name) else {
                return Ok(());
            };
            point.passed += 1;
            let passed = point.passed;
            point.faults.remove(&passed)
        };
        match fault {
            None => Ok(()),
            Some(Fault::Panic) => panic!("a panic on purpose at `{name}`"),
            Some(Fault::Error) => Err(format!("an error on purpose at `{name}`").into()),
            Some(Fault::Kill) if self.simulated.load(Ordering::Relaxed) => {
                Err(Killed(name.to_owned()).into())
            }
            Some(Fault::Kill) => std::process::abort(),
            Some(Fault::Delay(span)) => {
                if !self.simulated.load(Ordering::Relaxed) {
                    std::thread::park_timeout(span);
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Faults({} left)", self.left())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_happens_once_at_its_pass() {
        let faults = Faults::none().at("here", 2, Fault::Error);
        assert!(faults.pass("here").is_ok());
        assert!(faults.pass("there").is_ok());
        let error = faults.pass("here").unwrap_err();
        assert_eq!(error.to_string(), "an error on purpose at `here`");
        assert!(faults.pass("here").is_ok());
        assert_eq!(faults.left(), 0);
    }
}

//! A run as others see it.

use std::fmt;
use std::sync::Arc;

use super::control::{Control, Seen};
use crate::topology::Plan;

/// Sees a run from any thread, while it goes on and after its end: the plan, how it stands, and its
/// statistics. Cheap to clone; it keeps nothing of the run going.
///
/// ```
/// use squall::{RunOptions, Topology, Word, run::Phase, testing::{Collected, Events}};
///
/// let topology = Topology::named("said");
/// let words = topology.spout("words", || Events::now([Word { word: "storm".into() }]));
/// let said = Collected::of(&topology, "said", &words);
/// let running = topology.start(RunOptions { signals: false, ..RunOptions::default() })?;
///
/// let watch = running.watch();
/// let summary = running.wait()?;
/// let seen = std::thread::spawn(move || watch.see()).join().expect("it does not panic");
/// assert_eq!(seen.phase, Phase::Ended { error: None });
/// assert_eq!(seen.stats, summary.stats);
/// # assert_eq!(said.take().len(), 1);
/// # Ok::<(), squall::RunError>(())
/// ```
#[derive(Clone)]
pub struct Watch {
    plan: Arc<Plan>,
    control: Control,
}

impl Watch {
    pub(super) fn new(plan: Arc<Plan>, control: Control) -> Self {
        Self { plan, control }
    }

    /// What runs.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How the run stands and what it has done. A run that has much to do is waited for at most for
    /// 1 s; then the statistics are those that were seen last.
    #[must_use]
    pub fn see(&self) -> Seen {
        self.control.see()
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.plan.name)
    }
}

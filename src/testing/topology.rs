//! A whole topology on this thread, with virtual time and a seeded order of delivery.

use crate::runtime::{RunError, RunOptions, Summary, run_on_this_thread};
use crate::time::Timestamp;
use crate::topology::Topology;

/// Runs a topology on this thread: no thread, no waiting, the same run for the same seed.
///
/// What the seed chooses is what the scheduler and the network choose in a real run: which
/// task works next, and which message arrives next. Messages between the same two tasks
/// keep their order. A step of a task takes 100 microseconds of virtual time; when nobody has
/// anything to do, time passes until somebody has.
///
/// The topology runs until its input ends, or for [`RunOptions::run_for`] of virtual time.
pub struct TopologyTest {
    topology: Topology,
    options: RunOptions,
    seed: u64,
    began: Timestamp,
}

impl TopologyTest {
    /// A test of `topology` with seed 0.
    #[must_use]
    pub fn new(topology: Topology) -> Self {
        Self {
            topology,
            options: RunOptions::default(),
            seed: 0,
            began: Timestamp::from_millis(0),
        }
    }

    /// Another order of delivery.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Other settings; signals are not handled.
    #[must_use]
    pub fn options(mut self, options: RunOptions) -> Self {
        self.options = options;
        self
    }

    /// The moment at which virtual time begins; 1970 unless said.
    #[must_use]
    pub fn begin_at(mut self, moment: Timestamp) -> Self {
        self.began = moment;
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// As [`Topology::run`]; a topology in which nothing can happen any more ends as stuck.
    pub fn run(self) -> Result<Summary, RunError> {
        run_on_this_thread(self.topology, self.options, self.began, self.seed)
    }
}

//! How a topology is run.

use std::time::Duration;

use super::losses::LossLimit;
use super::supervisor::Restarts;
use crate::durable::DataDir;
use crate::fault::Faults;

/// The settings of a run; [`RunOptions::default`] suits most.
///
/// ```
/// use squall::{RunOptions, millis};
///
/// let options = RunOptions { epoch: millis(50), ..RunOptions::default() };
/// assert_eq!(options.batch_tuples, 1_024);
/// ```
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The interval of epochs; 100 ms. Above zero.
    pub epoch: Duration,
    /// The tuples of a full batch; 1,024. At least 1.
    pub batch_tuples: usize,
    /// How long a tuple may wait for its batch to fill; 5 ms.
    pub linger: Duration,
    /// Ends the run gracefully after this time.
    pub run_for: Option<Duration>,
    /// How long a graceful stop may take before the run ends with an error that names the
    /// tasks that did not finish; 5 s.
    pub drain: Duration,
    /// How long a task may take to pass an epoch before the log names it; 5 s.
    pub stall: Duration,
    /// Whether Ctrl-C and SIGTERM stop the run gracefully (a second one ends it at once);
    /// they do. The handlers stay for the rest of the process: a program that goes on after
    /// the run and wants Ctrl-C to end it sets this to `false`, and calls
    /// [`Running::stop`](crate::run::Running::stop) itself.
    pub signals: bool,
    /// How many tuples may be on their way on each channel between two tasks; by default
    /// about what the reader takes in 100 ms, by its measured speed.
    pub credit_tuples: Option<usize>,
    /// How many threads the tasks share whose code never waits ([`Bolt::waits`](crate::Bolt::waits)):
    /// spouts, and bolts that only compute. By default one for each core where there are more such
    /// tasks than cores. At least 1.
    ///
    /// Tasks on one thread find what their neighbours have written in its core's cache. More
    /// threads can be quicker where every tuple is sent, and none is combined before.
    pub threads: Option<usize>,
    /// Where the state is kept; without it nothing is stored, and a failure ends the run.
    pub data_dir: Option<DataDir>,
    /// The time between two commits, 1 s. After a failure the input of about this time is read
    /// again, and an exactly-once sink gets its tuples this much later.
    pub commit: Duration,
    /// How a durable run is restored after a failure.
    pub restarts: Restarts,
    /// The limit of dead letters. If there are more, the run ends at once with
    /// [`RunError::TooManyLost`](crate::RunError::TooManyLost); commits stay. By default there is
    /// no limit.
    pub max_dead_letters: Option<LossLimit>,
    /// The same for late tuples.
    pub max_late: Option<LossLimit>,
    /// Failures on purpose, for tests.
    pub faults: Faults,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            epoch: Duration::from_millis(100),
            batch_tuples: 1_024,
            linger: Duration::from_millis(5),
            run_for: None,
            drain: Duration::from_secs(5),
            stall: Duration::from_secs(5),
            signals: true,
            credit_tuples: None,
            threads: None,
            data_dir: None,
            commit: Duration::from_secs(1),
            restarts: Restarts::default(),
            max_dead_letters: None,
            max_late: None,
            faults: Faults::none(),
        }
    }
}

/// The most tuples in a batch.
const MAX_BATCH_TUPLES: usize = 1 << 20;

impl RunOptions {
    /// Every setting within its range.
    pub(crate) fn sane(mut self) -> Self {
        self.batch_tuples = self.batch_tuples.clamp(1, MAX_BATCH_TUPLES);
        self.epoch = self.epoch.max(Duration::from_millis(1));
        self.credit_tuples = self.credit_tuples.map(|tuples| tuples.max(1));
        self.threads = self.threads.map(|threads| threads.max(1));
        self
    }
}

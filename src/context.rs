//! The runtime's information for a task: about the task itself and the current epoch.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::task::Waker;

use crate::clients::{self, RuntimeOf};
use crate::error::Result;
use crate::fault::Faults;
use crate::status::Status;
use crate::time::{TimeDomain, Timestamp, WindowShape};

/// Where a task stands in its topology; given before its first tuple.
#[derive(Clone, Debug)]
pub struct Context {
    /// The name of the topology.
    pub topology: String,
    /// The component's id.
    pub component: String,
    /// The task's number, `0..parallelism`.
    pub task: usize,
    /// How many tasks the component has.
    pub parallelism: usize,
    /// What the times of the input mean: event time where any spout upstream reads it.
    pub domain: TimeDomain,
    /// The windows of the nearest windowed bolt upstream; none where there is none, or
    /// where there are several of different shapes.
    pub window: Option<WindowShape>,
    /// Whether what the component keeps is stored: the run has a data directory.
    pub durable: bool,
    /// The number of the committed epoch that the run goes on from; none where it begins
    /// anew.
    pub resumed_from: Option<u64>,
    /// Whether nothing of the topology ran between that epoch and now. In one process that is so
    /// wherever the run [goes on](Context::resumed_from); a task that another process takes over goes
    /// on while the others have run all the time. By it a bolt knows whether windows by processing
    /// time that have passed meanwhile are due.
    pub interrupted: bool,
    /// A number for what the data directory holds: a copy has the same, and after a reset it is
    /// another one. By it a component knows what it has left elsewhere, in files, before the first
    /// commit. None without a data directory.
    pub life: Option<u64>,
    /// A number for the data directory itself: a backup that is restored gets another one, and so
    /// does a directory that is reset. A target that stores it with what it was sent can tell the
    /// directory that sent it from a copy, which would send other output under the same epochs.
    /// None without a data directory.
    pub identity: Option<u64>,
    /// Wakes this task: a spout that waits for input is asked again.
    pub waker: Waker,
    /// Here the task says what it waits for outside of the run.
    pub status: Status,
    /// When the run began, by its clock; after a failure when it was restored.
    pub(crate) began: Timestamp,
    pub(crate) faults: Faults,
    pub(crate) runtime: RuntimeOf,
    /// The tasks of each component of the run; empty where there is no topology.
    pub(crate) tasks_of: Arc<BTreeMap<String, usize>>,
}

impl Context {
    /// That of a component that is tested by itself.
    pub(crate) fn of_test() -> Self {
        Self {
            topology: "test".to_owned(),
            component: "test".to_owned(),
            task: 0,
            parallelism: 1,
            domain: TimeDomain::Event,
            window: None,
            durable: false,
            resumed_from: None,
            interrupted: false,
            life: None,
            identity: None,
            waker: Waker::noop().clone(),
            status: Status::of("test[0]"),
            began: Timestamp::MIN,
            faults: Faults::none(),
            runtime: RuntimeOf::tests(),
            tasks_of: Arc::default(),
        }
    }

    /// The task as people name it: `counts[2]`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}[{}]", self.component, self.task)
    }

    /// The runtime for asynchronous clients: one for all tasks of the run, on a thread of its own, with
    /// timers and, where the clients' crates switch it on, sockets. It ends with the run, and its
    /// futures with it. Spouts and sinks that stand on it are made by the module
    /// [`asynchronous`](crate::asynchronous).
    ///
    /// # Errors
    /// Where the system gives no thread, or the run has ended.
    pub fn runtime(&self) -> Result<tokio::runtime::Handle> {
        self.runtime.handle()
    }

    /// Awaits a future on the run's [runtime](Context::runtime), while this thread waits. For sinks,
    /// whose tasks have threads of their own: what may take long, as a target that is away for
    /// hours, is awaited here, so that it ends with the run.
    ///
    /// ```
    /// use squall::{Context, Result, Sink, Word, testing::SinkTest};
    ///
    /// #[derive(Default)]
    /// struct Asks(Option<Context>);
    /// impl Sink for Asks {
    ///     type Input = Word;
    ///     fn prepare(&mut self, context: &Context) -> Result {
    ///         self.0 = Some(context.clone());
    ///         Ok(())
    ///     }
    ///     fn write(&mut self, words: &[Word]) -> Result {
    ///         let (context, words) = (self.0.as_ref().ok_or("not prepared")?, words.len());
    ///         let answer = context.block_on(async move {
    ///             tokio::task::yield_now().await;
    ///             words + 1
    ///         })?;
    ///         assert_eq!(answer, 2);
    ///         Ok(())
    ///     }
    /// }
    /// SinkTest::new(Asks::default()).send(Word { word: "a".into() }).run()?;
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    ///
    /// # Errors
    /// As [`Context::runtime`]; where the run has ended meanwhile, and where the future panics.
    pub fn block_on<F>(&self, future: F) -> Result<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(clients::on_this_thread(self.runtime()?.spawn(future))?)
    }

    /// How many tasks a component of this run has; none where there is no such component.
    #[must_use]
    pub fn tasks_of(&self, component: &str) -> Option<usize> {
        self.tasks_of.get(component).copied()
    }

    /// A point at which a test can make the run fail; see
    /// [`Faults`](crate::testing::Faults). In other runs it costs nothing.
    ///
    /// # Errors
    /// The one that the test wants.
    pub fn fault_point(&self, name: &str) -> Result {
        self.faults.pass(name)
    }
}

/// A cut through the topology: every task passes it after exactly the tuples before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Consecutive, from 1.
    pub number: u64,
    /// When the cut was made, by the clock.
    pub time: Timestamp,
    /// Whether it is the last epoch of the run: the input has ended, or a stop was asked.
    pub last: bool,
    /// Whether what has come so far is all: results over everything are due. True of the
    /// last epoch of a run that cannot be continued, or whose input has ended for good.
    pub closes: bool,
    /// Whether what has come so far is going to be committed: state and positions are
    /// stored, and sinks deliver.
    pub commit: bool,
}

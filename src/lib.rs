//! An embedded stream processor: topologies of spouts and bolts in one process, with exact rolling
//! counts and rankings, exactly once over crashes.
//!
//! A *spout* emits tuples, *bolts* turn them into others, *sinks* hand them to the outside
//! world; a *topology* wires them by *groupings*, which choose the task of the reader that gets a
//! tuple. Everything is typed: a tuple is a struct, a key is one of its fields, and wrong
//! wiring does not compile. Results depend on the data and not on timing.
//!
//! The classic: the most frequent words of the last ten seconds, every five seconds.
//!
//! ```
//! use squall::bolts::{MergeRankings, Rank, RollingCount};
//! use squall::testing::{Collected, Events};
//! use squall::{Count, RunOptions, Timestamp, Topology, Word, secs};
//!
//! let said = [(1, "storm"), (2, "squall"), (3, "storm"), (7, "squall"), (8, "squall")];
//! let said = said.map(|(second, word)| {
//!     (Timestamp::from_millis(second * 1_000), Word { word: word.into() })
//! });
//!
//! let topology = Topology::named("rolling-top-words");
//! let words = topology.spout("words", move || Events::at(said.clone()));
//! let counts = topology
//!     .keyed("counts", || RollingCount::over(secs(10)).every(secs(5)))
//!     .parallelism(4)
//!     .fields_grouping(&words, Word::WORD);
//! let ranked = topology
//!     .bolt("rankings", || Rank::top(10))
//!     .parallelism(4)
//!     .fields_grouping(&counts, Count::KEY);
//! let merged = topology
//!     .bolt("merged", || MergeRankings::top(10))
//!     .global_grouping(&ranked);
//! let rankings = Collected::of(&topology, "collected", &merged);
//!
//! topology.run(RunOptions { signals: false, ..RunOptions::default() })?;
//!
//! let rankings: Vec<String> = rankings.take().iter().map(ToString::to_string).collect();
//! assert_eq!(rankings, ["[storm 2, squall 1]", "[squall 3, storm 2]", "[squall 2]"]);
//! # Ok::<(), squall::RunError>(())
//! ```
//!
//! # The map
//!
//! First the data flow, then the parts that carry it:
//!
//! ```text
//!    Spout ---------> Bolt, KeyedBolt ---------> Sink        yours, or ready ones from
//!    connectors       bolts                      connectors  `connectors` and `bolts`
//!      |                |                          |
//!      |  Out: emitted tuples, on one stream or several
//!      v                v                          ^
//!    Tuple --- Key: which task --- Batch: one message, with times and a watermark
//!
//!    Topology  declares components and wires them; gives a Plan: checked, drawn, compared
//!    run       makes a task of each instance, cuts epochs, hands out credits
//!    store     one batch for each committed epoch: state, positions, what sinks deliver
//!    testing   runs the same tasks on one thread, with virtual time
//! ```
//!
//! The root has what a first topology needs; each module below has the rest of its subject.
//!
//! - **What travels**: [`Tuple`] and its fields as keys (modules [`tuple`](mod@tuple) and [`key`]); [`Text`], the
//!   string of tuples; [`Decimal`], for money; [`Timestamp`] and windows ([`time`]); [`Count`] and
//!   [`Ranking`].
//! - **What you write**: [`Spout`], [`Bolt`], [`KeyedBolt`] and [`Sink`], which emit through
//!   [`Out`] ([`stream`] has several outputs) and learn their task from a [`Context`]. Adapters for
//!   asynchronous clients are in [`asynchronous`].
//! - **What is ready**: [`bolts`], [`connectors`], and aggregators for bolts in [`aggregate`].
//! - **How it is wired**: [`Topology`] makes a plan; see [`topology`].
//! - **How it runs**: [`Topology::run`] with [`RunOptions`], which ends in a [`Summary`] or a
//!   [`RunError`]; [`Topology::start`] gives a running topology, to watch and to stop ([`run`]).
//! - **What survives a crash**: with a [`DataDir`], the state that a component declares in its `state`
//!   method ([`Table`], [`Value`], and more in [`state`]). A failed run goes on from its last commit,
//!   and [`views`] read committed state. [`data_dir`] inspects a directory.
//! - **Logs on disk**: a [`depot`] is a log in a data directory; each topology reads it from its own
//!   position.
//! - **How it is tested**: [`testing`].
//!
//! Four ideas explain the rest. A **watermark** on every batch says that no earlier time
//! follows; where it passes the end of a window, the window closes. An **epoch** is a mark that
//! every spout puts into its output and every task passes after exactly the tuples before it.
//! A **commit** is an epoch whose state, positions and output are stored in one batch: after a
//! crash the run repeats only the work after it, and nothing counts twice.
//! **Credits** bound the tuples in flight to a task: about as many as it takes in a tenth of a second.
//! The book in `docs/` of the repository has the rest, with reasons.
#![deny(unsafe_code)]

// The derive writes `::squall::`, also within this crate.
extern crate self as squall;

pub mod aggregate;
pub mod asynchronous;
mod batch;
pub mod bolt;
pub mod bolts;
mod clients;
pub mod connectors;
mod context;
pub mod decimal;
pub mod depot;
mod durable;
pub mod error;
mod fault;
#[cfg(all(unix, any(fuzzing, test)))]
pub mod fuzzing;
pub mod key;
mod meaning;
mod operator;
pub mod private;
pub mod ranking;
mod runtime;
mod sink;
pub mod spout;
pub mod state;
mod status;
mod store;
pub mod stream;
pub mod testing;
pub mod text;
pub mod time;
pub mod topology;
pub mod tuple;
mod varint;

pub use bolt::{Bolt, KeyedBolt};
pub use context::{Context, Epoch};
pub use decimal::Decimal;
pub use durable::DataDir;
pub use error::{BoxError, Result};
pub use ranking::{Count, Ranking, Word};
pub use runtime::{RunError, RunOptions, Summary};
pub use sink::Sink;
pub use spout::{Next, Spout, SpoutOut};
pub use squall_macros::Tuple;
pub use state::{States, Table, Value};
pub use stream::Out;
pub use text::Text;
pub use time::{Timestamp, millis, secs};
pub use topology::Topology;
pub use tuple::Tuple;

/// Runs: statistics, losses, restarts after a failure, and what tasks wait for.
///
/// [`Topology::run`] and [`Topology::start`] begin one, with [`RunOptions`].
pub mod run {
    pub use crate::runtime::{
        CommitStats, ComponentStats, Histogram, LossLimit, LossLimitError, LossReason, Losses,
        LostShare, Phase, Restarts, RunStats, Running, Seen, SinkStats, TaskStats, TooManyLost,
        Watch, at_stop_signals,
    };
    pub use crate::status::Status;
}

/// The content of a [`DataDir`], and the errors of one that is refused.
pub mod data_dir {
    pub use crate::durable::{
        AppendTo, DataDirError, DepotAppender, InspectedComponent, InspectedState, Inspection,
        KeptComponent, Manifest, Misfit, MisfitOf, QuarantinedTuple,
    };
    pub use crate::store::StoreError;
}

/// Reads of committed state, with or without a run that has it open: [`DataDir::views`].
pub mod views {
    pub use crate::durable::{
        Commit, Row, Rows, Snapshot, TableChange, TableChanges, TableView, ViewError, Views,
    };
}

/// The programs of README and book compile and run as tests of the documentation.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../docs/your-project.md")]
    struct YourProject;
    #[doc = include_str!("../docs/writing.md")]
    struct Writing;
    #[doc = include_str!("../docs/aggregators.md")]
    struct Aggregators;
    #[doc = include_str!("../docs/from-storm.md")]
    struct FromStorm;
    #[doc = include_str!("../docs/recipes.md")]
    struct Recipes;
    #[doc = include_str!("../docs/state-and-recovery.md")]
    struct StateAndRecovery;
}

//! Topologies of spouts and bolts, with exact rolling counts and rankings, in one process,
//! exactly once over crashes.
//!
//! A *spout* emits tuples, *bolts* turn them into others, *sinks* hand them to the outside
//! world; a *topology* wires them by *groupings*, which say who of a component's tasks gets
//! which tuple. Everything is typed: a tuple is a struct, a key is one of its fields, and wrong
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
//! In the order in which data flows, and below it what carries it:
//!
//! ```text
//!    Spout ---------> Bolt, KeyedBolt ---------> Sink        what you write, or take from
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
//!   [`Out`] ([`stream`] has several outputs) and learn who they are from a [`Context`]; with
//!   [`asynchronous`] clients too.
//! - **What is there already**: [`bolts`], [`connectors`] and [`aggregate`], what can be aggregated in
//!   parts.
//! - **How it is wired**: [`Topology`], and the plan that it makes, in [`topology`].
//! - **How it runs**: [`Topology::run`] with [`RunOptions`], which ends in a [`Summary`] or a
//!   [`RunError`]; [`Topology::start`] gives a running topology to look at and to stop ([`run`]).
//! - **What survives**: with a [`DataDir`] what a component declares in its `state` method
//!   ([`Table`], [`Value`], and more in [`state`]), beside what it means; a failed run goes on from
//!   its last commit, and [`views`] read what is committed. [`data_dir`] tells what is stored.
//! - **What waits to be read**: a [`depot`], a log in a data directory that topologies read, each
//!   from where it is.
//! - **How it is tested**: [`testing`].
//!
//! Four ideas explain the rest. A **watermark** on every batch says that no earlier time
//! follows; where it passes the end of a window, the window closes. An **epoch** is a mark that
//! every spout puts into its output and every task passes after exactly the tuples before it.
//! A **commit** is an epoch whose state, positions and output are stored in one batch: what
//! came after it is done again after a crash, and nothing twice.
//! **Credits** bound what is on its way to a task by what it takes in a tenth of a second.
//! The book in `docs/` of the repository tells the rest, with reasons.
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

/// Runs: how they go on after a failure, what they have lost, what they tell while they go on.
///
/// [`Topology::run`] and [`Topology::start`] begin one, with [`RunOptions`].
pub mod run {
    pub use crate::runtime::{
        CommitStats, ComponentStats, LossLimit, LossLimitError, LossReason, Losses, LostShare,
        Restarts, RunStats, Running, TooManyLost, at_stop_signals,
    };
}

/// What is in a [`DataDir`], and why one is refused.
pub mod data_dir {
    pub use crate::durable::{
        AppendTo, DataDirError, DepotAppender, InspectedComponent, InspectedState, Inspection,
        KeptComponent, Manifest, Misfit, MisfitOf, QuarantinedTuple,
    };
    pub use crate::store::StoreError;
}

/// What is committed, read while a run goes on or when none does: [`DataDir::views`].
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
    #[doc = include_str!("../docs/writing.md")]
    struct Writing;
    #[doc = include_str!("../docs/recipes.md")]
    struct Recipes;
    #[doc = include_str!("../docs/state-and-recovery.md")]
    struct StateAndRecovery;
}

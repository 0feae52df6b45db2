//! Redis as a target of [squall]: keys with their last value, and rankings that change at
//! once.
//!
//! **The promise: at least once, equal at the end.** What Redis holds when a run has delivered is the
//! same with and without failures: each key has its last value, and a ranking is replaced as a whole.
//! After a failure an older value may be seen once more for a moment.
//!
//! ```text
//!   Server        where it is, as whom to connect, whom to trust
//!   RedisSink     a key for each tuple, by a Template: SET, or DEL where it is gone
//!   RankingSink   a ranking as a sorted set and a list, or as a hash: one MULTI / EXEC
//!   Error         what is wrong with an address, a login, a template or a tuple
//! ```
//!
//! ```no_run
//! use squall::bolts::{MergeRankings, Rank, RollingCount};
//! use squall::connectors::RandomWords;
//! use squall::{Count, DataDir, RunOptions, Topology, Word, secs};
//! use squall_redis::{RankingSink, Server};
//!
//! let topology = Topology::named("top-words");
//! let words = topology.spout("words", RandomWords::default);
//! let counts = topology
//!     .keyed("counts", || RollingCount::over(secs(10)).every(secs(1)))
//!     .fields_grouping(&words, Word::WORD);
//! let ranked = topology.bolt("ranked", || Rank::top(10)).fields_grouping(&counts, Count::KEY);
//! let merged = topology.bolt("merged", || MergeRankings::top(10)).global_grouping(&ranked);
//!
//! let server = Server::at("rediss://redis.example.com")?.user("squall").password("secret");
//! topology
//!     .sink("redis", move || RankingSink::sorted_set(&server, "top"))
//!     .global_grouping(&merged);
//! let data_dir = Some(DataDir::at("top-words.data"));
//! topology.run(RunOptions { data_dir, ..RunOptions::default() })?;
//! # Ok::<(), squall::BoxError>(())
//! ```
//!
//! A wrong address, login, certificate, template or permission ends a run before it begins. A Redis
//! that is away, full, read-only or still loading holds a run back, and its
//! [status](squall::run::Status) says why; the sink tries again, after 100 ms at first and every 5 s
//! at last, and nothing is lost. At most 16 MiB wait in memory, and one batch.

#![forbid(unsafe_code)]

mod error;
mod link;
mod outbox;
mod ranking_sink;
mod redis_sink;
mod server;
mod template;

pub use error::{Error, TemplateError};
pub use ranking_sink::{RankingSink, list_key};
pub use redis_sink::RedisSink;
pub use server::Server;
pub use template::Template;

/// The programs of the book's page compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/redis.md")]
struct Book;

//! PostgreSQL as a target of [squall]: rows by key, and rankings that change at once.
//!
//! **The promise: exactly once.** With a data directory each commit of a run is one transaction in
//! PostgreSQL, which holds the rows and the number of the commit. What was applied is not applied
//! again, whatever fails between. Without a data directory each batch is a transaction.
//!
//! ```text
//!   Server         where it is, as whom to connect, whom to trust
//!   PostgresSink   a row for each tuple: inserted, updated or deleted by its key
//!   RankingSink    a ranking as a table, replaced in one transaction
//!   Error          what is wrong with an address, a login, a table or a tuple
//! ```
//!
//! ```no_run
//! use squall::{DataDir, RunOptions, Text, Topology, Tuple, testing::Events};
//! use squall_postgres::{PostgresSink, Server};
//!
//! #[derive(Tuple, Clone, Debug, serde::Serialize)]
//! struct Page { url: Text, count: u64 }
//!
//! let topology = Topology::named("pages");
//! let pages = topology.spout("pages", || Events::now([Page { url: "/".into(), count: 1 }]));
//! let server = Server::at("postgres://squall@db.example.com/shop?sslmode=verify-full")?;
//! let server = server.password("secret");
//! topology
//!     .sink("postgres", move || PostgresSink::<Page>::new(&server, "pages", ["url"]))
//!     .fields_grouping(&pages, Page::URL);
//! let data_dir = Some(DataDir::at("pages.data"));
//! topology.run(RunOptions { data_dir, ..RunOptions::default() })?;
//! # Ok::<(), squall::BoxError>(())
//! ```
//!
//! A wrong address, login, certificate, table or permission ends a run before it begins. A PostgreSQL
//! that is away, stopping, full, read-only, or whose rows somebody has locked holds a run back, and its
//! [status](squall::run::Status) says why; the sink tries again, after 100 ms at first and every 5 s
//! at last, and nothing is lost. At most 16 MiB wait in memory, and one batch.
//!
//! The table `squall_delivered`, in the schema of the target, tells which commit of which data
//! directory is applied. A restored backup and a directory that was reset are other directories: their
//! output is refused until somebody deletes the sink's row there, since commits of the same number
//! would be taken for applied.

#![forbid(unsafe_code)]

mod connection;
mod delivered;
mod error;
mod failure;
mod link;
mod outbox;
mod postgres_sink;
mod ranking_sink;
mod schema;
mod server;
mod table;

pub use error::{DeliveredBy, Error};
pub use postgres_sink::PostgresSink;
pub use ranking_sink::RankingSink;
pub use server::Server;

/// The programs of the book's page compile.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/postgres.md")]
struct Book;

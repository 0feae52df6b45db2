//! Kafka topics as spouts and sinks of [squall].
//!
//! **The promise.** In a run with a data directory each record of a topic counts exactly once, and a
//! `read_committed` consumer of the topic that a run writes sees each of its tuples exactly once, over
//! crashes of the run and of the brokers.
//!
//! ```no_run
//! use squall::bolts::{MergeRankings, Rank, RollingCount};
//! use squall::{Count, DataDir, Ranking, RunOptions, Text, Timestamp, Topology, Tuple, secs};
//! use squall_kafka::Kafka;
//!
//! #[derive(Tuple, Clone, Debug, serde::Deserialize)]
//! struct Visit { page: Text, millis: i64 }
//!
//! let kafka = Kafka::at("localhost:9092");
//! let visits = kafka.read("visits").lateness(secs(5));
//! let topology = Topology::named("top-pages");
//! let visits = topology
//!     .spout("visits", move || visits.json_at(|visit: &Visit| Timestamp::from_millis(visit.millis)))
//!     .parallelism(2);
//! let counts = topology
//!     .keyed("counts", || RollingCount::over(secs(60)).every(secs(10)))
//!     .fields_grouping(&visits, Visit::PAGE);
//! let ranked = topology.bolt("rankings", || Rank::top(10)).fields_grouping(&counts, Count::KEY);
//! let merged = topology.bolt("merged", || MergeRankings::top(10)).global_grouping(&ranked);
//! topology.sink("out", move || kafka.write::<Ranking<Text>>("top-pages")).global_grouping(&merged);
//! topology.run(RunOptions { data_dir: Some(DataDir::at("top-pages.data")), ..RunOptions::default() })?;
//! # Ok::<(), squall::RunError>(())
//! ```
//!
//! # The map
//!
//! ```text
//!   cluster      Kafka: the brokers, and the options of connections
//!   read         ReadTopic: which topic, from where, to where
//!   find           its partitions, their bounds, its id: asked in the background
//!   heard          what a client says of its brokers: errors, and how far partitions are
//!   native         calls of the C library that its crate does not cover
//!   spout        KafkaSpout: messages become tuples, positions are state
//!   message, decode   what a message has, and what makes tuples of it
//!   sink         KafkaSink: tuples become records, a transaction a commit
//!     records      records as bytes, apart from sending them
//!     lane         a transactional producer and the position that it has delivered
//! ```
#![deny(unsafe_code)]

mod cluster;
pub mod decode;
mod error;
mod find;
mod heard;
mod message;
mod native;
mod read;
mod sink;
mod spout;

/// The program of the book compiles as a test of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/kafka.md")]
mod book {}

pub use cluster::{Kafka, OPTIONS, OptionError};
pub use error::{ReadError, WriteError};
pub use message::{Message, MessageError};
pub use read::ReadTopic;
pub use sink::records::{Record, Records};
pub use sink::{Encode, KafkaSink, KeyAndValue, ToRecords};
pub use spout::KafkaSpout;

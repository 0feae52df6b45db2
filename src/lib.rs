//! Topologies of spouts and bolts (draft).
#![forbid(unsafe_code)]

extern crate self as squall;

mod batch;
mod bolt;
pub mod bolts;
pub mod connectors;
mod context;
mod error;
mod key;
mod operator;
mod ranking;
mod runtime;
mod sink;
mod spout;
mod stream;
pub mod testing;
mod text;
mod time;
pub mod topology;
mod tuple;

pub use bolt::{Bolt, KeyedBolt};
pub use context::{Context, Epoch};
pub use error::{BoxError, Result};
pub use key::{By, Key, KeyValue, SHARDS, by, hash_bytes, hash_parts, shard_of, task_of_shard};
pub use operator::CustomGrouping;
pub use ranking::{Count, NoPlaces, Ranking, Top, Word};
pub use runtime::{ComponentStats, RunError, RunOptions, RunStats, Running, Summary};
pub use sink::Sink;
pub use spout::{Next, SplitId, Spout, SpoutOut};
pub use squall_macros::Tuple;
pub use stream::{DEAD_LETTERS, DEFAULT_STREAM, Out, Port, StreamAt, Streams};
pub use text::Text;
pub use time::{TimeDomain, Timestamp, Window, WindowError, WindowShape, millis, secs};
pub use topology::Topology;
pub use tuple::{DeadLetter, Field, FieldAt, FromTuple, Tuple};

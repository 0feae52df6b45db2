//! Rollup: events are truncated to a granularity of time, grouped by all of their dimensions
//! and reduced to metrics; the rows are kept in segments, which are Parquet files, and queried.
//!
//! ```text
//!   spec          what to keep of an event: Druid's ingestion specs, read into a `Schema`
//!   moment        times as they are written in events and specs
//!   decode        records become events
//!   event         one event, decoded by the schema
//!   rows          many rows of a cube as columns
//!   granularity   buckets of time
//!   query         questions to the rows
//! ```

#![forbid(unsafe_code)]

mod decode;
mod event;
mod granularity;
mod moment;
mod nearest;
pub mod query;
mod rows;
mod schema;
pub mod spec;

pub use decode::{DecodeError, Decoder};
pub use event::{Event, Input};
pub use granularity::{Granularity, UnknownGranularity};
pub use moment::TimestampFormat;
pub use rows::{DimensionColumn, MetricColumn, Rows};
pub use schema::{Kind, Metric, Schema};

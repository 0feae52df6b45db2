//! Rollup: events are truncated to a granularity of time, grouped by all of their dimensions
//! and reduced to metrics; the rows are kept in segments, which are Parquet files, and queried.
//!
//! ```text
//!   spec          what to keep of an event: Druid's ingestion specs, read into a `Schema`
//!   event         one event, decoded by the schema
//!   roller        events become rows, in several tasks
//!   segments      rows become files, and files become fewer
//!   rows          many rows of a cube as columns
//!   granularity   buckets of time
//! ```

#![forbid(unsafe_code)]

mod double;
mod event;
mod granularity;
mod rolled;
mod roller;
mod rows;
mod schema;
mod segments;
mod sketch;
mod wiring;

pub use event::{Event, Input};
pub use granularity::{Granularity, UnknownGranularity};
pub use roller::{Roller, RowBlock};
pub use rows::{DimensionColumn, MetricColumn, Rows};
pub use schema::{Kind, Metric, Schema};
pub use segments::{
    Compacted, Compacting, Listing, Manifest, Part, RowGroup, SegmentError, SegmentFile,
    SegmentFiles, SegmentReader, Segments, compact,
};
pub use wiring::Rollup;

//! Rollup: events are truncated to a granularity of time, grouped by all of their dimensions
//! and reduced to metrics; the rows are kept in segments, which are Parquet files, and queried.
//!
//! ```text
//!   spec          what to keep of an event: Druid's ingestion specs, read into a `Schema`
//!   moment        times as they are written in events and specs
//!   decode        records become events
//!   event         one event, decoded by the schema
//!   archive       the raw events, kept beside the cube
//!   roller        events become rows, in several tasks
//!   segments      rows become files, and files become fewer
//!   rows          many rows of a cube as columns
//!   granularity   buckets of time
//!   meaning       what a data directory keeps of a spec, to refuse another one
//!   query         questions to the rows
//! ```

#![forbid(unsafe_code)]

mod archive;
mod cube;
mod decode;
mod double;
mod event;
mod granularity;
mod meaning;
mod moment;
mod nearest;
pub mod query;
mod rolled;
mod roller;
mod rows;
mod schema;
mod segments;
pub mod spec;
mod wiring;

pub use archive::{Archive, ArchiveError, Archived};
pub use cube::{Cube, NoCube};
pub use decode::{DecodeError, EventDecoder};
pub use event::{Event, Input};
pub use granularity::{Granularity, UnknownGranularity};
pub use moment::{TimestampError, TimestampFormat, TimestampFormatError};
pub use roller::{Roller, RowBlock};
pub use rows::{DimensionColumn, MetricColumn, RolledRows};
pub use schema::{Kind, Metric, Schema};
pub use segments::{
    Compacted, Compacting, CubeManifest, Listing, Part, ReindexError, Reindexed, RowGroup,
    SegmentError, SegmentFile, SegmentFiles, SegmentReader, Segments, compact, reindex,
};
pub use wiring::Rollup;

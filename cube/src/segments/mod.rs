//! Rows in files: written with each commit, and made fewer later.

mod archived;
mod bolt;
mod compaction;
mod file;
mod files;
mod folder;
mod hybrid;
mod layout;
mod manifest;
mod merge;
mod offline;
mod opened;
mod reader;
mod reindex;
mod reindex_error;
#[cfg(test)]
mod tests;
mod texts;
mod writer;

pub use bolt::Segments;
pub use compaction::Compacting;
pub use file::{Part, SegmentError, SegmentFile};
pub use files::{RowGroup, SegmentFiles};
pub use manifest::{CubeManifest, Listing};
pub use offline::{Compacted, compact};
pub use reader::SegmentReader;
pub use reindex::{Reindexed, reindex};
pub use reindex_error::ReindexError;

/// The component that has the tables of the files.
pub(crate) const SEGMENTS: &str = "segments";

//! Rows in files: written with each commit, and made fewer later.

mod bolt;
mod compaction;
mod file;
mod folder;
mod layout;
mod manifest;
mod merge;
mod reader;
mod writer;

pub use bolt::Segments;
pub use compaction::Compacting;
pub use file::{Part, SegmentError, SegmentFile};
pub use manifest::{Listing, Manifest};
pub use reader::SegmentReader;

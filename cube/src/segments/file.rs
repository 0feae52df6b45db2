//! What is known of a segment's file, and what may be wrong with it.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;
use serde::{Deserialize, Serialize};

/// A Parquet file with rows of one segment or of several, as it is committed. A file is there
/// as a whole or not at all: all the rows of all files that are there are the cube.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFile {
    /// How many times its rows were compacted: 0 for what a commit has written.
    pub level: u8,
    /// The [id](crate::Schema::id) of the schema of its rows.
    pub schema: String,
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// XXH3 (64 bits) of its bytes, as 16 hexadecimal digits.
    pub checksum: String,
    /// What it has of each segment, in the order of time.
    pub parts: Vec<Part>,
}

/// What a file has of one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The segment: from and to, in milliseconds since 1970.
    pub segment: Range<i64>,
    /// The time of the first row, in milliseconds since 1970.
    pub first: i64,
    /// The time of the last row.
    pub last: i64,
    /// How many rows.
    pub rows: u64,
    /// The row groups of the file that hold them, and nothing else.
    pub row_groups: Range<u32>,
}

/// A segment's file cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// The operating system refuses it.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried: `write`.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// It is not there.
    #[error(
        "`{}`, with {rows} rows of this cube, is missing: restore it from a backup",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// How many rows it has.
        rows: u64,
    },
    /// Its bytes are not those that were written.
    #[error(
        "`{}` is not as it was written ({found} instead of {expected}): it was changed, or the \
         disk is damaged; restore it from a backup",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// What was written.
        expected: String,
        /// What there is.
        found: String,
    },
    /// It cannot be read or written as Parquet.
    #[error("`{}` is not a segment: {why}", path.display())]
    NoSegment {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// There is no such column.
    #[error("`{}` has no {what} `{name}`", path.display())]
    NoColumn {
        /// The file.
        path: PathBuf,
        /// What was asked for: `metric`.
        what: &'static str,
        /// Its name.
        name: String,
    },
}

impl SegmentError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            path,
            doing,
            source,
        }
    }

    pub(super) fn no_segment(path: &Path, why: &(impl ToString + ?Sized)) -> Self {
        Self::NoSegment {
            path: path.to_owned(),
            why: why.to_string(),
        }
    }

    /// What Parquet says about a file that is written or read.
    pub(super) fn parquet(path: &Path) -> impl Fn(ParquetError) -> Self {
        let path = path.to_owned();
        move |error| match error {
            // A full disk is found there.
            ParquetError::External(cause) if cause.is::<io::Error>() => {
                Self::no_segment(&path, &cause)
            }
            error => Self::no_segment(&path, &error),
        }
    }
}

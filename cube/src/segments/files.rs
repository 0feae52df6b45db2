//! The files of a cube as of a commit, to be read.

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use squall::{Result, Text, views::Snapshot};

use super::SEGMENTS;
use super::file::{SegmentError, SegmentFile};
use super::reader::SegmentReader;
use crate::rows::RolledRows;
use crate::schema::Schema;

/// The files of a cube as of one commit.
///
/// A file may be deleted [a while](super::Compacting::keep) after a later commit: whoever finds
/// one missing takes a new snapshot and begins again.
#[derive(Clone, Debug)]
pub struct SegmentFiles {
    folder: PathBuf,
    files: Vec<(String, SegmentFile)>,
}

impl SegmentFiles {
    /// The files in a folder as of a snapshot of the data directory.
    ///
    /// # Errors
    /// Where it has no segments, and where it cannot be read.
    pub fn of(snapshot: &Snapshot, folder: impl AsRef<Path>) -> Result<Self> {
        let files = snapshot.table::<String, SegmentFile>(SEGMENTS, "files")?;
        let files = files.iter()?;
        let files = files.map(|(name, file)| (name.clone(), file.clone()));
        Ok(Self::new(folder, files.collect()))
    }

    /// These files of a folder, which are all of one commit.
    pub(crate) fn new(folder: impl AsRef<Path>, files: Vec<(String, SegmentFile)>) -> Self {
        Self {
            folder: folder.as_ref().to_owned(),
            files,
        }
    }

    /// The files, by name.
    #[must_use]
    pub fn files(&self) -> &[(String, SegmentFile)] {
        &self.files
    }

    /// The row groups that may have rows of this time, in milliseconds since 1970. Only the
    /// files that have some are looked at, and no file stays open: it is opened again when a
    /// row group is read, and may be missing then, too.
    ///
    /// # Errors
    /// Where a file is missing, was changed, or cannot be read.
    pub fn row_groups(&self, times: &Range<i64>) -> Result<Vec<RowGroup>, SegmentError> {
        let mut groups = Vec::new();
        for (name, file) in &self.files {
            let parts = file.parts.iter();
            let parts = parts.filter(|part| part.first < times.end && part.last >= times.start);
            let mut parts = parts.peekable();
            if parts.peek().is_none() {
                continue;
            }
            let reader = Arc::new(SegmentReader::open(&self.folder.join(name), file)?);
            for part in parts {
                for number in part.row_groups.clone() {
                    let number = number as usize;
                    let of_group = reader.times(number).unwrap_or(part.first..=part.last);
                    if *of_group.start() < times.end && *of_group.end() >= times.start {
                        groups.push(RowGroup {
                            reader: Arc::clone(&reader),
                            number,
                            times: of_group,
                        });
                    }
                }
            }
        }
        Ok(groups)
    }
}

/// Some rows of one segment, in a file.
#[derive(Clone)]
pub struct RowGroup {
    reader: Arc<SegmentReader>,
    number: usize,
    times: RangeInclusive<i64>,
}

impl RowGroup {
    /// What the rows were rolled up by.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        self.reader.schema()
    }

    /// The dimensions that they have.
    #[must_use]
    pub fn dimensions(&self) -> &[Text] {
        self.reader.dimensions()
    }

    /// The times of the first and the last row.
    #[must_use]
    pub fn times(&self) -> RangeInclusive<i64> {
        self.times.clone()
    }

    /// As [`SegmentReader::may_have`].
    #[must_use]
    pub fn may_have(&self, dimension: &str, value: Option<&str>) -> bool {
        self.reader.may_have(self.number, dimension, value)
    }

    /// As [`SegmentReader::read`].
    ///
    /// # Errors
    /// Where there is no such metric, and where the file cannot be read.
    pub fn read(&self, dimensions: &[&str], metrics: &[&str]) -> Result<RolledRows, SegmentError> {
        self.reader.read(self.number, dimensions, metrics)
    }
}

//! The committed segments of a data directory, to be asked.

mod whole;

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use squall::{BoxError, DataDir, Text, data_dir::DataDirError, private};

use crate::query::{Answer, Portion, Query, QueryError, RowSource};
use crate::rows::RolledRows;
use crate::schema::Schema;
use crate::segments::{RowGroup, SEGMENTS, SegmentError, SegmentFiles, SegmentReader};

/// A cube as of its last commit.
///
/// Of each segment the row groups are read that may have rows of the time and with the values
/// that are asked for, and of these the columns.
#[derive(Clone, Debug)]
pub struct Cube {
    data_dir: DataDir,
    folder: PathBuf,
}

/// There is nothing to be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{dir}` has no cube: make one with `squall run rollup`")]
pub struct NoCube {
    /// The data directory.
    pub dir: String,
}

/// How often a query begins again, where segments are compacted or replaced while it reads them.
const TRIES: usize = 5;

impl Cube {
    /// The cube of a data directory, with its segments in a folder. A run may have it open: then it
    /// says which segments there are.
    pub fn at(data_dir: DataDir, folder: impl AsRef<Path>) -> Self {
        Self {
            data_dir,
            folder: folder.as_ref().to_owned(),
        }
    }

    /// Asks the cube.
    ///
    /// # Errors
    /// Where the directory has no cube, the query does not fit it, or segments cannot be read.
    pub fn query(&self, query: &Query) -> Result<Answer, QueryError> {
        let mut answer = query.run(self);
        for _ in 1..TRIES {
            match &answer {
                Err(QueryError::Source(error)) if is_gone(error) => answer = query.run(self),
                _ => break,
            }
        }
        answer
    }

    /// Copies the segments into a folder, which is made, as those of a copy of the data directory,
    /// and compares them with their checksums.
    ///
    /// # Errors
    /// Where there is no cube, and where files are missing, were changed, or cannot be copied.
    pub fn copy_segments(&self, to: impl AsRef<Path>) -> Result<(), BoxError> {
        let to = to.as_ref();
        let failed = |path: &Path, error: std::io::Error| {
            BoxError::from(format!("cannot copy `{}`: {error}", path.display()))
        };
        private::make_dir_inside(to).map_err(|error| failed(to, error))?;
        for (name, file) in self.files()?.files() {
            let from = self.folder.join(name);
            let copy = to.join(name);
            let copied = private::open_to_read(&from).and_then(|mut from| {
                let mut copy = private::create(&copy)?;
                std::io::copy(&mut from, &mut copy)?;
                copy.sync_all()
            });
            copied.map_err(|error| failed(&from, error))?;
            if let Err(differs) = SegmentReader::open(&copy, file) {
                // The original may be what is not as it was.
                SegmentReader::open(&from, file)?;
                return Err(differs.into());
            }
        }
        let synced = std::fs::File::open(to).and_then(|folder| folder.sync_all());
        synced.map_err(|error| failed(to, error))
    }

    /// The files as of the last commit.
    fn files(&self) -> Result<SegmentFiles, BoxError> {
        let rows = match self.data_dir.view(&format!("{SEGMENTS}.files"), None) {
            Err(DataDirError::UnknownTable { .. } | DataDirError::NothingCommitted { .. }) => {
                let path = self.data_dir.path().unwrap_or(&self.folder);
                let dir = path.display().to_string();
                return Err(NoCube { dir }.into());
            }
            rows => rows?,
        };
        let file = |row: squall::views::Row| -> Result<_, BoxError> {
            let name = serde_json::from_value(row.key.ok_or("a segment has no name")?)?;
            Ok((name, serde_json::from_value(row.value)?))
        };
        let files = rows.into_iter().map(file).collect::<Result<_, _>>()?;
        Ok(SegmentFiles::new(&self.folder, files))
    }
}

/// Whether a file went away since the files were listed.
fn is_gone(error: &BoxError) -> bool {
    let error = error.downcast_ref::<SegmentError>();
    matches!(error, Some(SegmentError::Missing { .. }))
}

impl RowSource for Cube {
    fn portions(&self, times: &Range<i64>) -> Result<Vec<Box<dyn Portion + '_>>, BoxError> {
        let groups = self.files()?.row_groups(times)?.into_iter();
        Ok(groups
            .map(|group| -> Box<dyn Portion> { Box::new(group) })
            .collect())
    }
}

impl Portion for RowGroup {
    fn schema(&self) -> &Schema {
        self.schema()
    }

    fn dimensions(&self) -> &[Text] {
        self.dimensions()
    }

    fn times(&self) -> RangeInclusive<i64> {
        self.times()
    }

    fn may_have(&self, dimension: &str, value: Option<&str>) -> bool {
        self.may_have(dimension, value)
    }

    fn read(&self, dimensions: &[&str], metrics: &[&str]) -> Result<RolledRows, BoxError> {
        Ok(self.read(dimensions, metrics)?)
    }
}

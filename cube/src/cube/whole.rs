//! Whether a cube is whole: its segments, and its archive.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use squall::{BoxError, data_dir::DataDirError, views::Row};

use super::{Cube, TRIES, is_gone};
use crate::archive::{ARCHIVE, Archive, Archived};
use crate::segments::SegmentReader;

/// Values with their keys; a single value has none.
type StoredRows<V> = Vec<(Option<i64>, V)>;

impl Cube {
    /// Compares all segments with their lengths and checksums, and all that is committed of the
    /// archive, where the cube has one, with its length, its checksums and the number of its
    /// events. `archive` is where the archive is now; where it was when it was written unless
    /// given. Gives what is wrong with each file.
    ///
    /// # Errors
    /// Where the directory has no cube or cannot be read.
    pub fn verify(&self, archive: Option<&Path>) -> Result<Vec<BoxError>, BoxError> {
        let mut wrong = self.verify_segments()?;
        for _ in 1..TRIES {
            if !wrong.iter().any(is_gone) {
                break;
            }
            // Compaction may have deleted the file since it was listed.
            wrong = self.verify_segments()?;
        }
        let Some(lengths) = self.archived::<Archived>("lengths")? else {
            return Ok(wrong);
        };
        let directory = self.archived::<String>("directory")?.unwrap_or_default();
        let mut directory = directory.into_iter().map(|(_, path)| PathBuf::from(path));
        let Some(dir) = archive
            .map(Path::to_owned)
            .or_else(|| directory.next_back())
        else {
            return Ok(wrong);
        };
        for (segment, archived) in lengths {
            let segment = segment.ok_or("a segment of the archive has no beginning")?;
            if let Err(error) = Archive::verify(&dir, segment, archived) {
                wrong.push(error.into());
            }
        }
        Ok(wrong)
    }

    fn verify_segments(&self) -> Result<Vec<BoxError>, BoxError> {
        let mut wrong: Vec<BoxError> = Vec::new();
        for (name, file) in self.files()?.files() {
            if let Err(error) = SegmentReader::open(&self.folder.join(name), file) {
                wrong.push(error.into());
            }
        }
        Ok(wrong)
    }

    /// What is stored of a state of the archive; none where there is no archive.
    fn archived<V: DeserializeOwned>(
        &self,
        state: &str,
    ) -> Result<Option<StoredRows<V>>, BoxError> {
        let rows = match self.data_dir.view(&format!("{ARCHIVE}.{state}"), None) {
            Err(DataDirError::UnknownTable { .. }) => return Ok(None),
            rows => rows?,
        };
        let value = |row: Row| -> Result<_, BoxError> {
            let key = row.key.map(serde_json::from_value).transpose()?;
            Ok((key, serde_json::from_value(row.value)?))
        };
        rows.into_iter()
            .map(value)
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

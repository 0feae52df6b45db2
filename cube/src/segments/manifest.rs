//! The list of the files, for others to read.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::Serialize;
use squall::{Context, Result, Sink, Tuple};

use super::file::{SegmentError, SegmentFile};
use super::folder::Folder;
use crate::schema::Schema;

/// The files of a cube as of a commit.
#[derive(Tuple, Clone, Debug, PartialEq, Serialize)]
pub struct Listing {
    /// The number of the epoch that is committed with them.
    pub commit: u64,
    /// The schemas by their ids.
    pub schemas: BTreeMap<String, Schema>,
    /// The files by their names.
    pub files: BTreeMap<String, SegmentFile>,
}

/// Writes the list of the segments' files into `manifest.json` beside them, after each commit
/// that has changed it: for tools that read Parquet. All rows of the files that it names are the
/// cube, each row once, as of one commit; a file that it does not name is not part of it. Files
/// that it has named stay for [a while](super::Compacting::keep).
///
/// Programs of this library read the table `files` of the [`Segments`](super::Segments), which
/// is the truth.
pub struct CubeManifest {
    folder: Folder,
    latest: Option<Listing>,
}

/// The file.
const NAME: &str = "manifest.json";

/// The file while it is written.
const UNFINISHED: &str = "manifest.json.new";

impl CubeManifest {
    /// The manifest of the segments in a folder.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: Folder::at(folder.as_ref()),
            latest: None,
        }
    }
}

impl Sink for CubeManifest {
    type Input = Listing;

    fn prepare(&mut self, context: &Context) -> Result {
        if context.parallelism > 1 {
            let tasks = context.parallelism;
            return Err(format!(
                "{tasks} tasks would overwrite each other's output: set its parallelism to 1"
            )
            .into());
        }
        Ok(self.folder.make()?)
    }

    fn write(&mut self, listings: &[Listing]) -> Result {
        if let Some(latest) = listings.last() {
            self.latest = Some(latest.clone());
        }
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        let latest = self.latest.take();
        let text = latest.map(|listing| serde_json::to_vec_pretty(&listing));
        Ok(text.transpose()?)
    }

    fn deliver(&mut self, text: &[u8], _: Option<u64>) -> Result {
        Ok(write(&self.folder, text)?)
    }
}

/// Replaces the file as a whole: whoever reads it sees the old or the new one.
pub(super) fn write(folder: &Folder, text: &[u8]) -> Result<(), SegmentError> {
    let path = folder.file(UNFINISHED);
    let written = squall::private::create(&path).and_then(|mut file| {
        file.write_all(text)?;
        file.sync_all()
    });
    written.map_err(SegmentError::io("write", &path))?;
    let renamed = std::fs::rename(&path, folder.file(NAME));
    renamed.map_err(SegmentError::io("rename", &path))?;
    folder.sync()
}

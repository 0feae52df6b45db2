//! Where a store is, and what its file is known by.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};

use super::error::StoreError;
use crate::private;

/// Where a store is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In memory, and gone with it.
    Memory,
    /// In this file.
    File(PathBuf),
    /// On a disk that fails as a test wants it.
    #[cfg(test)]
    Disk(super::disk::Disk),
}

/// A file of a store, as it was opened. As long as it is open, no other file gets its number.
#[derive(Debug)]
pub(super) struct Held {
    file: File,
    path: PathBuf,
}

impl Held {
    /// Whether this file is the one at its path.
    pub(super) fn is_there(&self) -> bool {
        let there = self.path.metadata().and_then(|there| {
            let held = self.file.metadata()?;
            Ok(identity(&there) == identity(&held))
        });
        there.unwrap_or(false)
    }
}

/// The device and number of a file.
#[cfg(unix)]
fn identity(about: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    (about.dev(), about.ino())
}

/// Here an open file is not replaced.
#[cfg(not(unix))]
fn identity(about: &Metadata) -> bool {
    about.is_file()
}

impl Place {
    /// What errors name.
    pub(super) fn file(&self) -> &Path {
        match self {
            Self::Memory => Path::new("(in memory)"),
            Self::File(path) => path,
            #[cfg(test)]
            Self::Disk(_) => Path::new("(on a simulated disk)"),
        }
    }

    /// The file that is at its path now; none where a store is in none.
    pub(super) fn hold(&self) -> Result<Option<Held>, StoreError> {
        let Self::File(path) = self else {
            return Ok(None);
        };
        let file = private::open_to_read(path).map_err(StoreError::io("open", path))?;
        let path = path.clone();
        Ok(Some(Held { file, path }))
    }

    /// Whether it outlives the engine.
    pub(super) fn lasts(&self) -> bool {
        !matches!(self, Self::Memory)
    }
}

//! Where a store is, and what its file is known by.

use std::path::{Path, PathBuf};

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

/// The device and number of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity((u64, u64));

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

    /// What tells the file from another one at its path; none in memory, and where there is none.
    pub(super) fn identity(&self) -> Option<Identity> {
        let Self::File(path) = self else {
            return None;
        };
        let about = path.metadata().ok()?;
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;
            (about.dev(), about.ino())
        };
        // Elsewhere an open file is not replaced.
        #[cfg(not(unix))]
        let identity = (u64::from(about.is_file()), 0);
        Some(Identity(identity))
    }

    /// Whether it outlives the engine.
    pub(super) fn lasts(&self) -> bool {
        !matches!(self, Self::Memory)
    }
}

//! A data directory as the setting of a run.

use std::path::{Path, PathBuf};

use crate::store::{Store, StoreError};

/// Where a topology keeps its state: a directory, or memory.
///
/// ```
/// use squall::{DataDir, RunOptions};
///
/// let options = RunOptions { data_dir: Some(DataDir::at("words.data")), ..RunOptions::default() };
/// ```
#[derive(Clone, Debug)]
pub struct DataDir(Place);

#[derive(Clone, Debug)]
enum Place {
    At(PathBuf),
    Memory(Store),
}

impl DataDir {
    /// A directory, which is made where there is none. One process uses it at a time.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self(Place::At(path.as_ref().to_owned()))
    }

    /// Memory: runs with clones of it go on from each other, and one run from its own
    /// failures. For tests, and where what is lost with the process may be lost.
    ///
    /// # Errors
    /// None that is known of.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self(Place::Memory(Store::in_memory()?)))
    }

    /// The directory; none in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Place::At(path) => Some(path),
            Place::Memory(_) => None,
        }
    }

    /// Opens it, and makes it where there is none.
    pub(crate) fn open(&self) -> Result<Store, StoreError> {
        match &self.0 {
            Place::At(path) => Store::open(path),
            Place::Memory(store) => Ok(store.clone()),
        }
    }
}

//! The folder of the segments' files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::file::{SegmentError, SegmentFile};

/// Where the files are, and how they are named: `0000000042-0000.parquet`, by the epoch in
/// which they were begun, and by number.
#[derive(Clone, Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

const ENDING: &str = ".parquet";

impl Folder {
    pub(super) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The name of a new file.
    pub(super) fn name(epoch: u64, number: u32) -> String {
        format!("{epoch:010}-{number:04}{ENDING}")
    }

    /// Whether a file is named as those of segments are; others are none of our business.
    fn is_ours(name: &str) -> bool {
        let Some((epoch, number)) = name
            .strip_suffix(ENDING)
            .and_then(|name| name.split_once('-'))
        else {
            return false;
        };
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        epoch.len() >= 10 && number.len() >= 4 && is_number(epoch) && is_number(number)
    }

    /// Makes the folder where there is none, for this user alone. A link in its place is refused.
    pub(super) fn make(&self) -> Result<(), SegmentError> {
        let made = squall::private::make_dir_inside(&self.path);
        made.map_err(SegmentError::io("make", &self.path))?;
        match self.path.parent() {
            Some(parent) if parent != Path::new("") => sync(parent),
            _ => Ok(()),
        }
    }

    /// Makes the names in it durable.
    pub(super) fn sync(&self) -> Result<(), SegmentError> {
        sync(&self.path)
    }

    /// Looks whether a file is there, with its length. Its bytes are compared by those who read
    /// it.
    pub(super) fn check(&self, name: &str, file: &SegmentFile) -> Result<(), SegmentError> {
        let path = self.file(name);
        match fs::metadata(&path) {
            Ok(about) if about.len() == file.bytes => Ok(()),
            Ok(about) => Err(SegmentError::Changed {
                path,
                expected: format!("{} bytes", file.bytes),
                found: format!("{} bytes", about.len()),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SegmentError::Missing {
                path,
                rows: file.rows,
            }),
            Err(error) => Err(SegmentError::io("read", &path)(error)),
        }
    }

    /// The names of all files of segments, whether committed or not.
    pub(super) fn names(&self) -> Result<Vec<String>, SegmentError> {
        let read = || SegmentError::io("read", &self.path);
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(read())? {
            let name = entry.map_err(read())?.file_name();
            if let Some(name) = name.to_str().filter(|name| Self::is_ours(name)) {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Deletes a file; one that is gone already is no error.
    pub(super) fn delete(&self, name: &str) -> Result<(), SegmentError> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(SegmentError::io("delete", &path)(error))
            }
            _ => Ok(()),
        }
    }
}

fn sync(folder: &Path) -> Result<(), SegmentError> {
    // Elsewhere folders cannot be opened.
    if cfg!(unix) {
        let synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(SegmentError::io("write", folder))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_others_are_not_ours() {
        assert!(Folder::is_ours(&Folder::name(1, 0)));
        assert!(Folder::is_ours(&Folder::name(u64::MAX, u32::MAX)));
        for name in [
            "sales.parquet",
            "2015-09.parquet",
            "manifest.json",
            "0000000001-0000",
        ] {
            assert!(!Folder::is_ours(name), "{name}");
        }
    }
}

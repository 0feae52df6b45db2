//! Files that appear, grow and move while they are read.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::builder::Files;
use super::content::beginning;
use super::fingerprint::{FileId, Stamp};
use super::input::{if_there, is_stream};
use super::position::{place, stamp_of};
use super::{InputError, Source, resolve};
use crate::connectors::paths::one_spelling;

/// How long a spout that follows its files waits before it looks again.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long new files may wait while there is always something to read of others.
const MAX_BUSY: Duration = Duration::from_secs(1);

/// With so many files one look at the folder in two is left out, with twice as many two in
/// three, and so on: to list them takes time.
const FILES_PER_LOOK_LEFT_OUT: usize = 1_000;

/// Looks for files that are not read yet.
pub(super) struct Discovery {
    files: Files,
    /// What the other files were when they were looked into.
    looked: HashMap<PathBuf, Stamp>,
    left_out: usize,
    looked_at: Instant,
    looks: u64,
}

/// A file that is there, and of which at least the first record is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) source: Source,
    /// Its one spelling.
    pub(super) path: String,
    /// See [`beginning`].
    pub(super) beginning: u64,
    pub(super) stamp: Stamp,
    /// It was looked into: no stream.
    pub(super) looked_into: bool,
}

impl Found {
    /// What its position is kept under.
    pub(super) fn place(&self) -> String {
        place(&self.path, self.beginning)
    }

    /// Opens it again; none where it is not there any more. To hold all that are found open would
    /// take too many descriptors.
    pub(super) fn open(&self) -> Result<Option<Arc<File>>, InputError> {
        let Some(file) = self.source.file_if_there()? else {
            return Ok(None);
        };
        let metadata = file.metadata().map_err(|source| InputError::Unreadable {
            path: self.source.name(),
            source,
        })?;
        let same = Stamp::of(&metadata).id == self.stamp.id;
        Ok(same.then(|| Arc::new(file)))
    }
}

impl Discovery {
    pub(super) fn new(files: Files) -> Self {
        Self {
            files,
            looked: HashMap::new(),
            left_out: 0,
            looked_at: Instant::now(),
            looks: 0,
        }
    }

    /// What is at this path is to be looked into again.
    pub(super) fn forget(&mut self, path: &Path) {
        self.looked.remove(path);
    }

    /// Whether there was one look at most.
    pub(super) fn is_new(&self) -> bool {
        self.looks <= 1
    }

    /// Whether it is time to look though there is something to read.
    pub(super) fn is_due(&self) -> bool {
        self.looked_at.elapsed() >= MAX_BUSY
    }

    /// The files that have appeared or changed since the last look; none where the look is left
    /// out. Those are passed over that are `read` already, by path and file.
    pub(super) fn look(
        &mut self,
        read: &HashMap<&Path, Option<FileId>>,
    ) -> Result<Option<Vec<Found>>, InputError> {
        if self.left_out < self.looked.len() / FILES_PER_LOOK_LEFT_OUT {
            self.left_out += 1;
            return Ok(None);
        }
        self.left_out = 0;
        self.looks += 1;
        self.looked_at = Instant::now();
        let mut looked = HashMap::with_capacity(self.looked.len());
        let mut found = Vec::new();
        for source in self.list()? {
            let Some(path) = source.path() else { continue };
            let unreadable = |source| InputError::Unreadable {
                path: path.display().to_string(),
                source,
            };
            let metadata = std::fs::metadata(path);
            let Some(metadata) = if_there(metadata).map_err(unreadable)? else {
                continue;
            };
            let stamp = Stamp::of(&metadata);
            let before = self.looked.remove(path);
            let stream = is_stream(&metadata);
            let known = match before {
                Some(before) => stream || before == stamp,
                None => read.get(path) == Some(&stamp.id),
            };
            looked.insert(path.to_owned(), stamp);
            if known || read.get(path) == Some(&stamp.id) {
                continue;
            }
            if stream {
                found.push(Found {
                    path: one_spelling(path),
                    beginning: 0,
                    stamp,
                    looked_into: false,
                    source,
                });
                continue;
            }
            found.extend(find(&self.files, source)?);
        }
        self.looked = looked;
        Ok(Some(found))
    }

    /// The one spelling of each file that the input matches, and of the input itself, where it is
    /// a file that is not there just now.
    pub(super) fn listed(&self) -> Result<HashSet<String>, InputError> {
        let sources = self.list()?;
        let mut paths: HashSet<String> = sources
            .iter()
            .filter_map(Source::path)
            .map(one_spelling)
            .collect();
        if let Some(input) = &self.files.input {
            paths.insert(one_spelling(Path::new(&**input)));
        }
        Ok(paths)
    }

    fn list(&self) -> Result<Vec<Source>, InputError> {
        let Some(input) = &self.files.input else {
            return Ok(self.files.sources.to_vec());
        };
        match resolve(input) {
            Err(
                InputError::EmptyFolder { .. }
                | InputError::NoMatch { .. }
                | InputError::Missing { .. },
            ) => Ok(Vec::new()),
            // Something is removed just now.
            Err(error) if error.is_gone() => Ok(Vec::new()),
            listed => listed,
        }
    }
}

/// Looks into a file; none where it is gone, or where its first record is not there.
pub(super) fn find(files: &Files, source: Source) -> Result<Option<Found>, InputError> {
    let Some(path) = source.path() else {
        return Ok(None);
    };
    let unreadable = |source| InputError::Unreadable {
        path: path.display().to_string(),
        source,
    };
    let Some(file) = source.file_if_there()?.map(Arc::new) else {
        return Ok(None);
    };
    let stamp = Stamp::of(&file.metadata().map_err(unreadable)?);
    let lines = files.lines_of_beginning(&source.name());
    let Some(beginning) = beginning(&file, lines).map_err(unreadable)? else {
        return Ok(None);
    };
    Ok(Some(Found {
        path: one_spelling(path),
        beginning,
        stamp,
        looked_into: true,
        source,
    }))
}

/// Where a file may be that was moved away from a path: the files of the same folder, those whose
/// names begin with its name first.
pub(super) fn beside(path: &Path) -> Vec<(PathBuf, Stamp)> {
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<(PathBuf, Stamp)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            let file = entry.file_type().ok()?.is_file();
            let path = entry.path();
            let stamp = (file && !hidden).then(|| stamp_of(&path).ok().flatten())??;
            Some((path, stamp))
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Whether a file is called like this one with something behind: `app.log.1` like `app.log`.
pub(super) fn is_named_after(path: &Path, name: &str) -> bool {
    let of = Path::new(name).file_name();
    match (path.file_name(), of) {
        (Some(longer), Some(name)) => {
            let (longer, name) = (longer.as_encoded_bytes(), name.as_encoded_bytes());
            longer.len() > name.len() && longer.starts_with(name)
        }
        _ => false,
    }
}

/// The path of the log that a file was rotated from, by its name: `app.log` of `app.log.1.gz`.
pub(super) fn log_of(path: &str) -> &str {
    let path = path.strip_suffix(".gz").unwrap_or(path);
    match path.rsplit_once(['.', '-']) {
        Some((log, number))
            if !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            log
        }
        _ => path,
    }
}

/// From this many digits on a rotated file's number is a date.
const DATE_DIGITS: usize = 6;

/// Whether, of two rotated files of the same log, the first was rotated after the second:
/// `app.log.1` after `app.log.2`, `app.log-20260102` after `app.log-20260101`.
pub(super) fn is_rotated_after(path: &Path, other: &Path, name: &str) -> bool {
    let number = |path: &Path| {
        let longer = path.file_name()?.to_str()?.to_owned();
        let rest = longer.strip_prefix(Path::new(name).file_name()?.to_str()?)?;
        let rest = rest.strip_suffix(".gz").unwrap_or(rest);
        let digits = rest.strip_prefix(['.', '-'])?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        (plain && !digits.is_empty()).then(|| digits.to_owned())
    };
    match (number(path), number(other)) {
        (Some(this), Some(other)) if this.len() >= DATE_DIGITS && other.len() >= DATE_DIGITS => {
            this > other
        }
        (Some(this), Some(other)) if this.len() < DATE_DIGITS && other.len() < DATE_DIGITS => {
            match (this.parse::<u32>(), other.parse::<u32>()) {
                (Ok(this), Ok(other)) => this < other,
                _ => false,
            }
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_rotation_has_the_smaller_number_or_the_later_date() {
        let after = |a: &str, b: &str| is_rotated_after(Path::new(a), Path::new(b), "/x/app.log");
        assert!(after("app.log.1", "app.log.2"));
        assert!(after("app.log.9.gz", "app.log.10.gz"));
        assert!(after("app.log-20260102", "app.log-20260101.gz"));
        assert!(!after("app.log.2", "app.log.1"));
        assert!(!after("app.log.bak", "app.log.1"));
        assert!(!after("app.log.1", "app.log-20260101"));
        assert_eq!(log_of("/x/app.log.1.gz"), "/x/app.log");
        assert_eq!(log_of("/x/app.log"), "/x/app.log");
        assert!(is_named_after(Path::new("y/app.log.1"), "/x/app.log"));
        assert!(!is_named_after(Path::new("y/app.log"), "/x/app.log"));
    }
}

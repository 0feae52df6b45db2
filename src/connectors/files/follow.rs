//! Files that appear while others are read.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{InputError, Source, resolve};
use crate::connectors::paths::one_spelling;

/// How long a spout that follows its files waits before it looks again.
pub(super) const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// How long new files may wait while there is always something to read of others.
const MOST_BUSY: Duration = Duration::from_secs(1);

/// With so many files one look at the folder in two is left out, with twice as many two in
/// three, and so on: to list them takes time.
const FILES_PER_LOOK_LEFT_OUT: usize = 1_000;

/// Which files are known, and what others are there.
pub(super) struct Discovery {
    /// A folder or glob; none where nothing is looked for.
    input: Option<Arc<str>>,
    paths: HashSet<PathBuf>,
    /// The same files in their one spelling.
    keys: HashSet<String>,
    left_out: usize,
    looked_at: Instant,
}

impl Discovery {
    pub(super) fn new(input: Option<Arc<str>>) -> Self {
        Self {
            input,
            paths: HashSet::new(),
            keys: HashSet::new(),
            left_out: 0,
            looked_at: Instant::now(),
        }
    }

    /// Notes a source; gives its key, where no source has it that was noted before.
    pub(super) fn note(&mut self, source: &Source) -> Option<String> {
        let path = source.path()?;
        if !self.paths.insert(path.to_owned()) {
            return None;
        }
        let key = one_spelling(path);
        self.keys.insert(key.clone()).then_some(key)
    }

    /// The keys of all that is known.
    pub(super) fn keys(&self) -> &HashSet<String> {
        &self.keys
    }

    /// A file is gone. Says whether one that appears under its name would be found.
    pub(super) fn forget(&mut self, source: &Source, key: &str) -> bool {
        if self.input.is_none() {
            return false;
        }
        if let Some(path) = source.path() {
            self.paths.remove(path);
        }
        self.keys.remove(key);
        true
    }

    /// Whether it is time to look though there is something to read.
    pub(super) fn is_due(&self) -> bool {
        self.looked_at.elapsed() >= MOST_BUSY
    }

    /// The files that were not there before, with their keys.
    pub(super) fn look(&mut self) -> Result<Vec<(Source, String)>, InputError> {
        let Some(input) = &self.input else {
            return Ok(Vec::new());
        };
        if self.left_out < self.paths.len() / FILES_PER_LOOK_LEFT_OUT {
            self.left_out += 1;
            return Ok(Vec::new());
        }
        self.left_out = 0;
        let sources = match resolve(input) {
            Ok(sources) => sources,
            Err(
                InputError::EmptyFolder { .. }
                | InputError::NoMatch { .. }
                | InputError::Missing { .. },
            ) => Vec::new(),
            // Something is removed just now.
            Err(InputError::Unreadable { source, .. })
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Vec::new()
            }
            Err(error) => return Err(error),
        };
        self.looked_at = Instant::now();
        let new = sources.into_iter().filter_map(|source| {
            let key = self.note(&source)?;
            Some((source, key))
        });
        Ok(new.collect())
    }
}

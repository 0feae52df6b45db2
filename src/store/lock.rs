//! The lock of a data directory: one process at a time.
//!
//! The operating system holds the lock on `DIR/lock` and lets go of it however its holder ends,
//! so a lock is never left behind. The file's content says who the holder is, or was.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::error::StoreError;
use crate::private;
use crate::time::Timestamp;

/// The file's name in the data directory.
pub(super) const NAME: &str = "lock";

/// A directory that is ours as long as this value lives.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
    /// Whether somebody had the directory before, completely made.
    pub(super) had_holder: bool,
}

/// Who has a directory: the one line of the lock's file.
#[derive(Serialize, Deserialize)]
struct Holder {
    pid: u32,
    command: String,
    since: String,
}

impl Lock {
    /// Takes the lock of `dir`, which exists.
    pub(super) fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join(NAME);
        let file = private::open_or_make(&path);
        let mut file = file.map_err(StoreError::io("open", &path))?;
        let locked = file.try_lock();
        let mut content = String::new();
        // Where it cannot be read, the holder stays unknown; the lock itself is what counts.
        let read = file.read_to_string(&mut content);
        match locked {
            Ok(()) => Ok(Self {
                had_holder: read.is_err() || !content.is_empty(),
                path,
                file,
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
                dir: dir.to_owned(),
                holder: named(&content),
            }),
            Err(TryLockError::Error(source)) => Err(StoreError::io("lock", &path)(source)),
        }
    }

    /// Writes who holds the lock. Only once the directory is completely made: by this a
    /// directory whose store is lost is told from one that never had any.
    pub(super) fn sign(&mut self) -> Result<(), StoreError> {
        let command: Vec<_> = std::env::args_os()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis());
        let holder = Holder {
            pid: std::process::id(),
            command: command.join(" "),
            since: Timestamp::from_millis(i64::try_from(since).unwrap_or(i64::MAX)).to_string(),
        };
        let write = |file: &mut File| {
            let mut line = serde_json::to_vec(&holder)?;
            line.push(b'\n');
            // Cut afterwards, so that whoever reads meanwhile does not find it empty.
            file.rewind()?;
            file.write_all(&line)?;
            file.set_len(line.len() as u64)
        };
        write(&mut self.file).map_err(StoreError::io("write", &self.path))
    }
}

/// The holder in words, from the content of the lock's file.
fn named(content: &str) -> String {
    let Some(line) = content.lines().next() else {
        return "another process".to_owned();
    };
    match serde_json::from_str(line) {
        Ok(Holder {
            pid,
            command,
            since,
        }) => format!("process {pid} ({command}) since {since}"),
        Err(_) => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_second_hears_who_was_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = Lock::take(dir.path()).unwrap();
        assert!(!first.had_holder);
        first.sign().unwrap();

        let refused = Lock::take(dir.path()).unwrap_err().to_string();

        let pid = std::process::id();
        assert!(
            refused.contains(&format!("in use by process {pid} (")),
            "{refused}"
        );
        assert!(refused.contains(") since 20"), "{refused}");
        drop(first);
        assert!(Lock::take(dir.path()).unwrap().had_holder);
    }

    #[test]
    fn a_holder_that_did_not_sign_is_another_process() {
        let dir = tempfile::tempdir().unwrap();
        let _first = Lock::take(dir.path()).unwrap();
        let refused = Lock::take(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("in use by another process"), "{refused}");
    }
}

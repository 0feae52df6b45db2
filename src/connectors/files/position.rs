//! How far a file was read, and whether it is still the file that was read.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::progress::Progress;
use super::sniff::{BOM, GZIP};
use crate::key::hash_bytes;
use crate::text::Shown;

/// How much of a file's beginning, and of what was read last, is looked at.
const LOOKED_AT_BYTES: u64 = 4 * 1024;

/// How far a file was read; stored under its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// The bytes before the next record, after unpacking.
    pub(super) offset: u64,
    /// The line in which it begins, from 1.
    pub(super) line: u64,
    /// The file was read to its end, and it is one that does not grow: gzip.
    pub(super) ended: bool,
    pub(super) fingerprint: Fingerprint,
}

/// What tells that a file is still the one that was read. Changes between the first and the
/// last 4 KiB are not seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    /// How many bytes of the file it covers: of a plain file those that were read, of a gzip
    /// file all.
    pub(super) length: u64,
    /// The file is gzip: it may not even grow.
    pub(super) packed: bool,
    /// The hash of the first 4 KiB of what is covered.
    head: u64,
    /// The hash of the last 4 KiB of what is covered.
    tail: u64,
}

/// Why a file cannot be read on from where it was left.
#[derive(Debug, thiserror::Error)]
pub enum PositionError {
    /// It is shorter than what was read of it.
    #[error(
        "`{}` was read up to byte {stored}, and now it has only {found}: {}",
        Shown(path),
        what_to_do(component)
    )]
    Shorter {
        /// The file.
        path: String,
        /// The bytes that were read.
        stored: u64,
        /// The bytes that it has.
        found: u64,
        /// The component that reads it.
        component: String,
    },
    /// What was read of it is not what stands there now.
    #[error(
        "`{}` was read up to byte {stored}, and what stands before that has changed since \
         (the hashes of its beginning and its end were {before}, and are {now}): {}",
        Shown(path),
        what_to_do(component)
    )]
    Changed {
        /// The file.
        path: String,
        /// The bytes that were read.
        stored: u64,
        /// The hashes of what was read.
        before: String,
        /// The hashes of what is there.
        now: String,
        /// The component that reads it.
        component: String,
    },
    /// A gzip file has grown.
    #[error(
        "`{}` is gzip and had {stored} bytes when it was read; now it has {found}, and what \
         is appended to a gzip file cannot be read on its own: {}",
        Shown(path),
        what_to_do(component)
    )]
    Packed {
        /// The file.
        path: String,
        /// The bytes that it had.
        stored: u64,
        /// The bytes that it has.
        found: u64,
        /// The component that reads it.
        component: String,
    },
    /// It is a stream.
    #[error(
        "{} is a stream, which cannot be read again from where a run has left it, so it \
         cannot be read by a run with a data directory: write it to a file and read (or follow) \
         that, or run without a data directory",
        Shown(name)
    )]
    Stream {
        /// The input.
        name: String,
    },
    /// It cannot be looked at.
    #[error("cannot read `{}`", Shown(path))]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
}

fn what_to_do(component: &str) -> String {
    format!(
        "restore it; or give what is there now another name, to have it read from its beginning; \
         or forget what was stored of `{component}` with `squall reset`, with that of what reads it, \
         or all that was read so far is counted once more"
    )
}

impl Fingerprint {
    /// That of the first `length` bytes of a file.
    fn of(file: &File, length: u64, packed: bool) -> io::Result<Self> {
        let looked_at = length.min(LOOKED_AT_BYTES);
        let mut bytes = vec![0; usize::try_from(looked_at).unwrap_or(0)];
        read_exact_at(file, &mut bytes, 0)?;
        let head = hash_bytes(&bytes);
        read_exact_at(file, &mut bytes, length - looked_at)?;
        let tail = hash_bytes(&bytes);
        Ok(Self {
            length,
            packed,
            head,
            tail,
        })
    }

    fn hashes(&self) -> String {
        format!("{:016x} and {:016x}", self.head, self.tail)
    }
}

impl Position {
    /// A position of a file, up to which it has been read.
    pub(super) fn of(file: &File, (offset, line): (u64, u64), ended: bool) -> io::Result<Self> {
        let packed = is_gzip(file)?;
        let length = if packed {
            file.metadata()?.len()
        } else {
            offset
        };
        Ok(Self {
            offset,
            line,
            ended: packed && ended,
            fingerprint: Fingerprint::of(file, length, packed)?,
        })
    }

    /// The same file, further on; only of a gzip file the fingerprint is that of the whole.
    pub(super) fn moved(
        &self,
        file: &File,
        (offset, line): (u64, u64),
        ended: bool,
    ) -> io::Result<Self> {
        if self.fingerprint.packed {
            let fingerprint = self.fingerprint.clone();
            return Ok(Self {
                offset,
                line,
                ended,
                fingerprint,
            });
        }
        Self::of(file, (offset, line), ended)
    }

    /// A file was read so far, and what was read cannot be looked at any more: no file is
    /// going to be taken for it.
    pub(super) fn unreadable((offset, line): (u64, u64)) -> Self {
        let fingerprint = Fingerprint {
            length: offset,
            packed: false,
            head: 0,
            tail: 0,
        };
        Self {
            offset,
            line,
            ended: false,
            fingerprint,
        }
    }

    /// Whether there is nothing to read in a file of this length, unless it grows.
    pub(super) fn is_at_end(&self, length: u64) -> bool {
        if self.fingerprint.packed {
            self.ended
        } else {
            self.offset == length
        }
    }

    /// Makes sure that this is the file whose position it is; gives its length.
    ///
    /// # Errors
    /// What is wrong with it, for the user of this component.
    pub(super) fn verify(
        &self,
        file: &File,
        path: &Path,
        component: &str,
    ) -> Result<u64, PositionError> {
        let name = || path.display().to_string();
        let unreadable = |source| PositionError::Unreadable {
            path: name(),
            source,
        };
        let stored = self.fingerprint.length;
        let found = file.metadata().map_err(unreadable)?.len();
        if found < stored {
            return Err(PositionError::Shorter {
                path: name(),
                stored,
                found,
                component: component.to_owned(),
            });
        }
        let packed = self.fingerprint.packed;
        let now = Fingerprint::of(file, stored, packed).map_err(unreadable)?;
        if now != self.fingerprint {
            return Err(PositionError::Changed {
                path: name(),
                stored,
                before: self.fingerprint.hashes(),
                now: now.hashes(),
                component: component.to_owned(),
            });
        }
        if packed && found > stored {
            return Err(PositionError::Packed {
                path: name(),
                stored,
                found,
                component: component.to_owned(),
            });
        }
        Ok(found)
    }
}

/// Whether a file begins as gzip does.
pub(super) fn is_gzip(file: &File) -> io::Result<bool> {
    let mut start = [0; GZIP.len()];
    let read = read_up_to(file, &mut start, 0)?;
    Ok(read == GZIP.len() && start == GZIP)
}

/// Whether a file that grows has begun: its first bytes tell whether it is gzip, and whether
/// a byte order mark stands before its text.
pub(super) fn has_begun(file: &File) -> io::Result<bool> {
    let mut start = [0; BOM.len()];
    let read = read_up_to(file, &mut start, 0)?;
    let start = &start[..read];
    Ok(!(BOM.starts_with(start) || GZIP.starts_with(start)) || read == BOM.len())
}

/// A file from an offset on. It keeps its own place, so that others may look elsewhere in the
/// same file.
pub(super) struct FileFrom {
    file: Arc<File>,
    at: u64,
    /// Bytes up to here are counted as read.
    counted: u64,
    progress: Progress,
}

impl FileFrom {
    pub(super) fn new(file: Arc<File>, at: u64, counted: u64, progress: &Progress) -> Self {
        Self {
            file,
            at,
            counted,
            progress: progress.clone(),
        }
    }
}

impl Read for FileFrom {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, into, self.at)?;
        self.at += read as u64;
        if self.at > self.counted {
            self.progress.add(self.at - self.counted);
            self.counted = self.at;
        }
        Ok(read)
    }
}

/// The length of the file at a path; none where there is no file.
pub(super) fn length_of(path: &Path) -> io::Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn read_exact_at(file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    if read_up_to(file, into, at)? < into.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Fills the buffer, as far as the file goes.
fn read_up_to(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match read_at(file, &mut into[filled..], at + filled as u64) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, at)
}

/// Moves the file's own cursor too, which nobody uses.
#[cfg(windows)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, at)
}

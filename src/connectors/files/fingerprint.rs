//! What tells one file from another: what was read of it.

use std::fs::{File, Metadata};
use std::io;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::sniff::GZIP;
use crate::key::hash_bytes;

/// How much of the beginning, and of what was read last, is looked at.
pub(super) const LOOKED_AT_BYTES: u64 = 4 * 1024;

/// The same as a number of bytes in memory.
const LOOKED_AT: usize = 4 * 1024;

/// A beginning of a file, or of what a gzip file holds. Changes between the first and the last
/// 4 KiB are not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    /// How many bytes it is of.
    pub(super) length: u64,
    /// The hash of the first 4 KiB of them.
    head: u64,
    /// The hash of the last 4 KiB of them.
    tail: u64,
}

/// What the file system takes a file for, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// What changes when a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    /// None where the system has no such number.
    pub(super) id: Option<FileId>,
    pub(super) length: u64,
    pub(super) modified: Option<SystemTime>,
}

/// How a file compares with what was read of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// It begins with that.
    All,
    /// It is shorter, and may be a part of that.
    Less,
    /// It is another one.
    Other,
}

impl Fingerprint {
    /// That of the first `length` bytes of a file.
    pub(super) fn of(file: &File, length: u64) -> io::Result<Self> {
        let looked_at = length.min(LOOKED_AT_BYTES);
        let mut bytes = vec![0; usize::try_from(looked_at).unwrap_or(0)];
        read_exact_at(file, &mut bytes, 0)?;
        let head = hash_bytes(&bytes);
        read_exact_at(file, &mut bytes, length - looked_at)?;
        let tail = hash_bytes(&bytes);
        Ok(Self { length, head, tail })
    }

    /// That of so many bytes, of which these are the first 4 KiB and the last 4 KiB.
    pub(super) fn from_ends(length: u64, head: &[u8], tail: &[u8]) -> Self {
        Self {
            length,
            head: hash_bytes(head),
            tail: hash_bytes(tail),
        }
    }

    /// Whether two that are of 4 KiB at least are of the same beginning.
    pub(super) fn begins_as(&self, other: &Self) -> bool {
        self.head == other.head
    }

    #[cfg(test)]
    pub(super) fn of_text(text: &[u8]) -> Self {
        let mut seen = Seen::new(0, None);
        seen.add(text);
        seen.fingerprint()
    }

    pub(super) fn hashes(&self) -> String {
        format!("{:016x} and {:016x}", self.head, self.tail)
    }

    /// How a plain file compares with this.
    pub(super) fn compare(&self, file: &File) -> io::Result<Holds> {
        if file.metadata()?.len() < self.length {
            return Ok(Holds::Less);
        }
        match Self::of(file, self.length) {
            Ok(now) if now == *self => Ok(Holds::All),
            Ok(_) => Ok(Holds::Other),
            // It is emptied just now.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Holds::Less),
            Err(error) => Err(error),
        }
    }
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            id: FileId::of(metadata),
            length: metadata.len(),
            // Of files from before 1970 it cannot be stored.
            modified: metadata
                .modified()
                .ok()
                .filter(|modified| *modified >= SystemTime::UNIX_EPOCH),
        }
    }

    /// Whether it was last written before this time, by more than the step of its clock.
    pub(super) fn is_older_than(&self, time: Option<SystemTime>, step: Duration) -> bool {
        match (self.modified, time) {
            (Some(modified), Some(time)) => modified + step < time,
            _ => false,
        }
    }
}

impl FileId {
    /// None on systems that do not tell.
    #[cfg(unix)]
    #[allow(clippy::unnecessary_wraps)]
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Option<Self> {
        None
    }
}

/// Takes the fingerprint of a text while it is read.
pub(super) struct Seen {
    length: u64,
    head: Head,
    /// The last bytes, the more the longer they were not cut.
    tail: Vec<u8>,
}

enum Head {
    Bytes(Vec<u8>),
    Hash(u64),
}

impl Seen {
    /// Goes on after so many bytes; with the hash of the first 4 KiB where they were read before.
    pub(super) fn new(length: u64, head: Option<u64>) -> Self {
        Self {
            length,
            head: head.map_or_else(|| Head::Bytes(Vec::new()), Head::Hash),
            tail: Vec::new(),
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        if let Head::Bytes(head) = &mut self.head {
            let missing = (LOOKED_AT - head.len()).min(bytes.len());
            head.extend_from_slice(&bytes[..missing]);
            if head.len() == LOOKED_AT {
                self.head = Head::Hash(hash_bytes(head));
            }
        }
        self.length += bytes.len() as u64;
        let last = &bytes[bytes.len().saturating_sub(LOOKED_AT)..];
        if self.tail.len() + last.len() > 16 * LOOKED_AT {
            let cut = self.tail.len().saturating_sub(LOOKED_AT);
            self.tail.drain(..cut);
        }
        self.tail.extend_from_slice(last);
    }

    /// The bytes that were read last, at most 4 KiB.
    pub(super) fn last(&self) -> &[u8] {
        &self.tail[self.tail.len().saturating_sub(LOOKED_AT)..]
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            length: self.length,
            head: match &self.head {
                Head::Bytes(head) => hash_bytes(head),
                Head::Hash(head) => *head,
            },
            tail: hash_bytes(self.last()),
        }
    }
}

impl Fingerprint {
    /// The hash of the first 4 KiB, where it does not change any more.
    pub(super) fn whole_head(&self) -> Option<u64> {
        (self.length >= LOOKED_AT_BYTES).then_some(self.head)
    }
}

/// Whether a file begins as gzip does.
pub(super) fn is_gzip(file: &File) -> io::Result<bool> {
    let mut start = [0; GZIP.len()];
    let read = read_up_to(file, &mut start, 0)?;
    Ok(read == GZIP.len() && start == GZIP)
}

fn read_exact_at(file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    if read_up_to(file, into, at)? < into.len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

/// Fills the buffer, as far as the file goes.
pub(super) fn read_up_to(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
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
pub(super) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, at)
}

/// Moves the file's own cursor too, which nobody uses.
#[cfg(windows)]
pub(super) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, at)
}

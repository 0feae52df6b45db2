//! What tells one file from another: what was read of it.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::members::{MemberStart, Members};
use super::progress::Progress;
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

    #[cfg(test)]
    pub(super) fn of_text(text: &[u8]) -> Self {
        let mut seen = Seen::new(0, None);
        seen.add(text);
        seen.fingerprint()
    }

    /// One that no file has.
    pub(super) fn unknown(length: u64) -> Self {
        Self {
            length,
            head: 0,
            tail: 0,
        }
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

    /// How the text of a gzip file compares with this. It is unpacked as far as it is compared.
    pub(super) fn compare_unpacked(&self, file: &Arc<File>) -> io::Result<Holds> {
        let mut text = unpacked(file).take(self.length);
        let mut seen = Seen::new(0, None);
        let mut buffer = [0; 16 * 1024];
        loop {
            let read = match text.read(&mut buffer) {
                Ok(read) => read,
                Err(error) if is_damage(&error) => return Ok(Holds::Other),
                Err(error) => return Err(error),
            };
            if read == 0 {
                break;
            }
            let whole_head = seen.length() < LOOKED_AT_BYTES;
            seen.add(&buffer[..read]);
            let now = seen.fingerprint();
            if whole_head && now.length >= LOOKED_AT_BYTES && now.head != self.head {
                return Ok(Holds::Other);
            }
        }
        let now = seen.fingerprint();
        Ok(match now {
            _ if now.length < self.length => Holds::Less,
            now if now == *self => Holds::All,
            _ => Holds::Other,
        })
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
    fn last(&self) -> &[u8] {
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

/// The hash of the first lines of a file, unpacked where it is gzip, or of its first 4 KiB. None
/// while these are not whole: nothing can be read of it yet.
pub(super) fn beginning(file: &Arc<File>, lines: usize) -> io::Result<Option<u64>> {
    let mut bytes = Vec::with_capacity(LOOKED_AT);
    let read = if is_gzip(file)? {
        unpacked(file).take(LOOKED_AT_BYTES).read_to_end(&mut bytes)
    } else {
        plain(file).take(LOOKED_AT_BYTES).read_to_end(&mut bytes)
    };
    match read {
        // What is damaged is told when it is read.
        Err(error) if !is_damage(&error) => return Err(error),
        _ => {}
    }
    let mut end = 0;
    for _ in 0..lines {
        let rest = &bytes[end..];
        let Some(at) = memchr::memchr2(b'\n', b'\r', rest) else {
            let whole = bytes.len() == LOOKED_AT;
            return Ok(whole.then(|| hash_bytes(&bytes)));
        };
        end += at + 1;
        if rest[at] == b'\r' {
            match bytes.get(end) {
                Some(b'\n') => end += 1,
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }
    Ok(Some(hash_bytes(&bytes[..end])))
}

/// Whether the bytes that a shorter file ends with stand in another one at the same place: it may
/// be on its way to be a copy. None where that cannot be compared.
pub(super) fn is_part(file: &Arc<File>, of: &File) -> io::Result<Option<bool>> {
    if is_gzip(of)? {
        return Ok(None);
    }
    let mut seen = Seen::new(0, None);
    if is_gzip(file)? {
        let mut buffer = [0; 16 * 1024];
        let mut text = unpacked(file);
        loop {
            match text.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => seen.add(&buffer[..read]),
                Err(error) if is_damage(&error) => return Ok(Some(false)),
                Err(error) => return Err(error),
            }
        }
    } else {
        let length = file.metadata()?.len();
        let from = length.saturating_sub(LOOKED_AT_BYTES);
        let mut tail = vec![0; usize::try_from(length - from).unwrap_or(0)];
        let read = read_up_to(file, &mut tail, from)?;
        seen = Seen::new(from, None);
        seen.add(&tail[..read]);
    }
    let last = seen.last();
    let mut same = vec![0; last.len()];
    let read = read_up_to(of, &mut same, seen.length() - last.len() as u64)?;
    Ok(Some(read == last.len() && same == last))
}

fn is_damage(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidInput
}

fn plain(file: &Arc<File>) -> FileFrom {
    FileFrom::new(Arc::clone(file), 0, u64::MAX, &Progress::default())
}

/// The text of a gzip file, as far as it is there.
fn unpacked(file: &Arc<File>) -> Members<FileFrom> {
    Members::new(plain(file), MemberStart::default(), None, true)
}

/// Whether a file begins as gzip does.
pub(super) fn is_gzip(file: &File) -> io::Result<bool> {
    let mut start = [0; GZIP.len()];
    let read = read_up_to(file, &mut start, 0)?;
    Ok(read == GZIP.len() && start == GZIP)
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
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, into, at)
}

/// Moves the file's own cursor too, which nobody uses.
#[cfg(windows)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, into, at)
}

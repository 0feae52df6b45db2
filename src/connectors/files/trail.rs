//! A file from an offset on, and what was read of it: the file may not hold that any more. A log
//! that is copied and emptied is another one a moment later, and what was read of it goes on in the
//! copy.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::fingerprint::{Fingerprint, LOOKED_AT_BYTES, read_at, read_up_to};
use super::progress::Progress;

/// A file from an offset on. It keeps its own place, so that others may look elsewhere in the
/// same file.
pub(super) struct FileFrom {
    file: Arc<File>,
    at: u64,
    /// Bytes up to here are counted as read.
    counted: u64,
    progress: Progress,
    trail: Option<Arc<Trail>>,
}

/// What was read of a file, as far as it takes to know the file again.
///
/// Whoever takes records from the file [says](Self::note_boundary) where they end; what was read
/// behind that is kept too, for it may be needed before the next record is whole.
pub(super) struct Trail {
    /// What is read is to follow what was read before: the file may change.
    checked: bool,
    /// What is at the place of what was read before is something else now.
    lost: AtomicBool,
    /// Where the record begins that is read at present.
    boundary: AtomicU64,
    read: Mutex<Bytes>,
}

struct Bytes {
    /// How far the file was read.
    at: u64,
    /// Its first 4 KiB.
    head: Vec<u8>,
    /// What was read last, with 4 KiB before it.
    recent: Vec<u8>,
    /// The 4 KiB before a boundary that lies before all that, and where it is.
    before: (u64, Vec<u8>),
}

/// The same as [`LOOKED_AT_BYTES`], in memory.
const LOOKED_AT: usize = 4 * 1024;

impl FileFrom {
    pub(super) fn new(file: Arc<File>, at: u64, counted: u64, progress: &Progress) -> Self {
        Self {
            file,
            at,
            counted,
            progress: progress.clone(),
            trail: None,
        }
    }

    /// Keeps what is read. A file that is `checked` is at its end where what was read before what
    /// comes next is not there any more.
    pub(super) fn with_trail(mut self, checked: bool) -> io::Result<(Self, Arc<Trail>)> {
        let trail = Arc::new(Trail::up_to(&self.file, self.at, checked)?);
        self.trail = Some(Arc::clone(&trail));
        Ok((self, trail))
    }
}

impl Read for FileFrom {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, into, self.at)?;
        if let Some(trail) = self.trail.as_ref().filter(|_| read > 0) {
            // After the reading: what was there before it cannot have come back since.
            if trail.is_lost(&self.file)? {
                return Ok(0);
            }
            trail.add(&into[..read]);
        }
        self.at += read as u64;
        if self.at > self.counted {
            self.progress.add(self.at - self.counted);
            self.counted = self.at;
        }
        Ok(read)
    }
}

impl Trail {
    fn up_to(file: &File, at: u64, checked: bool) -> io::Result<Self> {
        let length = at.min(LOOKED_AT_BYTES);
        let bytes = |from| {
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
            let read = read_up_to(file, &mut bytes, from)?;
            bytes.truncate(read);
            Ok::<_, io::Error>(bytes)
        };
        let bytes = Bytes {
            at,
            head: bytes(0)?,
            recent: bytes(at - length)?,
            before: (0, Vec::new()),
        };
        let short = (bytes.recent.len() as u64) < length;
        Ok(Self {
            checked,
            lost: AtomicBool::new(short),
            boundary: AtomicU64::new(at),
            read: Mutex::new(bytes),
        })
    }

    /// The next record begins at this offset of the file.
    pub(super) fn note_boundary(&self, offset: u64) {
        self.boundary.store(offset, Ordering::Relaxed);
    }

    /// What was read, up to the last boundary or this offset behind it. That of all that was read
    /// where the offset is no such place.
    pub(super) fn fingerprint(&self, offset: u64) -> Fingerprint {
        let bytes = self.bytes();
        let (length, tail) = match bytes.before(offset) {
            Some(tail) => (offset, tail),
            None => (bytes.at, bytes.last()),
        };
        let head = bytes.head.len().min(tail.len());
        Fingerprint::from_ends(length, &bytes.head[..head], tail)
    }

    /// Whether something else was found where the file was read before: it is to be opened again.
    pub(super) fn was_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    fn is_lost(&self, file: &File) -> io::Result<bool> {
        if !self.checked {
            return Ok(false);
        }
        if self.was_lost() {
            return Ok(true);
        }
        let bytes = self.bytes();
        let last = bytes.last();
        let mut now = [0; LOOKED_AT];
        let now = &mut now[..last.len()];
        let there = read_up_to(file, now, bytes.at - last.len() as u64)?;
        let lost = there < last.len() || *now != *last;
        self.lost.fetch_or(lost, Ordering::Relaxed);
        Ok(lost)
    }

    fn add(&self, read: &[u8]) {
        let boundary = self.boundary.load(Ordering::Relaxed);
        let mut bytes = self.bytes();
        if let Some(before) = bytes.before(boundary) {
            bytes.before = (boundary, before.to_vec());
        }
        let missing = (LOOKED_AT - bytes.head.len()).min(read.len());
        bytes.head.extend_from_slice(&read[..missing]);
        let passed = bytes.recent.len().saturating_sub(LOOKED_AT);
        bytes.recent.drain(..passed);
        bytes.recent.extend_from_slice(read);
        bytes.at += read.len() as u64;
    }

    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Bytes {
    /// The 4 KiB that were read last.
    fn last(&self) -> &[u8] {
        &self.recent[self.recent.len().saturating_sub(LOOKED_AT)..]
    }

    /// The 4 KiB before an offset, or all that is before it, where that is kept.
    fn before(&self, offset: u64) -> Option<&[u8]> {
        if self.before.0 == offset {
            return Some(&self.before.1);
        }
        let behind = usize::try_from(self.at.checked_sub(offset)?).ok()?;
        let end = self.recent.len().checked_sub(behind)?;
        let length = usize::try_from(offset.min(LOOKED_AT_BYTES)).ok()?;
        let start = end.checked_sub(length)?;
        Some(&self.recent[start..end])
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Bytes of which no 4 KiB are like any others.
    fn content(length: usize, seed: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..length).map(|_| random.u8(b'a'..=b'z')).collect()
    }

    fn file(content: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        Arc::new(file)
    }

    fn overwrite(file: &Arc<File>, content: &[u8]) {
        file.set_len(0).unwrap();
        let mut at = &**file;
        io::Seek::rewind(&mut at).unwrap();
        at.write_all(content).unwrap();
    }

    fn open(file: &Arc<File>, at: u64) -> (FileFrom, Arc<Trail>) {
        let from = FileFrom::new(Arc::clone(file), at, 0, &Progress::default());
        from.with_trail(true).unwrap()
    }

    #[test]
    fn the_fingerprint_is_that_of_the_file_as_it_was_read() {
        for length in [0, 1, 4_095, 4_096, 4_097, 9_000, 300_000] {
            let content = content(length, 1);
            let written = file(&content);
            for start in [0, length / 2] {
                for step in [7, 4_096, 65_536] {
                    let (mut from, trail) = open(&written, start as u64);
                    let mut buffer = vec![0; step];
                    let (mut at, mut read) = (start, 0);
                    loop {
                        // A record begins anywhere in what was read last.
                        for boundary in [at - read, at - read / 3, at] {
                            trail.note_boundary(boundary as u64);
                            let wanted = Fingerprint::of(&written, boundary as u64).unwrap();
                            assert_eq!(trail.fingerprint(boundary as u64), wanted);
                        }
                        read = from.read(&mut buffer).unwrap();
                        at += read;
                        if read == 0 {
                            break;
                        }
                    }
                    assert_eq!(at, length);
                }
            }
        }
    }

    #[test]
    fn a_long_record_does_not_take_its_beginning_with_it() {
        let content = content(400_000, 2);
        let written = file(&content);
        let (mut from, trail) = open(&written, 0);
        let mut buffer = vec![0; 10_000];
        from.read_exact(&mut buffer).unwrap();
        trail.note_boundary(9_000);
        let wanted = Fingerprint::of(&written, 9_000).unwrap();
        let mut rest = Vec::new();
        from.read_to_end(&mut rest).unwrap();
        overwrite(&written, b"x");
        assert_eq!(trail.fingerprint(9_000), wanted);
    }

    #[test]
    fn what_is_written_anew_is_not_read_on() {
        for length in [1, 100, 4_096, 10_000] {
            let old = content(length, 3);
            let written = file(&old);
            let (mut from, trail) = open(&written, 0);
            let mut buffer = vec![0; length];
            from.read_exact(&mut buffer).unwrap();
            let wanted = Fingerprint::of(&written, length as u64).unwrap();
            overwrite(&written, &content(length + 50, 4).to_ascii_uppercase());
            assert_eq!(from.read(&mut buffer).unwrap(), 0);
            assert!(trail.was_lost());
            assert_eq!(trail.fingerprint(length as u64), wanted);
            // Nor is what has grown beside it.
            overwrite(&written, &old);
            let (mut from, trail) = open(&written, length as u64);
            overwrite(&written, &[&old[..], b"more"].concat());
            let mut more = Vec::new();
            from.read_to_end(&mut more).unwrap();
            assert_eq!(more, b"more");
            assert!(!trail.was_lost());
        }
    }
}

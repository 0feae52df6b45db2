//! What a file holds, unpacked where it is gzip: how it begins, and what it may be a copy of.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::fingerprint::{Fingerprint, Holds, LOOKED_AT_BYTES, Seen, is_gzip, read_up_to};
use super::members::{MemberStart, Members};
use super::progress::Progress;
use super::trail::FileFrom;
use crate::key::hash_bytes;

/// The same as [`LOOKED_AT_BYTES`], in memory.
const LOOKED_AT: usize = 4 * 1024;

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

/// How the text of a gzip file compares with what was read. It is unpacked as far as it is compared.
pub(super) fn compare_unpacked(file: &Arc<File>, read: &Fingerprint) -> io::Result<Holds> {
    let mut text = unpacked(file).take(read.length);
    let mut seen = Seen::new(0, None);
    let mut buffer = [0; 16 * 1024];
    loop {
        let more = match text.read(&mut buffer) {
            Ok(0) => break,
            Ok(more) => more,
            Err(error) if is_damage(&error) => return Ok(Holds::Other),
            Err(error) => return Err(error),
        };
        let whole_head = seen.length() < LOOKED_AT_BYTES;
        seen.add(&buffer[..more]);
        let now = seen.fingerprint();
        if whole_head && now.length >= LOOKED_AT_BYTES && !now.begins_as(read) {
            return Ok(Holds::Other);
        }
    }
    let now = seen.fingerprint();
    Ok(match now {
        _ if now.length < read.length => Holds::Less,
        now if now == *read => Holds::All,
        _ => Holds::Other,
    })
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

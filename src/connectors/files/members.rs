//! The members of a gzip file, one after the other; the file may grow.

use std::collections::VecDeque;
use std::io::{self, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use serde::{Deserialize, Serialize};

use super::fingerprint::{Fingerprint, Seen};
use super::sniff::GZIP;

/// Bytes read at once from a compressed input.
const COMPRESSED_BUFFER_BYTES: usize = 64 * 1024;

/// The longest header of a member: with a name and a comment that nobody has.
const MAX_HEADER_BYTES: usize = 1024 * 1024;

/// Beginnings of so many members are kept. Where there are more, for nobody asks how far the file
/// was read, every second one is forgotten: reading may then go on from an earlier member.
const MAX_STARTS: usize = 4 * 1024;

/// The checksum and the length behind each member.
const TRAILER_BYTES: usize = 8;

/// Where a member of a gzip file begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MemberStart {
    /// The bytes of the file before it.
    pub(super) packed: u64,
    /// The bytes before it, unpacked.
    pub(super) unpacked: u64,
}

/// How far a gzip file has been unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// The packed bytes that were unpacked.
    pub(super) packed: u64,
    /// What was unpacked of them.
    pub(super) text: Fingerprint,
    pub(super) member: MemberStart,
}

/// What comes next in a gzip file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// A member, padding, or the end.
    Header,
    Body,
    Trailer,
    /// Zeros up to the end of the file, as tapes and some programs leave them.
    Padding,
}

/// Unpacks the members of a gzip file one after the other. The end of what is there breaks
/// nothing off: reading may go on when there is more.
pub(super) struct Members<R> {
    raw: R,
    growing: bool,
    stage: Stage,
    /// Packed bytes that were read and not unpacked yet.
    buffer: Vec<u8>,
    used: usize,
    /// The packed bytes before those.
    at: u64,
    inflate: Decompress,
    crc: Crc,
    /// Where members begin whose bytes may still be asked for.
    starts: VecDeque<MemberStart>,
    seen: Seen,
}

impl<R: Read> Members<R> {
    pub(super) fn new(raw: R, start: MemberStart, head: Option<u64>, growing: bool) -> Self {
        Self {
            raw,
            growing,
            stage: Stage::Header,
            buffer: Vec::new(),
            used: 0,
            at: start.packed,
            inflate: Decompress::new(false),
            crc: Crc::new(),
            starts: VecDeque::from([start]),
            seen: Seen::new(start.unpacked, head),
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        let between = matches!(self.stage, Stage::Header | Stage::Padding);
        between && self.used == self.buffer.len()
    }

    /// How far it has come, and where the last member begins that does not begin after this offset
    /// of the text.
    pub(super) fn reached(&mut self, offset: u64) -> Reached {
        while self.starts.len() > 1 && self.starts[1].unpacked <= offset {
            self.starts.pop_front();
        }
        Reached {
            packed: self.at,
            text: self.seen.fingerprint(),
            member: self.starts.front().copied().unwrap_or_default(),
        }
    }

    /// Reads more packed bytes; says whether there were any.
    fn fill(&mut self) -> io::Result<bool> {
        if self.used > 0 {
            self.buffer.drain(..self.used);
            self.used = 0;
        }
        let filled = self.buffer.len();
        self.buffer.resize(filled + COMPRESSED_BUFFER_BYTES, 0);
        let read = loop {
            match self.raw.read(&mut self.buffer[filled..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buffer.truncate(filled + *read.as_ref().unwrap_or(&0));
        Ok(read? > 0)
    }

    fn take(&mut self, bytes: usize) {
        self.used += bytes;
        self.at += bytes as u64;
    }

    /// What the end of the input means inside of a member.
    fn cut_short(&self) -> io::Result<usize> {
        if self.growing {
            return Ok(0);
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    fn begin_member(&mut self, header: usize) {
        let start = MemberStart {
            packed: self.at,
            unpacked: self.seen.length(),
        };
        match self.starts.back_mut() {
            // What is before an empty member is never asked for.
            Some(last) if last.unpacked == start.unpacked => *last = start,
            _ => {
                if self.starts.len() == MAX_STARTS {
                    let mut kept = false;
                    self.starts.retain(|_| {
                        kept = !kept;
                        kept
                    });
                }
                self.starts.push_back(start);
            }
        }
        self.take(header);
        self.inflate.reset(false);
        self.crc.reset();
        self.stage = Stage::Body;
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            let there = &self.buffer[self.used..];
            match self.stage {
                Stage::Header => match header(there) {
                    Header::Whole(length) => self.begin_member(length),
                    Header::Padding if self.at > 0 => self.stage = Stage::Padding,
                    Header::Padding | Header::Damaged => {
                        return Err(damaged("no gzip member begins here"));
                    }
                    Header::Cut if there.len() > MAX_HEADER_BYTES => {
                        return Err(damaged("a gzip header does not end"));
                    }
                    Header::Cut => {
                        if !self.fill()? {
                            let between = self.buffer.is_empty() && self.at > 0;
                            return if between { Ok(0) } else { self.cut_short() };
                        }
                    }
                },
                Stage::Body => {
                    let (before_in, before_out) =
                        (self.inflate.total_in(), self.inflate.total_out());
                    let status = self.inflate.decompress(there, into, FlushDecompress::None);
                    // Both are parts of slices.
                    #[allow(clippy::cast_possible_truncation)]
                    let (taken, given) = (
                        (self.inflate.total_in() - before_in) as usize,
                        (self.inflate.total_out() - before_out) as usize,
                    );
                    self.take(taken);
                    self.crc.update(&into[..given]);
                    self.seen.add(&into[..given]);
                    if let Ok(Status::StreamEnd) = status {
                        self.stage = Stage::Trailer;
                    }
                    // What comes before damage is given out first; the next call finds the
                    // damage again.
                    if given > 0 {
                        return Ok(given);
                    }
                    let status = status.map_err(|_| damaged("corrupt deflate stream"))?;
                    if status != Status::StreamEnd && taken == 0 && !self.fill()? {
                        return self.cut_short();
                    }
                }
                Stage::Trailer => match there.first_chunk::<TRAILER_BYTES>() {
                    Some(trailer) => {
                        let sum = (u64::from(self.crc.amount()) << 32) | u64::from(self.crc.sum());
                        if u64::from_le_bytes(*trailer) != sum {
                            return Err(damaged("the checksum of a gzip member does not match"));
                        }
                        self.take(TRAILER_BYTES);
                        self.stage = Stage::Header;
                    }
                    None => {
                        if !self.fill()? {
                            return self.cut_short();
                        }
                    }
                },
                Stage::Padding => {
                    if there.iter().any(|byte| *byte != 0) {
                        return Err(damaged("something else follows the zeros after gzip"));
                    }
                    self.take(self.buffer.len() - self.used);
                    if !self.fill()? {
                        return Ok(0);
                    }
                }
            }
        }
    }
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

enum Header {
    /// Of so many bytes.
    Whole(usize),
    /// Its end is not there.
    Cut,
    /// A zero where a member would begin.
    Padding,
    Damaged,
}

/// The header of a member (RFC 1952, 2.3).
fn header(bytes: &[u8]) -> Header {
    const FIXED_BYTES: usize = 10;
    const CRC: u8 = 2;
    const EXTRA: u8 = 4;
    const NAME: u8 = 8;
    const COMMENT: u8 = 16;
    const RESERVED: u8 = 0xe0;
    if bytes.first() == Some(&0) {
        return Header::Padding;
    }
    let known = [GZIP[0], GZIP[1], 8];
    if !known.starts_with(&bytes[..bytes.len().min(known.len())]) {
        return Header::Damaged;
    }
    let Some(fixed) = bytes.first_chunk::<FIXED_BYTES>() else {
        return Header::Cut;
    };
    let flags = fixed[3];
    if flags & RESERVED != 0 {
        return Header::Damaged;
    }
    let mut length = FIXED_BYTES;
    if flags & EXTRA != 0 {
        let Some(extra) = bytes.get(length..length + 2) else {
            return Header::Cut;
        };
        length += 2 + usize::from(u16::from_le_bytes([extra[0], extra[1]]));
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let rest = bytes.get(length..).unwrap_or_default();
            let Some(end) = memchr::memchr(0, rest) else {
                return Header::Cut;
            };
            length += end + 1;
        }
    }
    if flags & CRC != 0 {
        length += 2;
    }
    if bytes.len() < length {
        return Header::Cut;
    }
    Header::Whole(length)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        Members::new(bytes, MemberStart::default(), None, false).read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn the_beginnings_of_members_that_are_kept_are_bounded() {
        let member = gzip(b"1\n");
        let length = member.len() as u64;
        let bytes = member.repeat(3 * MAX_STARTS);
        let mut reader = Members::new(&bytes[..], MemberStart::default(), None, false);
        io::copy(&mut reader, &mut io::sink()).unwrap();
        assert!(reader.starts.len() <= MAX_STARTS);
        for offset in [1, 5_001, 3 * MAX_STARTS as u64] {
            let member = reader.reached(offset).member;
            assert!((offset.saturating_sub(16)..=offset).contains(&member.unpacked));
            assert_eq!(member.packed, member.unpacked / 2 * length);
        }
    }

    #[test]
    fn all_that_a_header_may_hold_is_passed_over() {
        let mut bytes = Vec::new();
        let header = flate2::GzBuilder::new()
            .extra([7; 300])
            .filename("name")
            .comment("comment");
        let mut encoder = header.write(&mut bytes, Compression::best());
        encoder.write_all(b"text").unwrap();
        encoder.finish().unwrap();
        assert_eq!(read(&bytes).unwrap(), b"text");
    }

    #[test]
    fn a_changed_byte_is_told_by_the_checksum() {
        let mut bytes = gzip(b"some text");
        let last = bytes.len() - 8;
        bytes[last] ^= 1;
        assert_eq!(
            read(&bytes).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }

    /// What is read up to the damage, and what is said of it.
    fn read_damaged(raw: impl Read) -> (Vec<u8>, Option<String>) {
        let mut out = Vec::new();
        let mut members = Members::new(raw, MemberStart::default(), None, false);
        let read = members.read_to_end(&mut out);
        (out, read.err().map(|error| error.to_string()))
    }

    #[test]
    fn what_comes_before_damage_is_given_out_however_the_input_is_cut() {
        /// Gives one byte after the other.
        struct Bytes(io::Cursor<Vec<u8>>);
        impl Read for Bytes {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let length = into.len().min(1);
                self.0.read(&mut into[..length])
            }
        }
        let lines: String = (0..200).map(|n| format!("line {n}\n")).collect();
        let bytes = gzip(lines.as_bytes());
        let mut given = 0;
        for at in 10..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0xff;
            let whole = read_damaged(&bytes[..]);
            assert_eq!(whole, read_damaged(Bytes(io::Cursor::new(bytes))), "{at}");
            given += whole.0.len();
        }
        assert!(given > lines.len() * 10, "{given}");
    }

    /// Gives one byte for each time that it is allowed to.
    struct Trickle(
        Vec<u8>,
        std::sync::Arc<std::sync::atomic::AtomicUsize>,
        usize,
    );

    impl Read for Trickle {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let until = self.1.load(std::sync::atomic::Ordering::Relaxed);
            let there = &self.0[self.2..until];
            let length = there.len().min(into.len());
            into[..length].copy_from_slice(&there[..length]);
            self.2 += length;
            Ok(length)
        }
    }

    #[test]
    fn a_gzip_that_grows_byte_by_byte_is_read_as_it_comes() {
        let texts = [&b"one\n".repeat(3_000)[..], b"", b"two\n"];
        let members = texts.map(gzip);
        let bytes = [&members.concat()[..], &[0; 3]].concat();
        let length = bytes.len();
        let there = std::sync::Arc::default();
        let trickle = Trickle(bytes, std::sync::Arc::clone(&there), 0);
        let mut reader = Members::new(trickle, MemberStart::default(), None, true);
        let (mut out, mut whole) = (Vec::new(), Vec::new());
        for until in 1..=length {
            there.store(until, std::sync::atomic::Ordering::Relaxed);
            reader.read_to_end(&mut out).unwrap();
            if reader.is_whole() {
                whole.push(until);
            }
        }
        assert_eq!(out, texts.concat());
        let ends = members.iter().scan(0, |end, member| {
            *end += member.len();
            Some(*end)
        });
        let ends: Vec<usize> = ends.chain(length - 2..=length).collect();
        assert_eq!(whole, ends);
        let packed = (members[0].len() + members[1].len()) as u64;
        let last = MemberStart {
            packed,
            unpacked: 12_000,
        };
        let first = reader.reached(11_999);
        assert_eq!(
            (first.packed, first.member),
            (length as u64, MemberStart::default())
        );
        assert_eq!(first.text, Fingerprint::of_text(&texts.concat()));
        assert_eq!(reader.reached(12_000).member, last);
    }
}

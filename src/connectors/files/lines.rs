//! Physical lines: their numbers, their byte offsets, and a bound on what one of them may cost.

use std::io::{self, BufRead, BufReader, Read};

use memchr::memchr;

use super::gzip::MaybeGzip;

/// The longest record that is read, in bytes with its line ends: 16 MiB.
///
/// A longer one becomes a [`BadRecord`](super::BadRecord), and reading goes on after its end. So
/// a file without line ends, or a quote that is never closed, costs a reader at most a small
/// multiple of this in memory.
pub const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// The mark that some programs put before UTF-8 text.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// What was added to the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Nothing: the input is at its end.
    End,
    /// A part of a line; its rest is still to be read.
    Part,
    /// A line, or the rest of one, with its line end if it has one.
    Line,
}

/// Reads an input line by line.
pub(super) struct Lines {
    input: BufReader<MaybeGzip>,
    /// Line ends passed so far.
    passed: u64,
    /// Bytes passed so far, after unpacking.
    offset: u64,
}

impl Lines {
    pub(super) fn new(raw: Box<dyn Read + Send>) -> Self {
        Lines {
            input: BufReader::with_capacity(BUFFER_BYTES, MaybeGzip::new(raw)),
            passed: 0,
            offset: 0,
        }
    }

    /// Goes on with plain bytes: those from this offset, which is in this line.
    pub(super) fn going_on(raw: Box<dyn Read + Send>, offset: u64, line: u64) -> Self {
        Lines {
            input: BufReader::with_capacity(BUFFER_BYTES, MaybeGzip::plain(raw)),
            passed: line - 1,
            offset,
        }
    }

    /// Passes over everything before this offset, which is in this line.
    pub(super) fn skip_to(&mut self, offset: u64, line: u64) -> io::Result<()> {
        let ahead = offset.saturating_sub(self.offset);
        let skipped = io::copy(&mut (&mut self.input).take(ahead), &mut io::sink())?;
        if skipped < ahead {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += skipped;
        self.passed = line - 1;
        Ok(())
    }

    /// The number of the line that the next byte is in, from 1.
    pub(super) fn line(&self) -> u64 {
        self.passed + 1
    }

    /// The offset of the next byte in the unpacked input, from 0.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    pub(super) fn is_gzip(&self) -> bool {
        self.input.get_ref().is_gzip()
    }

    /// Appends up to `room` bytes of the current line to `into`. `room` must be above 2, or the
    /// mark at the start of the input would not be seen.
    pub(super) fn read(&mut self, into: &mut Vec<u8>, room: usize) -> io::Result<Piece> {
        let start = into.len();
        let mut taken = self.take(into, room)?;
        // Whether the line goes on is told by what was taken, the mark included.
        let full = taken == room;
        // `take` stops at the end of a line, so the mark is in the first piece or not at all.
        if self.offset == taken as u64 && into[start..].starts_with(BOM) {
            into.drain(start..start + BOM.len());
            taken -= BOM.len();
        }
        if into[start..].ends_with(b"\n") {
            self.passed += 1;
            Ok(Piece::Line)
        } else if full {
            Ok(Piece::Part)
        } else if taken > 0 {
            // The last line of an input needs no line end.
            Ok(Piece::Line)
        } else {
            Ok(Piece::End)
        }
    }

    fn take(&mut self, into: &mut Vec<u8>, room: usize) -> io::Result<usize> {
        let mut taken = 0;
        while taken < room {
            let there = match self.input.fill_buf() {
                Ok(there) => &there[..there.len().min(room - taken)],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = memchr(b'\n', there);
            let part = &there[..end.map_or(there.len(), |end| end + 1)];
            into.extend_from_slice(part);
            let length = part.len();
            self.input.consume(length);
            taken += length;
            if end.is_some() || length == 0 {
                break;
            }
        }
        self.offset += taken as u64;
        Ok(taken)
    }
}

/// Takes the line end off: `\n`, `\r\n`, or the `\r` of a file that was cut between the two.
pub(super) fn trim_line_end(line: &mut Vec<u8>) {
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(input: &'static [u8], room: usize) -> Vec<(u64, u64, Piece, String)> {
        let mut lines = Lines::new(Box::new(input));
        let mut out = Vec::new();
        loop {
            let mut buffer = Vec::new();
            let (line, offset) = (lines.line(), lines.offset());
            let piece = lines.read(&mut buffer, room).unwrap();
            out.push((line, offset, piece, String::from_utf8(buffer).unwrap()));
            if piece == Piece::End {
                return out;
            }
        }
    }

    #[test]
    fn lines_are_numbered_and_a_last_one_without_end_counts() {
        let expected = [
            (1, 0, Piece::Line, "a\r\n".to_owned()),
            (2, 3, Piece::Line, "\n".to_owned()),
            (3, 4, Piece::Line, "b".to_owned()),
            (3, 5, Piece::End, String::new()),
        ];
        assert_eq!(pieces(b"a\r\n\nb", 100), expected);
    }

    #[test]
    fn a_long_line_comes_in_parts_under_one_number() {
        let expected = [
            (1, 0, Piece::Part, "abcd".to_owned()),
            (1, 4, Piece::Line, "ef\n".to_owned()),
            (2, 7, Piece::Line, "g\n".to_owned()),
            (3, 9, Piece::End, String::new()),
        ];
        assert_eq!(pieces(b"abcdef\ng\n", 4), expected);
    }

    #[test]
    fn the_mark_before_utf8_is_taken_off_once_and_only_at_the_start() {
        let texts = |input| pieces(input, 100).into_iter().map(|piece| piece.3);
        assert!(texts(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n").eq(["a\n", "\u{feff}b\n", ""]));
        assert!(texts(b"\xef\xbb\xbf").eq([""]));
        assert!(texts(b"\xef\xbb\xbf\n").eq(["\n", ""]));
    }
}

//! Physical lines: their numbers, their byte offsets, and a bound on what one of them may cost.
//!
//! A line ends with `\n`, with `\r\n`, or with `\r` alone, as old programs and some spreadsheets
//! write it. Where the input stops at a `\r`, the next byte decides.

use std::io::{self, BufRead, BufReader, Read};

use memchr::memchr2;

use super::encoding::Encoding;
use super::gzip::Unpacked;
use super::sniff::BOM;
use super::utf16::bytes_in_utf16;

/// The longest record that is read, in bytes with its line ends: 16 MiB.
///
/// A longer one becomes a [`BadRecord`](super::BadRecord), and reading goes on after its end. So
/// a file without line ends, or a quote that is never closed, costs a reader at most a small
/// multiple of this in memory.
pub const MAX_RECORD_BYTES: usize = 16 * 1024 * 1024;

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// What was added to the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Nothing: the input is at its end.
    End,
    /// A part of a line; its rest is still to be read.
    Part,
    /// A line, or the rest of one, with its line end.
    Line,
    /// The rest of the input, which has no line end.
    Last,
}

/// Reads an input line by line.
pub(super) struct Lines {
    input: BufReader<Unpacked>,
    /// Line ends passed so far.
    passed: u64,
    /// Bytes passed so far, after unpacking, in the encoding of the input.
    offset: u64,
    /// Nothing was passed so far.
    at_start: bool,
    /// More may be appended to the input.
    growing: bool,
    /// A `\r` was taken from the input and not given out: whether `\n` follows is not known.
    held: bool,
}

impl Lines {
    #[cfg(test)]
    pub(super) fn new(raw: Box<dyn Read + Send>) -> Self {
        Self::of(Unpacked::new(raw), 0, 1)
    }

    /// What stands at this offset, which is in this line.
    pub(super) fn of(input: Unpacked, offset: u64, line: u64) -> Self {
        Lines {
            input: BufReader::with_capacity(BUFFER_BYTES, input),
            passed: line - 1,
            offset,
            at_start: offset == 0,
            growing: false,
            held: false,
        }
    }

    /// The encoding of the input; none where it was not said.
    pub(super) fn set_encoding(&mut self, encoding: Option<Encoding>) {
        self.input.get_mut().set_encoding(encoding);
    }

    /// What the lines are read from.
    pub(super) fn input(&mut self) -> &mut Unpacked {
        self.input.get_mut()
    }

    /// Passes over everything before this offset, which is in this line.
    pub(super) fn skip_to(&mut self, offset: u64, line: u64) -> io::Result<()> {
        if self.input.get_ref().is_utf16() {
            let mut passed = Vec::new();
            while self.offset < offset {
                passed.clear();
                if self.read(&mut passed, BUFFER_BYTES)? == Piece::End {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        } else {
            let ahead = offset.saturating_sub(self.offset);
            let skipped = io::copy(&mut (&mut self.input).take(ahead), &mut io::sink())?;
            if skipped < ahead {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.offset += skipped;
            self.at_start &= skipped == 0;
        }
        self.passed = line - 1;
        Ok(())
    }

    /// Reads the first bytes of the input, so that it is known what it is.
    pub(super) fn look(&mut self) -> io::Result<()> {
        loop {
            match self.input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                looked => return looked.map(|_| ()),
            }
        }
    }

    /// How many bytes of the input these are.
    pub(super) fn bytes_of(&self, text: &[u8]) -> u64 {
        if self.input.get_ref().is_utf16() {
            bytes_in_utf16(text) as u64
        } else {
            text.len() as u64
        }
    }

    /// More may be appended to the input: a `\r` at its end is left until the next byte comes.
    pub(super) fn growing(&mut self, growing: bool) {
        self.growing = growing;
        self.input.get_mut().growing(growing);
    }

    /// Bytes at the end of a growing input that wait for the next one.
    pub(super) fn held_bytes(&self) -> u64 {
        if self.held { self.bytes_of(b"\r") } else { 0 }
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
        let piece = self.take(into, room)?;
        let taken = into.len() - start;
        self.offset += self.bytes_of(&into[start..]);
        // `take` stops at the end of a line, so the mark is in the first piece or not at all.
        if self.at_start && into[start..].starts_with(BOM) {
            into.drain(start..start + BOM.len());
        }
        self.at_start &= taken == 0;
        match piece {
            Piece::Line => self.passed += 1,
            // Behind a mark and nothing else is the end, too.
            Piece::Last if into.len() == start => return Ok(Piece::End),
            Piece::Last | Piece::Part | Piece::End => {}
        }
        Ok(piece)
    }

    fn take(&mut self, into: &mut Vec<u8>, room: usize) -> io::Result<Piece> {
        let most = into.len() + room;
        loop {
            let there = match self.input.fill_buf() {
                Ok(there) => there,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if self.held && !(there.is_empty() && self.growing) {
                self.held = false;
                into.push(b'\r');
                if there.first() != Some(&b'\n') {
                    return Ok(Piece::Line);
                }
                // What is left of the room is for the other half of the line end.
                into.push(b'\n');
                self.input.consume(1);
                return Ok(Piece::Line);
            }
            if there.is_empty() {
                return Ok(Piece::Last);
            }
            let there = &there[..there.len().min(most - into.len())];
            let Some(end) = memchr2(b'\n', b'\r', there) else {
                into.extend_from_slice(there);
                let length = there.len();
                self.input.consume(length);
                if into.len() == most {
                    return Ok(Piece::Part);
                }
                continue;
            };
            let is_return = there[end] == b'\r';
            into.extend_from_slice(&there[..end + usize::from(!is_return)]);
            self.input.consume(end + 1);
            if !is_return {
                return Ok(Piece::Line);
            }
            self.held = true;
        }
    }
}

/// Takes the line end off: `\n`, `\r\n` or `\r`.
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
            (3, 4, Piece::Last, "b".to_owned()),
            (3, 5, Piece::End, String::new()),
        ];
        assert_eq!(pieces(b"a\r\n\nb", 100), expected);
    }

    #[test]
    fn a_line_ends_with_either_character_or_both_wherever_the_input_is_cut() {
        let expected = ["a\r", "b\r\n", "\r", "\r\n", "c\n", "\r", "\r", "d\r"];
        let input = expected.concat();
        for step in 1..=input.len() {
            struct Steps(&'static [u8], usize);
            impl Read for Steps {
                fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                    let many = self.1.min(into.len()).min(self.0.len());
                    into[..many].copy_from_slice(&self.0[..many]);
                    self.0 = &self.0[many..];
                    Ok(many)
                }
            }
            let input = input.clone().into_bytes().leak();
            let mut lines = Lines::new(Box::new(Steps(input, step)));
            for (number, line) in expected.iter().enumerate() {
                let mut buffer = Vec::new();
                assert_eq!(lines.line(), number as u64 + 1);
                assert_eq!(lines.read(&mut buffer, 100).unwrap(), Piece::Line);
                assert_eq!(buffer, line.as_bytes(), "{step}");
            }
            assert_eq!(lines.read(&mut Vec::new(), 100).unwrap(), Piece::End);
            assert_eq!(lines.offset(), input.len() as u64);
        }
    }

    #[test]
    fn a_return_at_the_end_of_a_growing_input_waits_for_the_next_byte() {
        use std::sync::mpsc::{Receiver, channel};

        struct Grows(Receiver<u8>);
        impl Read for Grows {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                Ok(self.0.try_recv().map_or(0, |byte| {
                    into[0] = byte;
                    1
                }))
            }
        }
        let (grow, bytes) = channel();
        let mut lines = Lines::new(Box::new(Grows(bytes)));
        lines.growing(true);
        let append = |text: &str| text.bytes().for_each(|byte| grow.send(byte).unwrap());
        let mut read = || {
            let mut buffer = Vec::new();
            let piece = lines.read(&mut buffer, 100).unwrap();
            let text = String::from_utf8(buffer).unwrap();
            (piece, text, lines.offset(), lines.held_bytes())
        };
        append("a\r");
        assert_eq!(read(), (Piece::Last, "a".to_owned(), 1, 1));
        assert_eq!(read(), (Piece::End, String::new(), 1, 1));
        append("\nb\r");
        assert_eq!(read(), (Piece::Line, "\r\n".to_owned(), 3, 0));
        assert_eq!(read(), (Piece::Last, "b".to_owned(), 4, 1));
        append("c");
        assert_eq!(read(), (Piece::Line, "\r".to_owned(), 5, 0));
        assert_eq!(read(), (Piece::Last, "c".to_owned(), 6, 0));
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

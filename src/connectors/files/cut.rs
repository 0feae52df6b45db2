//! Where one record ends and the next one begins.

use std::io;

use memchr::memchr;

use super::encoding::Encoding;
use super::gzip::Unpacked;
use super::lines::{Lines, MAX_RECORD_BYTES, Piece, trim_line_end};

/// Cuts an input into records, which are still bytes.
pub(super) struct Cutter {
    lines: Lines,
    encoding: Option<Encoding>,
    /// Present if a record is a CSV row, which quotes may spread over many lines.
    quotes: Option<Quotes>,
    /// See [`MAX_RECORD_BYTES`].
    limit: usize,
    /// Where the last record began.
    line: u64,
    offset: u64,
    /// How many lines it took, where it could not be cut: each may be a record.
    taken: u64,
    /// More may come after the end, so a record is one when its line end is there.
    growing: bool,
    /// What the end of a growing input has cut short.
    unfinished: Option<Unfinished>,
}

/// The beginning of a record whose end has not come.
struct Unfinished {
    bytes: Vec<u8>,
    too_long: bool,
}

/// What was cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A record, in the caller's buffer.
    Record,
    /// Something that is no record; why. It has been passed over.
    Bad(String),
    /// Nothing: the input is at its end, if it is growing at its end for now.
    End,
}

impl Cutter {
    /// Each line is a record.
    pub(super) fn lines(lines: Lines) -> Self {
        Cutter {
            lines,
            encoding: None,
            quotes: None,
            limit: MAX_RECORD_BYTES,
            line: 1,
            offset: 0,
            taken: 1,
            growing: false,
            unfinished: None,
        }
    }

    /// Each CSV row is a record; blank lines between rows are none.
    pub(super) fn rows(lines: Lines, delimiter: u8) -> Self {
        Cutter {
            quotes: Some(Quotes::new(delimiter)),
            ..Cutter::lines(lines)
        }
    }

    /// More may be appended to the input: what has no line end at its end is left until it
    /// has one.
    pub(super) fn growing(&mut self, growing: bool) {
        self.growing = growing;
        self.lines.growing(growing);
    }

    /// What the records are read from.
    pub(super) fn input(&mut self) -> &mut Unpacked {
        self.lines.input()
    }

    pub(super) fn is_growing(&self) -> bool {
        self.growing
    }

    /// The encoding of the input; none where it was not said.
    pub(super) fn set_encoding(&mut self, encoding: Option<Encoding>) {
        self.encoding = encoding;
        self.lines.set_encoding(encoding);
    }

    /// Reads the first bytes of the input, so that it is known what it is.
    pub(super) fn look(&mut self) -> io::Result<()> {
        self.lines.look()
    }

    /// Goes on with other lines, between two records.
    pub(super) fn go_on(&mut self, lines: Lines) {
        self.lines = lines;
        self.lines.set_encoding(self.encoding);
        if self.growing {
            self.lines.growing(true);
        }
    }

    /// Passes over everything before this offset, which is in this line.
    pub(super) fn skip_to(&mut self, offset: u64, line: u64) -> io::Result<()> {
        self.lines.skip_to(offset, line)
    }

    /// A tighter bound than [`MAX_RECORD_BYTES`]; above 2.
    #[cfg(test)]
    pub(super) fn with_limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// The line of the last record's first byte, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The offset of the last record's first byte in the unpacked input.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// How many lines the last record took, where it could not be cut: each may be a record. Else
    /// one.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The line up to which the input has been read, from 1.
    pub(super) fn reached(&self) -> u64 {
        self.lines.line()
    }

    /// The offset and the line at which the next record begins.
    pub(super) fn position(&self) -> (u64, u64) {
        match self.unfinished {
            Some(_) => (self.offset, self.line),
            None => (self.lines.offset(), self.lines.line()),
        }
    }

    /// How many bytes the beginning of a record holds whose end has not come.
    pub(super) fn unfinished_bytes(&self) -> u64 {
        let begun = match self.unfinished {
            Some(_) => self.lines.offset() - self.offset,
            None => 0,
        };
        begun + self.lines.held_bytes()
    }

    pub(super) fn is_gzip(&self) -> bool {
        self.lines.is_gzip()
    }

    /// Cuts the next record into `bytes`, replacing what is there, without its line end.
    pub(super) fn next(&mut self, bytes: &mut Vec<u8>) -> io::Result<Cut> {
        let (mut piece, mut too_long) = match self.unfinished.take() {
            Some(begun) => {
                *bytes = begun.bytes;
                (None, begun.too_long)
            }
            None => (Some(self.first_piece(bytes)?), false),
        };
        // What was there when the record was left unfinished has been followed.
        let mut seen = if piece.is_some() { 0 } else { bytes.len() };
        // What was read last has no line end.
        let mut without_end = bytes.last().is_some_and(|byte| !b"\r\n".contains(byte));
        self.taken = 1;
        loop {
            let read = match piece.take() {
                Some(read) => read,
                None => self.lines.read(bytes, self.limit - seen)?,
            };
            if let Some(quotes) = &mut self.quotes {
                quotes.follow(&bytes[seen..]);
            }
            without_end = match read {
                Piece::Line => false,
                Piece::Part | Piece::Last => true,
                Piece::End => without_end,
            };
            let at_end = matches!(read, Piece::End | Piece::Last);
            let nothing = bytes.is_empty() && !too_long;
            if at_end && nothing {
                return Ok(Cut::End);
            }
            if at_end && self.growing {
                let bytes = std::mem::take(bytes);
                self.unfinished = Some(Unfinished { bytes, too_long });
                return Ok(Cut::End);
            }
            let whole = match read {
                Piece::End => true,
                Piece::Line | Piece::Last => !self.in_quotes(),
                Piece::Part => false,
            };
            if whole {
                break;
            }
            if bytes.len() >= self.limit {
                // The rest is read for its end alone.
                too_long = true;
                bytes.clear();
            }
            seen = bytes.len();
        }
        trim_line_end(bytes);
        let lines = self.lines.line() - self.line + u64::from(without_end);
        Ok(match self.fault(too_long, lines) {
            None => Cut::Record,
            Some(reason) => {
                self.taken = lines;
                Cut::Bad(reason)
            }
        })
    }

    /// Reads the first piece of a record, and notes where it begins.
    fn first_piece(&mut self, bytes: &mut Vec<u8>) -> io::Result<Piece> {
        loop {
            bytes.clear();
            self.line = self.lines.line();
            let piece = self.lines.read(bytes, self.limit)?;
            // Counted from behind: a byte order mark before the piece is not part of it.
            self.offset = self.lines.offset() - self.lines.bytes_of(bytes);
            let Some(quotes) = &mut self.quotes else {
                return Ok(piece);
            };
            if !matches!(bytes[..], [b'\n' | b'\r'] | [b'\r', b'\n']) {
                quotes.start_row();
                return Ok(piece);
            }
        }
    }

    fn in_quotes(&self) -> bool {
        self.quotes.as_ref().is_some_and(Quotes::open)
    }

    /// Why what was cut is no record, if it is none.
    fn fault(&self, too_long: bool, lines: u64) -> Option<String> {
        let limit = self.limit;
        let s = if lines == 1 { "" } else { "s" };
        match (too_long, self.in_quotes()) {
            (false, false) => None,
            (false, true) => Some(format!(
                "a quote in the row is never closed: everything from here to the end of the file \
                 ({lines} line{s}) reads as one row"
            )),
            (true, false) if self.quotes.is_none() => {
                Some(format!("the line is longer than {limit} bytes"))
            }
            (true, false) => Some(format!("the row is longer than {limit} bytes")),
            (true, true) => Some(format!(
                "the row is longer than {limit} bytes ({lines} line{s}), and a quote in it is never \
                 closed"
            )),
        }
    }
}

/// Follows the quotes of a row to tell whether a line end is data or the end of the row.
///
/// By the rules of the `csv` crate, which splits the row afterwards: a quote opens only as the
/// first byte of a column, two quotes inside quotes are one, and after the closing quote the rest
/// of a column is plain.
struct Quotes {
    delimiter: u8,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first byte of a column: here alone a quote opens.
    ColumnStart,
    /// In a column that did not start with a quote, or after its closing quote.
    Plain,
    Quoted,
    /// After a quote inside quotes: it closes, unless another one follows.
    QuoteInQuotes,
}

impl Quotes {
    fn new(delimiter: u8) -> Self {
        Quotes {
            delimiter,
            state: State::ColumnStart,
        }
    }

    /// Begins a row.
    fn start_row(&mut self) {
        self.state = State::ColumnStart;
    }

    /// Whether the bytes so far end within quotes, so that the row goes on.
    fn open(&self) -> bool {
        self.state == State::Quoted
    }

    /// Follows the next bytes of the row, of which only the last may be a line end outside quotes.
    fn follow(&mut self, bytes: &[u8]) {
        // Most rows have no quotes at all, and finding that out is much faster than the states.
        if memchr(b'"', bytes).is_none() {
            match (self.state, bytes.last()) {
                (State::Quoted, _) | (_, None) => {}
                (_, Some(&last)) if last == self.delimiter => self.state = State::ColumnStart,
                (_, Some(_)) => self.state = State::Plain,
            }
            return;
        }
        let mut state = self.state;
        for &byte in bytes {
            state = match (state, byte) {
                (State::Quoted, b'"') => State::QuoteInQuotes,
                (State::Quoted, _) | (State::ColumnStart | State::QuoteInQuotes, b'"') => {
                    State::Quoted
                }
                (_, byte) if byte == self.delimiter => State::ColumnStart,
                (_, _) => State::Plain,
            };
        }
        self.state = state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(mut cutter: Cutter) -> Vec<(u64, u64, String)> {
        let (mut bytes, mut out) = (Vec::new(), Vec::new());
        loop {
            let text = match cutter.next(&mut bytes).unwrap() {
                Cut::Record => String::from_utf8(bytes.clone()).unwrap(),
                Cut::Bad(reason) => format!("BAD {reason}"),
                Cut::End => return out,
            };
            out.push((cutter.line(), cutter.offset(), text));
        }
    }

    fn lines(input: &'static [u8], limit: usize) -> Vec<(u64, u64, String)> {
        cut(Cutter::lines(Lines::new(Box::new(input))).with_limit(limit))
    }

    fn rows(input: &'static [u8], limit: usize) -> Vec<(u64, u64, String)> {
        cut(Cutter::rows(Lines::new(Box::new(input)), b',').with_limit(limit))
    }

    fn expect(found: &[(u64, u64, String)], expected: &[(u64, u64, &str)]) {
        let found: Vec<_> = found.iter().map(|(l, o, t)| (*l, *o, t.as_str())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn blank_lines_are_records_of_text() {
        let found = lines(b"\xef\xbb\xbfa\r\n\n\r\nb\rc\n\nd\r", 100);
        let expected = [
            (1, 3, "a"),
            (2, 6, ""),
            (3, 7, ""),
            (4, 9, "b"),
            (5, 11, "c"),
            (6, 13, ""),
            (7, 14, "d"),
        ];
        expect(&found, &expected);
    }

    #[test]
    fn a_return_alone_ends_a_row_outside_quotes() {
        let found = rows(b"a,b\r\r\n\"x\ry\",1\rc,d\r\r", 100);
        expect(
            &found,
            &[(1, 0, "a,b"), (3, 6, "\"x\ry\",1"), (5, 14, "c,d")],
        );
    }

    #[test]
    fn a_line_over_the_bound_is_bad_and_the_next_one_is_read() {
        let found = lines(b"12345678\n1234567\nabcdefghijklmnopqrstuvwxyz\nb", 8);
        let bad = "BAD the line is longer than 8 bytes";
        expect(
            &found,
            &[(1, 0, bad), (2, 9, "1234567"), (3, 17, bad), (4, 44, "b")],
        );
    }

    #[test]
    fn a_row_is_where_its_first_byte_is_after_quoted_line_ends_blank_lines_and_crlf() {
        let found = rows(
            b"\xef\xbb\xbf\r\na,b\r\n\n\r\n\"x\r\n\r\ny\",\"\"\"\n\"\r\n\nc,d\n\n",
            100,
        );
        let expected = [
            (2, 5, "a,b"),
            (5, 13, "\"x\r\n\r\ny\",\"\"\"\n\""),
            (10, 30, "c,d"),
        ];
        expect(&found, &expected);
    }

    #[test]
    fn a_row_over_the_bound_is_passed_over_to_its_end_however_many_lines() {
        let long = "BAD the row is longer than 10 bytes";
        let found = rows(b"a\n\"1\n2\n3\n4\n5\n6\"\"\n7\n8\n9\",x\nb\n", 10);
        expect(&found, &[(1, 0, "a"), (2, 2, long), (11, 26, "b")]);
        let found = rows(b"123456789012345678901234567890\nb\n", 10);
        expect(&found, &[(1, 0, long), (2, 31, "b")]);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_bad() {
        let found = rows(b"a\n\"b\nc\nd\n", 100);
        assert!(
            found[1]
                .2
                .starts_with("BAD a quote in the row is never closed")
        );
        assert_eq!((found.len(), found[1].0, found[1].1), (2, 2, 2));
        for (input, lines) in [
            ("\"b\nc\nd", 3),
            ("\"b\nc\n\n", 3),
            ("\"b", 1),
            ("b\nc\n", 1),
        ] {
            let lines_of = Lines::new(Box::new(input.as_bytes()));
            let mut cutter = Cutter::rows(lines_of, b',');
            cutter.next(&mut Vec::new()).unwrap();
            assert_eq!(cutter.taken(), lines, "{input:?}");
        }
        let found = rows(b"a\n\"b\nc\nd\n", 4);
        assert!(
            found[1]
                .2
                .ends_with("4 bytes (3 lines), and a quote in it is never closed")
        );
    }

    #[test]
    fn quotes_are_followed_across_pieces() {
        let text = b"a,\"b\"\"\n\",c\"\n";
        for cut in 0..text.len() {
            let mut quotes = Quotes::new(b',');
            quotes.start_row();
            quotes.follow(&text[..cut]);
            assert_eq!(
                quotes.open(),
                (3..5).contains(&cut) || (6..8).contains(&cut),
                "{cut}"
            );
            quotes.follow(&text[cut..]);
            assert!(!quotes.open());
        }
    }
}

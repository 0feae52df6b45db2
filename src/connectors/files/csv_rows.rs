//! The columns of a CSV row, and their names.
//!
//! The `csv` crate splits rows into columns, but it is handed one whole row at a time. Left to
//! read the file by itself, it reports a row's position where the row before it ended: at the
//! `\n` of that row's `\r\n`, or at blank lines in between; and a quote that is never closed
//! makes it hold the rest of the file in memory. So where a row ends is decided in `cut`, by the
//! crate's own rules, and a test here compares the two on every short input.

use std::fmt;
use std::io::{self, Read};
use std::mem;

use csv::StringRecord;

use super::damage::Damage;
use super::field_error::FieldError;
use super::format::Delimiter;
use crate::text::Shown;

/// The column names of a CSV file: its first row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    names: Vec<Box<str>>,
    /// Some of the names are not of the encoding of the input.
    damage: Option<Damage>,
}

impl Header {
    pub(super) fn new<'a>(
        names: impl IntoIterator<Item = impl AsRef<str> + 'a>,
        damage: Option<Damage>,
    ) -> Self {
        Header {
            names: names.into_iter().map(|name| name.as_ref().into()).collect(),
            damage,
        }
    }

    /// The name is not one in which something stands for what could not be decoded.
    pub(super) fn check_name(&self, name: &str) -> Result<(), FieldError> {
        match self.damage {
            Some(damage) if name.contains(damage.marker) => Err(FieldError::NotOfEncoding {
                reason: damage.told("the name of a column", name),
            }),
            _ => Ok(()),
        }
    }

    /// All names are of the encoding of the input.
    pub(super) fn whole(&self) -> Result<(), FieldError> {
        self.names().try_for_each(|name| self.check_name(name))
    }

    /// The names in the order of the file, equal ones included.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }

    /// How many columns each row must have.
    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// The first column of this name, from 0.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.names().position(|column| column == name)
    }
}

/// Each name in backticks, separated by commas; with a remark where some are not of the encoding
/// of the input.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.names.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}`{}`", Shown(name))?;
        }
        if let Err(error) = self.whole() {
            write!(f, " ({error})")?;
        }
        Ok(())
    }
}

/// Splits rows into columns.
pub(super) enum Splitter {
    /// At a character, by the `csv` crate.
    At(Box<csv::Reader<OneRow>>),
    AtBlanks,
}

/// What stands between columns where that is blanks.
const BLANKS: [char; 2] = [' ', '\t'];

impl Splitter {
    pub(super) fn new(delimiter: Delimiter) -> Self {
        let Some(delimiter) = delimiter.byte() else {
            return Splitter::AtBlanks;
        };
        let parser = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .terminator(csv::Terminator::Any(b'\n'))
            .has_headers(false)
            // Rows are compared with the header by the caller, who has a better message.
            .flexible(true)
            .from_reader(OneRow::default());
        let mut splitter = Splitter::At(Box::new(parser));
        // The parser drops a byte order mark from what it reads first. The file's own is gone
        // already, so what looks like one in a row is data: let it look at something else.
        let _ = splitter.split(&mut "-".to_owned(), &mut StringRecord::new());
        splitter
    }

    /// Whether a line is none of the rows: it has no column.
    pub(super) fn skips(&self, line: &str) -> bool {
        matches!(self, Splitter::AtBlanks) && line.trim_matches(BLANKS).is_empty()
    }

    /// Splits `text`, a row that is not empty and without its line end, into `row`.
    pub(super) fn split(
        &mut self,
        text: &mut String,
        row: &mut StringRecord,
    ) -> Result<(), csv::Error> {
        let Splitter::At(parser) = self else {
            row.clear();
            let columns = text.split(BLANKS).filter(|column| !column.is_empty());
            columns.for_each(|column| row.push_field(column));
            return Ok(());
        };
        // The text is lent to the parser's input and taken back: no copy, no lifetime.
        text.push('\n');
        let input = parser.get_mut();
        input.done = 0;
        mem::swap(&mut input.text, text);
        // Cannot reach the end of the input: the row's line end completes it.
        let result = parser.read_record(row);
        mem::swap(&mut parser.get_mut().text, text);
        text.pop();
        result.map(|_| ())
    }
}

/// The parser's input, which never holds more than the row it is asked for.
#[derive(Default)]
pub(super) struct OneRow {
    text: String,
    done: usize,
}

impl Read for OneRow {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = (&self.text.as_bytes()[self.done..]).read(into)?;
        self.done += read;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::super::cut::{Cut, Cutter};
    use super::super::lines::Lines;
    use super::*;

    const COMMA: Delimiter = Delimiter::COMMA;

    /// Rows as they are cut and split here: line, offset and columns.
    fn ours(input: &[u8]) -> Vec<(u64, u64, Vec<String>)> {
        let mut cutter = Cutter::rows(Lines::new(Box::new(io::Cursor::new(input.to_vec()))), b',');
        let mut splitter = Splitter::new(COMMA);
        let (mut bytes, mut row, mut rows) = (Vec::new(), StringRecord::new(), Vec::new());
        while cutter.next(&mut bytes).unwrap() == Cut::Record {
            let mut text = String::from_utf8(bytes).unwrap();
            splitter.split(&mut text, &mut row).unwrap();
            let columns = row.iter().map(str::to_owned).collect();
            rows.push((cutter.line(), cutter.offset(), columns));
            bytes = text.into_bytes();
        }
        rows
    }

    /// Rows as the `csv` crate reads the whole input.
    fn theirs(input: &[u8]) -> Vec<Vec<String>> {
        let mut reader = csv::ReaderBuilder::new()
            .terminator(csv::Terminator::CRLF)
            .has_headers(false)
            .flexible(true)
            .from_reader(input);
        let rows = reader.records();
        rows.map(|row| row.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    #[test]
    fn rows_are_those_of_the_csv_crate_on_every_short_input() {
        let mut inputs = vec![Vec::new()];
        let mut compared = 0;
        while let Some(input) = inputs.pop() {
            if input.len() < 6 {
                inputs.extend(b"a,\"\n\r".map(|byte| [&input[..], &[byte]].concat()));
            }
            let shown = String::from_utf8_lossy(&input);
            let (found, mut expected) = (ours(&input), theirs(&input));
            if found.len() < expected.len() {
                // The one difference: a quote that is never closed is a row for the crate, and
                // no row here.
                expected.pop();
            }
            assert_eq!(found.len(), expected.len(), "{shown:?}");
            for ((line, offset, columns), expected) in found.iter().zip(&expected) {
                assert_eq!(columns, expected, "{shown:?}");
                let offset = usize::try_from(*offset).unwrap();
                let ends = String::from_utf8_lossy(&input[..offset]).replace("\r\n", "\n");
                let before = ends.matches(['\n', '\r']).count();
                assert_eq!(*line, before as u64 + 1, "{shown:?}");
                assert!(!b"\n\r".contains(&input[offset]), "{shown:?}");
                compared += 1;
            }
        }
        assert!(compared > 10_000, "{compared}");
    }

    #[test]
    fn columns_between_blanks_are_as_many_as_there_are_words() {
        let mut splitter = Splitter::new(Delimiter::BLANK);
        let mut row = StringRecord::new();
        let mut split = |text: &str| {
            splitter.split(&mut text.to_owned(), &mut row).unwrap();
            row.iter().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(split("  PID USER \t%CPU "), ["PID", "USER", "%CPU"]);
        assert_eq!(split("1 \"a b\""), ["1", "\"a", "b\""]);
        assert!(splitter.skips(" \t") && !splitter.skips(" x"));
    }

    #[test]
    fn a_mark_inside_the_data_is_data() {
        let rows = ours("\u{feff}\n\u{feff}a\n".as_bytes());
        // The first is the file's own mark, alone on its line: a blank line.
        assert_eq!(rows, [(2, 4, vec!["\u{feff}a".to_owned()])]);
    }
}

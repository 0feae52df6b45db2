//! Records, one after the other; what is broken is told and passed over.

use std::fmt;
use std::io::{self, Read};
use std::mem;
use std::sync::Arc;

use super::csv_rows::{Header, Splitter};
use super::cut::{Cut, Cutter};
use super::format::{Delimiter, Format};
use super::input::{InputError, Source};
use super::record::{Content, Record};

/// Reads the records of one source.
pub struct RecordReader {
    name: Arc<str>,
    cutter: Cutter,
    kind: Kind,
    /// Set at the end of the input and by an error: nothing is read after either.
    done: bool,
}

enum Kind {
    Text,
    Json,
    Csv {
        splitter: Splitter,
        /// `None` until the first row has been read.
        header: Option<Arc<Header>>,
    },
}

/// What [`RecordReader::next`] came upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A record, which the caller's [`Record`] now holds.
    Record,
    /// Something that is no record. It has been passed over; the next call goes on after it.
    Bad(BadRecord),
    /// The end of the input.
    End,
}

/// A place in the input that gave no record, and why. Prints as `source:line: reason`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRecord {
    /// The name of the source.
    pub source: Arc<str>,
    /// The physical line on which it starts, from 1.
    pub line: u64,
    /// Bytes before it in the input, after unpacking.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Why reading broke off: nothing more can be read from this source.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The input could not be read further. Every record that was complete has been given out;
    /// of damaged gzip data also some that are garbage, as its checksum comes last.
    #[error("cannot read `{name}` beyond line {line}{hint}")]
    Io {
        /// The name of the source.
        name: Arc<str>,
        /// The line in which reading broke off, from 1.
        line: u64,
        /// What a failure of this kind often means; may be empty.
        hint: &'static str,
        /// What the operating system or the unpacking says.
        source: io::Error,
    },
    /// The first row of a CSV file does not give column names, so no row after it has any.
    #[error("`{name}`, line {line}: the header cannot be read: {reason}")]
    Header {
        /// The name of the source.
        name: Arc<str>,
        /// The physical line on which the header starts, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
}

impl RecordReader {
    /// Opens a source. Without a format or delimiter, its name decides
    /// ([`Format::from_name`], [`Delimiter::from_name`]).
    ///
    /// # Errors
    /// [`InputError::Unreadable`] if the operating system does not open it.
    pub fn open(
        source: &Source,
        format: Option<Format>,
        delimiter: Option<Delimiter>,
    ) -> Result<Self, InputError> {
        let name = source.name();
        let format = format.unwrap_or_else(|| Format::from_name(&name));
        let delimiter = delimiter.unwrap_or_else(|| Delimiter::from_name(&name));
        Ok(RecordReader::new(source.open()?, &name, format, delimiter))
    }

    /// Reads from anything, under the given name. The delimiter matters for CSV only.
    ///
    /// Gzip is recognised by its first bytes and unpacked; a byte order mark is taken off. Nothing
    /// is read before the first call of [`next`](Self::next) or [`header`](Self::header). The
    /// input is read in large steps and needs no buffer of its own.
    pub fn new(
        read: Box<dyn Read + Send>,
        name: &str,
        format: Format,
        delimiter: Delimiter,
    ) -> Self {
        let (cutter, kind) = match format {
            Format::Text => (Cutter::lines(read), Kind::Text),
            Format::NdJson => (Cutter::lines(read), Kind::Json),
            Format::Csv => {
                let splitter = Splitter::new(delimiter);
                let kind = Kind::Csv {
                    splitter,
                    header: None,
                };
                (Cutter::rows(read, delimiter), kind)
            }
        };
        RecordReader {
            name: Arc::from(name),
            cutter,
            kind,
            done: false,
        }
    }

    /// The name of the source.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The header of a CSV file, which is read now if it has not been. `None` for the other
    /// formats, and for a CSV file without any row.
    ///
    /// # Errors
    /// [`ReadError`], which also ends the reading.
    pub fn header(&mut self) -> Result<Option<&Arc<Header>>, ReadError> {
        if matches!(self.kind, Kind::Csv { header: None, .. }) && !self.done {
            self.read_header()?;
        }
        match &self.kind {
            Kind::Csv { header, .. } => Ok(header.as_ref()),
            Kind::Text | Kind::Json => Ok(None),
        }
    }

    /// Reads the next record into `record`. If there is none (a bad record, the end, an error),
    /// `record` is left without content.
    ///
    /// Bad, with reading going on after them, are: records that are not UTF-8 or longer than
    /// [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES), CSV rows with more or fewer columns than
    /// the header, a CSV quote that is never closed, and lines of JSON that are not exactly one
    /// object.
    ///
    /// # Errors
    /// [`ReadError`]; after it, as after the end, every call gives [`Outcome::End`].
    pub fn next(&mut self, record: &mut Record) -> Result<Outcome, ReadError> {
        if matches!(self.kind, Kind::Csv { header: None, .. }) && !self.done {
            self.read_header()?;
        }
        loop {
            match self.read(record)? {
                Step::Record => return Ok(Outcome::Record),
                Step::Blank => {}
                Step::End => return Ok(Outcome::End),
                Step::Bad(reason) => {
                    record.text.clear();
                    record.content = Content::Text;
                    return Ok(Outcome::Bad(BadRecord {
                        source: Arc::clone(&self.name),
                        line: self.cutter.line(),
                        offset: self.cutter.offset(),
                        reason,
                    }));
                }
            }
        }
    }

    fn read(&mut self, record: &mut Record) -> Result<Step, ReadError> {
        // The record's own buffer is filled as bytes and given back as text. If it cannot be
        // given back, the record is without content.
        let mut bytes = mem::take(&mut record.text).into_bytes();
        record.content = Content::Text;
        match self.cut(&mut bytes)? {
            Cut::End => return Ok(Step::End),
            Cut::Bad(reason) => return Ok(Step::Bad(reason)),
            Cut::Record => {}
        }
        record.line = self.cutter.line();
        record.offset = self.cutter.offset();
        if !Arc::ptr_eq(&record.source, &self.name) {
            record.source = Arc::clone(&self.name);
        }
        record.text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let reason = format!("not valid UTF-8 after the record's first {valid} bytes");
                return Ok(Step::Bad(reason));
            }
        };
        match &mut self.kind {
            Kind::Text => Ok(Step::Record),
            Kind::Json if record.text.trim_ascii().is_empty() => Ok(Step::Blank),
            Kind::Json => match record.json.index(&record.text) {
                Ok(()) => {
                    record.content = Content::Json;
                    Ok(Step::Record)
                }
                Err(reason) => Ok(Step::Bad(reason)),
            },
            Kind::Csv { splitter, header } => {
                if let Err(error) = splitter.split(&mut record.text, &mut record.row) {
                    return Ok(Step::Bad(error.to_string()));
                }
                // None while the header itself is read.
                if let Some(header) = header {
                    if record.row.len() != header.columns() {
                        return Ok(Step::Bad(wrong_count(record.row.len(), header.columns())));
                    }
                    record.content = Content::Csv(Arc::clone(header));
                }
                Ok(Step::Record)
            }
        }
    }

    fn read_header(&mut self) -> Result<(), ReadError> {
        let mut record = Record::new();
        match self.read(&mut record)? {
            Step::Bad(reason) => {
                self.done = true;
                return Err(ReadError::Header {
                    name: Arc::clone(&self.name),
                    line: self.cutter.line(),
                    reason,
                });
            }
            Step::Record => {
                if let Kind::Csv { header, .. } = &mut self.kind {
                    *header = Some(Arc::new(Header::new(&record.row)));
                }
            }
            Step::Blank | Step::End => {}
        }
        Ok(())
    }

    fn cut(&mut self, bytes: &mut Vec<u8>) -> Result<Cut, ReadError> {
        if self.done {
            return Ok(Cut::End);
        }
        let cut = self.cutter.next(bytes);
        self.done = matches!(cut, Ok(Cut::End) | Err(_));
        cut.map_err(|source| {
            let hint = match source.kind() {
                _ if !self.cutter.is_gzip() => "",
                io::ErrorKind::UnexpectedEof => ": the gzip data is cut short",
                io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
                    ": the gzip data is damaged, or something else follows it"
                }
                _ => "",
            };
            ReadError::Io {
                name: Arc::clone(&self.name),
                line: self.cutter.reached(),
                hint,
                source,
            }
        })
    }
}

enum Step {
    Record,
    /// Nothing to give out, and nothing wrong.
    Blank,
    Bad(String),
    End,
}

fn wrong_count(row: usize, header: usize) -> String {
    let s = if row == 1 { "" } else { "s" };
    format!("the row has {row} column{s}, the header has {header}")
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.source, self.line, self.reason)
    }
}

impl fmt::Debug for RecordReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordReader")
            .field("name", &self.name)
            .field("line", &self.cutter.line())
            .field("offset", &self.cutter.offset())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn reader(input: impl Into<Vec<u8>>, format: Format) -> RecordReader {
        let input = Box::new(Cursor::new(input.into()));
        RecordReader::new(input, "in", format, Delimiter::COMMA)
    }

    /// Everything up to the end: `line@offset text`, and bad records as they print.
    fn all(mut reader: RecordReader) -> (Vec<String>, Option<ReadError>) {
        let (mut record, mut out) = (Record::new(), Vec::new());
        loop {
            match reader.next(&mut record) {
                Ok(Outcome::Record) => {
                    let (line, offset, text) = (record.line(), record.offset(), record.text());
                    out.push(format!("{line}@{offset} {text}"));
                }
                Ok(Outcome::Bad(bad)) => {
                    assert_eq!(record.text(), "");
                    out.push(bad.to_string());
                }
                Ok(Outcome::End) => return (out, None),
                Err(error) => {
                    assert_eq!(reader.next(&mut record).unwrap(), Outcome::End);
                    return (out, Some(error));
                }
            }
        }
    }

    fn read(input: impl Into<Vec<u8>>, format: Format) -> Vec<String> {
        let (out, error) = all(reader(input, format));
        assert!(error.is_none(), "{error:?}");
        out
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn bad_utf8_costs_one_record_in_every_format() {
        let found = read(b"a\n\xffb\nc".to_vec(), Format::Text);
        let bad = "in:2: not valid UTF-8 after the record's first 0 bytes";
        assert_eq!(found, ["1@0 a", bad, "3@5 c"]);
        let found = read(b"h\nab\xc3\nc\n\"\xc3\"\xa9\nd".to_vec(), Format::Csv);
        let [first, second] = [(2, 2), (4, 1)].map(|(line, valid)| {
            format!("in:{line}: not valid UTF-8 after the record's first {valid} bytes")
        });
        assert_eq!(found, [&*first, "3@6 c", &*second, "5@13 d"]);
        let found = read(b"{\"a\":\"\xff\"}\n{}\n".to_vec(), Format::NdJson);
        let bad = "in:1: not valid UTF-8 after the record's first 6 bytes";
        assert_eq!(found, [bad, "2@10 {}"]);
    }

    #[test]
    fn rows_of_the_wrong_width_are_passed_over_and_lines_stay_right() {
        let input = "a,b\r\n1,\"x\r\ny\"\r\n\r\n1\r\n1,2,\"\n3\"\r\n\r\n\"\n\",4\r\n";
        let expected = [
            "2@5 1,\"x\r\ny\"",
            "in:5: the row has 1 column, the header has 2",
            "in:6: the row has 3 columns, the header has 2",
            "9@32 \"\n\",4",
        ];
        assert_eq!(read(input, Format::Csv), expected);
    }

    #[test]
    fn broken_json_is_passed_over_and_blank_lines_are_skipped() {
        let input = "\u{feff}{\"a\":1}\r\n\r\n  \n[1]\n{\"a\":1}}\n{\"a\"\n{}";
        let found = read(input, Format::NdJson);
        assert_eq!(found.len(), 5);
        assert_eq!(found[0], "1@3 {\"a\":1}");
        assert!(found[1].starts_with("in:4: not a JSON object: invalid type: sequence"));
        assert!(found[2].starts_with("in:5: not a JSON object: trailing characters"));
        assert!(found[3].starts_with("in:6: not a JSON object: EOF"));
        assert_eq!(found[4], "7@35 {}");
    }

    #[test]
    fn a_reader_can_move_to_another_thread() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&reader("", Format::Csv));
    }

    #[test]
    fn empty_inputs_end_at_once() {
        for format in [Format::Text, Format::Csv, Format::NdJson] {
            for input in ["", "\u{feff}"] {
                assert_eq!(read(input, format), [""; 0]);
            }
            assert_eq!(read(gzip(b""), format), [""; 0]);
        }
        assert_eq!(read("\n\r\n\n", Format::Csv), [""; 0]);
        assert_eq!(read("a,b\n\r", Format::Csv), [""; 0]);
        assert!(reader("", Format::Csv).header().unwrap().is_none());
        assert!(reader("a", Format::Text).header().unwrap().is_none());
    }

    #[test]
    fn the_header_can_be_asked_before_and_after_reading() {
        let mut reader = reader("\u{feff}\n\"id\",\"te\nxt\",id\n1,2,3\n", Format::Csv);
        let header = Arc::clone(reader.header().unwrap().unwrap());
        assert!(header.names().eq(["id", "te\nxt", "id"]));
        assert_eq!(header.position("id"), Some(0));
        let mut record = Record::new();
        assert_eq!(reader.next(&mut record).unwrap(), Outcome::Record);
        assert_eq!(record.line(), 4);
        assert!(Arc::ptr_eq(reader.header().unwrap().unwrap(), &header));
    }

    #[test]
    fn a_broken_header_ends_the_reading() {
        let (out, error) = all(reader(b"\na,\xff\n1,2\n".to_vec(), Format::Csv));
        assert_eq!(out, [""; 0]);
        let message = error.unwrap().to_string();
        assert_eq!(
            message,
            "`in`, line 2: the header cannot be read: not valid UTF-8 after the record's first 2 \
             bytes"
        );
    }

    #[test]
    fn a_line_of_16_mib_is_bad_and_memory_stays_bounded() {
        let long = "x".repeat(super::super::MAX_RECORD_BYTES);
        let input = format!("a\n{long}{long}{long}\nb");
        let mut reader = reader(input, Format::Text);
        let mut record = Record::new();
        let mut steps = Vec::new();
        loop {
            let next = reader.next(&mut record).unwrap();
            assert!(record.text.capacity() <= 2 * super::super::MAX_RECORD_BYTES);
            match next {
                Outcome::Record => steps.push(record.text().to_owned()),
                Outcome::Bad(bad) => steps.push(bad.to_string()),
                Outcome::End => break,
            }
        }
        let bad = "in:2: the line is longer than 16777216 bytes";
        assert_eq!(steps, ["a", bad, "b"]);
    }

    #[test]
    fn gzip_is_unpacked_whatever_its_name_and_number_of_members() {
        let two = [gzip(b"one\ntw"), gzip(b"o\n")].concat();
        assert_eq!(read(two, Format::Text), ["1@0 one", "2@4 two"]);
    }

    #[test]
    fn a_gzip_cut_short_gives_its_whole_records_and_then_names_the_source() {
        let lines: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
        let mut bytes = gzip(lines.as_bytes());
        bytes.truncate(bytes.len() / 2);
        let (out, error) = all(reader(bytes, Format::Text));
        assert!(out.len() > 1_000);
        for (n, text) in out.iter().enumerate() {
            assert!(text.ends_with(&format!(" line {n}")), "{text}");
        }
        let message = error.unwrap().to_string();
        let line = out.len() + 1;
        let expected = format!("cannot read `in` beyond line {line}: the gzip data is cut short");
        assert_eq!(message, expected);
    }

    #[test]
    fn opening_goes_by_the_name_unless_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tsv");
        std::fs::write(&path, "a\tb,c\n1\t2,3\n").unwrap();
        let source = Source::File(path);
        let columns = |format, delimiter| {
            let mut reader = RecordReader::open(&source, format, delimiter).unwrap();
            reader.header().unwrap().map(ToString::to_string)
        };
        assert_eq!(columns(None, None).as_deref(), Some("`a`, `b,c`"));
        let comma = Some(Delimiter::COMMA);
        assert_eq!(columns(None, comma).as_deref(), Some("`a\tb`, `c`"));
        assert_eq!(columns(Some(Format::Text), None), None);
        let absent = Source::File(folder.path().join("absent"));
        let error = RecordReader::open(&absent, None, None).unwrap_err();
        assert!(error.to_string().contains("absent"));
    }
}

//! Records, one after the other; what is broken is told and passed over.

use std::fmt;
use std::io::{self, Read};
use std::mem;
use std::sync::Arc;

use super::columns::{Columns, Matcher};
use super::csv_rows::{Header, Splitter};
use super::cut::{Cut, Cutter};
use super::damage::{Damage, not_of};
use super::encoding::Encoding;
use super::fingerprint::is_gzip;
use super::format::{Delimiter, Format};
use super::gzip::Unpacked;
use super::input::{InputError, Source};
use super::lines::Lines;
use super::members::{MemberStart, Reached};
use super::record::{Content, Record};
use super::sniff::Foreign;
use crate::text::{Shown, excerpt};

/// Reads the records of one source.
pub struct RecordReader {
    name: Arc<str>,
    cutter: Cutter,
    kind: Kind,
    /// None where it was not said: UTF-8.
    encoding: Option<Encoding>,
    /// Of CSV.
    delimiter: Option<Delimiter>,
    /// Set at the end of the input and by an error: nothing is read after either.
    done: bool,
}

enum Kind {
    Text,
    /// Text whose lines are made columns of.
    Matched(Matcher),
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
#[non_exhaustive]
pub struct BadRecord {
    /// The name of the source.
    pub source: Arc<str>,
    /// The physical line on which it starts, from 1.
    pub line: u64,
    /// How many lines it took that may be records: more than one where a quote of CSV is never
    /// closed, or not within the longest record.
    pub lines: u64,
    /// Bytes before it in the input, after unpacking.
    pub offset: u64,
    /// What is wrong with it.
    pub reason: String,
    /// How it begins, in at most 80 characters, with control characters escaped.
    pub content: String,
}

/// Why reading broke off: nothing more can be read from this source.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The input could not be read further. Every record that was complete has been given out;
    /// of damaged gzip data also some that are garbage, as its checksum comes last.
    #[error("cannot read `{}` after line {line}{hint}", Shown(name))]
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
    #[error("`{}`, line {line}: the header cannot be read: {reason}", Shown(name))]
    Header {
        /// The name of the source.
        name: Arc<str>,
        /// The physical line on which the header starts, from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The input is no text that can be read, by its first bytes (it is packed in another way than
    /// by gzip, or is in another encoding), or cannot be cut as it was asked.
    #[error("`{}` {what}", Shown(name))]
    Foreign {
        /// The name of the source.
        name: Arc<str>,
        /// What it looks like, and what to do.
        what: String,
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

    /// Opens a file that may grow: what is not whole at its end is not read.
    pub(super) fn open_growing(
        source: &Source,
        format: Option<Format>,
        delimiter: Option<Delimiter>,
    ) -> Result<Self, InputError> {
        let name = source.name();
        let format = format.unwrap_or_else(|| Format::from_name(&name));
        let delimiter = delimiter.unwrap_or_else(|| Delimiter::from_name(&name));
        let file = source.file()?;
        let gzip = is_gzip(&file).map_err(|source| InputError::Unreadable {
            path: name.clone(),
            source,
        })?;
        let input = if gzip {
            Unpacked::from_member(Box::new(file), MemberStart::default(), None, true)
        } else {
            Unpacked::new(Box::new(file))
        };
        Ok(RecordReader::of(input, &name, format, delimiter).growing())
    }

    /// Reads from anything, under the given name. The delimiter matters for CSV only.
    ///
    /// Gzip is recognised by its first bytes and unpacked; a byte order mark is taken off. Nothing
    /// is read before the first call of [`next`](Self::next), [`look`](Self::look) or
    /// [`header`](Self::header). The input is read in large steps and needs no buffer of its own.
    pub fn new(
        read: Box<dyn Read + Send>,
        name: &str,
        format: Format,
        delimiter: Delimiter,
    ) -> Self {
        Self::of(Unpacked::new(read), name, format, delimiter)
    }

    /// Reads what is unpacked already, or on the way.
    pub(super) fn of(input: Unpacked, name: &str, format: Format, delimiter: Delimiter) -> Self {
        let lines = Lines::of(input, 0, 1);
        let (cutter, kind) = match format {
            Format::Text => (Cutter::lines(lines), Kind::Text),
            Format::NdJson => (Cutter::lines(lines), Kind::Json),
            Format::Csv => {
                let splitter = Splitter::new(delimiter);
                let kind = Kind::Csv {
                    splitter,
                    header: None,
                };
                let cutter = match delimiter.byte() {
                    Some(byte) => Cutter::rows(lines, byte),
                    None => Cutter::lines(lines),
                };
                (cutter, kind)
            }
        };
        RecordReader {
            name: Arc::from(name),
            cutter,
            kind,
            encoding: None,
            delimiter: (format == Format::Csv).then_some(delimiter),
            done: false,
        }
    }

    /// The encoding of the input; UTF-8 where none is said. To be said before anything is read.
    #[must_use]
    pub fn encoding(mut self, encoding: Option<Encoding>) -> Self {
        self.encoding = encoding;
        self.cutter.set_encoding(encoding);
        self
    }

    /// Makes columns of each line, which are its fields from then on. To be said before anything is
    /// read; it is for [`Format::Text`], and other formats have fields of their own.
    #[must_use]
    pub fn columns(mut self, columns: Option<Columns>) -> Self {
        if let (Kind::Text, Some(columns)) = (&self.kind, columns) {
            self.kind = Kind::Matched(columns.matcher());
        }
        self
    }

    /// Looks at the first bytes of the input, whether it can be read: it may be packed in another
    /// way than by gzip, or be in another encoding.
    ///
    /// # Errors
    /// [`ReadError`], which also ends the reading.
    pub fn look(&mut self) -> Result<(), ReadError> {
        self.check_delimiter()?;
        let looked = self.cutter.look();
        self.done |= looked.is_err();
        looked.map_err(|error| self.broken(error))
    }

    /// More may be appended to the input: what has no line end at its end is left until it
    /// has one, and after [`Outcome::End`] reading may go on.
    pub(super) fn growing(mut self) -> Self {
        self.cutter.growing(true);
        self
    }

    /// Goes on with what stands at this offset of the text, in this line. The header must have
    /// been read.
    pub(super) fn go_on(&mut self, input: Unpacked, (offset, line): (u64, u64)) {
        self.done = false;
        self.cutter.go_on(Lines::of(input, offset, line));
    }

    /// How far gzip has been unpacked; none of plain bytes.
    pub(super) fn unpacked(&mut self, offset: u64) -> Option<Reached> {
        self.cutter.input().reached(offset)
    }

    /// Whether what was read is not cut short: not where gzip ends within a member.
    pub(super) fn is_whole(&mut self) -> bool {
        self.cutter.input().is_whole()
    }

    /// Takes what a growing input ends in for its last record, though it has no line end.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub(super) fn take_last(&mut self, record: &mut Record) -> Result<Outcome, ReadError> {
        self.cutter.growing(false);
        let last = self.next(record);
        self.cutter.growing(true);
        self.done = last.is_err();
        last
    }

    /// Passes over everything before the [`position`](Self::position) that a reader of the
    /// same input had.
    ///
    /// # Errors
    /// Where the input cannot be read so far.
    pub(super) fn skip_to(&mut self, (offset, line): (u64, u64)) -> Result<(), ReadError> {
        let skipped = self.cutter.skip_to(offset, line);
        skipped.map_err(|error| self.broken(error))
    }

    /// Where the next record begins: its offset in the unpacked input, and its line.
    pub(super) fn position(&self) -> (u64, u64) {
        self.cutter.position()
    }

    /// How much has been read of a record whose end has not come.
    pub(super) fn unfinished_bytes(&self) -> u64 {
        self.cutter.unfinished_bytes()
    }

    /// The name of the source.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The header of a CSV file, which is read now if it has not been; the names of the
    /// [columns](Self::columns) of text. `None` for the other formats, and for a CSV file without
    /// any row.
    ///
    /// # Errors
    /// [`ReadError`], which also ends the reading.
    pub fn header(&mut self) -> Result<Option<&Arc<Header>>, ReadError> {
        if matches!(self.kind, Kind::Csv { header: None, .. }) && !self.done {
            self.read_header()?;
        }
        match &self.kind {
            Kind::Csv { header, .. } => Ok(header.as_ref()),
            Kind::Matched(matcher) => Ok(Some(matcher.header())),
            Kind::Text | Kind::Json => Ok(None),
        }
    }

    /// Reads the next record into `record`. If there is none (a bad record, the end, an error),
    /// `record` is left without content.
    ///
    /// Bad, with reading going on after them, are: lines of text that are not of the
    /// [encoding](Self::encoding), records longer than
    /// [`MAX_RECORD_BYTES`](super::MAX_RECORD_BYTES), CSV rows with more or fewer columns than
    /// the header, a CSV quote that is never closed, lines of JSON that are not exactly one
    /// object, and lines that do not match [`columns`](Self::columns). Where a CSV row or a line of JSON is not of the encoding, the fields are bad that
    /// hold what is not.
    ///
    /// # Errors
    /// [`ReadError`]; after it, as after the end, every call gives [`Outcome::End`].
    pub fn next(&mut self, record: &mut Record) -> Result<Outcome, ReadError> {
        if matches!(self.kind, Kind::Csv { header: None, .. }) && !self.done {
            self.read_header()?;
            if matches!(self.kind, Kind::Csv { header: None, .. }) {
                return Ok(Outcome::End);
            }
        }
        loop {
            match self.read(record)? {
                Step::Record => return Ok(Outcome::Record),
                Step::Blank => {}
                Step::End => return Ok(Outcome::End),
                Step::Bad(reason) => {
                    let content = excerpt(&record.text);
                    record.text.clear();
                    record.content = Content::Text;
                    return Ok(Outcome::Bad(BadRecord {
                        source: Arc::clone(&self.name),
                        line: self.cutter.line(),
                        lines: self.cutter.taken(),
                        offset: self.cutter.offset(),
                        reason,
                        content,
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
        record.damage = None;
        match self.cut(&mut bytes)? {
            Cut::End => return Ok(Step::End),
            Cut::Bad(reason) => {
                record.text = beginning(&bytes);
                return Ok(Step::Bad(reason));
            }
            Cut::Record => {}
        }
        record.line = self.cutter.line();
        record.offset = self.cutter.offset();
        if !Arc::ptr_eq(&record.source, &self.name) {
            record.source = Arc::clone(&self.name);
        }
        let encoding = self.encoding.unwrap_or(Encoding::UTF_8);
        let Ok((text, marker)) = encoding.decode(bytes) else {
            return Ok(Step::Bad(not_of(encoding, "the record", None)));
        };
        (record.text, record.damage) = (text, marker.map(|marker| Damage { marker, encoding }));
        match &mut self.kind {
            Kind::Text => Ok(match record.damage {
                Some(damage) => Step::Bad(damage.told("the record", &record.text)),
                None => Step::Record,
            }),
            Kind::Matched(matcher) => Ok(match matcher.split(&record.text, &mut record.row) {
                Ok(()) => {
                    record.content = Content::Csv(Arc::clone(matcher.header()));
                    Step::Record
                }
                Err(reason) => Step::Bad(reason),
            }),
            Kind::Json if record.text.trim_ascii().is_empty() => Ok(Step::Blank),
            Kind::Json => match record.json.index(&record.text) {
                Ok(()) => {
                    record.content = Content::Json;
                    Ok(Step::Record)
                }
                Err(reason) => Ok(Step::Bad(reason)),
            },
            Kind::Csv { splitter, .. } if splitter.skips(&record.text) => Ok(Step::Blank),
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
        let step = loop {
            match self.read(&mut record)? {
                Step::Blank => {}
                step => break step,
            }
        };
        match step {
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
                    *header = Some(Arc::new(Header::new(&record.row, record.damage)));
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
        self.check_delimiter()?;
        let cut = self.cutter.next(bytes);
        self.done = match &cut {
            Ok(Cut::End) => !self.cutter.is_growing(),
            Ok(_) => false,
            Err(_) => true,
        };
        cut.map_err(|error| self.broken(error))
    }

    /// Rows are cut before they are decoded.
    fn check_delimiter(&mut self) -> Result<(), ReadError> {
        match (self.encoding, self.delimiter) {
            (Some(encoding), Some(delimiter))
                if delimiter.byte().is_some_and(|byte| encoding.hides(byte)) =>
            {
                self.done = true;
                Err(ReadError::Foreign {
                    name: Arc::clone(&self.name),
                    what: format!(
                        "cannot be cut at `{delimiter}`, which is part of other characters in \
                         {encoding}: convert it to UTF-8, for example with `iconv`"
                    ),
                })
            }
            _ => Ok(()),
        }
    }

    fn broken(&self, source: io::Error) -> ReadError {
        let foreign = source.get_ref().and_then(|cause| cause.downcast_ref());
        if let Some(what) = foreign.map(Foreign::to_string) {
            let name = Arc::clone(&self.name);
            return ReadError::Foreign { name, what };
        }
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
    }
}

enum Step {
    Record,
    /// Nothing to give out, and nothing wrong.
    Blank,
    Bad(String),
    End,
}

/// How bytes begin that may be no text.
fn beginning(bytes: &[u8]) -> String {
    const BYTES: usize = 400;
    String::from_utf8_lossy(&bytes[..bytes.len().min(BYTES)]).into_owned()
}

fn wrong_count(row: usize, header: usize) -> String {
    let s = if row == 1 { "" } else { "s" };
    format!("the row has {row} column{s}, the header has {header}")
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", Shown(&self.source), self.line, self.reason)
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
mod tests;

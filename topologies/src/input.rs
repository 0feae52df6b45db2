//! Files, folders, globs and standard input as options.

use clap::Args;
use squall::connectors::Files;
use squall::connectors::files::{
    Columns, Delimiter, Encoding, Format, ProbeError, RecordReader, Source,
};

#[cfg(feature = "kafka")]
use crate::connections::Connections;
#[cfg(feature = "kafka")]
use crate::kafka::{TopicAt, TopicRecords};
#[cfg(feature = "kafka")]
use crate::position::Position;
use crate::wrong::WrongUse;

/// The help of `--input` where records are read, and never made.
pub(crate) const INPUT: &str = "What to read: a file, a folder (its files in name order), a quoted glob, or - for standard input";

/// The help of `--format` where lines of text are nothing.
pub(crate) const FORMAT: &str = "The format of the input [default: by suffix]";

/// What to read, whatever is read of it.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Input {
    /// What to read: a file, a folder (its files in name order), a quoted glob, or - for standard
    /// input [default: random input]
    #[arg(long, value_name = "PATH", group = "source")]
    pub input: Option<String>,
    /// The format of the input [default: by suffix; text for an unknown suffix]
    #[arg(long, value_name = "text|csv|ndjson", requires = "input")]
    pub format: Option<Format>,
    /// The character between CSV columns, `tab`, or `blank` for one or more spaces and tabs
    /// [default: a tab for .tsv, else a comma]
    #[arg(long, value_name = "CHAR", requires = "input")]
    pub delimiter: Option<Delimiter>,
    /// The encoding of the input, such as latin1, windows-1252, gbk or utf-16le
    /// [default: utf-8]
    #[arg(long, value_name = "NAME", requires = "input")]
    pub encoding: Option<Encoding>,
    /// Cut lines of text into columns: each named group of this regular expression is a column, and
    /// a line that does not match is a dead letter
    #[arg(long, value_name = "REGEX", requires = "input")]
    pub columns: Option<Columns>,
    /// Wait for more at the end of files and folders, until the run is stopped; logs may be
    /// rotated, and files copied in
    #[arg(long, requires = "input")]
    pub follow: bool,
    /// Leave windows open at the end of the input: a later run on the same data directory goes on
    /// with the records that were appended
    #[arg(long, requires = "input", conflicts_with = "follow")]
    pub keep_open: bool,
}

/// What stands before `://` in the address of a server; none of a path, and of what is there.
pub(crate) fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
    Some(scheme).filter(|_| is_scheme && !std::path::Path::new(text).exists())
}

/// A field that is read of each record, and the option that names it.
#[derive(Clone, Copy, Debug)]
pub struct NamedField<'o> {
    /// The option as it is written: `--field`.
    pub option: &'static str,
    /// The name given; none where the option was left out, without which only plain text can
    /// be read, if that.
    pub name: Option<&'o str>,
}

impl<'o> NamedField<'o> {
    /// What an option names.
    #[must_use]
    pub fn of(option: &'static str, name: Option<&'o String>) -> Self {
        let name = name.map(String::as_str);
        Self { option, name }
    }
}

/// What plain text is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainText {
    /// Its lines are read.
    Lines,
    /// Nothing: fields are needed, and it has none.
    Refused,
}

impl Input {
    /// The files, which exist and are of formats that have these fields; what else is read of
    /// them is to be said, and then they are to be [looked into](Files::check). None where no
    /// input is named.
    ///
    /// # Errors
    /// Where there is nothing to read, or not like this.
    pub fn files(
        &self,
        fields: &[NamedField<'_>],
        text: PlainText,
    ) -> Result<Option<Files>, WrongUse> {
        let Some(input) = &self.input else {
            return Ok(None);
        };
        self.check_scheme()?;
        let mut files = if self.follow {
            Files::following(input)?
        } else {
            Files::at(input)?
        };
        if self.keep_open {
            files = files.keep_open();
        }
        self.check_columns(files.sources())?;
        for source in files.sources() {
            self.check_format(source, fields, text)?;
        }
        self.check_delimiter(files.sources())?;
        if let Some(format) = self.format {
            files = files.format(format);
        }
        if let Some(delimiter) = self.delimiter {
            files = files.delimiter(delimiter);
        }
        if let Some(encoding) = self.encoding {
            files = files.encoding(encoding);
        }
        if let Some(columns) = &self.columns {
            files = files.columns(columns.clone());
        }
        Ok(Some(files))
    }

    /// The topic of Kafka that is named; none where none is.
    ///
    /// # Errors
    /// Where its address is wrong, or an option is given that files have.
    #[cfg(feature = "kafka")]
    pub fn topic(
        &self,
        position: &Position,
        connections: &Connections,
    ) -> Result<Option<TopicRecords>, WrongUse> {
        let Some(input) = self.input.as_deref().filter(|_| self.names_topic()) else {
            position.check_unused()?;
            return Ok(None);
        };
        for (given, option) in [
            (self.format.is_some(), "--format"),
            (self.delimiter.is_some(), "--delimiter"),
            (self.encoding.is_some(), "--encoding"),
            (self.columns.is_some(), "--columns"),
            (self.follow, "--follow"),
            (self.keep_open, "--keep-open"),
        ] {
            if given {
                return Err(WrongUse::OptionOfFiles { option });
            }
        }
        let at = TopicAt::parse("--input", input, connections)?;
        Ok(Some(at.read(position)))
    }

    /// Whether a topic of Kafka is named, and not a file.
    #[must_use]
    pub fn names_topic(&self) -> bool {
        self.input
            .as_deref()
            .is_some_and(|input| scheme(input).is_some_and(|scheme| scheme == "kafka"))
    }

    /// The input where it is a file, a folder or a glob.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.input.as_deref().filter(|_| !self.names_topic())
    }

    /// What is named is no server that cannot be read.
    fn check_scheme(&self) -> Result<(), WrongUse> {
        let Some(input) = &self.input else {
            return Ok(());
        };
        match scheme(input) {
            None => Ok(()),
            Some("kafka") => Err(WrongUse::WithoutFeature {
                option: "--input",
                what: "a topic of Kafka",
                feature: "kafka",
            }),
            Some(scheme) => Err(WrongUse::UnknownScheme {
                option: "--input",
                scheme: format!("{scheme}://"),
                expected: "kafka://HOST:PORT/TOPIC",
            }),
        }
    }

    /// Standard input cannot be read again after a crash, and without a data directory
    /// nothing is left open for later.
    ///
    /// # Errors
    /// Where one of these is asked for.
    pub fn check_durable(&self, durable: bool) -> Result<(), WrongUse> {
        if durable && self.input.as_deref() == Some("-") {
            return Err(WrongUse::StdinWithDataDir);
        }
        if !durable && self.keep_open {
            return Err(WrongUse::KeepOpenWithoutDataDir);
        }
        Ok(())
    }

    fn format_of(&self, source: &Source) -> Format {
        let by_name = || Format::from_name(&source.name());
        self.format.unwrap_or_else(by_name)
    }

    /// Text has no fields, and everything else is read by field.
    fn check_format(
        &self,
        source: &Source,
        fields: &[NamedField<'_>],
        text: PlainText,
    ) -> Result<(), WrongUse> {
        let (name, format) = (source.name(), self.format_of(source));
        let columns = self.columns.is_some() && format == Format::Text;
        if format == Format::Text && !columns {
            return match (fields.iter().find_map(|field| field.name), text) {
                (Some(field), _) => Err(WrongUse::FieldOfText {
                    name,
                    field: field.to_owned(),
                }),
                (None, PlainText::Refused) => Err(WrongUse::TextWithoutFields { name }),
                (None, PlainText::Lines) => Ok(()),
            };
        }
        let Some(NamedField { option, .. }) = fields.iter().find(|field| field.name.is_none())
        else {
            return Ok(());
        };
        if columns || (format == Format::Csv && !source.is_stream()) {
            let reader = RecordReader::open(source, Some(format), self.delimiter)?;
            let header = reader
                .encoding(self.encoding)
                .columns(self.columns.clone())
                .header()
                .map_err(ProbeError::Read)?
                .cloned();
            return match header.map(|header| header.to_string()) {
                Some(columns) => Err(WrongUse::NoColumn {
                    name,
                    option,
                    columns,
                }),
                None => Ok(()),
            };
        }
        Err(WrongUse::NoField {
            name,
            option,
            format: format.to_string(),
        })
    }

    /// Columns are those of lines of text.
    fn check_columns(&self, sources: &[Source]) -> Result<(), WrongUse> {
        let other = |source: &&Source| self.format_of(source) != Format::Text;
        match sources
            .iter()
            .find(other)
            .filter(|_| self.columns.is_some())
        {
            Some(source) => Err(WrongUse::ColumnsOfOther {
                name: source.name(),
                format: self.format_of(source).to_string(),
            }),
            None => Ok(()),
        }
    }

    fn check_delimiter(&self, sources: &[Source]) -> Result<(), WrongUse> {
        let csv = |source: &Source| self.format_of(source) == Format::Csv;
        match sources.first() {
            Some(first) if self.delimiter.is_some() && !sources.iter().any(csv) => {
                Err(WrongUse::DelimiterWithoutCsv {
                    name: first.name(),
                    format: self.format_of(first).to_string(),
                })
            }
            _ => Ok(()),
        }
    }
}

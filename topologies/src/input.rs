//! Files, folders, globs and standard input as options.

use std::time::Duration;

use clap::Args;
use squall::connectors::Files;
use squall::connectors::files::{
    Delimiter, FieldSelector, Format, ProbeError, RecordReader, Source, Split, TimeFormat,
};

use crate::duration;
use crate::wrong::WrongUse;

/// What to read, and what of it.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Input {
    /// What to read: a file, a folder (its files in name order), a quoted glob, or - for
    /// standard input [default: random words]
    #[arg(long, value_name = "PATH")]
    pub input: Option<String>,
    /// How the input is cut into records [default: by suffix; text where it says nothing]
    #[arg(long, value_name = "text|csv|ndjson", requires = "input")]
    pub format: Option<Format>,
    /// The character between CSV columns, or `tab` [default: a tab for .tsv, else a comma]
    #[arg(long, value_name = "CHAR", requires = "input")]
    pub delimiter: Option<Delimiter>,
    /// The CSV column, or the dotted path of the JSON value, to read; of text it is the line
    #[arg(long, value_name = "NAME", requires = "input")]
    pub field: Option<String>,
    /// How a text is cut into words: runs of letters and numbers of any script in lower
    /// case, runs of a-z and 0-9, or the text as it is [default: words]
    #[arg(long, value_name = "words|ascii-words|none", requires = "input")]
    pub split: Option<Split>,
    /// The column or path with each record's time; without it the time is that of reading
    #[arg(long, value_name = "NAME", requires = "input")]
    pub time_field: Option<String>,
    /// How the time is written; STRFTIME is a pattern such as '%Y-%m-%d %H:%M:%S', read as
    /// UTC unless it has %z [default: rfc3339]
    #[arg(
        long,
        value_name = "rfc3339|unix|unix-ms|STRFTIME",
        requires = "time_field"
    )]
    pub time_format: Option<TimeFormat>,
    /// By how much a record may be older than the newest before it in its file [default: 0s]
    #[arg(long, value_name = "DUR", requires = "time_field", value_parser = duration::parse)]
    pub lateness: Option<Duration>,
    /// After how much silence a pipe or standard input no longer holds up the windows of the
    /// other files [default: never]
    #[arg(long, value_name = "DUR", requires = "time_field", value_parser = duration::parse)]
    pub idle: Option<Duration>,
    /// Wait for more at the end of files and folders, until the run is stopped
    #[arg(long, requires = "input")]
    pub follow: bool,
    /// Leave the windows open at the end of the input, so that a later run on the same data
    /// directory goes on with what was appended
    #[arg(long, requires = "input", conflicts_with = "follow")]
    pub keep_open: bool,
}

impl Input {
    /// The files, looked into: they exist, have the fields, and times of the format given.
    /// None where no input is named.
    ///
    /// # Errors
    /// The first thing that would make a run fail or do nothing.
    pub fn files(&self) -> Result<Option<Files>, WrongUse> {
        let Some(input) = &self.input else {
            return Ok(None);
        };
        let mut files = if self.follow {
            Files::following(input)?
        } else {
            Files::at(input)?
        };
        if self.keep_open {
            files = files.keep_open();
        }
        for source in files.sources() {
            self.check_format(source)?;
        }
        self.check_delimiter(files.sources())?;
        if let Some(format) = self.format {
            files = files.format(format);
        }
        if let Some(delimiter) = self.delimiter {
            files = files.delimiter(delimiter);
        }
        if self.field.is_some() {
            files = files.fields([self.selector()]);
        }
        if let Some(field) = &self.time_field {
            let format = self.time_format.clone().unwrap_or(TimeFormat::Rfc3339);
            files = files.event_time(field, format);
        }
        files = files.lateness(self.lateness.unwrap_or_default());
        if let Some(silence) = self.idle {
            files = files.idle_after(silence);
        }
        Ok(Some(files.check()?))
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

    /// What is read of each record.
    #[must_use]
    pub fn selector(&self) -> FieldSelector {
        let field = self.field.as_deref();
        field.map_or_else(FieldSelector::whole, FieldSelector::named)
    }

    /// How a text becomes words.
    #[must_use]
    pub fn words(&self) -> Split {
        self.split.unwrap_or(Split::Words)
    }

    fn format_of(&self, source: &Source) -> Format {
        let by_name = || Format::from_name(&source.name());
        self.format.unwrap_or_else(by_name)
    }

    /// Text has no fields, and everything else is read by field.
    fn check_format(&self, source: &Source) -> Result<(), WrongUse> {
        let (name, format) = (source.name(), self.format_of(source));
        let fields = [&self.field, &self.time_field];
        match (format, &self.field) {
            (Format::Text, _) => match fields.into_iter().flatten().next().cloned() {
                Some(field) => Err(WrongUse::FieldOfText { name, field }),
                None => Ok(()),
            },
            (_, Some(_)) => Ok(()),
            (Format::Csv, None) if !source.is_stream() => {
                let reader = RecordReader::open(source, Some(format), self.delimiter);
                let header = reader?.header().map_err(ProbeError::Read)?.cloned();
                match header.map(|header| header.to_string()) {
                    Some(columns) => Err(WrongUse::NoColumn { name, columns }),
                    None => Ok(()),
                }
            }
            (Format::Csv | Format::NdJson, None) => {
                let format = format.to_string();
                Err(WrongUse::NoField { name, format })
            }
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

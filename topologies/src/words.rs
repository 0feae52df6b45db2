//! The words of files, folders, globs and standard input as options.

use std::time::Duration;

use clap::Args;
use serde::Serialize;
use squall::connectors::Files;
#[cfg(feature = "kafka")]
use squall::connectors::files::EventTime;
use squall::connectors::files::{FieldSelector, Split, TimeFormat};

#[cfg(feature = "kafka")]
use crate::connections::Connections;
use crate::duration;
use crate::input::{Input, NamedField, PlainText};
#[cfg(feature = "kafka")]
use crate::kafka::TopicRecords;
#[cfg(feature = "kafka")]
use crate::position::Position;
use crate::wrong::WrongUse;

/// What to read, the words of it, and their times.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Words {
    /// What to read.
    #[command(flatten)]
    pub input: Input,
    /// The CSV column or the dotted path of the JSON value to read, such as user.name; [] after an
    /// array stands for each element, as in commits[].message; without this option, a line of text
    #[arg(long, value_name = "NAME", requires = "input")]
    pub field: Option<String>,
    /// How a text is split: words (letters, numbers and marks of any script, in lower case),
    /// ascii-words (a-z and 0-9, in lower case), or none (the whole text) [default: words]
    #[arg(long, value_name = "words|ascii-words|none", requires = "input")]
    pub split: Option<Split>,
    /// The column or path with the time of a record; without this option it is the time of reading
    #[arg(long, value_name = "NAME", requires = "input")]
    pub time_field: Option<String>,
    /// The format of the time; STRFTIME is a pattern such as '%Y-%m-%d %H:%M:%S', in UTC unless it
    /// has %z [default: rfc3339]
    #[arg(
        long,
        value_name = "rfc3339|unix|unix-ms|unix-us|unix-ns|STRFTIME",
        requires = "time_field"
    )]
    pub time_format: Option<TimeFormat>,
    /// How much older a record may be than the newest record before it in its file; an older one is
    /// late [default: 0s]
    #[arg(long, value_name = "DUR", requires = "time_field", value_parser = duration::parse)]
    pub lateness: Option<Duration>,
    /// How long a pipe, standard input or a followed file may be silent before it no longer holds
    /// up the windows of the other files [default: never]
    #[arg(long, value_name = "DUR", requires = "time_field", value_parser = duration::parse)]
    pub idle: Option<Duration>,
    /// Where to begin to read a topic.
    #[cfg(feature = "kafka")]
    #[command(flatten)]
    pub position: Position,
}

/// What is read of each record, as a data directory keeps it.
#[derive(Serialize, Debug)]
pub struct WordsMeaning<'w> {
    field: Option<&'w str>,
    split: String,
    /// Of a topic; files say it themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_field: Option<&'w str>,
    /// The same.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_format: Option<String>,
}

impl Words {
    /// The files, looked into: they exist, have the fields, and times of the format given.
    /// None where no input is named.
    ///
    /// # Errors
    /// The first thing that would make a run fail or do nothing.
    pub fn files(&self) -> Result<Option<Files>, WrongUse> {
        let mut fields = vec![NamedField::of("--field", self.field.as_ref())];
        if self.time_field.is_some() {
            fields.push(NamedField::of("--time-field", self.time_field.as_ref()));
        }
        let Some(mut files) = self.input.files(&fields, PlainText::Lines)? else {
            return Ok(None);
        };
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

    /// The topic of Kafka, with the times of its records. None where none is named.
    ///
    /// # Errors
    /// What is wrong with the options.
    #[cfg(feature = "kafka")]
    pub fn topic(&self, connections: &Connections) -> Result<Option<TopicRecords>, WrongUse> {
        let Some(mut records) = self.input.topic(&self.position, connections)? else {
            return Ok(None);
        };
        if self.idle.is_some() {
            // The broker says when nothing follows.
            return Err(WrongUse::OptionOfFiles { option: "--idle" });
        }
        if let Some(field) = &self.time_field {
            let format = self.time_format.clone().unwrap_or(TimeFormat::Rfc3339);
            records.time = Some(EventTime::field(FieldSelector::named(field), format));
        }
        records.topic = records.topic.lateness(self.lateness.unwrap_or_default());
        Ok(Some(records))
    }

    /// What is read of each record.
    #[must_use]
    pub fn selector(&self) -> FieldSelector {
        let field = self.field.as_deref();
        field.map_or_else(FieldSelector::whole, FieldSelector::each)
    }

    /// What the words mean, but for what the files say of their times.
    #[must_use]
    pub fn meaning(&self) -> WordsMeaning<'_> {
        WordsMeaning {
            field: self.field.as_deref(),
            split: self.split().to_string(),
            time_format: self
                .time_field
                .as_ref()
                .filter(|_| self.input.names_topic())
                .map(|_| {
                    let format = self.time_format.as_ref().unwrap_or(&TimeFormat::Rfc3339);
                    format.to_string()
                }),
            time_field: self
                .time_field
                .as_deref()
                .filter(|_| self.input.names_topic()),
        }
    }

    /// How a text becomes words.
    #[must_use]
    pub fn split(&self) -> Split {
        self.split.unwrap_or(Split::Words)
    }
}

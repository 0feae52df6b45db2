//! The input of an append: looked into before anything is made, and then read.

use std::mem;

use squall::connectors::files::{
    Delimiter, FieldSelector, Format, Outcome, Probe, ProbeError, Record, RecordReader, Source,
    probe,
};

use crate::command::status::Ending;

/// The records of sources, each with its key.
pub(super) struct Input {
    sources: Vec<Source>,
    format: Option<Format>,
    delimiter: Option<Delimiter>,
    key: FieldSelector,
    /// The reader of the first source where that is a stream, which cannot be opened twice.
    first: Option<RecordReader>,
    /// Whether it was told that a record has no key.
    told: bool,
}

/// What stands at one place of an input.
pub(super) enum Item {
    /// A record, as an object of JSON, and its key.
    Record { key: String, record: String },
    /// No record, and why not.
    Bad(String),
}

impl Input {
    /// Looks into the sources: all files can be read and have the key, and so has the first
    /// source where that is a stream.
    pub(super) fn new(
        sources: Vec<Source>,
        format: Option<Format>,
        delimiter: Option<Delimiter>,
        key: &str,
    ) -> Result<Self, Ending> {
        let mut input = Self {
            sources,
            format,
            delimiter,
            key: FieldSelector::named(key),
            first: None,
            told: false,
        };
        probe(&Probe {
            sources: &input.sources,
            format,
            delimiter,
            fields: std::slice::from_ref(&input.key),
            time: None,
        })
        .map_err(Ending::input)?;
        if let Some(first) = input.sources.first().cloned()
            && first.is_stream()
        {
            input.first = Some(input.open(&first)?);
        }
        Ok(input)
    }

    /// Opens a source whose records are read next.
    fn open(&mut self, source: &Source) -> Result<RecordReader, Ending> {
        let reader = RecordReader::open(source, self.format, self.delimiter);
        let mut reader = reader.map_err(Ending::input)?;
        if let Some(header) = reader.header().map_err(Ending::input)? {
            self.key.resolve(header).map_err(|missing| {
                let name = source.name();
                Ending::input(ProbeError::MissingColumn { name, missing })
            })?;
        }
        Ok(reader)
    }

    /// Reads everything, in order.
    pub(super) fn read(
        mut self,
        take: &mut dyn FnMut(Item) -> Result<(), Ending>,
    ) -> Result<(), Ending> {
        let mut record = Record::new();
        for source in mem::take(&mut self.sources) {
            let mut reader = match self.first.take() {
                Some(reader) => reader,
                None => self.open(&source)?,
            };
            loop {
                take(match reader.next(&mut record).map_err(Ending::input)? {
                    Outcome::Record => self.item(&record),
                    Outcome::Bad(row) => Item::Bad(row.to_string()),
                    Outcome::End => break,
                })?;
            }
        }
        Ok(())
    }

    fn item(&mut self, record: &Record) -> Item {
        let place = || format!("{}:{}", record.source(), record.line());
        // Both formats have fields, so every record is an object.
        let object = record.object().unwrap_or_default().into_owned();
        let key = match record.field(&self.key) {
            Ok(key) => key.map(|key| key.into_owned()),
            Err(error) => return Item::Bad(format!("{}: {error}", place())),
        };
        if key.is_none() && !mem::replace(&mut self.told, true) {
            let (place, key) = (place(), &self.key);
            tracing::warn!(
                "{place}: the record has nothing in {key}, by which the depot deals records to \
                 partitions: all such records go to one partition, and are not told one by one"
            );
        }
        Item::Record {
            key: key.unwrap_or_default(),
            record: object,
        }
    }
}

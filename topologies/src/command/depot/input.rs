//! The input of an append: looked into before anything is made, and then read.

use std::borrow::Cow;
use std::io::{self, Read};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use squall::connectors::files::{
    Columns, Delimiter, Encoding, FieldSelector, FieldWatch, Format, Outcome, Probe, ProbeError,
    Record, RecordReader, Source, probe,
};
use squall::text::Shown;

use crate::command::status::Ending;

/// So many items are read ahead.
const AHEAD: usize = 128;

/// How records are made, where that is not told by the names of the sources.
#[derive(Clone)]
pub(super) struct How {
    pub(super) format: Option<Format>,
    pub(super) delimiter: Option<Delimiter>,
    pub(super) encoding: Option<Encoding>,
    pub(super) columns: Option<Columns>,
}

/// The records of sources, each with its key.
pub(super) struct Input {
    sources: Vec<Source>,
    how: How,
    key: FieldSelector,
    watch: FieldWatch,
    /// The reader of the first source where that is a stream, which cannot be opened twice.
    first: Option<RecordReader>,
    /// Whether it was told that a record has no key.
    told: bool,
    /// Whether nothing more is to be read.
    stopped: Arc<AtomicBool>,
}

/// What stands at one place of an input.
pub(super) enum Item {
    /// A record, as an object of JSON, and its key.
    Record { key: String, record: String },
    /// No record, and why not.
    Bad(String),
    /// The last one: the end, or why reading broke off.
    End(Result<(), Ending>),
}

/// What is read until it is to stop: then it fails, so that what has no end yet is no record.
struct Stoppable {
    input: Box<dyn Read + Send>,
    stopped: Arc<AtomicBool>,
}

impl Read for Stoppable {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stopped.load(Ordering::SeqCst) {
            return Err(io::Error::other("it is to stop"));
        }
        self.input.read(buffer)
    }
}

impl Input {
    /// Looks into the sources: all files can be read and have the key, and so has the first
    /// source where that is a stream.
    pub(super) fn new(
        sources: Vec<Source>,
        how: How,
        key: &str,
        stopped: &Arc<AtomicBool>,
    ) -> Result<Self, Ending> {
        let mut input = Self {
            sources,
            how,
            key: FieldSelector::named(key),
            watch: FieldWatch::over([FieldSelector::named(key)]),
            first: None,
            told: false,
            stopped: Arc::clone(stopped),
        };
        probe(&Probe {
            sources: &input.sources,
            format: input.how.format,
            delimiter: input.how.delimiter,
            encoding: input.how.encoding,
            columns: input.how.columns.as_ref(),
            fields: std::slice::from_ref(&input.key),
            watch: None,
            time: None,
            growing: false,
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
        let name = source.name();
        let How {
            format,
            delimiter,
            encoding,
            columns,
        } = self.how.clone();
        let format = format.unwrap_or_else(|| Format::from_name(&name));
        let delimiter = delimiter.unwrap_or_else(|| Delimiter::from_name(&name));
        let input = Stoppable {
            input: source.open().map_err(Ending::input)?,
            stopped: Arc::clone(&self.stopped),
        };
        let reader = RecordReader::new(Box::new(input), &name, format, delimiter);
        let mut reader = reader.encoding(encoding).columns(columns);
        if let Some(header) = reader.header().map_err(Ending::input)? {
            self.key
                .resolve(header)
                .map_err(|missing| Ending::input(ProbeError::MissingColumn { name, missing }))?;
        }
        Ok(reader)
    }

    /// Whether more of it may be long in coming.
    pub(super) fn is_stream(&self) -> bool {
        self.sources.iter().any(Source::is_stream)
    }

    /// Begins to read everything, in order, on a thread of its own: a stream may keep one
    /// waiting for its next record.
    pub(super) fn start(self) -> Result<Receiver<Item>, Ending> {
        let (items, read) = sync_channel(AHEAD);
        let thread = thread::Builder::new().name("input".to_owned());
        let started = thread.spawn(move || {
            let end = self.read(&items);
            // Nobody waits for it after a failure.
            let _ = items.send(Item::End(end));
        });
        started.map_err(Ending::input)?;
        Ok(read)
    }

    fn read(mut self, items: &SyncSender<Item>) -> Result<(), Ending> {
        let mut record = Record::new();
        for source in mem::take(&mut self.sources) {
            let mut reader = match self.first.take() {
                Some(reader) => reader,
                None => self.open(&source)?,
            };
            loop {
                let item = match reader.next(&mut record).map_err(Ending::input)? {
                    Outcome::Record => self.item(&record),
                    Outcome::Bad(row) => Item::Bad(row.to_string()),
                    Outcome::End => break,
                };
                if items.send(item).is_err() {
                    return Ok(());
                }
            }
        }
        if let Some(missing) = self.watch.summary() {
            tracing::warn!("{missing}");
        }
        Ok(())
    }

    fn item(&mut self, record: &Record) -> Item {
        let place = || format!("{}:{}", Shown(record.source()), record.line());
        self.watch.look(record);
        // Both formats have fields, so every record is an object.
        let object = match record.object() {
            Ok(object) => object.unwrap_or_default().into_owned(),
            Err(error) => return Item::Bad(format!("{}: {error}", place())),
        };
        let key = match record.field(&self.key) {
            Ok(key) => key.map(Cow::into_owned),
            Err(error) => return Item::Bad(format!("{}: {error}", place())),
        };
        // A name that no record has is told by itself.
        if key.is_none() && self.watch.is_complete() && !mem::replace(&mut self.told, true) {
            let (place, key) = (place(), &self.key);
            tracing::warn!(
                "{place}: the record has no value in {key}, the key of the depot: records without \
                 a key go to one partition, and only this first one is logged"
            );
        }
        Item::Record {
            key: key.unwrap_or_default(),
            record: object,
        }
    }
}

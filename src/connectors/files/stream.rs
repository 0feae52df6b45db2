//! A reader thread for input that may keep one waiting: standard input, a pipe.
//!
//! The thread reads records and hands them over in portions; before it waits for more bytes
//! it hands over what it has. The spout never waits, so that epochs and a stop pass.

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use super::columns::Columns;
use super::{
    BadRecord, Delimiter, Encoding, Files, Format, InputError, Outcome, ReadError, Record,
    RecordReader, Source,
};
use crate::error::{BoxError, Result};

/// The most records in one portion.
const PORTION: usize = 256;

/// The most portions that wait for the spout; then the thread stops reading, and the writer
/// at the other end of the pipe is held up.
const PORTIONS: usize = 4;

enum Item {
    Record(Record),
    Bad(BadRecord),
    End,
    Failed(BoxError),
}

/// What [`StreamReader::next`] found.
pub(super) enum Arrived {
    Outcome(Outcome),
    /// Nothing yet; silent when this time has passed, where silence counts.
    Nothing(Option<Duration>),
    /// Nothing for so long that the stream counts as idle.
    Silence,
}

pub(super) struct StreamReader {
    portions: Receiver<Vec<Item>>,
    portion: std::vec::IntoIter<Item>,
    idle_after: Option<Duration>,
    /// Since when nothing has come.
    silent_since: Option<Instant>,
}

impl StreamReader {
    pub(super) fn start(
        source: &Source,
        files: &Files,
        waker: Option<Waker>,
    ) -> Result<Self, std::io::Error> {
        let (sender, portions) = sync_channel(PORTIONS);
        let source = source.clone();
        let name = source.name();
        let (format, delimiter) = (files.format, files.delimiter);
        let how = How {
            format: format.unwrap_or_else(|| Format::from_name(&name)),
            delimiter: delimiter.unwrap_or_else(|| Delimiter::from_name(&name)),
            encoding: files.encoding,
            columns: files.columns.clone(),
        };
        let output = Output {
            sender,
            waker,
            portion: Arc::default(),
        };
        thread::Builder::new()
            .name(format!("read {name}"))
            .spawn(move || read(&source, how, &output))?;
        Ok(Self {
            portions,
            portion: Vec::new().into_iter(),
            idle_after: files.idle_after,
            silent_since: None,
        })
    }

    pub(super) fn next(&mut self, record: &mut Record) -> Result<Arrived> {
        loop {
            match self.portion.next() {
                Some(Item::Record(read)) => {
                    *record = read;
                    return Ok(Arrived::Outcome(Outcome::Record));
                }
                Some(Item::Bad(row)) => return Ok(Arrived::Outcome(Outcome::Bad(row))),
                Some(Item::End) => return Ok(Arrived::Outcome(Outcome::End)),
                Some(Item::Failed(error)) => return Err(error),
                None => {}
            }
            match self.portions.try_recv() {
                Ok(portion) => {
                    self.silent_since = None;
                    self.portion = portion.into_iter();
                }
                Err(TryRecvError::Empty) => return Ok(self.nothing()),
                Err(TryRecvError::Disconnected) => {
                    return Err("the thread that reads the input has ended without an error".into());
                }
            }
        }
    }

    fn nothing(&mut self) -> Arrived {
        let silent_since = *self.silent_since.get_or_insert_with(Instant::now);
        let Some(idle_after) = self.idle_after else {
            return Arrived::Nothing(None);
        };
        match idle_after.checked_sub(silent_since.elapsed()) {
            Some(left) if !left.is_zero() => Arrived::Nothing(Some(left)),
            _ => Arrived::Silence,
        }
    }
}

/// Where the thread puts what it has read.
#[derive(Clone)]
struct Output {
    sender: SyncSender<Vec<Item>>,
    waker: Option<Waker>,
    /// Shared between the loop that reads records and the reader that sees when bytes run
    /// out; both are on the same thread, the lock is for `Send`.
    portion: Arc<Mutex<Vec<Item>>>,
}

impl Output {
    /// Adds an item; `false` where the spout is gone.
    fn put(&self, item: Item) -> bool {
        let full = {
            let mut portion = self.portion.lock().unwrap_or_else(PoisonError::into_inner);
            portion.push(item);
            portion.len() >= PORTION
        };
        !full || self.hand_over()
    }

    fn hand_over(&self) -> bool {
        let portion = {
            let mut portion = self.portion.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *portion)
        };
        if portion.is_empty() {
            return true;
        }
        let sent = self.sender.send(portion).is_ok();
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
        sent
    }
}

/// Hands over what was read before it waits for more.
struct Announcing {
    input: Box<dyn Read + Send>,
    output: Output,
}

impl Read for Announcing {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.output.hand_over();
        self.input.read(buffer)
    }
}

/// How records are made.
#[derive(Clone)]
struct How {
    format: Format,
    delimiter: Delimiter,
    encoding: Option<Encoding>,
    columns: Option<Columns>,
}

fn read(source: &Source, how: How, output: &Output) {
    let last = match open(source, how, output) {
        Ok(reader) => read_records(reader, output),
        Err(error) => Some(Item::Failed(error.into())),
    };
    if let Some(last) = last {
        output.put(last);
        output.hand_over();
    }
}

fn open(source: &Source, how: How, output: &Output) -> Result<RecordReader, InputError> {
    let input = Announcing {
        input: source.open()?,
        output: output.clone(),
    };
    let name = source.name();
    let reader = RecordReader::new(Box::new(input), &name, how.format, how.delimiter);
    Ok(reader.encoding(how.encoding).columns(how.columns))
}

/// Reads until the input ends; gives the last item, or none where the spout is gone.
fn read_records(mut reader: RecordReader, output: &Output) -> Option<Item> {
    loop {
        let mut record = Record::new();
        let read: Result<Outcome, ReadError> = reader.next(&mut record);
        let item = match read {
            Ok(Outcome::Record) => Item::Record(record),
            Ok(Outcome::Bad(row)) => Item::Bad(row),
            Ok(Outcome::End) => return Some(Item::End),
            Err(error) => return Some(Item::Failed(error.into_cause())),
        };
        if !output.put(item) {
            return None;
        }
    }
}

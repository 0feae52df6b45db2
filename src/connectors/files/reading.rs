//! One source of a task: what is read of it, and how far.

use std::fs::File;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::builder::{AtEnd, Files};
use super::position::{FileFrom, Position, has_begun, is_gzip};
use super::stream::StreamReader;
use super::{Delimiter, Format, InputError, RecordReader, Source};
use crate::error::Result;
use crate::spout::SplitId;

/// One source of a task.
pub(super) struct Input {
    pub(super) source: Source,
    /// It is read by a thread, and only once.
    pub(super) stream: bool,
    /// What its position is kept under, and its times.
    pub(super) key: String,
    pub(super) split: SplitId,
    /// None before it is begun, and where a file is at its end for now.
    pub(super) from: Option<From>,
    /// The fields have been asked of the first record.
    pub(super) checked: bool,
    /// The bytes of it that are counted as read.
    pub(super) counted: u64,
    /// Its length when it was read as far as it went.
    pub(super) end_seen: Option<u64>,
    /// Since when nothing has come.
    pub(super) silent_since: Option<Instant>,
}

/// What records come from.
pub(super) enum From {
    File(Box<OpenFile>),
    Stream(StreamReader),
}

pub(super) struct OpenFile {
    pub(super) reader: RecordReader,
    pub(super) file: Arc<File>,
    pub(super) gzip: bool,
}

impl Input {
    pub(super) fn new(source: Source, key: String, split: SplitId) -> Self {
        Self {
            stream: source.is_stream(),
            source,
            key,
            split,
            from: None,
            checked: false,
            counted: 0,
            end_seen: None,
            silent_since: None,
        }
    }

    /// Opens a stream.
    pub(super) fn start(&mut self, files: &Files, waker: &Waker) -> Result {
        let reader = StreamReader::start(&self.source, files, Some(waker.clone()))?;
        self.from = Some(From::Stream(reader));
        Ok(())
    }

    /// Opens a file where it was left; says whether there is something to open.
    pub(super) fn open(
        &mut self,
        files: &Files,
        position: Option<&Position>,
        component: &str,
    ) -> Result<bool> {
        let Some(path) = self.source.path() else {
            return Err("standard input is opened as a file".into());
        };
        let unreadable = |source| InputError::Unreadable {
            path: path.display().to_string(),
            source,
        };
        let file = Arc::new(self.source.file()?);
        if files.end == AtEnd::Waits && !has_begun(&file).map_err(unreadable)? {
            return Ok(false);
        }
        let gzip = is_gzip(&file).map_err(unreadable)?;
        let name = self.source.name();
        let format = files.format.unwrap_or_else(|| Format::from_name(&name));
        let by_name = || Delimiter::from_name(&name);
        let delimiter = files.delimiter.unwrap_or_else(by_name);
        // A header that is read once more is not counted once more.
        let counted = match position {
            Some(_) if !gzip => u64::MAX,
            _ => self.counted,
        };
        let read = FileFrom::new(Arc::clone(&file), 0, counted, &files.progress);
        let reader = RecordReader::new(Box::new(read), &name, format, delimiter);
        let mut reader = reader.encoding(files.encoding);
        if files.end != AtEnd::Ends && !gzip {
            reader = reader.growing();
        }
        if let Some(position) = position {
            position.verify(&file, path, component)?;
            reader.header()?;
            // A header that was not complete is behind the position.
            let place = (position.offset, position.line).max(reader.position());
            if gzip {
                reader.skip_to(place)?;
            } else {
                if self.counted < place.0 {
                    files.progress.add(place.0 - self.counted);
                    self.counted = place.0;
                }
                let file = Arc::clone(&file);
                let rest = FileFrom::new(file, place.0, self.counted, &files.progress);
                reader.go_on(Box::new(rest), place);
            }
        }
        self.from = Some(From::File(Box::new(OpenFile { reader, file, gzip })));
        Ok(true)
    }

    /// The file has been read as far as it goes.
    pub(super) fn note_end(&mut self) {
        if let Some(From::File(open)) = &self.from
            && !open.gzip
        {
            let end = open.reader.position().0 + open.reader.unfinished_bytes();
            self.end_seen = Some(end);
            self.counted = self.counted.max(end);
        }
    }

    /// How much has been read of a record whose end has not come.
    pub(super) fn unfinished_bytes(&self) -> u64 {
        match &self.from {
            Some(From::File(open)) => open.reader.unfinished_bytes(),
            _ => 0,
        }
    }

    /// Nothing has come: whether that has now been so for too long.
    pub(super) fn has_fallen_silent(&mut self, idle_after: Option<Duration>) -> bool {
        let since = *self.silent_since.get_or_insert_with(Instant::now);
        idle_after.is_some_and(|most| since.elapsed() >= most)
    }
}

//! One source of a task: what is read of it, and how far.

use std::fs::File;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::builder::{AtEnd, Files};
use super::fingerprint::{FileId, Stamp, is_gzip};
use super::gzip::Unpacked;
use super::members::MemberStart;
use super::position::FilePosition;
use super::stream::StreamReader;
use super::trail::{FileFrom, Trail};
use super::{Delimiter, Encoding, InputError, Outcome, ReadError, Record, RecordReader, Source};
use crate::error::Result;
use crate::spout::SplitId;

/// One source of a task.
pub(super) struct Input {
    pub(super) source: Source,
    /// It is read by a thread, and only once.
    pub(super) stream: bool,
    /// What its position is kept under.
    pub(super) place: String,
    /// None where the system has no such number, and of a stream.
    pub(super) id: Option<FileId>,
    /// Its name when it was found, which tells its format.
    pub(super) name: String,
    pub(super) split: SplitId,
    /// The path under which it was found, where it has another name now.
    pub(super) origin: Option<String>,
    /// The name of its split, where that is not its place.
    pub(super) split_name: Option<String>,
    /// None before it is begun, and where a file is at its end for now.
    pub(super) from: Option<From>,
    /// The fields have been asked of the first record.
    pub(super) checked: bool,
    /// The bytes of it that are counted as read.
    pub(super) counted: u64,
    /// What it was when it was read as far as it went.
    pub(super) end_seen: Option<Stamp>,
    /// How many looks in a row have found it as it was.
    pub(super) quiet_looks: u32,
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
    /// What was read of it, where positions are kept.
    pub(super) trail: Option<Arc<Trail>>,
}

impl OpenFile {
    /// The next record, or with `last` what the file ends in.
    pub(super) fn next(&mut self, record: &mut Record, last: bool) -> Result<Outcome, ReadError> {
        if let Some(trail) = self.trail.as_ref().filter(|_| !self.gzip) {
            trail.note_boundary(self.reader.position().0);
        }
        if last {
            self.reader.take_last(record)
        } else {
            self.reader.next(record)
        }
    }
}

impl Input {
    pub(super) fn new(source: Source, place: String, split: SplitId) -> Self {
        Self {
            stream: source.is_stream(),
            name: source.name(),
            source,
            place,
            id: None,
            split,
            origin: None,
            split_name: None,
            from: None,
            checked: false,
            counted: 0,
            end_seen: None,
            quiet_looks: 0,
            silent_since: None,
        }
    }

    /// Opens a stream.
    pub(super) fn start(&mut self, files: &Files, waker: &Waker) -> Result {
        let reader = StreamReader::start(&self.source, files, Some(waker.clone()))?;
        self.from = Some(From::Stream(reader));
        Ok(())
    }

    /// Opens a file where it was left. What is read is kept where positions are.
    pub(super) fn open(
        &mut self,
        files: &Files,
        file: Arc<File>,
        position: Option<&FilePosition>,
        component: &str,
        keeps_positions: bool,
    ) -> Result {
        let Some(path) = self.source.path() else {
            return Err("standard input is opened as a file".into());
        };
        let unreadable = |source| InputError::Unreadable {
            path: path.display().to_string(),
            source,
        };
        self.id = FileId::of(&file.metadata().map_err(unreadable)?);
        let gzip = is_gzip(&file).map_err(unreadable)?;
        let waits = files.end == AtEnd::Waits;
        let mut trail = None;
        let mut from = |at, counted| {
            let mut from = FileFrom::new(Arc::clone(&file), at, counted, &files.progress);
            if keeps_positions {
                let kept;
                (from, kept) = from.with_trail(waits).map_err(unreadable)?;
                trail = Some(kept);
            }
            Ok::<_, InputError>(Box::new(from))
        };
        // What is read once more is not counted once more.
        let counted = match position {
            Some(_) if !gzip || self.counted > 0 => u64::MAX,
            _ => self.counted,
        };
        let input = if gzip {
            let start = MemberStart::default();
            Unpacked::from_member(from(0, counted)?, start, None, waits)
        } else {
            Unpacked::new(from(0, counted)?)
        };
        let by_name = || Delimiter::from_name(&self.name);
        let delimiter = files.delimiter.unwrap_or_else(by_name);
        let format = files.format_of(&self.name);
        let reader = RecordReader::of(input, &self.source.name(), format, delimiter);
        let mut reader = reader
            .encoding(files.encoding)
            .columns(files.columns.clone());
        if waits || (files.end == AtEnd::Pauses && !gzip) {
            reader = reader.growing();
        }
        if let Some(position) = position {
            // Of files that are followed this was done when their turn began.
            if !waits {
                position.verify(&file, path, component)?;
            }
            reader.header()?;
            // A header that was not complete is behind the position.
            let place = (position.offset, position.line).max(reader.position());
            if gzip {
                let member = position.packed.map(|packed| packed.member);
                // A member may begin in the middle of a unit of UTF-16.
                let whole_units = files.encoding.and_then(Encoding::utf16).is_none();
                if let Some(start) = member.filter(|start| start.unpacked > 0 && whole_units) {
                    let from = from(start.packed, self.counted)?;
                    let head = position.text.whole_head();
                    let input = Unpacked::from_member(from, start, head, waits);
                    reader.go_on(input, (start.unpacked, 1));
                }
                reader.skip_to(place)?;
            } else {
                if self.counted < place.0 {
                    files.progress.add(place.0 - self.counted);
                    self.counted = place.0;
                }
                let rest = Unpacked::plain(from(place.0, self.counted)?);
                reader.go_on(rest, place);
            }
        }
        self.from = Some(From::File(Box::new(OpenFile {
            reader,
            file,
            gzip,
            trail,
        })));
        Ok(())
    }

    /// It has been read as far as it went when it was this.
    pub(super) fn note_end(&mut self, stamp: Stamp) {
        self.end_seen = Some(stamp);
        self.quiet_looks = 0;
        if let Some(From::File(open)) = &self.from {
            let read = if open.gzip {
                stamp.length
            } else {
                open.reader.position().0 + open.reader.unfinished_bytes()
            };
            self.counted = self.counted.max(read);
        }
    }

    /// Whether it ends in the middle of a gzip member.
    pub(super) fn is_cut_short(&mut self) -> bool {
        match &mut self.from {
            Some(From::File(open)) => !open.reader.is_whole(),
            _ => false,
        }
    }

    /// Whether something else stands where it was read.
    pub(super) fn is_lost(&self) -> bool {
        let trail = match &self.from {
            Some(From::File(open)) => open.trail.as_ref(),
            _ => None,
        };
        trail.is_some_and(|trail| trail.was_lost())
    }

    /// Whether it is gzip and open.
    pub(super) fn is_gzip(&self) -> bool {
        matches!(&self.from, Some(From::File(open)) if open.gzip)
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

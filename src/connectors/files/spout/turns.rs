//! Files that are followed have turns.

use std::fs::File;
use std::sync::Arc;

use super::super::content::beginning;
use super::super::decode::Decode;
use super::super::fingerprint::{Holds, Stamp};
use super::super::follow::{Discovery, LOOK_INTERVAL};
use super::super::position::{beginning_of, stamp_of};
use super::super::reading::From;
use super::super::{InputError, ReadError};
use super::FileSpout;
use crate::error::Result;
use crate::spout::{Next, SpoutOut};
use crate::stream::Streams;
use crate::text::Shown;

/// How many files a task holds open at once while they are followed, not counting those with a
/// long unfinished record and gzip files that are not whole; the others are opened again when
/// they have grown.
const MAX_OPEN: usize = 64;

/// How many of these all tasks hold open.
const MAX_OPEN_OF_ALL: usize = 256;

/// A file that ends in an unfinished record of more bytes is held open, so that these are not
/// read again each time it grows.
const LONG_UNFINISHED_BYTES: u64 = 64 * 1024;

/// The turn of a stream among files that are followed.
const STREAM_TURN_RECORDS: u64 = 1_024;

/// After so many looks that find a file as it was, about a second, nothing more of what was going
/// on with it is expected: of a gzip file the last line is taken though it has no line end, and a
/// file that is the same as another one is no copy on its way.
pub(super) const QUIET_LOOKS: u32 = 10;

/// After so many looks, about a minute, a gzip file that is not whole is told.
const LOOKS_BEFORE_TOLD: u32 = 600;

/// The turn of the first input.
pub(super) struct Turn {
    /// A file is read up to this offset, a stream so many records.
    pub(super) until: u64,
    pub(super) records: u64,
    /// What the file was when its turn began.
    stamp: Option<Stamp>,
    /// Only what it ends in is to be read, as a record.
    pub(super) takes_last: bool,
}

/// How a turn begins.
pub(super) enum Begun {
    /// There may be something to read.
    Reads,
    /// There is nothing.
    Quiet,
    /// Another file is the first one, or the same one at another place.
    Again,
}

impl<S, D> FileSpout<S, D>
where
    S: Streams,
    D: Decode<S>,
{
    /// Begins the turn of the first input.
    pub(super) fn begin_turn(&mut self, out: &mut SpoutOut<S>) -> Result<Begun> {
        let Some(input) = self.inputs.front_mut() else {
            return Ok(Begun::Again);
        };
        let mut turn = Turn {
            until: STREAM_TURN_RECORDS,
            records: 0,
            stamp: None,
            takes_last: false,
        };
        if let Some(path) = input.source.path().filter(|_| !input.stream) {
            let unreadable = |source| InputError::Unreadable {
                path: path.display().to_string(),
                source,
            };
            let there = stamp_of(path).map_err(unreadable)?;
            let stamp = match there {
                Some(stamp) if stamp.id == input.id => stamp,
                // Its name is gone or leads elsewhere: what is left of it can be read while it
                // is open.
                _ => match &input.from {
                    Some(From::File(open)) => {
                        let left = Stamp::of(&open.file.metadata().map_err(unreadable)?);
                        if input
                            .end_seen
                            .is_some_and(|seen| seen.length == left.length)
                        {
                            return self.departed(out);
                        }
                        left
                    }
                    _ => return self.departed(out),
                },
            };
            if input.end_seen == Some(stamp) {
                return Ok(self.begin_quiet(turn));
            }
            let file = match &input.from {
                Some(From::File(open)) => Arc::clone(&open.file),
                _ => match input.source.file_if_there()? {
                    Some(file) => Arc::new(file),
                    // It is renamed just now.
                    None => return Ok(Begun::Quiet),
                },
            };
            if Stamp::of(&file.metadata().map_err(unreadable)?).id != stamp.id {
                return Ok(Begun::Quiet);
            }
            if self.is_overwritten(&file, stamp)? {
                return self.overwritten(out);
            }
            if let Some(opened) = self.open_again(&file) {
                // What was read to open it may be of another file already.
                if self.is_overwritten(&file, stamp)? {
                    return self.overwritten(out);
                }
                opened?;
            }
            turn.until = stamp.length;
            turn.stamp = Some(stamp);
            self.turn = Some(turn);
            return Ok(Begun::Reads);
        }
        self.turn = Some(turn);
        if self
            .inputs
            .front()
            .is_some_and(|input| input.from.is_none())
        {
            self.begin()?;
        }
        Ok(Begun::Reads)
    }

    /// Opens the first input; none where what is open of it can be read on.
    fn open_again(&mut self, file: &Arc<File>) -> Option<Result> {
        let input = self.inputs.front_mut()?;
        let short = (1..=LONG_UNFINISHED_BYTES).contains(&input.unfinished_bytes());
        if (!input.is_gzip() && short) || input.is_lost() {
            // What has no end yet may have changed.
            input.from = None;
        }
        if input.from.is_some() {
            return None;
        }
        let component = self.context.as_ref().map_or("", |it| &it.component);
        let position = self.positions.get(&input.place);
        let (files, keeps) = (&self.files, self.keeps_positions);
        let opened = input.open(files, Arc::clone(file), position, component, keeps);
        Some(opened.and_then(|()| {
            match &mut input.from {
                // Its first bytes are read before it is seen whose they are.
                Some(From::File(open)) if position.is_none() => {
                    open.reader.look().map_err(ReadError::into_cause)
                }
                _ => Ok(()),
            }
        }))
    }

    /// The first input is as it was.
    fn begin_quiet(&mut self, mut turn: Turn) -> Begun {
        let Some(input) = self.inputs.front_mut() else {
            return Begun::Again;
        };
        input.quiet_looks = input.quiet_looks.saturating_add(1);
        if !input.is_gzip() {
            return Begun::Quiet;
        }
        if input.is_cut_short() {
            if input.quiet_looks == LOOKS_BEFORE_TOLD {
                let name = input.source.name();
                self.warn(&format!(
                    "`{}` ends inside a gzip member: the whole part was read, and the task waits \
                     for the rest",
                    Shown(&name)
                ));
            }
        } else if input.quiet_looks == QUIET_LOOKS && input.unfinished_bytes() > 0 {
            turn.takes_last = true;
            turn.stamp = input.end_seen;
            turn.until = u64::MAX;
            self.turn = Some(turn);
            return Begun::Reads;
        }
        Begun::Quiet
    }

    /// Whether what was read of the first input does not stand there any more; where nothing was
    /// read of it, whether it does not begin as it did when it was found.
    fn is_overwritten(&self, file: &Arc<File>, stamp: Stamp) -> Result<bool> {
        let Some(input) = self.inputs.front() else {
            return Ok(false);
        };
        if input
            .end_seen
            .is_some_and(|seen| seen.length > stamp.length)
        {
            return Ok(true);
        }
        let Some(position) = self.positions.get(&input.place) else {
            let lines = self.files.lines_of_beginning(&input.name);
            return Ok(beginning(file, lines)? != Some(beginning_of(&input.place)));
        };
        Ok(position.compare(file)? != Holds::All)
    }

    /// Whether the first input has had its turn.
    pub(super) fn turn_is_over(&self) -> bool {
        let (Some(turn), Some(input)) = (&self.turn, self.inputs.front()) else {
            return false;
        };
        match &input.from {
            Some(From::File(open)) => {
                turn.takes_last || (!open.gzip && open.reader.position().0 >= turn.until)
            }
            Some(From::Stream(_)) => turn.records >= turn.until,
            None => true,
        }
    }

    /// The first input has had its turn: the next one follows.
    pub(super) fn end_turn(&mut self, out: &mut SpoutOut<S>) -> Result<Next> {
        let turn = self.turn.take();
        self.note_position(turn.is_some());
        let gave = turn.as_ref().is_some_and(|turn| turn.records > 0);
        let open = self.inputs.iter().filter(|input| input.from.is_some());
        let most = MAX_OPEN.min(MAX_OPEN_OF_ALL / self.context()?.parallelism);
        let room = open.count() <= most;
        if let Some(input) = self.inputs.front_mut() {
            if let Some(stamp) = turn.and_then(|turn| turn.stamp)
                && !input.is_lost()
            {
                input.note_end(stamp);
            }
            let unfinished = input.unfinished_bytes();
            let of_gzip = input.is_gzip() && (unfinished > 0 || input.is_cut_short());
            if !(input.stream || unfinished > LONG_UNFINISHED_BYTES || of_gzip || room) {
                input.from = None;
            }
            if gave {
                input.silent_since = None;
            } else if !input.stream && input.has_fallen_silent(self.files.idle_after) {
                out.idle_split(input.split);
            }
        }
        if !self.inputs.is_empty() {
            self.inputs.rotate_left(1);
        }
        if gave {
            self.quiet_turns = 0;
            if self.discovery.as_ref().is_some_and(Discovery::is_due) {
                self.discover(out)?;
            }
            return Ok(Next::More);
        }
        self.quiet_turns += 1;
        if self.quiet_turns < self.inputs.len() {
            return Ok(Next::More);
        }
        self.quiet_turns = 0;
        if self.discover(out)? {
            return Ok(Next::More);
        }
        let soonest = self.files.idle_after.filter(|after| !after.is_zero());
        Ok(Next::After(
            soonest.map_or(LOOK_INTERVAL, |after| after.min(LOOK_INTERVAL)),
        ))
    }
}

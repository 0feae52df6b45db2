//! Files that are followed have turns.

use super::super::InputError;
use super::super::Record;
use super::super::follow::{Discovery, LOOK_INTERVAL};
use super::super::position::length_of;
use super::super::reading::{From, Input};
use super::{FileSpout, owner, refuse_stream};
use crate::error::Result;
use crate::spout::{Next, SpoutOut};
use crate::stream::{Out, Streams};

/// How many files are held open at once while they are followed, not counting those with a
/// long unfinished record; the others are opened again when they have grown.
const MOST_OPEN: usize = 64;

/// A file that ends in an unfinished record of more bytes is held open, so that these are not
/// read again each time it grows.
const LONG_UNFINISHED_BYTES: u64 = 64 * 1024;

/// The turn of a stream among files that are followed.
const STREAM_TURN_RECORDS: u64 = 1_024;

/// The turn of the first input.
pub(super) struct Turn {
    /// A file is read up to this offset, a stream so many records.
    pub(super) until: u64,
    pub(super) records: u64,
}

/// How a turn begins.
pub(super) enum Begun {
    /// There may be something to read.
    Reads,
    /// There is nothing.
    Quiet,
    /// The file is gone, and is not the first input any more.
    Gone,
}

impl<S, F> FileSpout<S, F>
where
    S: Streams,
    F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
{
    /// Begins the turn of the first input.
    pub(super) fn begin_turn(&mut self, out: &mut SpoutOut<S>) -> Result<Begun> {
        let Some(input) = self.inputs.front_mut() else {
            return Ok(Begun::Gone);
        };
        let mut until = STREAM_TURN_RECORDS;
        if let Some(path) = input.source.path().filter(|_| !input.stream) {
            let unreadable = |source| InputError::Unreadable {
                path: path.display().to_string(),
                source,
            };
            let Some(length) = length_of(path).map_err(unreadable)? else {
                input.from = None;
                if let Some(discovery) = &mut self.discovery
                    && discovery.forget(&input.source, &input.key)
                {
                    out.close_split(input.split);
                    self.inputs.pop_front();
                    return Ok(Begun::Gone);
                }
                return Ok(Begun::Quiet);
            };
            if input.from.is_none() && input.end_seen == Some(length) {
                return Ok(Begun::Quiet);
            }
            until = length;
        }
        let opened = input.from.is_some();
        self.turn = Some(Turn { until, records: 0 });
        if opened || self.begin()? {
            Ok(Begun::Reads)
        } else {
            Ok(Begun::Quiet)
        }
    }

    /// Whether the first input has had its turn.
    pub(super) fn turn_is_over(&self) -> bool {
        let (Some(turn), Some(input)) = (&self.turn, self.inputs.front()) else {
            return false;
        };
        match &input.from {
            Some(From::File(open)) => !open.gzip && open.reader.position().0 >= turn.until,
            Some(From::Stream(_)) => turn.records >= turn.until,
            None => true,
        }
    }

    /// The first input has had its turn: the next one follows.
    pub(super) fn end_turn(&mut self, out: &mut SpoutOut<S>) -> Result<Next> {
        self.note_position(false);
        let gave = self.turn.take().is_some_and(|turn| turn.records > 0);
        let open = self.inputs.iter().filter(|input| input.from.is_some());
        let room = !gave || open.count() <= MOST_OPEN;
        if let Some(input) = self.inputs.front_mut() {
            input.note_end();
            let hold =
                input.stream || input.unfinished_bytes() > LONG_UNFINISHED_BYTES || (gave && room);
            if !hold {
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

    /// Takes in files of this task that have appeared; says whether there are any.
    pub(super) fn discover(&mut self, out: &mut SpoutOut<S>) -> Result<bool> {
        let (task, tasks, durable) = {
            let context = self.context()?;
            (context.task, context.parallelism, context.durable)
        };
        let Some(discovery) = &mut self.discovery else {
            return Ok(false);
        };
        let mut found = false;
        for (source, key) in discovery.look()? {
            if owner(&key, tasks) != task {
                continue;
            }
            refuse_stream(&source, durable)?;
            let split = out.open_split(&key, None);
            self.inputs.push_front(Input::new(source, key, split));
            found = true;
        }
        Ok(found)
    }
}

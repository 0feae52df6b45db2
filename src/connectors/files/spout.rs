//! [`Files`] as a spout: records become tuples, each file a split with a watermark.
//!
//! A task has a queue of [inputs](Input), of which it reads the first one. Where files end, an
//! input is read to its end and then leaves the queue. Where they are followed, it is read as
//! far as it is there: that is its turn; then it goes to the back of the queue.

mod held;
mod known;
mod moves;
mod opening;
mod told;
mod turns;

#[cfg(test)]
mod tests;

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::builder::{AtEnd, Files};
use super::decode::{Decode, Decoder, TimedDecoder, TimedOut, tell_late};
use super::event_time::EventTime;
use super::follow::{Discovery, LOOK_INTERVAL};
use super::position::{FilePosition, PositionError};
use super::read_as::ReadAs;
use super::reading::{From, Input};
use super::stream::Arrived;
use super::{BadRecord, FieldError, Outcome, ProbeError, ReadError, Record, Source};
use crate::context::Context;
use crate::error::Result;
use crate::meaning::Meaning;
use crate::spout::{Next, Spout, SpoutOut};
use crate::state::{States, Table};
use crate::stream::{Out, Streams};
use crate::time::TimeDomain;
use crate::tuple::DeadLetter;
use held::Held;
use turns::{Begun, Turn};

impl Files {
    /// The spout that emits what `decode` makes of each record; an error of `decode` sends
    /// the record to the dead letters.
    #[must_use]
    pub fn decode<S, F>(&self, decode: F) -> FileSpout<S, Decoder<F>>
    where
        S: Streams,
        F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
    {
        FileSpout::new(self.clone(), Decoder(decode))
    }

    /// As [`Files::decode`], by event time: `decode` gives each tuple its time. So a record may hold
    /// several events, each with its own.
    ///
    /// ```
    /// use squall::connectors::files::{Files, Record, TimedOut};
    /// use squall::testing::SpoutTest;
    /// use squall::{Timestamp, Word};
    ///
    /// let path = std::env::temp_dir().join(format!("squall-decode-at-{}.txt", std::process::id()));
    /// std::fs::write(&path, "10 storm 12 squall\n11 gust\n")?;
    /// let words = Files::at(path.to_str().unwrap_or_default())?.decode_at(
    ///     |record: &Record, out: &mut TimedOut<'_, Word>| {
    ///         let mut parts = record.text().split(' ');
    ///         while let (Some(second), Some(word)) = (parts.next(), parts.next()) {
    ///             let time = Timestamp::from_millis(second.parse::<i64>()? * 1_000);
    ///             out.at(time).emit(Word { word: word.into() });
    ///         }
    ///         Ok(())
    ///     },
    /// );
    /// assert_eq!(SpoutTest::new(words).run()?.len(), 3);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    #[must_use]
    pub fn decode_at<S, F>(&self, decode: F) -> FileSpout<S, TimedDecoder<F>>
    where
        S: Streams,
        F: FnMut(&Record, &mut TimedOut<'_, S>) -> Result + Send + 'static,
    {
        FileSpout::new(self.clone(), TimedDecoder(decode))
    }
}

/// A spout over [`Files`]; made by [`Files::decode`] and [`Files::decode_at`].
pub struct FileSpout<S, D> {
    files: Files,
    decode: D,
    /// What this task reads and has not read to its end; the first one is being read.
    inputs: VecDeque<Input>,
    /// Set while files are followed.
    discovery: Option<Discovery>,
    turn: Option<Turn>,
    /// How many turns have given nothing since the last one that did.
    quiet_turns: usize,
    /// Files that may be copies of others.
    held: Vec<Held>,
    /// The input is one file.
    one_file: bool,
    /// The places that positions were given since files were last considered.
    moved_to: Vec<String>,
    /// How many warnings about files were given.
    warned: u32,
    /// The files that were left out with a warning.
    told: HashSet<String>,
    positions: Table<String, FilePosition>,
    /// Whether the positions are of use to anybody.
    keeps_positions: bool,
    record: Record,
    times: Times,
    context: Option<Context>,
    output: std::marker::PhantomData<fn() -> S>,
}

/// Whether the times can be read at all; most files were looked at before.
#[derive(Default)]
struct Times {
    read: bool,
    /// Nothing was there to be looked at.
    unseen: bool,
    failed: u64,
    first_failure: String,
}

/// Two tasks have the same file only where one of them had it later.
fn further(kept: &mut FilePosition, other: FilePosition) {
    if (other.ended, other.offset) > (kept.ended, kept.offset) {
        *kept = other;
    }
}

/// The task that reads a file that is followed, and keeps the position of one that is not read in
/// this run: by its beginning, so that no task need know what another one reads.
fn owner(beginning: u64, tasks: usize) -> usize {
    // The remainder is below `tasks`.
    #[allow(clippy::cast_possible_truncation)]
    let task = (beginning % tasks as u64) as usize;
    task
}

impl<S, D> FileSpout<S, D>
where
    S: Streams,
    D: Decode<S>,
{
    pub(super) fn new(files: Files, decode: D) -> Self {
        Self {
            files,
            decode,
            inputs: VecDeque::new(),
            discovery: None,
            turn: None,
            quiet_turns: 0,
            held: Vec::new(),
            one_file: false,
            moved_to: Vec::new(),
            warned: 0,
            told: HashSet::new(),
            positions: Table::new().merged(further),
            keeps_positions: false,
            record: Record::new(),
            times: Times::default(),
            context: None,
            output: std::marker::PhantomData,
        }
    }

    fn follows(&self) -> bool {
        self.files.end == AtEnd::Waits
    }

    fn context(&self) -> Result<&Context> {
        Ok(self.context.as_ref().ok_or("the spout was not opened")?)
    }

    /// A record is in hand.
    fn take(&mut self, out: &mut SpoutOut<S>) -> Result {
        let Some(input) = self.inputs.front_mut() else {
            return Ok(());
        };
        let split = input.split;
        if !std::mem::replace(&mut input.checked, true) {
            self.check_fields()?;
        }
        self.files.watch.look(&self.record);
        if let Some(time) = &self.files.time {
            match time.of(&self.record) {
                Ok(time) => {
                    self.times.read = true;
                    out.record_at(split, time);
                    if out.is_late() {
                        tell_late(out, split, &self.record);
                    }
                }
                Err(why) => return self.without_time(why.to_string(), out),
            }
        }
        if let Err(error) = self.decode.decode(&self.record, split, out) {
            out.note_content(self.record.text());
            out.refuse(error, |error| self.letter(error.to_string()))?;
        }
        Ok(())
    }

    /// Of the first record of a source alone.
    #[cold]
    fn check_fields(&self) -> Result {
        let files = &self.files;
        let time = files.time.as_ref().and_then(EventTime::selector);
        // What is the only source has what no other one can have.
        let alone = files.end != AtEnd::Waits && files.sources.len() == 1;
        let optional = files.optional.iter().filter(|_| alone);
        for field in files.fields.iter().chain(time).chain(optional) {
            let name = self.record.source().to_string();
            match self.record.field(field) {
                Err(FieldError::MissingColumn(missing)) => {
                    return Err(ProbeError::MissingColumn { name, missing }.into());
                }
                Err(FieldError::NoFields { field }) => {
                    return Err(ProbeError::NoFields { name, field }.into());
                }
                Err(FieldError::Several { .. } | FieldError::Path { .. }) => {
                    // A key of this full name was found in another record.
                    let found = || {
                        files
                            .watch
                            .not_found()
                            .all(|left| Some(left) != field.name())
                    };
                    if let Some(error) = field.no_path()
                        && !found()
                    {
                        return Err(ProbeError::Field { name, error }.into());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn without_time(&mut self, reason: String, out: &mut SpoutOut<S>) -> Result {
        let letter = self.letter(reason);
        if !self.times.read && (self.times.unseen || self.is_stream()) {
            self.times.failed += 1;
            if self.times.failed == 1 {
                let DeadLetter {
                    source,
                    line,
                    reason,
                    ..
                } = &letter;
                self.times.first_failure =
                    format!("{source}:{}: {reason}", line.unwrap_or_default());
            }
            if self.times.failed >= super::MAX_RECORDS_WITHOUT_TIME {
                return Err(self.no_time().into());
            }
        }
        out.dead_letter_of(letter, self.record.text());
        Ok(())
    }

    fn is_stream(&self) -> bool {
        self.inputs.front().is_some_and(|input| input.stream)
    }

    fn no_time(&self) -> ProbeError {
        let field = self.files.time.as_ref().map(ToString::to_string);
        ProbeError::NoTime {
            records: self.times.failed,
            field: field.unwrap_or_default(),
            first: self.times.first_failure.clone(),
        }
    }

    fn letter(&self, reason: String) -> DeadLetter {
        DeadLetter {
            source: self.record.source().to_string(),
            line: Some(self.record.line()),
            reason,
            tuple: None,
        }
    }

    /// Notes how far the first input was read. What was emitted is what stands before that.
    fn note_position(&mut self, at_end: bool) {
        let Some(Input {
            place,
            name,
            origin,
            split_name,
            from: Some(From::File(open)),
            ..
        }) = self.inputs.front_mut()
        else {
            return;
        };
        let Some(trail) = &open.trail else {
            return;
        };
        let (offset, line) = open.reader.position();
        let ended =
            at_end && open.gzip && open.reader.is_whole() && open.reader.unfinished_bytes() == 0;
        let before = self.positions.get(place);
        let moved = match before {
            Some(before) => {
                let packed_now = open.gzip && before.packed.is_none();
                let ends_now = ended && !before.ended;
                // What has no end yet has grown.
                let length = open.file.metadata().map_or(before.length, |now| now.len());
                let grown = at_end && length != before.length;
                (before.offset, before.line) != (offset, line) || ends_now || packed_now || grown
            }
            None => offset > 0,
        };
        if moved {
            let mut now = FilePosition::of(&open.file, &mut open.reader, trail, ended);
            now.origin.clone_from(origin);
            now.split.clone_from(split_name);
            let read_as = before.and_then(|before| before.read_as.clone());
            now.read_as = read_as.or_else(|| Some(ReadAs::of(&self.files, name)));
            self.positions.insert(place.clone(), now);
        }
    }

    /// Opens the first input, which is a stream, or a file that is not followed.
    fn begin(&mut self) -> Result {
        let context = self.context.as_ref().ok_or("the spout was not opened")?;
        let Some(input) = self.inputs.front_mut() else {
            return Ok(());
        };
        if input.stream {
            return input.start(&self.files, &context.waker);
        }
        let file = Arc::new(input.source.file()?);
        let position = self.positions.get(&input.place);
        let keeps = self.keeps_positions;
        input.open(&self.files, file, position, &context.component, keeps)
    }

    /// The first input is at its end.
    fn end(&mut self, out: &mut SpoutOut<S>) -> Result<Next> {
        if self.is_stream() && !self.times.read && self.times.failed > 0 {
            return Err(self.no_time().into());
        }
        self.note_position(true);
        let Some(input) = self.inputs.front_mut() else {
            return Ok(Next::More);
        };
        let for_good = match &input.from {
            Some(From::File(open)) => open.gzip,
            _ => true,
        };
        match self.files.end {
            AtEnd::Waits if !input.stream => return self.end_turn(out),
            // More of it may come: it holds the watermark.
            AtEnd::Pauses if !for_good => {}
            _ => out.close_split(input.split),
        }
        self.inputs.pop_front();
        self.turn = None;
        Ok(Next::More)
    }

    /// There is nothing that could be read on.
    fn without_input(&mut self, out: &mut SpoutOut<S>) -> Result<Next> {
        if self.files.end != AtEnd::Waits {
            let (task, tasks) = {
                let context = self.context()?;
                (context.task, context.parallelism)
            };
            self.files.watch.end(task, tasks);
        }
        match self.files.end {
            AtEnd::Ends => Ok(Next::End),
            AtEnd::Pauses => Ok(Next::Pause),
            AtEnd::Waits => {
                let found = self.discover(out)?;
                Ok(if found {
                    Next::More
                } else {
                    Next::After(LOOK_INTERVAL)
                })
            }
        }
    }
}

fn refuse_stream(source: &Source, durable: bool) -> Result<(), PositionError> {
    if durable && source.is_stream() {
        let name = match source {
            Source::Stdin => "standard input".to_owned(),
            Source::File(path) => format!("`{}`", path.display()),
        };
        return Err(PositionError::Stream { name });
    }
    Ok(())
}

/// The dead letter of a record that could not be read, and how the record begins.
fn bad(row: BadRecord) -> (DeadLetter, String) {
    let letter = DeadLetter {
        source: row.source.to_string(),
        line: Some(row.line),
        reason: row.reason,
        tuple: None,
    };
    (letter, row.content)
}

impl<S, D> Spout for FileSpout<S, D>
where
    S: Streams,
    D: Decode<S>,
{
    type Output = S;

    fn open(&mut self, context: &Context, out: &mut SpoutOut<S>) -> Result {
        if D::TIMES && self.files.time.is_some() {
            return Err(
                "the times of the records are given twice, by `decode_at` and by `event_time`: \
                 give them once"
                    .into(),
            );
        }
        self.context = Some(context.clone());
        self.keeps_positions = context.durable || self.follows();
        self.times.unseen = self.follows() && self.positions.is_empty();
        if self.follows() {
            self.open_followed(context, out)?;
        } else {
            self.open_dealt(context, out)?;
        }
        if self.inputs.is_empty() && self.files.end != AtEnd::Ends {
            // It goes on without an end, and with nothing to hold a window open for.
            out.idle();
        }
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<S>) -> Result<Next> {
        if self.inputs.is_empty() {
            return self.without_input(out);
        }
        if self.follows() && self.turn.is_none() {
            match self.begin_turn(out)? {
                Begun::Reads => {}
                Begun::Quiet => return self.end_turn(out),
                Begun::Again => return Ok(Next::More),
            }
        }
        let Some(input) = self.inputs.front_mut() else {
            return Ok(Next::More);
        };
        let outcome = match &mut input.from {
            None => {
                // Of files that are followed its own turn opens it.
                if self.turn.take().is_none() {
                    self.begin()?;
                }
                return Ok(Next::More);
            }
            Some(From::File(open)) => {
                let last = self.turn.as_ref().is_some_and(|turn| turn.takes_last);
                let next = open.next(&mut self.record, last);
                next.map_err(ReadError::into_cause)?
            }
            Some(From::Stream(reader)) => match reader.next(&mut self.record)? {
                Arrived::Outcome(outcome) => outcome,
                arrived => {
                    let silent = matches!(arrived, Arrived::Silence);
                    if silent {
                        out.idle_split(input.split);
                    }
                    return match arrived {
                        _ if self.follows() => self.end_turn(out),
                        Arrived::Nothing(Some(until_idle)) => Ok(Next::After(until_idle)),
                        _ => Ok(Next::Idle),
                    };
                }
            },
        };
        if let (Some(turn), true) = (&mut self.turn, outcome != Outcome::End) {
            turn.records += 1;
        }
        match outcome {
            Outcome::Record => {
                out.read(1);
                self.take(out)?;
            }
            Outcome::Bad(row) => {
                let lines = row.lines;
                out.read(usize::try_from(lines).unwrap_or(usize::MAX));
                let (letter, content) = bad(row);
                out.dead_letter_of_records(letter, &content, lines);
            }
            Outcome::End => return self.end(out),
        }
        if self.turn_is_over() {
            return self.end_turn(out);
        }
        Ok(Next::More)
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.note_position(false);
        states.keep("positions", &mut self.positions);
    }

    fn meaning(&self) -> Meaning {
        self.files.meaning()
    }

    fn domain(&self) -> TimeDomain {
        if D::TIMES || self.files.time.is_some() {
            TimeDomain::Event
        } else {
            TimeDomain::Processing
        }
    }

    fn lateness(&self) -> Duration {
        self.files.lateness
    }
}

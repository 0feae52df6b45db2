//! [`Files`] as a spout: records become tuples, each file a split with a watermark.

use std::sync::Arc;
use std::time::Duration;

use super::stream::{Arrived, StreamReader};
use super::{
    BadRecord, Delimiter, FieldError, FieldSelector, Format, InputError, Outcome, Probe,
    ProbeError, Progress, Record, RecordReader, Source, TimeFormat, probe, resolve,
};
use crate::context::Context;
use crate::error::Result;
use crate::spout::{Next, SplitId, Spout, SpoutOut};
use crate::stream::{Out, Streams};
use crate::time::{TimeDomain, Timestamp};
use crate::tuple::DeadLetter;

/// What to read: files, how their records are made, and where their times are.
///
/// Cheap to clone: a factory clones it for each task. The sources are dealt to the tasks in
/// turn, and each task reads its own in order; a watermark over all of them makes event
/// time work whatever the parallelism. A record that cannot be read goes to the dead
/// letters, with its file and line.
///
/// ```
/// use squall::connectors::files::{Files, Split};
/// use squall::testing::{Collected, TopologyTest};
/// use squall::{Topology, Word};
///
/// let path = std::env::temp_dir().join(format!("squall-files-{}.txt", std::process::id()));
/// std::fs::write(&path, "to be\nor not to be\n")?;
/// let files = Files::at(path.to_str().unwrap())?;
/// let topology = Topology::named("words");
/// let words = topology.spout("words", move || {
///     let mut scratch = String::new();
///     files.decode::<Word, _>(move |record, out| {
///         Split::Words.for_each_word(record.text(), &mut scratch, |word| {
///             out.emit(Word { word: word.into() });
///         });
///         Ok(())
///     })
/// });
/// let collected = Collected::of(&topology, "collected", &words);
/// TopologyTest::new(topology).run()?;
/// let words: Vec<_> = collected.take().into_iter().map(|word| word.word).collect();
/// assert_eq!(words, ["to", "be", "or", "not", "to", "be"]);
/// std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Files {
    sources: Arc<[Source]>,
    format: Option<Format>,
    delimiter: Option<Delimiter>,
    fields: Arc<[FieldSelector]>,
    time: Option<(FieldSelector, TimeFormat)>,
    lateness: Duration,
    idle_after: Option<Duration>,
    /// The time of each source's first record, where [`Files::check`] has looked.
    firsts: Option<Arc<[Option<i64>]>>,
    progress: Progress,
}

impl Files {
    /// A file, the files of a folder in name order, a glob, or `-` for standard input.
    ///
    /// # Errors
    /// Where there is nothing to read.
    pub fn at(input: &str) -> Result<Self, InputError> {
        Ok(Self::of(resolve(input)?))
    }

    /// These sources, in this order.
    #[must_use]
    pub fn of(sources: Vec<Source>) -> Self {
        Self {
            sources: sources.into(),
            format: None,
            delimiter: None,
            fields: Arc::default(),
            time: None,
            lateness: Duration::ZERO,
            idle_after: None,
            firsts: None,
            progress: Progress::default(),
        }
    }

    /// The format of all sources; by default each has that of its suffix.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// The column delimiter of CSV; by default a tab for `.tsv`, else a comma.
    #[must_use]
    pub fn delimiter(mut self, delimiter: Delimiter) -> Self {
        self.delimiter = Some(delimiter);
        self
    }

    /// The fields that are going to be read: a CSV file that lacks one is refused at the
    /// start, instead of each of its rows.
    #[must_use]
    pub fn fields(mut self, fields: impl IntoIterator<Item = FieldSelector>) -> Self {
        self.fields = fields.into_iter().collect();
        self
    }

    /// Reads each record's time from a field: the topology runs by event time. A record
    /// whose time cannot be read goes to the dead letters.
    #[must_use]
    pub fn event_time(mut self, field: &str, format: TimeFormat) -> Self {
        self.time = Some((FieldSelector::named(field), format));
        self
    }

    /// By how much a record may be older than the newest before it in its file.
    #[must_use]
    pub fn lateness(mut self, lateness: Duration) -> Self {
        self.lateness = lateness;
        self
    }

    /// Leaves a stream (standard input, a pipe) that has been silent for this long out of
    /// the watermark until its next record; by default it holds the watermark.
    #[must_use]
    pub fn idle_after(mut self, silence: Duration) -> Self {
        self.idle_after = Some(silence);
        self
    }

    /// Looks at the first records of every file: whether they can be read, have the
    /// fields, and have times of the format given. Also notes where each file begins in
    /// time. Streams are looked at when their first records come.
    ///
    /// # Errors
    /// The first thing that would make the run fail or do nothing.
    pub fn check(mut self) -> Result<Self, ProbeError> {
        let firsts = self.probe(&self.sources)?;
        self.firsts = Some(firsts.into());
        Ok(self)
    }

    fn probe(&self, sources: &[Source]) -> Result<Vec<Option<i64>>, ProbeError> {
        probe(&Probe {
            sources,
            format: self.format,
            delimiter: self.delimiter,
            fields: &self.fields,
            time: self.time.as_ref().map(|(field, format)| (field, format)),
        })
    }

    /// The bytes of all files as they are on disk; none where one is a stream.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        let sizes = self.sources.iter().map(|source| {
            let path = source.path().filter(|_| !source.is_stream())?;
            std::fs::metadata(path).ok().map(|metadata| metadata.len())
        });
        sizes.sum()
    }

    /// Tells, while they are read, how far; shared by all clones.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// What is going to be read, in order.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The spout that emits what `decode` makes of each record; an error of `decode` sends
    /// the record to the dead letters.
    #[must_use]
    pub fn decode<S, F>(&self, decode: F) -> FileSpout<S, F>
    where
        S: Streams,
        F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
    {
        FileSpout {
            files: self.clone(),
            decode,
            mine: Vec::new(),
            reading: None,
            record: Record::new(),
            times: Times::default(),
            waker: None,
            output: std::marker::PhantomData,
        }
    }
}

/// A spout over [`Files`]; made by [`Files::decode`].
pub struct FileSpout<S, F> {
    files: Files,
    decode: F,
    /// The sources of this task that were not begun, the first one last.
    mine: Vec<(Source, SplitId)>,
    reading: Option<Reading>,
    record: Record,
    times: Times,
    waker: Option<std::task::Waker>,
    output: std::marker::PhantomData<fn() -> S>,
}

struct Reading {
    split: SplitId,
    from: From,
    /// The fields have been asked of the first record.
    begun: bool,
}

enum From {
    File(Box<RecordReader>),
    Stream(StreamReader),
}

/// Whether the times of a stream can be read at all; files were looked at before.
#[derive(Default)]
struct Times {
    read: bool,
    failed: u64,
    first_failure: String,
}

impl<S, F> FileSpout<S, F>
where
    S: Streams,
    F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
{
    fn begin(&mut self, source: &Source, split: SplitId) -> Result {
        let Files {
            format, delimiter, ..
        } = self.files;
        let from = if source.is_stream() {
            let waker = self.waker.clone();
            let idle_after = self.files.idle_after;
            From::Stream(StreamReader::start(
                source, format, delimiter, waker, idle_after,
            )?)
        } else {
            let name = source.name();
            let read = self.files.progress.of(source.open()?);
            let format = format.unwrap_or_else(|| Format::from_name(&name));
            let delimiter = delimiter.unwrap_or_else(|| Delimiter::from_name(&name));
            From::File(Box::new(RecordReader::new(read, &name, format, delimiter)))
        };
        self.reading = Some(Reading {
            split,
            from,
            begun: false,
        });
        Ok(())
    }

    /// A record is in hand.
    fn take(&mut self, out: &mut SpoutOut<S>) -> Result {
        let Some(reading) = &mut self.reading else {
            return Ok(());
        };
        let split = reading.split;
        if !std::mem::replace(&mut reading.begun, true) {
            self.check_fields()?;
        }
        if let Some((field, format)) = &self.files.time {
            let time = match self.record.field(field) {
                Ok(Some(text)) => format.parse(&text).map_err(|error| error.to_string()),
                Ok(None) => Err(format!("it has no time: {field} is empty or missing")),
                Err(error) => Err(error.to_string()),
            };
            match time {
                Ok(millis) => {
                    self.times.read = true;
                    out.record_at(split, Timestamp::from_millis(millis));
                }
                Err(reason) => return self.without_time(reason, out),
            }
        }
        if let Err(error) = (self.decode)(&self.record, out) {
            let letter = self.letter(error.to_string());
            out.dead_letter(letter);
        }
        Ok(())
    }

    fn check_fields(&self) -> Result {
        let time = self.files.time.iter().map(|(field, _)| field);
        for field in self.files.fields.iter().chain(time) {
            let name = self.record.source().to_string();
            match self.record.field(field) {
                Err(FieldError::MissingColumn(missing)) => {
                    return Err(ProbeError::MissingColumn { name, missing }.into());
                }
                Err(FieldError::NoFields { field }) => {
                    return Err(ProbeError::NoFields { name, field }.into());
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn without_time(&mut self, reason: String, out: &mut SpoutOut<S>) -> Result {
        let letter = self.letter(reason);
        if !self.times.read && self.is_stream() {
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
        out.dead_letter(letter);
        Ok(())
    }

    fn is_stream(&self) -> bool {
        let reading = self.reading.as_ref();
        reading.is_some_and(|reading| matches!(reading.from, From::Stream(_)))
    }

    fn no_time(&self) -> ProbeError {
        let field = self.files.time.as_ref().map(|(field, _)| field.to_string());
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

    fn end(&mut self, out: &mut SpoutOut<S>) -> Result {
        if self.is_stream() && !self.times.read && self.times.failed > 0 {
            return Err(self.no_time().into());
        }
        if let Some(reading) = self.reading.take() {
            out.close_split(reading.split);
        }
        Ok(())
    }
}

/// The dead letter of a record that could not be read.
fn bad(row: BadRecord) -> DeadLetter {
    DeadLetter {
        source: row.source.to_string(),
        line: Some(row.line),
        reason: row.reason,
        tuple: None,
    }
}

impl<S, F> Spout for FileSpout<S, F>
where
    S: Streams,
    F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
{
    type Output = S;

    fn open(&mut self, context: &Context, out: &mut SpoutOut<S>) -> Result {
        self.waker = Some(context.waker.clone());
        let all = self.files.sources.iter().enumerate();
        let mine = all.skip(context.task).step_by(context.parallelism);
        for (number, source) in mine {
            let first = match (&self.files.firsts, &self.files.time) {
                (Some(firsts), _) => firsts.get(number).copied().flatten(),
                (None, Some(_)) => self.files.probe(std::slice::from_ref(source))?[0],
                (None, None) => None,
            };
            let split = out.open_split(&source.name(), first.map(Timestamp::from_millis));
            self.mine.push((source.clone(), split));
        }
        self.mine.reverse();
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<S>) -> Result<Next> {
        let Some(reading) = &mut self.reading else {
            let Some((source, split)) = self.mine.pop() else {
                return Ok(Next::End);
            };
            self.begin(&source, split)?;
            return Ok(Next::More);
        };
        let outcome = match &mut reading.from {
            From::File(reader) => reader.next(&mut self.record)?,
            From::Stream(reader) => match reader.next(&mut self.record)? {
                Arrived::Outcome(outcome) => outcome,
                Arrived::Nothing(until_idle) => {
                    return Ok(until_idle.map_or(Next::Idle, Next::After));
                }
                Arrived::Silence => {
                    out.idle_split(reading.split);
                    return Ok(Next::Idle);
                }
            },
        };
        match outcome {
            Outcome::Record => self.take(out)?,
            Outcome::Bad(row) => out.dead_letter(bad(row)),
            Outcome::End => self.end(out)?,
        }
        Ok(Next::More)
    }

    fn domain(&self) -> TimeDomain {
        match self.files.time {
            Some(_) => TimeDomain::Event,
            None => TimeDomain::Processing,
        }
    }

    fn lateness(&self) -> Duration {
        self.files.lateness
    }
}

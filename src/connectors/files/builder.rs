//! [`Files`]: what to read, and how.

use std::sync::Arc;
use std::time::Duration;

use super::{
    Columns, Delimiter, Encoding, EventTime, FieldSelector, FieldWatch, Format, InputError, Probe,
    ProbeError, Progress, Record, Source, TimeFormat, probe, resolve,
};
use crate::error::Result;
use crate::time::Timestamp;

/// What to read: files, how their records are made, and where their times are.
///
/// Cheap to clone: a factory clones it for each task. The sources are dealt to the tasks in
/// turn, and each task reads its own in order; a watermark over all of them makes event
/// time work whatever the parallelism. A record that cannot be read goes to the dead
/// letters, with its file and line.
///
/// With a data directory the spout keeps, for each file, how far it was read, and goes on from
/// there after a failure and in the next run:
///
/// - a file that was read to its end is not read again, and of one that was appended to what
///   is new; to a gzip file whole members are appended;
/// - a file goes by what was read of it, whatever its name: another spelling of its path is the
///   same file, and so is one that was renamed, or packed with gzip and renamed. A copy beside
///   the file that was read is a new file;
/// - a file that is shorter than what was read of it, or of which the first or the latest
///   4 KiB that were read have changed, is refused with a [`PositionError`], unless what was
///   read stands in the same folder under another name: then it was rotated, the rest of the old
///   file is read there, and what is here now is a new file;
/// - a last line without a line end is a record, unless the input may grow
///   ([`Files::follow`], [`Files::keep_open`]): then it is left until its line end comes;
/// - standard input and pipes are refused: they cannot be read again.
///
/// [`PositionError`]: super::PositionError
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
    pub(super) sources: Arc<[Source]>,
    /// What the sources were found by, where more of them may be found later.
    pub(super) input: Option<Arc<str>>,
    pub(super) format: Option<Format>,
    pub(super) delimiter: Option<Delimiter>,
    pub(super) encoding: Option<Encoding>,
    pub(super) columns: Option<Columns>,
    pub(super) fields: Arc<[FieldSelector]>,
    pub(super) optional: Arc<[FieldSelector]>,
    pub(super) watch: FieldWatch,
    pub(super) time: Option<EventTime>,
    pub(super) lateness: Duration,
    pub(super) idle_after: Option<Duration>,
    /// The time of each source's first record, where [`Files::check`] has looked.
    pub(super) firsts: Option<Arc<[Option<i64>]>>,
    pub(super) end: AtEnd,
    pub(super) progress: Progress,
}

/// What happens at the end of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtEnd {
    /// The input has ended.
    Ends,
    /// It has ended for now: windows stay open.
    Pauses,
    /// More is waited for.
    Waits,
}

impl Files {
    /// A file, the files of a folder in name order, a glob, or `-` for standard input.
    ///
    /// # Errors
    /// Where there is nothing to read.
    pub fn at(input: &str) -> Result<Self, InputError> {
        Ok(Self::of(resolve(input)?).found_by(input))
    }

    /// As [`Files::at`] and [`Files::follow`]; a folder may still be empty, and a glob without
    /// a match.
    ///
    /// # Errors
    /// Where there is no such file or folder.
    pub fn following(input: &str) -> Result<Self, InputError> {
        let sources = match resolve(input) {
            Err(InputError::EmptyFolder { .. } | InputError::NoMatch { .. }) => Vec::new(),
            found => found?,
        };
        Ok(Self::of(sources).found_by(input).follow())
    }

    fn found_by(mut self, input: &str) -> Self {
        self.input = Some(input.into());
        self
    }

    /// These sources, in this order.
    #[must_use]
    pub fn of(sources: Vec<Source>) -> Self {
        Self {
            sources: sources.into(),
            input: None,
            format: None,
            delimiter: None,
            encoding: None,
            columns: None,
            fields: Arc::default(),
            optional: Arc::default(),
            watch: FieldWatch::default(),
            time: None,
            lateness: Duration::ZERO,
            idle_after: None,
            firsts: None,
            end: AtEnd::Ends,
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

    /// The encoding of all sources; UTF-8 where none is said. It changes what is read.
    ///
    /// Of a CSV row or a line of JSON only the fields that are asked for must be of the encoding:
    /// a record with another one goes to the dead letters, by the name of the field and the byte.
    #[must_use]
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = Some(encoding);
        self
    }

    /// The columns of each line of text, by which it has fields. A line that does not match goes to
    /// the dead letters.
    #[must_use]
    pub fn columns(mut self, columns: Columns) -> Self {
        self.columns = Some(columns);
        self
    }

    /// The fields that are going to be read: a CSV file that lacks one is refused at the
    /// start, instead of each of its rows. Of other formats it is told where no record has one
    /// ([`Files::field_watch`]).
    #[must_use]
    pub fn fields(mut self, fields: impl IntoIterator<Item = FieldSelector>) -> Self {
        self.fields = fields.into_iter().collect();
        self.watched()
    }

    /// Further fields that are going to be read, which a CSV file may lack: where no file has
    /// one, that is refused at the start if all are CSV, and else told.
    #[must_use]
    pub fn optional_fields(mut self, fields: impl IntoIterator<Item = FieldSelector>) -> Self {
        self.optional = fields.into_iter().collect();
        self.watched()
    }

    /// All fields are watched anew.
    fn watched(mut self) -> Self {
        let time = self.time.as_ref().and_then(EventTime::selector);
        let fields = self.fields.iter().chain(&*self.optional).chain(time);
        self.watch = FieldWatch::over(fields.cloned());
        self
    }

    /// Says which of the fields no record has had so far; shared by all clones. It is logged
    /// after the first 1,000 records, or at the end of the input where that comes before.
    #[must_use]
    pub fn field_watch(&self) -> FieldWatch {
        self.watch.clone()
    }

    /// Reads each record's time from a field: the topology runs by event time. A record
    /// whose time cannot be read goes to the dead letters.
    #[must_use]
    pub fn event_time(mut self, field: &str, format: TimeFormat) -> Self {
        self.time = Some(EventTime::field(FieldSelector::named(field), format));
        self.watched()
    }

    /// Reads each record's time by a function, where no field has all of it: the topology runs by
    /// event time. A record for which it fails goes to the dead letters.
    ///
    /// ```
    /// use squall::connectors::Files;
    /// use squall::connectors::files::TimeFormat;
    /// use squall::testing::{Collected, TopologyTest};
    /// use squall::{BoxError, Timestamp, Topology, Tuple};
    ///
    /// #[derive(Tuple, Clone, Debug)]
    /// struct Line {
    ///     at: i64,
    /// }
    ///
    /// // The day is in the file's name, and the minute in the line: `[01:30] <ann> hi`.
    /// let folder = std::env::temp_dir().join(format!("squall-chat-{}", std::process::id()));
    /// std::fs::create_dir_all(&folder)?;
    /// std::fs::write(folder.join("1970-01-02.log"), "[01:30] <ann> hi\n[hm\n")?;
    ///
    /// let files = Files::at(folder.to_str().unwrap())?.event_time_by(|record| {
    ///     let name = record.source().rsplit('/').next().unwrap_or_default();
    ///     let minute = record.text().get(1..6).ok_or("the line is too short for a time")?;
    ///     let time = format!("{}T{minute}:00Z", name.trim_end_matches(".log"));
    ///     Ok(Timestamp::from_millis(TimeFormat::Rfc3339.parse(&time)?))
    /// });
    /// let topology = Topology::named("chat");
    /// let lines = topology.spout("lines", move || {
    ///     files.decode::<Line, _>(|_, out| {
    ///         out.emit(Line { at: out.time().millis() });
    ///         Ok(())
    ///     })
    /// });
    /// let lines = Collected::of(&topology, "collected", &lines);
    /// let summary = TopologyTest::new(topology).run()?;
    ///
    /// assert_eq!(lines.take()[0].at, (24 + 1) * 3_600_000 + 30 * 60_000);
    /// assert_eq!(summary.stats.dead_letters(), 1);
    /// std::fs::remove_dir_all(folder)?;
    /// # Ok::<(), BoxError>(())
    /// ```
    #[must_use]
    pub fn event_time_by(
        mut self,
        time: impl Fn(&Record) -> Result<Timestamp> + Send + Sync + 'static,
    ) -> Self {
        self.time = Some(EventTime::made(time));
        self.watched()
    }

    /// How much older a record may be than the newest record before it in its file; an older one is
    /// late.
    #[must_use]
    pub fn lateness(mut self, lateness: Duration) -> Self {
        self.lateness = lateness;
        self
    }

    /// Leaves a stream (standard input, a pipe), or a file that is [followed](Files::follow),
    /// that has been silent for this long out of the watermark until its next record; by
    /// default it holds the watermark.
    #[must_use]
    pub fn idle_after(mut self, silence: Duration) -> Self {
        self.idle_after = Some(silence);
        self
    }

    /// Follows files that grow: at the end of a file more is waited for, looked for ten times a
    /// second, and the run ends only when it is stopped. New files of a folder or glob are
    /// picked up as they appear; each file is read by the task that the hash of its first lines
    /// gives. A file is read as far as it is there, then it is the next one's turn.
    ///
    /// - A file is taken in when its first record is whole, of CSV with the header. A line is read
    ///   when its line end is there, a CSV row when its quotes are closed too.
    /// - A gzip file may be copied in slowly, and may grow by members. The last line of one that
    ///   ends with a whole member is read without a line end after about a second.
    /// - A file that is renamed goes on under its new name, and what appears under its old name is
    ///   a new file: a log that is rotated loses no line. Its rest is also looked for, and
    ///   followed, in the same folder under names that the input does not match.
    /// - A file that becomes shorter, or of which what was read has changed, was rotated by copying
    ///   and emptying it: what is in it now is new. Its rest is read from the copy, if that is in
    ///   the same folder and not older; without one a warning says up to where the file was read.
    ///   A log that begins with just what was read of the old one cannot be told from it.
    /// - A file that holds what was read of another one is held back for about a second, and read
    ///   as a file of its own, with a warning, if the other one is still there then.
    /// - A file that is gone is left out until it is there again.
    /// - By event time a file at its end holds the watermark back, for its next record may
    ///   come at any time; see [`Files::idle_after`].
    ///
    /// ```
    /// use squall::connectors::Files;
    /// use squall::testing::{Collected, TopologyTest};
    /// use squall::{RunOptions, Topology, Word, secs};
    ///
    /// let path = std::env::temp_dir().join(format!("squall-follow-{}", std::process::id()));
    /// std::fs::write(&path, "whole\nunfin")?;
    /// let files = Files::at(path.to_str().unwrap())?.follow();
    /// let topology = Topology::named("follow");
    /// let lines = topology.spout("lines", move || {
    ///     files.decode::<Word, _>(|record, out| {
    ///         out.emit(Word { word: record.text().into() });
    ///         Ok(())
    ///     })
    /// });
    /// let collected = Collected::of(&topology, "collected", &lines);
    /// let options = RunOptions { run_for: Some(secs(1)), ..RunOptions::default() };
    /// let summary = TopologyTest::new(topology).options(options).run()?;
    /// assert!(!summary.input_ended);
    /// assert_eq!(collected.take(), [Word { word: "whole".into() }]);
    /// std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn follow(mut self) -> Self {
        self.end = AtEnd::Waits;
        self
    }

    /// Reads to the end of the files and leaves windows open there, so that a later run with
    /// the same data directory goes on with what was appended meanwhile: the spout says
    /// [`Next::Pause`](crate::Next::Pause) in the end. A last line without a line end is left
    /// to that run.
    ///
    /// By event time the file whose latest record is the oldest says which windows are open:
    /// more of it may come.
    #[must_use]
    pub fn keep_open(mut self) -> Self {
        self.end = AtEnd::Pauses;
        self
    }

    /// Looks at the first records of every file: whether they can be read, have the
    /// fields, and have times of the format given. Also notes where each file begins in
    /// time. Streams are looked at when their first records come.
    ///
    /// # Errors
    /// The first thing that would make the run fail or do nothing.
    pub fn check(mut self) -> Result<Self, ProbeError> {
        let firsts = self.probe(&self.sources, Some(&self.watch))?;
        self.firsts = Some(firsts.into());
        Ok(self)
    }

    /// With `watch` these are all sources.
    pub(super) fn probe(
        &self,
        sources: &[Source],
        watch: Option<&FieldWatch>,
    ) -> Result<Vec<Option<i64>>, ProbeError> {
        probe(&Probe {
            sources,
            format: self.format,
            delimiter: self.delimiter,
            encoding: self.encoding,
            columns: self.columns.as_ref(),
            fields: &self.fields,
            watch,
            time: self.time.as_ref(),
            growing: self.end == AtEnd::Waits,
        })
    }

    /// Whether the input is one file, and not a folder or a glob.
    pub(super) fn is_one_file(&self) -> bool {
        self.input.as_deref().is_some_and(|input| {
            let path = std::path::Path::new(input);
            path.is_file() || !(path.is_dir() || input.contains(['*', '?', '[']))
        })
    }

    /// How many lines make the beginning of a file by which it is known: with the first of them
    /// alone all files of rows would be alike.
    pub(super) fn lines_of_beginning(&self, name: &str) -> usize {
        match self.format_of(name) {
            Format::Csv => 2,
            Format::Text | Format::NdJson => 1,
        }
    }

    /// The format of a file of this name.
    pub(super) fn format_of(&self, name: &str) -> Format {
        self.format.unwrap_or_else(|| Format::from_name(name))
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
}

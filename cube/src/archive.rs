//! The raw events beside the cube: gzip files of lines, one for each segment.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use squall::{Bolt, Context, Epoch, Out, Result, States, Table, Timestamp, Value};

use crate::event::Event;
use crate::granularity::Granularity;

/// The component that keeps how much is archived.
pub(crate) const ARCHIVE: &str = "archive";

/// How much of an archive's file is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archived {
    /// When the segment ends, in milliseconds since 1970.
    pub end: i64,
    /// Where in the file it begins: what lies before that was there already.
    pub start: u64,
    /// Where it ends, in bytes; what lies behind that belongs to nothing.
    pub bytes: u64,
    /// The events in them.
    pub events: u64,
}

/// The file that says whose archive a directory is.
const OWNER: &str = "cube";

/// What waits to be written at once, before it is compressed.
const MOST_WAITING: usize = 32 << 20;

/// Appends raw events to a directory, to be rolled up in another way later; one task.
///
/// Each segment has a file of lines of JSON, compressed by gzip: each commit appends a member
/// to each file that has got events, so `zcat` reads a file as a whole. What a crash has left
/// behind the last commit is cut off when the run goes on: every event is in the archive once. Only
/// what was in a file before its first commit stays there, since nothing says whose it is; it is
/// not [counted](Archived::start).
///
/// It takes the [raw](Event::raw) part of events; those that have none are passed over.
pub struct Archive {
    dir: PathBuf,
    segment: Granularity,
    owner: String,
    lengths: Table<i64, Archived>,
    /// Where it is, as those who look for it need it.
    directory: Value<String>,
    /// Whether the cube has had it from its beginning.
    complete: Value<bool>,
    waiting: BTreeMap<i64, Waiting>,
    /// Bytes of the lines that wait.
    bytes: usize,
    context: Option<Context>,
}

#[derive(Default)]
struct Waiting {
    end: i64,
    lines: Vec<u8>,
    events: u64,
}

/// Why an archive cannot be gone on with or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file has less than what was committed.
    #[error(
        "the archive `{path}` was written up to byte {stored}, and now it has only {found}: restore it, \
         or begin anew with other directories"
    )]
    Shorter {
        /// The file.
        path: String,
        /// The bytes that were committed.
        stored: u64,
        /// The bytes that it has.
        found: u64,
    },
    /// Somebody else's events are in it.
    #[error("`{path}` has the archive of `{owner}`: give each cube a directory of its own")]
    OfAnother {
        /// The directory.
        path: String,
        /// Whose archive it is.
        owner: String,
    },
    /// The operating system refuses.
    #[error("cannot {doing} the archive `{path}`")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file or directory.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.display().to_string();
    move |source| ArchiveError::Io {
        doing,
        path,
        source,
    }
}

impl Archive {
    /// An archive in this directory, which is made where there is none, with a file for each
    /// segment of this granularity.
    ///
    /// `owner` says whose it is, and is the same in each run: the path of the cube. An archive of
    /// another owner is refused.
    pub fn at(dir: impl Into<PathBuf>, segment: Granularity, owner: impl Into<String>) -> Self {
        Self {
            dir: dir.into(),
            segment,
            owner: owner.into(),
            lengths: Table::new(),
            directory: Value::default(),
            complete: Value::default(),
            waiting: BTreeMap::new(),
            bytes: 0,
            context: None,
        }
    }

    /// Where the events of a segment are, which begins at this time.
    #[must_use]
    pub fn file(dir: &Path, segment: i64) -> PathBuf {
        let start = match segment {
            i64::MIN => "all".to_owned(),
            start => Timestamp::from_millis(start).to_string().replace(':', ""),
        };
        dir.join(format!("{start}.ndjson.gz"))
    }

    /// Reads the lines of a segment, as far as they are committed.
    ///
    /// # Errors
    /// Where the file is missing or shorter than that.
    pub fn lines(
        dir: &Path,
        segment: i64,
        archived: Archived,
    ) -> Result<impl Read + Send + use<>, ArchiveError> {
        let path = Self::file(dir, segment);
        let mut file = File::open(&path).map_err(failed("read", &path))?;
        long_enough(&path, &file, archived.bytes)?;
        let start = file.seek(SeekFrom::Start(archived.start));
        start.map_err(failed("read", &path))?;
        let length = archived.bytes.saturating_sub(archived.start);
        let committed = BufReader::new(file.take(length));
        Ok(MultiGzDecoder::new(committed))
    }

    /// Notes in the directory whose archive it is; several would cut off each other's events.
    fn own(&self) -> Result<(), ArchiveError> {
        let path = self.dir.join(OWNER);
        match std::fs::read_to_string(&path) {
            Ok(owner) if owner == self.owner => Ok(()),
            Ok(owner) => Err(ArchiveError::OfAnother {
                path: self.dir.display().to_string(),
                owner,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                std::fs::write(&path, &self.owner).map_err(failed("write", &path))
            }
            Err(error) => Err(failed("read", &path)(error)),
        }
    }

    /// Appends what waits to the files. It counts from the next commit on.
    fn write(&mut self) -> Result<(), ArchiveError> {
        for (segment, waiting) in std::mem::take(&mut self.waiting) {
            let path = Self::file(&self.dir, segment);
            let archived = self.lengths.entry(&segment);
            if archived.bytes == 0 {
                // What was there before is left alone, whosever it is.
                let about = path.metadata();
                archived.start = about.map_or(0, |about| about.len());
                archived.bytes = archived.start;
            }
            archived.end = archived.end.max(waiting.end);
            let done = append(&path, archived.bytes, &waiting.lines);
            archived.bytes = done.map_err(failed("write", &path))?;
            archived.events += waiting.events;
        }
        self.bytes = 0;
        sync_dir(&self.dir).map_err(failed("write", &self.dir))
    }
}

/// Appends a member at this position; gives the length of the file.
fn append(path: &Path, at: u64, lines: &[u8]) -> io::Result<u64> {
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    file.set_len(at)?;
    file.seek(SeekFrom::Start(at))?;
    let mut member = GzEncoder::new(file, Compression::default());
    member.write_all(lines)?;
    let mut file = member.finish()?;
    file.sync_all()?;
    file.stream_position()
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

fn long_enough(path: &Path, file: &File, stored: u64) -> Result<(), ArchiveError> {
    let found = file.metadata().map_err(failed("read", path))?.len();
    if found < stored {
        return Err(ArchiveError::Shorter {
            path: path.display().to_string(),
            stored,
            found,
        });
    }
    Ok(())
}

impl Bolt for Archive {
    type Input = Event;
    type Output = ();

    fn prepare(&mut self, context: &Context) -> Result {
        std::fs::create_dir_all(&self.dir).map_err(failed("make", &self.dir))?;
        self.own()?;
        if context.resumed_from.is_none() {
            *self.complete = true;
        }
        for (segment, archived) in self.lengths.iter() {
            let path = Self::file(&self.dir, *segment);
            let file = File::options().write(true).open(&path);
            let file = file.map_err(failed("go on with", &path))?;
            long_enough(&path, &file, archived.bytes)?;
        }
        let dir = std::path::absolute(&self.dir).map_err(failed("find", &self.dir))?;
        let dir = dir.display().to_string();
        if *self.directory != dir {
            *self.directory = dir;
        }
        self.context = Some(context.clone());
        Ok(())
    }

    fn execute(&mut self, event: &Event, _: &mut Out<()>) -> Result {
        let Some(line) = &event.raw else {
            return Ok(());
        };
        let segment = self.segment.bucket(event.time.millis());
        let waiting = self.waiting.entry(segment.start).or_default();
        waiting.end = segment.end;
        waiting.lines.extend_from_slice(line.as_bytes());
        waiting.lines.push(b'\n');
        waiting.events += 1;
        self.bytes += line.len() + 1;
        if self.bytes >= MOST_WAITING {
            // An error here must not become a dead letter: the event would be lost.
            self.write().map_err(squall::Fatal::new)?;
        }
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &Epoch, _: &mut Out<()>) -> Result {
        if (epoch.commit || epoch.last) && !self.waiting.is_empty() {
            self.write()?;
            if let Some(context) = &self.context {
                context.fault_point("archive.written")?;
            }
        }
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("lengths", &mut self.lengths);
        states.keep("directory", &mut self.directory);
        states.keep("complete", &mut self.complete);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use squall::testing::{Events, Fault, Faults, TopologyTest};
    use squall::{DataDir, Restarts, RunOptions, Topology, millis};

    use super::*;

    fn archived(dir: &Path, segments: &[i64]) -> BTreeMap<i64, String> {
        let read = |segment: &i64| {
            let mut text = String::new();
            let path = Archive::file(dir, *segment);
            let file = BufReader::new(File::open(path).unwrap());
            MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
            (*segment, text)
        };
        segments.iter().map(read).collect()
    }

    /// Runs events through an archive that fails at its second write in one of three ways.
    fn once_over(fault: Fault) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("archive");
        let event = |number: i64| Event {
            time: Timestamp::from_millis(number % 3 * 86_400_000 + number),
            names: Arc::from([]),
            dimensions: Box::default(),
            inputs: Box::default(),
            raw: Some(format!("{{\"number\":{number}}}").into()),
        };
        let events: Vec<_> = (0..2_000).map(event).collect();
        let read = Events::now(events.clone());
        let topology = Topology::named("archive");
        let spout = topology.spout("events", move || read.clone());
        let target = dir.clone();
        let archive = topology.bolt("archive", move || {
            Archive::at(&target, "day".parse().unwrap(), "a cube")
        });
        let _ = archive.global_grouping(&spout);
        let faults = Faults::none().at("archive.written", 2, fault);
        let options = RunOptions {
            data_dir: Some(DataDir::in_memory().unwrap()),
            commit: millis(1),
            epoch: millis(1),
            batch_tuples: 16,
            faults: faults.clone(),
            restarts: Restarts {
                first_pause: millis(1),
                longest_pause: millis(1),
                ..Restarts::default()
            },
            ..RunOptions::default()
        };
        let run = TopologyTest::new(topology).options(options).run();
        assert!(run.is_ok(), "{run:?}");
        assert_eq!(faults.left(), 0, "the fault was met");
        let wanted = events.iter().fold(BTreeMap::new(), |mut texts, event| {
            let day = event.time.millis() / 86_400_000 * 86_400_000;
            let text: &mut String = texts.entry(day).or_default();
            text.push_str(event.raw.as_deref().unwrap());
            text.push('\n');
            texts
        });
        let segments: Vec<_> = wanted.keys().copied().collect();
        assert_eq!(archived(&dir, &segments), wanted);
    }

    #[test]
    fn each_event_is_archived_once_over_a_failure() {
        for fault in [Fault::Error, Fault::Panic, Fault::Kill] {
            once_over(fault);
        }
    }

    #[test]
    fn a_file_that_lost_what_was_committed_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = Archive::at(folder.path(), "day".parse().unwrap(), "a cube");
        let path = Archive::file(folder.path(), 0);
        append(&path, 0, b"{}\n").unwrap();
        let bytes = path.metadata().unwrap().len() + 1;
        let archived = Archived {
            end: 86_400_000,
            start: 0,
            bytes,
            events: 1,
        };
        archive.lengths.insert(0, archived);
        let lines = Archive::lines(folder.path(), 0, archived);
        let error = lines.err().unwrap().to_string();
        assert!(error.contains("1970-01-01T000000Z.ndjson.gz"), "{error}");
        assert!(error.contains(&format!("up to byte {bytes}")), "{error}");
    }

    #[test]
    fn the_archive_of_another_cube_is_refused_and_what_is_unknown_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let day = || "day".parse().unwrap();
        let mut mine = Archive::at(folder.path(), day(), "one");
        mine.own().unwrap();
        mine.own().unwrap();
        let error = Archive::at(folder.path(), day(), "two").own().unwrap_err();
        assert!(
            error.to_string().contains("the archive of `one`"),
            "{error}"
        );

        let path = Archive::file(folder.path(), 0);
        append(&path, 0, b"{\"old\":1}\n").unwrap();
        let waiting = Waiting {
            end: 86_400_000,
            lines: b"{\"new\":2}\n".to_vec(),
            events: 1,
        };
        mine.waiting.insert(0, waiting);
        mine.write().unwrap();
        let text = |archived| {
            let mut text = String::new();
            let mut lines = Archive::lines(folder.path(), 0, archived).unwrap();
            lines.read_to_string(&mut text).unwrap();
            text
        };
        let archived = *mine.lengths.get(&0).unwrap();
        assert_eq!(text(archived), "{\"new\":2}\n");
        let all = Archived {
            start: 0,
            ..archived
        };
        assert_eq!(text(all), "{\"old\":1}\n{\"new\":2}\n");
    }
}

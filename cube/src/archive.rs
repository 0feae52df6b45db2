//! The raw events beside the cube: gzip files of lines, one for each segment.

mod begun;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use squall::{
    Bolt, Context, Epoch, Out, Result, States, Table, Timestamp, Value, error::Transient, private,
};

use begun::Begun;

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

impl Archived {
    /// Looks whether the file of a segment has all of its events; so many were found.
    pub(crate) fn holds(&self, dir: &Path, segment: i64, found: u64) -> Result<(), ArchiveError> {
        if found >= self.events {
            return Ok(());
        }
        Err(ArchiveError::Fewer {
            path: Archive::file(dir, segment).display().to_string(),
            stored: self.events,
            found,
        })
    }
}

/// The file that says whose archive a directory is.
const OWNER: &str = "cube";

/// What is read at once to be looked at.
const READ_BYTES: usize = 256 * 1024;

/// What waits to be written at once, before it is compressed.
const MAX_WAITING: usize = 32 << 20;

/// Appends raw events to a directory, to be rolled up in another way later; one task.
///
/// Each segment has a file of lines of JSON, compressed by gzip: each commit appends a member
/// to each file that has got events, so `zcat` reads a file as a whole. What a crash or a full disk
/// has left behind the last commit is cut off when the run goes on, also of a file that no commit
/// has counted yet: every event is in the archive once. What was in a file before the cube wrote to
/// it stays there, whosever it is; it is not [counted](Archived::start).
///
/// Events wait in memory until they are written and synced. Where that fails the run is restored
/// from its last commit, and takes them again.
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
    /// The files that no commit counts yet.
    begun: Begun,
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
        "the archive `{path}` was written up to byte {stored}, and now it has only {found}: \
         restore it, or start again with other directories"
    )]
    Shorter {
        /// The file.
        path: String,
        /// The bytes that were committed.
        stored: u64,
        /// The bytes that it has.
        found: u64,
    },
    /// A file has fewer events than were committed.
    #[error(
        "the archive `{path}` was written with {stored} events, and now it has {found}: restore it"
    )]
    Fewer {
        /// The file.
        path: String,
        /// The events that were committed.
        stored: u64,
        /// The events that it has.
        found: u64,
    },
    /// What was archived is not where the archive is said to be.
    #[error(
        "the archive was written in `{stored}`, but `{found}` does not have its file `{path}`. \
         Give the old directory, or move its files to the new one; or give another data directory"
    )]
    Elsewhere {
        /// Where it was written.
        stored: String,
        /// Where it is said to be.
        found: String,
        /// The first file that is not there.
        path: String,
    },
    /// Somebody else's events are in it.
    #[error("`{path}` is the archive of `{owner}`: give each cube its own directory")]
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
            begun: Begun::default(),
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
        let mut file = private::open_to_read(&path).map_err(failed("read", &path))?;
        long_enough(&path, &file, archived.bytes)?;
        let start = file.seek(SeekFrom::Start(archived.start));
        start.map_err(failed("read", &path))?;
        let length = archived.bytes.saturating_sub(archived.start);
        let committed = BufReader::new(file.take(length));
        Ok(MultiGzDecoder::new(committed))
    }

    /// Reads all that is committed of a segment, and compares it with the checksums of its members
    /// and the number of its events.
    pub(crate) fn verify(dir: &Path, segment: i64, archived: Archived) -> Result<(), ArchiveError> {
        let path = Self::file(dir, segment);
        let mut lines = Self::lines(dir, segment, archived)?;
        let mut buffer = vec![0; READ_BYTES];
        let mut found = 0;
        loop {
            match lines.read(&mut buffer) {
                Ok(0) => return archived.holds(dir, segment, found),
                Ok(read) => {
                    let ends = buffer[..read].iter().filter(|byte| **byte == b'\n');
                    found += ends.count() as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed("read", &path)(error)),
            }
        }
    }

    /// Makes the directory, for this user alone. One that is there and has files of others may be
    /// meant for others too: it stays as it is, and only the archive's own files are closed.
    fn make_dir(&self) -> io::Result<()> {
        let mut there = match std::fs::read_dir(&self.dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return private::make_dir(&self.dir).map(drop);
            }
            there => there?,
        };
        if there.next().is_none() || private::is_file(&self.dir.join(OWNER))? {
            return private::take_dir(&self.dir);
        }
        Ok(())
    }

    /// Notes in the directory whose archive it is; several would cut off each other's events.
    fn own(&self) -> Result<(), ArchiveError> {
        let path = self.dir.join(OWNER);
        match private::open_to_read(&path).and_then(io::read_to_string) {
            Ok(owner) if owner == self.owner => return Ok(()),
            // A crash or a full disk has left the file without what was to be in it.
            Ok(owner) if owner.is_empty() => {}
            Ok(owner) => {
                return Err(ArchiveError::OfAnother {
                    path: self.dir.display().to_string(),
                    owner,
                });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read", &path)(error)),
        }
        replace(&path, self.owner.as_bytes()).map_err(failed("write", &path))
    }

    /// Cuts off what no commit has counted, and looks whether all else is there.
    fn recover(&self) -> Result<(), ArchiveError> {
        for (segment, start) in self.begun.uncounted() {
            if self.lengths.get(&segment).is_none() {
                let path = Self::file(&self.dir, segment);
                cut(&path, start).map_err(failed("go on with", &path))?;
            }
        }
        for (segment, archived) in self.lengths.iter() {
            let path = Self::file(&self.dir, *segment);
            let file = match private::open(File::options().write(true), &path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound && self.is_elsewhere()? => {
                    return Err(ArchiveError::Elsewhere {
                        stored: self.directory.clone(),
                        found: self.dir.display().to_string(),
                        path: path.display().to_string(),
                    });
                }
                opened => opened.map_err(failed("go on with", &path))?,
            };
            long_enough(&path, &file, archived.bytes)?;
            cut(&path, archived.bytes).map_err(failed("go on with", &path))?;
        }
        Ok(())
    }

    /// Whether the directory is another one than what was archived was written in.
    fn is_elsewhere(&self) -> Result<bool, ArchiveError> {
        let dir = std::path::absolute(&self.dir).map_err(failed("find", &self.dir))?;
        Ok(*self.directory != dir.display().to_string())
    }

    /// Appends what waits to the files. It counts from the next commit on. Where that fails all of
    /// it goes on waiting, and may be written again.
    fn write(&mut self) -> Result<(), ArchiveError> {
        let mut lengths = Vec::new();
        for (segment, waiting) in &self.waiting {
            let known = self.lengths.get(segment).copied();
            let archived = known.map_or_else(
                || {
                    // What was there before is left alone, whosever it is.
                    let path = Self::file(&self.dir, *segment);
                    let start = length(&path).map_err(failed("read", &path))?;
                    let start = self.begun.note(*segment, start);
                    Ok(Archived {
                        start,
                        bytes: start,
                        ..Archived::default()
                    })
                },
                Ok,
            )?;
            let end = archived.end.max(waiting.end);
            lengths.push((*segment, Archived { end, ..archived }));
        }
        // Before the first byte of a new file, or nothing says that it is to be cut off.
        self.begun
            .write(&self.dir)
            .map_err(failed("write", &self.dir))?;
        for ((segment, archived), waiting) in lengths.iter_mut().zip(self.waiting.values()) {
            let path = Self::file(&self.dir, *segment);
            let done = append(&path, archived.bytes, &waiting.lines);
            archived.bytes = done.map_err(failed("write", &path))?;
            archived.events += waiting.events;
        }
        sync_dir(&self.dir).map_err(failed("write", &self.dir))?;
        for (segment, archived) in lengths {
            self.lengths.insert(segment, archived);
        }
        self.waiting.clear();
        self.bytes = 0;
        Ok(())
    }
}

/// The length of a file; 0 where there is none.
fn length(path: &Path) -> io::Result<u64> {
    match path.metadata() {
        Ok(about) => Ok(about.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Cuts off what a file has behind this length.
fn cut(path: &Path, at: u64) -> io::Result<()> {
    if length(path)? <= at {
        return Ok(());
    }
    let file = private::open(File::options().write(true), path)?;
    file.set_len(at)?;
    file.sync_all()
}

/// Appends a member at this position; gives the length of the file. Where that fails the file is
/// as long as it was, as far as the disk allows it.
fn append(path: &Path, at: u64, lines: &[u8]) -> io::Result<u64> {
    let mut file = private::open_or_make(path)?;
    let written = write_member(&mut file, at, lines);
    if written.is_err() {
        // Part of a member makes the whole file unreadable for others. The next run cuts it off
        // where it cannot be done now.
        let _ = file.set_len(at);
    }
    written
}

fn write_member(file: &mut File, at: u64, lines: &[u8]) -> io::Result<u64> {
    file.set_len(at)?;
    file.seek(SeekFrom::Start(at))?;
    let mut member = GzEncoder::new(&mut *file, Compression::default());
    member.write_all(lines)?;
    member.finish()?;
    file.sync_all()?;
    file.stream_position()
}

/// Replaces a file as a whole: a crash or a full disk leaves the old one or the new one.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = Path::new(&unfinished);
    let written = private::create(unfinished).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(unfinished, path))?;
    sync_dir(path.parent().unwrap_or(path))
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
        self.make_dir().map_err(failed("make", &self.dir))?;
        self.own()?;
        if context.resumed_from.is_none() {
            *self.complete = true;
        }
        self.begun = Begun::read(&self.dir, context.life);
        self.recover()?;
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
        if self.bytes >= MAX_WAITING {
            // The event in hand is not at fault, and must not become a dead letter.
            self.write().map_err(Transient::new)?;
        }
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &Epoch, _: &mut Out<()>) -> Result {
        if epoch.commit && !epoch.last {
            // The commit before the last one may still be on its way.
            self.begun.committed();
        }
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

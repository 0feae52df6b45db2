//! How far a file was read, and whether it is still the file that was read.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::RecordReader;
use super::content::compare_unpacked;
use super::fingerprint::{FileId, Fingerprint, Holds, LOOKED_AT_BYTES, Stamp, is_gzip};
use super::input::if_there;
use super::members::MemberStart;
use super::read_as::ReadAs;
use super::trail::Trail;
use crate::error::Result;
use crate::text::Shown;

/// How far a file was read; stored under its [`place`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FilePosition {
    /// The bytes before the next record, after unpacking.
    pub(super) offset: u64,
    /// The line in which it begins, from 1.
    pub(super) line: u64,
    /// It is gzip and was read to its end.
    pub(super) ended: bool,
    /// What was read of it, unpacked.
    pub(super) text: Fingerprint,
    /// Of gzip, once it was read from this file.
    pub(super) packed: Option<Packed>,
    pub(super) id: Option<FileId>,
    /// When it was last written, as it was when the position was noted.
    pub(super) modified: Option<SystemTime>,
    /// How long the file was at that time.
    pub(super) length: u64,
    /// In which format it was read.
    pub(super) read_as: Option<ReadAs>,
    /// The path under which it was found, where it has another name now.
    pub(super) origin: Option<String>,
    /// The name of the split with its times, where that is not its place.
    pub(super) split: Option<String>,
}

/// How far a gzip file was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Packed {
    /// Of the file as it is on disk, as far as it was unpacked.
    pub(super) file: Fingerprint,
    /// Where reading may go on.
    pub(super) member: MemberStart,
}

/// What a position is kept under: the path, and the [beginning](super::fingerprint::beginning),
/// for what was read before under the same path is another file.
pub(super) fn place(path: &str, beginning: u64) -> String {
    format!("{path} {beginning:016x}")
}

/// The path of a place.
pub(super) fn path_of(place: &str) -> &str {
    place.rsplit_once(' ').map_or(place, |(path, _)| path)
}

/// The beginning of a place; 0 where it was not whole.
pub(super) fn beginning_of(place: &str) -> u64 {
    let beginning = place.rsplit_once(' ').map(|(_, beginning)| beginning);
    beginning
        .and_then(|hex| u64::from_str_radix(hex, 16).ok())
        .unwrap_or(0)
}

/// Why a file cannot be read on from where it was left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PositionError {
    /// It is shorter than what was read of it.
    #[error(
        "`{}` was read up to byte {stored}, but now it has only {found}: {}",
        Shown(path),
        what_to_do(component)
    )]
    Shorter {
        /// The file.
        path: String,
        /// The bytes that were read.
        stored: u64,
        /// The bytes that it has.
        found: u64,
        /// The component that reads it.
        component: String,
    },
    /// What was read of it is not what stands there now.
    #[error(
        "`{}` was read up to byte {stored}, but the content before that has changed (the hashes \
         of its beginning and its end were {before}, and are {now}): {}",
        Shown(path),
        what_to_do(component)
    )]
    Changed {
        /// The file.
        path: String,
        /// The bytes that were read.
        stored: u64,
        /// The hashes of what was read.
        before: String,
        /// The hashes of what is there.
        now: String,
        /// The component that reads it.
        component: String,
    },
    /// It is a stream.
    #[error(
        "{} is a stream, which cannot be read again after a crash, so a run with a data directory \
         refuses it: write it to a file and read (or follow) the file, or run without a data \
         directory",
        Shown(name)
    )]
    Stream {
        /// The input.
        name: String,
    },
    /// It cannot be looked at.
    #[error("cannot read `{}`", Shown(path))]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
}

fn what_to_do(component: &str) -> String {
    format!(
        "restore it; or follow it (a rotated log goes on, and the present file is read from its \
         beginning); or delete the state of `{component}` with `squall reset`, together with the \
         state of its readers, which would count everything twice"
    )
}

impl FilePosition {
    /// A position of a file, up to which a reader of it has come, by what was read: the file may
    /// hold something else by now.
    pub(super) fn of(file: &File, reader: &mut RecordReader, trail: &Trail, ended: bool) -> Self {
        let (offset, line) = reader.position();
        // What comes after the place where reading goes on is looked at as well.
        let reached = reader.unpacked(offset.saturating_sub(LOOKED_AT_BYTES));
        let (text, packed) = match reached {
            Some(reached) => {
                let file = trail.fingerprint(reached.packed);
                let member = reached.member;
                (reached.text, Some(Packed { file, member }))
            }
            None => (trail.fingerprint(offset), None),
        };
        let read = packed.map_or(text, |packed| packed.file);
        let Stamp {
            id,
            length,
            modified,
        } = stamp_while(file, &read).unwrap_or(UNKNOWN);
        Self {
            offset,
            line,
            ended: packed.is_some() && ended,
            text,
            packed,
            id,
            modified,
            length,
            read_as: None,
            origin: None,
            split: None,
        }
    }

    /// Whether all was read that was there when the position was noted.
    pub(super) fn is_of_all(&self) -> bool {
        self.is_at_end(self.length)
    }

    /// The file has moved from this place to where it was found.
    pub(super) fn move_from(
        &mut self,
        at: &str,
        id: Option<FileId>,
        open: impl FnOnce() -> Result<Option<Arc<File>>>,
    ) -> Result {
        self.origin.get_or_insert_with(|| path_of(at).to_owned());
        self.split.get_or_insert_with(|| at.to_owned());
        self.id = id;
        if let Some(packed) = self.packed
            && let Some(file) = open()?
            && packed.file.compare(&file)? != Holds::All
        {
            self.packed = None;
        }
        Ok(())
    }

    /// Whether there is nothing to read in a file of this length, unless it grows.
    pub(super) fn is_at_end(&self, length: u64) -> bool {
        match &self.packed {
            Some(packed) => self.ended && packed.file.length == length,
            None => self.offset == length,
        }
    }

    /// Whether a file that has the number of the one that was read, and another path, may be another
    /// one: numbers are given again. It was written later, and has nothing that was not read.
    pub(super) fn is_replaced_by(&self, file: &File, stamp: &Stamp) -> io::Result<bool> {
        let later = self.modified.is_some() && stamp.modified > self.modified;
        let packs = || Ok::<_, io::Error>(is_gzip(file)? != self.packed.is_some());
        Ok(later && (self.is_at_end(stamp.length) || packs()?))
    }

    /// Whether a file is the one that was read, by what is in it: under another name, packed
    /// since or unpacked, it is.
    pub(super) fn compare(&self, file: &Arc<File>) -> io::Result<Holds> {
        let as_it_was = match &self.packed {
            Some(packed) => packed.file.compare(file)?,
            None => self.text.compare(file)?,
        };
        if as_it_was == Holds::All {
            return Ok(Holds::All);
        }
        match (is_gzip(file)?, self.packed) {
            (true, Some(_)) if as_it_was == Holds::Less => Ok(Holds::Less),
            (true, _) => compare_unpacked(file, &self.text),
            (false, Some(_)) => self.text.compare(file),
            (false, None) => Ok(as_it_was),
        }
    }

    /// Makes sure that this is the file whose position it is.
    ///
    /// # Errors
    /// What is wrong with it, for the user of this component.
    pub(super) fn verify(
        &self,
        file: &Arc<File>,
        path: &Path,
        component: &str,
    ) -> Result<(), PositionError> {
        let name = || path.display().to_string();
        let unreadable = |source| PositionError::Unreadable {
            path: name(),
            source,
        };
        if self.compare(file).map_err(unreadable)? == Holds::All {
            return Ok(());
        }
        let before = self.packed.map_or(self.text, |packed| packed.file);
        let stored = before.length;
        let found = file.metadata().map_err(unreadable)?.len();
        if found < stored {
            return Err(PositionError::Shorter {
                path: name(),
                stored,
                found,
                component: component.to_owned(),
            });
        }
        let now = Fingerprint::of(file, stored).map_err(unreadable)?;
        Err(PositionError::Changed {
            path: name(),
            stored,
            before: before.hashes(),
            now: now.hashes(),
            component: component.to_owned(),
        })
    }
}

/// Of a file that holds something else than what was read: when that was written last, and how much
/// more there was of it, is not known.
const UNKNOWN: Stamp = Stamp {
    id: None,
    length: u64::MAX,
    modified: None,
};

/// What a file is while it holds what was read.
fn stamp_while(file: &File, read: &Fingerprint) -> Option<Stamp> {
    let stamp = Stamp::of(&file.metadata().ok()?);
    let holds = read.compare(file).ok()?;
    (holds == Holds::All).then_some(stamp)
}

/// What the file at a path is now; none where there is no file.
pub(super) fn stamp_of(path: &Path) -> io::Result<Option<Stamp>> {
    let metadata = if_there(std::fs::metadata(path))?;
    Ok(metadata.as_ref().map(Stamp::of))
}

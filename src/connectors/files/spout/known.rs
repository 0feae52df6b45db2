//! Which file is which: what was read is known by its content, whatever it is called.

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::super::Source;
use super::super::builder::Files;
use super::super::content::{beginning, is_part};
use super::super::decode::Decode;
use super::super::fingerprint::{FileId, Holds, Stamp};
use super::super::follow::{Found, beside, find, is_named_after, log_of};
use super::super::position::{FilePosition, beginning_of, path_of, stamp_of};
use super::FileSpout;
use crate::connectors::paths::one_spelling;
use crate::error::Result;
use crate::state::Table;
use crate::stream::Streams;

/// File systems round times to so much.
const CLOCK_STEP: Duration = Duration::from_secs(2);

/// A folder whose names are others at each look is listed so often to find a file in it.
const MAX_LISTS: u32 = 100;

/// What a file is that has been found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing of it was read.
    New,
    /// It was read under the same path, up to the position of this place.
    Same(String),
    /// It was read under another path, where it is not any more.
    Moved(String),
    /// It is, or may become, what was read up to the position of this place: a copy of a file that
    /// is still there, or a file that is written anew.
    Copy(String),
    /// It holds what was read up to the position of this place, of which the file is not there any
    /// more, and nothing else says that it is that one: it is read as a file of its own.
    Alike(String),
    /// It is not there any more as it was found, or another one is.
    Gone,
}

/// The places by what they say of files.
#[derive(Default)]
pub(super) struct Places {
    by_beginning: HashMap<u64, Vec<String>>,
    by_path: HashMap<String, Vec<String>>,
    by_id: HashMap<FileId, Vec<String>>,
}

impl Places {
    pub(super) fn of(positions: &Table<String, FilePosition>) -> Self {
        let mut places = Self::default();
        for (place, position) in positions.iter() {
            places.add(place, position);
        }
        places
    }

    /// A position has been put under this place. The place that it had before may stay: there is
    /// no position under that.
    pub(super) fn add(&mut self, place: &str, position: &FilePosition) {
        if let Some(id) = position.id {
            self.by_id.entry(id).or_default().push(place.to_owned());
        }
        let alike = self.by_beginning.entry(beginning_of(place)).or_default();
        alike.push(place.to_owned());
        let path = path_of(place).to_owned();
        self.by_path.entry(path).or_default().push(place.to_owned());
    }

    fn with(&self, beginning: u64) -> impl Iterator<Item = &String> {
        let whole = self.by_beginning.get(&beginning);
        let begun = self.by_beginning.get(&0).filter(|_| beginning != 0);
        whole.into_iter().chain(begun).flatten()
    }

    /// Those that the file may have by its path or its number.
    pub(super) fn same(&self, found: &Found) -> impl Iterator<Item = &String> {
        let by_id = found.stamp.id.and_then(|id| self.by_id.get(&id));
        self.at(&found.path)
            .iter()
            .chain(by_id.into_iter().flatten())
    }

    /// Those of files of which something was read at this path.
    pub(super) fn at(&self, path: &str) -> &[String] {
        self.by_path.get(path).map_or(&[], Vec::as_slice)
    }
}

/// What a file is, by what was read of others.
pub(super) fn verdict(
    files: &Files,
    found: &Found,
    positions: &Table<String, FilePosition>,
    places: &Places,
) -> Result<Verdict> {
    let Some(file) = &found.open()? else {
        return Ok(Verdict::Gone);
    };
    let lines = files.lines_of_beginning(&found.source.name());
    if beginning(file, lines)?.unwrap_or(0) != found.beginning {
        // It was emptied since.
        return Ok(Verdict::Gone);
    }
    let known = || {
        let places = places.with(found.beginning);
        places.filter_map(|place| Some((place, positions.get(place)?)))
    };
    let mut same: Option<(&String, u64)> = None;
    let mut copied: Option<(&String, u64)> = None;
    let at_path = places.at(&found.path).iter();
    let at_path = at_path.filter_map(|place| Some((place, positions.get(place)?)));
    for (place, position) in at_path {
        let further = same.is_none_or(|(_, offset)| position.offset > offset);
        match position.compare(file)? {
            Holds::All if further => same = Some((place, position.offset)),
            Holds::Less if [0, found.beginning].contains(&beginning_of(place)) => {
                copied = Some((place, position.text.length));
            }
            _ => {}
        }
    }
    // Of files of the same content the one that was moved here is the one that was moved here.
    let by_id = |(place, _): &(&String, u64)| {
        let position = positions.get(*place);
        position.is_some_and(|position| position.id == found.stamp.id)
    };
    if let Some((place, _)) = same.filter(by_id) {
        return Ok(Verdict::Same(place.clone()));
    }
    for place in places.same(found) {
        let Some(position) = positions.get(place) else {
            continue;
        };
        if path_of(place) != found.path
            && !position.is_replaced_by(file, &found.stamp)?
            && position.compare(file)? == Holds::All
        {
            return Ok(Verdict::Moved(place.clone()));
        }
    }
    if let Some((place, _)) = same {
        return Ok(Verdict::Same(place.clone()));
    }
    let mut alike = None;
    for (place, position) in known() {
        let length = position.text.length;
        let elsewhere = beginning_of(place) != 0 && path_of(place) != found.path;
        let older = found.stamp.is_older_than(position.modified, CLOCK_STEP);
        if length == 0 || !elsewhere || older {
            continue;
        }
        let holds = position.compare(file)?;
        if holds == Holds::Other {
            continue;
        }
        let there = still_there(place, position)?;
        match (holds, there) {
            (Holds::All, None) if is_moved(found, place, position) => {
                return Ok(Verdict::Moved(place.clone()));
            }
            (Holds::All, None) => {
                alike = Some(place);
                continue;
            }
            (Holds::Less, Some(of)) if is_part(file, &of)? == Some(false) => continue,
            _ => {}
        }
        if copied.is_none_or(|(_, longest)| length > longest) {
            copied = Some((place, length));
        }
    }
    Ok(match (copied, alike) {
        (Some((place, _)), _) => Verdict::Copy(place.clone()),
        (None, Some(place)) => Verdict::Alike(place.clone()),
        (None, None) => Verdict::New,
    })
}

/// Whether a file that holds what was read of another one, which is gone, is that one: a file
/// keeps its time when it is moved to another file system or packed, and its name is made from the
/// old one when it is rotated. Another file may well have the same content.
fn is_moved(found: &Found, place: &str, position: &FilePosition) -> bool {
    let unchanged = match (found.stamp.modified, position.modified) {
        (Some(now), Some(before)) => now == before || now == to_second(before),
        _ => false,
    };
    let path = Path::new(&found.path);
    let names = names_of(place, position.origin.as_deref());
    unchanged || names.iter().any(|name| is_named_after(path, name))
}

/// What gzip stores of a time, and some file systems.
fn to_second(time: SystemTime) -> SystemTime {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(time, |since| {
        SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs())
    })
}

/// The paths that the names of its rotated files are made from.
fn names_of<'a>(place: &'a str, origin: Option<&'a str>) -> [&'a str; 3] {
    let path = path_of(place);
    [path, origin.unwrap_or(path), log_of(path)]
}

/// The file that was read up to a position, where it still stands at its path.
pub(super) fn still_there(place: &str, position: &FilePosition) -> Result<Option<Arc<File>>> {
    let path = Path::new(path_of(place));
    if stamp_of(path)?.is_none() {
        return Ok(None);
    }
    let Ok(file) = File::open(path) else {
        return Ok(None);
    };
    let file = Arc::new(file);
    let there = position.compare(&file)? == Holds::All;
    Ok(there.then_some(file))
}

/// Looks in the folder of a file that does not stand at its path any more for where it is now:
/// the same file under another name, or else a file that holds what was read of it, which is not
/// older and is called after it, or is among these. Where nothing was read of it, it goes by its
/// beginning.
///
/// Names may change meanwhile, those of all rotated files one after the other: it is nowhere when
/// it is not found among names that have stayed as they were.
pub(super) fn find_moved(
    files: &Files,
    at: &str,
    id: Option<FileId>,
    positions: &Table<String, FilePosition>,
    copies: &[PathBuf],
) -> Result<Option<Found>> {
    let names = |listed: &[(PathBuf, Stamp)]| -> Vec<(PathBuf, Option<FileId>)> {
        let listed = listed.iter();
        listed
            .map(|(path, stamp)| (path.clone(), stamp.id))
            .collect()
    };
    let path = Path::new(path_of(at));
    let mut listed = beside(path);
    for _ in 0..MAX_LISTS {
        let found = find_among(&listed, files, at, id, positions, copies)?;
        if found.is_some() {
            return Ok(found);
        }
        let before = names(&listed);
        listed = beside(path);
        if names(&listed) == before {
            break;
        }
    }
    Ok(None)
}

/// Looks for a moved file among these of its folder.
fn find_among(
    listed: &[(PathBuf, Stamp)],
    files: &Files,
    at: &str,
    id: Option<FileId>,
    positions: &Table<String, FilePosition>,
    copies: &[PathBuf],
) -> Result<Option<Found>> {
    let position = positions.get(&at.to_owned());
    let path = path_of(at);
    let others = || listed.iter().filter(|(other, _)| other != Path::new(path));
    let id = position.and_then(|position| position.id).or(id);
    let same = |stamp: &Stamp| stamp.id.is_some() && stamp.id == id;
    for (other, stamp) in others().filter(|(_, stamp)| same(stamp)) {
        let Ok(file) = File::open(other) else {
            continue;
        };
        let file = Arc::new(file);
        let holds = if let Some(position) = position {
            !position.is_replaced_by(&file, stamp)? && position.compare(&file)? == Holds::All
        } else {
            let lines = files.lines_of_beginning(path);
            beginning(&file, lines)? == Some(beginning_of(at))
        };
        if holds {
            return Ok(Some(Found {
                source: Source::File(other.clone()),
                path: one_spelling(other),
                beginning: beginning_of(at),
                stamp: *stamp,
                looked_into: true,
            }));
        }
    }
    let (length, modified, origin) = match position {
        Some(position) => (
            position.text.length,
            position.modified,
            position.origin.as_deref(),
        ),
        None => (1, None, None),
    };
    if length == 0 {
        return Ok(None);
    }
    let names = names_of(at, origin);
    for (other, stamp) in others() {
        let named = names.iter().any(|name| is_named_after(other, name));
        if !(named || copies.contains(other)) || stamp.is_older_than(modified, CLOCK_STEP) {
            continue;
        }
        let Some(copy) = find(files, Source::File(other.clone()))? else {
            continue;
        };
        let Some(file) = &copy.open()? else { continue };
        let holds = match position {
            Some(position) => position.compare(file)? == Holds::All,
            None => true,
        };
        if copy.beginning != beginning_of(at) || !holds {
            continue;
        }
        let known = match positions.get(&copy.place()) {
            Some(known) => known.compare(file)? == Holds::All,
            None => false,
        };
        if !known {
            return Ok(Some(copy));
        }
    }
    Ok(None)
}

impl<S, D> FileSpout<S, D>
where
    S: Streams,
    D: Decode<S>,
{
    /// A file that has moved from a place, where it is this task that reads it on. All tasks have
    /// the position of a file whose beginning was not whole: its task is known by what it begins
    /// with now.
    pub(super) fn read_here(&self, at: &str, mut found: Found) -> Result<Option<Found>> {
        if beginning_of(at) != 0 {
            return Ok(Some(found));
        }
        let Some(file) = found.open()? else {
            return Ok(None);
        };
        for (place, position) in self.positions.iter() {
            let other = place != at && path_of(place) == found.path;
            if other && position.compare(&file)? == Holds::All {
                // Its beginning is whole, and it is read by that.
                return Ok(None);
            }
        }
        let position = self.positions.get(&at.to_owned());
        let name = position.and_then(|position| position.origin.as_deref());
        let lines = self.files.lines_of_beginning(name.unwrap_or(path_of(at)));
        let whole = beginning(&file, lines)?;
        found.beginning = whole.unwrap_or(0);
        let context = self.context()?;
        let mine = self.reader_of(found.beginning, context.parallelism) == context.task;
        // What the input matches is found when its beginning is whole.
        let waits = match &self.discovery {
            Some(discovery) if whole.is_none() => discovery.listed()?.contains(&found.path),
            _ => false,
        };
        Ok((mine && !waits).then_some(found))
    }

    /// Whether this task tells of a file that is lost: of several ones that have its position one.
    pub(super) fn tells_of(&self, at: &str) -> Result<bool> {
        let context = self.context()?;
        let first = self.reader_of(0, context.parallelism) == context.task;
        Ok(beginning_of(at) != 0 || first)
    }
}

//! What a task reads at the start of a run, and from where.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use super::super::builder::AtEnd;
use super::super::content::beginning;
use super::super::decode::Decode;
use super::super::fingerprint::{Holds, Stamp, is_gzip};
use super::super::follow::{Discovery, Found};
use super::super::position::{beginning_of, path_of};
use super::super::{InputError, Source};
use super::known::{Places, Verdict, find_moved, still_there, verdict};
use super::{FileSpout, owner, refuse_stream};
use crate::connectors::paths::one_spelling;
use crate::context::Context;
use crate::error::Result;
use crate::key::hash_bytes;
use crate::spout::SpoutOut;
use crate::stream::Streams;
use crate::time::Timestamp;

/// A source of the run, with what it is known by.
struct Listed {
    number: usize,
    /// The task that reads it.
    task: usize,
    found: Found,
    /// The place whose position it has.
    at: Option<String>,
}

impl<S, D> FileSpout<S, D>
where
    S: Streams,
    D: Decode<S>,
{
    /// The sources are dealt to the tasks in turn: they are all that there will be.
    pub(super) fn open_dealt(&mut self, context: &Context, out: &mut SpoutOut<S>) -> Result {
        let mut listed = self.listed(context)?;
        self.assign(&mut listed)?;
        // A file was rotated: who reads its path reads its rest.
        let rests = self.rests(&listed)?;
        let read = listed.iter().filter_map(|listed| {
            let at = listed.at.clone()?;
            Some((at, &listed.found))
        });
        let rotated = rests.iter().map(|(at, _, found)| (at.clone(), found));
        self.rename(read.chain(rotated).collect())?;
        let (task, tasks) = (context.task, context.parallelism);
        let files = listed.iter().filter(|listed| listed.found.looked_into);
        let files = files.map(|listed| (listed.found.place(), listed.task));
        let rotated = rests.iter().map(|(_, task, found)| (found.place(), *task));
        let readers: HashMap<String, usize> = files.chain(rotated).collect();
        for (_, reader, found) in rests {
            if reader == task {
                let place = found.place();
                let input = self.input(found.source, place, found.stamp.id, None, out)?;
                self.inputs.push_front(input);
            }
        }
        for listed in listed {
            if listed.task == task {
                self.take_in(listed, out)?;
            }
        }
        // Not before the names of the splits are known, of which each is there once.
        self.positions.retain(|at, _| {
            let reader = readers.get(at).copied();
            reader.unwrap_or_else(|| owner(beginning_of(at), tasks)) == task
        });
        Ok(())
    }

    /// Gives positions the places where their files are now. One may get the place that another
    /// one leaves, so that all are taken out first.
    fn rename(&mut self, moved: Vec<(String, &Found)>) -> Result {
        let mut renamed = Vec::new();
        for (at, found) in moved {
            let to = found.place();
            if at != to
                && let Some(mut position) = self.positions.remove(&at)
            {
                if path_of(&at) == found.path {
                    position.split.get_or_insert(at);
                } else {
                    tracing::debug!(
                        "`{}` was renamed, and is read on as `{}`",
                        path_of(&at),
                        found.path
                    );
                    position.move_from(&at, found.stamp.id, || Ok(found.open()?))?;
                }
                renamed.push((to, position));
            }
        }
        for (to, position) in renamed {
            self.positions.insert(to, position);
        }
        Ok(())
    }

    fn listed(&self, context: &Context) -> Result<Vec<Listed>> {
        let (mut paths, mut ids) = (HashSet::new(), HashSet::new());
        let mut listed = Vec::new();
        for (number, source) in self.files.sources.iter().enumerate() {
            refuse_stream(source, context.durable)?;
            let path = source.path().map_or(source.name(), one_spelling);
            let mut found = Found {
                source: source.clone(),
                path,
                beginning: 0,
                stamp: Stamp::default(),
                looked_into: false,
            };
            let file = source
                .path()
                .filter(|_| self.keeps_positions && !source.is_stream());
            if let Some(path) = file {
                let file = Arc::new(source.file()?);
                let unreadable = |source| InputError::Unreadable {
                    path: path.display().to_string(),
                    source,
                };
                found.stamp = Stamp::of(&file.metadata().map_err(unreadable)?);
                let twice = found.stamp.id.is_some_and(|id| !ids.insert(id));
                if twice || !paths.insert(found.path.clone()) {
                    continue;
                }
                let lines = self.files.lines_of_beginning(&source.name());
                found.beginning = beginning(&file, lines).map_err(unreadable)?.unwrap_or(0);
                found.looked_into = true;
            }
            let task = listed.len() % context.parallelism;
            listed.push(Listed {
                number,
                task,
                found,
                at: None,
            });
        }
        Ok(listed)
    }

    /// Gives the sources the positions that they have, each to one.
    fn assign(&mut self, listed: &mut [Listed]) -> Result {
        let task = self.context()?.task;
        if self.positions.is_empty() {
            return Ok(());
        }
        let places = Places::of(&self.positions);
        let mut given = HashSet::new();
        let (mut moved, mut alike) = (Vec::new(), Vec::new());
        for (number, listed) in listed.iter_mut().enumerate() {
            if !listed.found.looked_into {
                continue;
            }
            match verdict(&self.files, &listed.found, &self.positions, &places)? {
                Verdict::Same(at) => {
                    given.insert(at.clone());
                    listed.at = Some(at);
                }
                Verdict::Moved(at) => moved.push((number, at)),
                Verdict::Alike(of) => alike.push((number, of)),
                Verdict::New | Verdict::Copy(_) | Verdict::Gone => {}
            }
        }
        for (number, at) in moved {
            if given.insert(at.clone()) {
                let Listed {
                    task: reader,
                    found,
                    at: known,
                    ..
                } = &mut listed[number];
                let id = self.positions.get(&at).and_then(|position| position.id);
                if *reader == task && (id.is_none() || id != found.stamp.id) {
                    self.moved_by_content(&at, found);
                }
                *known = Some(at);
            }
        }
        for (number, of) in alike {
            if listed[number].task == task {
                self.alike(&of, &listed[number].found);
            }
        }
        Ok(())
    }

    /// The positions of files that are not listed under any name, whose path is, or from which
    /// they have moved: with the task, and where they are now.
    fn rests(&mut self, listed: &[Listed]) -> Result<Vec<(String, usize, Found)>> {
        let (mut rests, mut gone) = (Vec::new(), Vec::new());
        if self.positions.is_empty() {
            return Ok(rests);
        }
        let files = listed.iter().filter(|listed| listed.found.looked_into);
        let paths: HashMap<&str, &Listed> = files
            .map(|listed| (listed.found.path.as_str(), listed))
            .collect();
        let given: HashSet<&String> = listed.iter().filter_map(|l| l.at.as_ref()).collect();
        for (at, position) in self.positions.iter() {
            if given.contains(at) {
                continue;
            }
            let origin = position.origin.as_deref().unwrap_or(path_of(at));
            let Some(listed) = paths.get(path_of(at)).or_else(|| paths.get(origin)) else {
                continue;
            };
            let path = Path::new(path_of(at));
            let there = if paths.contains_key(path_of(at)) {
                None
            } else {
                still_there(at, position)?
            };
            let found = match there {
                Some(file) => Some(Found {
                    source: Source::File(path.to_owned()),
                    path: path_of(at).to_owned(),
                    beginning: beginning_of(at),
                    stamp: Stamp::of(&file.metadata()?),
                    looked_into: true,
                }),
                None => find_moved(&self.files, at, None, &self.positions, &[])?,
            };
            match found {
                Some(found) => rests.push((at.clone(), listed.task, found)),
                // It was rotated, and has been taken away since.
                None if position.origin.is_some() => gone.push((at.clone(), listed.task)),
                None => {
                    let context = self.context()?;
                    if let Some(file) = listed.found.open()? {
                        position.verify(&file, path, &context.component)?;
                    }
                }
            }
        }
        let task = self.context()?.task;
        let replaced: HashSet<&str> = paths.into_keys().collect();
        for (at, reader) in gone {
            if reader == task {
                self.gone(&at);
            }
            if replaced.contains(path_of(&at)) {
                self.positions.remove(&at);
            }
        }
        Ok(rests)
    }

    /// A source of this task, which is read from where it was left.
    fn take_in(&mut self, listed: Listed, out: &mut SpoutOut<S>) -> Result {
        let Listed {
            number, found, at, ..
        } = listed;
        if !found.looked_into {
            let first = self.first(number, &found.source, false)?;
            let input = self.input(found.source, found.path, None, first, out)?;
            self.inputs.push_back(input);
            return Ok(());
        }
        let now = found.place();
        let mut moved = false;
        if let Some(at) = at {
            moved = path_of(&at) != found.path;
            let position = self.positions.get(&now);
            let gzip = match found.open()? {
                Some(file) => is_gzip(&file)?,
                None => false,
            };
            let ended = position.is_some_and(|position| {
                position.packed.is_some() == gzip && position.is_at_end(found.stamp.length)
            });
            let stays = match self.files.end {
                AtEnd::Ends => false,
                AtEnd::Pauses | AtEnd::Waits => {
                    position.is_some_and(|position| position.packed.is_none())
                }
            };
            if ended && !stays {
                self.check_format(&now, &found.source.name())?;
                self.files.progress.add(found.stamp.length);
                return Ok(());
            }
        }
        let known = self.positions.contains_key(&now);
        let first = self.first(number, &found.source, known)?;
        let input = self.input(found.source, now, found.stamp.id, first, out)?;
        if moved {
            self.inputs.push_front(input);
        } else {
            self.inputs.push_back(input);
        }
        Ok(())
    }

    /// The time of the first record of a source, where it can be known.
    fn first(&self, number: usize, source: &Source, known: bool) -> Result<Option<Timestamp>> {
        let first = match (&self.files.firsts, &self.files.time) {
            (Some(firsts), _) => firsts.get(number).copied().flatten(),
            (None, Some(_)) if !known => self.files.probe(std::slice::from_ref(source), None)?[0],
            _ => None,
        };
        Ok(first.map(Timestamp::from_millis))
    }

    /// Files that are followed belong to the tasks by their beginnings.
    pub(super) fn open_followed(&mut self, context: &Context, out: &mut SpoutOut<S>) -> Result {
        let (task, tasks) = (context.task, context.parallelism);
        let files = self.files.clone();
        let mut numbers = HashMap::new();
        for (number, source) in files.sources.iter().enumerate() {
            refuse_stream(source, context.durable)?;
            match source.path() {
                Some(path) => {
                    numbers.insert(path.to_owned(), number);
                }
                None if owner(hash_bytes(b"stdin"), tasks) == task => {
                    let input = self.input(source.clone(), source.name(), None, None, out)?;
                    self.inputs.push_back(input);
                }
                None => {}
            }
        }
        let mut discovery = Discovery::new(files);
        let found = discovery.look(&HashMap::new())?.unwrap_or_default();
        self.discovery = Some(discovery);
        self.check_formats(&found)?;
        self.one_file = self.files.is_one_file();
        let mut positions = std::mem::take(&mut self.positions);
        positions.retain(|at, _| match beginning_of(at) {
            // All have that of a file whose beginning was not whole.
            0 => true,
            beginning => self.reader_of(beginning, tasks) == task,
        });
        self.positions = positions;
        let mut timed = Vec::with_capacity(found.len());
        for found in found {
            let number = found.source.path().and_then(|path| numbers.get(path));
            let mine = self.reader_of(found.beginning, tasks) == task;
            let first = match number.filter(|_| mine) {
                Some(number) => self.first(*number, &found.source, false)?,
                None => None,
            };
            timed.push((found, first));
        }
        self.consider_all(timed, out)?;
        self.open_rests(out)
    }

    /// A file that has another name now is read as it was by its old one.
    fn check_format_of(&self, at: &str, found: &Found) -> Result {
        if path_of(at) == found.path {
            self.check_format(at, &found.source.name())
        } else {
            self.check_format(at, path_of(at))
        }
    }

    /// What was read in one format is not read on in another, whichever task has read it: by the
    /// format a file begins with other lines.
    fn check_formats(&self, found: &[Found]) -> Result {
        let places = Places::of(&self.positions);
        for found in found {
            for at in places.same(found).filter(|_| found.looked_into) {
                if let Some(position) = self.positions.get(at)
                    && let Some(file) = found.open()?
                    && position.compare(&file)? == Holds::All
                {
                    self.check_format_of(at, found)?;
                }
            }
        }
        Ok(())
    }

    /// Goes on with files that were rotated and have names now which the input does not match,
    /// and tells of those that are not found.
    fn open_rests(&mut self, out: &mut SpoutOut<S>) -> Result {
        if self.positions.is_empty() {
            return Ok(());
        }
        let listed = match &self.discovery {
            Some(discovery) => discovery.listed()?,
            None => return Ok(()),
        };
        let read: HashSet<&String> = self.inputs.iter().map(|input| &input.place).collect();
        let left = self.positions.iter().filter(|(at, position)| {
            let origin = position.origin.as_deref().unwrap_or(path_of(at));
            !read.contains(at) && (listed.contains(path_of(at)) || listed.contains(origin))
        });
        let left: Vec<String> = left.map(|(at, _)| at.clone()).collect();
        for at in left {
            let Some(position) = self.positions.get(&at) else {
                continue;
            };
            let there = still_there(&at, position)?;
            let file_there = Path::new(path_of(&at)).exists();
            match there {
                // It is known by another name, or waits.
                Some(_) if listed.contains(path_of(&at)) => {}
                Some(file) => {
                    let found = Found {
                        source: Source::File(path_of(&at).into()),
                        path: path_of(&at).to_owned(),
                        beginning: beginning_of(&at),
                        stamp: Stamp::of(&file.metadata()?),
                        looked_into: true,
                    };
                    if let Some(found) = self.read_here(&at, found)? {
                        let input = self.input(found.source, at, found.stamp.id, None, out)?;
                        self.inputs.push_front(input);
                    }
                }
                None if self.is_held(path_of(&at)) => {}
                None if file_there => self.settle(&at, out)?,
                None => match find_moved(&self.files, &at, None, &self.positions, &[])? {
                    Some(found) => {
                        if let Some(found) = self.read_here(&at, found)? {
                            self.move_to(&at, found, out)?;
                        }
                    }
                    None if self.tells_of(&at)? => self.gone(&at),
                    None => {}
                },
            }
        }
        Ok(())
    }
}

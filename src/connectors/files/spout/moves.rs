//! Files that appear, move, are copied or overwritten while others are read.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::super::decode::Decode;
use super::super::fingerprint::{FileId, Holds};
use super::super::follow::{Discovery, Found, beside, find, is_rotated_after};
use super::super::position::{beginning_of, path_of, place, stamp_of};
use super::super::read_as::ReadAs;
use super::super::reading::Input;
use super::super::{Format, Source};
use super::known::{Places, Verdict, find_moved, still_there, verdict};
use super::turns::Begun;
use super::{FileSpout, owner, refuse_stream};
use crate::connectors::paths::one_spelling;
use crate::error::Result;
use crate::key::hash_bytes;
use crate::spout::SpoutOut;
use crate::stream::Streams;
use crate::text::Shown;
use crate::time::Timestamp;

impl<S, D> FileSpout<S, D>
where
    S: Streams,
    D: Decode<S>,
{
    /// Takes in files of this task that have appeared; says whether there are any.
    pub(super) fn discover(&mut self, out: &mut SpoutOut<S>) -> Result<bool> {
        let Some(discovery) = &mut self.discovery else {
            return Ok(false);
        };
        let read: HashMap<&Path, _> = self
            .inputs
            .iter()
            .filter_map(|input| Some((input.source.path()?, input.id)))
            .collect();
        let Some(found) = discovery.look(&read)? else {
            return Ok(false);
        };
        let any = self.review_held(out)?;
        let found = found.into_iter().map(|found| (found, None)).collect();
        Ok(self.consider_all(found, out)? || any)
    }

    /// Takes in those of the files that are of this task and not read already; says whether there
    /// are any. For each the time of its first record, where it is known.
    pub(super) fn consider_all(
        &mut self,
        mut found: Vec<(Found, Option<Timestamp>)>,
        out: &mut SpoutOut<S>,
    ) -> Result<bool> {
        self.moved_to.clear();
        if found.is_empty() {
            return Ok(false);
        }
        let context = self.context()?;
        let (task, tasks) = (context.task, context.parallelism);
        let mut places = Places::of(&self.positions);
        let mut any = false;
        // What is known comes first: only then it is clear what is lost.
        let mut others = Vec::new();
        for (found, first) in found.drain(..) {
            // To compare those of other tasks takes time.
            let mine = self.reader_of(found.beginning, tasks) == task;
            if mine && self.is_known(&found, &places)? {
                any |= self.consider(found, &places, first, out)?;
                self.note_moved(&mut places);
            } else {
                others.push((found, first));
            }
        }
        for (found, first) in others {
            self.settle_others(&found, &places, out)?;
            self.note_moved(&mut places);
            any |= self.consider(found, &places, first, out)?;
            self.note_moved(&mut places);
        }
        Ok(any)
    }

    fn note_moved(&mut self, places: &mut Places) {
        for place in self.moved_to.drain(..) {
            if let Some(position) = self.positions.get(&place) {
                places.add(&place, position);
            }
        }
    }

    /// Whether something of a file was read, and by this task.
    fn is_known(&self, found: &Found, places: &Places) -> Result<bool> {
        if !found.looked_into {
            return Ok(false);
        }
        let verdict = verdict(&self.files, found, &self.positions, places)?;
        Ok(matches!(verdict, Verdict::Same(_) | Verdict::Moved(_)))
    }

    /// What was read at the path of a file, and begins otherwise, is another file.
    fn settle_others(&mut self, found: &Found, places: &Places, out: &mut SpoutOut<S>) -> Result {
        if self
            .inputs
            .iter()
            .any(|input| path_of(&input.place) == found.path)
        {
            // It is looked for when its turn comes.
            return Ok(());
        }
        let others = places.at(&found.path).iter();
        for at in others.filter(|at| ![0, found.beginning].contains(&beginning_of(at))) {
            if self.positions.contains_key(at) {
                self.settle(at, out)?;
            }
        }
        Ok(())
    }

    fn consider(
        &mut self,
        found: Found,
        places: &Places,
        first: Option<Timestamp>,
        out: &mut SpoutOut<S>,
    ) -> Result<bool> {
        if !found.looked_into {
            return self.consider_stream(found, out);
        }
        let context = self.context()?;
        let (task, tasks) = (context.task, context.parallelism);
        let at_path = |input: &&mut Input| path_of(&input.place) == found.path;
        if let Some(input) = self.inputs.iter_mut().find(at_path) {
            if input.id == found.stamp.id {
                input.source = found.source;
            } else if let (Some(discovery), Some(path)) = (&mut self.discovery, found.source.path())
            {
                // The file that was read here is looked for first.
                discovery.forget(path);
            }
            return Ok(false);
        }
        if self.reader_of(found.beginning, tasks) != task {
            return Ok(false);
        }
        if self.is_without_fields(&found) {
            return Ok(false);
        }
        let same = |input: &Input| input.id.is_some() && input.id == found.stamp.id;
        if let Some(input) = self.inputs.iter().find(|input| same(input)) {
            let place = input.place.clone();
            let there = stamp_of(Path::new(path_of(&place)))?;
            if there.is_some_and(|there| there.id == found.stamp.id) {
                // Two names lead to it.
                return Ok(false);
            }
            let known = match self.positions.get(&place) {
                Some(position) => match found.open()? {
                    Some(file) => {
                        position.compare(&file)? == Holds::All
                            && !position.is_replaced_by(&file, &found.stamp)?
                    }
                    None => false,
                },
                None => true,
            };
            if known {
                self.move_to(&place, found, out)?;
                return Ok(true);
            }
        }
        match verdict(&self.files, &found, &self.positions, places)? {
            // It is found where it is now.
            Verdict::Gone => Ok(false),
            Verdict::Same(at) => {
                let now = found.place();
                if at != now
                    && let Some(mut position) = self.positions.remove(&at)
                {
                    position.split.get_or_insert(at);
                    self.positions.insert(now.clone(), position);
                    self.moved_to.push(now.clone());
                }
                // What was noted before its beginning was whole is of no use any more.
                let begun = place(&found.path, 0);
                if begun != now
                    && let Some(position) = self.positions.get(&begun)
                    && let Some(file) = found.open()?
                    && position.compare(&file)? == Holds::All
                {
                    self.positions.remove(&begun);
                }
                let input = self.input(found.source, now, found.stamp.id, first, out)?;
                self.inputs.push_back(input);
                Ok(true)
            }
            Verdict::Moved(at) => {
                self.moved_by_content(&at, &found);
                self.move_to(&at, found, out)?;
                Ok(true)
            }
            Verdict::Copy(of) => {
                self.hold(&found, of);
                Ok(false)
            }
            Verdict::Alike(of) => {
                self.alike(&of, &found);
                self.take_in_new(found, first, out)?;
                Ok(true)
            }
            Verdict::New => {
                // At the very first all files are what they are.
                let fresh = self.positions.is_empty() && self.discovery_is_new();
                let unread = self.inputs.iter().find(|input| {
                    beginning_of(&input.place) == found.beginning
                        && !fresh
                        && !self.positions.contains_key(&input.place)
                });
                if let Some(unread) = unread {
                    // One may be the copy of the other.
                    let of = unread.place.clone();
                    self.hold(&found, of);
                    return Ok(false);
                }
                self.take_in_new(found, first, out)?;
                Ok(true)
            }
        }
    }

    fn consider_stream(&mut self, found: Found, out: &mut SpoutOut<S>) -> Result<bool> {
        let context = self.context()?;
        if owner(hash_bytes(found.path.as_bytes()), context.parallelism) != context.task {
            return Ok(false);
        }
        refuse_stream(&found.source, context.durable)?;
        let input = self.input(found.source, found.path, None, None, out)?;
        self.inputs.push_back(input);
        Ok(true)
    }

    /// The task that reads a file that begins like this. A log that is named by its path alone
    /// has one task with all that it is rotated to: what the input does not match, only the task
    /// finds that has read of it.
    pub(super) fn reader_of(&self, beginning: u64, tasks: usize) -> usize {
        if self.one_file {
            return 0;
        }
        owner(beginning, tasks)
    }

    /// Whether this is the first look.
    fn discovery_is_new(&self) -> bool {
        self.discovery.as_ref().is_some_and(Discovery::is_new)
    }

    /// A file of which nothing was read.
    pub(super) fn take_in_new(
        &mut self,
        found: Found,
        first: Option<Timestamp>,
        out: &mut SpoutOut<S>,
    ) -> Result {
        // What was read at this path is another file.
        let before = self.positions.iter().map(|(at, _)| at);
        let before = before.filter(|at| path_of(at) == found.path);
        let before: Vec<String> = before.cloned().collect();
        for at in before {
            self.settle(&at, out)?;
        }
        let place = found.place();
        let input = self.input(found.source, place, found.stamp.id, first, out)?;
        self.inputs.push_back(input);
        Ok(())
    }

    /// An input that is read on from where it was left.
    pub(super) fn input(
        &mut self,
        source: Source,
        place: String,
        id: Option<FileId>,
        first: Option<Timestamp>,
        out: &mut SpoutOut<S>,
    ) -> Result<Input> {
        let position = self.positions.get(&place);
        self.check_format(&place, &source.name())?;
        let origin = position.and_then(|position| position.origin.clone());
        let split_name = match position {
            Some(position) => position.split.clone(),
            None => self.other_split_name(&place),
        };
        let split = out.open_split(split_name.as_ref().unwrap_or(&place), first);
        let mut input = Input::new(source, place, split);
        if let Some(position) = self.positions.get(&input.place) {
            input.counted = match position.packed {
                Some(packed) => packed.member.packed,
                None if position.text.length == position.offset => position.offset,
                None => 0,
            };
            self.files.progress.add(input.counted);
        }
        if let Some(origin) = &origin {
            input.name.clone_from(origin);
        }
        input.origin = origin;
        input.split_name = split_name;
        input.id = id;
        Ok(input)
    }

    /// What was read in one format is not read on in another.
    pub(super) fn check_format(&self, at: &str, name: &str) -> Result {
        let Some(position) = self.positions.get(&at.to_owned()) else {
            return Ok(());
        };
        let name = position.origin.as_deref().unwrap_or(name);
        if let Some(read_as) = &position.read_as {
            let now = ReadAs::of(&self.files, name);
            read_as.check(&now, Path::new(path_of(at)))?;
        }
        Ok(())
    }

    /// A name for the split of a new file, where a file has its place as the name of its split
    /// that has another place now.
    fn other_split_name(&self, place: &String) -> Option<String> {
        let taken = |name: &String| {
            let mut splits = self.positions.iter();
            splits.any(|(_, position)| position.split.as_ref() == Some(name))
        };
        if !taken(place) {
            return None;
        }
        let names = (2_u64..).map(|number| format!("{place} {number}"));
        names.into_iter().find(|name| !taken(name))
    }

    /// A file that was read up to the position of this place is somewhere else now; it is read on
    /// there, before all others.
    pub(super) fn move_to(&mut self, at: &str, found: Found, out: &mut SpoutOut<S>) -> Result {
        let to = found.place();
        let mut position = self.positions.remove(&at.to_owned());
        let reads = self.inputs.iter().position(|input| input.place == at);
        let mut input = reads.and_then(|number| self.inputs.remove(number));
        let old_path = path_of(at).to_owned();
        self.held
            .retain(|held| Some(held.path.as_path()) != found.source.path());
        for held in self.held.iter_mut().filter(|held| held.of == at) {
            held.of.clone_from(&to);
        }
        if self.positions.contains_key(&to) || self.inputs.iter().any(|input| input.place == to) {
            // What was read under that name has moved, too.
            self.settle(&to, out)?;
        }
        if let Some(position) = &mut position {
            position.move_from(at, found.stamp.id, || Ok(found.open()?))?;
        }
        let kept = position.is_some();
        if let Some(position) = position {
            self.positions.insert(to.clone(), position);
            self.moved_to.push(to.clone());
        }
        match &mut input {
            Some(input) => {
                if input.id != found.stamp.id || input.id.is_none() {
                    input.from = None;
                    input.counted = 0;
                }
                input.end_seen = None;
                input.quiet_looks = 0;
                input.id = found.stamp.id;
                if let Some(discovery) = &mut self.discovery
                    && let Some(path) = input.source.path()
                {
                    discovery.forget(path);
                }
                input.source = found.source;
                input.place.clone_from(&to);
                if kept {
                    input.origin.get_or_insert(old_path.clone());
                    input.split_name.get_or_insert_with(|| at.to_owned());
                }
            }
            None => {
                input = Some(self.input(found.source, to.clone(), found.stamp.id, None, out)?);
            }
        }
        tracing::debug!(
            "`{old_path}` was renamed, and is read on as `{}`",
            path_of(&to)
        );
        let origin = input.as_ref().and_then(|input| input.origin.clone());
        let origin = origin.unwrap_or(old_path);
        self.take_in_rotated(&origin, path_of(&to), out)?;
        if let Some(input) = input {
            self.inputs.push_front(input);
        }
        Ok(())
    }

    /// Several rotations may have passed between two looks: the files that were rotated after one
    /// that has moved are read after it, where the input does not match their names.
    fn take_in_rotated(&mut self, from: &str, to: &str, out: &mut SpoutOut<S>) -> Result {
        if self.discovery.is_none() {
            return Ok(());
        }
        let context = self.context()?;
        let (task, tasks) = (context.task, context.parallelism);
        let mut between: Vec<PathBuf> = beside(Path::new(from))
            .into_iter()
            .map(|(path, _)| path)
            .filter(|path| is_rotated_after(path, Path::new(to), from))
            .collect();
        if between.is_empty() {
            return Ok(());
        }
        // The last one is to be the first one in the queue.
        between.sort_by(|a, b| {
            if is_rotated_after(a, b, from) {
                std::cmp::Ordering::Less
            } else {
                std::cmp::Ordering::Greater
            }
        });
        let listed = match &self.discovery {
            Some(discovery) => discovery.listed()?,
            None => return Ok(()),
        };
        for path in between {
            let spelling = one_spelling(&path);
            if listed.contains(&spelling) {
                continue;
            }
            let Some(found) = find(&self.files, Source::File(path))? else {
                continue;
            };
            let same = |input: &Input| input.id.is_some() && input.id == found.stamp.id;
            if self.reader_of(found.beginning, tasks) != task {
                continue;
            }
            let alike = |input: &Input| beginning_of(&input.place) == found.beginning;
            let unread = |input: &Input| !self.positions.contains_key(&input.place);
            let mut inputs = self.inputs.iter();
            if inputs.any(|input| same(input) || (alike(input) && unread(input))) {
                continue;
            }
            let places = Places::of(&self.positions);
            let verdict = verdict(&self.files, &found, &self.positions, &places)?;
            if !matches!(verdict, Verdict::New | Verdict::Alike(_)) {
                // It is what was read as another file, which is found when its turn comes.
                continue;
            }
            let place = found.place();
            let mut input = self.input(found.source, place, found.stamp.id, None, out)?;
            from.clone_into(&mut input.name);
            input.origin = Some(from.to_owned());
            self.inputs.push_front(input);
        }
        Ok(())
    }

    /// The first input is not at its path any more.
    pub(super) fn departed(&mut self, out: &mut SpoutOut<S>) -> Result<Begun> {
        let Some(input) = self.inputs.front_mut() else {
            return Ok(Begun::Again);
        };
        let at = input.place.clone();
        let path = Path::new(path_of(&at));
        if input.source.path() != Some(path)
            && let Some(position) = self.positions.get(&at)
            && still_there(&at, position)?.is_some()
        {
            // It was found by a link, which leads elsewhere now.
            if let (Some(discovery), Some(link)) = (&mut self.discovery, input.source.path()) {
                discovery.forget(link);
            }
            input.source = Source::File(path.to_owned());
            input.end_seen = None;
            return Ok(Begun::Again);
        }
        let id = input.id;
        if let Some(found) = self.find(&at)? {
            if found.stamp.id.is_none() || found.stamp.id != id {
                self.moved_by_content(&at, &found);
            }
            self.move_to(&at, found, out)?;
            return Ok(Begun::Again);
        }
        self.gone(&at);
        self.drop_first(out);
        Ok(Begun::Again)
    }

    /// What was read of the first input does not stand there any more.
    pub(super) fn overwritten(&mut self, out: &mut SpoutOut<S>) -> Result<Begun> {
        let Some(input) = self.inputs.front() else {
            return Ok(Begun::Again);
        };
        let at = input.place.clone();
        match self.find(&at)? {
            Some(found) => self.move_to(&at, found, out)?,
            // What is there may become what it was: that of which it is a copy is copied again.
            None => self.drop_first(out),
        }
        Ok(Begun::Again)
    }

    /// The first input is read no further; what is at its path is looked into again.
    fn drop_first(&mut self, out: &mut SpoutOut<S>) {
        if let Some(input) = self.inputs.pop_front() {
            out.close_split(input.split);
            if let (Some(discovery), Some(path)) = (&mut self.discovery, input.source.path()) {
                discovery.forget(path);
            }
        }
    }

    /// A position is of a file that is not at its path: reads it on where it is now, or forgets
    /// it, with a warning.
    pub(super) fn settle(&mut self, at: &str, out: &mut SpoutOut<S>) -> Result {
        if let Some(found) = self.find(at)? {
            if let Some(found) = self.read_here(at, found)? {
                self.moved_by_content(at, &found);
                self.move_to(at, found, out)?;
            }
            return Ok(());
        }
        let reads = self.inputs.iter().position(|input| input.place == at);
        if let Some(input) = reads.and_then(|number| self.inputs.remove(number)) {
            out.close_split(input.split);
        }
        if let Some(position) = self.positions.remove(&at.to_owned())
            && (position.origin.is_none() || !position.is_of_all())
            && self.tells_of(at)?
        {
            self.lost(path_of(at), &position);
        }
        Ok(())
    }

    fn find(&self, at: &str) -> Result<Option<Found>> {
        let held = self.held.iter().filter(|held| held.of == at);
        let copies: Vec<PathBuf> = held.map(|held| held.path.clone()).collect();
        let input = self.inputs.iter().find(|input| input.place == at);
        let id = input.and_then(|input| input.id);
        find_moved(&self.files, at, id, &self.positions, &copies)
    }

    /// Whether a file has none of the fields that are asked for: plain text by its name, as a file
    /// that gets its name when it is complete.
    fn is_without_fields(&mut self, found: &Found) -> bool {
        let name = found.source.name();
        let plain = self.files.format_of(&name) == Format::Text;
        let asked = self.files.time.is_some() || !self.files.fields.is_empty();
        if !(plain && asked) {
            return false;
        }
        if !self.told.insert(name.clone()) {
            return true;
        }
        self.warn(&format!(
            "`{}` is plain text by its name, and plain text has no fields: it is left out until \
             it is renamed; or give --format",
            Shown(&name)
        ));
        true
    }
}

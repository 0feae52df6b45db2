//! Many files become fewer, while rows come in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use squall::Result;

use super::file::SegmentFile;
use super::folder::Folder;
use super::merge::{self, Merge, Written};

/// When files are merged; [`Compacting::default`] suits most.
///
/// Every commit writes a file of level 0, with rows of all segments that had events. When there
/// are enough of them, they become files of level 1; and enough files of one level become files
/// of the next one. So a row is written again once for each level, of which there are as many as
/// the number of files has digits to the base of [`files`](Self::files).
///
/// A segment of many rows gets a file of its own, which is merged with others of its segment.
/// Those of few rows stay together in one file, so that there are not as many files as segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacting {
    /// How many files are enough; 8. At least 2; `usize::MAX` is never.
    pub files: usize,
    /// How many rows are many; 4,096.
    pub own_rows: u64,
    /// Whether it is done in the task of the segments at a commit, which waits for it, instead
    /// of a thread of its own; no.
    pub at_once: bool,
    /// How long a file is left to those who read it after its rows are in another one; 60 s. It
    /// is deleted with one of the next commits.
    pub keep: Duration,
}

impl Default for Compacting {
    fn default() -> Self {
        Self {
            files: 8,
            own_rows: 4_096,
            at_once: false,
            keep: Duration::from_mins(1),
        }
    }
}

/// The files that are merged at once, at most: so many are open, with a part of each in memory.
pub(super) const MAX_INPUTS: usize = 16;

/// Files to be merged.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    /// The names of the files.
    pub(super) inputs: Vec<(String, SegmentFile)>,
    /// The level of those that they become.
    level: u8,
    /// How many rows of a segment get a file of their own.
    own_rows: u64,
}

impl Job {
    /// What is to be merged first, if anything: the lowest level, the oldest files.
    pub(super) fn choose<'f>(
        files: impl Iterator<Item = (&'f String, &'f SegmentFile)>,
        settings: &Compacting,
    ) -> Option<Self> {
        type Kind<'f> = (u8, &'f str, Option<i64>);
        let mut kinds: BTreeMap<Kind<'f>, BTreeMap<&String, &SegmentFile>> = BTreeMap::new();
        for (name, file) in files {
            let segment = match file.parts.as_slice() {
                // Of so many rows as one of its own has that were many before they were merged.
                [part] if file.level > 0 && file.rows >= settings.own_rows / MAX_INPUTS as u64 => {
                    Some(part.segment.start)
                }
                _ => None,
            };
            let kind = (file.level, file.schema.as_str(), segment);
            kinds.entry(kind).or_default().insert(name, file);
        }
        let enough = settings.files.max(2);
        let files = kinds.into_values().find(|files| files.len() >= enough)?;
        let inputs = files.into_iter().take(MAX_INPUTS);
        let inputs = inputs.map(|(name, file)| (name.clone(), file.clone()));
        Some(Self::of(inputs.collect(), settings.own_rows))
    }

    /// These files become some of the next level.
    pub(super) fn of(inputs: Written, own_rows: u64) -> Self {
        let level = inputs.iter().map(|(_, file)| file.level).max();
        Self {
            level: level.unwrap_or(0).saturating_add(1),
            inputs,
            own_rows,
        }
    }

    /// How many files come out: one for each segment of many rows, and one for all others.
    pub(super) fn outputs(&self) -> usize {
        let segments = merge::segments(self.inputs.iter().map(|(_, file)| file));
        let own = segments.values().filter(|rows| **rows >= self.own_rows);
        let own = own.count();
        own + usize::from(own < segments.len())
    }

    /// Merges the files into new ones of these names. Where that fails nothing is left of them.
    pub(super) fn run(
        &self,
        folder: &Folder,
        names: &[String],
        goes_on: impl Fn() -> bool,
    ) -> Merged {
        let inputs = self.inputs.iter();
        let inputs = inputs.map(|(name, file)| (folder.file(name), file.clone()));
        let merged = Merge::of(inputs.collect(), self.own_rows)
            .map_err(Into::into)
            .and_then(|merge| merge.write(self.level, folder, names.iter().cloned(), goes_on))
            .and_then(|files| {
                folder.sync()?;
                Ok(files)
            });
        if merged.is_err() {
            for name in names {
                // What cannot be deleted is deleted by the next run.
                let _ = folder.delete(name);
            }
        }
        merged
    }
}

/// The new files by name.
pub(super) type Merged = Result<Written>;

/// A job that is done by a thread.
pub(super) struct Compaction {
    pub(super) job: Job,
    folder: Folder,
    // The thread reads what the task writes; nothing is ordered by it.
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Merged>>,
}

impl Compaction {
    /// Begins; the files get these names.
    pub(super) fn begin(job: Job, folder: &Folder, names: Vec<String>) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (asked, here, task) = (Arc::clone(&stop), folder.clone(), job.clone());
        let thread = std::thread::Builder::new()
            .name("compaction".to_owned())
            .spawn(move || task.run(&here, &names, || !asked.load(Ordering::Relaxed)))?;
        Ok(Self {
            job,
            folder: folder.clone(),
            stop,
            thread: Some(thread),
        })
    }

    /// Whether [`Compaction::finish`] does not wait.
    pub(super) fn is_done(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// The new files.
    pub(super) fn finish(mut self) -> Merged {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(files)) => files,
            Some(Err(_)) => Err("the compaction of segments has panicked".into()),
            None => Err("the compaction of segments has ended already".into()),
        }
    }
}

impl Drop for Compaction {
    /// Nobody takes its files in any more.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(Ok(Ok(files))) = self.thread.take().map(JoinHandle::join) {
            for (name, _) in files {
                // What cannot be deleted is deleted by the next run.
                let _ = self.folder.delete(&name);
            }
        }
    }
}

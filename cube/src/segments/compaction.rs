//! Many files become fewer, while rows come in.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use squall::Result;

use super::file::SegmentFile;
use super::folder::Folder;
use super::merge::Merge;

/// When files are merged; [`Compacting::default`] suits most.
///
/// Every commit writes a file of level 0, with rows of all segments that had events. When there
/// are enough of them, they become one file of level 1 for each segment; and enough files of one
/// level and segment become one of the next level. So a row is written again once for each
/// level, of which there are as many as the number of files has digits to the base of
/// [`files`](Self::files).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacting {
    /// How many files are enough; 8. At least 2; `usize::MAX` is never.
    pub files: usize,
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
            at_once: false,
            keep: Duration::from_mins(1),
        }
    }
}

/// The files that are merged at once, at most: so many are open, with a part of each in memory.
const MOST_INPUTS: usize = 16;

/// Files to be merged.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    /// The names of the files.
    pub(super) inputs: Vec<(String, SegmentFile)>,
    /// The level of those that they become.
    level: u8,
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
            let segment = file.parts.first().map(|part| part.segment.start);
            // At level 0 files have rows of any segments.
            let segment = segment.filter(|_| file.level > 0);
            let kind = (file.level, file.schema.as_str(), segment);
            kinds.entry(kind).or_default().insert(name, file);
        }
        let enough = settings.files.max(2);
        let (kind, files) = kinds.into_iter().find(|(_, files)| files.len() >= enough)?;
        let inputs = files.into_iter().take(MOST_INPUTS);
        Some(Self {
            inputs: inputs
                .map(|(name, file)| (name.clone(), file.clone()))
                .collect(),
            level: kind.0.saturating_add(1),
        })
    }

    /// What is to be merged first, so that in the end there is one file for each segment.
    pub(super) fn choose_all(files: &BTreeMap<String, SegmentFile>) -> Option<Self> {
        let mut new: BTreeMap<&str, Vec<Named<'_>>> = BTreeMap::new();
        let mut old: BTreeMap<(&str, i64), Vec<Named<'_>>> = BTreeMap::new();
        for (name, file) in files {
            let schema = file.schema.as_str();
            match file.parts.first() {
                Some(part) if file.level > 0 => {
                    let segment = (schema, part.segment.start);
                    old.entry(segment).or_default().push((name, file));
                }
                _ => new.entry(schema).or_default().push((name, file)),
            }
        }
        let several = old.into_values().find(|files| files.len() > 1);
        let mut files = new.into_values().next().or(several)?;
        // The smaller ones first, so that no row is written too often.
        files.sort_by_key(|(_, file)| file.rows);
        files.truncate(MOST_INPUTS);
        let level = files.iter().map(|(_, file)| file.level).max()?;
        Some(Self {
            inputs: files
                .into_iter()
                .map(|(name, file)| (name.clone(), file.clone()))
                .collect(),
            level: level.saturating_add(1),
        })
    }

    /// How many files come out: one for each segment.
    pub(super) fn outputs(&self) -> usize {
        let parts = self.inputs.iter().flat_map(|(_, file)| &file.parts);
        let segments: BTreeSet<i64> = parts.map(|part| part.segment.start).collect();
        segments.len()
    }

    /// Merges the files into new ones of these names. Where that fails nothing is left of them.
    pub(super) fn run(
        &self,
        folder: &Folder,
        names: &[String],
        goes_on: impl Fn() -> bool,
    ) -> Merged {
        let inputs = self.inputs.iter();
        let inputs: Vec<(PathBuf, SegmentFile)> = inputs
            .map(|(name, file)| (folder.file(name), file.clone()))
            .collect();
        let mut begun = 0;
        let next = || {
            // There are as many names as segments.
            let name = names.get(begun).cloned().unwrap_or_default();
            begun += 1;
            folder.file(&name)
        };
        let merged = Merge::of(&inputs)
            .map_err(Into::into)
            .and_then(|merge| merge.write(self.level, next, goes_on))
            .and_then(|files| {
                folder.sync()?;
                Ok(files)
            });
        match merged {
            Ok(files) => Ok(names.iter().cloned().zip(files).collect()),
            Err(error) => {
                for name in names {
                    // What cannot be deleted is deleted by the next run.
                    let _ = folder.delete(name);
                }
                Err(error)
            }
        }
    }
}

/// A file with its name.
type Named<'f> = (&'f String, &'f SegmentFile);

/// The new files by name.
pub(super) type Merged = Result<Vec<(String, SegmentFile)>>;

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

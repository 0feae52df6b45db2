//! The bolt that writes the segments.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use squall::{
    Bolt, Context, Epoch, Out, Result, States, Table, Text, Timestamp,
    error::{Fatal, Transient},
    state::Meaning,
};

use super::compaction::{Compacting, Compaction, Job, Merged};
use super::file::{SegmentError, SegmentFile};
use super::folder::Folder;
use super::manifest::Listing;
use super::writer::SegmentWriter;
use crate::rolled::Rolled;
use crate::roller::RowBlock;
use crate::schema::Schema;

/// Writes rows into Parquet files, one with each commit.
///
/// The rows of all blocks since the last commit are merged, sorted by time and then by
/// dimensions, and written into a new file of its folder. The file's name is noted in the table
/// `files`, which is stored in the same batch as the positions up to which the events were read:
/// so the file belongs to the cube if, and only if, its events are not read again. A file that
/// nobody has noted, since the run died before the commit, is deleted by the next one.
///
/// It has one task. Where a row's sum would leave its range, its parts stay rows of their own.
pub struct Segments {
    folder: Folder,
    schema: Arc<Schema>,
    rolled: Rolled,
    most_bytes: usize,
    /// The number of the next file of this task.
    next: u32,
    /// The epoch at hand.
    epoch: u64,
    /// Files that were written before the commit that they belong to.
    pending: Vec<(String, SegmentFile)>,
    files: Table<String, SegmentFile>,
    schemas: Table<String, Schema>,
    /// Files whose rows are in others now, with the time since when, in milliseconds since 1970.
    retired: Table<String, i64>,
    compacting: Compacting,
    compaction: Option<Compaction>,
    /// Where one has failed: no other is begun before.
    not_before: Timestamp,
    /// Whether the manifest was told of the files.
    listed: bool,
    context: Option<Context>,
}

/// How long nothing is merged after that has failed.
const RETRIED_AFTER: Duration = Duration::from_mins(1);

/// Beyond that, rows are written before the commit.
const MAX_BYTES: usize = 64 << 20;

impl Segments {
    /// Files of rows of this schema, in a folder that is made where there is none.
    pub fn new(folder: impl AsRef<Path>, schema: Arc<Schema>) -> Self {
        Self {
            folder: Folder::at(folder.as_ref()),
            rolled: Rolled::new(Arc::clone(&schema)),
            schema,
            most_bytes: MAX_BYTES,
            next: 0,
            epoch: 0,
            pending: Vec::new(),
            files: Table::new(),
            schemas: Table::new(),
            retired: Table::new(),
            compacting: Compacting::default(),
            compaction: None,
            not_before: Timestamp::MIN,
            listed: false,
            context: None,
        }
    }

    /// How much memory the rows between two commits may take, in bytes, about; 64 MiB unless
    /// said. What is more goes into several files.
    #[must_use]
    pub fn most_bytes(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// When files are merged.
    #[must_use]
    pub fn compacting(mut self, compacting: Compacting) -> Self {
        self.compacting = compacting;
        self
    }

    fn fault_point(&self, name: &str) -> Result {
        match &self.context {
            Some(context) => context.fault_point(name),
            None => Ok(()),
        }
    }

    fn new_name(&mut self) -> String {
        let name = Folder::name(self.epoch, self.next);
        self.next += 1;
        name
    }

    /// Writes all rows into a file.
    fn write(&mut self) -> Result {
        if self.rolled.is_empty() {
            return Ok(());
        }
        let name = self.new_name();
        let rows = self.rolled.take_sorted();
        let names: Vec<Text> = rows
            .dimensions
            .iter()
            .map(|column| column.name.clone())
            .collect();
        let written = SegmentWriter::create(&self.folder.file(&name), &self.schema, &names)
            .and_then(|mut writer| {
                writer.write(&rows)?;
                writer.finish(0)
            });
        match written {
            Ok(file) => self.pending.push((name, file)),
            Err(error) => {
                // The disk may be full: what cannot be deleted is deleted by the next run.
                let _ = self.folder.delete(&name);
                return Err(error.into());
            }
        }
        self.fault_point("segments.written")
    }

    /// Makes what was written part of the cube.
    fn take_in(&mut self) -> Result<bool> {
        if self.pending.is_empty() {
            return Ok(false);
        }
        self.folder.sync()?;
        let id = self.schema.id();
        if !self.schemas.contains_key(&id) {
            self.schemas.insert(id, (*self.schema).clone());
        }
        for (name, file) in self.pending.drain(..) {
            self.files.insert(name, file);
        }
        Ok(true)
    }

    /// Deletes files whose rows were in others long enough. It is called before files retire, so
    /// those that it finds have done so in an earlier commit, which nothing takes back.
    fn delete_retired(&mut self, now: Timestamp) -> Result {
        let keep = i64::try_from(self.compacting.keep.as_millis()).unwrap_or(i64::MAX);
        let since = now.back(keep).millis();
        let old = self
            .retired
            .iter()
            .filter(|(_, retired)| **retired <= since);
        let old: Vec<String> = old.map(|(name, _)| name.clone()).collect();
        for name in old {
            self.folder.delete(&name)?;
            self.retired.remove(&name);
        }
        Ok(())
    }

    /// Takes in what a compaction has made, and begins the next one.
    fn compact(&mut self, epoch: &Epoch) -> Result<bool> {
        if self
            .compaction
            .as_ref()
            .is_some_and(|running| !running.is_done())
        {
            return Ok(false);
        }
        let mut swapped = false;
        if let Some(compaction) = self.compaction.take() {
            let inputs = compaction.job.inputs.clone();
            swapped |= self.swap(inputs, compaction.finish(), epoch)?;
        }
        // A stop does not wait for what may take long.
        while !epoch.last
            && epoch.time >= self.not_before
            && let Some(job) = Job::choose(self.files.iter(), &self.compacting)
        {
            let names: Vec<String> = (0..job.outputs()).map(|_| self.new_name()).collect();
            if !self.compacting.at_once {
                self.compaction = Some(Compaction::begin(job, &self.folder, names)?);
                break;
            }
            let merged = job.run(&self.folder, &names, || true);
            swapped |= self.swap(job.inputs, merged, epoch)?;
        }
        Ok(swapped)
    }

    /// Takes the merged files in instead of those that they were made of; says whether there are
    /// such. Where that has failed all rows are in the old ones, and events go on coming in.
    fn swap(
        &mut self,
        inputs: Vec<(String, SegmentFile)>,
        merged: Merged,
        epoch: &Epoch,
    ) -> Result<bool> {
        let outputs = match merged {
            Ok(outputs) => outputs,
            Err(error) => {
                let pause = RETRIED_AFTER.as_secs();
                tracing::warn!(
                    "{} files of segments stay as they are, and are merged again in {pause} s at \
                     the earliest: {error}",
                    inputs.len()
                );
                let pause = i64::try_from(RETRIED_AFTER.as_millis()).unwrap_or(i64::MAX);
                self.not_before = epoch.time.forward(pause);
                return Ok(false);
            }
        };
        for (name, _) in inputs {
            self.files.remove(&name);
            self.retired.insert(name, epoch.time.millis());
        }
        for (name, file) in outputs {
            self.files.insert(name, file);
        }
        self.fault_point("segments.swapped")?;
        Ok(true)
    }

    fn listing(&self, commit: u64) -> Listing {
        let owned = |(name, file): (&String, &SegmentFile)| (name.clone(), file.clone());
        let schemas = self.schemas.iter();
        Listing {
            commit,
            schemas: schemas
                .map(|(id, schema)| (id.clone(), schema.clone()))
                .collect(),
            files: self.files.iter().map(owned).collect(),
        }
    }

    /// Looks whether all files are there, and deletes those that were not committed.
    fn tidy(&self, context: &Context) -> Result<(), SegmentError> {
        for (name, file) in self.files.iter() {
            self.folder.check(name, file)?;
        }
        for name in self.folder.names()? {
            if self.files.contains_key(&name) || self.retired.contains_key(&name) {
                continue;
            }
            if !context.durable {
                let path = self.folder.file(&name);
                let why = "the folder already has segments, which a run without a data directory \
                           cannot continue: give a data directory, or another folder";
                return Err(SegmentError::no_segment(&path, why));
            }
            self.folder.delete(&name)?;
        }
        Ok(())
    }
}

impl Bolt for Segments {
    type Input = RowBlock;
    type Output = Listing;

    fn prepare(&mut self, context: &Context) -> Result {
        if context.parallelism > 1 {
            let tasks = context.parallelism;
            return Err(format!(
                "{tasks} tasks would delete each other's files: set its parallelism to 1"
            )
            .into());
        }
        self.folder.make()?;
        self.tidy(context)?;
        self.epoch = context.resumed_from.unwrap_or(0) + 1;
        self.context = Some(context.clone());
        Ok(())
    }

    fn execute(&mut self, block: &RowBlock, _: &mut Out<Listing>) -> Result {
        // A block is no tuple that could be refused: its events would be lost.
        let taken = self.rolled.add_rows(&block.rows);
        taken.map_err(Fatal::new)?;
        if self.rolled.bytes() >= self.most_bytes {
            self.write().map_err(Transient::new)?;
        }
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Listing>) -> Result {
        // Without a data directory nothing is committed, and the end is all that counts.
        if !epoch.commit && !epoch.last {
            return Ok(());
        }
        if epoch.number > self.epoch {
            self.epoch = epoch.number;
            self.next = 0;
        }
        if !epoch.last {
            // The commit before the last one may still be on its way.
            self.delete_retired(epoch.time)?;
        }
        self.write()?;
        let grown = self.take_in()?;
        let swapped = self.compact(epoch)?;
        // Between two runs others may have changed them.
        if grown || swapped || !std::mem::replace(&mut self.listed, true) {
            out.emit(self.listing(epoch.number));
        }
        Ok(())
    }

    fn meaning(&self) -> Meaning {
        self.schema.meaning()
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("files", &mut self.files);
        states.keep("retired", &mut self.retired);
        states.keep("schemas", &mut self.schemas);
    }
}

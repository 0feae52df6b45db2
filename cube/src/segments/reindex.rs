//! Segments are made again, from the archive and by another spec.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use squall::connectors::files::{Delimiter, FieldWatch, Format, Outcome, Record, RecordReader};
use squall::{DataDir, Result, Table, Text, Timestamp};

use super::SEGMENTS;
use super::archived::{self, overlap};
use super::file::SegmentFile;
use super::folder::Folder;
use super::manifest;
use super::offline::{compact_held, held, listing};
use super::reindex_error::ReindexError;
use super::writer::SegmentWriter;
use crate::archive::{ARCHIVE, Archive, Archived};
use crate::decode::EventDecoder;
use crate::rolled::Rolled;
use crate::schema::Schema;
use crate::spec::Spec;

/// What [`reindex`] has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reindexed {
    /// The archived events that were read.
    pub events: u64,
    /// Those of them that the new spec does not take; they are still in the archive.
    pub refused: u64,
    /// Why the first of these was refused.
    pub first_refused: Option<String>,
    /// The rows that there are in place of the old ones.
    pub rows: u64,
    /// The segments' files that were replaced.
    pub replaced: usize,
}

/// The memory that rows take before they are written.
const MAX_BYTES: usize = 64 << 20;

/// Rolls the archived events of a time up again, by another spec, and puts them in the place of the
/// segments of that time. Readers see the old rows or the new ones, and never some of both: the
/// files change in one commit, and with them what the cube means: runs go on by the new spec, and
/// the old one is refused. No run may have the data directory. A crash leaves the old rows or
/// the new ones.
///
/// The time is made of whole segments, of the old spec and of the new one. `archive` is where the
/// archive is now; where it was when it was written unless given.
///
/// Nothing is taken away that the archive has lost: it must hold at least the events that the
/// segments of the time count, and all that it was written with.
///
/// # Errors
/// [`ReindexError`], and where a run has the data directory, where it has no cube, and where files
/// cannot be read or written.
pub fn reindex(
    data_dir: &DataDir,
    folder: impl AsRef<Path>,
    archive: Option<&Path>,
    spec: Spec,
    time: Range<i64>,
) -> Result<Reindexed> {
    let path = folder.as_ref();
    let data_dir = &held(data_dir)?;
    let segments = archived_in(data_dir, &time)?;
    let dir = match archive {
        Some(dir) => dir.to_owned(),
        None => directory(data_dir)?.ok_or(ReindexError::NoArchive)?,
    };
    cuts_none(&spec.schema, &time)?;
    // Then each file is of one segment.
    compact_held(data_dir, path)?;
    let old = listing(data_dir)?;
    let mut replaced = Vec::new();
    for (name, file) in &old.files {
        let parts = file.parts.iter().map(|part| part.segment.clone());
        for segment in parts.filter(|segment| overlap(segment, &time)) {
            whole(&segment, &time, "the cube")?;
            if !replaced.contains(name) {
                replaced.push(name.clone());
            }
        }
    }
    let folder = Folder::at(path);
    folder.make()?;
    let complete = is_complete(data_dir)?;
    let of_time = replaced.iter().map(|name| (name, &old.files[name]));
    archived::check(&folder, of_time, &old.schemas, &segments, complete)?;

    let schema = Arc::new(spec.schema.clone());
    let watch = FieldWatch::over(spec.fields());
    // From now on events are read and kept as it says.
    let meaning = (schema.meaning(), spec.meaning());
    let mut decoder = EventDecoder::new(spec);
    let mut made = Made {
        folder: &folder,
        commit: old.commit + 1,
        rolled: Rolled::new(Arc::clone(&schema)),
        schema: Arc::clone(&schema),
        files: BTreeMap::new(),
        time: time.clone(),
        watch,
        reindexed: Reindexed {
            replaced: replaced.len(),
            ..Reindexed::default()
        },
    };
    if let Err(error) = made.read_all(&dir, segments, &mut decoder) {
        for name in made.files.keys() {
            // What cannot be deleted is deleted by the next run.
            let _ = folder.delete(name);
        }
        return Err(error);
    }
    if let Some(missing) = made.watch.summary() {
        tracing::warn!("{missing}");
    }
    if made.reindexed.events > 0 && made.reindexed.events == made.reindexed.refused {
        let first = made.reindexed.first_refused.unwrap_or_default();
        return Err(ReindexError::NothingTaken { first }.into());
    }
    let Made {
        files, reindexed, ..
    } = made;

    data_dir.edit_table(
        SEGMENTS,
        "schemas",
        |schemas: &mut Table<String, Schema>| {
            schemas.insert(schema.id(), (*schema).clone());
            Ok(())
        },
    )?;
    // Here it happens: before it the files are nobody's, after it the old ones are.
    data_dir.edit_table_to_mean(
        SEGMENTS,
        "files",
        meaning,
        |table: &mut Table<String, SegmentFile>| {
            for name in &replaced {
                table.remove(name);
            }
            for (name, file) in files {
                table.insert(name, file);
            }
            Ok(())
        },
    )?;
    let listing = serde_json::to_vec_pretty(&listing(data_dir)?)?;
    manifest::write(&folder, &listing)?;
    for name in &replaced {
        folder.delete(name)?;
    }
    Ok(reindexed)
}

/// The segments of the archive that are in this time.
fn archived_in(data_dir: &DataDir, time: &Range<i64>) -> Result<Vec<(i64, Archived)>> {
    let snapshot = data_dir.views()?.read()?;
    let Ok(lengths) = snapshot.table::<i64, Archived>(ARCHIVE, "lengths") else {
        return Err(ReindexError::NoArchive.into());
    };
    let mut segments = Vec::new();
    for (start, archived) in lengths.iter()? {
        let segment = *start..archived.end;
        if overlap(&segment, time) {
            whole(&segment, time, "the archive")?;
            segments.push((*start, *archived));
        }
    }
    segments.sort_by_key(|(start, _)| *start);
    Ok(segments)
}

/// Where the archive was when it was written.
fn directory(data_dir: &DataDir) -> Result<Option<PathBuf>> {
    let snapshot = data_dir.views()?.read()?;
    let stored = snapshot.value::<String>(ARCHIVE, "directory", 0);
    Ok(stored.ok().flatten().map(PathBuf::from))
}

/// Whether the cube has had the archive from its beginning.
fn is_complete(data_dir: &DataDir) -> Result<bool> {
    let snapshot = data_dir.views()?.read()?;
    let complete = snapshot.value::<bool>(ARCHIVE, "complete", 0);
    Ok(complete.ok().flatten().unwrap_or(false))
}

fn whole(segment: &Range<i64>, time: &Range<i64>, whose: &'static str) -> Result<(), ReindexError> {
    if time.start <= segment.start && segment.end <= time.end {
        return Ok(());
    }
    let moment = Timestamp::from_millis;
    Err(ReindexError::CutsSegment {
        from: moment(time.start),
        to: moment(time.end),
        start: moment(segment.start),
        end: moment(segment.end),
        whose,
    })
}

/// The time is made of whole segments of the new spec.
fn cuts_none(schema: &Schema, time: &Range<i64>) -> Result<(), ReindexError> {
    for moment in [time.start, time.end - 1] {
        whole(&schema.segment.bucket(moment), time, "the new spec")?;
    }
    Ok(())
}

/// What is being made.
struct Made<'f> {
    folder: &'f Folder,
    /// The number of the commit that takes the files in.
    commit: u64,
    schema: Arc<Schema>,
    /// Of the new segments.
    time: Range<i64>,
    /// Which of the fields of the new spec the events have.
    watch: FieldWatch,
    rolled: Rolled,
    files: BTreeMap<String, SegmentFile>,
    reindexed: Reindexed,
}

impl Made<'_> {
    /// Rolls up the events of these segments of the archive.
    fn read_all(
        &mut self,
        dir: &Path,
        segments: Vec<(i64, Archived)>,
        decoder: &mut EventDecoder,
    ) -> Result {
        for (segment, archived) in segments {
            self.read(dir, segment, archived, decoder)?;
        }
        self.write()?;
        self.folder.sync()?;
        Ok(())
    }

    /// Rolls up the events of a segment of the archive, all of which must be there.
    fn read(
        &mut self,
        dir: &Path,
        segment: i64,
        archived: Archived,
        decoder: &mut EventDecoder,
    ) -> Result {
        let lines = Archive::lines(dir, segment, archived)?;
        let name = Archive::file(dir, segment).display().to_string();
        let mut reader =
            RecordReader::new(Box::new(lines), &name, Format::NdJson, Delimiter::COMMA);
        let mut record = Record::new();
        let mut found = 0;
        loop {
            let refused = match reader.next(&mut record)? {
                Outcome::Record => {
                    self.reindexed.events += 1;
                    self.watch.look(&record);
                    self.take(decoder, &record).err()
                }
                Outcome::End => break,
                // A line of an archive is an object of JSON, so somebody has changed it.
                Outcome::Bad(bad) => {
                    self.reindexed.events += 1;
                    Some(bad.to_string().into())
                }
            };
            found += 1;
            if let Some(why) = refused {
                self.reindexed.refused += 1;
                let first = || format!("{name}:{}: {why}", record.line());
                self.reindexed.first_refused.get_or_insert_with(first);
            }
            if self.rolled.bytes() >= MAX_BYTES {
                self.write()?;
            }
        }
        Ok(archived.holds(dir, segment, found)?)
    }

    fn take(&mut self, decoder: &mut EventDecoder, record: &Record) -> Result {
        let event = decoder.decode(record)?;
        if !self.time.contains(&event.time.millis()) {
            let time = event.time;
            return Err(format!("its time {time} is outside of the rebuilt range").into());
        }
        self.rolled.add_event(&event)
    }

    fn write(&mut self) -> Result {
        if self.rolled.is_empty() {
            return Ok(());
        }
        let number = u32::try_from(self.files.len())?;
        let name = Folder::name(self.commit, number);
        let rows = self.rolled.take_sorted();
        let dimensions = rows.dimensions.iter().map(|column| column.name.clone());
        let dimensions: Vec<Text> = dimensions.collect();
        let path = self.folder.file(&name);
        let mut writer = SegmentWriter::create(&path, &self.schema, &dimensions)?;
        writer.write(&rows)?;
        self.reindexed.rows += rows.len() as u64;
        self.files.insert(name, writer.finish(0)?);
        Ok(())
    }
}

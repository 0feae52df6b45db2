//! Sorted files become fewer sorted files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use squall::{Result, Text};

use super::file::{SegmentError, SegmentFile};
use super::folder::Folder;
use super::reader::{GroupReader, SegmentReader};
use super::writer::{GROUP_ROWS, SegmentWriter};
use crate::rolled::Rolled;
use crate::rows::RolledRows;
use crate::schema::Schema;

/// About how many bytes of a file are in memory at once, beside the pages of its columns.
const PORTION_BYTES: u64 = 512 * 1024;

/// The rows in memory at most, of one file.
const PORTION_ROWS: u64 = 4_096;

/// The bytes of rows in memory that are not written yet.
const BUFFER_BYTES: usize = 16 << 20;

/// How often it is asked whether to stop, in rows.
const ASKED_ROWS: u64 = 1_024;

/// The rows of several files in order, those of one bucket and the same dimensions as one. A file
/// is open from its first row to its last.
pub(super) struct Merge {
    schema: Arc<Schema>,
    /// The files whose rows come later, the first of them at the end.
    waiting: Vec<(PathBuf, SegmentFile)>,
    cursors: Vec<Cursor>,
    dimensions: Vec<Text>,
    rolled: Rolled,
    own: BTreeSet<i64>,
}

/// A file that is written.
struct Output {
    name: String,
    writer: SegmentWriter,
}

/// New files by their names.
pub(super) type Written = Vec<(String, SegmentFile)>;

/// The segments in some files, by when they begin, with their rows.
pub(super) fn segments<'f>(files: impl Iterator<Item = &'f SegmentFile>) -> BTreeMap<i64, u64> {
    let mut segments = BTreeMap::new();
    for part in files.flat_map(|file| &file.parts) {
        *segments.entry(part.segment.start).or_default() += part.rows;
    }
    segments
}

/// A file, and how far it was read.
struct Cursor {
    reader: SegmentReader,
    next_group: usize,
    group: Option<GroupReader>,
    portion: usize,
    rows: RolledRows,
    row: usize,
    /// Where the dimensions of all files are in this one.
    places: Vec<Option<usize>>,
}

impl Merge {
    /// The files, which are of one schema. Segments of so many rows get a file of their own.
    pub(super) fn of(
        mut files: Vec<(PathBuf, SegmentFile)>,
        own_rows: u64,
    ) -> Result<Self, SegmentError> {
        let mut dimensions = BTreeSet::new();
        let mut schema = None;
        for (path, file) in &files {
            let reader = SegmentReader::open(path, file)?;
            dimensions.extend(reader.dimensions().iter().cloned());
            schema.get_or_insert_with(|| reader.schema().clone());
        }
        let dimensions: Vec<Text> = dimensions.into_iter().collect();
        let schema = Arc::new(schema.ok_or_else(|| {
            let nowhere = PathBuf::new();
            SegmentError::no_segment(&nowhere, "there are no files to merge")
        })?);
        let own = segments(files.iter().map(|(_, file)| file)).into_iter();
        let own = own.filter(|(_, rows)| *rows >= own_rows);
        let own = own.map(|(segment, _)| segment).collect();
        // Of those that begin at once, the first stays the first.
        files.reverse();
        files.sort_by_key(|(_, file)| std::cmp::Reverse(first(file)));
        Ok(Self {
            waiting: files,
            cursors: Vec::new(),
            rolled: Rolled::with_dimensions(Arc::clone(&schema), &dimensions),
            schema,
            dimensions,
            own,
        })
    }

    /// Writes the rows into files of these names in a folder, as long as `goes_on` says so: those
    /// of each segment that has its own into that, and all others into one.
    pub(super) fn write(
        mut self,
        level: u8,
        folder: &Folder,
        mut names: impl Iterator<Item = String>,
        goes_on: impl Fn() -> bool,
    ) -> Result<Written> {
        let mut written = Vec::new();
        let (mut own, mut together) = (None, None);
        let mut segment = 0..0;
        let mut count: u64 = 0;
        while let Some(first) = self.first()? {
            let cursor = &self.cursors[first];
            let time = cursor.rows.times[cursor.row];
            let ends = !segment.contains(&time);
            let full = self.rolled.len() >= GROUP_ROWS || self.rolled.bytes() >= BUFFER_BYTES;
            let goes_on_in_it = || {
                let rolled = &self.rolled;
                rolled.continues(&cursor.rows, cursor.row, &cursor.places)
            };
            if ends || full && !goes_on_in_it() {
                let is_own = self.own.contains(&segment.start);
                let output = if is_own { &mut own } else { &mut together };
                self.flush(output, folder, &mut names)?;
            }
            if ends {
                written.extend(finish(own.take(), level)?);
                segment = self.schema.segment.bucket(time);
            }
            let cursor = &mut self.cursors[first];
            self.rolled
                .append(&cursor.rows, cursor.row, &cursor.places)?;
            cursor.row += 1;
            if !cursor.fill()? {
                self.cursors.remove(first);
            }
            count += 1;
            if count.is_multiple_of(ASKED_ROWS) && !goes_on() {
                return Err("the compaction was stopped".into());
            }
        }
        let is_own = self.own.contains(&segment.start);
        let output = if is_own { &mut own } else { &mut together };
        self.flush(output, folder, &mut names)?;
        written.extend(finish(own, level)?);
        written.extend(finish(together, level)?);
        Ok(written)
    }

    /// Writes the rows in memory, of which the file is begun where it is not.
    fn flush(
        &mut self,
        output: &mut Option<Output>,
        folder: &Folder,
        names: &mut impl Iterator<Item = String>,
    ) -> Result {
        if self.rolled.is_empty() {
            return Ok(());
        }
        let output = if let Some(output) = output {
            output
        } else {
            let name = names.next().ok_or("there are fewer names than files")?;
            let path = folder.file(&name);
            let writer = SegmentWriter::create(&path, &self.schema, &self.dimensions)?;
            output.insert(Output { name, writer })
        };
        Ok(output.writer.write(&self.rolled.take())?)
    }

    /// The cursor with the first row of all; of equal ones the first cursor. It opens the files
    /// that may have it.
    fn first(&mut self) -> Result<Option<usize>, SegmentError> {
        loop {
            let cursors = self.cursors.iter().enumerate();
            let next = cursors.min_by(|(_, one), (_, other)| one.order(other));
            let time = next.map_or(i64::MAX, |(_, cursor)| cursor.rows.times[cursor.row]);
            let next = next.map(|(number, _)| number);
            let Some((path, file)) = self.waiting.pop_if(|(_, file)| first(file) <= time) else {
                return Ok(next);
            };
            let mut cursor = Cursor::of(&path, &file, &self.dimensions)?;
            if cursor.fill()? {
                self.cursors.push(cursor);
            }
        }
    }
}

/// When the first row of a file is.
fn first(file: &SegmentFile) -> i64 {
    file.parts.first().map_or(i64::MIN, |part| part.first)
}

/// Completes a file.
fn finish(
    output: Option<Output>,
    level: u8,
) -> Result<Option<(String, SegmentFile)>, SegmentError> {
    let finish = |output: Output| Ok((output.name, output.writer.finish(level)?));
    output.map(finish).transpose()
}

impl Cursor {
    /// A file, of which no rows are read yet.
    fn of(path: &Path, file: &SegmentFile, dimensions: &[Text]) -> Result<Self, SegmentError> {
        let reader = SegmentReader::open(path, file)?;
        let rows = PORTION_BYTES * file.rows / file.bytes.max(1);
        let portion = rows.clamp(16, PORTION_ROWS);
        let place = |name| reader.dimensions().iter().position(|other| other == name);
        Ok(Self {
            places: dimensions.iter().map(place).collect(),
            reader,
            next_group: 0,
            group: None,
            // A few thousand.
            portion: usize::try_from(portion).unwrap_or(usize::MAX),
            rows: RolledRows::default(),
            row: 0,
        })
    }

    /// Reads on where all rows in memory are done; says whether there are some.
    fn fill(&mut self) -> Result<bool, SegmentError> {
        while self.row == self.rows.len() {
            if let Some(group) = &mut self.group
                && let Some(rows) = group.next(self.portion)?
            {
                self.rows = rows;
                self.row = 0;
                continue;
            }
            if self.next_group == self.reader.row_groups() {
                return Ok(false);
            }
            self.group = Some(self.reader.rows(self.next_group)?);
            self.next_group += 1;
        }
        Ok(true)
    }

    fn value(&self, column: usize) -> Option<&Text> {
        self.rows.dimensions[self.places[column]?].value(self.row)
    }

    /// By time, then by the dimensions in the order of their names: null first.
    fn order(&self, other: &Self) -> std::cmp::Ordering {
        let by_time = self.rows.times[self.row].cmp(&other.rows.times[other.row]);
        by_time.then_with(|| {
            let columns = 0..self.places.len();
            let mut orders = columns.map(|column| self.value(column).cmp(&other.value(column)));
            let different = orders.find(|order| order.is_ne());
            different.unwrap_or(std::cmp::Ordering::Equal)
        })
    }
}

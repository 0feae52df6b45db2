//! Sorted files become sorted files of one segment each.

use std::path::PathBuf;
use std::sync::Arc;

use squall::{Result, Text};

use super::file::{SegmentError, SegmentFile};
use super::reader::{GroupReader, SegmentReader};
use super::writer::{GROUP_ROWS, SegmentWriter};
use crate::rolled::Rolled;
use crate::rows::Rows;
use crate::schema::Schema;

/// About how many bytes of a file are in memory at once, beside the pages of its columns.
const PORTION_BYTES: u64 = 512 * 1024;

/// The rows in memory at most, of one file.
const PORTION_ROWS: u64 = 4_096;

/// The bytes of rows in memory that are not written yet.
const BUFFER_BYTES: usize = 16 << 20;

/// How often it is asked whether to stop, in rows.
const ASKED_ROWS: u64 = 1_024;

/// The rows of several files in order, those of one bucket and the same dimensions as one.
pub(super) struct Merge {
    schema: Arc<Schema>,
    cursors: Vec<Cursor>,
    dimensions: Vec<Text>,
    rolled: Rolled,
}

/// A file, and how far it was read.
struct Cursor {
    reader: SegmentReader,
    next_group: usize,
    group: Option<GroupReader>,
    portion: usize,
    rows: Rows,
    row: usize,
    /// Where the dimensions of all files are in this one.
    places: Vec<Option<usize>>,
}

impl Merge {
    /// Opens the files, which are of one schema.
    pub(super) fn of(files: &[(PathBuf, SegmentFile)]) -> Result<Self, SegmentError> {
        let mut readers = Vec::new();
        for (path, file) in files {
            let rows = PORTION_BYTES * file.rows / file.bytes.max(1);
            let portion = rows.clamp(16, PORTION_ROWS);
            // A few thousand.
            let portion = usize::try_from(portion).unwrap_or(usize::MAX);
            readers.push((SegmentReader::open(path, file)?, portion));
        }
        let mut dimensions: Vec<Text> = readers
            .iter()
            .flat_map(|(reader, _)| reader.dimensions().iter().cloned())
            .collect();
        dimensions.sort();
        dimensions.dedup();
        let schema = readers.first().map(|(reader, _)| reader.schema().clone());
        let schema = Arc::new(schema.ok_or_else(|| {
            let nowhere = PathBuf::new();
            SegmentError::no_segment(&nowhere, "there are no files to merge")
        })?);
        let cursors = readers.into_iter().map(|(reader, portion)| Cursor {
            places: dimensions
                .iter()
                .map(|name| reader.dimensions().iter().position(|other| other == name))
                .collect(),
            reader,
            next_group: 0,
            group: None,
            portion,
            rows: Rows::default(),
            row: 0,
        });
        Ok(Self {
            cursors: cursors.collect(),
            rolled: Rolled::with_dimensions(Arc::clone(&schema), &dimensions),
            schema,
            dimensions,
        })
    }

    /// Writes the rows, those of each segment into a file of its own, as long as `goes_on` says
    /// so. `path` gives the next file.
    pub(super) fn write(
        mut self,
        level: u8,
        mut path: impl FnMut() -> PathBuf,
        goes_on: impl Fn() -> bool,
    ) -> Result<Vec<SegmentFile>> {
        let mut written = Vec::new();
        let mut open: Option<SegmentWriter> = None;
        let mut segment = 0..0;
        let mut count: u64 = 0;
        for cursor in &mut self.cursors {
            cursor.fill()?;
        }
        while let Some(first) = self.first() {
            let cursor = &mut self.cursors[first];
            let time = cursor.rows.times[cursor.row];
            if open.is_none() || !segment.contains(&time) {
                if let Some(mut writer) = open.take() {
                    writer.write(&self.rolled.take())?;
                    written.push(writer.finish(level)?);
                }
                segment = self.schema.segment.bucket(time);
                let path = path();
                open = Some(SegmentWriter::create(
                    &path,
                    &self.schema,
                    &self.dimensions,
                )?);
            } else if self.rolled.len() >= GROUP_ROWS || self.rolled.bytes() >= BUFFER_BYTES {
                let known = self
                    .rolled
                    .continues(&cursor.rows, cursor.row, &cursor.places);
                if let Some(writer) = &mut open
                    && !known
                {
                    writer.write(&self.rolled.take())?;
                }
            }
            self.rolled
                .append(&cursor.rows, cursor.row, &cursor.places)?;
            cursor.row += 1;
            cursor.fill()?;
            count += 1;
            if count.is_multiple_of(ASKED_ROWS) && !goes_on() {
                return Err("the compaction was stopped".into());
            }
        }
        if let Some(mut writer) = open {
            writer.write(&self.rolled.take())?;
            written.push(writer.finish(level)?);
        }
        Ok(written)
    }

    /// The cursor with the first row of all; of equal ones the first cursor.
    fn first(&self) -> Option<usize> {
        let with_rows = self.cursors.iter().enumerate();
        let with_rows = with_rows.filter(|(_, cursor)| cursor.row < cursor.rows.len());
        let first = with_rows.min_by(|(_, one), (_, other)| one.order(other));
        first.map(|(number, _)| number)
    }
}

impl Cursor {
    /// Reads on where all rows in memory are done.
    fn fill(&mut self) -> Result<(), SegmentError> {
        while self.row == self.rows.len() {
            if let Some(group) = &mut self.group
                && let Some(rows) = group.next(self.portion)?
            {
                self.rows = rows;
                self.row = 0;
                continue;
            }
            if self.next_group == self.reader.row_groups() {
                return Ok(());
            }
            self.group = Some(self.reader.rows(self.next_group)?);
            self.next_group += 1;
        }
        Ok(())
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

//! A segment's file being written.

use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::ParquetError;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use squall::Text;
use xxhash_rust::xxh3::Xxh3;

use super::file::{Part, SegmentError, SegmentFile};
use super::layout;
use crate::rows::{DimensionColumn, MetricColumn, RolledRows};
use crate::schema::Schema;

/// Writes sorted rows into a new file.
pub(crate) struct SegmentWriter {
    path: PathBuf,
    schema: Arc<Schema>,
    dimensions: Vec<Text>,
    file: SerializedFileWriter<Hashed>,
    parts: Vec<Part>,
    row_groups: u32,
}

/// The rows of a row group at most.
pub(super) const GROUP_ROWS: usize = 65_536;

/// And the bytes of its sketches, which may be 12 KiB each.
const GROUP_SKETCH_BYTES: usize = 8 << 20;

impl SegmentWriter {
    /// A new file for rows with these dimensions, in the order of their names.
    pub(crate) fn create(
        path: &Path,
        schema: &Arc<Schema>,
        dimensions: &[Text],
    ) -> Result<Self, SegmentError> {
        let file = squall::private::create(path).map_err(SegmentError::io("write", path))?;
        let parquet = SegmentError::parquet(path);
        let message = layout::message(schema, dimensions).map_err(&parquet)?;
        let properties = Arc::new(layout::properties(schema, dimensions));
        let hashed = Hashed {
            file,
            hash: Xxh3::new(),
            bytes: 0,
        };
        Ok(Self {
            file: SerializedFileWriter::new(hashed, message, properties).map_err(parquet)?,
            path: path.to_owned(),
            schema: Arc::clone(schema),
            dimensions: dimensions.to_vec(),
            parts: Vec::new(),
            row_groups: 0,
        })
    }

    /// Appends rows that are sorted, and do not come before those that were written. Each call
    /// begins a row group, and so does each segment.
    pub(crate) fn write(&mut self, rows: &RolledRows) -> Result<(), SegmentError> {
        let mut start = 0;
        while start < rows.len() {
            let segment = self.schema.segment.bucket(rows.times[start]);
            let end = end_of_group(rows, start, &segment);
            self.group(rows, start..end)
                .map_err(SegmentError::parquet(&self.path))?;
            self.note(rows, start..end, segment);
            start = end;
        }
        Ok(())
    }

    fn note(&mut self, rows: &RolledRows, range: Range<usize>, segment: Range<i64>) {
        let group = self.row_groups;
        self.row_groups += 1;
        let last = rows.times[range.end - 1];
        match self.parts.last_mut() {
            Some(part) if part.segment == segment => {
                part.last = last;
                part.rows += range.len() as u64;
                part.row_groups.end = group + 1;
            }
            _ => self.parts.push(Part {
                segment,
                first: rows.times[range.start],
                last,
                rows: range.len() as u64,
                row_groups: group..group + 1,
            }),
        }
    }

    fn group(&mut self, rows: &RolledRows, range: Range<usize>) -> Result<(), ParquetError> {
        let mut group = self.file.next_row_group()?;
        longs(&mut group, &rows.times[range.clone()])?;
        for name in &self.dimensions {
            let column = rows.dimensions.iter().find(|column| column.name == *name);
            match column {
                Some(column) => values(&mut group, column, range.clone())?,
                None => optional(
                    &mut group,
                    &vec![0; range.len()],
                    |writer, levels| match writer {
                        ColumnWriter::ByteArrayColumnWriter(writer) => {
                            writer.write_batch(&[], Some(levels), None)
                        }
                        _ => Err(other_type()),
                    },
                )?,
            }
        }
        for (metric, column) in self.schema.metrics.iter().zip(&rows.metrics) {
            let optional = layout::is_optional(metric.kind);
            partials(&mut group, column, range.clone(), optional)?;
        }
        group.close()?;
        Ok(())
    }

    /// Completes the file, which is on the disk then; its name is when its folder is.
    pub(crate) fn finish(self, level: u8) -> Result<SegmentFile, SegmentError> {
        let Self {
            path, file, parts, ..
        } = self;
        let hashed = file.into_inner().map_err(SegmentError::parquet(&path))?;
        let synced = hashed.file.sync_all();
        synced.map_err(SegmentError::io("write", &path))?;
        Ok(SegmentFile {
            level,
            schema: self.schema.id(),
            rows: parts.iter().map(|part| part.rows).sum(),
            bytes: hashed.bytes,
            checksum: format!("{:016x}", hashed.hash.digest()),
            parts,
        })
    }
}

/// Where the row group ends that begins with this row.
fn end_of_group(rows: &RolledRows, start: usize, segment: &Range<i64>) -> usize {
    let sketches = |row: usize| {
        let metrics = rows.metrics.iter().map(move |metric| match metric {
            MetricColumn::Distinct(sketches) => sketches[row].len(),
            _ => 0,
        });
        metrics.sum::<usize>()
    };
    let most = rows.len().min(start + GROUP_ROWS);
    let mut bytes = 0;
    let mut end = start;
    while end < most && segment.contains(&rows.times[end]) && bytes < GROUP_SKETCH_BYTES {
        bytes += sketches(end);
        end += 1;
    }
    // A row is in a bucket of its segment; nothing hangs where one is not.
    end.max(start + 1)
}

fn other_type() -> ParquetError {
    ParquetError::General("a column of another type was expected".to_owned())
}

fn no_column() -> ParquetError {
    ParquetError::General("there are fewer columns than the schema has".to_owned())
}

type Group<'g> = SerializedRowGroupWriter<'g, Hashed>;

fn longs(group: &mut Group<'_>, numbers: &[i64]) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(no_column)?;
    match column.untyped() {
        ColumnWriter::Int64ColumnWriter(writer) => writer.write_batch(numbers, None, None)?,
        _ => return Err(other_type()),
    };
    column.close()
}

fn doubles(group: &mut Group<'_>, numbers: &[f64]) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(no_column)?;
    match column.untyped() {
        ColumnWriter::DoubleColumnWriter(writer) => writer.write_batch(numbers, None, None)?,
        _ => return Err(other_type()),
    };
    column.close()
}

/// Writes a column in which rows of level 0 have nothing, and those of level 1 a value.
fn optional(
    group: &mut Group<'_>,
    levels: &[i16],
    write: impl FnOnce(&mut ColumnWriter<'_>, &[i16]) -> Result<usize, ParquetError>,
) -> Result<(), ParquetError> {
    let mut column = group.next_column()?.ok_or_else(no_column)?;
    write(column.untyped(), levels)?;
    column.close()
}

fn levels<T>(values: &[Option<T>]) -> Vec<i16> {
    values.iter().map(|value| value.is_some().into()).collect()
}

fn values(
    group: &mut Group<'_>,
    column: &DimensionColumn,
    range: Range<usize>,
) -> Result<(), ParquetError> {
    let dictionary: Vec<ByteArray> = column
        .dictionary
        .iter()
        .map(|value| ByteArray::from(value.as_str()))
        .collect();
    let ids = &column.ids[range];
    let values: Vec<ByteArray> = ids
        .iter()
        .filter_map(|id| dictionary.get(*id as usize).cloned())
        .collect();
    let levels: Vec<i16> = ids
        .iter()
        .map(|id| (*id != DimensionColumn::NULL).into())
        .collect();
    optional(group, &levels, |writer, levels| match writer {
        ColumnWriter::ByteArrayColumnWriter(writer) => {
            writer.write_batch(&values, Some(levels), None)
        }
        _ => Err(other_type()),
    })
}

fn partials(
    group: &mut Group<'_>,
    column: &MetricColumn,
    range: Range<usize>,
    may_be_nothing: bool,
) -> Result<(), ParquetError> {
    match column {
        MetricColumn::Long(numbers) if may_be_nothing => {
            let numbers = &numbers[range];
            let some: Vec<i64> = numbers.iter().flatten().copied().collect();
            optional(group, &levels(numbers), |writer, levels| match writer {
                ColumnWriter::Int64ColumnWriter(writer) => {
                    writer.write_batch(&some, Some(levels), None)
                }
                _ => Err(other_type()),
            })
        }
        MetricColumn::Long(numbers) => {
            let numbers = numbers[range].iter().map(|number| number.unwrap_or(0));
            longs(group, &numbers.collect::<Vec<_>>())
        }
        MetricColumn::Double(numbers) if may_be_nothing => {
            let numbers = &numbers[range];
            let some: Vec<f64> = numbers
                .iter()
                .flatten()
                .map(|[number, _]| *number)
                .collect();
            optional(group, &levels(numbers), |writer, levels| match writer {
                ColumnWriter::DoubleColumnWriter(writer) => {
                    writer.write_batch(&some, Some(levels), None)
                }
                _ => Err(other_type()),
            })
        }
        MetricColumn::Double(numbers) => {
            let sums = numbers[range].iter().map(|sum| sum.unwrap_or([0.0; 2]));
            let (high, low): (Vec<f64>, Vec<f64>) = sums.map(|[high, low]| (high, low)).unzip();
            doubles(group, &high)?;
            doubles(group, &low)
        }
        MetricColumn::Distinct(sketches) => {
            let sketches = sketches[range].iter();
            let values: Vec<ByteArray> = sketches
                .map(|sketch| ByteArray::from(sketch.to_vec()))
                .collect();
            let mut column = group.next_column()?.ok_or_else(no_column)?;
            match column.untyped() {
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    writer.write_batch(&values, None, None)?
                }
                _ => return Err(other_type()),
            };
            column.close()
        }
    }
}

/// Hashes what goes into a file.
struct Hashed {
    file: File,
    hash: Xxh3,
    bytes: u64,
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

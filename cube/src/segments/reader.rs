//! A segment's file being read.

use std::io::{self, Read};
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::RowGroupReader;
use parquet::file::serialized_reader::SerializedRowGroupReader;
use parquet::file::statistics::Statistics;
use squall::Text;
use xxhash_rust::xxh3::Xxh3;

use super::file::{SegmentError, SegmentFile};
use super::layout;
use super::opened::Opened;
use super::texts::{self, Texts};
use super::writer::GROUP_ROWS;
use crate::rows::{DimensionColumn, MetricColumn, RolledRows};
use crate::schema::{Kind, Schema};

/// Reads the file of segments: the columns and row groups that are asked for. Several threads may
/// do so at once.
///
/// What the file says of itself is in memory; it is open only while a row group is read, so that
/// there may be more readers than a process may have open files. A file is written once: what is
/// opened again is what was compared, or it is missing.
pub struct SegmentReader {
    path: PathBuf,
    bytes: u64,
    rows: u64,
    about: ParquetMetaData,
    schema: Arc<Schema>,
    dimensions: Vec<Text>,
}

/// What is hashed at once.
const HASHED_BYTES: usize = 256 * 1024;

impl SegmentReader {
    /// Compares all of a file with its checksum, and reads what it says of itself.
    ///
    /// # Errors
    /// Where it is missing, cannot be read, or is not as it was written.
    pub fn open(path: &Path, file: &SegmentFile) -> Result<Self, SegmentError> {
        let opened = open(path, file.bytes, file.rows)?;
        compare(&opened, path, &file.checksum)?;
        let about = sound(|| ParquetMetaDataReader::new().parse_and_finish(&opened));
        let about = about.map_err(SegmentError::parquet(path))?;
        let no_segment = |why: &str| SegmentError::no_segment(path, why);
        let of_file = about.file_metadata();
        let schema = of_file
            .key_value_metadata()
            .and_then(|pairs| pairs.iter().find(|pair| pair.key == layout::SCHEMA))
            .and_then(|pair| pair.value.as_deref())
            .ok_or_else(|| no_segment("its metadata has no `squall.schema`"))?;
        let schema: Schema =
            serde_json::from_str(schema).map_err(|error| no_segment(&error.to_string()))?;
        let columns = of_file.schema_descr().columns();
        let metrics: usize = schema.metrics.iter().map(layout::width).sum();
        let dimensions = columns
            .len()
            .checked_sub(metrics)
            .and_then(|end| columns.get(1..end))
            .ok_or_else(|| no_segment("it has fewer columns than its schema"))?;
        let dimensions = dimensions.iter().map(|column| Text::from(column.name()));
        Ok(Self {
            dimensions: dimensions.collect(),
            path: path.to_owned(),
            bytes: file.bytes,
            rows: file.rows,
            schema: Arc::new(schema),
            about,
        })
    }

    /// What the rows were rolled up by.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The dimensions, in the order of their names.
    #[must_use]
    pub fn dimensions(&self) -> &[Text] {
        &self.dimensions
    }

    /// How many row groups there are.
    #[must_use]
    pub fn row_groups(&self) -> usize {
        self.about.num_row_groups()
    }

    /// The times of a row group's first and last row, by its statistics; none where it has
    /// none.
    ///
    /// # Panics
    /// Where there is no such row group.
    #[must_use]
    pub fn times(&self, row_group: usize) -> Option<RangeInclusive<i64>> {
        match self.statistics(row_group, 0)? {
            Statistics::Int64(times) => Some(*times.min_opt()?..=*times.max_opt()?),
            _ => None,
        }
    }

    /// Whether a row group may have rows with this value, or with null, of a dimension: no by
    /// the least and the greatest of its values, and by its dictionary. A dimension that the file
    /// does not have is
    /// null in all of its rows.
    ///
    /// # Panics
    /// Where there is no such row group.
    #[must_use]
    pub fn may_have(&self, row_group: usize, dimension: &str, value: Option<&str>) -> bool {
        let Some(column) = self.column_of(dimension) else {
            return value.is_none();
        };
        let Some(statistics) = self.statistics(row_group, column) else {
            return true;
        };
        let nulls = statistics.null_count_opt();
        let Some(value) = value else {
            return nulls != Some(0);
        };
        let bounds = (statistics.min_bytes_opt(), statistics.max_bytes_opt());
        if let (Some(least), Some(greatest)) = bounds {
            // Where bounds are cut off, they are still below and above.
            if value.as_bytes() < least || greatest < value.as_bytes() {
                return false;
            }
        }
        let pages = || {
            // Why it cannot be read is told by who reads it.
            let group = self.opened(row_group).ok()?;
            group.get_column_page_reader(column).ok()
        };
        let about = self.about.row_group(row_group);
        let by_dictionary = sound(|| Ok(texts::may_have(about.column(column), pages, value)));
        if let Ok(false) = by_dictionary {
            return false;
        }
        let rows = about.num_rows();
        nulls.is_none_or(|nulls| nulls < rows.cast_unsigned())
    }

    fn statistics(&self, row_group: usize, column: usize) -> Option<&Statistics> {
        self.about.row_group(row_group).column(column).statistics()
    }

    /// A row group; the file is open as long as this, or a reader of a column of it, is kept.
    fn opened(
        &self,
        row_group: usize,
    ) -> Result<SerializedRowGroupReader<'_, Opened>, SegmentError> {
        let opened = open(&self.path, self.bytes, self.rows)?;
        let about = self.about.row_group(row_group);
        let index = self.about.page_index_for_row_group(row_group);
        let usual = Arc::new(ReaderProperties::builder().build());
        SerializedRowGroupReader::new(Arc::new(opened), about, index, usual)
            .map_err(SegmentError::parquet(&self.path))
    }

    fn column_of(&self, dimension: &str) -> Option<usize> {
        let mut names = self.dimensions.iter();
        Some(1 + names.position(|name| name == dimension)?)
    }

    /// Reads these dimensions and metrics of a row group, and its times. A dimension that the
    /// file does not have is null in all rows.
    ///
    /// # Errors
    /// Where there is no such metric, and where the file cannot be read.
    pub fn read(
        &self,
        row_group: usize,
        dimensions: &[&str],
        metrics: &[&str],
    ) -> Result<RolledRows, SegmentError> {
        let mut group = self.group(row_group, dimensions, metrics)?;
        Ok(group.next(usize::MAX)?.unwrap_or_default())
    }

    /// The same, to be read in portions.
    pub(super) fn group(
        &self,
        row_group: usize,
        dimensions: &[&str],
        metrics: &[&str],
    ) -> Result<GroupReader, SegmentError> {
        let parquet = SegmentError::parquet(&self.path);
        let group = self.opened(row_group)?;
        let rows = usize::try_from(group.metadata().num_rows()).unwrap_or(usize::MAX);
        if rows > GROUP_ROWS {
            let why = format!("a row group has {rows} rows, {GROUP_ROWS} at most");
            return Err(SegmentError::no_segment(&self.path, &why));
        }
        let columns = layout::columns(&self.schema, self.dimensions.len());
        let mut read_metrics = Vec::new();
        for name in metrics {
            let mut all = self.schema.metrics.iter().zip(&columns);
            let found = all.find(|(metric, _)| metric.name == *name);
            let (metric, column) = found.ok_or_else(|| SegmentError::NoColumn {
                path: self.path.clone(),
                what: "metric",
                name: (*name).to_owned(),
            })?;
            let reader = sound(|| MetricReader::of(&group, *column, metric.kind));
            let reader = reader.map_err(&parquet)?;
            read_metrics.push(reader);
        }
        let mut read_dimensions = Vec::new();
        for name in dimensions {
            let reader = match self.column_of(name) {
                Some(column) => {
                    let pages = sound(|| group.get_column_page_reader(column));
                    Some(Texts::new(pages.map_err(&parquet)?))
                }
                None => None,
            };
            read_dimensions.push((Text::from(*name), reader));
        }
        Ok(GroupReader {
            path: self.path.clone(),
            times: sound(|| longs(&group, 0)).map_err(&parquet)?,
            dimensions: read_dimensions,
            metrics: read_metrics,
            left: rows,
        })
    }

    /// Everything, from the first row to the last, in portions.
    pub(super) fn rows(&self, row_group: usize) -> Result<GroupReader, SegmentError> {
        let dimensions: Vec<&str> = self.dimensions.iter().map(Text::as_str).collect();
        let metrics = self.schema.metrics.iter();
        let metrics: Vec<&str> = metrics.map(|metric| metric.name.as_str()).collect();
        self.group(row_group, &dimensions, &metrics)
    }
}

fn hash(mut file: impl Read) -> io::Result<u64> {
    let mut hash = Xxh3::new();
    let mut buffer = vec![0; HASHED_BYTES];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hash.digest()),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Opens a file of so many bytes, which has so many rows.
fn open(path: &Path, bytes: u64, rows: u64) -> Result<Opened, SegmentError> {
    let opened = match squall::private::open_to_read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(SegmentError::Missing {
                path: path.to_owned(),
                rows,
            });
        }
        opened => opened.and_then(Opened::new),
    };
    let opened = opened.map_err(SegmentError::io("read", path))?;
    if opened.length() == bytes {
        return Ok(opened);
    }
    Err(SegmentError::Changed {
        path: path.to_owned(),
        expected: format!("{bytes} bytes"),
        found: format!("{} bytes", opened.length()),
    })
}

/// Compares a file with its checksum.
fn compare(opened: &Opened, path: &Path, checksum: &str) -> Result<(), SegmentError> {
    let hash = hash(opened.from(0)).map_err(SegmentError::io("read", path))?;
    let hash = format!("{hash:016x}");
    if hash == checksum {
        return Ok(());
    }
    Err(SegmentError::Changed {
        path: path.to_owned(),
        expected: format!("checksum {checksum}"),
        found: format!("checksum {hash}"),
    })
}

/// The columns of a row group, as far as they were read.
pub(super) struct GroupReader {
    path: PathBuf,
    times: ColumnReaderImpl<Int64Type>,
    dimensions: Vec<(Text, Option<Texts>)>,
    metrics: Vec<MetricReader>,
    left: usize,
}

impl GroupReader {
    /// Reads the next rows, so many at most; none at the end.
    pub(super) fn next(&mut self, most: usize) -> Result<Option<RolledRows>, SegmentError> {
        let count = most.min(self.left);
        if count == 0 {
            return Ok(None);
        }
        self.left -= count;
        sound(|| self.read(count))
            .map(Some)
            .map_err(SegmentError::parquet(&self.path))
    }

    fn read(&mut self, count: usize) -> Result<RolledRows, ParquetError> {
        let mut rows = RolledRows {
            times: required(&mut self.times, count)?,
            ..RolledRows::default()
        };
        for (name, reader) in &mut self.dimensions {
            rows.dimensions.push(match reader {
                Some(reader) => reader.read(name, count)?,
                None => DimensionColumn {
                    name: name.clone(),
                    dictionary: Vec::new(),
                    ids: vec![DimensionColumn::NULL; count],
                },
            });
        }
        for metric in &mut self.metrics {
            rows.metrics.push(metric.read(count)?);
        }
        Ok(rows)
    }
}

enum MetricReader {
    Long(ColumnReaderImpl<Int64Type>),
    MaybeLong(ColumnReaderImpl<Int64Type>),
    Sum(Box<[ColumnReaderImpl<DoubleType>; 2]>),
    MaybeDouble(ColumnReaderImpl<DoubleType>),
    Distinct(ColumnReaderImpl<ByteArrayType>),
}

impl MetricReader {
    fn of(group: &dyn RowGroupReader, column: usize, kind: Kind) -> Result<Self, ParquetError> {
        Ok(match kind {
            Kind::Count | Kind::LongSum => Self::Long(longs(group, column)?),
            Kind::LongMin | Kind::LongMax => Self::MaybeLong(longs(group, column)?),
            Kind::DoubleSum => Self::Sum(Box::new([
                doubles(group, column)?,
                doubles(group, column + 1)?,
            ])),
            Kind::DoubleMin | Kind::DoubleMax => Self::MaybeDouble(doubles(group, column)?),
            Kind::HyperUnique => Self::Distinct(byte_strings(group, column)?),
        })
    }

    fn read(&mut self, count: usize) -> Result<MetricColumn, ParquetError> {
        Ok(match self {
            Self::Long(reader) => {
                let numbers = required(reader, count)?;
                MetricColumn::Long(numbers.into_iter().map(Some).collect())
            }
            Self::MaybeLong(reader) => MetricColumn::Long(optional(reader, count)?),
            Self::Sum(columns) => {
                let [high, low] = &mut **columns;
                let low = required(low, count)?;
                let sums = required(high, count)?.into_iter().zip(low);
                MetricColumn::Double(sums.map(|(high, low)| Some([high, low])).collect())
            }
            Self::MaybeDouble(reader) => {
                let numbers = optional(reader, count)?.into_iter();
                MetricColumn::Double(numbers.map(|number| Some([number?, 0.0])).collect())
            }
            Self::Distinct(reader) => {
                let sketches = required(reader, count)?;
                let sketches = sketches.iter().map(|sketch| Arc::from(sketch.data()));
                MetricColumn::Distinct(sketches.collect())
            }
        })
    }
}

fn other_type() -> ParquetError {
    ParquetError::General("a column is of another type than its schema says".to_owned())
}

fn longs(
    group: &dyn RowGroupReader,
    column: usize,
) -> Result<ColumnReaderImpl<Int64Type>, ParquetError> {
    match group.get_column_reader(column)? {
        ColumnReader::Int64ColumnReader(reader) => Ok(reader),
        _ => Err(other_type()),
    }
}

fn doubles(
    group: &dyn RowGroupReader,
    column: usize,
) -> Result<ColumnReaderImpl<DoubleType>, ParquetError> {
    match group.get_column_reader(column)? {
        ColumnReader::DoubleColumnReader(reader) => Ok(reader),
        _ => Err(other_type()),
    }
}

fn byte_strings(
    group: &dyn RowGroupReader,
    column: usize,
) -> Result<ColumnReaderImpl<ByteArrayType>, ParquetError> {
    match group.get_column_reader(column)? {
        ColumnReader::ByteArrayColumnReader(reader) => Ok(reader),
        _ => Err(other_type()),
    }
}

/// What Parquet reads of a file. Its library panics at some damaged pages, such as one that needs
/// a dictionary where there is none; here that is an error as other damage is. Nothing is read by
/// the same readers afterwards.
fn sound<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    let read = catch_unwind(AssertUnwindSafe(read));
    let damaged = || ParquetError::General("it is damaged within".to_owned());
    read.unwrap_or_else(|_| Err(damaged()))
}

fn too_few(found: usize, count: usize) -> ParquetError {
    ParquetError::General(format!("a column has {found} values instead of {count}"))
}

/// Reads values of a column that has one for each row.
fn required<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
) -> Result<Vec<T::T>, ParquetError> {
    let mut values = Vec::with_capacity(count);
    reader.read_records(count, None, None, &mut values)?;
    if values.len() != count {
        return Err(too_few(values.len(), count));
    }
    Ok(values)
}

/// Reads values of a column in which there may be nothing.
fn optional<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    count: usize,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::with_capacity(count));
    reader.read_records(count, Some(&mut levels), None, &mut values)?;
    if levels.len() != count {
        return Err(too_few(levels.len(), count));
    }
    let mut values = values.into_iter();
    let rows = levels.iter().map(|level| match level {
        0 => None,
        _ => values.next(),
    });
    Ok(rows.collect())
}

//! The columns of a segment's file.
//!
//! | column | Parquet |
//! |---|---|
//! | `__time` | `INT64`, `TIMESTAMP(MILLIS, UTC)` |
//! | each dimension, in the order of the names | optional `BYTE_ARRAY`, `STRING` |
//! | a count, a `longSum` | `INT64` |
//! | a `longMin`, a `longMax` | optional `INT64` |
//! | a `doubleSum` | `DOUBLE`; and `name#low`, what the sum has lost by rounding |
//! | a `doubleMin`, a `doubleMax` | optional `DOUBLE` |
//! | a `hyperUnique` | `BYTE_ARRAY`, a sketch as it is stored |
//!
//! The rows are sorted by these columns up to the last dimension, null first.

use std::sync::Arc;

use parquet::basic::{Compression, ConvertedType, LogicalType, Repetition, TimeUnit, Type};
use parquet::errors::Result;
use parquet::file::metadata::{KeyValue, SortingColumn};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use parquet::schema::types::{ColumnPath, Type as Field, TypePtr};
use squall::Text;

use crate::schema::{Kind, Metric, Schema};

/// The column of times.
pub(super) const TIME: &str = "__time";

/// The key of the schema among the file's metadata: as JSON.
pub(super) const SCHEMA: &str = "squall.schema";

/// The form of the sketches, by metric.
const SKETCH: &str = "squall.sketch.";

/// The form that they have.
const SKETCH_FORM: &str = "squall-hll14-1";

/// What the sum in the other column has lost.
fn low(name: &str) -> String {
    format!("{name}#low")
}

/// How many columns a metric has.
pub(super) fn width(metric: &Metric) -> usize {
    match metric.kind {
        Kind::DoubleSum => 2,
        _ => 1,
    }
}

/// Whether there may be nothing: an extreme of no number.
pub(super) fn is_optional(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::LongMin | Kind::LongMax | Kind::DoubleMin | Kind::DoubleMax
    )
}

/// The first column of each metric, in a file with so many dimensions.
pub(super) fn columns(schema: &Schema, dimensions: usize) -> Vec<usize> {
    let mut next = 1 + dimensions;
    let columns = schema.metrics.iter().map(|metric| {
        let column = next;
        next += width(metric);
        column
    });
    columns.collect()
}

/// The type of the rows.
pub(super) fn message(schema: &Schema, dimensions: &[Text]) -> Result<TypePtr> {
    let timestamp = LogicalType::timestamp(true, TimeUnit::MILLIS);
    let time = Field::primitive_type_builder(TIME, Type::INT64)
        .with_repetition(Repetition::REQUIRED)
        .with_logical_type(Some(timestamp))
        .with_converted_type(ConvertedType::TIMESTAMP_MILLIS);
    let mut fields = vec![time.build()?];
    for name in dimensions {
        let dimension = Field::primitive_type_builder(name, Type::BYTE_ARRAY)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(Some(LogicalType::String))
            .with_converted_type(ConvertedType::UTF8);
        fields.push(dimension.build()?);
    }
    for metric in &schema.metrics {
        let physical = match metric.kind {
            Kind::Count | Kind::LongSum | Kind::LongMin | Kind::LongMax => Type::INT64,
            Kind::DoubleSum | Kind::DoubleMin | Kind::DoubleMax => Type::DOUBLE,
            Kind::HyperUnique => Type::BYTE_ARRAY,
        };
        let repetition = if is_optional(metric.kind) {
            Repetition::OPTIONAL
        } else {
            Repetition::REQUIRED
        };
        let mut names = vec![metric.name.clone()];
        if metric.kind == Kind::DoubleSum {
            names.push(low(&metric.name));
        }
        for name in names {
            let field = Field::primitive_type_builder(&name, physical);
            fields.push(field.with_repetition(repetition).build()?);
        }
    }
    let fields = fields.into_iter().map(Arc::new).collect();
    let message = Field::group_type_builder("cube").with_fields(fields);
    Ok(Arc::new(message.build()?))
}

/// How the columns are written.
pub(super) fn properties(schema: &Schema, dimensions: &[Text]) -> WriterProperties {
    let mut about = vec![KeyValue::new(SCHEMA.to_owned(), schema.to_json())];
    let mut properties = WriterProperties::builder()
        .set_created_by("squall".to_owned())
        .set_writer_version(WriterVersion::PARQUET_1_0)
        .set_compression(Compression::SNAPPY)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true);
    let chunk = EnabledStatistics::Chunk;
    let mut sorted = Vec::new();
    let names = std::iter::once(TIME).chain(dimensions.iter().map(Text::as_str));
    for (column_idx, name) in (0..).zip(names) {
        properties = properties.set_column_statistics_enabled(path(name), chunk);
        sorted.push(SortingColumn {
            column_idx,
            descending: false,
            nulls_first: true,
        });
    }
    for metric in &schema.metrics {
        if metric.kind == Kind::HyperUnique {
            properties = properties.set_column_dictionary_enabled(path(&metric.name), false);
            let key = format!("{SKETCH}{}", metric.name);
            about.push(KeyValue::new(key, SKETCH_FORM.to_owned()));
        }
    }
    properties
        .set_sorting_columns(Some(sorted))
        .set_key_value_metadata(Some(about))
        .build()
}

/// A column is named as it is: dots in names are no paths.
fn path(name: &str) -> ColumnPath {
    ColumnPath::new(vec![name.to_owned()])
}

//! Where rows are read from.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;

use squall::{BoxError, Text};

use crate::rows::{DimensionColumn, RolledRows};
use crate::schema::Schema;

/// The rows of a cube, in portions of which the columns are read that are asked for.
pub trait RowSource {
    /// The portions that may have rows of this time, all of one state of the cube.
    ///
    /// # Errors
    /// Where they cannot be read.
    fn portions(&self, times: &Range<i64>) -> Result<Vec<Box<dyn Portion + '_>>, BoxError>;
}

/// Some rows of a cube.
pub trait Portion: Send + Sync {
    /// What they were rolled up by.
    fn schema(&self) -> &Schema;

    /// The dimensions that they have.
    fn dimensions(&self) -> &[Text];

    /// The times of the first and the last row, or a wider range.
    fn times(&self) -> RangeInclusive<i64>;

    /// Whether there may be rows with this value, or with null, of a dimension.
    fn may_have(&self, dimension: &str, value: Option<&str>) -> bool {
        let _ = (dimension, value);
        true
    }

    /// The times of all rows with these dimensions and metrics, in this order. A dimension that
    /// they do not have is null in all rows.
    ///
    /// # Errors
    /// Where they cannot be read, or there is no such metric.
    fn read(&self, dimensions: &[&str], metrics: &[&str]) -> Result<RolledRows, BoxError>;
}

impl<P: Portion> Portion for &P {
    fn schema(&self) -> &Schema {
        (*self).schema()
    }

    fn dimensions(&self) -> &[Text] {
        (*self).dimensions()
    }

    fn times(&self) -> RangeInclusive<i64> {
        (*self).times()
    }

    fn may_have(&self, dimension: &str, value: Option<&str>) -> bool {
        (*self).may_have(dimension, value)
    }

    fn read(&self, dimensions: &[&str], metrics: &[&str]) -> Result<RolledRows, BoxError> {
        (*self).read(dimensions, metrics)
    }
}

/// Rows in memory.
#[derive(Clone, Debug)]
pub struct Stored {
    schema: Arc<Schema>,
    dimensions: Vec<Text>,
    rows: RolledRows,
}

impl Stored {
    /// Rows with what they were rolled up by.
    #[must_use]
    pub fn new(schema: Arc<Schema>, rows: RolledRows) -> Self {
        let names = rows.dimensions.iter().map(|column| column.name.clone());
        Self {
            schema,
            dimensions: names.collect(),
            rows,
        }
    }
}

impl Portion for Stored {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn dimensions(&self) -> &[Text] {
        &self.dimensions
    }

    fn times(&self) -> RangeInclusive<i64> {
        let times = self.rows.times.iter().copied();
        // An empty range where there are no rows.
        times.clone().min().unwrap_or(i64::MAX)..=times.max().unwrap_or(i64::MIN)
    }

    fn read(&self, dimensions: &[&str], metrics: &[&str]) -> Result<RolledRows, BoxError> {
        let dimensions = dimensions.iter().map(|name| {
            let found = self
                .rows
                .dimensions
                .iter()
                .find(|column| column.name == *name);
            found.cloned().unwrap_or_else(|| DimensionColumn {
                name: (*name).into(),
                dictionary: Vec::new(),
                ids: vec![DimensionColumn::NULL; self.rows.times.len()],
            })
        });
        let metrics = metrics.iter().map(|name| {
            let place = self
                .schema
                .metrics
                .iter()
                .position(|metric| metric.name == *name);
            let column = place.and_then(|place| self.rows.metrics.get(place));
            column
                .cloned()
                .ok_or_else(|| format!("the rows have no metric `{name}`"))
        });
        Ok(RolledRows {
            times: self.rows.times.clone(),
            dimensions: dimensions.collect(),
            metrics: metrics.collect::<Result<_, _>>()?,
        })
    }
}

impl RowSource for [Stored] {
    fn portions(&self, times: &Range<i64>) -> Result<Vec<Box<dyn Portion + '_>>, BoxError> {
        let overlap = |stored: &&Stored| {
            let of = stored.times();
            *of.start() < times.end && *of.end() >= times.start
        };
        let portions = self.iter().filter(overlap);
        Ok(portions
            .map(|stored| -> Box<dyn Portion + '_> { Box::new(stored) })
            .collect())
    }
}

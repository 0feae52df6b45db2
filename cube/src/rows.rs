//! Rows of a cube, as columns.

use std::sync::Arc;

use squall::Text;

/// Rows of a cube: a column of times, one for each dimension, and one for each metric, all of
/// one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RolledRows {
    /// When the bucket of each row begins, in milliseconds since 1970.
    pub times: Vec<i64>,
    /// The dimensions; one that is not there is null in all rows.
    pub dimensions: Vec<DimensionColumn>,
    /// The metrics, in the order of the schema.
    pub metrics: Vec<MetricColumn>,
}

impl RolledRows {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}

/// The values of a dimension, by dictionary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DimensionColumn {
    /// The dimension.
    pub name: Text,
    /// Each value once, in any order.
    pub dictionary: Vec<Text>,
    /// For each row the value's place in the dictionary, [`DimensionColumn::NULL`] for null.
    pub ids: Vec<u32>,
}

impl DimensionColumn {
    /// The id of null.
    pub const NULL: u32 = u32::MAX;

    /// The value of a row; none for null.
    ///
    /// ```
    /// use squall_cube::DimensionColumn;
    ///
    /// let channel = DimensionColumn {
    ///     name: "channel".into(),
    ///     dictionary: vec!["#en".into()],
    ///     ids: vec![0, DimensionColumn::NULL],
    /// };
    /// assert_eq!(channel.value(0).map(|value| value.as_str()), Some("#en"));
    /// assert_eq!(channel.value(1), None);
    /// ```
    ///
    /// # Panics
    /// Where there is no such row.
    #[must_use]
    pub fn value(&self, row: usize) -> Option<&Text> {
        self.dictionary.get(self.ids[row] as usize)
    }
}

/// The partials of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricColumn {
    /// Counts, sums, and nothing for extremes of no value.
    Long(Vec<Option<i64>>),
    /// Sums as two numbers, whose sum is exact to twice the digits; nothing for no value.
    Double(Vec<Option<[f64; 2]>>),
    /// Sketches, in their stored form.
    Distinct(Vec<Arc<[u8]>>),
}

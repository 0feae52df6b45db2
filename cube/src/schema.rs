//! What a cube keeps of its events.

use serde::{Deserialize, Serialize};

use crate::granularity::Granularity;

/// What is kept of events: metrics by time and dimensions. The dimensions themselves are known by
/// each event, since they may be discovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The metrics of a row, in the order of the spec.
    pub metrics: Vec<Metric>,
    /// Rows have the time at which their bucket of this granularity begins.
    pub query: Granularity,
    /// A segment holds the rows of a bucket of this granularity.
    pub segment: Granularity,
    /// Whether rows of one bucket and the same dimensions become one.
    pub rollup: bool,
}

/// A metric of each row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// The name in the cube.
    pub name: String,
    /// The field of the event that is aggregated; a count has none.
    pub field: Option<String>,
    /// How it is aggregated.
    pub kind: Kind,
}

/// How a metric is aggregated; named as in Druid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// How many events there were.
    Count,
    /// The sum of whole numbers.
    LongSum,
    /// The least whole number.
    LongMin,
    /// The greatest whole number.
    LongMax,
    /// The sum of numbers.
    DoubleSum,
    /// The least number.
    DoubleMin,
    /// The greatest number.
    DoubleMax,
    /// A sketch of how many different values there were.
    HyperUnique,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::LongSum => "longSum",
            Self::LongMin => "longMin",
            Self::LongMax => "longMax",
            Self::DoubleSum => "doubleSum",
            Self::DoubleMin => "doubleMin",
            Self::DoubleMax => "doubleMax",
            Self::HyperUnique => "hyperUnique",
        })
    }
}

/// The name under which answers have the error of a distinct count.
pub(crate) fn error_name(metric: &str) -> String {
    format!("{metric}_error")
}

impl Schema {
    /// Whether answers have the error of a distinct count under this name.
    pub(crate) fn has_error(&self, name: &str) -> bool {
        let mut metrics = self.metrics.iter();
        metrics.any(|metric| metric.kind == Kind::HyperUnique && error_name(&metric.name) == name)
    }

    /// The schema as JSON, as the files of its segments have it.
    pub(crate) fn to_json(&self) -> String {
        // Its types are plain, and maps with keys of other types than text are not among them.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Its name: XXH3 (64 bits) of its JSON, as 16 hexadecimal digits.
    #[must_use]
    pub fn id(&self) -> String {
        let hash = xxhash_rust::xxh3::xxh3_64(self.to_json().as_bytes());
        format!("{hash:016x}")
    }
}

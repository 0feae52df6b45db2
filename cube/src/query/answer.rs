//! The rows of an answer, as JSON and as a table.

use std::cmp::Ordering;
use std::fmt;

use serde::ser::{Serialize, SerializeMap, Serializer};
use squall::{Text, Timestamp, text::Shown};

use crate::granularity::Granularity;
use crate::schema::error_name;

/// What a query has found.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// Of which granularity the rows are.
    pub granularity: Granularity,
    /// The names of the dimensions, in the order of the query.
    pub dimensions: Vec<Text>,
    /// The names of the metrics, in the order of the query.
    pub metrics: Vec<Text>,
    /// The rows, in the order that was asked for.
    pub rows: Vec<AnswerRow>,
    /// How many stored rows were read for it.
    pub rows_read: u64,
}

/// A row of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct AnswerRow {
    /// When the bucket begins. Where all of time is one, when the first stored bucket of the
    /// answer begins.
    pub timestamp: Timestamp,
    /// The dimensions.
    pub dimensions: Vec<Option<Text>>,
    /// The metrics.
    pub metrics: Vec<Measure>,
}

/// The value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// There was no value.
    Null,
    /// A count, a sum or an extreme of whole numbers.
    Long(i64),
    /// A sum or an extreme of numbers.
    Double(f64),
    /// About how many different values there were.
    Distinct {
        /// The estimate.
        estimate: u64,
        /// Its standard deviation, as a part of it.
        error: f64,
    },
}

impl Measure {
    /// By size; of null as the least.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Long(one), Self::Long(other)) => one.cmp(other),
            (Self::Double(one), Self::Double(other)) => one.total_cmp(other),
            (
                Self::Distinct { estimate: one, .. },
                Self::Distinct {
                    estimate: other, ..
                },
            ) => one.cmp(other),
            // Values of one metric are of one kind, so one of them is null.
            _ => (*self != Self::Null).cmp(&(*other != Self::Null)),
        }
    }
}

impl fmt::Display for Measure {
    /// A distinct count with its error, rounded up to tenths of a percent: `379 ±0.9 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Long(long) => write!(f, "{long}"),
            Self::Double(double) => write!(f, "{double}"),
            Self::Distinct { estimate, error } => {
                write!(f, "{estimate} ±{:.1} %", (error * 1_000.0).ceil() / 10.0)
            }
        }
    }
}

impl Answer {
    /// What the column of times is called: `timestamp`, or `__time` where another column of the
    /// answer has that name.
    fn time_name(&self) -> &'static str {
        let mut names = self.dimensions.iter().chain(&self.metrics);
        if names.any(|name| *name == "timestamp") {
            "__time"
        } else {
            "timestamp"
        }
    }

    /// Each row as an object of JSON on a line of its own: `timestamp` (`__time` where a dimension
    /// or metric has that name), the dimensions, the metrics, and for a distinct count `<metric>_error`, its standard deviation as a part of it.
    pub fn json(&self) -> impl Iterator<Item = String> {
        self.rows.iter().map(|row| {
            let object = JsonRow { answer: self, row };
            // Texts and finite numbers are always written.
            serde_json::to_string(&object).unwrap_or_default()
        })
    }
}

struct JsonRow<'a> {
    answer: &'a Answer,
    row: &'a AnswerRow,
}

impl Serialize for JsonRow<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.answer.time_name(), &self.row.timestamp.to_string())?;
        for (name, value) in self.answer.dimensions.iter().zip(&self.row.dimensions) {
            map.serialize_entry(name.as_str(), &value.as_deref())?;
        }
        for (name, measure) in self.answer.metrics.iter().zip(&self.row.metrics) {
            match measure {
                Measure::Null => map.serialize_entry(name.as_str(), &())?,
                Measure::Long(long) => map.serialize_entry(name.as_str(), long)?,
                Measure::Double(double) => map.serialize_entry(name.as_str(), double)?,
                Measure::Distinct { estimate, error } => {
                    map.serialize_entry(name.as_str(), estimate)?;
                    map.serialize_entry(&error_name(name), error)?;
                }
            }
        }
        map.end()
    }
}

impl fmt::Display for Answer {
    /// A table with a head, a line for each row. Null is `null`, and that text is `"null"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.dimensions.iter().chain(&self.metrics);
        let names = names.map(|name| Shown(name).to_string());
        let head = std::iter::once(self.time_name().to_owned()).chain(names);
        let mut lines: Vec<Vec<String>> = vec![head.collect()];
        for row in &self.rows {
            let dimensions = row.dimensions.iter().map(|value| match value {
                None => "null".to_owned(),
                // What could be taken for null, for the empty text, or for one of these.
                Some(value) if value.is_empty() || value == "null" || value.starts_with('"') => {
                    format!("{:?}", value.as_str())
                }
                Some(value) => Shown(value).to_string(),
            });
            let line = std::iter::once(row.timestamp.to_string())
                .chain(dimensions)
                .chain(row.metrics.iter().map(ToString::to_string));
            lines.push(line.collect());
        }
        let columns = 1 + self.dimensions.len() + self.metrics.len();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
        let widths: Vec<usize> = (0..columns)
            .map(|column| width(column).unwrap_or(0))
            .collect();
        for line in &lines {
            let mut text = String::new();
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                if column > self.dimensions.len() {
                    text.push_str(&format!("{gap}{cell:>width$}"));
                } else {
                    text.push_str(&format!("{gap}{cell:<width$}"));
                }
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

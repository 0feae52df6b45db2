//! Druid's ingestion specs.
//!
//! | file | idea |
//! |---|---|
//! | `json` | JSON of which each value knows its line |
//! | `object` | an object whose members are taken out one by one; what is left is told |
//! | `interval` | intervals of ISO 8601 |
//! | `parts` | time, dimensions, metrics and granularities of a spec |

mod interval;
mod json;
mod object;
mod parts;
#[cfg(test)]
mod tests;

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use squall::connectors::files::FieldSelector;
use squall::text::Shown;

use crate::granularity::{Granularity, UnknownGranularity};
use crate::moment::TimestampFormat;
use crate::schema::Schema;
use json::{Node, Text};
use object::{Notes, Object};
pub(crate) use parts::is_reserved;

/// What to make of events: an ingestion spec, with Druid's defaults filled in.
///
/// As JSON it is the same for all specs that mean the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The name of the data, where it has one.
    pub data_source: Option<String>,
    /// Where an event has its time.
    pub time: TimestampSpec,
    /// What is kept to group by.
    pub dimensions: Dimensions,
    /// When events may have happened, in milliseconds since 1970; at any time where it is empty.
    pub intervals: Vec<Range<i64>>,
    /// Metrics and granularities.
    pub schema: Schema,
}

/// Where an event has its time, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimestampSpec {
    /// The field.
    pub column: String,
    /// How it is written.
    pub format: TimestampFormat,
    /// The time of events that have none, in milliseconds since 1970.
    pub missing: Option<i64>,
}

impl Spec {
    /// The fields of events that it names, but for that of the time: dimensions that are listed,
    /// and what metrics aggregate.
    pub fn fields(&self) -> impl Iterator<Item = FieldSelector> {
        let listed = match &self.dimensions {
            Dimensions::Listed(listed) => listed.as_slice(),
            Dimensions::Discovered { .. } => &[],
        };
        let dimensions = listed.iter().map(|dimension| dimension.name.as_str());
        let metrics = self.schema.metrics.iter();
        let metrics = metrics.filter_map(|metric| metric.field.as_deref());
        dimensions.chain(metrics).map(FieldSelector::named)
    }
}

/// What is kept of events to group by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Dimensions {
    /// These.
    Listed(Vec<Dimension>),
    /// All fields at the top of an event, but for its time, what is aggregated, and these. An
    /// event with an array or an object in one of them is refused.
    Discovered {
        /// Left out.
        excluded: Vec<String>,
    },
}

/// A field that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// Its name, in events and in the cube.
    pub name: String,
    /// How its values are written.
    pub kind: DimensionKind,
}

/// How the values of a dimension are written; all of them are kept as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DimensionKind {
    /// As they are.
    Text,
    /// As whole numbers: `5.0` is `5`.
    Long,
    /// As numbers: `5`, `5.0` and `0.5e1` are one.
    Double,
}

/// What is noted about a place in a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The spec, as it was named.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// What there is.
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, what) = (Shown(&self.name), Shown(&self.what));
        write!(f, "{name}:{}: {what}", self.line)
    }
}

/// All that is wrong with a spec, in the order of its lines; there is something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecErrors {
    /// What is wrong, and where.
    pub mistakes: Vec<Warning>,
}

impl fmt::Display for SpecErrors {
    /// A line for each mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, mistake) in self.mistakes.iter().enumerate() {
            if place > 0 {
                writeln!(f)?;
            }
            write!(f, "{mistake}")?;
        }
        Ok(())
    }
}

impl std::error::Error for SpecErrors {}

/// Reads an ingestion spec of Druid: its `dataSchema`, at the top level or inside of `spec`, or
/// the members of it alone. `name` says in messages which spec it is.
///
/// What does not change results (`ioConfig`, `tuningConfig`, what is unknown) is ignored with a
/// warning. What would change them and cannot be done is a mistake, and so is a name that is
/// unknown and near to a known one.
///
/// # Errors
/// All mistakes at once, each with its line.
///
/// ```
/// use squall_cube::spec;
///
/// let text = r#"{
///   "timestampSpec": {"column": "time", "format": "iso"},
///   "dimensionsSpec": {"dimensions": ["web"]},
///   "aggregators": [
///     {"type": "count", "name": "impressions"},
///     {"type": "doubleSumm", "name": "price", "fieldName": "price"}
///   ],
///   "granularitySpec": {"segmentGranularity": "day", "queryGranularity": "hour"}
/// }"#;
/// let error = spec::parse(text, "rollup.json").unwrap_err().to_string();
/// assert!(error.starts_with(
///     "rollup.json:6: there is no aggregator `doubleSumm`; did you mean `doubleSum`?"
/// ));
/// let (spec, warnings) = spec::parse(&text.replace("Summ", "Sum"), "rollup.json")?;
/// assert_eq!(spec.schema.metrics.len(), 2);
/// assert!(warnings.is_empty());
/// # Ok::<(), spec::SpecErrors>(())
/// ```
pub fn parse(text: &str, name: &str) -> Result<(Spec, Vec<Warning>), SpecErrors> {
    let mut notes = Notes::default();
    // A byte order mark is no part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // A `\r` alone ends a line, too; outside of lines' ends there is none in JSON.
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = Text::new(&text);
    let spec = match Node::of(&text) {
        Ok(root) => {
            Object::of(root, "the spec", &mut notes).and_then(|root| parts::spec(root, &mut notes))
        }
        Err((line, why)) => {
            notes.mistake(line, why);
            None
        }
    };
    let located = |mut notes: Vec<(usize, String)>| -> Vec<Warning> {
        notes.sort_by_key(|(line, _)| *line);
        let notes = notes.into_iter().map(|(line, what)| Warning {
            name: name.to_owned(),
            line,
            what,
        });
        notes.collect()
    };
    match spec {
        Some(spec) if notes.mistakes.is_empty() => Ok((spec, located(notes.warnings))),
        _ => Err(SpecErrors {
            mistakes: located(notes.mistakes),
        }),
    }
}

/// Reads a granularity as a spec has it: its name or period, or Druid's JSON for it.
///
/// # Errors
/// [`GranularityError`]; members that say nothing are wrong, too.
///
/// ```
/// use squall_cube::spec::granularity;
///
/// let text = r#"{"type": "period", "period": "P1D", "timeZone": "Europe/Prague"}"#;
/// assert_eq!(granularity(text), granularity("P1D in Europe/Prague"));
/// assert_eq!(granularity("\"day\""), granularity("day"));
/// let error = granularity(r#"{"type": "perio"}"#).unwrap_err().to_string();
/// assert!(error.starts_with("there is no granularity type `perio`; did you mean `period`?"));
/// ```
pub fn granularity(text: &str) -> Result<Granularity, GranularityError> {
    let one = |why: String| GranularityError { wrong: vec![why] };
    if !text.trim_start().starts_with(['{', '"']) {
        return text
            .parse()
            .map_err(|why: UnknownGranularity| one(why.to_string()));
    }
    let mut notes = Notes::default();
    let text = Text::new(text);
    let node = Node::of(&text).map_err(|(_, why)| one(why))?;
    let granularity = parts::granularity(node, "granularity", &mut notes);
    let notes = notes.mistakes.into_iter().chain(notes.warnings);
    let wrong: Vec<String> = notes.map(|(_, what)| what).collect();
    match granularity {
        Some(granularity) if wrong.is_empty() => Ok(granularity),
        _ => Err(GranularityError { wrong }),
    }
}

/// A text that is no granularity; see [`granularity()`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .wrong.join("; "))]
#[non_exhaustive]
pub struct GranularityError {
    /// All that is wrong with it, each as a sentence.
    pub wrong: Vec<String>,
}

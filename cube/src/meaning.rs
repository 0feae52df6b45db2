//! What the rows of a cube mean, as a data directory keeps it; named as in the specs.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;
use squall::{Timestamp, state::Meaning};

use crate::schema::{Kind, Schema};
use crate::spec::{DimensionKind, Dimensions, Spec};

/// What is kept of events.
#[derive(Serialize)]
struct Kept<'s> {
    #[serde(rename = "metricsSpec")]
    metrics: BTreeMap<&'s str, KeptMetric<'s>>,
    /// In the order of the spec, which is that of the columns.
    #[serde(rename = "metrics")]
    order: Vec<&'s str>,
    #[serde(rename = "queryGranularity")]
    query: String,
    #[serde(rename = "segmentGranularity")]
    segment: String,
    rollup: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct KeptMetric<'s> {
    r#type: Kind,
    field_name: Option<&'s str>,
}

/// How events are made of records.
#[derive(Serialize)]
struct Read<'s> {
    #[serde(rename = "timestampSpec")]
    time: ReadTime<'s>,
    #[serde(rename = "dimensionsSpec")]
    dimensions: ReadDimensions<'s>,
    intervals: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadTime<'s> {
    column: &'s str,
    format: String,
    missing_value: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReadDimensions<'s> {
    /// None where they are discovered.
    dimensions: Option<BTreeMap<&'s str, DimensionKind>>,
    dimension_exclusions: Vec<&'s str>,
}

impl Schema {
    /// What the rows of a cube of this schema mean.
    pub(crate) fn meaning(&self) -> Meaning {
        let metrics = self.metrics.iter().map(|metric| {
            let kept = KeptMetric {
                r#type: metric.kind,
                field_name: metric.field.as_deref(),
            };
            (metric.name.as_str(), kept)
        });
        let names = self.metrics.iter().map(|metric| metric.name.as_str());
        Meaning::of(&Kept {
            metrics: metrics.collect(),
            order: names.collect(),
            query: self.query.to_string(),
            segment: self.segment.to_string(),
            rollup: self.rollup,
        })
    }
}

impl Spec {
    /// What the events that it reads mean; what is kept of them is said by the schema.
    pub(crate) fn meaning(&self) -> Meaning {
        let dimensions = match &self.dimensions {
            Dimensions::Listed(listed) => {
                let listed = listed.iter().map(|it| (it.name.as_str(), it.kind));
                ReadDimensions {
                    dimensions: Some(listed.collect()),
                    dimension_exclusions: Vec::new(),
                }
            }
            Dimensions::Discovered { excluded } => {
                let mut excluded: Vec<_> = excluded.iter().map(String::as_str).collect();
                excluded.sort_unstable();
                excluded.dedup();
                ReadDimensions {
                    dimensions: None,
                    dimension_exclusions: excluded,
                }
            }
        };
        let moment = |millis| Timestamp::from_millis(millis).to_string();
        let intervals = joined(self.intervals.clone()).into_iter();
        Meaning::of(&Read {
            time: ReadTime {
                column: &self.time.column,
                format: self.time.format.to_string(),
                missing_value: self.time.missing.map(moment),
            },
            dimensions,
            intervals: intervals
                .map(|interval| format!("{}/{}", moment(interval.start), moment(interval.end)))
                .collect(),
        })
    }
}

/// The same times in order, each once.
fn joined(mut intervals: Vec<Range<i64>>) -> Vec<Range<i64>> {
    intervals.sort_by_key(|interval| interval.start);
    let mut joined: Vec<Range<i64>> = Vec::new();
    for interval in intervals {
        match joined.last_mut() {
            Some(last) if interval.start <= last.end => last.end = last.end.max(interval.end),
            _ => joined.push(interval),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::spec;

    fn meaning(change: impl FnOnce(&mut Value)) -> Meaning {
        let mut value = json!({
            "timestampSpec": {"column": "time", "format": "iso"},
            "dimensionsSpec": {"dimensions": ["web", {"type": "long", "name": "size"}]},
            "metricsSpec": [
                {"type": "count", "name": "views"},
                {"type": "longSum", "name": "bytes", "fieldName": "bytes"},
            ],
            "granularitySpec": {
                "segmentGranularity": "day",
                "queryGranularity": "hour",
                "intervals": ["2015-01-01/2015-02-01"],
            },
        });
        change(&mut value);
        let (spec, _) = spec::parse(&value.to_string(), "spec.json").unwrap();
        spec.schema.meaning().and(spec.meaning())
    }

    #[test]
    fn specs_that_keep_the_same_mean_the_same() {
        let one = meaning(|_| {});
        let ways: [fn(&mut Value); 4] = [
            |spec| spec["dataSource"] = json!("pages"),
            |spec| {
                spec["dimensionsSpec"]["dimensions"] =
                    json!([{"type": "long", "name": "size"}, "web"]);
            },
            |spec| spec["granularitySpec"]["queryGranularity"] = json!("PT1H"),
            |spec| {
                spec["granularitySpec"]["intervals"] =
                    json!(["2015-01-10/2015-02-01", "2015-01-01/2015-01-11"]);
            },
        ];
        for change in ways {
            assert_eq!(meaning(change), one);
        }
    }

    #[test]
    fn whatever_changes_the_rows_is_another_meaning() {
        let one = meaning(|_| {});
        let ways: [fn(&mut Value); 10] = [
            |spec| spec["timestampSpec"]["column"] = json!("at"),
            |spec| spec["timestampSpec"]["format"] = json!("millis"),
            |spec| spec["timestampSpec"]["missingValue"] = json!("2015-01-01"),
            |spec| spec["dimensionsSpec"]["dimensions"] = json!(["web"]),
            |spec| spec["dimensionsSpec"] = json!({"dimensionExclusions": ["web"]}),
            |spec| spec["metricsSpec"][1]["type"] = json!("doubleSum"),
            |spec| spec["metricsSpec"][1]["fieldName"] = json!("size"),
            |spec| spec["granularitySpec"]["rollup"] = json!(false),
            |spec| spec["granularitySpec"]["segmentGranularity"] = json!("month"),
            |spec| spec["granularitySpec"]["intervals"] = json!([]),
        ];
        for (number, change) in ways.into_iter().enumerate() {
            assert_ne!(meaning(change), one, "{number}");
        }
    }
}

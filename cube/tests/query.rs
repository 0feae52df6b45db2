//! Questions to rows of real and of well-known data.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use common::{decoder, events, wikiticker};
use serde_json::{Value, json};
use squall::Text;
use squall::connectors::files::Format;
use squall_cube::query::{Query, Stored};
use squall_cube::{DimensionColumn, Event, Input, MetricColumn, RolledRows, Schema, spec};

fn schema(spec: &str) -> Arc<Schema> {
    Arc::new(spec::parse(spec, "spec").unwrap().0.schema)
}

/// Rolls events up in the plainest way; counts and sums only.
fn rolled(schema: &Arc<Schema>, events: &[Event]) -> Stored {
    let mut groups: BTreeMap<(i64, Vec<Option<Text>>), Vec<i64>> = BTreeMap::new();
    let names = &events[0].names;
    for event in events {
        let time = schema.query.bucket(event.time.millis()).start;
        let group = groups.entry((time, event.dimensions.to_vec()));
        let sums = group.or_insert_with(|| vec![0; schema.metrics.len()]);
        for (sum, input) in sums.iter_mut().zip(&event.inputs) {
            *sum += match input {
                Input::Long(long) => *long,
                _ => 1,
            };
        }
    }
    let dimensions = names.iter().enumerate().map(|(place, name)| {
        let mut column = DimensionColumn {
            name: name.clone(),
            ..DimensionColumn::default()
        };
        for (_, values) in groups.keys() {
            column.ids.push(match &values[place] {
                None => DimensionColumn::NULL,
                Some(value) => {
                    let mut known = column.dictionary.iter();
                    let known = known.position(|other| other == value);
                    let id = known.unwrap_or_else(|| {
                        column.dictionary.push(value.clone());
                        column.dictionary.len() - 1
                    });
                    u32::try_from(id).unwrap()
                }
            });
        }
        column
    });
    let metrics = (0..schema.metrics.len()).map(|metric| {
        let values = groups.values().map(|sums| Some(sums[metric]));
        MetricColumn::Long(values.collect())
    });
    let rows = RolledRows {
        times: groups.keys().map(|(time, _)| *time).collect(),
        dimensions: dimensions.collect(),
        metrics: metrics.collect(),
    };
    Stored::new(Arc::clone(schema), rows)
}

fn answer(query: &Query, cube: &[Stored]) -> Vec<Value> {
    let answer = query.run(cube).unwrap();
    answer
        .json()
        .map(|line| serde_json::from_str(&line).unwrap())
        .collect()
}

fn query(granularity: &str, by: &[&str]) -> Query {
    Query {
        granularity: Some(granularity.parse().unwrap()),
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        ..Query::default()
    }
}

#[test]
fn druids_tutorial_by_the_minute() {
    let spec = r#"{
        "timestampSpec": {"column": "timestamp", "format": "iso"},
        "dimensionsSpec": {"dimensions": ["srcIP", "dstIP"]},
        "metricsSpec": [
            {"type": "count", "name": "count"},
            {"type": "longSum", "name": "packets", "fieldName": "packets"},
            {"type": "longSum", "name": "bytes", "fieldName": "bytes"}
        ],
        "granularitySpec": {"segmentGranularity": "week", "queryGranularity": "minute",
            "intervals": ["2018-01-01/2018-01-03"]}
    }"#;
    let input = "timestamp,srcIP,dstIP,packets,bytes
2018-01-01T01:01:35Z,1.1.1.1,2.2.2.2,20,9024
2018-01-01T01:01:51Z,1.1.1.1,2.2.2.2,255,21133
2018-01-01T01:01:59Z,1.1.1.1,2.2.2.2,11,5780
2018-01-01T01:02:14Z,1.1.1.1,2.2.2.2,38,6289
2018-01-01T01:02:29Z,1.1.1.1,2.2.2.2,377,359971
2018-01-01T01:03:29Z,1.1.1.1,2.2.2.2,49,10204
2018-01-02T21:33:14Z,7.7.7.7,8.8.8.8,38,6289
2018-01-02T21:33:45Z,7.7.7.7,8.8.8.8,123,93999
2018-01-02T21:35:45Z,7.7.7.7,8.8.8.8,12,2818
";
    let events = events(&mut decoder(spec), Format::Csv, input.as_bytes());
    let events: Vec<Event> = events.into_iter().map(Result::unwrap).collect();
    // The rows of one minute are in two portions.
    let (first, second) = events.split_at(2);
    let schema = schema(spec);
    let cube = [rolled(&schema, first), rolled(&schema, second)];
    let row = |minute: &str, [from, to]: [&str; 2], [packets, bytes, count]: [i64; 3]| {
        json!({"timestamp": format!("2018-01-0{minute}:00Z"), "srcIP": from, "dstIP": to,
            "count": count, "packets": packets, "bytes": bytes})
    };
    let one = ["1.1.1.1", "2.2.2.2"];
    let other = ["7.7.7.7", "8.8.8.8"];
    assert_eq!(
        answer(&query("minute", &["srcIP", "dstIP"]), &cube),
        [
            row("1T01:01", one, [286, 35_937, 3]),
            row("1T01:02", one, [415, 366_260, 2]),
            row("1T01:03", one, [49, 10_204, 1]),
            row("2T21:33", other, [161, 100_288, 2]),
            row("2T21:35", other, [12, 2_818, 1]),
        ]
    );
}

const WIKITICKER: &str = r#"{
    "timestampSpec": {"column": "time", "format": "iso"},
    "dimensionsSpec": {"dimensions": ["channel", "isRobot"]},
    "metricsSpec": [
        {"type": "count", "name": "count"},
        {"type": "longSum", "name": "added", "fieldName": "added"},
        {"type": "longSum", "name": "deleted", "fieldName": "deleted"}
    ],
    "granularitySpec": {"segmentGranularity": "day", "queryGranularity": "hour"}
}"#;

#[test]
fn wikiticker_by_hour_by_channel_and_its_largest_groups() {
    let Some((mut events, answers)) = wikiticker(&mut decoder(WIKITICKER)) else {
        return;
    };
    // Seven portions, each with rows of all hours.
    fastrand::Rng::with_seed(12).shuffle(&mut events);
    let schema = schema(WIKITICKER);
    let portions = events.chunks(events.len().div_ceil(7));
    let cube: Vec<Stored> = portions.map(|events| rolled(&schema, events)).collect();

    let hours = answer(&query("hour", &[]), &cube);
    let expected = answers["hourly"].as_array().unwrap();
    assert_eq!(hours.len(), expected.len());
    for (hour, expected) in hours.iter().zip(expected) {
        let group = format!("{}:00:00Z", expected["group"][0].as_str().unwrap());
        assert_eq!(hour["timestamp"], group);
        for metric in ["count", "added", "deleted"] {
            assert_eq!(hour[metric], expected[metric], "{group} {metric}");
        }
    }

    let channels = Query {
        metrics: vec!["count".to_owned()],
        ..query("all", &["channel"])
    };
    let channels = answer(&channels, &cube);
    let expected = answers["by_channel"].as_array().unwrap();
    assert_eq!(channels.len(), expected.len());
    for pair in expected {
        let found = channels.iter().find(|row| row["channel"] == pair[0]);
        assert_eq!(found.unwrap()["count"], pair[1], "{pair}");
    }

    let groups = query("hour", &["channel", "isRobot"]);
    assert_eq!(answers["groups"], answer(&groups, &cube).len());
    let largest = Query {
        order: Some("count".to_owned()),
        limit: Some(10),
        ..groups
    };
    let largest = answer(&largest, &cube);
    let expected = answers["hour_channel_robot_10_largest"].as_array().unwrap();
    assert_eq!(largest.len(), expected.len());
    for (row, expected) in largest.iter().zip(expected) {
        let group = &expected["group"];
        assert_eq!(
            row["timestamp"],
            format!("{}:00:00Z", group[0].as_str().unwrap())
        );
        assert_eq!(row["channel"], group[1]);
        assert_eq!(row["isRobot"], group[2].to_string());
        assert_eq!(row["count"], expected["count"]);
        assert_eq!(row["added"], expected["added"]);
    }
}

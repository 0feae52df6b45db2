use proptest::prelude::*;

use super::*;
use crate::schema::{Kind, Metric};

/// The warnings of a good spec, in short.
fn good(text: &str) -> (Spec, Vec<String>) {
    match parse(text, "s") {
        Ok((spec, warnings)) => (spec, warnings.iter().map(ToString::to_string).collect()),
        Err(errors) => panic!("{errors}"),
    }
}

/// The mistakes of a bad spec, in short.
fn bad(text: &str) -> Vec<String> {
    let errors = parse(text, "s").map(|(spec, _)| spec).unwrap_err();
    errors.mistakes.iter().map(ToString::to_string).collect()
}

const TUTORIAL: &str = r#"{
      "type" : "index_parallel",
      "spec" : {
        "dataSchema" : {
          "dataSource" : "rollup-tutorial",
          "dimensionsSpec" : {
            "dimensions" : [
              "srcIP",
              {"type": "string", "name": "dstIP"}
            ]
          },
          "timestampSpec": {
            "column": "timestamp",
            "format": "iso"
          },
          "metricsSpec" : [
            { "type" : "count", "name" : "count" },
            { "type" : "longSum", "name" : "packets", "fieldName" : "packets" },
            { "type" : "longSum", "name" : "bytes", "fieldName" : "bytes" }
          ],
          "granularitySpec" : {
            "type" : "uniform",
            "segmentGranularity" : "week",
            "queryGranularity" : "minute",
            "intervals" : ["2018-01-01/2018-01-03"],
            "rollup" : true
          }
        },
        "ioConfig" : {
          "type" : "index_parallel",
          "inputSource" : { "type" : "local" }
        },
        "tuningConfig" : { "type" : "index_parallel" }
      }
    }"#;

#[test]
fn druids_tutorial_is_read() {
    let (spec, warnings) = good(TUTORIAL);
    assert_eq!(
        warnings,
        [
            "s:29: `ioConfig` is ignored: the options of the run say what to read",
            "s:33: `tuningConfig` is ignored: the options of the run say what to read",
        ]
    );
    let metric = |name: &str, kind| Metric {
        name: name.to_owned(),
        field: (kind != Kind::Count).then(|| name.to_owned()),
        kind,
    };
    let dimension = |name: &str| Dimension {
        name: name.to_owned(),
        kind: DimensionKind::Text,
    };
    let expected = Spec {
        data_source: Some("rollup-tutorial".to_owned()),
        time: TimestampSpec {
            column: "timestamp".to_owned(),
            format: "iso".parse().unwrap(),
            missing: None,
        },
        dimensions: Dimensions::Listed(vec![dimension("srcIP"), dimension("dstIP")]),
        #[allow(clippy::single_range_in_vec_init)]
        intervals: vec![1_514_764_800_000..1_514_937_600_000],
        schema: Schema {
            metrics: vec![
                metric("count", Kind::Count),
                metric("packets", Kind::LongSum),
                metric("bytes", Kind::LongSum),
            ],
            query: "minute".parse().unwrap(),
            segment: "week".parse().unwrap(),
            rollup: true,
        },
    };
    assert_eq!(spec, expected);
    let json = serde_json::to_string(&spec).unwrap();
    assert_eq!(serde_json::from_str::<Spec>(&json).unwrap(), spec);
}

#[test]
fn the_same_spec_is_the_same_wherever_it_is_put() {
    let inner = r#""timestampSpec":{"column":"time"},"dimensionsSpec":{"dimensions":["a"]},
        "granularitySpec":{"queryGranularity":"hour"}"#;
    let metrics = r#"[{"type":"count","name":"n"}]"#;
    let texts = [
        format!(r#"{{{inner},"aggregators":{metrics}}}"#),
        format!(r#"{{{inner},"metricsSpec":{metrics}}}"#),
        format!(r#"{{"dataSchema":{{{inner},"metricsSpec":{metrics}}}}}"#),
        format!(r#"{{"type":"index","spec":{{"dataSchema":{{{inner},"aggregators":{metrics}}}}}}}"#),
        format!(r#"{{"spec":{{{inner},"aggregators":{metrics}}},"dataSchema":null}}"#),
        r#"{"parser":{"type":"string","parseSpec":{"format":"json",
            "timestampSpec":{"column":"time","format":"AUTO"},
            "dimensionsSpec":{"dimensions":["a"],"dimensionExclusions":[],"spatialDimensions":[]},
            "flattenSpec":{"useFieldDiscovery":true,"fields":[]}}},
            "transformSpec":{"filter":null,"transforms":[]},
            "metricsSpec":[{"type":"count","name":"n"}],
            "granularitySpec":{"type":"uniform","segmentGranularity":{"type":"period","period":"P1D"},
                "queryGranularity":{"type":"duration","duration":"3600000"},"intervals":null}}"#
            .to_owned(),
    ];
    let (first, _) = good(&texts[0]);
    for text in &texts[1..] {
        assert_eq!(good(text).0, first, "{text}");
    }
}

#[test]
fn what_is_left_out_is_as_in_druid() {
    let (spec, _) = good(r#"{"granularitySpec":{}}"#);
    assert_eq!(spec.time.column, "timestamp");
    assert_eq!(spec.time.format.to_string(), "auto");
    let excluded = Vec::new();
    assert_eq!(spec.dimensions, Dimensions::Discovered { excluded });
    assert_eq!(spec.schema.query.to_string(), "none");
    assert_eq!(spec.schema.segment.to_string(), "day");
    assert!(spec.schema.rollup && spec.schema.metrics.is_empty() && spec.intervals.is_empty());
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_spec() {
    let text = "\n{\"granularitySpec\":{},\"x\":1}";
    assert_eq!(good(&format!("\u{feff}{text}")), good(text));
}

#[test]
fn every_granularity_can_be_given() {
    let table = [
        (r#""six_hour""#, "six_hour"),
        (r#""PT15M""#, "fifteen_minute"),
        (r#"{"type":"all"}"#, "all"),
        (r#"{"type":"period","period":"P1W"}"#, "week"),
        (
            r#"{"type":"period","period":"P1D","timeZone":"America/Los_Angeles","origin":null}"#,
            "P1D in America/Los_Angeles",
        ),
        (
            r#"{"type":"period","period":"P2D","origin":"2015-03-17"}"#,
            "P2D from 1970-01-02T00:00:00Z",
        ),
        (r#"{"type":"duration","duration":7200000}"#, "PT2H"),
    ];
    for (json, name) in table {
        let text = format!(
            r#"{{"granularitySpec":{{"segmentGranularity":"all","queryGranularity":{json}}}}}"#
        );
        assert_eq!(good(&text).0.schema.query.to_string(), name, "{json}");
    }
}

#[test]
fn what_does_not_change_results_is_left_aside_with_its_line() {
    let text = r#"{
      "granularitySpec": {},
      "dimensionsSpec": {"dimensions": [
        {"name": "a", "type": "string", "createBitmapIndex": false,
         "multiValueHandling": "ARRAY"}
      ], "dimensionExclusions": ["b"]},
      "metricsSpec": [
        {"type": "hyperUnique", "name": "u", "fieldName": "b", "round": true},
        {"type": "floatMax", "name": "f", "fieldName": "b", "comment": 1}
      ],
      "mystery": {}
    }"#;
    let (spec, warnings) = good(text);
    assert_eq!(
        warnings,
        [
            "s:3: `dimensionExclusions` is ignored, since `dimensions` are listed",
            "s:4: `createBitmapIndex` of the dimension `a` is ignored",
            "s:5: `multiValueHandling` of the dimension `a` is ignored",
            "s:9: `comment` of the metric `f` is ignored",
            "s:11: `mystery` of the spec is ignored",
        ]
    );
    assert_eq!(spec.schema.metrics[1].kind, Kind::DoubleMax);
}

#[test]
fn all_mistakes_are_told_at_once_with_their_lines() {
    let text = r#"{
      "timestampSpec": {
        "column": 5,
        "format": "yyyy-nn"
      },
      "dimensionsSpec": {"dimensions": ["a",
        "a",
        {"name": "g", "type": "spatial"},
        "__time", "h_error"
      ]},
      "metricsSpec": [
        {"type": "longMedian", "name": "m", "fieldName": "x"},
        {"type": "doubleSumm", "name": "p", "fieldName": "x"},
        {"type": "longSum", "name": "s"},
        {"name": "s", "type": "count"},
        {"name": "s", "type": "count"},
        {"name": "a", "type": "count"},
        {"name": "x#low", "type": "count"},
        {"name": "e", "type": "longSum", "fieldName": "x", "expression": "x + 1"},
        {"name": "h", "type": "hyperUnique", "fieldName": "x",
         "isInputHyperUnique": true}
      ],
      "granularitySpec": {
        "queryGranularity": "dayy",
        "segmentGranularity": {
          "type": "period",
          "period": "P1D",
          "timeZone": "Europe/Prag"
        },
        "intervals": ["2018", "2018/P1M", "2018/2017"]
      }
    }"#;
    let expected = [
        "s:3: `column` is a number: give a text",
        "s:4: in the time format `yyyy-nn` there is no letter `n`",
        "s:7: the dimension `a` is given twice",
        "s:8: there is no dimension type `spatial`; there are string, auto, long, double, float",
        "s:9: `__time` cannot be a name",
        "s:12: there is no aggregator `longMedian`; there are count, longSum, longMin",
        "s:13: there is no aggregator `doubleSumm`; did you mean `doubleSum`? there are count",
        "s:14: the metric `s` needs `fieldName`",
        "s:16: the metric `s` is given twice",
        "s:17: `a` is both a dimension and a metric",
        "s:18: `x#low` cannot be a name",
        "s:19: expressions are not supported",
        "s:20: sketches cannot be read: `isInputHyperUnique` must be false",
        "s:20: the error of `h` is called `h_error` in answers, so nothing else can have this name",
        "s:24: there is no granularity `dayy`; did you mean `day`? there are all, none",
        "s:28: there is no time zone `Europe/Prag`; did you mean `Europe/Prague`?",
        "s:30: `2018` is not an interval: give two moments",
        "s:30: `2018/2017` is not an interval: it ends before it begins",
    ];
    let found = bad(text);
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn a_member_that_is_given_twice_is_told_once_with_both_lines() {
    for line_end in ["\n", "\r\n", "\r"] {
        let text = "{\"timestampSpec\":{\"column\":\"t\"},\n\"timestampSpec\":{\"column\":5},\n\
                    \"granularitySpec\":{}}";
        let told = "s:2: the spec has `timestampSpec` twice, in line 1 and in line 2: give it once";
        assert_eq!(bad(&text.replace('\n', line_end)), [told]);
    }
}

#[test]
fn a_spec_that_cannot_be_followed_is_refused() {
    let table = [
        ("", "s:1: this is not JSON"),
        (
            "{\n\"granularitySpec\": {},\n}",
            "s:3: this is not JSON: key must be a string",
        ),
        ("[]", "s:1: the spec is a list: give an object"),
        ("{}", "s:1: the spec needs `granularitySpec`"),
        ("{\"spec\":null}", "s:1: the spec needs `granularitySpec`"),
        ("{\n\"spec\": 5}", "s:2: `spec` is a number: give an object"),
        (
            r#"{"granularitySpec":"day"}"#,
            "s:1: `granularitySpec` is a text: give an object",
        ),
        (
            r#"{"granularitySpec":{"type":"arbitrary"}}"#,
            "there is no granularity type `arbitrary`; there is only uniform",
        ),
        (
            r#"{"granularitySpec":{"segmentGranularity":"none"}}"#,
            "`segmentGranularity` cannot be `none`",
        ),
        (
            r#"{"granularitySpec":{"segmentGranularity":"week","queryGranularity":"month"}}"#,
            "a segment of the granularity `week` is not made of whole buckets of the query granularity `month`",
        ),
        (
            r#"{"granularitySpec":{"queryGranularity":{"type":"perod"}}}"#,
            "did you mean `period`?",
        ),
        (
            r#"{"granularitySpec":{"queryGranularity":{"type":"period"}}}"#,
            "`queryGranularity` needs a `period`",
        ),
        (
            r#"{"granularitySpec":{"queryGranularity":{"type":"duration","duration":"x"}}}"#,
            "is not a number of milliseconds",
        ),
        (
            r#"{"granularitySpec":{"queryGranularity":{"type":"duration","duration":0}}}"#,
            "0 is not a length",
        ),
        (
            r#"{"granularitySpec":{"rollup":"yes"}}"#,
            "`rollup` is a text: give true or false",
        ),
        (
            r#"{"granularitySpec":{},"metricsSpec":{}}"#,
            "`metricsSpec` is an object: give a list",
        ),
        (
            r#"{"granularitySpec":{},"metricsSpec":[5]}"#,
            "the metric is a number: give an object",
        ),
        (
            r#"{"granularitySpec":{},"metricsSpec":[],"aggregators":[]}"#,
            "give one of them",
        ),
        (
            r#"{"granularitySpec":{},"transformSpec":{"transforms":[{"type":"expression"}]}}"#,
            "`transformSpec` is not supported: `transforms` would change the events",
        ),
        (
            "{\"spec\":{\"granularitySpec\":{},\"ioConfig\":{\"inputFormat\":{\n\"flattenSpec\":{\"fields\":[1]}}}}}",
            "s:2: `flattenSpec` is not supported: `fields` would change the events",
        ),
        (
            "{\"granularitySpec\":{},\"ioConfig\":{\"inputFormat\":{\n\"columns\":[\"a\"]}}}",
            "s:2: `columns` is not supported",
        ),
        (
            "{\"granularitySpec\":{},\"parser\":{\"parseSpec\":{\n\"columns\":[\"a\"]}}}",
            "s:2: `columns` is not supported",
        ),
        (
            r#"{"granularitySpec":{},"timestampSpec":{},"parser":{"parseSpec":{"timestampSpec":{}}}}"#,
            "`timestampSpec` is given both here and beside `parser`",
        ),
        (
            r#"{"granularitySpec":{},"dimensionsSpec":{"spatialDimensions":[{"dimName":"x"}]}}"#,
            "spatial dimensions are not supported",
        ),
        (
            r#"{"granularitySpec":{},"timestampSpec":{"missingValue":"never"}}"#,
            "`missingValue` never is not a time",
        ),
    ];
    for (text, part) in table {
        let found = bad(text);
        assert!(
            !found.is_empty() && found[0].contains(part),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn a_name_that_is_mistyped_is_a_mistake_with_the_one_that_is_meant() {
    let table = [
        (
            r#""granularitySpec":{"queryGranularty":"day"}"#,
            "`granularitySpec` has no `queryGranularty`; did you mean `queryGranularity`?",
        ),
        (
            r#""granularitySpec":{"segmentGranularty":"day"}"#,
            "did you mean `segmentGranularity`?",
        ),
        (
            r#""granularitySpec":{"rolup":false}"#,
            "did you mean `rollup`?",
        ),
        (
            r#""granularitySpec":{"interval":["2015/2016"]}"#,
            "did you mean `intervals`?",
        ),
        (
            r#""granularitySpec":{"queryGranularity":{"type":"period","period":"P1D","timezone":"Europe/Prague"}}"#,
            "`queryGranularity` has no `timezone`; did you mean `timeZone`?",
        ),
        (
            r#""granularitySpec":{},"metricSpec":[]"#,
            "the spec has no `metricSpec`; did you mean `metricsSpec`?",
        ),
        (
            r#""granularitySpec":{},"dimensionsSpec":{"dimensionExclusion":["a"]}"#,
            "did you mean `dimensionExclusions`?",
        ),
        (
            r#""granularitySpec":{},"timestampSpec":{"colum":"time"}"#,
            "did you mean `column`?",
        ),
    ];
    for (members, part) in table {
        let found = bad(&format!("{{\n{members}}}"));
        let line = found[0].starts_with("s:2: ");
        assert!(
            found.len() == 1 && line && found[0].contains(part),
            "{found:?}"
        );
    }
}

#[test]
fn what_an_input_format_changes_nothing_with_is_left_aside() {
    let table = [
        r#"{"type":"json"}"#,
        r#"{"type":"json","flattenSpec":{"useFieldDiscovery":true,"fields":[]}}"#,
        r#"{"type":"csv","findColumnsFromHeader":true,"columns":["a"]}"#,
        r#"{"type":"csv","columns":[]}"#,
        "null",
        "5",
    ];
    for format in table {
        let (_, warnings) = good(&format!(
            r#"{{"granularitySpec":{{}},"ioConfig":{{"inputFormat":{format}}}}}"#
        ));
        assert_eq!(warnings.len(), 1, "{format}: {warnings:?}");
    }
}

proptest! {
    /// Whatever is left out, put twice or put elsewhere: there is an answer, and its lines exist.
    #[test]
    fn a_spec_that_was_torn_is_read_or_refused(
        from in 0..TUTORIAL.len(), length in 0..60_usize, to in 0..TUTORIAL.len(), cut in any::<bool>(),
    ) {
        let piece = TUTORIAL.get(from..(from + length).min(TUTORIAL.len())).unwrap_or_default();
        let mut text = TUTORIAL.to_owned();
        if cut {
            text = text.replacen(piece, "", 1);
        }
        text.insert_str(to.min(text.len()), piece);
        let lines = text.lines().count().max(1);
        let notes = match parse(&text, "s") {
            Ok((_, warnings)) => warnings,
            Err(errors) => {
                prop_assert!(!errors.mistakes.is_empty());
                errors.mistakes
            }
        };
        prop_assert!(notes.iter().all(|note| (1..=lines).contains(&note.line)), "{text}");
    }
}

#[test]
fn a_granularity_alone_is_written_as_in_a_spec() {
    for (text, name) in [
        ("day", "day"),
        ("\"day\"", "day"),
        ("P1D in Europe/Prague", "P1D in Europe/Prague"),
        (r#"{"type":"all"}"#, "all"),
        (r#" {"type":"duration","duration":3600000}"#, "hour"),
        (
            r#"{"type":"period","period":"P1D","timeZone":"America/Los_Angeles"}"#,
            "P1D in America/Los_Angeles",
        ),
    ] {
        assert_eq!(granularity(text).unwrap().to_string(), name, "{text}");
    }
    for (text, part) in [
        ("dya", "did you mean `day`?"),
        ("{\"type\":", "this is not JSON"),
        (r#"{"type":"period"}"#, "`granularity` needs a `period`"),
        (
            r#"{"type":"period","period":"P1D","timezone":"Asia/Tokyo"}"#,
            "`granularity` has no `timezone`; did you mean `timeZone`?",
        ),
    ] {
        let why = granularity(text).unwrap_err().to_string();
        assert!(why.contains(part), "{text}: {why}");
    }
}

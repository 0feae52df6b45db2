mod naive;

use std::ops::Range;
use std::sync::Arc;

use squall::{BoxError, Text};

use super::*;
use crate::rows::{DimensionColumn, MetricColumn, RolledRows};
use crate::schema::{Kind, Metric, Schema};

const HOUR: i64 = 3_600_000;

fn at(text: &str) -> i64 {
    moment(text).unwrap()
}

fn schema(query: &str, segment: &str, metrics: &[(&str, Kind)]) -> Arc<Schema> {
    let metrics = metrics.iter().map(|(name, kind)| Metric {
        name: (*name).to_owned(),
        field: (*kind != Kind::Count).then(|| (*name).to_owned()),
        kind: *kind,
    });
    Arc::new(Schema {
        metrics: metrics.collect(),
        query: query.parse().unwrap(),
        segment: segment.parse().unwrap(),
        rollup: true,
    })
}

fn column(name: &str, values: &[Option<&str>]) -> DimensionColumn {
    let mut column = DimensionColumn {
        name: name.into(),
        ..DimensionColumn::default()
    };
    for value in values {
        let id = value.map_or(DimensionColumn::NULL, |value| {
            let place = column.dictionary.iter().position(|other| *other == value);
            let place = place.unwrap_or_else(|| {
                column.dictionary.push(value.into());
                column.dictionary.len() - 1
            });
            u32::try_from(place).unwrap()
        });
        column.ids.push(id);
    }
    column
}

/// Rows of one metric.
fn rows(
    times: &[&str],
    dimensions: &[(&str, &[Option<&str>])],
    metric: MetricColumn,
) -> RolledRows {
    RolledRows {
        times: times.iter().map(|time| at(time)).collect(),
        dimensions: dimensions
            .iter()
            .map(|(name, values)| column(name, values))
            .collect(),
        metrics: vec![metric],
    }
}

fn longs(values: &[i64]) -> MetricColumn {
    MetricColumn::Long(values.iter().map(|value| Some(*value)).collect())
}

/// The document's nine events by the hour, written in two parts that are not compacted.
fn document() -> [Stored; 2] {
    let schema = schema("hour", "day", &[("impressions", Kind::Count)]);
    let campaigns: &[Option<&str>] = &[Some("36708"), Some("13650"), Some("36708")];
    let times = ["2015-03-20T18", "2015-03-20T18", "2015-03-20T19"];
    let first = rows(&times, &[("campaignId", campaigns)], longs(&[3, 2, 1]));
    let times = ["2015-03-20T18", "2015-03-20T19"];
    let second = rows(
        &times,
        &[("campaignId", &campaigns[..1]), ("web", &[])],
        longs(&[1, 2]),
    );
    let mut second = second;
    second.dimensions = vec![
        column("web", &[None, None]),
        column("campaignId", &[Some("36708"), Some("36708")]),
    ];
    [
        Stored::new(Arc::clone(&schema), first),
        Stored::new(schema, second),
    ]
}

fn query(granularity: &str, by: &[&str]) -> Query {
    Query {
        granularity: Some(granularity.parse().unwrap()),
        by: by.iter().map(|name| (*name).to_owned()).collect(),
        ..Query::default()
    }
}

fn json(query: &Query, cube: &[Stored]) -> Vec<String> {
    query.run(cube).unwrap().json().collect()
}

fn refused(query: &Query, cube: &[Stored]) -> String {
    query.run(cube).unwrap_err().to_string()
}

#[test]
fn the_documents_events_by_hour_and_by_day() {
    let hours = [
        r#"{"timestamp":"2015-03-20T18:00:00Z","campaignId":"13650","impressions":2}"#,
        r#"{"timestamp":"2015-03-20T18:00:00Z","campaignId":"36708","impressions":4}"#,
        r#"{"timestamp":"2015-03-20T19:00:00Z","campaignId":"36708","impressions":3}"#,
    ];
    assert_eq!(json(&query("hour", &["campaignId"]), &document()), hours);
    let as_stored = Query {
        by: vec!["campaignId".to_owned()],
        ..Query::default()
    };
    assert_eq!(json(&as_stored, &document()), hours);
    assert_eq!(
        json(&query("day", &["campaignId"]), &document()),
        [
            r#"{"timestamp":"2015-03-20T00:00:00Z","campaignId":"13650","impressions":2}"#,
            r#"{"timestamp":"2015-03-20T00:00:00Z","campaignId":"36708","impressions":7}"#,
        ]
    );
    // All of time is named by the first row.
    let all = Query {
        from: Some(at("2015-03-20T19")),
        ..query("all", &[])
    };
    assert_eq!(
        json(&all, &document()),
        [r#"{"timestamp":"2015-03-20T19:00:00Z","impressions":3}"#]
    );
}

#[test]
fn the_first_are_those_with_the_most_or_the_least() {
    let most = Query {
        order: Some("impressions".to_owned()),
        limit: Some(2),
        ..query("hour", &["campaignId"])
    };
    let lines = json(&most, &document());
    assert!(lines[0].contains("\"impressions\":4") && lines[1].contains("\"impressions\":3"));
    assert_eq!(lines.len(), 2);
    let least = Query {
        ascending: true,
        limit: Some(1),
        ..most
    };
    assert!(json(&least, &document())[0].contains("\"impressions\":2"));
}

#[test]
fn stored_rows_are_counted_once_however_they_were_written() {
    let count = Query {
        metrics: vec!["count".to_owned(), "impressions".to_owned()],
        ..query("day", &[])
    };
    let expected = [r#"{"timestamp":"2015-03-20T00:00:00Z","count":3,"impressions":9}"#];
    assert_eq!(json(&count, &document()), expected);
    // A stored metric of the name is what is meant.
    let schema = schema("hour", "day", &[("count", Kind::Count)]);
    let stored = Stored::new(schema, rows(&["2015"], &[], longs(&[7])));
    let count = Query {
        metrics: vec!["count".to_owned()],
        ..query("day", &[])
    };
    assert_eq!(
        json(&count, &[stored]),
        [r#"{"timestamp":"2015-01-01T00:00:00Z","count":7}"#]
    );
}

#[test]
fn without_rollup_each_stored_row_counts() {
    let mut schema = Arc::unwrap_or_clone(schema("none", "day", &[("n", Kind::Count)]));
    schema.rollup = false;
    let stored = Stored::new(
        Arc::new(schema),
        rows(&["2015", "2015"], &[], longs(&[1, 1])),
    );
    let count = Query {
        metrics: vec!["count".to_owned()],
        ..query("day", &[])
    };
    assert!(json(&count, &[stored])[0].ends_with("\"count\":2}"));
}

#[test]
fn null_and_the_empty_string_are_groups_of_their_own() {
    let schema = schema("hour", "day", &[("n", Kind::Count)]);
    let city: &[Option<&str>] = &[None, Some(""), Some("Praha"), None];
    let first = rows(&["2015"; 4], &[("city", city)], longs(&[1, 2, 4, 8]));
    // Without the dimension, which is as null.
    let second = rows(&["2015"], &[], longs(&[16]));
    let cube = [
        Stored::new(Arc::clone(&schema), first),
        Stored::new(schema, second),
    ];
    assert_eq!(
        json(&query("day", &["city"]), &cube),
        [
            r#"{"timestamp":"2015-01-01T00:00:00Z","city":null,"n":25}"#,
            r#"{"timestamp":"2015-01-01T00:00:00Z","city":"","n":2}"#,
            r#"{"timestamp":"2015-01-01T00:00:00Z","city":"Praha","n":4}"#,
        ]
    );
    for (filter, n) in [("city", 25), ("city=", 2), ("city=Praha", 4)] {
        let query = Query {
            filters: vec![filter.parse().unwrap()],
            ..query("day", &[])
        };
        assert!(
            json(&query, &cube)[0].ends_with(&format!("\"n\":{n}}}")),
            "{filter}"
        );
    }
    let none = Query {
        filters: vec!["city=Brno".parse().unwrap()],
        ..query("day", &[])
    };
    assert!(json(&none, &cube).is_empty());
}

#[test]
fn what_cannot_be_answered_is_refused_with_what_there_is() {
    let cube = document();
    let base = || query("hour", &[]);
    let table = [
        (
            query("minute", &[]),
            "the granularity `minute` is finer than the stored granularity `hour`",
        ),
        (
            query("PT90M", &[]),
            "the granularity `PT1H30M` is finer than the stored granularity `hour`",
        ),
        (
            query("hour", &["campaign"]),
            "there is no dimension `campaign`; did you mean `campaignId`? there are campaignId, web",
        ),
        (
            Query {
                filters: vec!["wbe=x".parse().unwrap()],
                ..base()
            },
            "there is no dimension `wbe`; did you mean `web`?",
        ),
        (
            Query {
                metrics: vec!["impresions".to_owned()],
                ..base()
            },
            "there is no metric `impresions`; did you mean `impressions`? there is only impressions",
        ),
        (
            Query {
                order: Some("clicks".to_owned()),
                ..base()
            },
            "there is no metric `clicks`; there is only impressions",
        ),
        (
            query("hour", &["web", "web"]),
            "the answer would have `web` twice",
        ),
        (
            Query {
                from: Some(at("2015-03-20T18:30")),
                ..base()
            },
            "the query's `from` 2015-03-20T18:30:00Z is inside a stored bucket (the granularity \
             is `hour`): give 2015-03-20T18:00:00Z or 2015-03-20T19:00:00Z",
        ),
        (
            Query {
                from: Some(at("2015-03-20T18:15")),
                to: Some(at("2015-03-20T18:45")),
                ..base()
            },
            "the query's `from` 2015-03-20T18:15:00Z is inside",
        ),
        (
            Query {
                to: Some(at("2015-03-20T19:00:01")),
                ..base()
            },
            "the query's `to` 2015-03-20T19:00:01Z is inside",
        ),
        (
            Query {
                from: Some(5),
                to: Some(5),
                ..base()
            },
            "the query's `from` 1970-01-01T00:00:00.005Z is not before its `to`",
        ),
        // Also where the time has no rows at all.
        (
            Query {
                metrics: vec!["x".to_owned()],
                to: Some(0),
                ..base()
            },
            "there is no metric `x`",
        ),
        (
            Query {
                to: Some(0),
                ..query("minute", &["campaignId"])
            },
            "",
        ),
    ];
    for (query, expected) in table {
        if expected.is_empty() {
            assert_eq!(json(&query, &cube).len(), 0, "{query:?}");
            continue;
        }
        let found = refused(&query, &cube);
        assert!(found.starts_with(expected), "{query:?}: {found}");
    }
    // Where nothing is stored a bound may be anywhere.
    let late = Query {
        to: Some(at("2015-03-21T00:00:01")),
        ..base()
    };
    assert_eq!(json(&late, &cube).len(), 2);
}

#[test]
fn a_query_over_specs_that_differ() {
    let hours = schema(
        "hour",
        "day",
        &[("n", Kind::Count), ("price", Kind::DoubleSum)],
    );
    let mut first = rows(&["2015-03-20T18"], &[], longs(&[2]));
    first
        .metrics
        .push(MetricColumn::Double(vec![Some([0.5, 0.0])]));
    let minutes = schema("minute", "day", &[("n", Kind::LongSum)]);
    let second = rows(&["2015-03-21T18:01"], &[], longs(&[5]));
    let cube = [Stored::new(hours, first), Stored::new(minutes, second)];

    let by_day = Query {
        metrics: vec!["price".to_owned()],
        ..query("day", &[])
    };
    assert_eq!(
        json(&by_day, &cube),
        [
            r#"{"timestamp":"2015-03-20T00:00:00Z","price":0.5}"#,
            r#"{"timestamp":"2015-03-21T00:00:00Z","price":null}"#,
        ]
    );
    let found = refused(&Query::default(), &cube);
    assert!(
        found.contains("stored by `hour`, others by `minute`"),
        "{found}"
    );
    let found = refused(&query("day", &[]), &cube);
    assert!(
        found.contains("`n` is a count in some rows and a longSum in others"),
        "{found}"
    );
    // The minutes are there where only they are asked for.
    let minutes = Query {
        from: Some(at("2015-03-21")),
        ..query("minute", &[])
    };
    assert_eq!(
        json(&minutes, &cube),
        [r#"{"timestamp":"2015-03-21T18:01:00Z","n":5}"#]
    );
}

#[test]
fn the_table_tells_null_from_the_text_null() {
    let values: &[Option<&str>] = &[None, Some("null"), Some(""), Some("\"null\"")];
    let rows = rows(&["2015"; 4], &[("city", values)], longs(&[1, 2, 3, 4]));
    let cube = [Stored::new(
        schema("hour", "day", &[("n", Kind::Count)]),
        rows,
    )];
    let table = query("day", &["city"]).run(&cube[..]).unwrap().to_string();
    let shown: Vec<&str> = table
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split_whitespace().collect();
            cells[1]
        })
        .collect();
    assert_eq!(shown, ["null", "\"\"", r#""\"null\"""#, "\"null\""]);
}

#[test]
fn a_cube_of_one_bucket_is_asked_without_bounds() {
    let schema = schema("all", "all", &[("n", Kind::Count)]);
    let stored = [Stored::new(schema, rows(&["2015-03-20"], &[], longs(&[1])))];
    let query = Query {
        from: Some(at("2015-01-01T00:00:00Z")),
        ..query("all", &[])
    };
    let said = refused(&query, &stored);
    assert!(
        said.ends_with("the granularity is `all`): leave it out"),
        "{said}"
    );
}

#[test]
fn a_bucket_of_everything_is_as_fine_as_its_segments() {
    let schema = schema("all", "day", &[("n", Kind::Count)]);
    let stored = [Stored::new(
        schema,
        rows(&["2015-03-20", "2015-03-21"], &[], longs(&[1, 2])),
    )];
    assert_eq!(json(&query("day", &[]), &stored).len(), 2);
    assert_eq!(
        json(&query("week", &[]), &stored),
        [r#"{"timestamp":"2015-03-16T00:00:00Z","n":3}"#]
    );
    assert!(refused(&query("hour", &[]), &stored).contains("is finer"));
}

/// Until 1883 the days of New York began 2 seconds after a full minute, which no rows by the minute
/// can tell. Planning looks at the time since 1970.
#[test]
fn a_stored_bucket_that_lies_across_two_of_the_answer_is_refused() {
    let by_minute = schema("minute", "day", &[("n", Kind::Count)]);
    let of = |time| {
        let rows = rows(&[time], &[], longs(&[1]));
        [Stored::new(Arc::clone(&by_minute), rows)]
    };
    let days = query("P1D in America/New_York", &[]);
    assert_eq!(json(&days, &of("1880-06-01T04:55:00Z")).len(), 1);
    let found = refused(&days, &of("1880-06-01T04:56:00Z"));
    assert!(found.contains("or its buckets cut stored ones"), "{found}");
}

#[test]
fn sums_are_exact_or_refused() {
    let sums = schema("hour", "day", &[("n", Kind::LongSum)]);
    let of = |values: &[i64]| {
        let times = vec!["2015"; values.len()];
        [Stored::new(
            Arc::clone(&sums),
            rows(&times, &[], longs(values)),
        )]
    };
    // Out of range on the way only.
    let fits = json(&query("day", &[]), &of(&[i64::MAX, 1, -1]));
    assert!(fits[0].ends_with("\"n\":9223372036854775807}"), "{fits:?}");
    let found = refused(&query("day", &[]), &of(&[i64::MAX, 1]));
    assert!(found.starts_with("the sum 9223372036854775808 of the metric `n` is out of range"));

    let doubles = schema("hour", "day", &[("n", Kind::DoubleSum)]);
    let of = |values: &[f64]| {
        let values = values
            .iter()
            .map(|value| Some([*value, 0.0]))
            .collect::<Vec<_>>();
        let times = vec!["2015"; values.len()];
        [Stored::new(
            Arc::clone(&doubles),
            rows(&times, &[], MetricColumn::Double(values)),
        )]
    };
    let exact = json(&query("day", &[]), &of(&[1e17, 1.0, -1e17]));
    assert!(exact[0].ends_with("\"n\":1.0}"), "{exact:?}");
    let exact = json(&query("day", &[]), &of(&[0.17, 0.43]));
    assert!(exact[0].ends_with("\"n\":0.6}"), "{exact:?}");
    let found = refused(&query("day", &[]), &of(&[f64::MAX, f64::MAX]));
    assert!(found.contains("out of range"), "{found}");
}

#[test]
fn a_distinct_count_is_shown_with_its_error() {
    let answer = Answer {
        granularity: "hour".parse().unwrap(),
        dimensions: vec!["web".into()],
        metrics: vec!["users".into(), "price".into()],
        rows: vec![
            AnswerRow {
                timestamp: squall::Timestamp::from_millis(0),
                dimensions: vec![Some("a\tb".into())],
                metrics: vec![
                    Measure::Distinct {
                        estimate: 1_234,
                        error: 0.008_1,
                    },
                    Measure::Double(0.5),
                ],
            },
            AnswerRow {
                timestamp: squall::Timestamp::from_millis(HOUR),
                dimensions: vec![None],
                metrics: vec![
                    Measure::Distinct {
                        estimate: 2,
                        error: 0.000_1,
                    },
                    Measure::Null,
                ],
            },
        ],
        rows_read: 2,
    };
    let lines: Vec<String> = answer.json().collect();
    assert_eq!(
        lines,
        [
            r#"{"timestamp":"1970-01-01T00:00:00Z","web":"a\tb","users":1234,"users_error":0.0081,"price":0.5}"#,
            r#"{"timestamp":"1970-01-01T01:00:00Z","web":null,"users":2,"users_error":0.0001,"price":null}"#,
        ]
    );
    assert_eq!(
        answer.to_string(),
        "timestamp             web         users  price\n\
         1970-01-01T00:00:00Z  a\\tb  1234 ±0.9 %    0.5\n\
         1970-01-01T01:00:00Z  null     2 ±0.1 %   null\n"
    );
}

#[test]
fn an_error_of_the_source_is_the_answer_from_every_thread() {
    struct Broken(Vec<Text>);
    impl Portion for Broken {
        fn schema(&self) -> &Schema {
            static SCHEMA: std::sync::OnceLock<Arc<Schema>> = std::sync::OnceLock::new();
            SCHEMA.get_or_init(|| schema("hour", "day", &[("n", Kind::Count)]))
        }
        fn dimensions(&self) -> &[Text] {
            &self.0
        }
        fn times(&self) -> std::ops::RangeInclusive<i64> {
            0..=0
        }
        fn read(&self, _: &[&str], _: &[&str]) -> Result<RolledRows, BoxError> {
            Err("the disk is gone".into())
        }
    }
    struct Source;
    impl RowSource for Source {
        fn portions(&self, _: &Range<i64>) -> Result<Vec<Box<dyn Portion + '_>>, BoxError> {
            Ok((0..9)
                .map(|_| -> Box<dyn Portion> { Box::new(Broken(Vec::new())) })
                .collect())
        }
    }
    let error = query("day", &[]).run(&Source).unwrap_err();
    assert_eq!(error.to_string(), "the disk is gone");
}

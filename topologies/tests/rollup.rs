//! `squall run rollup` and `squall query`, as processes, on real data.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::cubes::Job;
use common::{Session, json, output, squall};
use serde_json::{Value, json};

/// What a sketch may be off by, as a part of what it counts: three times its standard error.
const THREE_SIGMA: f64 = 3.0 * 0.008;

/// Within three standard errors of the sketch.
fn is_near(estimate: &Value, exact: &Value) {
    let (estimate, exact) = (estimate.as_f64().unwrap(), exact.as_f64().unwrap());
    assert!(
        (estimate - exact).abs() <= THREE_SIGMA * exact,
        "{estimate} instead of {exact}"
    );
}

/// `2015-09-12T06:00:00Z` as the answers write it, with a `T` or a space.
fn hour(row: &Value) -> String {
    let timestamp = row["timestamp"].as_str().unwrap();
    timestamp
        .strip_suffix(":00:00Z")
        .unwrap_or_else(|| panic!("{row}"))
        .to_owned()
}

#[test]
fn edits_of_wikipedia_by_the_hour() {
    let Some((job, answers)) = Job::wikiticker() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let question = [
        "--granularity",
        "hour",
        "--metrics",
        "edits,added,deleted,users",
    ];
    let rows = job.query("data", &question);
    let wanted = answers["hourly"].as_array().unwrap();
    assert_eq!(rows.len(), wanted.len());
    for (row, wanted) in rows.iter().zip(wanted) {
        assert_eq!(hour(row), wanted["group"][0].as_str().unwrap());
        for (metric, answer) in [
            ("edits", "count"),
            ("added", "added"),
            ("deleted", "deleted"),
        ] {
            assert_eq!(row[metric], wanted[answer], "{row} {wanted}");
        }
        is_near(&row["users"], &wanted["distinct_users"]);
    }
}

#[test]
fn edits_of_wikipedia_by_hour_channel_and_robot() {
    let Some((job, answers)) = Job::wikiticker() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let question = ["--granularity", "hour", "--by", "channel,isRobot"];
    let metrics = ["--metrics", "edits,added,users"];
    let rows = job.query(
        "data",
        &[question, ["--metrics", "edits", "--order", "edits"]].concat(),
    );
    assert_eq!(
        rows.len(),
        usize::try_from(answers["groups"].as_u64().unwrap()).unwrap()
    );

    let largest = ["--order", "edits", "--limit", "10"];
    let rows = job.query("data", &[&question[..], &metrics, &largest].concat());
    let wanted = answers["hour_channel_robot_10_largest"].as_array().unwrap();
    assert_eq!(rows.len(), wanted.len());
    for (row, wanted) in rows.iter().zip(wanted) {
        let group = json!([hour(row), row["channel"], row["isRobot"] == "true"]);
        assert_eq!(group, wanted["group"]);
        assert_eq!(
            (&row["edits"], &row["added"]),
            (&wanted["count"], &wanted["added"])
        );
        is_near(&row["users"], &wanted["distinct_users"]);
    }

    let one = [
        "--granularity",
        "all",
        "--filter",
        "channel=#vi.wikipedia",
        "--metrics",
        "edits",
    ];
    let rows = job.query("data", &one);
    let channels = answers["by_channel"].as_array().unwrap();
    let wanted = channels
        .iter()
        .find(|pair| pair[0] == "#vi.wikipedia")
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["edits"], wanted[1]);
}

#[test]
fn impressions_by_hour_campaign_and_position() {
    let Some((job, answers)) = Job::open_bandit() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let question = [
        "--granularity",
        "hour",
        "--by",
        "campaign,position",
        "--metrics",
    ];
    let metrics = ["impressions,clicks,users", "--order", "impressions"];
    let rows = job.query("data", &[&question[..], &metrics].concat());
    assert_eq!(
        rows.len(),
        usize::try_from(answers["groups"].as_u64().unwrap()).unwrap()
    );
    let wanted = answers["hour_campaign_position_10_largest"]
        .as_array()
        .unwrap();
    for (row, wanted) in rows.iter().zip(wanted) {
        let group = json!([
            hour(row).replace('T', " "),
            row["campaign"],
            row["position"]
        ]);
        assert_eq!(group, wanted["group"]);
        assert_eq!(row["impressions"], wanted["count"]);
        assert_eq!(row["clicks"], wanted["clicks"]);
        is_near(&row["users"], &wanted["distinct_users"]);
    }
    let question = [
        "--granularity",
        "all",
        "--by",
        "campaign",
        "--metrics",
        "impressions,clicks",
    ];
    let rows = job.query("data", &question);
    for metric in ["impressions", "clicks"] {
        let found = rows
            .iter()
            .map(|row| (row["campaign"].clone(), row[metric].clone()));
        let wanted = answers[metric].as_array().unwrap().iter();
        let wanted = wanted.map(|pair| (pair[0].clone(), pair[1].clone()));
        let sorted = |pairs: Vec<(Value, Value)>| {
            let pairs = pairs
                .into_iter()
                .map(|(key, value)| (key.to_string(), value));
            pairs.collect::<BTreeMap<_, _>>()
        };
        assert_eq!(
            sorted(found.collect()),
            sorted(wanted.collect()),
            "{metric}"
        );
    }
}

/// Byte for byte, the estimates too: however the input is divided, in whatever order it comes.
#[test]
fn cubes_are_the_same_however_they_are_read() {
    for job in [Job::wikiticker(), Job::open_bandit()] {
        let Some((job, _)) = job else { return };
        job.roll_up("one", &job.events(), &[]);
        let wanted = job.everything("one");
        assert!(wanted.lines().count() > 1_000);
        for (files, spouts) in [(1, "1"), (2, "2"), (8, "8")] {
            let data = format!("data{files}");
            let input = job.shuffled(&format!("in{files}"), files, files as u64);
            job.roll_up(&data, &input, &["--spouts", spouts, "--commit", "50ms"]);
            assert!(
                job.everything(&data) == wanted,
                "{files} files and {spouts} spouts"
            );
        }
    }
}

/// Sums are those of both times, distinct users those of one.
#[test]
fn events_that_come_twice_are_counted_twice_and_are_no_new_users() {
    let Some((job, _)) = Job::wikiticker() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let once = json(&job.everything("data"));
    let [data, copy] = ["data", "copy"].map(|name| job.folder.path(name));
    output(&mut squall(&["backup", &data, &copy]));
    let again = job.shuffled("again", 2, 1);
    job.roll_up("data", &again, &[]);
    let twice = json(&job.everything("data"));
    assert!(
        json(&job.everything("copy")) == once,
        "the copy is as it was"
    );
    assert_eq!(once.len(), twice.len());
    for (once, twice) in once.iter().zip(&twice) {
        assert_eq!(once["users"], twice["users"]);
        for metric in ["edits", "added", "deleted"] {
            assert_eq!(
                once[metric].as_u64().unwrap() * 2,
                twice[metric].as_u64().unwrap()
            );
        }
    }
}

#[test]
fn a_cube_is_the_same_through_any_number_of_kills() {
    const KILLS: usize = 10;
    let Some((job, _)) = Job::wikiticker() else {
        return;
    };
    job.roll_up("undisturbed", &job.events(), &[]);
    let wanted = job.everything("undisturbed");

    let seed = fastrand::u64(..);
    let mut moments = fastrand::Rng::with_seed(seed);
    let input = job.shuffled("in", 3, 3);
    let data = job.folder.path("data");
    let spec = job.folder.path("spec.json");
    let mut arguments = vec!["--spec", &spec, "--input", &input];
    arguments.extend(["--data-dir", &data, "--spouts", "2", "--commit", "100ms"]);
    let slowly = [&arguments[..], &["--rate", "6000"]].concat();
    let mut kills = 0;
    for _ in 0..KILLS {
        let mut session = Session::running("rollup", &slowly);
        if session.ends_within(Duration::from_millis(moments.u64(3..900))) {
            break;
        }
        session.kill();
        kills += 1;
    }
    assert!(kills > KILLS / 2, "seed {seed}: {kills} kills");
    let (status, logged) = Session::running("rollup", &arguments).end();
    assert!(status.success(), "seed {seed}: {logged}");
    assert!(job.everything("data") == wanted, "seed {seed}");
}

/// One message each, which names what was found.
#[test]
fn wrong_questions_and_wrong_specs_are_refused() {
    let Some((job, _)) = Job::wikiticker() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let data = job.folder.path("data");
    let refused = |arguments: &[&str], parts: &[&str]| {
        let output = squall(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            parts.iter().all(|part| said.contains(part)),
            "{parts:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    };
    let finer = [
        "query",
        &data,
        "--granularity",
        "minute",
        "--metrics",
        "edits",
    ];
    refused(&finer, &["minute", "hour"]);
    let metric = ["query", &data, "--granularity", "day", "--metrics", "editz"];
    refused(&metric, &["`editz`", "edits"]);
    let dimension = [
        "query",
        &data,
        "--granularity",
        "day",
        "--by",
        "chanel",
        "--metrics",
        "edits",
    ];
    refused(&dimension, &["`chanel`", "channel"]);

    let wrong = job.folder.read("spec.json").replace("longSum", "longSumm");
    let wrong_spec = job.folder.path("wrong.json");
    std::fs::write(&wrong_spec, wrong).unwrap();
    let new = job.folder.path("new");
    let arguments = [
        "run",
        "rollup",
        "--spec",
        &wrong_spec,
        "--input",
        &job.events(),
        "--data-dir",
        &new,
    ];
    let output = squall(&arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("wrong.json:") && said.contains("`longSumm`"),
        "{said}"
    );
}

#[test]
fn what_is_no_number_in_a_double_sum_goes_to_the_dead_letters() {
    let spec = json!({
        "dimensionsSpec": { "dimensions": ["publisher"] },
        "metricsSpec": [
            { "type": "count", "name": "impressions" },
            { "type": "doubleSum", "name": "price", "fieldName": "price" },
            { "type": "hyperUnique", "name": "uniqueUsers", "fieldName": "userId" },
        ],
        "granularitySpec": { "segmentGranularity": "month", "queryGranularity": "day" },
    });
    let events = r#"{"timestamp":"2015-03-17T20:40:00Z","publisher":"csfd.cz","price":0.17,"userId":"40BBF8"}
{"timestamp":"2015-03-17T20:40:02Z","publisher":"idnes.cz","price":0.19,"userId":"40BBF8"}
{"timestamp":"2015-03-17T20:40:20Z","publisher":"idnes.cz","price":"a lot","userId":"40BBF8"}
{"timestamp":"2015-03-17T20:40:27Z","publisher":"csfd.cz","price":0.43,"userId":"9896AA"}
"#;
    let job = Job::new(events, spec);
    let dead = job.folder.path("dead.ndjson");
    let logged = job.roll_up("data", &job.events(), &["--dead-letters", &dead]);
    assert!(logged.contains("1 dead letter"), "{logged}");
    let dead = job.folder.read("dead.ndjson");
    assert!(dead.contains("a lot") && dead.contains("price"), "{dead}");
    let question = ["--granularity", "day", "--by", "publisher"];
    let metrics = ["--metrics", "impressions,price,uniqueUsers"];
    let rows = job.query(
        "data",
        &[question, [metrics[0], metrics[1], "--order", "impressions"]].concat(),
    );
    assert_eq!(rows.len(), 2);
    let of = |row: &Value| {
        json!([
            row["publisher"],
            row["impressions"],
            row["price"],
            row["uniqueUsers"]
        ])
    };
    assert_eq!(of(&rows[0]), json!(["csfd.cz", 2, 0.6, 2]));
    assert_eq!(of(&rows[1]), json!(["idnes.cz", 1, 0.19, 1]));
}

#[test]
fn the_help_of_a_rollup_promises_no_input_that_it_refuses() {
    let help = output(&mut squall(&["run", "rollup", "--help"])).0;
    assert!(!help.contains("random input"), "{help}");
    assert!(help.contains("--format <csv|ndjson>"), "{help}");
    assert!(!help.contains("[default: by suffix; text"), "{help}");
    let words = output(&mut squall(&["run", "rolling-top-words", "--help"])).0;
    assert!(
        words.contains("random input") && words.contains("<text|csv|ndjson>"),
        "{words}"
    );
}

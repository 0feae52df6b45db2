//! Rollup, with each part of the spec.

use std::ops::Range;

use serde_json::{Value, json};

use crate::common::{Folder, output, squall};
use crate::table::{Job, Row, is_whole, refused, same, same_in_the_end};

fn spec() -> Value {
    json!({
        "timestampSpec": {"column": "time", "format": "millis"},
        "dimensionsSpec": {"dimensions": ["web"]},
        "metricsSpec": [
            {"type": "count", "name": "views"},
            {"type": "longSum", "name": "bytes", "fieldName": "bytes"},
        ],
        "granularitySpec": {"segmentGranularity": "day", "queryGranularity": "hour"},
    })
}

/// The specs by the names of their files.
fn specs() -> Vec<(&'static str, Value)> {
    let ways: [(&str, &str, Value); 14] = [
        ("name", "/dataSource", json!("pages")),
        ("column", "/timestampSpec/column", json!("seen")),
        ("format", "/timestampSpec/format", json!("posix")),
        (
            "missing",
            "/timestampSpec/missingValue",
            json!("2015-01-01"),
        ),
        (
            "fewer",
            "/dimensionsSpec/dimensions",
            json!([{"name": "web", "type": "long"}]),
        ),
        (
            "more",
            "/dimensionsSpec/dimensions",
            json!(["web", "place"]),
        ),
        (
            "found",
            "/dimensionsSpec",
            json!({"dimensionExclusions": ["seen"]}),
        ),
        ("metric", "/metricsSpec/1/type", json!("longMax")),
        ("field", "/metricsSpec/1/fieldName", json!("seen")),
        (
            "metrics",
            "/metricsSpec",
            json!([{"type": "count", "name": "views"}]),
        ),
        (
            "query",
            "/granularitySpec/queryGranularity",
            json!("minute"),
        ),
        (
            "segment",
            "/granularitySpec/segmentGranularity",
            json!("month"),
        ),
        ("rollup", "/granularitySpec/rollup", json!(false)),
        (
            "intervals",
            "/granularitySpec/intervals",
            json!(["1970-01-01/1970-01-02"]),
        ),
    ];
    let mut specs = vec![("spec", spec()), ("same", spec())];
    for (name, path, value) in ways {
        let mut changed = spec();
        let (outer, member) = path.rsplit_once('/').unwrap();
        changed.pointer_mut(outer).unwrap()[member] = value;
        specs.push((name, changed));
    }
    specs
}

/// Events of several hours and days; read by semicolons they have the same columns.
fn events(numbers: Range<u64>) -> String {
    let event = |number: u64| {
        let time = number * 1_700_000;
        let (web, place) = (number % 3, number % 7);
        format!("x;{time};9;v;p;1;,{time},{number},{web},{place},{time}\n")
    };
    let header = "x;time;bytes;web;place;seen;,time,bytes,web,place,seen\n";
    header.to_owned() + &numbers.map(event).collect::<String>()
}

fn first(folder: &Folder, _: &str) {
    std::fs::create_dir_all(folder.path("in")).unwrap();
    std::fs::write(folder.path("in/a.csv"), events(0..60)).unwrap();
    for (name, spec) in specs() {
        let path = folder.path(&format!("{name}.json"));
        std::fs::write(path, spec.to_string()).unwrap();
    }
}

fn second(folder: &Folder, _: &str) {
    std::fs::write(folder.path("in/a.csv"), events(0..200)).unwrap();
}

/// All rows that the cube has, by hours.
fn answer(_: &str, data: &str) -> Vec<String> {
    // The row that gives another directory puts it there.
    let other = data.rsplit_once('/').unwrap().0.to_owned() + "/other";
    let data = if std::path::Path::new(&other).is_dir() {
        let aside = format!("{data}-other");
        std::fs::rename(other, &aside).unwrap();
        aside
    } else {
        data.to_owned()
    };
    let mut query = squall(&["query", &data, "--json", "--granularity", "hour"]);
    let (rows, _) = output(query.args(["--by", "web", "--metrics", "views,bytes"]));
    vec![rows]
}

const ROWS: &[Row] = &[
    same("--spec", "", "--spec {}/same.json"),
    same("--spec", "", "--spec {}/name.json"),
    refused(
        "--spec",
        "",
        "--spec {}/column.json",
        &["timestampSpec.column is \"time\"", "\"seen\""],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/format.json",
        &["timestampSpec.format is \"millis\"", "\"posix\""],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/missing.json",
        &["timestampSpec.missingValue is null", "2015-01-01"],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/fewer.json",
        &["dimensionsSpec.dimensions.web is \"text\"", "\"long\""],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/more.json",
        &["dimensionsSpec.dimensions.place is not stated", "\"text\""],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/found.json",
        &["dimensionsSpec.dimensionExclusions is []", "[\"seen\"]"],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/metric.json",
        &["metricsSpec.bytes.type is \"longSum\"", "\"longMax\""],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/field.json",
        &["metricsSpec.bytes.fieldName is \"bytes\"", "\"seen\""],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/metrics.json",
        &["metrics is [\"views\",\"bytes\"]", "[\"views\"]"],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/query.json",
        &["queryGranularity is \"hour\"", "\"minute\""],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/segment.json",
        &["segmentGranularity is \"day\"", "\"month\""],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/rollup.json",
        &["rollup is true", "false"],
    ),
    refused(
        "--spec",
        "",
        "--spec {}/intervals.json",
        &["intervals is []", "1970-01-02T00:00:00Z"],
    ),
    same("--input", "", "--input {}/in"),
    same("--format", "", "--format csv"),
    refused("--format", "", "--format ndjson", &["as csv", "as ndjson"]),
    same("--delimiter", "", "--delimiter ,"),
    refused(
        "--delimiter",
        "",
        "--delimiter ;",
        &["delimiter `,`", "delimiter `;`"],
    ),
    same_in_the_end("--follow", "", "--follow --for 500ms"),
    same_in_the_end("--keep-open", "", "--keep-open"),
    same("--archive", "", "--archive {data}-archive"),
    refused(
        "--archive",
        "--archive {data}-archive",
        "!--archive",
        &["the component `archive`"],
    ),
    refused(
        "--archive",
        "--archive {data}-archive",
        "--archive {}/elsewhere",
        &["/base-archive`", "/elsewhere`"],
    ),
    same("--rate", "", "--rate 100000"),
    same("--spouts", "", "--spouts 5"),
    same("--dead-letters", "", "--dead-letters {}/dead.ndjson"),
    same(
        "--dead-letters",
        "--dead-letters {}/dead.ndjson",
        "!--dead-letters",
    ),
    same_in_the_end("--for", "", "--for 50ms --rate 100"),
    same("--epoch", "", "--epoch 5ms"),
    same("--batch", "", "--batch 3"),
    same("--drain", "", "--drain 20s"),
    same("--data-dir", "", "--data-dir {}/other"),
    same("--commit", "", "--commit 10ms"),
    same("--restarts", "", "--restarts 3"),
    same("--stats", "", "--stats"),
    #[cfg(feature = "kafka")]
    refused(
        "--from",
        "",
        "--from end",
        &["--from is for depots and topics"],
    ),
    #[cfg(feature = "kafka")]
    refused(
        "--until-end",
        "",
        "--until-end",
        &["--until-end is for depots and topics"],
    ),
    #[cfg(feature = "kafka")]
    refused(
        "--connections",
        "",
        "--connections {}/none",
        &["cannot read", "/none`"],
    ),
    #[cfg(feature = "http")]
    same("--http", "", "--http 127.0.0.1:0"),
    #[cfg(feature = "http")]
    refused(
        "--http-token-file",
        "",
        "--http 127.0.0.1:0 --http-token-file {}/none",
        &["cannot read the token from", "/none`"],
    ),
    same("--encoding", "", "--encoding utf-8"),
    refused(
        "--encoding",
        "",
        "--encoding latin1",
        &["in utf-8", "in windows-1252"],
    ),
    refused(
        "--columns",
        "",
        r"--format text --columns ;,(?<time>\d+),(?<bytes>\d+),(?<web>\d)",
        &["csv with the delimiter `,`", "text with the columns `;,"],
    ),
    same("--max-late", "", "--max-late 1000000"),
    same("--max-dead-letters", "", "--max-dead-letters 1000000"),
];

#[test]
fn no_option_of_rollup_mixes_two_questions() {
    let command = &["run", "rollup"];
    is_whole(command, ROWS, &["--max-late", "--max-dead-letters"]);
    let job = Job {
        command,
        depot: None,
        given: "--spec {}/spec.json --input {}/in/a.csv",
        pause: "--keep-open",
        first: &first,
        second: &second,
        answer: &answer,
        whole: true,
    };
    job.check(ROWS);
}

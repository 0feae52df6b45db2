//! Cubes of more segments than a process may have open files.
#![cfg(unix)]

mod common;

use std::fmt::Write;

use common::cubes::Job;
use common::{json, output, squall};
use serde_json::json;

/// The hours that there are events of, each of them a segment.
const HOURS: u64 = 200;

/// An event of each hour by each of ten hosts.
fn hourly() -> Job {
    let mut events = String::new();
    for hour in 0..HOURS {
        for host in 0..10 {
            let time = 1_426_809_600_000 + hour * 3_600_000;
            let event = json!({ "time": time, "host": format!("host {host}"), "bytes": host });
            writeln!(events, "{event}").unwrap();
        }
    }
    let spec = json!({
        "dataSchema": {
            "timestampSpec": { "column": "time", "format": "millis" },
            "dimensionsSpec": { "dimensions": ["host"] },
            "aggregators": [
                { "type": "count", "name": "events" },
                { "type": "longSum", "name": "bytes", "fieldName": "bytes" },
            ],
            "granularitySpec": { "segmentGranularity": "hour", "queryGranularity": "minute" },
        },
    });
    Job::new(&events, spec)
}

/// What `squall` with these arguments prints where it may have 40 open files.
fn of_few_open_files(arguments: &[&str]) -> String {
    let mut command = assert_cmd::Command::new("sh");
    command
        .args(["-c", "ulimit -n 40 && exec \"$@\"", "sh"])
        .arg(assert_cmd::cargo::cargo_bin!("squall"))
        .args(arguments);
    output(&mut command).0
}

#[test]
fn a_cube_of_more_segments_than_open_files_is_compacted_and_asked() {
    let job = hourly();
    job.roll_up("data", &job.events(), &[]);
    let data = job.folder.path("data");
    let wanted = output(&mut squall(&["query", &data, "--by", "host", "--json"])).0;
    of_few_open_files(&["compact", &data]);
    let segments = std::fs::read_dir(job.folder.path("data/segments")).unwrap();
    let names = segments.map(|file| file.unwrap().file_name().into_string().unwrap());
    let files = names.filter(|name| name.ends_with(".parquet"));
    assert_eq!(files.count() as u64, HOURS);

    let question = ["query", &data, "--by", "host", "--json"];
    assert_eq!(of_few_open_files(&question), wanted);
    let filtered = [
        "--filter",
        "host=host 7",
        "--granularity",
        r#"{"type":"all"}"#,
    ];
    let answer = of_few_open_files(&[&question[..], &filtered].concat());
    assert_eq!(json(&answer)[0]["bytes"], 7 * HOURS);
}

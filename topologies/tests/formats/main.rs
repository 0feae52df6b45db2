//! Inputs as other programs write them: line ends, encodings, packing, times, specs. What can be
//! read is read exactly, and everything else is told before anything runs.
#![cfg(all(unix, feature = "cube"))]

#[path = "../common/mod.rs"]
mod common;
mod elements;
mod names;
mod reading;
mod specs;
mod times;

use std::io::Write;

use common::{Folder, counts, json, output, squall, top_words};
use serde_json::Value;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// What was printed, what was logged, and the status.
fn run(arguments: &[&str], stdin: &[u8]) -> (String, String, i32) {
    let output = squall(arguments).write_stdin(stdin).output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (stdout, stderr, output.status.code().unwrap())
}

/// The words of a file by this name, and then of the same bytes from standard input; what was
/// logged.
fn words(name: &str, bytes: &[u8], options: &[&str]) -> (String, String) {
    let folder = Folder::with(&[(name, bytes)]);
    let format = match name.split('.').nth(1).unwrap() {
        "txt" => "text",
        "ndjson" => "ndjson",
        _ => "csv",
    };
    let delimiter: &[&str] = match name.split('.').nth(1).unwrap() {
        "tsv" => &["--delimiter", "tab"],
        _ => &[],
    };
    let all = ["--window", "all", "--json", "--split", "none"];
    let input = folder.path(name);
    let file = [&all[..], &["--input", &input], options].concat();
    let (stdout, stderr) = output(&mut top_words(&file));
    let last = |lines: &str| json(lines).last().map_or(String::new(), counts);
    let found = last(&stdout);
    let stream = [
        &all[..],
        &["--input", "-", "--format", format],
        delimiter,
        options,
    ]
    .concat();
    let (stdout, _) = output(top_words(&stream).write_stdin(bytes));
    assert_eq!(last(&stdout), found, "{name} from standard input");
    (found, stderr)
}

/// The totals of users, by cents.
fn users(name: &str, bytes: &[u8], options: &[&str]) -> String {
    let folder = Folder::with(&[(name, bytes)]);
    let input = folder.path(name);
    let arguments = [
        &["run", "top-users", "--input", &input, "--json"][..],
        &["--user-field", "user", "--cents-field", "cents"],
        options,
    ];
    let (stdout, stderr, status) = run(&arguments.concat(), b"");
    assert_eq!(status, 0, "{stderr}");
    let last = json(&stdout).pop().unwrap_or_else(|| panic!("{stderr}"));
    counts(&last)
}

/// A rollup of events by a spec, and what a query of it says, or why there is none.
fn rolled(spec: &str, (name, bytes): (&str, &[u8]), query: &[&str]) -> Result<Vec<Value>, String> {
    let folder = Folder::with(&[("spec.json", spec.as_bytes()), (name, bytes)]);
    let (spec, input) = (folder.path("spec.json"), folder.path(name));
    let cube = folder.path("cube");
    let arguments = [
        "run",
        "rollup",
        "--spec",
        &spec,
        "--input",
        &input,
        "--data-dir",
        &cube,
    ];
    let (_, stderr, status) = run(&arguments, b"");
    if status != 0 {
        assert_eq!(status, 2, "{stderr}");
        return Err(stderr);
    }
    let (stdout, told, status) = run(&[&["query", &cube, "--json"], query].concat(), b"");
    assert_eq!(status, 0, "{told}");
    match json(&stdout) {
        rows if rows.is_empty() => Err(stderr),
        rows => Ok(rows),
    }
}

/// A spec with a time in `t`, and one dimension `d`.
fn by_time(format: &str) -> String {
    let format = serde_json::to_string(format).unwrap();
    format!(
        r#"{{"timestampSpec":{{"column":"t","format":{format}}},
        "dimensionsSpec":{{"dimensions":["d"]}},"metricsSpec":[{{"type":"count","name":"n"}}],
        "granularitySpec":{{"queryGranularity":"none","segmentGranularity":"all"}}}}"#
    )
}

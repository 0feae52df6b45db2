//! Appending to a depot with an id.

use std::ops::Range;

use crate::common::{Folder, json, output, squall};
use crate::table::{Job, Row, is_whole, refused, same, same_in_the_end};

/// Read by semicolons it has the same columns, with other users.
fn records(numbers: Range<u64>) -> String {
    let record = |number: u64| format!("x;y;,u{},{number}\n", number % 5);
    "x;user;,user,cents\n".to_owned() + &numbers.map(record).collect::<String>()
}

fn first(folder: &Folder, _: &str) {
    std::fs::write(folder.path("a.csv"), records(0..50)).unwrap();
    std::fs::write(folder.path("other.csv"), records(7..200)).unwrap();
}

fn second(folder: &Folder, _: &str) {
    for name in ["a.csv", "copy.csv"] {
        std::fs::write(folder.path(name), records(0..200)).unwrap();
    }
}

/// How many records each partition has.
fn answer(_: &str, data: &str) -> Vec<String> {
    let (shown, _) = output(&mut squall(&["depot", "show", data, "--json"]));
    let [depot] = &json(&shown)[..] else {
        panic!("{shown}")
    };
    let partitions = depot["partitions"].as_array().unwrap().iter();
    let records = partitions.map(|partition| {
        let [first, end] = ["first", "end"].map(|bound| partition[bound].as_u64().unwrap());
        (end - first).to_string()
    });
    vec![records.collect::<Vec<_>>().join(" ")]
}

const OTHER_INPUT: &[&str] = &["the depot `bought`", "50 records", "`me`"];

const ROWS: &[Row] = &[
    same("--input", "", "--input {}/copy.csv"),
    refused("--input", "", "--input {}/other.csv", OTHER_INPUT),
    same("--format", "", "--format csv"),
    refused("--format", "", "--format ndjson", OTHER_INPUT),
    same("--delimiter", "", "--delimiter ,"),
    refused("--delimiter", "", "--delimiter ;", OTHER_INPUT),
    refused("--key", "", "--key cents", &["user", "cents"]),
    refused("--partitions", "", "--partitions 5", &["3", "5"]),
    same_in_the_end("--partitions", "", "!--partitions"),
    same("--ack", "", "--ack none"),
    same("--patience", "", "--patience 5s"),
    same("--batch", "", "--batch 7"),
    same("--json", "", "--json"),
    // Another one appends for itself: see below.
    same("--id", "", ""),
    refused(
        "--columns",
        "",
        r"--format text --columns ^(?<user>\w+),(?<cents>\d+)",
        OTHER_INPUT,
    ),
    // What was appended is the same in both, as the depot finds out.
    same("--encoding", "", "--encoding latin1"),
];

#[test]
fn no_option_of_an_append_mixes_two_inputs() {
    let command = &["depot", "append"];
    is_whole(command, ROWS, &[]);
    let job = Job {
        command,
        depot: Some("bought"),
        given: "--input {}/a.csv --key user --partitions 3 --id me",
        pause: "",
        first: &first,
        second: &second,
        answer: &answer,
        whole: true,
    };
    job.check(ROWS);
}

#[test]
fn another_id_appends_everything_for_itself() {
    let folder = Folder::with(&[]);
    first(&folder, "");
    let (data, input) = (folder.path("data"), folder.path("a.csv"));
    let append = |id: &str| {
        let mut append = squall(&["depot", "append", &data, "bought", "--input", &input]);
        output(append.args(["--key", "user", "--partitions", "3", "--id", id])).1
    };
    append("me");
    let once = answer("", &data);
    let said = append("other");
    assert!(said.contains("50 records are appended"), "{said}");
    let double = |counts: &str| {
        let counts = counts
            .split(' ')
            .map(|count| count.parse::<u64>().unwrap() * 2);
        counts
            .map(|count| count.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(answer("", &data), [double(&once[0])]);
}

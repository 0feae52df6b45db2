//! Arrays in lines of JSON: `[]` in the name of a field.

use crate::common::{Folder, json, totals};
use crate::run;

const PUSHES: &[u8] = br#"{"t":1,"actor":"ann","payload":{"commits":[{"message":"Fix a bug","tags":["x","y"]},{"message":null},{"tags":["x"]}]}}
{"t":2,"actor":"bob","payload":{"commits":[]}}
{"t":3,"actor":"bob","payload":{"action":"opened"}}
{"t":4,"actor":"eve","payload":null}
{"t":5,"actor":"eve","payload":{"commits":[{"message":"Lost"},{"message":{"text":"fix"}}]}}
{"t":6,"actor":"eve","payload":{"commits":[{"message":"a fix","tags":["y","x",null]}]}}
{"t":7,"actor":"eve","payload":{"commits":"none"}}
"#;

#[test]
fn the_words_of_each_element_are_counted() {
    let folder = Folder::with(&[("a.ndjson", PUSHES)]);
    let (input, dead) = (folder.path("a.ndjson"), folder.path("dead"));
    let read = ["--input", &input, "--dead-letters", &dead];
    let field = |path: &'static str| totals(&[&read[..], &["--field", path]].concat());
    assert_eq!(field("payload.commits[].message"), "a 2, fix 2, bug 1");
    let letters: Vec<_> = json(&folder.read("dead"))
        .iter()
        .map(|letter| (letter["line"].clone(), letter["reason"].clone()))
        .collect();
    // Of a record that is a dead letter nothing is counted.
    assert_eq!(letters.len(), 2, "{letters:?}");
    for (line, reason) in [
        (5, "`payload.commits[].message` is an object; a field is"),
        (7, "`payload.commits` is a string, but an array is needed"),
    ] {
        let told = |(at, why): &(_, serde_json::Value)| {
            *at == serde_json::json!(line) && why.as_str().unwrap().starts_with(reason)
        };
        assert!(letters.iter().any(told), "{line} {reason}: {letters:?}");
    }
    assert_eq!(field("payload.commits[].tags[]"), "x 3, y 2");
    // The dead letter says what to ask for.
    assert_eq!(field("payload.action"), "opened 1");
    totals(
        &[
            &read[..],
            &[
                "--field",
                "payload.commits.message",
                "--follow",
                "--for",
                "300ms",
            ],
        ]
        .concat(),
    );
    let letters = folder.read("dead");
    assert!(
        letters.contains("ask for `payload.commits[].message`"),
        "{letters}"
    );
}

#[test]
fn a_data_directory_keeps_which_elements_it_counts() {
    let folder = Folder::with(&[("a.ndjson", PUSHES)]);
    let (input, data) = (folder.path("a.ndjson"), folder.path("data"));
    let top = ["run", "rolling-top-words", "--window", "all", "--data-dir"];
    let read = |field| [&top[..], &[&data, "--input", &input, "--field", field]].concat();
    let (_, stderr, status) = run(&read("payload.commits[].message"), b"");
    assert_eq!(status, 0, "{stderr}");
    let (_, stderr, status) = run(&read("payload.commits[].tags[]"), b"");
    assert_eq!(status, 2, "{stderr}");
    for field in ["payload.commits[].message", "payload.commits[].tags[]"] {
        assert!(stderr.contains(&format!("\"{field}\"")), "{stderr}");
    }
}

#[test]
fn elements_are_refused_where_one_value_is_needed() {
    let spec = br#"{"dataSchema":{"parser":{"parseSpec":{
        "timestampSpec":{"column":"t","format":"millis"},
        "dimensionsSpec":{"dimensions":["payload.commits[].tags[]"]}}},
        "metricsSpec":[{"type":"count","name":"n"}],"granularitySpec":{"segmentGranularity":"day"}}}"#;
    let folder = Folder::with(&[("a.ndjson", PUSHES), ("spec.json", spec)]);
    let [input, data, spec] = ["a.ndjson", "data", "spec.json"].map(|name| folder.path(name));
    let words = [
        "run",
        "rolling-top-words",
        "--input",
        &input,
        "--field",
        "actor",
    ];
    let users = ["run", "top-users", "--input", &input, "--user-field"];
    let rollup = ["run", "rollup", "--input", &input, "--spec", &spec];
    let depot = ["depot", "append", &data, "d", "--input", &input, "--key"];
    let (tags, commits) = ("payload.commits[].tags[]", "payload.commits[]");
    let table: &[(&[&str], &[&str])] = &[
        (&words, &["--time-field", commits, "--time-format", "unix"]),
        (&users, &[tags, "--cents-field", "t"]),
        (&users, &["actor", "--cents-field", commits]),
        (
            &users,
            &["actor", "--price-field", commits, "--quantity-field", "t"],
        ),
        (
            &users,
            &["actor", "--price-field", "t", "--quantity-field", tags],
        ),
        (&depot, &[tags]),
        (&rollup, &["--data-dir", &data]),
    ];
    run(&["depot", "make", &data, "d"], b"");
    for (command, more) in table {
        let (_, stderr, status) = run(&[command, *more].concat(), b"");
        assert_eq!(status, 2, "{command:?} {more:?}: {stderr}");
        let path = if stderr.contains(tags) { tags } else { commits };
        let told = format!("a.ndjson`: `{path}` has a value for each element of an array");
        for part in [
            &told,
            "one value per record is needed",
            "name a field without `[]`",
        ] {
            assert!(stderr.contains(part), "{command:?} {more:?}: {stderr}");
        }
    }
}

#[test]
fn brackets_that_mean_nothing_are_refused_unless_a_key_has_them() {
    let folder = Folder::with(&[("a.ndjson", PUSHES)]);
    let input = folder.path("a.ndjson");
    let top = [
        "run",
        "rolling-top-words",
        "--format",
        "ndjson",
        "--window",
        "all",
    ];
    for (field, part) in [
        ("payload.commits[", "a bracket has no other half"),
        (
            "payload.commits[0].message",
            "there is no path to a single element",
        ),
        ("[]", "`[]` needs the name of an array before it"),
        (
            "payload.commits[]message",
            "ends, or goes on with a dot and a key",
        ),
    ] {
        for (input, stdin) in [(&*input, &b""[..]), ("-", PUSHES)] {
            let run = run(
                &[&top[..], &["--input", input, "--field", field]].concat(),
                stdin,
            );
            let (_, stderr, status) = run;
            assert_eq!(status, 2, "{field}: {stderr}");
            let told = format!("`{field}` is neither a key nor a path: ");
            for part in [&told, part, "`items[].name`"] {
                assert!(stderr.contains(part), "{part}: {stderr}");
            }
        }
    }
    // A column, and a key of a later record, may be called so.
    let keys = br#"{"t":1}
{"t":2,"u[]":"ann","c[0]":5}
"#;
    let folder = Folder::with(&[("a.ndjson", keys), ("b.csv", b"t,u[],c[0]\n1,ann,7\n")]);
    let users = [
        "run",
        "top-users",
        "--user-field",
        "u[]",
        "--cents-field",
        "c[0]",
    ];
    let (stdout, stderr, status) = run(
        &[&users[..], &["--json", "--input", &folder.path("")]].concat(),
        b"",
    );
    assert_eq!(status, 0, "{stderr}");
    let last = json(&stdout).pop().unwrap();
    assert_eq!(
        last["ranking"],
        serde_json::json!([["ann", 12]]),
        "{stderr}"
    );
}

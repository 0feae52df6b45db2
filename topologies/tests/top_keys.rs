//! `squall run top-keys`: what of any column occurs most, or sums up to most.

mod common;

use std::collections::HashMap;
use std::io::Read;

use common::{Folder, json, output, real_data, squall};
use serde_json::{Value, json};

/// The last ranking that was printed, and what was logged.
fn ranking(arguments: &[&str]) -> (Value, String) {
    let mut command = squall(&["run", "top-keys", "--json"]);
    let (stdout, logged) = output(command.args(arguments));
    (json(&stdout).pop().unwrap()["ranking"].take(), logged)
}

/// What a run that is refused says.
fn refused(arguments: &[&str]) -> String {
    let output = squall(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    stderr
}

const ACCESS: &[u8] = b"\
status,method,bytes,seconds
200,GET,100,0.255
404,GET,7,1
200,POST,50,0.005
,GET,1,1
500,GET,-,2.1
200,GET,-30,-0.1
";

#[test]
fn records_are_counted_or_an_amount_is_summed() {
    let folder = Folder::with(&[("access.csv", ACCESS)]);
    let input = folder.path("access.csv");
    let of = |more: &[&str]| ranking(&[&["--input", &input], more].concat());
    let (counts, logged) = of(&["--key", "status"]);
    assert_eq!(counts, json!([["200", 3], ["404", 1], ["500", 1]]));
    let told = "1 record has no `status`, the first of them at ";
    assert!(logged.contains(told), "{logged}");
    assert_eq!(
        of(&["--key", "status", "--top", "1"]).0,
        json!([["200", 3]])
    );
    let (both, _) = of(&["--key", "method", "--key", "status", "--top", "2"]);
    let expected = json!([[r#"["GET","200"]"#, 2], [r#"["GET","404"]"#, 1]]);
    assert_eq!(both, expected);

    let (bytes, logged) = of(&["--key", "status", "--amount", "bytes"]);
    assert_eq!(bytes, json!([["200", 120], ["404", 7]]));
    for part in ["access.csv:6: `bytes`: ", "--amount names the amount"] {
        assert!(logged.contains(part), "no {part} in {logged}");
    }
    let (cents, _) = of(&["--key", "status", "--amount", "seconds", "--cents"]);
    // 26 + 1 - 10.
    assert_eq!(cents, json!([["500", 210], ["404", 100], ["200", 17]]));
}

#[test]
fn each_element_of_an_array_is_a_key() {
    let lines = br#"{"tags":["a","b"],"n":2}
{"tags":["b",null],"n":5}
{"tags":[],"n":1}
"#;
    let folder = Folder::with(&[("a.ndjson", lines)]);
    let input = folder.path("a.ndjson");
    let tags = ["--input", &input, "--key", "tags[]"];
    assert_eq!(ranking(&tags).0, json!([["b", 2], ["a", 1]]));
    let sums = [&tags[..], &["--amount", "n"]].concat();
    assert_eq!(ranking(&sums).0, json!([["b", 7], ["a", 2]]));
    // Of several keys each is one value, and so is an amount.
    for more in [&["--key", "n"][..], &["--amount", "tags[]"]] {
        let said = refused(&[&["run", "top-keys"], &tags[..], more].concat());
        assert!(said.contains("`tags[]` has a value for each"), "{said}");
    }
}

#[test]
fn what_is_missing_is_said_with_what_there_is() {
    let folder = Folder::with(&[("a.csv", ACCESS), ("a.ndjson", b"{}\n"), ("a.txt", b"x\n")]);
    let [csv, ndjson, text] = ["a.csv", "a.ndjson", "a.txt"].map(|name| folder.path(name));
    let table: &[(&[&str], &[&str])] = &[
        (&[], &["nothing to read", "--input"]),
        (
            &["--input", &csv],
            &["--key", "`status`, `method`, `bytes`, `seconds`"],
        ),
        (
            &["--input", &csv, "--key", "statsu"],
            &["`statsu`", "nearest: `status`"],
        ),
        (
            &["--input", &csv, "--key", "status", "--amount", "size"],
            &["`size`", "`bytes`"],
        ),
        (&["--input", &ndjson], &["a.ndjson", "ndjson", "--key"]),
        (&["--input", &text], &["plain text", "--format csv"]),
        (
            &["--input", &csv, "--key", "status", "--cents"],
            &["--amount"],
        ),
    ];
    for (arguments, parts) in table {
        let said = refused(&[&["run", "top-keys"], *arguments].concat());
        for part in *parts {
            assert!(said.contains(part), "{arguments:?}: no {part} in {said}");
        }
    }
}

/// They sum the same amounts by the same column, and read keys otherwise.
#[test]
fn a_data_directory_of_top_users_is_none_of_top_keys() {
    let folder = Folder::with(&[("a.csv", ACCESS)]);
    let input = folder.path("a.csv");
    let users = [
        "run",
        "top-users",
        "--user-field",
        "status",
        "--cents-field",
        "bytes",
    ];
    let keys = ["run", "top-keys", "--key", "status", "--amount", "bytes"];
    for (name, first, then) in [("u", &users, &keys), ("k", &keys, &users)] {
        let data = folder.path(name);
        let with = |job: &[&'static str]| {
            let more: Vec<&str> = vec!["--input", &input, "--data-dir", &data];
            [job.to_vec(), more].concat()
        };
        output(&mut squall(&with(&first[..])));
        let said = refused(&with(&then[..]));
        for part in ["`top-users`", "`top-keys`"] {
            assert!(said.contains(part), "no {part} in {said}");
        }
        output(&mut squall(&with(&first[..])));
    }
}

#[test]
fn the_help_says_what_each_topology_answers() {
    let (help, _) = output(&mut squall(&["run", "--help"]));
    for line in [
        "rolling-top-words  The words, or values of a field (--split none), that occur most",
        "top-users          The users who spent most",
        "top-keys           The values of any field that occur most, or whose amounts",
    ] {
        assert!(help.contains(line), "no {line} in {help}");
    }
    let (help, _) = output(&mut squall(&["run", "top-keys", "--help"]));
    for part in ["--key <NAME>", "--amount <NAME>", "count records"] {
        assert!(help.contains(part), "no {part} in {help}");
    }
    assert!(!help.contains("random input"), "{help}");
}

#[test]
fn the_countries_of_a_shop_and_the_channels_of_wikipedia() {
    let Some((folder, answers)) = real_data("online-retail") else {
        return;
    };
    let input = folder.join("by-day/*.csv").to_str().unwrap().to_owned();
    let countries = ["--input", &input, "--key", "Country", "--top", "100"];
    assert_eq!(ranking(&countries).0, answers["country_rows"]);

    let Some((folder, answers)) = real_data("wikiticker") else {
        return;
    };
    let edits = folder.join("wikiticker-2015-09-12-sampled.json.gz");
    let input = edits.to_str().unwrap();
    let channels = ["--input", input, "--format", "ndjson", "--key", "channel"];
    let all = [&channels[..], &["--top", "100"]].concat();
    assert_eq!(ranking(&all).0, answers["by_channel"]);

    let mut lines = String::new();
    let packed = std::fs::File::open(&edits).unwrap();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut lines)
        .unwrap();
    let mut added: HashMap<String, i64> = HashMap::new();
    for edit in json(&lines) {
        let channel = edit["channel"].as_str().unwrap().to_owned();
        *added.entry(channel).or_default() += edit["added"].as_i64().unwrap();
    }
    let mut added: Vec<_> = added.into_iter().collect();
    added.sort_by(|(key, sum), (other, of)| of.cmp(sum).then(key.cmp(other)));
    let sums = [&channels[..], &["--amount", "added", "--top", "12"]].concat();
    assert_eq!(ranking(&sums).0, json!(added[..12]));
}

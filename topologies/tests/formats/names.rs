//! Names and values from input, as they are shown.

use crate::common::Folder;
use crate::{by_time, run};

/// A terminal would do what these say, or show another text than there is.
const ACTS: &str = "\u{1b}[2J\u{202e}\u{2028}";
const SHOWN: &str = "\\u{1b}[2J\\u{202e}\\u{2028}";

fn shows_nothing_that_acts(text: &str) {
    for char in text.chars() {
        assert!(char == '\n' || !char.is_control(), "{text:?}");
        assert!(!"\u{202e}\u{2028}".contains(char), "{text:?}");
    }
}

#[test]
fn names_from_input_are_shown_escaped_everywhere() {
    let name = format!("a{ACTS}.csv");
    let csv = format!("us{ACTS}er,cents,w\nu{ACTS},5,x{ACTS}\nv,five{ACTS},y\n");
    let folder = Folder::with(&[(&name, csv.as_bytes())]);
    let (input, data) = (folder.path(&name), folder.path("data"));
    let user = format!("us{ACTS}er");
    let top = ["run", "top-users", "--input", &input, "--user-field"];
    let spent = [&user, "--cents-field", "cents", "--data-dir", &data];
    let (_, stderr, status) = run(&[&top[..], &spent].concat(), b"");
    assert_eq!(status, 0, "{stderr}");
    shows_nothing_that_acts(&stderr);
    // The ranking, the dead letter with its file and value.
    assert!(
        stderr.contains(&format!("Rankings: [u{SHOWN} 5]")),
        "{stderr}"
    );
    assert!(
        stderr.contains(&format!("a{SHOWN}.csv:3: `cents`: ")),
        "{stderr}"
    );
    for command in [
        &["inspect", &data][..],
        &["view", &data, "totals"],
        &["view", &data, "x"],
    ] {
        let (stdout, stderr, _) = run(command, b"");
        shows_nothing_that_acts(&stdout);
        shows_nothing_that_acts(&stderr);
    }
    let (stdout, ..) = run(&["view", &data, "totals"], b"");
    // What has control characters is shown as JSON.
    assert!(
        stdout.contains("\"u\\u001b[2J\\u{202e}\\u{2028}\""),
        "{stdout}"
    );

    let (_, stderr, status) = run(
        &[&top[..], &["none", "--cents-field", "cents"]].concat(),
        b"",
    );
    assert_eq!(status, 2);
    shows_nothing_that_acts(&stderr);
    assert!(stderr.contains(&format!("`us{SHOWN}er`")), "{stderr}");
    let (_, stderr, _) = run(
        &["run", "rolling-top-words", "--input", &folder.path(ACTS)],
        b"",
    );
    shows_nothing_that_acts(&stderr);

    let depots = folder.path("depots");
    let append = [
        "depot", "append", &depots, "d", "--input", &input, "--key", &user,
    ];
    let (_, stderr, status) = run(&append, b"");
    assert_eq!(status, 0, "{stderr}");
    let (stdout, ..) = run(&["depot", "show", &depots], b"");
    shows_nothing_that_acts(&stdout);
    assert!(stdout.contains(SHOWN), "{stdout}");
}

#[test]
fn names_of_a_cube_are_shown_escaped_in_tables_and_errors() {
    let dimension = format!("d{ACTS}");
    let quoted = serde_json::to_string(&dimension).unwrap();
    let spec = by_time("auto").replace("\"d\"", &quoted);
    let event = serde_json::json!({"t": "2020", &dimension: format!("v{ACTS}")}).to_string();
    let folder = Folder::with(&[("s.json", spec.as_bytes()), ("a.ndjson", event.as_bytes())]);
    let (spec, input, cube) = (
        folder.path("s.json"),
        folder.path("a.ndjson"),
        folder.path("c"),
    );
    let (_, stderr, status) = run(
        &[
            "run",
            "rollup",
            "--spec",
            &spec,
            "--input",
            &input,
            "--data-dir",
            &cube,
        ],
        b"",
    );
    assert_eq!(status, 0, "{stderr}");
    let (stdout, ..) = run(&["query", &cube, "--by", &dimension], b"");
    shows_nothing_that_acts(&stdout);
    assert!(stdout.contains(&format!("d{SHOWN}")) && stdout.contains(&format!("v{SHOWN}")));
    let (_, stderr, status) = run(&["query", &cube, "--by", "nothing"], b"");
    assert_eq!(status, 2);
    shows_nothing_that_acts(&stderr);
    assert!(stderr.contains(&format!("d{SHOWN}")), "{stderr}");
    let unknown = std::fs::read_to_string(&spec)
        .unwrap()
        .replace("\"type\"", "\"ty\\u001b[2Jp\"");
    std::fs::write(&spec, unknown).unwrap();
    let (_, stderr, status) = run(
        &[
            "run",
            "rollup",
            "--spec",
            &spec,
            "--input",
            &input,
            "--data-dir",
            &cube,
        ],
        b"",
    );
    assert_eq!(status, 2);
    shows_nothing_that_acts(&stderr);
}

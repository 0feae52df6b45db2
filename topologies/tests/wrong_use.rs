//! Whoever asks for what cannot be gets one clear message and exit status 2.

mod common;

use common::{Folder, squall, top_words};

/// Checks the status and the message: these parts, one line that says what is wrong, and
/// nothing that only a programmer understands.
fn refused(command: &mut assert_cmd::Command, parts: &[&str]) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{command:?}: {stderr}");
    assert_eq!(output.stdout, b"", "{command:?}");
    for part in parts {
        assert!(
            stderr.contains(part),
            "{command:?}: no {part:?} in: {stderr}"
        );
    }
    let messages = stderr
        .lines()
        .filter(|line| line.contains("error: "))
        .count();
    assert_eq!(messages, 1, "{stderr}");
    for part in ["panicked", "RUST_BACKTRACE", ".rs:", "Err("] {
        assert!(!stderr.contains(part), "{command:?}: {part:?} in: {stderr}");
    }
}

#[test]
fn a_mistyped_topology_is_answered_with_the_nearest_name() {
    for command in ["run", "describe"] {
        let parts = ["`rolling-top-word`", "did you mean `rolling-top-words`?"];
        refused(&mut squall(&[command, "rolling-top-word"]), &parts);
        let parts = ["`Rolling-Top-Wrods`", "did you mean `rolling-top-words`?"];
        refused(&mut squall(&[command, "Rolling-Top-Wrods"]), &parts);
        let parts = ["`top-user`", "did you mean `top-users`?"];
        refused(&mut squall(&[command, "top-user"]), &parts);
        let parts = ["`xyz`", "there are: rolling-top-words, top-users"];
        refused(&mut squall(&[command, "xyz"]), &parts);
    }
}

#[test]
fn numbers_and_durations_that_cannot_be_are_refused_with_their_option() {
    let table: &[(&[&str], &[&str])] = &[
        (
            &["--window", "10s", "--slide", "3s"],
            &["10s", "3s", "must divide the window"],
        ),
        (&["--slide", "7s"], &["60s", "7s"]),
        (&["--window", "0s"], &["--window", "it is 0"]),
        (&["--window", "0"], &["--window", "it is 0"]),
        (&["--window", "1500us"], &["window", "whole milliseconds"]),
        (&["--slide", "0ms"], &["--slide", "it is 0"]),
        (&["--top", "0"], &["--top", "it is 0"]),
        (&["--top", "ten"], &["--top", "ten", "whole number"]),
        (&["--spouts", "0"], &["--spouts", "1 to 256"]),
        (&["--counters", "0"], &["--counters", "1 to 256"]),
        (&["--rankers", "0"], &["--rankers", "1 to 256"]),
        (&["--mergers", "0"], &["--mergers", "1 to 256"]),
        (&["--counters", "257"], &["--counters", "257", "1 to 256"]),
        (&["--batch", "0"], &["--batch", "1..="]),
        (&["--rate", "-1"], &["--rate", "-1", "tuples per second"]),
        (&["--rate", "inf"], &["--rate", "inf"]),
        (&["--epoch", "0s"], &["--epoch", "it is 0"]),
        (&["--for", "10"], &["--for", "unit", "10s"]),
        (&["--for", "soon"], &["--for", "soon", "10s"]),
        (&["--window", "1 parsec"], &["--window", "parsec", "24h"]),
        (&["--lateness", "1s"], &["--time-field"]),
        (&["--field", "text"], &["--input"]),
        (&["--input"], &["--input"]),
        (&["--windw", "3s"], &["--windw", "--window"]),
    ];
    for (arguments, parts) in table {
        refused(&mut top_words(arguments), parts);
    }
}

#[test]
fn input_that_is_not_there_is_named() {
    let folder = Folder::with(&[("a.txt", b"a")]);
    let missing = folder.path("b.txt");
    refused(
        &mut top_words(&["--input", &missing]),
        &[&missing, "no such file"],
    );
    let glob = folder.path("*.csv");
    refused(
        &mut top_words(&["--input", &glob]),
        &[&glob, "matches no file"],
    );
    refused(&mut top_words(&["--input", ""]), &["empty", "quoted glob"]);
    std::fs::remove_file(folder.path("a.txt")).unwrap();
    refused(
        &mut top_words(&["--input", &folder.path("")]),
        &["no files"],
    );
}

#[test]
fn fields_that_the_input_does_not_have_are_answered_with_those_it_has() {
    let folder = Folder::with(&[
        ("a.csv", b"id,text\n1,b\n"),
        ("a.txt", b"a b\n"),
        ("a.ndjson", b"{}\n"),
    ]);
    let [csv, text, json] = ["a.csv", "a.txt", "a.ndjson"].map(|name| folder.path(name));
    let table: &[(&[&str], &[&str])] = &[
        (
            &[&csv, "--field", "txt"],
            &["a.csv", "`txt`", "`id`, `text`"],
        ),
        (
            &[&csv, "--field", "text", "--time-field", "t"],
            &["`t`", "`id`, `text`"],
        ),
        (&[&csv], &["a.csv", "--field", "`id`, `text`"]),
        (&[&json], &["a.ndjson", "--field"]),
        (
            &[&text, "--field", "text"],
            &["a.txt", "`text`", "plain text", "--format"],
        ),
        (
            &[&text, "--time-field", "time"],
            &["a.txt", "`time`", "plain text"],
        ),
        (&["-", "--field", "text"], &["stdin", "`text`", "--format"]),
        (&["-", "--format", "csv"], &["stdin", "--field"]),
        (
            &[&text, "--delimiter", "tab"],
            &["--delimiter", "CSV", "text"],
        ),
        (
            &[&csv, "--field", "id", "--delimiter", "::"],
            &["::", "`tab`"],
        ),
        (&[&csv, "--format", "xml"], &["xml", "text, csv and ndjson"]),
        (
            &[&csv, "--field", "id", "--split", "letters"],
            &["letters", "ascii-words"],
        ),
    ];
    for (arguments, parts) in table {
        let mut command = top_words(&["--input"]);
        refused(command.args(*arguments), parts);
    }
    // Of standard input only the run can tell.
    let mut command = top_words(&["--input", "-", "--format", "csv", "--field", "txt"]);
    refused(
        command.write_stdin("id,text\n1,b\n"),
        &["stdin", "`txt`", "`id`, `text`"],
    );
}

#[test]
fn a_time_format_that_is_invalid_or_fits_nothing_is_refused() {
    let rows = "soon,a\n".repeat(150);
    let folder = Folder::with(&[("a.csv", format!("time,text\n{rows}").as_bytes())]);
    let csv = folder.path("a.csv");
    let with = |input: &str, format: &str| {
        let fields = ["--field", "text", "--time-field", "time", "--format", "csv"];
        let mut command = top_words(&["--input", input, "--time-format", format]);
        command.args(fields);
        command
    };
    refused(
        &mut with(&csv, "iso"),
        &["--time-format", "`iso`", "rfc3339"],
    );
    refused(&mut with(&csv, "%Y-%K"), &["--time-format", "%Y-%K"]);
    let parts = [
        "none of the first 100 records",
        "`time`",
        "a.csv:2",
        "`soon`",
        "unix",
    ];
    refused(&mut with(&csv, "unix"), &parts);
    let parts = [
        "none of the first 100 records",
        "`time`",
        "stdin:2",
        "`soon`",
        "unix",
    ];
    let mut stdin = with("-", "unix");
    refused(stdin.write_stdin(format!("time,text\n{rows}")), &parts);
}

#[test]
fn no_output_is_written_over_the_input_or_another_output() {
    let folder = Folder::with(&[("a.txt", b"a b\n")]);
    let [text, out] = ["a.txt", "out"].map(|name| folder.path(name));
    let input = ["--input", &text];
    refused(
        top_words(&input).args(["--out", &text]),
        &["--out", "read as input"],
    );
    let both = ["--out", &out, "--dead-letters", &out];
    refused(
        top_words(&input).args(both),
        &["--dead-letters", "written by --out"],
    );
    assert_eq!(folder.read("a.txt"), "a b\n");
    let nowhere = folder.path("none/out");
    refused(
        top_words(&input).args(["--out", &nowhere]),
        &["cannot write", &nowhere],
    );
}

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
        let parts = ["`xyz`", "the topologies are rolling-top-words, top-users"];
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

/// A folder with an input folder `in` and the file `in/a.txt`, from which commands start.
fn with_input() -> (Folder, std::path::PathBuf) {
    let folder = Folder::with(&[]);
    let root = std::path::PathBuf::from(folder.path(""));
    std::fs::create_dir(root.join("in")).unwrap();
    std::fs::write(root.join("in/a.txt"), "two words\n").unwrap();
    (folder, root)
}

#[cfg(unix)]
#[test]
fn outputs_where_the_run_reads_are_refused_however_they_are_spelled() {
    use std::os::unix::fs::symlink;

    let (_folder, root) = with_input();
    std::fs::create_dir_all(root.join("other/deep")).unwrap();
    symlink(root.join("in"), root.join("link")).unwrap();
    symlink(root.join("in/new.txt"), root.join("dangling")).unwrap();
    std::fs::hard_link(root.join("in/a.txt"), root.join("other/hard")).unwrap();
    let inside = &["inside of `in`", "the folder of --input"][..];
    let table: &[(&str, &str, &[&str])] = &[
        ("in", "in/out.ndjson", inside),
        ("in", "link/out.ndjson", inside),
        ("in", "other/deep/../../in/./out.ndjson", inside),
        ("in", "dangling", inside),
        ("in", "other/hard", &["also read as input"]),
        ("in/a.txt", "link/a.txt", &["also read as input"]),
        (
            "in/*.txt",
            "in/new.txt",
            &["matched by the input `in/*.txt`"],
        ),
        ("in/*.txt", "link/new.txt", &["matched by the input"]),
        ("./other/../in/[a-c]*", "in/b", &["matched by the input"]),
        ("**/*.txt", "other/deep/out.txt", &["matched by the input"]),
    ];
    for (input, out, parts) in table {
        for option in ["--out", "--dead-letters"] {
            let mut command = top_words(&["--input", input, option, out]);
            refused(command.current_dir(&root), &[&[option], *parts].concat());
            refused(command.arg("--follow"), &[&[option], *parts].concat());
        }
    }
    assert_eq!(
        std::fs::read_to_string(root.join("in/a.txt")).unwrap(),
        "two words\n"
    );
    assert_eq!(std::fs::read_dir(root.join("in")).unwrap().count(), 1);
    for out in ["out.ndjson", "in/.hidden", "other/new.txt", "/dev/null"] {
        let mut command = top_words(&["--input", "in", "--out", out]);
        command.current_dir(&root).assert().success();
    }
}

#[cfg(unix)]
#[test]
fn outputs_inside_the_data_directory_and_data_inside_the_input_are_refused() {
    let (_folder, root) = with_input();
    std::os::unix::fs::symlink(root.join("data"), root.join("link")).unwrap();
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            "data",
            &["--out", "data/out"],
            &["--out", "inside of `data`", "--data-dir"],
        ),
        (
            "data",
            &["--dead-letters", "link/squall.redb"],
            &["--dead-letters", "inside of `data`"],
        ),
        (
            "link",
            &["--out", "data/a/b"],
            &["--out", "inside of `link`"],
        ),
        ("in/data", &[], &["--data-dir", "inside of `in`", "--input"]),
        ("in", &[], &["--data-dir", "`in`", "which is read"]),
        (".", &[], &["--data-dir", "`.`", "which is read"]),
    ];
    for (data, more, parts) in table {
        let mut command = top_words(&["--input", "in", "--data-dir", data]);
        refused(command.args(*more).current_dir(&root), parts);
        assert!(!root.join("data").exists(), "{data}");
    }
    let mut command = top_words(&["--input", "*/*", "--data-dir", "data"]);
    refused(
        command.current_dir(&root),
        &["--data-dir", "matched by the input `*/*`"],
    );
}

#[cfg(unix)]
#[test]
fn standard_output_that_leads_into_the_input_is_refused() {
    let (_folder, root) = with_input();
    for (redirected, words) in [
        (">", vec!["--json"]),
        (">", vec!["--out", "/dev/stdout"]),
        ("2>", vec![]),
    ] {
        let file = root.join("in/redirected");
        let to = std::fs::File::create(&file).unwrap();
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("squall"));
        command
            .args(["run", "rolling-top-words", "--input", "in"])
            .args(words);
        if redirected == ">" {
            command.stdout(to);
        } else {
            command.stderr(to);
        }
        let output = command.current_dir(&root).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{redirected}: {output:?}");
        std::fs::remove_file(file).unwrap();
    }
}

#[cfg(feature = "cube")]
#[test]
fn an_archive_beside_nothing_that_is_read_or_written_is_asked_for() {
    let (folder, root) = with_input();
    std::fs::write(root.join("in/e.ndjson"), "{\"t\":1}\n").unwrap();
    let spec = r#"{"dataSchema": {
        "timestampSpec": {"column": "t", "format": "millis"},
        "dimensionsSpec": {"dimensions": []},
        "aggregators": [{"type": "count", "name": "n"}],
        "granularitySpec": {"segmentGranularity": "day", "queryGranularity": "minute"}
    }}"#;
    std::fs::write(root.join("spec.json"), spec).unwrap();
    for (archive, letters, parts) in [
        ("data/raw", "letters", ["--archive", "inside of `data`"]),
        ("in/raw", "letters", ["--archive", "inside of `in`"]),
        (".", "letters", ["--archive", "which is read"]),
        ("raw", "raw/letters", ["--dead-letters", "inside of `raw`"]),
        (
            "raw",
            "data/letters",
            ["--dead-letters", "inside of `data`"],
        ),
        ("raw", "spec.json", ["--dead-letters", "read by --spec"]),
    ] {
        let mut arguments = vec!["run", "rollup", "--spec", "spec.json", "--input", "in"];
        arguments.extend(["--format", "ndjson", "--data-dir", "data"]);
        arguments.extend(["--archive", archive, "--dead-letters", letters]);
        refused(squall(&arguments).current_dir(&root), &parts);
    }
    drop(folder);
}

/// A file of that name would be made, or looked for.
#[cfg(not(feature = "servers"))]
#[test]
fn an_address_of_a_server_names_the_feature_that_has_it() {
    let (folder, root) = with_input();
    for (arguments, feature) in [
        (["--input", "kafka://localhost:9092/words"], "kafka"),
        (["--out", "kafka://localhost:9092/words"], "kafka"),
        (["--out", "rediss://localhost/words"], "redis"),
        (["--out", "postgres://localhost/words?table=t"], "postgres"),
    ] {
        let arguments = [&["run", "rolling-top-words"], &arguments[..]].concat();
        let feature = format!("`--features {feature}`");
        let parts = ["built without it", &feature];
        refused(squall(&arguments).current_dir(&root), &parts);
    }
    assert!(!root.join("kafka:").exists());
    drop(folder);
}

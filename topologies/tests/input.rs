//! Every way in, what comes out of it, and what becomes of the records that are broken.

mod common;

use std::io::Write;

use common::{Folder, counts, json, output, top_words, totals};
use serde_json::{Value, json};

#[test]
fn a_file_a_folder_a_glob_gzip_and_standard_input_give_the_same_words() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(b"to be\n").unwrap();
    let folder = Folder::with(&[
        ("a.txt", b"To be, or not\n"),
        ("b.txt.gz", &gzip.finish().unwrap()),
        (".hidden", b"hidden\n"),
    ]);
    let all = "be 2, to 2, not 1, or 1";
    assert_eq!(totals(&["--input", &folder.path("")]), all);
    assert_eq!(totals(&["--input", &folder.path("?.t*")]), all);
    assert_eq!(totals(&["--input", &folder.path("b.txt.gz")]), "be 1, to 1");
    let mut stdin = top_words(&["--window", "all", "--json", "--input", "-"]);
    let (stdout, _) = output(stdin.write_stdin("To be, or not\nto be"));
    assert_eq!(counts(json(&stdout).last().unwrap()), all);
}

/// A run that is restored from its last commit would meet it again, and again.
#[test]
fn damaged_gzip_ends_a_durable_run_at_once() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    gzip.write_all(&b"to be\n".repeat(10_000)).unwrap();
    let whole = gzip.finish().unwrap();
    let folder = Folder::with(&[("a.txt.gz", &whole[..whole.len() / 2])]);
    let (input, data_dir) = (folder.path("a.txt.gz"), folder.path("data"));
    let mut run = top_words(&["--input", &input, "--data-dir", &data_dir]);
    let run = run.output().unwrap();
    let logged = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(1), "{logged}");
    assert!(logged.contains("the gzip data is cut short"), "{logged}");
    assert!(!logged.contains("goes on from its last commit"), "{logged}");
}

#[test]
fn text_is_split_as_asked() {
    let folder = Folder::with(&[("a.txt", "Ça va\nÇa va\n\nva".as_bytes())]);
    let input = folder.path("a.txt");
    let split = |split| totals(&["--input", &input, "--split", split]);
    assert_eq!(totals(&["--input", &input]), "va 3, ça 2");
    assert_eq!(split("words"), "va 3, ça 2");
    assert_eq!(split("ascii-words"), "va 3, a 2");
    assert_eq!(split("none"), "Ça va 2, va 1");
}

#[test]
fn columns_are_cut_at_the_delimiter() {
    let folder = Folder::with(&[
        ("a.tsv", b"id\tuser\n1\tann\n2\tann,eve\n"),
        ("a.data", b"id\tuser\n1\tann\n"),
        ("a.csv", b"id;user\n1;ann\n"),
    ]);
    let users = |name: &str, more: &[&str]| {
        let input = folder.path(name);
        totals(
            &[
                &["--input", &input, "--field", "user", "--split", "none"],
                more,
            ]
            .concat(),
        )
    };
    assert_eq!(users("a.tsv", &[]), "ann 1, ann,eve 1");
    assert_eq!(
        users("a.data", &["--format", "csv", "--delimiter", "tab"]),
        "ann 1"
    );
    assert_eq!(users("a.csv", &["--delimiter", ";"]), "ann 1");
}

#[test]
fn null_absent_and_empty_give_no_tuple_and_numbers_count_as_their_text() {
    let lines = [
        r#"{"user":{"name":"Ann"}}"#,
        r#"{"user":{"name":null}}"#,
        r#"{"user":{}}"#,
        "{}",
        r#"{"user":null}"#,
        r#"{"user":{"name":""}}"#,
        r#"{"user":{"name":1.50}}"#,
        r#"{"user":{"name":true}}"#,
        r#"{"user":{"name":true}}"#,
        "",
        r#"{"user.name":"top level"}"#,
    ];
    let folder = Folder::with(&[("a.ndjson", lines.join("\n").as_bytes())]);
    let input = folder.path("a.ndjson");
    let arguments = ["--input", &input, "--field", "user.name", "--split", "none"];
    assert_eq!(totals(&arguments), "true 2, 1.50 1, Ann 1, top level 1");
}

#[test]
fn bad_rows_go_to_the_dead_letters_and_the_rest_is_counted_right() {
    let csv: &[u8] = b"time,text\n\
        2017-08-27T00:00:01Z,one \"two\"\n\
        2017-08-27T00:00:02Z\n\
        soon,three\n\
        2017-08-27T00:00:03Z,\"one\nline\"\n\
        2017-08-27T00:00:04Z,f\xffur\n\
        2017-08-27T00:00:05Z,one,more\n\
        ,nothing\n\
        2017-08-27T00:00:06Z,two\n";
    let ndjson: &[u8] = b"{\"time\":\"2017-08-27T00:00:01Z\",\"text\":\"one\"}\n\
        {\"time\":\"2017-08-27T00:00:02Z\",\n\
        [1]\n\
        {\"time\":\"2017-08-27T00:00:03Z\",\"text\":[\"one\"]}\n\
        {\"time\":\"2017-08-27T00:00:07Z\",\"text\":\"two\"}\n";
    let folder = Folder::with(&[("a.csv", csv), ("b.ndjson", ndjson)]);
    let input = folder.path("[ab].*");
    let dead = folder.path("dead");
    let arguments = [
        "--input",
        &input,
        "--dead-letters",
        &dead,
        "--window",
        "10s",
        "--json",
    ];
    let mut command = top_words(&arguments);
    let (stdout, stderr) = output(command.args(["--field", "text", "--time-field", "time"]));

    let rankings = json(&stdout);
    assert_eq!(rankings.len(), 1, "{stdout}");
    assert_eq!(counts(&rankings[0]), "one 3, two 3, line 1");
    assert!(stderr.contains("8 dead letters"), "{stderr}");

    let mut letters = json(&folder.read("dead"));
    letters.sort_by_key(|letter| (letter["source"].to_string(), letter["line"].as_u64()));
    let reasons = [
        ("a.csv", 3, "the row has 1 column, the header has 2"),
        ("a.csv", 4, "`soon` is not a time of the format rfc3339"),
        (
            "a.csv",
            7,
            "`text` is not valid UTF-8 after its first byte: name the encoding",
        ),
        ("a.csv", 8, "the row has 3 columns, the header has 2"),
        ("a.csv", 9, "it has no time"),
        ("b.ndjson", 2, "not a JSON object"),
        ("b.ndjson", 3, "not a JSON object"),
        ("b.ndjson", 4, "`text` is an array"),
    ];
    assert_eq!(letters.len(), reasons.len(), "{letters:#?}");
    for (letter, (file, line, reason)) in letters.iter().zip(reasons) {
        let Value::Object(fields) = letter else {
            panic!("{letter}");
        };
        let names: Vec<_> = fields.keys().collect();
        assert_eq!(names, ["line", "reason", "source"]);
        assert_eq!(letter["source"], folder.path(file));
        assert_eq!(letter["line"], line, "{letter}");
        assert!(
            letter["reason"].as_str().unwrap().starts_with(reason),
            "{letter}"
        );
    }
}

#[test]
fn late_records_are_counted_in_the_summary_and_lateness_lets_them_in() {
    let csv = b"t,w\n1000,a\n5000,b\n3000,c\n9000,d\n";
    let folder = Folder::with(&[("a.csv", csv)]);
    let input = folder.path("a.csv");
    let arguments = [
        "--input",
        &input,
        "--field",
        "w",
        "--time-field",
        "t",
        "--json",
    ];
    let run = |more: &[&str]| {
        let mut command = top_words(&arguments);
        command.args(["--time-format", "unix-ms", "--window", "10s"]);
        output(command.args(more))
    };
    let (stdout, stderr) = run(&[]);
    assert_eq!(counts(&json(&stdout)[0]), "a 1, b 1, d 1");
    assert!(
        stderr.contains("4 tuples, 1 late, 0 dead letters"),
        "{stderr}"
    );
    let (stdout, stderr) = run(&["--lateness", "2s"]);
    assert_eq!(counts(&json(&stdout)[0]), "a 1, b 1, c 1, d 1");
    assert!(
        stderr.contains("4 tuples, 0 late, 0 dead letters"),
        "{stderr}"
    );
}

#[test]
fn a_ranking_is_one_object_a_line_and_a_file_gets_the_same_lines() {
    let csv = b"t,w\n0,the\n1,the\n2,a\n25,end\n";
    let folder = Folder::with(&[("a.csv", csv)]);
    let (input, out) = (folder.path("a.csv"), folder.path("out"));
    let arguments = [
        "--input",
        &input,
        "--field",
        "w",
        "--time-field",
        "t",
        "--out",
        &out,
    ];
    let mut command = top_words(&arguments);
    command.args([
        "--time-format",
        "unix",
        "--window",
        "10s",
        "--json",
        "--top",
        "1",
    ]);
    let (stdout, stderr) = output(&mut command);
    let expected = "\
        {\"window_start\":\"1970-01-01T00:00:00Z\",\"window_end\":\"1970-01-01T00:00:10Z\",\
        \"ranking\":[[\"the\",2]]}\n\
        {\"window_start\":\"1970-01-01T00:00:10Z\",\"window_end\":\"1970-01-01T00:00:20Z\",\
        \"ranking\":[]}\n\
        {\"window_start\":\"1970-01-01T00:00:20Z\",\"window_end\":\"1970-01-01T00:00:30Z\",\
        \"ranking\":[[\"end\",1]]}\n";
    assert_eq!(stdout, expected);
    assert_eq!(folder.read("out"), expected);
    assert!(stderr.contains("Rankings: [the 2]"), "{stderr}");
}

#[test]
fn a_window_over_all_has_no_ends() {
    let folder = Folder::with(&[("a.txt", b"a\n")]);
    let input = folder.path("a.txt");
    let (stdout, _) = output(&mut top_words(&[
        "--input", &input, "--window", "all", "--json",
    ]));
    let expected = json!({"window_start": null, "window_end": null, "ranking": [["a", 1]]});
    assert_eq!(json(&stdout), [expected]);
}

#[test]
fn the_log_level_is_that_of_the_environment() {
    let folder = Folder::with(&[("a.txt", b"a\n")]);
    let input = folder.path("a.txt");
    let mut command = top_words(&["--input", &input, "--window", "all"]);
    let (stdout, stderr) = output(command.env("RUST_LOG", "error"));
    assert_eq!((stdout.as_str(), stderr.as_str()), ("", ""));
}

#[test]
fn the_table_of_statistics_names_every_component() {
    let folder = Folder::with(&[("a.txt", b"a b\n")]);
    let input = folder.path("a.txt");
    let (_, stderr) = output(&mut top_words(&[
        "--input", &input, "--window", "all", "--stats",
    ]));
    for part in [
        "component",
        "words",
        "counts",
        "rankings",
        "merged",
        "epochs:",
        "tuples/s",
    ] {
        assert!(stderr.contains(part), "no {part} in {stderr}");
    }
}

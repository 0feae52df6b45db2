//! Inputs as other programs write them: line ends, encodings, packing, times, specs. What can be
//! read is read exactly, and everything else is told before anything runs.
#![cfg(all(unix, feature = "cube"))]

mod common;

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

#[test]
fn lines_end_with_either_character_or_both_in_every_format() {
    let table = [
        ("a.txt", "a\nb\nb\n", &[][..], "b 2, a 1"),
        (
            "a.csv",
            "w,v\na,1\n\"b\",2\n\nb,3",
            &["--field", "w"],
            "b 2, a 1",
        ),
        (
            "a.tsv",
            "w\tv\na\t1\nb\t2\nb\t3\n",
            &["--field", "w"],
            "b 2, a 1",
        ),
        (
            "a.ndjson",
            "{\"w\":\"a\"}\n\n{\"w\":\"b\"}\n{\"w\":\"b\"}",
            &["--field", "w"],
            "b 2, a 1",
        ),
    ];
    for (name, text, options, expected) in table {
        let mut mixed = String::new();
        for (number, line) in text.split('\n').enumerate() {
            mixed.push_str(line);
            mixed.push_str(["\r", "\r\n", "\n"][number % 3]);
        }
        for text in [text.replace('\n', "\r"), text.replace('\n', "\r\n"), mixed] {
            for mark in ["", "\u{feff}"] {
                let bytes = format!("{mark}{text}").into_bytes();
                let (found, told) = words(name, &bytes, options);
                assert_eq!(found, expected, "{name} {text:?}: {told}");
            }
            let packed = gzip(text.as_bytes());
            assert_eq!(words(&format!("{name}.gz"), &packed, options).0, expected);
        }
    }
    let csv = b"user,cents,day\rann,500,mon\rbob,600,tue\r";
    assert_eq!(users("a.csv", csv, &[]), "bob 600, ann 500");
    let rows = rolled(
        &by_time("auto"),
        ("a.csv", b"t,d\r2020,a\r2020,b\r"),
        &["--by", "d"],
    );
    assert_eq!(rows.unwrap().len(), 2);
}

#[test]
fn a_durable_run_goes_on_behind_a_return_as_behind_a_line_feed() {
    for line_end in ["\r", "\r\n", "\n"] {
        let folder = Folder::with(&[("a.csv", b"")]);
        let mut text = format!("w{line_end}");
        let (input, data) = (folder.path("a.csv"), folder.path("data"));
        let mut all = String::new();
        for word in ["a", "b", "b", "c"] {
            text.push_str(&format!("{word}{line_end}"));
            // The next row tells that a return was no half of a line end.
            std::fs::write(&input, format!("{text}x")).unwrap();
            let arguments = [
                "--input",
                &input,
                "--field",
                "w",
                "--data-dir",
                &data,
                "--keep-open",
            ];
            let window = ["--window", "all", "--slide", "1000d", "--json"];
            output(&mut top_words(&[&arguments[..], &window].concat()));
            let (stdout, _) = output(&mut squall(&["view", &data, "counts", "--json"]));
            all = stdout;
        }
        let mut found: Vec<String> = json(&all)
            .iter()
            .map(|row| row["key"].to_string())
            .collect();
        found.sort();
        assert_eq!(found.join(" "), "\"a\" \"b\" \"c\"", "{line_end:?}");
    }
}

#[test]
fn a_word_is_a_run_of_letters_numbers_and_marks() {
    let text = "हिन्दी विकिपीडिया हिन्दी\nข้อส ข้อส\ncafe\u{301}s café\nمُحَمَّد\nİstanbul İZMİR\n";
    let folder = Folder::with(&[("a.txt", text.as_bytes())]);
    let found = common::totals(&["--input", &folder.path("a.txt")]);
    assert_eq!(
        found,
        "ข้อส 2, हिन्दी 2, cafe\u{301}s 1, café 1, i\u{307}stanbul 1, i\u{307}zmi\u{307}r 1, مُحَمَّد 1, विकिपीडिया 1"
            .replace("ข้อส 2, हिन्दी 2", "हिन्दी 2, ข้อส 2")
    );
}

/// Every command that reads files, and standard input of those that can.
fn refused_by_all(name: &str, bytes: &[u8], options: &[&str], told: &str) {
    let spec = by_time("auto");
    let folder = Folder::with(&[(name, bytes), ("spec.json", spec.as_bytes())]);
    let (file, spec, data) = (
        folder.path(name),
        folder.path("spec.json"),
        folder.path("data"),
    );
    for input in [&*file, "-"] {
        let read = ["--input", input, "--format", "csv"];
        let words = ["run", "rolling-top-words", "--field", "w"];
        let users = [
            "run",
            "top-users",
            "--user-field",
            "w",
            "--cents-field",
            "v",
        ];
        let append = ["depot", "append", &data, "d", "--key", "w"];
        let rollup = ["run", "rollup", "--spec", &spec, "--data-dir", &data];
        for command in [&words[..], &users, &append, &rollup] {
            if input == "-" && command == rollup {
                continue;
            }
            let (stdout, stderr, status) = run(&[command, &read, options].concat(), bytes);
            assert_eq!((status, &*stdout), (2, ""), "{command:?} {input}: {stderr}");
            assert!(stderr.contains(told), "{command:?} {input}: {stderr}");
        }
    }
    let text = [
        "run",
        "rolling-top-words",
        "--format",
        "text",
        "--input",
        &file,
    ];
    let (_, stderr, status) = run(&[&text[..], options].concat(), b"");
    assert_eq!(status, 2, "{stderr}");
    assert!(stderr.contains(told), "{stderr}");
    assert!(
        !std::path::Path::new(&data).exists(),
        "nothing was to be made"
    );
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn what_is_no_text_in_utf8_is_told_before_anything_runs() {
    let zstd = b"\x28\xb5\x2f\xfd\x04\x00";
    refused_by_all(
        "a.csv",
        &utf16("\u{feff}w,v\na,1\n"),
        &[],
        "say so by --encoding utf-16le",
    );
    refused_by_all(
        "a.csv.gz",
        &gzip(&utf16("w,v\na,1\n")),
        &[],
        "looks like UTF-16",
    );
    refused_by_all(
        "a.csv.zst",
        zstd,
        &[],
        "looks like zstd: unpack it first, or pack it with gzip",
    );
    refused_by_all("a.csv.zip", b"PK\x03\x04....", &[], "looks like zip");
    let latin = ["--encoding", "latin1"];
    refused_by_all("a.csv.xz", b"\xfd7zXZ\0\0", &latin, "looks like xz");
}

#[test]
fn utf16_is_read_where_its_encoding_is_given() {
    let le = ["--encoding", "utf-16le"];
    for text in [
        "w,v\r\nčaj,1\n\"č\naj\",2\nčaj,3\n",
        "\u{feff}w,v\rčaj,1\r\"č\naj\",2\rčaj,3\r",
    ] {
        let field = [&["--field", "w"], &le[..]].concat();
        for (name, bytes) in [("a.csv", utf16(text)), ("a.csv.gz", gzip(&utf16(text)))] {
            assert_eq!(words(name, &bytes, &field).0, "čaj 2, č\naj 1");
        }
    }
    assert_eq!(words("a.txt", &utf16("😀\nčaj\nčaj"), &le).0, "čaj 2, 😀 1");
    // A durable run goes on at the same place.
    let folder = Folder::with(&[("a.txt", b"")]);
    let (input, data) = (folder.path("a.txt"), folder.path("data"));
    let mut bytes = utf16("\u{feff}");
    for text in ["a\n😀\r\n", "č\nb", "b\n", "č\n"] {
        bytes.extend(utf16(text));
        std::fs::write(&input, &bytes).unwrap();
        let arguments = [
            "--input",
            &input,
            "--data-dir",
            &data,
            "--keep-open",
            "--split",
            "none",
        ];
        output(&mut top_words(
            &[&arguments[..], &le, &["--window", "all"]].concat(),
        ));
    }
    let (stdout, _) = output(&mut squall(&["view", &data, "counts"]));
    let mut lines: Vec<&str> = stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 4, "{stdout}");
    assert!(stdout.contains("bb"), "{stdout}");
}

#[test]
fn only_the_columns_that_are_asked_for_are_decoded() {
    let csv = b"user,note,cents\nann,caf\xe9,5\ncaf\xe9,x,6\n";
    let options = ["--dead-letters"];
    let folder = Folder::with(&[("a.csv", csv)]);
    let dead = folder.path("dead");
    assert_eq!(users("a.csv", csv, &[options[0], &dead]), "ann 5");
    let dead = json(&folder.read("dead"));
    assert_eq!((dead.len(), &dead[0]["line"]), (1, &Value::from(3)));
    assert_eq!(
        dead[0]["reason"],
        "`user` is not valid UTF-8 after its first 3 bytes: say in which encoding the input is, \
         as by --encoding latin1"
    );
    for label in ["latin1", "iso-8859-1", "Windows-1252"] {
        let found = users("a.csv", csv, &["--encoding", label]);
        assert_eq!(found, "café 6, ann 5", "{label}");
    }
    let line = b"{\"w\":\"a\",\"note\":\"caf\xe9\"}\n";
    assert_eq!(words("a.ndjson", line, &["--field", "w"]).0, "a 1");
    let (_, stderr, status) = run(
        &[
            "run",
            "top-users",
            "--input",
            &folder.path("a.csv"),
            "--user-field",
            "user",
        ],
        b"",
    );
    assert_eq!(status, 2, "{stderr}");
    // A depot and an archive keep all of a record.
    let data = folder.path("data");
    let append = [
        "depot",
        "append",
        &data,
        "d",
        "--key",
        "cents",
        "--input",
        &folder.path("a.csv"),
    ];
    let (_, stderr, _) = run(&append, b"");
    assert!(
        stderr.contains("a.csv:2: the record is not valid UTF-8"),
        "{stderr}"
    );
    let (_, stderr, status) = run(&[&append[..], &["--encoding", "latin1"]].concat(), b"");
    assert!(
        status == 0 && stderr.contains("2 records are appended"),
        "{stderr}"
    );
}

#[test]
fn zeros_behind_a_gzip_are_passed_over() {
    let line = b"{\"w\":\"a\"}\n";
    let two = [gzip(line), gzip(line)].concat();
    for zeros in [1, 512, 100_000] {
        let padded = [&two[..], &vec![0; zeros]].concat();
        assert_eq!(words("a.ndjson.gz", &padded, &["--field", "w"]).0, "a 2");
    }
    let folder = Folder::with(&[("a.txt.gz", &[&two[..], b"more"].concat())]);
    let (_, stderr, status) = run(
        &[
            "run",
            "rolling-top-words",
            "--input",
            &folder.path("a.txt.gz"),
        ],
        b"",
    );
    assert_eq!(status, 1);
    assert!(stderr.contains("something else follows it"), "{stderr}");
}

#[test]
fn a_month_and_a_year_are_no_length() {
    let folder = Folder::with(&[("a.csv", b"t,w\n2020-01-01T00:00:00Z,a\n")]);
    let input = folder.path("a.csv");
    let times = ["--input", &input, "--field", "w", "--time-field", "t"];
    let data = folder.path("data");
    for span in ["1month", "1 M", "1mo", "2years", "1y"] {
        let commands: [&[&str]; 5] = [
            &["run", "rolling-top-words", "--window", span],
            &["run", "rolling-top-words", "--slide", span],
            &["run", "rolling-top-words", "--lateness", span],
            &["run", "rolling-top-words", "--for", span],
            &[
                "run",
                "rolling-top-words",
                "--data-dir",
                &data,
                "--commit",
                span,
            ],
        ];
        for command in commands {
            let (_, stderr, status) = run(&[command, &times].concat(), b"");
            assert_eq!(status, 2, "{command:?}: {stderr}");
            assert!(
                stderr.contains("has no fixed length: give days or weeks"),
                "{command:?}: {stderr}"
            );
        }
    }
}

#[test]
fn times_are_read_however_they_are_written() {
    let table = [
        (
            "unix-ms",
            r#"1.5778368E12 1577836800000.0 1577836800000 "1577836800000""#,
        ),
        (
            "unix",
            r#"1.5778368E9 1577836800.0 1577836800 "1577836800""#,
        ),
        (
            "unix-us",
            r#"1.5778368E15 1577836800000000.0 1577836800000000"#,
        ),
        ("unix-ns", r#"1.5778368E18 1577836800000000000"#),
        (
            "rfc3339",
            r#""2020-01-01T00:00:00.1234567891Z" "2020-01-01T00:00:00Z_" "2020-01-01t00:00:00z""#,
        ),
        ("%a %d %b %Y", r#""Wed 01 Jan 2020""#),
    ];
    for (format, times) in table {
        let one_word = |time: &str| format!("{{\"t\":{time},\"w\":\"a\"}}\n");
        let times: Vec<String> = match format {
            "%a %d %b %Y" => vec![times.to_owned()],
            _ => times
                .split(' ')
                .map(|time| time.replace('_', " "))
                .collect(),
        };
        let lines: String = times.iter().map(|time| one_word(time)).collect();
        let folder = Folder::with(&[("a.ndjson", lines.as_bytes())]);
        let (stdout, stderr) = output(&mut top_words(&[
            "--input",
            &folder.path("a.ndjson"),
            "--field",
            "w",
            "--time-field",
            "t",
            "--time-format",
            format,
            "--lateness",
            "1s",
            "--window",
            "1h",
            "--json",
        ]));
        let rankings = json(&stdout);
        assert_eq!(rankings.len(), 1, "{format}: {stderr}");
        assert_eq!(
            counts(&rankings[0]),
            format!("a {}", times.len()),
            "{stderr}"
        );
    }
    for pattern in [
        "%Y-%M-%d",
        "%Y-%m-%d %j",
        "%Y-%m-%d %I:%M",
        "%G-%m-%d",
        "%Y-%m-%d %H %p",
    ] {
        let folder = Folder::with(&[("a.csv", b"t,w\n2020,a\n")]);
        let (_, stderr, status) = run(
            &[
                "run",
                "rolling-top-words",
                "--input",
                &folder.path("a.csv"),
                "--field",
                "w",
                "--time-field",
                "t",
                "--time-format",
                pattern,
            ],
            b"",
        );
        assert_eq!(status, 2, "{stderr}");
        assert!(stderr.contains("cannot be used: it has"), "{stderr}");
    }
}

#[test]
fn the_last_second_of_the_calendar_has_a_window() {
    let csv = b"t,w\n9999-12-31T23:59:59Z,a\n";
    let folder = Folder::with(&[("a.csv", csv)]);
    let (stdout, _) = output(&mut top_words(&[
        "--input",
        &folder.path("a.csv"),
        "--field",
        "w",
        "--time-field",
        "t",
        "--window",
        "1h",
        "--json",
    ]));
    assert_eq!(json(&stdout).len(), 1, "{stdout}");
}

#[test]
fn a_pattern_that_contradicts_itself_is_refused_with_its_line() {
    let event = ("a.ndjson", &b"{\"t\":\"2015-03-29\",\"d\":\"x\"}\n"[..]);
    for (format, told) in [
        ("yyyy-MM-DD", "a day of the year together with a month"),
        (
            "yyyy-mm-dd",
            "a day of the month without a month; it has minutes without an hour",
        ),
        ("xxxx-MM-dd", "a year of weeks together with a month"),
        ("yyyy-MM-dd hh:mm", "an hour of 12 without am or pm"),
    ] {
        let error = rolled(&by_time(format), event, &["--by", "d"]).unwrap_err();
        assert!(
            error.contains(&format!("spec.json:1: the time format `{format}`")),
            "{error}"
        );
        assert!(error.contains(told), "{error}");
    }
    let wrong_day = r#"{"t":"Mon, 12 September 2015","d":"x"}"#;
    let event = ("a.ndjson", wrong_day.as_bytes());
    let error = rolled(&by_time("EEE, dd MMMM yyyy"), event, &["--by", "d"]).unwrap_err();
    assert!(
        error.contains("2015-09-12 is a saturday, and no monday"),
        "{error}"
    );
}

#[test]
fn names_of_time_zones_are_read() {
    let times = |format: &str, times: &[&str]| {
        let lines = times
            .iter()
            .map(|time| format!("{{\"t\":{time:?},\"d\":\"x\"}}\n"));
        let lines: String = lines.collect();
        let rows = rolled(
            &by_time(format),
            ("a.ndjson", lines.as_bytes()),
            &["--by", "d"],
        );
        let rows = rows.unwrap_or_else(|why| panic!("{why}"));
        let rows = rows
            .iter()
            .map(|row| row["timestamp"].as_str().unwrap().to_owned());
        rows.collect::<Vec<_>>()
    };
    let auto = [
        "2009-02-13 23:31:30 PST",
        "2009-02-13 23:31:30 EST",
        "2009-02-13 23:31:30 +0530",
    ];
    let expected = [
        "2009-02-13T18:01:30Z",
        "2009-02-14T04:31:30Z",
        "2009-02-14T07:31:30Z",
    ];
    assert_eq!(times("auto", &auto), expected);
    let pattern = "EEE MMM dd HH:mm:ss z yyyy";
    let found = times(pattern, &["Wed Nov 9 04:00:00 PST 1994"]);
    assert_eq!(found, ["1994-11-09T12:00:00Z"]);
}

#[test]
fn an_interval_may_begin_with_a_period() {
    let spec = by_time("auto").replace(
        "\"queryGranularity\"",
        "\"intervals\":[\"P1D/2020-01-02\"],\"queryGranularity\"",
    );
    let events =
        b"{\"t\":\"2020-01-01T00:00:00Z\",\"d\":\"in\"}\n{\"t\":\"2020-01-02\",\"d\":\"out\"}\n";
    let rows = rolled(&spec, ("a.ndjson", events), &["--by", "d"]).unwrap();
    assert_eq!((rows.len(), &rows[0]["d"]), (1, &Value::from("in")));
}

#[test]
fn a_dimension_may_be_called_timestamp() {
    let events = b"{\"t\":\"2020-01-01T00:00:00Z\",\"timestamp\":\"x\"}\n";
    for dimensions in [r#"["timestamp"]"#, "[]"] {
        let spec = by_time("auto").replace(r#"["d"]"#, dimensions);
        let rows = rolled(&spec, ("a.ndjson", events), &["--by", "timestamp"]).unwrap();
        let row = serde_json::json!({"__time": "2020-01-01T00:00:00Z", "timestamp": "x", "n": 1});
        assert_eq!(rows, [row]);
        let rows = rolled(&spec, ("a.ndjson", events), &[]).unwrap();
        assert_eq!(rows[0]["timestamp"], "2020-01-01T00:00:00Z");
    }
}

#[test]
fn what_a_spec_says_twice_or_cannot_be_followed_is_told_by_its_lines() {
    let event = ("a.ndjson", &b"{\"t\":\"2020\",\"d\":\"x\"}\n"[..]);
    let twice = "{\"timestampSpec\":{\"column\":\"t\"},\n\"timestampSpec\":{\"column\":\"u\"},\n\
                 \"granularitySpec\":{\"queryGranularity\":\"hour\"}}";
    let error = rolled(twice, event, &[]).unwrap_err();
    assert!(
        error.contains("has `timestampSpec` twice, in line 1 and in line 2"),
        "{error}"
    );
    assert!(!error.contains("did you mean"), "{error}");
    let spec = by_time("auto");
    for (member, told) in [
        (
            "\"listDelimiter\":\"|\"",
            "`listDelimiter` cannot be followed",
        ),
        (
            "\"skipHeaderRows\":2",
            "`skipHeaderRows` cannot be followed",
        ),
        ("\"hasHeaderRow\":false", "`hasHeaderRow` cannot be false"),
    ] {
        let spec = format!(
            "{{\"dataSchema\":{spec},\n\"ioConfig\":{{\"inputFormat\":{{\"type\":\"csv\",\n{member}}}}}}}"
        );
        let error = rolled(&spec, event, &[]).unwrap_err();
        assert!(error.contains(told), "{error}");
        assert!(error.contains("spec.json:5: "), "{error}");
    }
}

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

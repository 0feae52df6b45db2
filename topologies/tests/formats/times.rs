//! Times, time zones and spans of time.

use crate::common::{Folder, counts, json, output, top_words};
use crate::{by_time, rolled, run};

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
            "1.5778368E15 1577836800000000.0 1577836800000000",
        ),
        ("unix-ns", "1.5778368E18 1577836800000000000"),
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
        error.contains("2015-09-12 is a Saturday, and no Monday"),
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

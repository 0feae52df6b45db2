//! What a run says by itself: of fields that no record has, of input that it has lost, of a clock
//! that was ahead, and for which moment each line is.

mod common;

use common::{Folder, Session, json, output, squall, top_words};
use serde_json::{Value, json};
use squall::testing::TopologyTest;
use squall::{DataDir, RunOptions, Timestamp, secs};
use squall_topologies::rolling_top_words;

/// The logged lines that are warnings.
fn warnings(logged: &str) -> Vec<&str> {
    logged
        .lines()
        .filter(|line| line.contains(" WARN "))
        .collect()
}

/// The status of a run that does not end well, and what it logged.
fn failed(command: &mut assert_cmd::Command) -> (Option<i32>, String) {
    let output = command.output().unwrap();
    let logged = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), logged)
}

// --- fields ---

#[test]
fn a_field_that_no_record_has_is_told_once_at_the_end_of_a_short_input() {
    let folder = Folder::with(&[
        (
            "a.ndjson",
            b"{\"Word\":\"a\",\"user\":{\"name\":\"x\"}}\n{\"Word\":null}\n",
        ),
        ("b.ndjson", b"{\"Word\":\"b\"}\n"),
    ]);
    for (field, nearest) in [("word", "Word"), ("user.nmae", "user.name")] {
        let run = [
            "--input",
            &folder.path(""),
            "--field",
            field,
            "--window",
            "all",
        ];
        let (_, logged) = output(&mut top_words(&run));
        let told = format!("no record has the field `{field}` (nearest: `{nearest}`)");
        assert_eq!(logged.matches(&told).count(), 1, "{logged}");
        assert_eq!(warnings(&logged).len(), 1, "{logged}");
    }
    // A field of one file is not missing in the other, and null is a value.
    for field in ["Word", "user.name"] {
        let run = [
            "--input",
            &folder.path(""),
            "--field",
            field,
            "--window",
            "all",
        ];
        let (_, logged) = output(&mut top_words(&run));
        assert_eq!(warnings(&logged), [""; 0], "{logged}");
    }
}

#[test]
fn a_field_that_no_record_has_is_told_after_a_thousand_records_and_in_the_summary() {
    let lines = "{\"Word\":\"a\"}\n".repeat(1_500);
    let folder = Folder::with(&[("a.ndjson", lines.as_bytes())]);
    let run = [
        "--input",
        &folder.path("a.ndjson"),
        "--field",
        "word",
        "--window",
        "all",
    ];
    let (_, logged) = output(&mut top_words(&run));
    let [first, last] = warnings(&logged)[..] else {
        panic!("{logged}");
    };
    assert!(
        first.contains("none of the first 1000 records has the field `word` (nearest: `Word`)"),
        "{first}"
    );
    assert!(
        last.contains("no record has the field `word` (nearest: `Word`)"),
        "{last}"
    );
    assert!(logged.ends_with(&format!("{last}\n")), "{logged}");
}

#[test]
fn a_misspelt_time_field_is_told_with_the_nearest_name() {
    let folder = Folder::with(&[("a.ndjson", b"{\"time\":1,\"w\":\"a\"}\n")]);
    let input = folder.path("a.ndjson");
    let run = ["--input", &input, "--field", "w", "--time-field", "tiem"];
    let (status, logged) = failed(&mut top_words(&run));
    assert_eq!(status, Some(2), "{logged}");
    assert!(
        logged.contains("a.ndjson:1: it has no field `tiem` (nearest: `time`)"),
        "{logged}"
    );
}

#[test]
fn a_field_that_no_record_of_a_depot_has_is_told_by_those_who_append_and_read() {
    let lines = "{\"User\":\"a\",\"cents\":1}\n".repeat(3);
    let folder = Folder::with(&[("a.ndjson", lines.as_bytes())]);
    let (input, dir) = (folder.path("a.ndjson"), folder.path("data"));
    let append = [
        "depot", "append", &dir, "p", "--key", "user", "--input", &input,
    ];
    let (_, logged) = output(&mut squall(&append));
    let told = "no record has the field `user` (nearest: `User`)";
    assert_eq!(
        (warnings(&logged).len(), logged.contains(told)),
        (1, true),
        "{logged}"
    );
    let run = [
        "run",
        "top-users",
        "--data-dir",
        &dir,
        "--depot",
        "p",
        "--from",
        "beginning",
    ];
    let fields = [
        "--until-end",
        "--user-field",
        "user",
        "--cents-field",
        "cents",
    ];
    let (_, logged) = output(squall(&run).args(fields));
    assert_eq!(
        (warnings(&logged).len(), logged.contains(told)),
        (1, true),
        "{logged}"
    );
}

#[cfg(feature = "cube")]
fn spec(dimensions: &Value) -> String {
    let spec = json!({
        "timestampSpec": {"column": "t"},
        "dimensionsSpec": dimensions,
        "metricsSpec": [{"type": "longSum", "name": "clicks", "fieldName": "clicks"}],
        "granularitySpec": {"queryGranularity": "hour", "segmentGranularity": "day"},
    });
    spec.to_string()
}

#[cfg(feature = "cube")]
#[test]
fn dimensions_and_metrics_of_a_spec_are_fields_that_are_asked_for() {
    let listed = spec(&json!({"dimensions": ["country"]}));
    let discovered = spec(&json!({}));
    let folder = Folder::with(&[
        ("listed.json", listed.as_bytes()),
        ("discovered.json", discovered.as_bytes()),
        (
            "a.ndjson",
            b"{\"t\":\"2020-01-01\",\"Country\":\"CZ\",\"click\":3}\n",
        ),
        ("spaces.csv", b"t, country, clicks\n2020-01-01, CZ, 3\n"),
        ("one.csv", b"t,country,clicks\n2020-01-01,CZ,3\n"),
        ("other.csv", b"t,clicks\n2020-01-01,3\n"),
    ]);
    let run = |spec: &str, input: &str| {
        let (spec, input) = (folder.path(spec), folder.path(input));
        let data = folder.path(&format!("data-{}", fastrand::u64(..)));
        let run = [
            "run",
            "rollup",
            "--spec",
            &spec,
            "--input",
            &input,
            "--data-dir",
            &data,
        ];
        failed(&mut squall(&run))
    };
    let (status, logged) = run("listed.json", "a.ndjson");
    let told = "no record has the field `country` (nearest: `Country`), none has `clicks` \
                (nearest: `click`)";
    let [warning] = warnings(&logged)[..] else {
        panic!("{logged}");
    };
    assert!(status == Some(0) && warning.ends_with(told), "{logged}");
    let (_, logged) = run("discovered.json", "a.ndjson");
    assert!(
        logged.contains("no record has the field `clicks` (nearest: `click`)"),
        "{logged}"
    );
    assert!(!logged.contains("country"), "{logged}");

    let (status, logged) = run("listed.json", "spaces.csv");
    let told = "there is no column `country` (nearest: ` country`); the columns are `t`, \
                ` country`, ` clicks`";
    assert!(status == Some(2) && logged.contains(told), "{logged}");
    // A file without the column has null there, as long as another one has it.
    let (status, logged) = run("listed.json", "o*.csv");
    assert_eq!((status, warnings(&logged).len()), (Some(0), 0), "{logged}");
    let (status, logged) = run("listed.json", "other.csv");
    assert!(
        status == Some(2) && logged.contains("no column `country`"),
        "{logged}"
    );
}

// --- losses ---

/// 2,000 rows by event time, of which every third has one column, and every 50th a bad time.
fn broken() -> String {
    let row = |number: u64| match (number % 3, number % 50) {
        (0, _) => "1;2;3\n".to_owned(),
        (_, 1) => "soon,\u{1b}w\n".to_owned(),
        _ => format!("{},w{}\n", number * 1_000, number % 7),
    };
    "t,w\n".to_owned() + &(0..2_000).map(row).collect::<String>()
}

/// 2,000 rows by event time, of which every fourth is an hour late.
fn late() -> String {
    let row = |number: u64| {
        let late = if number % 4 == 3 { 3_600_000 } else { 0 };
        format!("{},w{}\n", 10_000_000 + number * 1_000 - late, number % 7)
    };
    "t,w\n".to_owned() + &(0..2_000).map(row).collect::<String>()
}

const TIMES: [&str; 8] = [
    "--field",
    "w",
    "--time-field",
    "t",
    "--time-format",
    "unix-ms",
    "--window",
    "10s",
];

fn timed(input: &str) -> assert_cmd::Command {
    let mut command = top_words(&["--input", input]);
    command.args(TIMES);
    command
}

#[test]
fn a_run_that_lost_more_than_a_tenth_says_so_in_its_last_line() {
    let folder = Folder::with(&[
        ("broken.csv", broken().as_bytes()),
        ("late.csv", late().as_bytes()),
    ]);
    let input = folder.path("broken.csv");
    let (_, logged) = output(&mut timed(&input));
    let last = logged.lines().last().unwrap();
    let (columns, times) = (667, 27);
    for part in [
        " WARN ",
        &format!(
            "{} of 2000 records of `words` (34.7 %) are dead letters",
            columns + times
        ),
        &format!("{columns} as {input}:2: the row has 1 column, the header has 2 (`1;2;3`)"),
        &format!("{times} as {input}:3: `soon` is not a time"),
        r"(`soon,\u{1b}w`)",
        "--delimiter",
        "--time-format",
        "--dead-letters PATH",
    ] {
        assert!(last.contains(part), "no {part:?} in {last}");
    }
    let input = folder.path("late.csv");
    let (_, logged) = output(&mut timed(&input));
    let last = logged.lines().last().unwrap();
    for part in [
        " WARN ",
        "500 of 2000 tuples of `counts` (25.0 %) are late",
        &format!("such as {input}:5: its time is too long before"),
        "(`6403000,w3`)",
        "--lateness 59m59s admits all",
    ] {
        assert!(last.contains(part), "no {part:?} in {last}");
    }
    let (_, logged) = output(timed(&input).args(["--lateness", "59m59s"]));
    assert!(logged.contains(" 0 late"), "{logged}");
    assert_eq!(warnings(&logged), [""; 0], "{logged}");
}

#[test]
fn a_limit_of_losses_ends_the_run_with_status_1_and_what_was_seen() {
    let folder = Folder::with(&[
        ("broken.csv", broken().as_bytes()),
        ("late.csv", late().as_bytes()),
        ("text.txt", b"a\nb\xff\n"),
    ]);
    let limited = |file: &str, option: &str, limit: &str| {
        failed(timed(&folder.path(file)).args([option, limit]))
    };
    for (file, option, limit, cause) in [
        (
            "broken.csv",
            "--max-dead-letters",
            "5",
            "6 are dead letters, but the limit is 5; ",
        ),
        (
            "broken.csv",
            "--max-dead-letters",
            "5%",
            " of 1000 records of `words` (34.",
        ),
        (
            "late.csv",
            "--max-late",
            "20%",
            " are late, but the limit is 20%; most often",
        ),
        (
            "late.csv",
            "--max-late",
            "0",
            " are late, but the limit is 0; most often",
        ),
    ] {
        let (status, logged) = limited(file, option, limit);
        let last = logged.lines().last().unwrap();
        assert!(status == Some(1) && last.starts_with("error: "), "{logged}");
        assert!(last.contains(cause), "{last}");
        assert!(last.contains(&format!("the limit is {limit};")), "{last}");
    }
    for (file, option, limit) in [
        ("broken.csv", "--max-dead-letters", "694"),
        ("broken.csv", "--max-dead-letters", "35%"),
        ("broken.csv", "--max-late", "0"),
        ("late.csv", "--max-late", "500"),
        ("late.csv", "--max-late", "25%"),
    ] {
        let (status, logged) = limited(file, option, limit);
        assert_eq!(status, Some(0), "{file} {option} {limit}: {logged}");
    }
    // A share of a few records is judged at the end.
    let text = ["--input", &folder.path("text.txt"), "--window", "all"];
    let (status, logged) = failed(top_words(&text).args(["--max-dead-letters", "49.9%"]));
    assert!(
        status == Some(1) && logged.contains("1 of 2 records"),
        "{logged}"
    );
    for wrong in ["many", "-1", "101%", "1.5"] {
        let (status, logged) = limited("late.csv", "--max-late", wrong);
        assert_eq!(status, Some(2), "{wrong}: {logged}");
    }
}

#[test]
fn a_run_that_lost_too_much_keeps_what_is_committed() {
    let folder = Folder::with(&[("a.txt", b"a\n")]);
    let (input, data) = (folder.path("a.txt"), folder.path("data"));
    let run = [
        "--input",
        &input,
        "--data-dir",
        &data,
        "--window",
        "all",
        "--slide",
        "1h",
    ];
    output(top_words(&run).arg("--keep-open"));
    std::fs::write(&input, b"a\nb\n\xff\nb\n").unwrap();
    let (status, logged) = failed(top_words(&run).args(["--max-dead-letters", "0"]));
    assert!(
        status == Some(1) && logged.contains("the limit is 0"),
        "{logged}"
    );
    assert!(!logged.contains("goes on from its last commit"), "{logged}");
    let (stdout, _) = output(top_words(&run).arg("--json"));
    assert_eq!(
        json(&stdout).last().unwrap()["ranking"],
        json!([["b", 2], ["a", 1]])
    );
}

// --- moments ---

#[test]
fn each_line_of_running_results_says_for_which_moment_it_is() {
    let rows = "t,w\n1,a\n11,b\n12,b\n31,c\n";
    let folder = Folder::with(&[("a.csv", rows.as_bytes())]);
    let run = [
        "--input",
        &folder.path("a.csv"),
        "--field",
        "w",
        "--time-field",
        "t",
    ];
    let more = [
        "--time-format",
        "unix",
        "--window",
        "all",
        "--slide",
        "10s",
        "--json",
    ];
    let (stdout, _) = output(top_words(&run).args(more));
    let ends: Vec<_> = json(&stdout)
        .into_iter()
        .map(|mut line| (line["window_start"].take(), line["window_end"].take()))
        .collect();
    let end = |text: &str| (Value::Null, json!(text));
    let wanted = [
        end("1970-01-01T00:00:10Z"),
        end("1970-01-01T00:00:20Z"),
        (Value::Null, Value::Null),
    ];
    assert!(
        wanted.iter().all(|wanted| ends.contains(wanted)),
        "{stdout}"
    );
    assert_eq!(
        ends.last(),
        Some(&(Value::Null, Value::Null)),
        "the final one: {stdout}"
    );

    let fields = ["--user-field", "u", "--cents-field", "c", "--format", "csv"];
    let run = ["--input", "-", "--every", "20ms", "--json"];
    let mut session = Session::running("top-users", &[&run[..], &fields].concat());
    session.write("u,c\na,1\n");
    let mut moments = Vec::new();
    while moments.len() < 3 {
        let line: Value = serde_json::from_str(&session.line()).unwrap();
        moments.push(
            line["window_end"]
                .as_str()
                .unwrap()
                .parse::<Moment>()
                .unwrap(),
        );
    }
    assert!(moments.is_sorted_by(|a, b| a < b), "{moments:?}");
    drop(session.stdin.take());
    let mut last = None;
    for line in session.stdout.take().unwrap() {
        last = Some(line.unwrap());
    }
    let wanted = r#"{"window_start":null,"window_end":null,"ranking":[["a",1]]}"#;
    assert_eq!(last.as_deref(), Some(wanted));
    let (status, logged) = session.end();
    assert_eq!(status.code(), Some(0), "{logged}");
}

/// A moment as text that orders as the moment does: a fraction may be missing.
#[derive(Debug, PartialEq, PartialOrd)]
struct Moment(String, f64);

impl std::str::FromStr for Moment {
    type Err = std::num::ParseFloatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (minute, seconds) = text
            .trim_end_matches('Z')
            .split_at("2000-01-01T00:00:".len());
        Ok(Self(minute.to_owned(), seconds.parse()?))
    }
}

// --- the clock ---

#[test]
fn a_run_that_goes_on_from_a_moment_to_come_says_so_with_both_times() {
    let folder = Folder::with(&[]);
    let dir = folder.path("data");
    let options = rolling_top_words::Options::default();
    let far = Timestamp::from_millis(4_102_444_800_000);
    TopologyTest::new(rolling_top_words::topology(&options).unwrap())
        .begin_at(far)
        .options(RunOptions {
            data_dir: Some(DataDir::at(&dir)),
            run_for: Some(secs(3)),
            ..RunOptions::default()
        })
        .run()
        .unwrap();
    let run = ["--data-dir", &dir, "--for", "10ms"];
    let (_, logged) = output(&mut top_words(&run));
    let [told] = warnings(&logged)[..] else {
        panic!("{logged}");
    };
    for part in [
        "was made at 2100-01-01T00:00:0",
        "but it is 20",
        "squall reset",
    ] {
        assert!(told.contains(part), "no {part} in {told}");
    }
    output(&mut squall(&["reset", &dir]));
    let (_, logged) = output(&mut top_words(&run));
    assert_eq!(warnings(&logged), [""; 0], "{logged}");
}

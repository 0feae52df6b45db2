//! `squall run rollup` and `squall query`, as processes, on real data.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use common::{Folder, Session, json, output, real_data, squall};
use serde_json::{Value, json};

/// What a sketch may be off by, as a part of what it counts: three times its standard error.
const THREE_SIGMA: f64 = 3.0 * 0.008;

/// A job: events of real data as one file, and the spec for it.
struct Job {
    folder: Folder,
    spec: Value,
}

impl Job {
    fn new(events: &str, spec: Value) -> Self {
        let spec_text = serde_json::to_string_pretty(&spec).unwrap();
        let files = [
            ("events.ndjson", events.as_bytes()),
            ("spec.json", spec_text.as_bytes()),
        ];
        Self {
            folder: Folder::with(&files),
            spec,
        }
    }

    /// One day of edits of Wikipedia, by the hour, channel and robot.
    fn wikiticker() -> Option<(Self, Value)> {
        let (folder, answers) = real_data("wikiticker")?;
        let packed = folder.join("wikiticker-2015-09-12-sampled.json.gz");
        let mut events = String::new();
        let file = flate2::read::GzDecoder::new(std::fs::File::open(packed).unwrap());
        std::io::Read::read_to_string(&mut { file }, &mut events).unwrap();
        let spec = json!({
            "type": "index_parallel",
            "spec": {
                "dataSchema": {
                    "dataSource": "wikiticker",
                    "timestampSpec": { "column": "time", "format": "iso" },
                    "dimensionsSpec": { "dimensions": ["channel", "isRobot"] },
                    "metricsSpec": [
                        { "type": "count", "name": "edits" },
                        { "type": "longSum", "name": "added", "fieldName": "added" },
                        { "type": "longSum", "name": "deleted", "fieldName": "deleted" },
                        { "type": "hyperUnique", "name": "users", "fieldName": "user" },
                    ],
                    "granularitySpec": {
                        "type": "uniform",
                        "segmentGranularity": "day",
                        "queryGranularity": "hour",
                        "rollup": true,
                    },
                },
            },
        });
        Some((Self::new(&events, spec), answers))
    }

    /// Impressions and clicks of four campaigns, by the hour, campaign and position.
    fn open_bandit() -> Option<(Self, Value)> {
        let (folder, answers) = real_data("open-bandit")?;
        let mut events = String::new();
        for campaign in ["bts/men", "bts/women", "random/men", "random/women"] {
            impressions(&folder, campaign, &mut events);
        }
        let spec = json!({
            "dataSchema": {
                "timestampSpec": { "column": "timestamp" },
                "dimensionsSpec": { "dimensions": ["campaign", "position"] },
                "aggregators": [
                    { "type": "count", "name": "impressions" },
                    { "type": "longSum", "name": "clicks", "fieldName": "click" },
                    { "type": "hyperUnique", "name": "users", "fieldName": "user" },
                ],
                "granularitySpec": { "segmentGranularity": "day", "queryGranularity": "hour" },
            },
        });
        Some((Self::new(&events, spec), answers))
    }

    /// Rolls the input up into a data directory of this name.
    fn roll_up(&self, data: &str, input: &str, more: &[&str]) -> String {
        let mut command = squall(&self.arguments());
        command.args(["--input", input, "--data-dir", &self.folder.path(data)]);
        output(command.args(more)).1
    }

    fn arguments(&self) -> [&'static str; 4] {
        let spec = self.folder.path("spec.json");
        ["run", "rollup", "--spec", spec.leak()]
    }

    fn events(&self) -> String {
        self.folder.path("events.ndjson")
    }

    /// Asks a data directory of this name; gives the rows.
    fn query(&self, data: &str, question: &[&str]) -> Vec<Value> {
        let mut command = squall(&["query", &self.folder.path(data), "--json"]);
        json(&output(command.args(question)).0)
    }

    /// The rows of every hour with all dimensions and metrics, as they are printed.
    fn everything(&self, data: &str) -> String {
        let of = |list: &Value, name: &str| {
            let list = list.as_array().unwrap().iter();
            let names = list.map(|item| item.get(name).unwrap_or(item).as_str().unwrap());
            names.collect::<Vec<_>>().join(",")
        };
        let schema = &self.spec.pointer("/spec/dataSchema");
        let schema = schema.unwrap_or(&self.spec["dataSchema"]);
        let dimensions = of(&schema["dimensionsSpec"]["dimensions"], "name");
        let metrics = schema.get("metricsSpec").unwrap_or(&schema["aggregators"]);
        let metrics = of(metrics, "name");
        let mut command = squall(&["query", &self.folder.path(data), "--json"]);
        command.args([
            "--granularity",
            "hour",
            "--by",
            &dimensions,
            "--metrics",
            &metrics,
        ]);
        output(&mut command).0
    }

    /// Writes the events as so many files, in an order that the seed says.
    fn shuffled(&self, name: &str, files: usize, seed: u64) -> String {
        let events = self.folder.read("events.ndjson");
        let mut lines: Vec<&str> = events.lines().collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut lines);
        let folder = self.folder.path(name);
        std::fs::create_dir(&folder).unwrap();
        for (number, part) in lines.chunks(lines.len().div_ceil(files)).enumerate() {
            let text = part.join("\n") + "\n";
            std::fs::write(Path::new(&folder).join(format!("{number}.ndjson")), text).unwrap();
        }
        folder
    }
}

/// The impressions of a campaign as lines of JSON, with the four features joined as the user.
fn impressions(folder: &Path, campaign: &str, events: &mut String) {
    let (_, name) = campaign.split_once('/').unwrap();
    let file = folder.join(campaign).join(format!("{name}.csv"));
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let [time, item, position, click] = ["timestamp", "item_id", "position", "click"].map(column);
    let user = [0, 1, 2, 3].map(|number| column(&format!("user_feature_{number}")));
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let event = json!({
            "timestamp": cells[time],
            "campaign": campaign,
            "item_id": cells[item],
            "position": cells[position],
            "click": cells[click].parse::<u8>().unwrap(),
            "user": user.map(|column| cells[column]).join("|"),
        });
        writeln!(events, "{event}").unwrap();
    }
}

/// Within three standard errors of the sketch.
fn is_near(estimate: &Value, exact: &Value) {
    let (estimate, exact) = (estimate.as_f64().unwrap(), exact.as_f64().unwrap());
    assert!(
        (estimate - exact).abs() <= THREE_SIGMA * exact,
        "{estimate} instead of {exact}"
    );
}

/// `2015-09-12T06:00:00Z` as the answers write it, with a `T` or a space.
fn hour(row: &Value) -> String {
    let timestamp = row["timestamp"].as_str().unwrap();
    timestamp
        .strip_suffix(":00:00Z")
        .unwrap_or_else(|| panic!("{row}"))
        .to_owned()
}

#[test]
fn edits_of_wikipedia_by_the_hour() {
    let Some((job, answers)) = Job::wikiticker() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let question = [
        "--granularity",
        "hour",
        "--metrics",
        "edits,added,deleted,users",
    ];
    let rows = job.query("data", &question);
    let wanted = answers["hourly"].as_array().unwrap();
    assert_eq!(rows.len(), wanted.len());
    for (row, wanted) in rows.iter().zip(wanted) {
        assert_eq!(hour(row), wanted["group"][0].as_str().unwrap());
        for (metric, answer) in [
            ("edits", "count"),
            ("added", "added"),
            ("deleted", "deleted"),
        ] {
            assert_eq!(row[metric], wanted[answer], "{row} {wanted}");
        }
        is_near(&row["users"], &wanted["distinct_users"]);
    }
}

#[test]
fn edits_of_wikipedia_by_hour_channel_and_robot() {
    let Some((job, answers)) = Job::wikiticker() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let question = ["--granularity", "hour", "--by", "channel,isRobot"];
    let metrics = ["--metrics", "edits,added,users"];
    let rows = job.query(
        "data",
        &[question, ["--metrics", "edits", "--order", "edits"]].concat(),
    );
    assert_eq!(
        rows.len(),
        usize::try_from(answers["groups"].as_u64().unwrap()).unwrap()
    );

    let largest = ["--order", "edits", "--limit", "10"];
    let rows = job.query("data", &[&question[..], &metrics, &largest].concat());
    let wanted = answers["hour_channel_robot_10_largest"].as_array().unwrap();
    assert_eq!(rows.len(), wanted.len());
    for (row, wanted) in rows.iter().zip(wanted) {
        let group = json!([hour(row), row["channel"], row["isRobot"] == "true"]);
        assert_eq!(group, wanted["group"]);
        assert_eq!(
            (&row["edits"], &row["added"]),
            (&wanted["count"], &wanted["added"])
        );
        is_near(&row["users"], &wanted["distinct_users"]);
    }

    let one = [
        "--granularity",
        "all",
        "--filter",
        "channel=#vi.wikipedia",
        "--metrics",
        "edits",
    ];
    let rows = job.query("data", &one);
    let channels = answers["by_channel"].as_array().unwrap();
    let wanted = channels
        .iter()
        .find(|pair| pair[0] == "#vi.wikipedia")
        .unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["edits"], wanted[1]);
}

#[test]
fn impressions_by_hour_campaign_and_position() {
    let Some((job, answers)) = Job::open_bandit() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let question = [
        "--granularity",
        "hour",
        "--by",
        "campaign,position",
        "--metrics",
    ];
    let metrics = ["impressions,clicks,users", "--order", "impressions"];
    let rows = job.query("data", &[&question[..], &metrics].concat());
    assert_eq!(
        rows.len(),
        usize::try_from(answers["groups"].as_u64().unwrap()).unwrap()
    );
    let wanted = answers["hour_campaign_position_10_largest"]
        .as_array()
        .unwrap();
    for (row, wanted) in rows.iter().zip(wanted) {
        let group = json!([
            hour(row).replace('T', " "),
            row["campaign"],
            row["position"]
        ]);
        assert_eq!(group, wanted["group"]);
        assert_eq!(row["impressions"], wanted["count"]);
        assert_eq!(row["clicks"], wanted["clicks"]);
        is_near(&row["users"], &wanted["distinct_users"]);
    }
    let question = [
        "--granularity",
        "all",
        "--by",
        "campaign",
        "--metrics",
        "impressions,clicks",
    ];
    let rows = job.query("data", &question);
    for metric in ["impressions", "clicks"] {
        let found = rows
            .iter()
            .map(|row| (row["campaign"].clone(), row[metric].clone()));
        let wanted = answers[metric].as_array().unwrap().iter();
        let wanted = wanted.map(|pair| (pair[0].clone(), pair[1].clone()));
        let sorted = |pairs: Vec<(Value, Value)>| {
            let pairs = pairs
                .into_iter()
                .map(|(key, value)| (key.to_string(), value));
            pairs.collect::<BTreeMap<_, _>>()
        };
        assert_eq!(
            sorted(found.collect()),
            sorted(wanted.collect()),
            "{metric}"
        );
    }
}

/// Byte for byte, the estimates too: however the input is divided, in whatever order it comes.
#[test]
fn cubes_are_the_same_however_they_are_read() {
    for job in [Job::wikiticker(), Job::open_bandit()] {
        let Some((job, _)) = job else { return };
        job.roll_up("one", &job.events(), &[]);
        let wanted = job.everything("one");
        assert!(wanted.lines().count() > 1_000);
        for (files, spouts) in [(1, "1"), (2, "2"), (8, "8")] {
            let data = format!("data{files}");
            let input = job.shuffled(&format!("in{files}"), files, files as u64);
            job.roll_up(&data, &input, &["--spouts", spouts, "--commit", "50ms"]);
            assert!(
                job.everything(&data) == wanted,
                "{files} files and {spouts} spouts"
            );
        }
    }
}

/// Sums are those of both times, distinct users those of one.
#[test]
fn events_that_come_twice_are_counted_twice_and_are_no_new_users() {
    let Some((job, _)) = Job::wikiticker() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let once = json(&job.everything("data"));
    let [data, copy] = ["data", "copy"].map(|name| job.folder.path(name));
    output(&mut squall(&["backup", &data, &copy]));
    let again = job.shuffled("again", 2, 1);
    job.roll_up("data", &again, &[]);
    let twice = json(&job.everything("data"));
    assert!(
        json(&job.everything("copy")) == once,
        "the copy is as it was"
    );
    assert_eq!(once.len(), twice.len());
    for (once, twice) in once.iter().zip(&twice) {
        assert_eq!(once["users"], twice["users"]);
        for metric in ["edits", "added", "deleted"] {
            assert_eq!(
                once[metric].as_u64().unwrap() * 2,
                twice[metric].as_u64().unwrap()
            );
        }
    }
}

#[test]
fn a_cube_is_the_same_through_any_number_of_kills() {
    const KILLS: usize = 10;
    let Some((job, _)) = Job::wikiticker() else {
        return;
    };
    job.roll_up("undisturbed", &job.events(), &[]);
    let wanted = job.everything("undisturbed");

    let seed = fastrand::u64(..);
    let mut moments = fastrand::Rng::with_seed(seed);
    let input = job.shuffled("in", 3, 3);
    let data = job.folder.path("data");
    let spec = job.folder.path("spec.json");
    let mut arguments = vec!["--spec", &spec, "--input", &input];
    arguments.extend(["--data-dir", &data, "--spouts", "2", "--commit", "100ms"]);
    let slowly = [&arguments[..], &["--rate", "6000"]].concat();
    let mut kills = 0;
    for _ in 0..KILLS {
        let mut session = Session::running("rollup", &slowly);
        if session.ends_within(Duration::from_millis(moments.u64(3..900))) {
            break;
        }
        session.kill();
        kills += 1;
    }
    assert!(kills > KILLS / 2, "seed {seed}: {kills} kills");
    let (status, logged) = Session::running("rollup", &arguments).end();
    assert!(status.success(), "seed {seed}: {logged}");
    assert!(job.everything("data") == wanted, "seed {seed}");
}

/// One message each, which names what was found.
#[test]
fn wrong_questions_and_wrong_specs_are_refused() {
    let Some((job, _)) = Job::wikiticker() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let data = job.folder.path("data");
    let refused = |arguments: &[&str], parts: &[&str]| {
        let output = squall(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            parts.iter().all(|part| said.contains(part)),
            "{parts:?}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    };
    let finer = [
        "query",
        &data,
        "--granularity",
        "minute",
        "--metrics",
        "edits",
    ];
    refused(&finer, &["minute", "hour"]);
    let metric = ["query", &data, "--granularity", "day", "--metrics", "editz"];
    refused(&metric, &["`editz`", "edits"]);
    let dimension = [
        "query",
        &data,
        "--granularity",
        "day",
        "--by",
        "chanel",
        "--metrics",
        "edits",
    ];
    refused(&dimension, &["`chanel`", "channel"]);

    let wrong = job.folder.read("spec.json").replace("longSum", "longSumm");
    let wrong_spec = job.folder.path("wrong.json");
    std::fs::write(&wrong_spec, wrong).unwrap();
    let new = job.folder.path("new");
    let arguments = [
        "run",
        "rollup",
        "--spec",
        &wrong_spec,
        "--input",
        &job.events(),
        "--data-dir",
        &new,
    ];
    let output = squall(&arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("wrong.json:") && said.contains("`longSumm`"),
        "{said}"
    );
}

#[test]
fn what_is_no_number_in_a_double_sum_goes_to_the_dead_letters() {
    let spec = json!({
        "dimensionsSpec": { "dimensions": ["publisher"] },
        "metricsSpec": [
            { "type": "count", "name": "impressions" },
            { "type": "doubleSum", "name": "price", "fieldName": "price" },
            { "type": "hyperUnique", "name": "uniqueUsers", "fieldName": "userId" },
        ],
        "granularitySpec": { "segmentGranularity": "month", "queryGranularity": "day" },
    });
    let events = r#"{"timestamp":"2015-03-17T20:40:00Z","publisher":"csfd.cz","price":0.17,"userId":"40BBF8"}
{"timestamp":"2015-03-17T20:40:02Z","publisher":"idnes.cz","price":0.19,"userId":"40BBF8"}
{"timestamp":"2015-03-17T20:40:20Z","publisher":"idnes.cz","price":"a lot","userId":"40BBF8"}
{"timestamp":"2015-03-17T20:40:27Z","publisher":"csfd.cz","price":0.43,"userId":"9896AA"}
"#;
    let job = Job::new(events, spec);
    let dead = job.folder.path("dead.ndjson");
    let logged = job.roll_up("data", &job.events(), &["--dead-letters", &dead]);
    assert!(logged.contains("1 dead letter"), "{logged}");
    let dead = job.folder.read("dead.ndjson");
    assert!(dead.contains("a lot") && dead.contains("price"), "{dead}");
    let question = ["--granularity", "day", "--by", "publisher"];
    let metrics = ["--metrics", "impressions,price,uniqueUsers"];
    let rows = job.query(
        "data",
        &[question, [metrics[0], metrics[1], "--order", "impressions"]].concat(),
    );
    assert_eq!(rows.len(), 2);
    let of = |row: &Value| {
        json!([
            row["publisher"],
            row["impressions"],
            row["price"],
            row["uniqueUsers"]
        ])
    };
    assert_eq!(of(&rows[0]), json!(["csfd.cz", 2, 0.6, 2]));
    assert_eq!(of(&rows[1]), json!(["idnes.cz", 1, 0.19, 1]));
}

/// By another spec, out of the archive: as if it had been that spec from the beginning.
#[test]
fn segments_are_made_again_from_the_archive() {
    let Some((job, _)) = Job::wikiticker() else {
        return;
    };
    let archive = job.folder.path("archive");
    let input = job.shuffled("in", 4, 4);
    let options = ["--archive", &archive, "--commit", "50ms", "--spouts", "3"];
    job.roll_up("data", &input, &options);

    let events = job.folder.read("events.ndjson");
    let dimensions = json!({ "dimensions": ["channel", "countryName"] });
    let mut spec = job.spec.clone();
    let schema = spec.pointer_mut("/spec/dataSchema").unwrap();
    schema["dimensionsSpec"] = dimensions.clone();
    schema["granularitySpec"]["queryGranularity"] = json!("minute");
    let new = Job::new(&events, spec);
    new.roll_up("data", &new.events(), &[]);

    let [data, new_spec] = [job.folder.path("data"), new.folder.path("spec.json")];
    let reindex = |data: &str, from: &str, to: &str| {
        let arguments = [
            "reindex", data, "--spec", &new_spec, "--from", from, "--to", to,
        ];
        let output = squall(&arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), said)
    };
    let before = job.everything("data");
    let (status, said) = reindex(&data, "2015-09-12T06:00:00Z", "2015-09-13");
    assert_eq!(status, Some(2), "{said}");
    assert!(
        said.contains("whole segments") && said.contains("2015-09-12T00:00:00Z"),
        "{said}"
    );
    assert!(job.everything("data") == before, "nothing has changed");

    let wrong = new.folder.read("spec.json");
    let wrong = wrong.replace("\"column\": \"time\"", "\"column\": \"tiem\"");
    std::fs::write(new.folder.path("wrong.json"), wrong).unwrap();
    let mut command = squall(&["reindex", &data, "--spec", &new.folder.path("wrong.json")]);
    let output_of = command
        .args(["--from", "2015-09-12", "--to", "2015-09-13"])
        .output();
    let said = String::from_utf8(output_of.unwrap().stderr).unwrap();
    assert!(said.contains("none of the archived events"), "{said}");
    assert!(job.everything("data") == before, "nothing has changed");

    let (status, said) = reindex(&data, "2015-09-12", "2015-09-13");
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("39244 archived events"), "{said}");
    let question = ["--granularity", "minute", "--by", "channel,countryName"];
    let metrics = ["--metrics", "edits,added,deleted,users"];
    let question = [&question[..], &metrics].concat();
    assert_eq!(job.query("data", &question), new.query("data", &question));
    // What comes later is rolled up as the new spec says.
    let mut more = squall(&["run", "rollup", "--spec", &new_spec, "--input"]);
    output(more.args([&new.events(), "--data-dir", &data, "--archive", &archive]));
    let twice = ["--granularity", "all", "--metrics", "edits"];
    assert_eq!(job.query("data", &twice)[0]["edits"], 2 * 39_244);

    job.roll_up("bare", &job.events(), &[]);
    let (status, said) = reindex(&job.folder.path("bare"), "2015-09-12", "2015-09-13");
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("no archive"), "{said}");
}

#[test]
fn a_cube_that_a_run_has_is_asked_and_not_changed() {
    let Some((job, _)) = Job::open_bandit() else {
        return;
    };
    job.roll_up("data", &job.events(), &[]);
    let wanted = job.everything("data");
    let [data, spec] = ["data", "spec.json"].map(|name| job.folder.path(name));
    let mut arguments = vec!["--spec", &spec, "--data-dir", &data, "--follow"];
    let events = job.events();
    arguments.extend(["--input", &events]);
    let mut session = Session::running("rollup", &arguments);
    session.wait_for_log("is running");
    assert!(job.everything("data") == wanted);
    let reindex = [
        "reindex",
        &data,
        "--spec",
        &spec,
        "--from",
        "2019-11-24",
        "--to",
        "2019-11-25",
    ];
    for command in [&["compact", &data][..], &reindex] {
        let output = squall(command).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("in use"), "{said}");
    }
    session.interrupt();
    let (status, logged) = session.end();
    assert!(status.success(), "{logged}");
    assert!(job.everything("data") == wanted);
}

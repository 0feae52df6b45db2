//! Cubes that are changed between two runs.
#![cfg(unix)]

mod common;

use common::cubes::Job;
use common::{Session, output, squall};
use serde_json::json;

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

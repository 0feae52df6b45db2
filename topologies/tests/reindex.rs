//! Cubes that are changed between two runs.
#![cfg(unix)]

mod common;

use common::cubes::Job;
use common::{Session, output, squall};
use serde_json::json;
use squall::{DataDir, Table};
use squall_cube::Archived;

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
    assert!(said.contains("all archived events"), "{said}");
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

/// A cube with an archive, of four events of two days.
fn archived() -> Job {
    let line = |day: u32| format!("{{\"t\":\"2015-09-{day:02}T01:00:00Z\",\"a\":\"x\"}}\n");
    let spec = json!({ "dataSchema": {
        "timestampSpec": { "column": "t", "format": "iso" },
        "dimensionsSpec": { "dimensions": ["a"] },
        "metricsSpec": [{ "type": "count", "name": "n" }],
        "granularitySpec": { "segmentGranularity": "day", "queryGranularity": "hour" },
    } });
    let job = Job::new(&[1, 1, 1, 2].map(line).concat(), spec);
    let archive = job.folder.path("archive");
    job.roll_up("data", &job.events(), &["--archive", &archive]);
    job
}

fn reindexed(job: &Job, from: &str, to: &str) -> (Option<i32>, String) {
    let [data, spec] = ["data", "spec.json"].map(|name| job.folder.path(name));
    let arguments = [
        "reindex", &data, "--spec", &spec, "--from", from, "--to", to,
    ];
    let output = squall(&arguments).output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn reindex_takes_nothing_away_that_the_archive_has_lost() {
    let job = archived();
    let before = job.everything("data");
    let (status, said) = reindexed(&job, "2015-09-01", "2015-09-03");
    assert_eq!(
        (status, job.everything("data") == before),
        (Some(0), true),
        "{said}"
    );

    // It was written with fewer events than the cube has. Another day has more of them.
    let dir = DataDir::at(job.folder.path("data"));
    let set = |start: &str, events: u64| {
        let start: i64 = squall_cube::query::moment(start).unwrap();
        dir.edit_table(
            "archive",
            "lengths",
            |lengths: &mut Table<i64, Archived>| {
                let archived = *lengths.get(&start).ok_or("no such segment")?;
                lengths.insert(start, Archived { events, ..archived });
                Ok(())
            },
        )
        .unwrap();
    };
    set("2015-09-01", 2);
    set("2015-09-02", 9);
    let (status, said) = reindexed(&job, "2015-09-01", "2015-09-03");
    assert_eq!(status, Some(2), "{said}");
    for part in [
        "the cube has 3 events",
        "the archive has only 2 of them",
        "2015-09-01",
    ] {
        assert!(said.contains(part), "{said}");
    }
    assert!(job.everything("data") == before, "nothing has changed");

    // Or less of it is there now than was written.
    set("2015-09-01", 3);
    let (status, said) = reindexed(&job, "2015-09-02", "2015-09-03");
    assert_eq!(status, Some(1), "{said}");
    assert!(
        said.contains("written with 9 events, and now it has 1"),
        "{said}"
    );
    let file = job.folder.path("archive/2015-09-01T000000Z.ndjson.gz");
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let (status, said) = reindexed(&job, "2015-09-01", "2015-09-02");
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("now it has only"), "{said}");
    assert!(job.everything("data") == before, "nothing has changed");
    let segments = std::fs::read_dir(job.folder.path("data/segments")).unwrap();
    let segments = segments.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_str().unwrap().ends_with(".parquet")
    });
    assert_eq!(segments.count(), 2, "and nothing was left");
}

#[test]
fn inspect_names_each_file_of_a_cube_that_is_not_as_it_was_written() {
    let job = archived();
    let data = job.folder.path("data");
    output(&mut squall(&["inspect", &data]));
    let segments = std::fs::read_dir(job.folder.path("data/segments")).unwrap();
    let mut segments = segments.map(|entry| entry.unwrap().path());
    let segment = segments.find(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    let segment = segment.unwrap();
    let archive = job.folder.path("archive/2015-09-01T000000Z.ndjson.gz");
    let gone = job.folder.path("archive/2015-09-02T000000Z.ndjson.gz");
    let whole = std::fs::read(&segment).unwrap();
    let mut changed = whole.clone();
    changed[whole.len() / 2] ^= 1;
    std::fs::write(&segment, changed).unwrap();
    let events = std::fs::read(&archive).unwrap();
    std::fs::write(&archive, &events[..events.len() - 2]).unwrap();
    std::fs::rename(&gone, job.folder.path("elsewhere")).unwrap();
    for more in [&[][..], &["--json"]] {
        let mut command = squall(&["inspect", &data]);
        let output = command.args(more).output().unwrap();
        let [printed, said] = [output.stdout, output.stderr].map(|o| String::from_utf8(o).unwrap());
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(printed.contains("segments"), "{printed}");
        for part in [
            "the cube is not whole: 3 files",
            segment.to_str().unwrap(),
            "is not as it was written (checksum",
            &archive,
            "now it has only",
            &gone,
            "No such file",
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }
    std::fs::write(&segment, whole).unwrap();
    std::fs::write(&archive, events).unwrap();
    std::fs::rename(job.folder.path("elsewhere"), &gone).unwrap();
    output(&mut squall(&["inspect", &data]));
    // The archive was moved.
    let moved = job.folder.path("moved");
    std::fs::rename(job.folder.path("archive"), &moved).unwrap();
    assert_eq!(
        squall(&["inspect", &data]).output().unwrap().status.code(),
        Some(1)
    );
    output(&mut squall(&["inspect", &data, "--archive", &moved]));
}

#[test]
fn a_backup_of_a_cube_that_is_not_whole_leaves_nothing_behind() {
    let job = archived();
    let [data, copy] = ["data", "copy"].map(|name| job.folder.path(name));
    let folder = job.folder.path(".");
    let entries = || std::fs::read_dir(&folder).unwrap().count();
    let before = entries();
    let segments = std::fs::read_dir(job.folder.path("data/segments")).unwrap();
    let mut segments = segments.map(|entry| entry.unwrap().path());
    let segment = segments.find(|path| path.extension().is_some_and(|ending| ending == "parquet"));
    let segment = segment.unwrap();
    let whole = std::fs::read(&segment).unwrap();
    std::fs::write(&segment, &whole[1..]).unwrap();
    let refused = |to: &str, status: i32, part: &str| {
        let output = squall(&["backup", &data, to]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert!(said.contains(part), "{said}");
        assert_eq!(entries(), before, "nothing was left");
    };
    refused(&copy, 1, segment.to_str().unwrap());
    std::fs::write(&segment, whole).unwrap();
    let inside = job.folder.path("data/segments/../../data/segments/copy");
    refused(&inside, 2, "cannot be inside of the directory");
    output(&mut squall(&["backup", &data, &copy]));
    assert_eq!(entries(), before + 1);
    output(&mut squall(&["inspect", &copy]));
    assert!(job.everything("copy") == job.everything("data"));
    // As a killed process leaves one.
    std::fs::write(job.folder.path("copy/unfinished"), "").unwrap();
    for command in ["inspect", "query", "compact"] {
        let output = squall(&[command, &copy]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(
            said.contains("a backup that was not finished: delete it"),
            "{said}"
        );
    }
}

//! A disk that is full, and one that has lost or changed what was written.
#![cfg(unix)]

mod common;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use common::cubes::Job;
use common::durable::{Durable, HEADER, records};

/// Half of the records were read.
fn begun() -> Durable {
    let durable = Durable::reading(&(HEADER.to_owned() + &records(0..300)));
    durable.run(&["--keep-open"]);
    durable.append(&records(300..600));
    durable
}

/// Every damage is found or does no harm: no run gives other results than an undisturbed one.
#[test]
fn a_damaged_store_is_named_and_never_gives_other_results() {
    let sound = begun();
    let wanted = sound.undisturbed(&[]);
    let written = sound.written();
    let store = Path::new(&sound.folder.path("data")).join("store.redb");
    let bytes = std::fs::read(&store).unwrap();
    let mut damages: Vec<(String, Vec<u8>)> = Vec::new();
    for part in 0..24 {
        let mut damaged = bytes.clone();
        let at = bytes.len() * part / 24;
        let end = (at + 1_000).min(bytes.len());
        damaged[at..end].iter_mut().for_each(|byte| *byte ^= 0xFF);
        damages.push((format!("bytes from {at} flipped"), damaged));
    }
    for length in [0, 1, 100, 4_096, bytes.len() / 2, bytes.len() - 1] {
        damages.push((format!("cut to {length} bytes"), bytes[..length].to_vec()));
    }
    let mut found = 0;
    for (damage, damaged) in damages {
        std::fs::write(&store, damaged).unwrap();
        std::fs::write(sound.folder.path("out.ndjson"), &written).unwrap();
        let mut command = common::top_words(&[]);
        let output = command.args(sound.arguments(&[])).output().unwrap();
        let logged = String::from_utf8(output.stderr).unwrap();
        let code = output.status.code();
        assert!(!logged.contains("panicked"), "{damage}: {logged}");
        if code == Some(0) {
            assert_eq!(sound.written(), wanted, "{damage}: {logged}");
        } else {
            found += 1;
            assert_eq!(code, Some(1), "{damage}: {logged}");
            assert!(logged.contains("store.redb"), "{damage}: {logged}");
        }
    }
    assert!(found >= 10, "only {found} were found");
    std::fs::write(&store, bytes).unwrap();
    std::fs::write(sound.folder.path("out.ndjson"), &written).unwrap();
    sound.run(&[]);
    assert_eq!(sound.written(), wanted);
}

#[test]
fn a_store_that_is_missing_is_not_made_anew() {
    let durable = begun();
    let store = Path::new(&durable.folder.path("data")).join("store.redb");
    std::fs::remove_file(&store).unwrap();
    let (status, logged) = durable.fails(&[]);
    assert_eq!(status, 1, "{logged}");
    assert!(
        logged.contains("store.redb` is damaged: it is missing"),
        "{logged}"
    );
}

/// No file may grow beyond a size, which is what a full disk is to the one who writes.
#[test]
fn a_full_disk_ends_the_run_and_what_was_committed_is_gone_on_from() {
    let words = (0..200_000).map(|record| format!("{},w{record}\n", record * 3));
    let durable = Durable::reading(&(HEADER.to_owned() + &words.collect::<String>()));
    let wanted = durable.undisturbed(&LONG);
    let slow = [&LONG[..], &["--commit", "20ms", "--rate", "100000"]].concat();
    let mut command = limited("-f 3000");
    command.args(["run", "rolling-top-words"]);
    command.args(durable.arguments(&slow));
    let output = command.output().unwrap();
    let logged = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{logged}");
    let last = logged.lines().last().unwrap();
    assert!(last.starts_with("error: cannot write"), "{last}");
    assert!(last.contains("store.redb"), "{last}");
    assert!(last.contains("File too large"), "{last}");
    assert!(wanted.starts_with(&durable.written()));

    let logged = durable.run(&LONG);
    assert!(logged.contains("going on from epoch"), "{logged}");
    assert!(!logged.contains(": 200000 tuples,"), "{logged}");
    assert_eq!(durable.written(), wanted);
}

/// So long that all words are kept to the end.
const LONG: [&str; 4] = ["--window", "1h", "--slide", "1m"];

/// `squall` with a limit of the shell: for files, until somebody raises it.
fn limited(limit: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -S {limit}; exec \"$0\" \"$@\"");
    command.args(["-c", &script]);
    command.arg(assert_cmd::cargo::cargo_bin!("squall"));
    command
}

/// Events that take as much room as they have, and the spec for them.
fn events() -> Job {
    let mut random = fastrand::Rng::with_seed(1);
    let mut noise = || format!("{:032x}{:032x}", random.u128(..), random.u128(..));
    let line = |number: i64| {
        let (first, second) = (noise(), noise());
        let time = 1_420_070_400_000 + number * 10;
        format!(
            "{{\"t\":{time},\"a\":\"a{}\",\"pad\":\"{first}{second}\"}}\n",
            number % 7
        )
    };
    let spec = serde_json::json!({ "dataSchema": {
        "timestampSpec": { "column": "t", "format": "auto" },
        "dimensionsSpec": { "dimensions": ["a"] },
        "metricsSpec": [{ "type": "count", "name": "n" }],
        "granularitySpec": { "segmentGranularity": "day", "queryGranularity": "hour" },
    } });
    Job::new(&(0..60_000).map(line).collect::<String>(), spec)
}

/// Every event is in the cube, and in the archive, once.
fn all_is_there(job: &Job) {
    let total = job.query("data", &["--granularity", "all"]);
    assert_eq!(total[0]["n"], 60_000);
    let mut archived = String::new();
    for entry in std::fs::read_dir(job.folder.path("archive")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "gz") {
            let file = BufReader::new(std::fs::File::open(path).unwrap());
            let mut members = flate2::bufread::MultiGzDecoder::new(file);
            members.read_to_string(&mut archived).unwrap();
        }
    }
    let events = job.folder.read("events.ndjson");
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert!(sorted(&archived) == sorted(&events), "the archive differs");
}

fn with_archive(job: &Job, mut command: Command) -> Command {
    let [events, data, archive] = ["events.ndjson", "data", "archive"].map(|n| job.folder.path(n));
    command.args(job.arguments());
    command.args([
        "--input",
        &events,
        "--data-dir",
        &data,
        "--archive",
        &archive,
    ]);
    command.args(["--commit", "100ms"]);
    command
}

/// The archive is what grows beyond the limit, of one file for a day.
const ROOM: &str = "-f 6000";

#[test]
fn an_archive_without_room_ends_the_run_and_loses_nothing() {
    let job = events();
    let mut command = with_archive(&job, limited(ROOM));
    let output = command.args(["--restarts", "2"]).output().unwrap();
    let logged = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{logged}");
    let last = logged.lines().last().unwrap();
    for part in [
        "gave up after 2 restarts",
        "cannot write the archive",
        "File too large",
    ] {
        assert!(last.contains(part), "{last}");
    }
    let [events, archive] = ["events.ndjson", "archive"].map(|name| job.folder.path(name));
    job.roll_up("data", &events, &["--archive", &archive]);
    all_is_there(&job);
}

#[test]
fn an_archive_that_has_room_again_goes_on() {
    let job = events();
    let mut command = with_archive(&job, limited(ROOM));
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut logged = Vec::new();
    let full = lines.by_ref().map(Result::unwrap).find(|line| {
        logged.push(line.clone());
        line.contains("goes on from its last commit")
    });
    let full = full.unwrap_or_else(|| panic!("it was never full: {logged:#?}"));
    assert!(full.contains("File too large"), "{full}");
    let raised = Command::new("prlimit")
        .args(["--pid", &child.id().to_string(), "--fsize=unlimited"])
        .status();
    assert!(raised.unwrap().success());
    logged.extend(lines.map(Result::unwrap));
    assert!(child.wait().unwrap().success(), "{logged:#?}");
    all_is_there(&job);
}

/// What is logged is a result, too.
#[test]
fn a_log_that_cannot_be_written_is_a_failure() {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("squall"));
    let full = std::fs::File::options().write(true).open("/dev/full");
    command.args(["run", "rolling-top-words", "--for", "100ms"]);
    let status = command.stderr(full.unwrap()).status().unwrap();
    assert_eq!(status.code(), Some(1));
}

#[test]
fn few_file_descriptors_are_an_error_and_no_panic() {
    let job = events();
    let spec = job.folder.path("spec.json");
    std::fs::write(
        job.folder.path("few.ndjson"),
        "{\"t\":1420070400000,\"a\":\"x\"}\n",
    )
    .unwrap();
    let few = job.folder.path("few.ndjson");
    let [data, archive] = ["data", "archive"].map(|name| job.folder.path(name));
    let rollup = [
        "run",
        "rollup",
        "--restarts",
        "0",
        "--spec",
        &spec,
        "--input",
        &few,
    ];
    let rollup = [&rollup[..], &["--data-dir", &data, "--archive", &archive]].concat();
    common::output(&mut common::squall(&rollup));
    let words = [
        "run",
        "rolling-top-words",
        "--input",
        &few,
        "--format",
        "text",
        "--json",
    ];
    let follow = ["--follow", "--for", "10ms", "--spouts", "9"];
    let follow = [&words[..], &follow].concat();
    let time = ["--from", "2015-01-01", "--to", "2015-01-02"];
    let reindex = [&["reindex", &data, "--spec", &spec][..], &time].concat();
    let copy = job.folder.path("copy");
    for descriptors in (4..16).chain([20, 40, 64]) {
        for command in [
            &words[..],
            &follow,
            &rollup,
            &reindex,
            &["inspect", &data],
            &["view", &data, "segments.files"],
            &["query", &data],
            &["compact", &data],
            &["backup", &data, &copy],
            &["depot", "show", &data],
        ] {
            let mut limited = limited(&format!("-n {descriptors}"));
            let output = limited.args(command).output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            let about = format!("{command:?} with {descriptors}: {said}");
            assert!(!said.contains("panicked"), "{about}");
            match output.status.code() {
                Some(0) => {}
                // The loader of programs and the shell need some themselves.
                Some(1 | 2 | 127) => assert!(said.contains("open files"), "{about}"),
                _ => panic!("{about}"),
            }
            let _ = std::fs::remove_dir_all(&copy);
        }
    }
}

#[test]
fn more_files_are_read_than_may_be_open_at_once() {
    let folder = common::Folder::with(&[]);
    std::fs::create_dir(folder.path("in")).unwrap();
    for number in 0..300 {
        let text = format!("file{number} word\n");
        std::fs::write(folder.path(&format!("in/{number}.txt")), text).unwrap();
    }
    let (input, data) = (folder.path("in"), folder.path("data"));
    let run = ["run", "rolling-top-words", "--input", &input, "--json"];
    let keeps = ["--data-dir", &data, "--spouts", "3"];
    let follows = ["--follow", "--for", "10ms", "--spouts", "1"];
    // While files are followed some of them stay open.
    for (descriptors, options) in [(60, &keeps[..]), (120, &follows)] {
        let mut limited = limited(&format!("-n {descriptors}"));
        let output = limited.args(run).args(options).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{options:?}: {said}");
    }
}

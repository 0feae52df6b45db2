//! Runs that go on where the run before them has ended.
#![cfg(unix)]

mod common;

use common::durable::{Durable, HEADER, records};
use common::json;

/// A run that goes on with a file reads what is new in it, and nothing else.
#[test]
fn a_run_on_a_finished_data_directory_has_nothing_to_do() {
    let durable = Durable::reading(&(HEADER.to_owned() + &records(0..600)));
    let logged = durable.run(&[]);
    assert!(logged.contains(": 3000 tuples,"), "{logged}");
    let written = durable.written();
    assert_eq!(written, durable.undisturbed(&[]));
    assert_eq!(written.lines().count(), 32);
    for _ in 0..2 {
        let logged = durable.run(&[]);
        assert!(logged.contains("going on from epoch"), "{logged}");
        assert!(logged.contains(": 0 tuples,"), "{logged}");
        assert!(!logged.contains("Rankings:"), "{logged}");
        assert_eq!(durable.written(), written);
    }
}

/// The parts end in the middle of windows and of a line, which is read when it is whole.
#[test]
fn a_file_that_comes_in_parts_gives_the_rankings_of_the_whole() {
    let whole = HEADER.to_owned() + &records(0..600);
    let wanted = Durable::reading(&whole).undisturbed(&[]);
    let ways: [[&[&str]; 3]; 4] = [
        [&[], &[], &[]],
        [
            &["--counters", "2"],
            &["--counters", "8"],
            &["--counters", "3"],
        ],
        [
            &["--spouts", "1", "--rankers", "2"],
            &["--spouts", "7", "--rankers", "5"],
            &["--spouts", "2", "--rankers", "1"],
        ],
        [
            &["--mergers", "3"],
            &["--mergers", "2", "--counters", "1"],
            &["--mergers", "5", "--batch", "7"],
        ],
    ];
    for way in ways {
        let durable = Durable::reading("");
        let cuts = [0, whole.len() * 2 / 7, whole.len() * 5 / 7, whole.len()];
        for (part, options) in way.into_iter().enumerate() {
            durable.append(&whole[cuts[part]..cuts[part + 1]]);
            let keep_open: &[&str] = if part < 2 { &["--keep-open"] } else { &[] };
            durable.run(&[options, keep_open].concat());
            let written = durable.written();
            assert!(wanted.starts_with(&written), "{way:?}, part {part}");
            assert_eq!(part == 2, written == wanted, "{way:?}, part {part}");
        }
    }
}

/// The level keeps what has come of a window, which nobody would have without it.
#[test]
fn a_level_of_mergers_may_come_between_two_runs_and_not_go() {
    let whole = HEADER.to_owned() + &records(0..600);
    let wanted = Durable::reading(&whole).undisturbed(&[]);
    let durable = Durable::reading("");
    let (first, second) = whole.split_at(whole.len() / 2);
    durable.append(first);
    durable.run(&["--keep-open", "--mergers", "1"]);
    durable.append(second);
    durable.run(&["--keep-open", "--mergers", "3"]);
    durable.is_refused(&["--mergers", "1"], &["the component `merging`"]);
    durable.run(&["--mergers", "2"]);
    assert_eq!(durable.written(), wanted);
}

#[test]
fn totals_over_everything_go_on_with_other_counters() {
    let all = ["--window", "all", "--slide", "1h"];
    let whole = HEADER.to_owned() + &records(0..600);
    let cuts = [0, whole.len() / 3, whole.len() * 2 / 3, whole.len()];
    let mut wanted = json(&Durable::reading(&whole).undisturbed(&all));
    let durable = Durable::reading("");
    for (part, counters) in ["2", "8", "3"].into_iter().enumerate() {
        durable.append(&whole[cuts[part]..cuts[part + 1]]);
        let keep_open: &[&str] = if part < 2 { &["--keep-open"] } else { &[] };
        durable.run(&[&all, keep_open, &["--counters", counters]].concat());
    }
    let mut written = json(&durable.written());
    let (wanted, written) = (wanted.pop().unwrap(), written.pop().unwrap());
    assert_eq!(written["ranking"], wanted["ranking"]);
}

#[test]
fn ctrl_c_in_the_middle_loses_nothing_and_repeats_nothing() {
    let durable = Durable::reading(&(HEADER.to_owned() + &records(0..1_200)));
    let wanted = durable.undisturbed(&[]);
    for _ in 0..3 {
        let mut session = durable.start(&["--rate", "2000", "--commit", "10s"]);
        session.wait_for_log("Rankings:");
        session.wait_for_log("Rankings:");
        session.interrupt();
        let (status, logged) = session.end();
        assert_eq!(status.code(), Some(0), "{logged}");
        assert!(logged.contains("left open"), "{logged}");
        let written = durable.written();
        assert!(wanted.starts_with(&written), "{written}");
        assert_ne!(written, wanted);
    }
    durable.run(&["--counters", "7"]);
    assert_eq!(durable.written(), wanted);
}

#[test]
fn a_run_for_a_time_goes_on_in_the_next() {
    let durable = Durable::reading(&(HEADER.to_owned() + &records(0..600)));
    let wanted = durable.undisturbed(&[]);
    for _ in 0..3 {
        durable.run(&["--rate", "2000", "--for", "200ms"]);
        assert!(wanted.starts_with(&durable.written()));
    }
    durable.run(&[]);
    assert_eq!(durable.written(), wanted);
}

#[test]
fn a_file_of_another_name_is_read_from_its_beginning() {
    let durable = Durable::reading(&(HEADER.to_owned() + &records(0..300)));
    durable.run(&["--keep-open"]);
    let other = durable.folder.path("other.csv");
    std::fs::write(&other, HEADER.to_owned() + &records(300..600)).unwrap();
    let logged = durable.run(&["--input", &other]);
    assert!(logged.contains(": 1500 tuples,"), "{logged}");
    let whole = Durable::reading(&(HEADER.to_owned() + &records(0..600)));
    assert_eq!(durable.written(), whole.undisturbed(&[]));
}

/// A followed folder has no end: the last windows stay open, until a run that does not follow.
#[test]
fn files_that_appear_in_a_followed_folder_are_read_once() {
    let durable = Durable::reading("");
    let folder = durable.folder.path("parts");
    std::fs::create_dir(&folder).unwrap();
    let part = |name: &str, seconds| {
        // A file appears with all that is in it.
        let aside = durable.folder.path("aside");
        std::fs::write(&aside, HEADER.to_owned() + &records(seconds)).unwrap();
        std::fs::rename(aside, format!("{folder}/{name}.csv")).unwrap();
    };
    let whole = Durable::reading(&(HEADER.to_owned() + &records(0..900)));
    let wanted = whole.undisturbed(&[]);
    part("a", 0..300);
    let mut follow = vec!["--input", &folder, "--follow", "--commit", "100ms"];
    // A file that may still grow holds the windows open.
    follow.push("--stats");
    let mut session = durable.start(&follow);
    session.wait_for_log(", 1500 tuples");
    part("b", 300..600);
    session.wait_for_log(", 3000 tuples");
    session.interrupt();
    let (status, logged) = session.end();
    assert_eq!(status.code(), Some(0), "{logged}");
    let written = durable.written();
    assert!(wanted.starts_with(&written), "{written}");
    assert!(written.lines().count() >= 10, "{written}");

    part("c", 600..900);
    durable.run(&[&follow[..], &["--for", "1s"]].concat());
    assert!(wanted.starts_with(&durable.written()));
    durable.run(&["--input", &folder]);
    assert_eq!(durable.written(), wanted);
}

//! What a run with a data directory refuses, and in which words.
#![cfg(unix)]

mod common;

use common::durable::{Durable, HEADER, records};
use squall::connectors::RandomWords;
use squall::testing::Collected;
use squall::{DataDir, RunOptions, Topology, millis};

fn durable() -> Durable {
    Durable::reading(&(HEADER.to_owned() + &records(0..300)))
}

/// One that has run, with its windows open.
fn begun() -> Durable {
    let durable = durable();
    durable.run(&["--keep-open"]);
    durable
}

/// After all that was refused, the run goes on as if nothing had been asked.
fn goes_on(durable: &Durable) {
    durable.run(&[]);
    assert_eq!(durable.written(), durable.undisturbed(&[]));
}

#[test]
fn a_second_process_hears_who_has_the_directory() {
    let durable = durable();
    let mut session = durable.start(&["--rate", "100"]);
    session.wait_for_log("is running");
    let holder = format!("in use by process {} (", session.id());
    durable.is_refused(&[], &[&holder, "squall run rolling-top-words"]);
    session.interrupt();
    assert!(session.end().0.success());
    goes_on(&durable);
}

#[test]
fn a_killed_process_leaves_no_lock_behind() {
    let durable = durable();
    let mut session = durable.start(&["--rate", "100"]);
    session.wait_for_log("is running");
    session.kill();
    goes_on(&durable);
}

#[test]
fn standard_input_cannot_be_read_again() {
    durable().is_refused(&["--input", "-"], &["standard input cannot be read again"]);
}

#[test]
fn options_of_a_data_directory_want_one() {
    let durable = durable();
    let input = durable.folder.path("input.csv");
    for (more, part) in [
        (&["--keep-open"][..], "so it needs --data-dir"),
        (&["--commit", "1s"], "--data-dir"),
        (&["--restarts", "3"], "--data-dir"),
    ] {
        let mut command = common::top_words(&["--input", &input, "--field", "word"]);
        let output = command.args(more).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
    }
    durable.is_refused(&["--keep-open", "--follow"], &["--keep-open", "--follow"]);
}

#[test]
fn a_directory_that_is_something_else_stays_as_it_is() {
    let durable = durable();
    let folder = durable.folder.path("letters");
    std::fs::create_dir(&folder).unwrap();
    let file = durable.folder.path("letters/letter.txt");
    std::fs::write(&file, "Dear reader").unwrap();
    durable.is_refused(
        &["--data-dir", &folder],
        &["is not a data directory: it holds other files"],
    );
    durable.is_refused(
        &["--data-dir", &file],
        &["is not a data directory: it is a file"],
    );
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1);
}

#[test]
fn the_state_of_another_topology_is_left_to_it() {
    let durable = durable();
    let topology = Topology::named("random-words");
    let words = topology.spout("words", RandomWords::default).rate(1_000.0);
    let _collected = Collected::of(&topology, "collected", &words);
    let options = RunOptions {
        data_dir: Some(DataDir::at(durable.folder.path("data"))),
        run_for: Some(millis(50)),
        signals: false,
        ..RunOptions::default()
    };
    topology.run(options).unwrap();
    durable.is_refused(
        &[],
        &["of the topology `random-words`, and this one is `rolling-top-words`"],
    );
}

/// What was counted for one window is nothing to another.
#[test]
fn windows_of_another_length_or_slide_are_refused() {
    let durable = begun();
    for (more, stored, found) in [
        (["--window", "40s"], "3 to a window", "2 to a window"),
        (["--slide", "30s"], "panes of 20s", "panes of 30s"),
    ] {
        durable.is_refused(&more, &["`counts`", stored, found]);
    }
    durable.is_refused(
        &["--window", "all", "--slide", "20s"],
        &["`counts`", "3 to a window", "all to a window"],
    );
    goes_on(&durable);
}

#[test]
fn an_output_that_was_removed_or_cut_is_named() {
    let durable = begun();
    let out = durable.folder.path("out.ndjson");
    let written = durable.written();
    std::fs::write(&out, &written[..written.len() - 1]).unwrap();
    let (length, found) = (written.len().to_string(), (written.len() - 1).to_string());
    durable.is_refused(&[], &[&out, &length, &found]);
    assert_eq!(durable.written(), written[..written.len() - 1]);
    std::fs::remove_file(&out).unwrap();
    durable.is_refused(&[], &[&out, &length, "it does not exist"]);
    std::fs::write(&out, &written).unwrap();
    goes_on(&durable);
}

#[test]
fn an_input_that_was_replaced_or_cut_is_named() {
    let durable = begun();
    let input = durable.folder.path("input.csv");
    let before = durable.folder.read("input.csv");
    let replaced = before.replacen("\n0,w", "\n0,v", 1);
    for other in [
        &replaced[..],
        &format!("{replaced}{}", records(300..310)),
        &before[..before.len() / 2],
    ] {
        std::fs::write(&input, other).unwrap();
        durable.is_refused(&[], &[&input, "was read up to byte"]);
    }
    std::fs::write(&input, before).unwrap();
    goes_on(&durable);
}

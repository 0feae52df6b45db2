//! A disk that is full, and one that has lost or changed what was written.
#![cfg(unix)]

mod common;

use std::path::Path;

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
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 3000; exec \"$0\" \"$@\""]);
    command.arg(assert_cmd::cargo::cargo_bin!("squall"));
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

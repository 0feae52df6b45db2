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

//! Files that get each line exactly once, whatever happens to the process or the file.

use std::fs;
use std::path::Path;

use super::*;
use crate::testing::sink_contract;
use crate::time::Timestamp;
use crate::{Text, Value};

#[derive(squall_macros::Tuple, Clone, Debug, Serialize)]
struct Word {
    word: Text,
}

fn words(words: &[&str]) -> Vec<Word> {
    let word = |word: &&str| Word {
        word: (*word).into(),
    };
    words.iter().map(word).collect()
}

fn context(resumed_from: Option<u64>) -> Context {
    Context {
        component: "out".to_owned(),
        durable: true,
        resumed_from,
        ..Context::of_test()
    }
}

fn epoch(number: u64) -> Epoch {
    Epoch {
        number,
        time: Timestamp::from_millis(0),
        last: false,
        closes: false,
        commit: true,
    }
}

/// A sink of a run that goes on after commit 7, by which so much was delivered.
fn resumed(path: &Path, length: u64) -> Result<JsonLines<Word>> {
    resumed_as(path, path, length)
}

fn resumed_as(path: &Path, stored: &Path, length: u64) -> Result<JsonLines<Word>> {
    let mut sink = JsonLines::file(path);
    sink.path = Value::new(one_spelling(stored));
    sink.length = Value::new(length);
    sink.prepare(&context(Some(7)))?;
    Ok(sink)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_file_gets_each_line_exactly_once_wherever_the_run_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut number = 0;
    let content = sink_contract(
        || {
            number += 1;
            let path = folder.path().join(format!("{number}.ndjson"));
            // What an earlier run has left.
            fs::write(&path, "old\n")?;
            Ok(path)
        },
        |path| JsonLines::<Word>::file(path),
        |path| Ok(fs::read_to_string(path)?),
        &[
            words(&["a", "b", "a"]),
            words(&[]),
            words(&["a"]),
            words(&["c", "a"]),
        ],
    );
    let line = |word: &str| format!("{{\"word\":\"{word}\"}}\n");
    let expected: String = ["a", "b", "a", "a", "c", "a"].map(line).concat();
    assert_eq!(content.unwrap(), expected);
}

#[test]
fn what_was_written_of_a_delivery_is_passed_over_wherever_it_broke_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    let (before, outbox) = ("one\n", "two\nthree\n");
    for written in 0..=outbox.len() {
        let torn = format!("{before}{}", &outbox[..written]);
        fs::write(&path, &torn).unwrap();
        let mut sink = resumed(&path, 4).unwrap();
        assert_eq!(read(&path), torn, "a reader loses nothing");
        sink.deliver(outbox.as_bytes(), Some(1)).unwrap();
        sink.flush(&epoch(7)).unwrap();
        assert_eq!(read(&path), "one\ntwo\nthree\n", "{written}");
        assert_eq!(*sink.length, 14);
        sink.deliver(b"four\n", Some(1)).unwrap();
        sink.flush(&epoch(8)).unwrap();
        assert_eq!(read(&path), "one\ntwo\nthree\nfour\n");
    }
}

#[test]
fn what_belongs_to_no_delivery_is_cut_off_when_the_last_one_is_through() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    fs::write(&path, "one\ntwo\nsix\nsomething else").unwrap();
    let mut sink = resumed(&path, 4).unwrap();
    sink.deliver(b"two\n", Some(1)).unwrap();
    // Of commit 6: what the file has behind it may be of commit 7.
    sink.flush(&epoch(6)).unwrap();
    assert_eq!(read(&path), "one\ntwo\nsix\nsomething else");
    sink.deliver(b"six\n", Some(1)).unwrap();
    sink.flush(&epoch(7)).unwrap();
    assert_eq!(read(&path), "one\ntwo\nsix\n");
}

#[test]
fn other_bytes_than_those_delivered_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    fs::write(&path, "one\ntwx\nmore").unwrap();
    let mut sink = resumed(&path, 4).unwrap();
    sink.deliver(b"two\n", Some(1)).unwrap();
    assert_eq!(read(&path), "one\ntwo\n");
}

#[test]
fn a_file_that_has_lost_what_was_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.ndjson");
    let name = path.display();
    let error = resumed(&path, 4).err().unwrap().to_string();
    let start = format!("`{name}` was written up to byte 4, but now it does not exist:");
    assert!(error.starts_with(&start), "{error}");
    assert!(error.contains("of `out` with `squall reset`"), "{error}");
    fs::write(&path, "one").unwrap();
    let error = resumed(&path, 4).err().unwrap().to_string();
    let start = format!("`{name}` was written up to byte 4, but now it has only 3: restore it");
    assert!(error.starts_with(&start), "{error}");
    assert_eq!(read(&path), "one");
}

#[test]
fn another_path_is_a_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (folder.path().join("old"), folder.path().join("new"));
    fs::write(&old, "one\n").unwrap();
    fs::write(&new, "of somebody else\n").unwrap();
    let mut sink = resumed_as(&new, &old, 4).unwrap();
    assert_eq!(*sink.length, 0);
    sink.deliver(b"two\n", Some(1)).unwrap();
    sink.flush(&epoch(7)).unwrap();
    assert_eq!((read(&old), read(&new)), ("one\n".into(), "two\n".into()));
    assert_eq!(*sink.path, one_spelling(&new));
}

#[test]
fn another_spelling_of_the_path_is_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    fs::write(&path, "one\n").unwrap();
    let spelling = folder.path().join(".").join("out");
    let mut sink = resumed_as(&spelling, &path, 4).unwrap();
    sink.deliver(b"two\n", Some(1)).unwrap();
    assert_eq!(read(&path), "one\ntwo\n");
}

#[test]
fn a_run_that_begins_anew_empties_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    fs::write(&path, "of another run\n").unwrap();
    let mut sink = JsonLines::<Word>::file(&path);
    sink.prepare(&context(None)).unwrap();
    assert_eq!(read(&path), "");
}

#[cfg(unix)]
#[test]
fn a_device_is_written_as_standard_output_is() {
    let path = Path::new("/dev/null");
    let mut sink = resumed(path, 0).unwrap();
    sink.deliver(b"one\n", Some(1)).unwrap();
    sink.flush(&epoch(7)).unwrap();
    assert_eq!(*sink.length, 0);
}

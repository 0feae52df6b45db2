//! Tables that are changed while no run has them.

use std::collections::BTreeMap;

use squall::testing::Events;
use squall::{
    Word,
    data_dir::{DataDirError, StoreError},
};

use super::*;

/// How often each word came; in one task.
#[derive(Default)]
struct Seen {
    seen: Table<Text, u64>,
}

impl Bolt for Seen {
    type Input = Word;
    type Output = ();

    fn execute(&mut self, word: &Word, _: &mut Out<()>) -> Result {
        *self.seen.entry(&word.word) += 1;
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("seen", &mut self.seen);
    }
}

fn see(data_dir: &DataDir, words: &[&str]) {
    let topology = Topology::named("seen");
    // What was read is not read again: the words follow on those of the run before.
    let words: Vec<Word> = words
        .iter()
        .map(|word| Word {
            word: (*word).into(),
        })
        .collect();
    let words = Events::now(words);
    let words = topology.spout("words", move || words.clone());
    topology.bolt("seen", Seen::default).global_grouping(&words);
    let options = RunOptions {
        data_dir: Some(data_dir.clone()),
        ..RunOptions::default()
    };
    TopologyTest::new(topology).options(options).run().unwrap();
}

fn seen(data_dir: &DataDir) -> (u64, BTreeMap<String, u64>) {
    let snapshot = data_dir.views().unwrap().read().unwrap();
    let table = snapshot.table::<Text, u64>("seen", "seen").unwrap();
    let seen = table
        .iter()
        .unwrap()
        .map(|(word, times)| (word.to_string(), *times));
    (snapshot.epoch(), seen.collect())
}

fn words(expected: &[(&str, u64)]) -> BTreeMap<String, u64> {
    let words = expected
        .iter()
        .map(|(word, times)| ((*word).to_owned(), *times));
    words.collect()
}

#[test]
fn a_run_goes_on_from_what_was_edited() {
    let folder = tempfile::tempdir().unwrap();
    for data_dir in [
        DataDir::in_memory().unwrap(),
        DataDir::at(folder.path().join("data")),
    ] {
        see(&data_dir, &["a", "b", "a", "c"]);
        let (before, _) = seen(&data_dir);
        for _ in 0..2 {
            data_dir
                .edit_table("seen", "seen", |seen: &mut Table<Text, u64>| {
                    seen.remove(&"b".into());
                    *seen.entry(&"a".into()) += 5;
                    seen.insert("new".into(), 7);
                    Ok(())
                })
                .unwrap();
        }
        assert_eq!(
            seen(&data_dir),
            (before + 2, words(&[("a", 12), ("c", 1), ("new", 7)]))
        );
        see(&data_dir, &["a", "b", "a", "c", "a", "b"]);
        let (after, now) = seen(&data_dir);
        assert_eq!(now, words(&[("a", 13), ("b", 1), ("c", 1), ("new", 7)]));
        assert!(after > before + 2);
    }
}

#[test]
fn an_edit_that_fails_changes_nothing() {
    let data_dir = DataDir::in_memory().unwrap();
    see(&data_dir, &["a"]);
    let before = seen(&data_dir);
    let error = data_dir
        .edit_table("seen", "seen", |seen: &mut Table<Text, u64>| {
            seen.insert("new".into(), 7);
            Err::<(), _>("the disk is full".into())
        })
        .unwrap_err();
    assert_eq!(
        std::error::Error::source(&error).unwrap().to_string(),
        "the disk is full"
    );
    assert_eq!(seen(&data_dir), before);
}

#[test]
fn what_cannot_be_edited_is_named() {
    let data_dir = DataDir::in_memory().unwrap();
    let nothing = |table: &mut Table<Text, u64>| Ok(table.len());
    let error = data_dir.edit_table("seen", "seen", nothing).unwrap_err();
    assert!(
        matches!(error, DataDirError::NothingCommitted { .. }),
        "{error}"
    );
    see(&data_dir, &["a"]);
    let error = data_dir.edit_table("seen", "sean", nothing).unwrap_err();
    assert!(
        error.to_string().contains("the tables are seen.seen"),
        "{error}"
    );
    let error = data_dir.edit_table("seen", "seen", |table: &mut Table<Text, i64>| {
        Ok(table.len())
    });
    let error = error.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("a table of text to u64, and not a table of text to i64"),
        "{error}"
    );
    assert!(error.is_wrong_use());

    let bank = DataDir::in_memory().unwrap();
    run(&bank, &[(1, 2, 300)]);
    let error = bank.edit_table("accounts", "balances", |table: &mut Table<u32, i64>| {
        Ok(table.len())
    });
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("accounts keeps it by task or key"),
        "{error}"
    );
}

#[test]
fn a_directory_in_use_is_not_edited() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = DataDir::at(folder.path().join("data"));
    see(&data_dir, &["a"]);
    let views = data_dir.views().unwrap();
    let nothing = |table: &mut Table<Text, u64>| Ok(table.len());
    let error = data_dir.edit_table("seen", "seen", nothing).unwrap_err();
    assert!(
        matches!(error, DataDirError::Store(StoreError::InUse { .. })),
        "{error}"
    );
    drop(views);
    assert_eq!(data_dir.edit_table("seen", "seen", nothing).unwrap(), 1);
}

//! Data directories on the command line.

mod common;

use common::{Folder, json, output, squall};
use serde_json::json;
use squall::bolts::FlatMap;
use squall::testing::{Events, TopologyTest};
use squall::{
    Bolt, DataDir, Next, Out, Result, RunOptions, Spout, SpoutOut, States, Table, Text, Topology,
    Value, Word, millis, run::Running,
};

#[derive(Default)]
struct Counts {
    totals: Table<Text, u64>,
    longest: Table<Text, usize>,
}

impl Bolt for Counts {
    type Input = Word;
    type Output = ();

    fn execute(&mut self, word: &Word, _: &mut Out<()>) -> Result {
        *self.totals.entry(&word.word) += 1;
        self.longest.insert(word.word.clone(), word.word.len());
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("totals", &mut self.totals);
        states.keep("longest", &mut self.longest);
    }
}

fn words<S: Spout<Output = Word>>(words: impl Fn() -> S + Send + Sync + 'static) -> Topology {
    let topology = Topology::named("words");
    let words = topology.spout("words", words);
    let same = topology
        .bolt("same", || FlatMap::new(|word: &Word| [word.clone()]))
        .shuffle_grouping(&words);
    topology
        .bolt("counts", Counts::default)
        .parallelism(2)
        .fields_grouping(&same, Word::WORD);
    topology
}

fn options(dir: &str) -> RunOptions {
    RunOptions {
        data_dir: Some(DataDir::at(dir)),
        commit: millis(10),
        signals: false,
        ..RunOptions::default()
    }
}

/// A data directory with the counts of these words.
fn counted(dir: &str, text: &str) {
    let text = text.split(' ').map(|word| Word { word: word.into() });
    let events = Events::now(text);
    let topology = words(move || events.clone());
    TopologyTest::new(topology)
        .options(options(dir))
        .run()
        .unwrap();
}

fn refused(arguments: &[&str], status: i32, parts: &[&str]) {
    let output = squall(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        output.status.code(),
        Some(status),
        "{arguments:?}: {stderr}"
    );
    assert_eq!(output.stdout, b"", "{arguments:?}");
    for part in parts {
        assert!(
            stderr.contains(part),
            "{arguments:?}: no {part:?} in: {stderr}"
        );
    }
    assert_eq!(
        stderr
            .lines()
            .filter(|line| line.contains("error: "))
            .count(),
        1,
        "{stderr}"
    );
}

#[test]
fn a_directory_is_inspected_and_its_tables_are_shown() {
    let folder = Folder::with(&[]);
    let dir = folder.path("data");
    counted(&dir, "storm squall storm a-b");

    let (text, _) = output(&mut squall(&["inspect", &dir]));
    for part in [
        "topology   words",
        "committed  epoch",
        "a table of text to u64",
        "fields(word)",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let (text, _) = output(&mut squall(&["inspect", &dir, "--json"]));
    let [inspection] = &json(&text)[..] else {
        panic!("{text}")
    };
    assert_eq!(inspection["topology"], "words");
    assert_eq!(inspection["components"][0]["states"][1]["keys"], 3);

    let (text, _) = output(&mut squall(&["view", &dir, "counts.totals"]));
    assert_eq!(text, "a-b     1\nsquall  1\nstorm   2\n");
    let (text, _) = output(&mut squall(&[
        "view", &dir, "totals", "--key", "storm", "--json",
    ]));
    assert_eq!(json(&text), [json!({"key": "storm", "value": 2})]);
}

#[cfg(unix)]
#[test]
fn a_table_is_shown_alike_at_rest_and_through_a_process_and_as_far_as_is_asked() {
    let folder = Folder::with(&[]);
    let dir = folder.path("data");
    let words: Vec<_> = (0..5_000)
        .map(|word| format!("word-{}", word % 3_000))
        .collect();
    counted(&dir, &words.join(" "));
    let view = |more: &[&str]| {
        let mut command = squall(&["view", &dir, "totals"]);
        output(command.args(more)).0
    };
    let shown = || {
        let all = [view(&[]), view(&["--json"])];
        for text in &all {
            let lines: Vec<_> = text.lines().collect();
            assert_eq!(lines.len(), 3_000);
            assert!(lines.is_sorted());
        }
        for limit in [0, 1, 17, 4_000] {
            let first: String = all[1].split_inclusive('\n').take(limit).collect();
            assert_eq!(view(&["--json", "--limit", &limit.to_string()]), first);
        }
        assert_eq!(view(&["--limit", "2"]), "word-0  2\nword-1  2\n");
        all
    };
    let at_rest = shown();
    let holder = DataDir::opened(&dir).unwrap();
    assert!(shown() == at_rest);
    drop(holder);
}

#[test]
fn what_is_not_there_is_said_with_what_is() {
    let folder = Folder::with(&[("letter.txt", b"Dear reader")]);
    let dir = folder.path("data");
    counted(&dir, "storm squall storm");
    let absent = folder.path("absent");
    for command in [
        &["inspect", &*absent][..],
        &["view", &absent, "a"],
        &["reset", &absent],
        &["backup", &absent, "b"],
    ] {
        refused(command, 2, &[&absent, "is not a data directory"]);
    }
    assert!(!std::path::Path::new(&absent).exists());
    refused(
        &["inspect", &folder.path("letter.txt")],
        2,
        &["it is a file"],
    );
    refused(
        &["view", &dir, "counts"],
        2,
        &["`counts`", "counts.longest, counts.totals"],
    );
    refused(
        &["view", &dir, "counts.total"],
        2,
        &["`counts.total`", "counts.totals"],
    );
    refused(
        &["view", &dir, "totals", "--key", "rain"],
        1,
        &["`totals` has no key `rain`"],
    );
    refused(
        &["reset", &dir, "--component", "count"],
        2,
        &["`count`", "counts, words"],
    );
    refused(
        &["backup", &dir, &dir],
        2,
        &["cannot be inside of the directory"],
    );
    refused(&["view", &dir], 2, &["TABLE"]);
}

#[test]
fn a_directory_without_a_commit_says_so() {
    let folder = Folder::with(&[]);
    let dir = folder.path("data");
    counted(&dir, "storm");
    output(&mut squall(&["reset", &dir]));
    let (text, _) = output(&mut squall(&["inspect", &dir]));
    assert!(text.contains("committed  nothing yet"), "{text}");
    refused(
        &["view", &dir, "totals"],
        2,
        &["no run has committed anything"],
    );
}

#[test]
fn damage_is_a_failure() {
    let folder = Folder::with(&[]);
    let dir = folder.path("data");
    counted(&dir, "storm squall");
    let store = folder.path("data/store.redb");
    let whole = std::fs::read(&store).unwrap();
    std::fs::write(&store, &whole[..whole.len() / 2]).unwrap();
    for command in [
        &["inspect", &*dir][..],
        &["view", &dir, "totals"],
        &["reset", &dir],
    ] {
        refused(command, 1, &["store.redb` is damaged"]);
    }
}

#[test]
fn a_copy_and_a_reset_do_what_they_say() {
    let folder = Folder::with(&[]);
    let [dir, copy] = ["data", "copy"].map(|name| folder.path(name));
    counted(&dir, "storm squall storm");
    output(&mut squall(&["backup", &dir, &copy]));
    output(&mut squall(&["reset", &dir, "--component", "counts"]));
    refused(&["view", &dir, "totals"], 2, &["the tables are words."]);
    let (text, _) = output(&mut squall(&["view", &copy, "totals"]));
    assert_eq!(text, "squall  1\nstorm   2\n");
}

/// Words as long as nobody stops it.
#[derive(Default)]
struct Endless(Value<u64>);

impl Spout for Endless {
    type Output = Word;

    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        *self.0 += 1;
        let word = format!("word-{}", *self.0 % 50);
        out.emit(Word { word: word.into() });
        Ok(Next::More)
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("made", &mut self.0);
    }
}

fn running(dir: &str) -> Running {
    let running = words(Endless::default).start(options(dir)).unwrap();
    let mut changes = running
        .views()
        .unwrap()
        .changes::<Text, u64>("counts", "totals")
        .unwrap();
    changes.next().unwrap().unwrap();
    running
}

#[cfg(unix)]
#[test]
fn a_run_answers_while_it_has_the_directory() {
    let folder = Folder::with(&[]);
    let [dir, copy] = ["data", "copy"].map(|name| folder.path(name));
    let running = running(&dir);
    let count = |dir: &str| {
        let (text, _) = output(&mut squall(&[
            "view", dir, "totals", "--key", "word-7", "--json",
        ]));
        json(&text)[0]["value"].as_u64().unwrap()
    };
    let first = count(&dir);
    output(&mut squall(&["backup", &dir, &copy]));
    assert!(count(&copy) >= first);
    assert!(count(&dir) >= count(&copy));
    let (text, _) = output(&mut squall(&["inspect", &dir]));
    assert!(text.contains("words.made has come to"), "{text}");
    refused(&["view", &dir, "total"], 2, &["`total`", "counts.totals"]);
    let process = format!("in use by process {}", std::process::id());
    refused(&["reset", &dir], 2, &[&process]);
    running.stop();
    let _ = running.wait().unwrap();
    output(&mut squall(&["reset", &dir]));
}

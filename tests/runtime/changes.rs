//! A topology that was changed between two runs on the same data directory: what goes on,
//! and what is refused in words that name both sides.

use serde::{Deserialize, Serialize};
use squall::bolts::Map;
use squall::testing::{Collected, Events, Fault, Faults, SplitStep, TopologyTest};
use squall::{
    Bolt, DataDir, Epoch, Next, Out, Result, RunError, RunOptions, States, Table, Text, Timestamp,
    Topology, Tuple, Value, Word, secs, time::TimeDomain,
};

use crate::durable::{Total, Totals, Words, counted, memory, on, summed};

fn words(number: u64) -> Text {
    format!("w{}", number % 37).into()
}

/// Whether a run of a part ends here or goes on in another.
fn then(last: bool) -> Next {
    if last { Next::End } else { Next::Pause }
}

fn run(topology: Topology, dir: &DataDir) -> Result<(), String> {
    let test = TopologyTest::new(topology).options(on(dir));
    test.run().map(|_| ()).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(topology: Topology, dir: &DataDir, parts: &[&str]) {
    let error = run(topology, dir).unwrap_err();
    for part in parts {
        assert!(error.contains(part), "no {part} in {error}");
    }
}

/// What a bolt keeps of one kind, counting its tuples into it.
struct Keeps<S> {
    state: S,
    count: fn(&mut S, &Word),
    keep: fn(&mut S, &mut States<'_>),
}

impl<S: Send + 'static> Bolt for Keeps<S> {
    type Input = Word;
    type Output = Word;
    fn execute(&mut self, word: &Word, _: &mut Out<Word>) -> Result {
        (self.count)(&mut self.state, word);
        Ok(())
    }
    fn state(&mut self, states: &mut States<'_>) {
        (self.keep)(&mut self.state, states);
    }
}

fn value<V>(begin: V, count: fn(&mut Value<V>, &Word)) -> Keeps<Value<V>>
where
    V: Serialize + serde::de::DeserializeOwned + Send,
{
    Keeps {
        state: Value::new(begin),
        count,
        keep: |value, states| states.keep("kept", value),
    }
}

/// `words` by `word` to `kept`, so many tasks of it.
fn keeping<S: Send + 'static>(
    tasks: usize,
    make: impl Fn() -> Keeps<S> + Send + 'static,
) -> Topology {
    let topology = Topology::named("kept");
    let words = topology.spout("words", || Words::up_to(1_000, Next::Pause, words));
    topology
        .bolt("kept", make)
        .parallelism(tasks)
        .fields_grouping(&words, Word::WORD);
    topology
}

#[test]
fn a_value_of_each_task_keeps_the_number_of_tasks() {
    let dir = memory();
    let seen = || value(0_u64, |seen, _| **seen += 1);
    run(keeping(3, seen), &dir).unwrap();
    refused(
        keeping(2, seen),
        &dir,
        &["the parallelism", "`kept`", "3 tasks", "has 2 tasks"],
    );
    run(keeping(3, seen), &dir).unwrap();
}

#[test]
fn state_of_another_type_is_refused() {
    let dir = memory();
    run(keeping(2, || value(0_u64, |seen, _| **seen += 1)), &dir).unwrap();
    refused(
        keeping(2, || {
            value(String::new(), |seen, word| seen.push_str(&word.word))
        }),
        &dir,
        &["a value of u64", "a value of text"],
    );
    let table = || Keeps {
        state: Table::<Text, u64>::new(),
        count: |table, word| *table.entry(&word.word) += 1,
        keep: |table, states| states.keep("kept", table),
    };
    refused(
        keeping(2, table),
        &dir,
        &["a value of u64", "a table of text to u64"],
    );
}

/// What one version of a program keeps.
#[derive(Serialize, Deserialize, Clone, Default)]
struct Met {
    times: u64,
}

/// The same in the next version, under another name, and with one field more.
#[derive(Serialize, Deserialize, Clone, Default)]
struct Occurrences {
    times: u64,
    #[serde(default)]
    longest: u64,
}

#[test]
fn what_was_written_before_a_struct_is_renamed_is_read_after_it() {
    let dir = memory();
    let before = || Keeps {
        state: Table::<Text, Met>::new(),
        count: |table, word| table.entry(&word.word).times += 1,
        keep: |table, states| states.keep("kept", table),
    };
    run(keeping(2, before), &dir).unwrap();
    let after = || Keeps {
        state: Table::<Text, Occurrences>::new(),
        count: |table, word| table.entry(&word.word).times += 1,
        keep: |table, states| states.keep("kept", table),
    };
    // There is nothing more to read.
    run(keeping(3, after), &dir).unwrap();
    let views = dir.views().unwrap().read().unwrap();
    let kept = views.table::<Text, Occurrences>("kept", "kept").unwrap();
    let times = kept
        .iter()
        .unwrap()
        .map(|(_, kept)| kept.times)
        .sum::<u64>();
    assert_eq!(times, 1_000);
}

/// Totals of `words` up to `end`, under any grouping.
fn totals(
    end: u64,
    next: Next,
    tasks: usize,
    make: fn() -> Totals,
) -> (Topology, Collected<Total>) {
    let topology = Topology::named("totals");
    let words = topology.spout("words", move || Words::up_to(end, next, words));
    let totals = topology
        .bolt("totals", make)
        .parallelism(tasks)
        .shuffle_grouping(&words);
    let totals = Collected::of(&topology, "collected", &totals);
    (topology, totals)
}

#[test]
fn tables_that_can_be_merged_move_to_any_number_of_tasks() {
    let dir = memory();
    let merged = || Totals(Table::new().merged(|into, more| *into += more));
    for (part, tasks) in [4, 2, 1, 5, 3].into_iter().enumerate() {
        let end = 3_000 * (part as u64 + 1);
        let (topology, totals) = totals(end, then(part == 4), tasks, merged);
        run(topology, &dir).unwrap();
        let totals = summed(totals.take());
        if part == 4 {
            assert_eq!(totals, counted(end, words));
        } else {
            assert!(totals.is_empty());
        }
    }
}

#[test]
fn tables_that_cannot_be_merged_keep_the_number_of_tasks() {
    let dir = memory();
    let (before, _) = totals(1_000, Next::Pause, 4, Totals::default);
    run(before, &dir).unwrap();
    let (after, _) = totals(2_000, Next::End, 3, Totals::default);
    refused(after, &dir, &["`totals`", "4 tasks", "3 tasks"]);
}

#[derive(Tuple, Clone, Debug)]
struct Letters {
    first: Text,
    last: Text,
}

fn letters(word: &Word) -> Letters {
    let (first, last) = word.word.split_at(1);
    Letters {
        first: first.into(),
        last: last.into(),
    }
}

#[test]
fn another_grouping_key_is_refused() {
    let make = |by_first: bool| {
        let topology = Topology::named("grouped");
        let words = topology.spout("words", || Words::up_to(1_000, Next::Pause, words));
        let letters = topology
            .bolt("letters", || Map::new(|word: &Word| Ok(letters(word))))
            .shuffle_grouping(&words);
        let seen = || FirstAndLast(Table::new());
        let seen = topology.bolt("seen", seen).parallelism(2);
        if by_first {
            seen.fields_grouping(&letters, Letters::FIRST);
        } else {
            seen.fields_grouping(&letters, Letters::LAST);
        }
        topology
    };
    let dir = memory();
    run(make(false), &dir).unwrap();
    refused(
        make(true),
        &dir,
        &["the grouping of `seen`", "fields(last)", "fields(first)"],
    );
}

/// Counts by the last letters, whatever the tuples are grouped by.
struct FirstAndLast(Table<Text, u64>);
impl Bolt for FirstAndLast {
    type Input = Letters;
    type Output = Word;
    fn execute(&mut self, letters: &Letters, _: &mut Out<Word>) -> Result {
        *self.0.entry(&letters.last) += 1;
        Ok(())
    }
    fn state(&mut self, states: &mut States<'_>) {
        states.keep("seen", &mut self.0);
    }
}

/// Such a table would not move with its shards, and counts would be lost when the number of
/// tasks changes.
#[test]
fn a_table_by_another_key_than_the_grouping_is_an_error() {
    let topology = Topology::named("keys");
    let words = topology.spout("words", || Words::up_to(1_000, Next::End, words));
    let letters = topology
        .bolt("letters", || Map::new(|word: &Word| Ok(letters(word))))
        .shuffle_grouping(&words);
    topology
        .bolt("seen", || FirstAndLast(Table::new()))
        .parallelism(2)
        .fields_grouping(&letters, Letters::FIRST);
    let mut options = on(&memory());
    options.restarts.per_minute = 0;
    let error = topology.run(options).unwrap_err();
    assert!(matches!(error, RunError::Failed { .. }), "{error:?}");
    let error = error.to_string();
    assert!(error.starts_with("seen["), "{error}");
    assert!(
        error.contains("its state `seen` is keyed by another"),
        "{error}"
    );
}

/// `words` to `totals`, and to another bolt where it is wanted.
fn with_more(end: u64, last: bool, more: bool) -> (Topology, Collected<Total>) {
    let topology = Topology::named("more");
    let words = topology.spout("words", move || Words::up_to(end, then(last), words));
    let totals = topology
        .bolt("totals", Totals::default)
        .parallelism(2)
        .fields_grouping(&words, Word::WORD);
    if more {
        topology
            .bolt("others", Totals::default)
            .fields_grouping(&words, Word::WORD);
    }
    let totals = Collected::of(&topology, "collected", &totals);
    (topology, totals)
}

#[test]
fn a_component_may_come_and_not_go() {
    let dir = memory();
    run(with_more(1_000, false, false).0, &dir).unwrap();
    run(with_more(2_000, false, true).0, &dir).unwrap();
    refused(
        with_more(3_000, true, false).0,
        &dir,
        &["state of the component `others`", "--component others"],
    );
    let (topology, totals) = with_more(3_000, true, true);
    run(topology, &dir).unwrap();
    assert_eq!(summed(totals.take()), counted(3_000, words));
}

mod before {
    #[derive(Default, serde::Serialize, serde::Deserialize)]
    pub struct Seen {
        pub words: u64,
    }
}

/// What was kept before had one field.
#[derive(Default, Serialize, Deserialize)]
struct Seen {
    words: u64,
    #[serde(default)]
    bytes: u64,
}

#[test]
fn a_field_with_a_default_may_come() {
    let dir = memory();
    let count = || value(before::Seen::default(), |seen, _| seen.words += 1);
    run(keeping(1, count), &dir).unwrap();

    let topology = Topology::named("kept");
    let words = topology.spout("words", || Words::up_to(1_500, Next::End, words));
    let seen = topology
        .bolt("kept", || Told(Value::default()))
        .fields_grouping(&words, Word::WORD);
    let told = Collected::of(&topology, "told", &seen);
    run(topology, &dir).unwrap();
    let bytes = (1_000..1_500).map(|number| self::words(number).len());
    let bytes: usize = bytes.sum();
    let told: Vec<_> = told
        .take()
        .into_iter()
        .map(|told| told.word.to_string())
        .collect();
    assert_eq!(told, [format!("1500 words, {bytes} bytes")]);
}

/// Says at the end what it has seen.
struct Told(Value<Seen>);
impl Bolt for Told {
    type Input = Word;
    type Output = Word;
    fn execute(&mut self, word: &Word, _: &mut Out<Word>) -> Result {
        self.0.words += 1;
        self.0.bytes += word.word.len() as u64;
        Ok(())
    }
    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Word>) -> Result {
        if epoch.closes {
            let Seen { words, bytes } = &*self.0;
            let word = format!("{words} words, {bytes} bytes").into();
            out.emit(Word { word });
        }
        Ok(())
    }
    fn state(&mut self, states: &mut States<'_>) {
        states.keep("kept", &mut self.0);
    }
}

/// Within a run, over a crash, and over a stop.
#[test]
fn what_was_not_written_for_its_time_to_live_is_forgotten() {
    let script = |parts_taken: usize| {
        let word = |word: &str| SplitStep::Tuple(Timestamp::MIN, Word { word: word.into() });
        // In short waits: the one at hand is over when a run goes on.
        let wait = |seconds: usize| vec![SplitStep::Wait(secs(5)); seconds / 5];
        let parts = [
            vec![word("old"), word("kept")],
            wait(40),
            vec![word("kept"), word("young")],
            wait(40),
            vec![word("new")],
            wait(70),
            vec![word("last")],
        ];
        let script = parts.into_iter().take(parts_taken).flatten().collect();
        Events::splits(TimeDomain::Processing, vec![script])
    };
    let run = |script: Events<Word>, options: RunOptions| {
        let topology = Topology::named("forgets");
        let words = topology.spout("words", move || script.clone());
        let totals = topology
            .bolt("totals", || Totals(Table::new().time_to_live(secs(64))))
            .fields_grouping(&words, Word::WORD);
        let totals = Collected::of(&topology, "collected", &totals);
        let begin = Timestamp::from_millis(1_800_000_000_000);
        let test = TopologyTest::new(topology).options(options).begin_at(begin);
        test.run().unwrap();
        let names = summed(totals.take());
        names
            .into_iter()
            .map(|(word, total)| format!("{word} {total}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let plain = RunOptions::default();
    assert_eq!(run(script(4), plain.clone()), "kept 2, young 1");
    assert_eq!(run(script(5), plain.clone()), "kept 2, new 1, young 1");
    assert_eq!(run(script(7), plain), "last 1");
    for nth in [10, 1_000, 5_000] {
        let options = RunOptions {
            faults: Faults::none().at("bolt.epoch", nth, Fault::Kill),
            ..on(&memory())
        };
        assert_eq!(
            run(script(5), options.clone()),
            "kept 2, new 1, young 1",
            "{nth}"
        );
    }
    let dir = memory();
    let mut half = on(&dir);
    half.run_for = Some(secs(20));
    assert_eq!(run(script(5), half), "");
    assert_eq!(run(script(5), on(&dir)), "kept 2, new 1, young 1");
}

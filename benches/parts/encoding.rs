//! State as bytes.

use std::rc::Rc;
use std::sync::Arc;

use squall::{
    Bolt, DataDir, Next, Out, Result, RunOptions, Spout, SpoutOut, States, Table, Text, Topology,
    Word,
};

use crate::cases::Case;
use crate::words::vocabulary;

const ENTRIES: usize = 100_000;

/// Emits each word once.
struct Once {
    words: Arc<Vec<Text>>,
    next: usize,
}

impl Spout for Once {
    type Output = Word;

    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        let Some(word) = self.words.get(self.next) else {
            return Ok(Next::End);
        };
        self.next += 1;
        out.emit(Word { word: word.clone() });
        Ok(Next::More)
    }
}

/// Counts in a table that is kept.
#[derive(Default)]
struct Counts(Table<Text, u64>);

impl Bolt for Counts {
    type Input = Word;
    type Output = ();

    fn execute(&mut self, word: &Word, _: &mut Out<()>) -> Result {
        *self.0.entry(&word.word) += 1;
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("counts", &mut self.0);
    }
}

/// Counts each word once; how long the store took to write the commit with all of them.
fn commit(words: &Arc<Vec<Text>>) -> std::time::Duration {
    let topology = Topology::named("commit");
    let words = Arc::clone(words);
    let words = topology.spout("words", move || Once {
        words: Arc::clone(&words),
        next: 0,
    });
    let _ = topology
        .bolt("counts", Counts::default)
        .fields_grouping(&words, Word::WORD);
    let options = RunOptions {
        data_dir: Some(DataDir::in_memory().expect("a store in memory")),
        ..RunOptions::default()
    };
    let summary = topology.run(options);
    let stats = summary.expect("the topology runs to the end").stats;
    // There is one with everything, at the end.
    stats.commits.expect("a run with a store").p99
}

pub fn cases() -> Vec<Case> {
    let words = Arc::new(vocabulary(ENTRIES));
    let table: Vec<(Text, u64)> = (0..)
        .zip(words.iter())
        .map(|(n, w)| (w.clone(), n))
        .collect();
    let bytes = rmp_serde::to_vec(&table).expect("texts and numbers can be encoded");
    let table = Rc::new(table);
    vec![
        Case::of("`rmp_serde`, each entry written", ENTRIES, move || {
            rmp_serde::to_vec(&*table).expect("texts and numbers can be encoded")
        }),
        Case::of("`rmp_serde`, each entry read", ENTRIES, move || {
            let read: Vec<(Text, u64)> =
                rmp_serde::from_slice(&bytes).expect("what was encoded can be read");
            read
        }),
        Case::timed("a commit to memory, each entry of 100 k", move || {
            (commit(&words), ENTRIES)
        }),
    ]
}

//! The same by squall.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::connectors::files::{Outcome, Record, RecordReader, Source, Split};
use squall::connectors::{Files, JsonLines};
use squall::{
    Bolt, Context, Count, Epoch, Next, Out, Ranking, Result, RunOptions, Spout, SpoutOut, Text,
    Topology, Word,
};
use squall_topologies::rolling_top_words::{self, Length, Options, Shape};

use crate::text::Books;
use crate::{TOP, Top, Totals};

/// The topology of the command, with all that it has by default.
pub fn squall_run(books: &Books, split: Split) -> Top {
    ranked_in(|out| {
        let mut options = Options {
            window: Some(Length::All),
            ..Options::default()
        };
        options.words.input.input = Some(books.glob.clone());
        options.words.split = Some(split);
        options.shape.outputs.out = Some(out.to_owned());
        rolling_top_words::topology(&options).expect("the books can be read")
    })
}

/// Runs a topology that writes its ranking into a file; gives the ranking.
fn ranked_in(topology: impl FnOnce(&Path) -> Topology) -> Top {
    let folder = tempfile::tempdir().expect("there is a place for temporary files");
    let out = folder.path().join("out.ndjson");
    run(topology(&out));
    let lines = fs::read_to_string(&out).expect("the ranking was written");
    let last = lines.lines().last().expect("there is a ranking");
    let mut ranking: serde_json::Value = serde_json::from_str(last).expect("it is JSON");
    serde_json::from_value(ranking["ranking"].take()).expect("a word and its count each")
}

fn run(topology: Topology) {
    let summary = topology.run(RunOptions::default());
    assert!(summary.expect("the run ends well").input_ended);
}

/// The lines of all books.
pub struct InMemory(Arc<[String]>);

impl InMemory {
    pub fn load(books: &Books) -> Self {
        let texts = books.paths.iter().map(fs::read_to_string);
        let texts = texts.map(|text| text.expect("the books are UTF-8"));
        let lines = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        Self(lines.collect())
    }

    /// As many tasks as the command has, and the same bolts.
    pub fn run(&self, split: Split) -> Top {
        let Shape {
            spouts,
            counters,
            rankers,
            ..
        } = Shape::default();
        ranked_in(|out| {
            let topology = Topology::named("in-memory");
            let lines = Arc::clone(&self.0);
            let words = topology
                .spout("words", move || Lines {
                    lines: Arc::clone(&lines),
                    next: 0,
                    end: 0,
                    split,
                    scratch: String::new(),
                })
                .parallelism(spouts);
            let counts = topology
                .keyed("counts", || RollingCount::over_all().largest(TOP))
                .parallelism(counters)
                .fields_grouping(&words, Word::WORD);
            let rankings = topology
                .bolt("rankings", || Rank::<Text>::top(TOP))
                .parallelism(rankers)
                .fields_grouping(&counts, Count::KEY);
            let merged = topology
                .bolt("merged", || MergeRankings::<Text>::top(TOP).logged())
                .global_grouping(&rankings);
            let out = out.to_owned();
            let sink = topology.sink("out", move || JsonLines::<Ranking<Text>>::file(&out));
            let _ = sink.global_grouping(&merged);
            topology
        })
    }
}

/// Splits its share of the lines.
struct Lines {
    lines: Arc<[String]>,
    next: usize,
    end: usize,
    split: Split,
    scratch: String,
}

impl Spout for Lines {
    type Output = Word;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Word>) -> Result {
        let begin = |task| task * self.lines.len() / context.parallelism;
        (self.next, self.end) = (begin(context.task), begin(context.task + 1));
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        if self.next == self.end {
            return Ok(Next::End);
        }
        let line = &self.lines[self.next];
        self.next += 1;
        self.split.for_each_word(line, &mut self.scratch, |word| {
            out.emit(Word { word: word.into() });
        });
        Ok(Next::More)
    }
}

/// The file spout with one task, and one reader.
pub fn read_and_split(books: &Books, split: Split) -> Totals {
    let files = Files::at(&books.glob).expect("the books are there");
    let topology = Topology::named("read-and-split");
    let words = topology.spout("words", move || {
        let mut scratch = String::new();
        files.decode::<Word, _>(move |record, out| {
            split.for_each_word(record.text(), &mut scratch, |word| {
                out.emit(Word { word: word.into() });
            });
            Ok(())
        })
    });
    let totals: Arc<Mutex<Totals>> = Arc::default();
    let told = Arc::clone(&totals);
    let tally = topology.bolt("tally", move || Tally {
        totals: Totals::default(),
        told: Arc::clone(&told),
    });
    let _ = tally.global_grouping(&words);
    run(topology);
    *totals.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counts all words, and tells at each epoch how many.
struct Tally {
    totals: Totals,
    told: Arc<Mutex<Totals>>,
}

impl Bolt for Tally {
    type Input = Word;
    type Output = ();

    fn execute(&mut self, word: &Word, _: &mut Out<()>) -> Result {
        self.totals.add(&word.word);
        Ok(())
    }

    fn on_epoch(&mut self, _: &Epoch, _: &mut Out<()>) -> Result {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = self.totals;
        Ok(())
    }
}

/// What stands in front of the tuples.
pub fn no_topology(books: &Books, split: Split) -> Totals {
    let (mut record, mut scratch) = (Record::new(), String::new());
    let mut totals = Totals::default();
    for path in &books.paths {
        let source = Source::File(path.clone());
        let reader = RecordReader::open(&source, None, None);
        let mut reader = reader.expect("the books can be opened");
        while reader.next(&mut record).expect("the books can be read") == Outcome::Record {
            split.for_each_word(record.text(), &mut scratch, |word| totals.add(word));
        }
    }
    totals
}

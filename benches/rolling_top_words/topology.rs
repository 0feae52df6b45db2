//! The job as a topology.

use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::testing::Collected;
use squall::{
    Context, Next, Result, RunOptions, RunStats, Spout, SpoutOut, TimeDomain, Timestamp, Topology,
    Word, millis,
};

use crate::straightforward::Rankings;
use crate::words::{Reader, Words};
use crate::{SLIDE_MS, TASKS, TOP, WINDOW_MS};

/// Emits its share of the words.
struct WordSpout {
    words: &'static Words,
    repetitions: usize,
    reader: Reader<'static>,
}

impl WordSpout {
    fn new(words: &'static Words, repetitions: usize) -> Self {
        Self {
            words,
            repetitions,
            reader: Reader::new(words, 0, 1, 0),
        }
    }
}

impl Spout for WordSpout {
    type Output = Word;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Word>) -> Result {
        let (task, tasks) = (context.task, context.parallelism);
        self.reader = Reader::new(self.words, task, tasks, self.repetitions);
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        let Some((time, word)) = self.reader.next() else {
            return Ok(Next::End);
        };
        out.emit_at(Word { word: word.into() }, Timestamp::from_millis(time));
        Ok(Next::More)
    }

    fn domain(&self) -> TimeDomain {
        TimeDomain::Event
    }
}

/// Counts the words of all repetitions.
pub fn run(words: &'static Words, repetitions: usize) -> (Rankings, RunStats) {
    let topology = Topology::named("rolling-top-words");
    let spout = topology
        .spout("words", move || WordSpout::new(words, repetitions))
        .parallelism(TASKS);
    let counter = || {
        RollingCount::over(millis(WINDOW_MS as u64))
            .every(millis(SLIDE_MS as u64))
            .largest(TOP)
    };
    let counts = topology
        .keyed("counts", counter)
        .parallelism(TASKS)
        .fields_grouping(&spout, Word::WORD);
    let ranked = topology
        .bolt("rankings", || Rank::top(TOP))
        .fields_grouping(&counts, squall::Count::KEY);
    let merged = topology
        .bolt("merged", || MergeRankings::top(TOP))
        .global_grouping(&ranked);
    let rankings = Collected::of(&topology, "collected", &merged);
    let summary = topology.run(RunOptions::default());
    let summary = summary.expect("the topology runs to the end of its input");
    let rankings = rankings.take().into_iter();
    let rankings = rankings.map(|ranking| (ranking.window.end.millis(), ranking.entries));
    (rankings.collect(), summary.stats)
}

//! The job as a topology.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use cpu_time::ProcessTime;
use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::testing::Collected;
use squall::topology::When;
use squall::{
    Context, Next, Ranking, Result, RunOptions, Spout, SpoutOut, Text, Timestamp, Topology, Word,
    millis, run::RunStats, time::TimeDomain,
};

use crate::process::written_bytes;
use crate::straightforward::Rankings;
use crate::words::{Reader, Words};
use crate::{SLIDE_MS, TASKS, TOP, WINDOW_MS};

/// What the sources read.
#[derive(Clone)]
pub struct Input {
    pub words: &'static Words,
    /// Repetitions of the words before the measurement begins.
    pub warm: usize,
    /// Repetitions after that.
    pub repetitions: usize,
    /// Whether the input ends then; otherwise nothing more comes.
    pub ends: bool,
    pub meter: Meter,
}

/// What differs between the variants of the topology.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub counters: usize,
    pub batch_tuples: usize,
    /// When words are counted before they are sent.
    pub combine: When,
    /// When tasks run on the threads of those that they read.
    pub chain: When,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            counters: TASKS,
            batch_tuples: RunOptions::default().batch_tuples,
            combine: When::default(),
            chain: When::default(),
        }
    }
}

/// How far the sources have come; shared by them and whoever measures.
#[derive(Clone, Default)]
pub struct Meter(Arc<Mutex<Marks>>);

#[derive(Clone, Copy, Default)]
pub struct Marks {
    /// When the first source came to what is measured.
    pub begin: Option<Mark>,
    /// When the last source had read everything.
    pub end: Option<Mark>,
    /// How many sources have.
    pub ended: usize,
}

/// A moment, and what the process had used by then.
#[derive(Clone, Copy)]
pub struct Mark {
    pub clock: Instant,
    pub cpu: ProcessTime,
    pub written: Option<u64>,
}

impl Mark {
    fn now() -> Self {
        Self {
            clock: Instant::now(),
            cpu: ProcessTime::now(),
            written: written_bytes(),
        }
    }
}

impl Meter {
    pub fn marks(&self) -> Marks {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Marks> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many blocks of words the spout emits each time it is asked.
const BLOCKS: usize = 4;

/// Emits its share of the words.
struct WordSpout {
    input: Input,
    reader: Reader<'static>,
    /// What comes after that, where it is the measured part.
    measured: Option<Reader<'static>>,
    ended: bool,
}

impl WordSpout {
    fn new(input: Input) -> Self {
        let reader = Reader::new(input.words, 0, 1, 0);
        Self {
            input,
            reader,
            measured: None,
            ended: false,
        }
    }

    /// The reader has come to its end.
    #[cold]
    fn go_on(&mut self) -> Next {
        let mut marks = self.input.meter.lock();
        if let Some(measured) = self.measured.take() {
            self.reader = measured;
            marks.begin.get_or_insert_with(Mark::now);
            return Next::More;
        }
        if !self.ended {
            self.ended = true;
            marks.ended += 1;
            marks.end = Some(Mark::now());
        }
        if self.input.ends {
            Next::End
        } else {
            Next::Idle
        }
    }
}

impl Spout for WordSpout {
    type Output = Word;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Word>) -> Result {
        let Input {
            words,
            warm,
            repetitions,
            ..
        } = self.input;
        let reader = |repetitions| Reader::new(words, context.task, TASKS, repetitions);
        self.reader = reader(warm);
        self.measured = Some(reader(repetitions).later(warm));
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        for _ in 0..BLOCKS {
            let Some((words, runs)) = self.reader.texts() else {
                return Ok(self.go_on());
            };
            let words = words.map(|word| Word { word });
            let runs = runs.map(|(words, time)| (words, Timestamp::from_millis(time)));
            out.emit_runs(words, runs);
        }
        Ok(Next::More)
    }

    fn domain(&self) -> TimeDomain {
        TimeDomain::Event
    }
}

/// The topology, and where its rankings go.
pub fn topology(input: Input, config: Config) -> (Topology, Collected<Ranking<Text>>) {
    let topology = Topology::named("rolling-top-words");
    topology.combine(config.combine);
    topology.chain(config.chain);
    let spout = topology
        .spout("words", move || WordSpout::new(input.clone()))
        .parallelism(TASKS);
    let counter = || {
        RollingCount::over(millis(WINDOW_MS as u64))
            .every(millis(SLIDE_MS as u64))
            .largest(TOP)
    };
    let counts = topology
        .keyed("counts", counter)
        .parallelism(config.counters)
        .fields_grouping(&spout, Word::WORD);
    let ranked = topology
        .bolt("rankings", || Rank::top(TOP))
        .fields_grouping(&counts, squall::Count::KEY);
    let merged = topology
        .bolt("merged", || MergeRankings::top(TOP))
        .global_grouping(&ranked);
    let rankings = Collected::of(&topology, "collected", &merged);
    (topology, rankings)
}

/// What was collected, as it is compared.
pub fn taken(rankings: &Collected<Ranking<Text>>) -> Rankings {
    let rankings = rankings.take().into_iter();
    let rankings = rankings.map(|ranking| (ranking.window.end.millis(), ranking.entries));
    rankings.collect()
}

/// Runs the job to the end of its input.
pub fn run_with(input: Input, config: Config, options: RunOptions) -> (Rankings, RunStats) {
    let (topology, rankings) = topology(input, config);
    let options = RunOptions {
        batch_tuples: config.batch_tuples,
        ..options
    };
    let summary = topology.run(options);
    let summary = summary.expect("the topology runs to the end of its input");
    (taken(&rankings), summary.stats)
}

/// Counts the words of all repetitions, without a store.
pub fn run(words: &'static Words, repetitions: usize, config: Config) -> (Rankings, RunStats) {
    let input = Input {
        words,
        warm: 0,
        repetitions,
        ends: true,
        meter: Meter::default(),
    };
    run_with(input, config, RunOptions::default())
}

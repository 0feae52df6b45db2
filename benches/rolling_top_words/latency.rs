//! How long after a window's end its ranking comes, at a part of the highest speed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::{
    Context, Count, DataDir, Next, Ranking, Result, RunOptions, Sink, Spout, SpoutOut, Text,
    TimeDomain, Timestamp, Topology, Word, millis, secs,
};

use crate::words::{Reader, Words};
use crate::{TASKS, TOP};

/// What is measured.
pub struct Live {
    pub words: &'static Words,
    /// Words per second.
    pub rate: f64,
    pub window: Duration,
    pub slide: Duration,
    /// Windows that end before it are not measured.
    pub warm: Duration,
    /// How long the run takes in all.
    pub span: Duration,
    /// With a store in this directory, and a commit each second.
    pub data_dir: Option<DataDir>,
}

/// Without a store: windows of one second.
pub fn print(words: &'static Words, rate: f64) {
    let live = Live {
        words,
        rate,
        window: secs(1),
        slide: millis(100),
        warm: Duration::ZERO,
        span: secs(10),
        data_dir: None,
    };
    live.print();
}

/// How many words are emitted at a reading of the clock.
const PORTION: usize = 16;

/// Emits words that happen now, in milliseconds since `began`.
struct LiveWords {
    words: &'static Words,
    reader: Reader<'static>,
    began: Instant,
}

impl Spout for LiveWords {
    type Output = Word;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Word>) -> Result {
        let (task, tasks) = (context.task, context.parallelism);
        self.reader = Reader::new(self.words, task, tasks, usize::MAX);
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        let now = self.began.elapsed().as_millis();
        let now = Timestamp::from_millis(i64::try_from(now)?);
        for (_, word) in self.reader.by_ref().take(PORTION) {
            out.emit_at(Word { word: word.into() }, now);
        }
        Ok(Next::More)
    }

    fn domain(&self) -> TimeDomain {
        TimeDomain::Event
    }
}

/// Notes how long after its window's end each ranking comes.
struct Stopwatch {
    began: Instant,
    warm: Duration,
    /// Read when the run is over.
    delays: Arc<Mutex<Vec<Duration>>>,
}

impl Sink for Stopwatch {
    type Input = Ranking<Text>;

    fn write(&mut self, rankings: &[Ranking<Text>]) -> Result {
        let mut delays = self.delays.lock().map_err(|error| error.to_string())?;
        for ranking in rankings {
            let end = Duration::from_millis(u64::try_from(ranking.window.end.millis())?);
            if end >= self.warm {
                delays.push(self.began.elapsed().saturating_sub(end));
            }
        }
        Ok(())
    }
}

impl Live {
    /// Prints the time from a window's end to its ranking.
    pub fn print(self) {
        let Self {
            words,
            rate,
            window,
            slide,
            ..
        } = self;
        let began = Instant::now();
        let delays = Arc::new(Mutex::new(Vec::new()));
        let topology = Topology::named("live");
        let live = move || LiveWords {
            words,
            reader: Reader::new(words, 0, 1, 0),
            began,
        };
        let spout = topology.spout("words", live).parallelism(TASKS).rate(rate);
        let counter = move || RollingCount::over(window).every(slide).largest(TOP);
        let counts = topology
            .keyed("counts", counter)
            .parallelism(TASKS)
            .fields_grouping(&spout, Word::WORD);
        let ranked = topology
            .bolt("rankings", || Rank::top(TOP))
            .fields_grouping(&counts, Count::KEY);
        let merged = topology
            .bolt("merged", || MergeRankings::top(TOP))
            .global_grouping(&ranked);
        let (noted, warm) = (Arc::clone(&delays), self.warm);
        let stopwatch = move || Stopwatch {
            began,
            warm,
            delays: Arc::clone(&noted),
        };
        topology
            .sink("stopwatch", stopwatch)
            .global_grouping(&merged);
        let store = match &self.data_dir {
            Some(_) => "with a commit a second",
            None => "without a store",
        };
        let options = RunOptions {
            run_for: Some(self.span),
            data_dir: self.data_dir,
            ..RunOptions::default()
        };
        let stats = topology.run(options).expect("the topology runs").stats;
        let mut delays = delays.lock().expect("the sink does not panic").split_off(0);
        delays.sort_unstable();
        let at = |hundredths: usize| {
            let rank = (delays.len().saturating_sub(1)) * hundredths / 100;
            delays
                .get(rank)
                .map_or(f64::NAN, |delay| delay.as_secs_f64() * 1e3)
        };
        println!(
            "from a window's end to its ranking, {window:?} sliding by {slide:?}, top {TOP}, {store}, \
             at {:.1} M words/s ({:.1} reached): p50 {:.1} ms, p99 {:.1} ms, most {:.1} ms \
             ({} rankings)",
            rate / 1e6,
            stats.tuples_per_second() / 1e6,
            at(50),
            at(99),
            at(100),
            delays.len(),
        );
        if let Some(commits) = stats.commits {
            println!(
                "  its {} commits: p50 {:.0} ms, p99 {:.0} ms",
                commits.commits,
                commits.p50.as_secs_f64() * 1e3,
                commits.p99.as_secs_f64() * 1e3,
            );
        }
    }
}

//! How long after a window's end its ranking comes, at a part of the highest speed; and how
//! long after its emission a word is counted, at a low rate.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::{
    Bolt, Context, Count, DataDir, Next, Out, Ranking, Result, RunOptions, Sink, Spout, SpoutOut,
    Text, Timestamp, Topology, Tuple, Word, millis, secs, time::TimeDomain,
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
        let delays = Delays::take(&delays);
        println!(
            "from a window's end to its ranking, {window:?} sliding by {slide:?}, top {TOP}, {store}, \
             at {:.1} M words/s ({:.1} reached): {} \
             ({} rankings)",
            rate / 1e6,
            stats.tuples_per_second() / 1e6,
            delays.summary(),
            delays.0.len(),
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

/// Delays in ascending order.
struct Delays(Vec<Duration>);

impl Delays {
    /// What was noted.
    fn take(noted: &Mutex<Vec<Duration>>) -> Self {
        let mut delays = noted.lock().expect("no task panics").split_off(0);
        delays.sort_unstable();
        Self(delays)
    }

    fn at_ms(&self, hundredths: usize) -> f64 {
        let rank = self.0.len().saturating_sub(1) * hundredths / 100;
        let delay = self.0.get(rank);
        delay.map_or(f64::NAN, |delay| delay.as_secs_f64() * 1e3)
    }

    fn summary(&self) -> String {
        let [half, most, all] = [50, 99, 100].map(|hundredths| self.at_ms(hundredths));
        format!("p50 {half:.1} ms, p99 {most:.1} ms, most {all:.1} ms")
    }
}

/// Words a second that are far from any limit: what is measured is how long they wait.
const LOW_RATE: f64 = 10_000.0;

/// A word with the time of its emission.
#[derive(Tuple, Clone, Debug)]
struct Emitted {
    word: Text,
    /// In nanoseconds since the run began.
    nanos: u64,
}

/// Emits one word at each reading of the clock.
struct EmittedWords {
    reader: Reader<'static>,
    began: Instant,
}

impl Spout for EmittedWords {
    type Output = Emitted;

    fn next(&mut self, out: &mut SpoutOut<Emitted>) -> Result<Next> {
        let Some((_, word)) = self.reader.next() else {
            return Ok(Next::End);
        };
        let nanos = u64::try_from(self.began.elapsed().as_nanos())?;
        let word = word.into();
        out.emit(Emitted { word, nanos });
        Ok(Next::More)
    }
}

/// Stands where words are counted, and notes how long each was on its way.
struct Arrivals {
    began: Instant,
    delays: Arc<Mutex<Vec<Duration>>>,
}

impl Bolt for Arrivals {
    type Input = Emitted;
    type Output = ();

    fn execute(&mut self, emitted: &Emitted, _: &mut Out<()>) -> Result {
        let emitted = Duration::from_nanos(emitted.nanos);
        let delay = self.began.elapsed().saturating_sub(emitted);
        let mut delays = self.delays.lock().map_err(|error| error.to_string())?;
        delays.push(delay);
        Ok(())
    }
}

/// Prints the time from a word's emission to its being counted.
pub fn print_of_words(words: &'static Words) {
    let began = Instant::now();
    let delays = Arc::new(Mutex::new(Vec::new()));
    let topology = Topology::named("arrivals");
    let emitted = move || EmittedWords {
        reader: Reader::new(words, 0, 1, usize::MAX),
        began,
    };
    let spout = topology.spout("words", emitted);
    let spout = spout.parallelism(TASKS).rate(LOW_RATE);
    let noted = Arc::clone(&delays);
    let arrivals = move || Arrivals {
        began,
        delays: Arc::clone(&noted),
    };
    let _ = topology
        .bolt("arrivals", arrivals)
        .parallelism(TASKS)
        .fields_grouping(&spout, Emitted::WORD);
    let options = RunOptions {
        run_for: Some(secs(5)),
        ..RunOptions::default()
    };
    topology.run(options).expect("the topology runs");
    let delays = Delays::take(&delays);
    println!(
        "from a word's emission to its being counted, at {LOW_RATE:.0} words/s: {} ({} words)",
        delays.summary(),
        delays.0.len()
    );
}

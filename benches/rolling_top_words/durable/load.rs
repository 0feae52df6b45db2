//! The speed under full load.

use std::time::Duration;

use squall::{DataDir, RunOptions, millis, run::CommitStats, secs};

use super::{Arguments, directory};
use crate::process;
use crate::spread;
use crate::straightforward::Answer;
use crate::topology::{Config, Input, Marks, Meter, run_with};
use crate::words::Words;

/// How a run keeps its state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Store {
    None,
    EachSecond,
    EachTenth,
}

impl Store {
    const ALL: [Self; 3] = [Self::None, Self::EachSecond, Self::EachTenth];

    /// The runs of a round.
    const ROUND: [Self; 4] = [Self::None, Self::EachSecond, Self::EachTenth, Self::None];

    fn name(self) -> &'static str {
        match self {
            Self::None => "no store",
            Self::EachSecond => "commit 1 s",
            Self::EachTenth => "commit 100 ms",
        }
    }

    fn commit(self) -> Option<Duration> {
        match self {
            Self::None => None,
            Self::EachSecond => Some(secs(1)),
            Self::EachTenth => Some(millis(100)),
        }
    }
}

/// What was measured of one run.
struct Run {
    store: Store,
    /// The measured part.
    seconds: f64,
    words_per_second: f64,
    cpu_nanos_per_word: f64,
    /// Of the measured part.
    written: Option<u64>,
    before_mib: u64,
    peak_mib: u64,
    /// Of the whole run.
    commits: Option<CommitStats>,
}

/// One job with all of its runs.
pub struct Load<'a> {
    pub keys: String,
    pub words: &'static Words,
    answer: &'a Answer,
    runs: Vec<Run>,
}

impl<'a> Load<'a> {
    pub fn new(keys: String, words: &'static Words, answer: &'a Answer) -> Self {
        Self {
            keys,
            words,
            answer,
            runs: Vec::new(),
        }
    }

    /// Runs the rounds.
    pub fn measure(&mut self, arguments: &Arguments) {
        // A first run, not counted, says how many repetitions a round needs.
        let first = self.run(Store::None, 1);
        let repetitions = (arguments.seconds / first.seconds).ceil().max(1.0) as usize;
        println!(
            "durability, {} keys: {} words, then {} measured, {} rounds",
            self.keys,
            self.words.len(),
            repetitions * self.words.len(),
            arguments.rounds
        );
        for round in 1..=arguments.rounds {
            let runs = Store::ROUND.map(|store| self.run(store, repetitions));
            let speeds = runs.iter().map(|run| {
                let (store, speed) = (run.store.name(), run.words_per_second / 1e6);
                format!("{store} {speed:.2}")
            });
            let speeds: Vec<_> = speeds.collect();
            println!("round {round}: {} M words/s", speeds.join(", "));
            self.runs.extend(runs);
        }
    }

    /// Reads the words once to fill the window, then so many times.
    fn run(&self, store: Store, repetitions: usize) -> Run {
        let dir = store.commit().map(|_| directory());
        let meter = Meter::default();
        let input = Input {
            words: self.words,
            warm: 1,
            repetitions,
            ends: true,
            meter: meter.clone(),
        };
        let options = RunOptions {
            data_dir: dir.as_ref().map(DataDir::at),
            commit: store.commit().unwrap_or(secs(1)),
            ..RunOptions::default()
        };
        process::reset_peak();
        let before = process::resident_mib();
        let (rankings, stats) = run_with(input, Config::default(), options);
        let peak = process::peak_mib();
        self.answer.check(store.name(), repetitions + 1, &rankings);
        let Marks {
            begin: Some(begin),
            end: Some(end),
            ..
        } = meter.marks()
        else {
            panic!("the sources have read everything");
        };
        let words = (repetitions * self.words.len()) as f64;
        let seconds = (end.clock - begin.clock).as_secs_f64();
        let cpu = end.cpu.duration_since(begin.cpu);
        Run {
            store,
            seconds,
            words_per_second: words / seconds,
            cpu_nanos_per_word: cpu.as_secs_f64() * 1e9 / words,
            written: end
                .written
                .zip(begin.written)
                .map(|(end, begin)| end - begin),
            before_mib: before.unwrap_or(0),
            peak_mib: peak.unwrap_or(0),
            commits: stats.commits,
        }
    }

    fn of(&self, store: Store) -> impl Iterator<Item = &Run> {
        self.runs.iter().filter(move |run| run.store == store)
    }

    fn median(&self, store: Store, value: impl Fn(&Run) -> f64) -> f64 {
        spread(&self.of(store).map(value).collect::<Vec<_>>()).1
    }

    /// The median speed, in words per second.
    pub fn speed(&self, store: Store) -> f64 {
        self.median(store, |run| run.words_per_second)
    }

    /// Prints each configuration, and the ratios.
    pub fn print(&self) {
        for store in Store::ALL {
            self.print_one(store);
        }
        let volatile = self.speed(Store::None);
        let keys = &self.keys;
        for (store, name) in [
            (Store::EachTenth, "durable-100ms/volatile"),
            (Store::EachSecond, "durable/volatile"),
        ] {
            let cpu = |store| self.median(store, |run| run.cpu_nanos_per_word);
            println!(
                "ratio {name}-{keys} {:.2}, by processor time {:.2}",
                self.speed(store) / volatile,
                cpu(Store::None) / cpu(store)
            );
        }
    }

    fn print_one(&self, store: Store) {
        let speeds: Vec<_> = self.of(store).map(|run| run.words_per_second).collect();
        let (least, median, most) = spread(&speeds);
        let seconds: f64 = self.of(store).map(|run| run.seconds).sum();
        println!(
            "{} keys, {:<13} {:>6.2} M words/s (min {:.2}, max {:.2}; {seconds:.0} s), {:.1} ns of \
             processor time a word; resident {:.0} MiB before, {:.0} at most",
            self.keys,
            store.name(),
            median / 1e6,
            least / 1e6,
            most / 1e6,
            self.median(store, |run| run.cpu_nanos_per_word),
            self.median(store, |run| run.before_mib as f64),
            self.median(store, |run| run.peak_mib as f64),
        );
        if store == Store::None {
            return;
        }
        let commits = |value: fn(&CommitStats) -> f64| {
            self.median(store, |run| run.commits.as_ref().map_or(f64::NAN, value))
        };
        println!(
            "  {:.0} commits of {:.2} MB each, p50 {:.0} ms, p99 {:.0} ms; {:.1} MB/s to the disk",
            commits(|commits| commits.commits as f64),
            commits(|commits| commits.bytes as f64 / 1e6 / commits.commits.max(1) as f64),
            commits(|commits| commits.p50.as_secs_f64() * 1e3),
            commits(|commits| commits.p99.as_secs_f64() * 1e3),
            self.median(store, |run| {
                run.written.map_or(f64::NAN, |bytes| bytes as f64 / 1e6) / run.seconds
            }),
        );
    }
}

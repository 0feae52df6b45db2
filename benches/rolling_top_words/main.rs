//! The main job, measured: the top 100 of ten million words in windows of 60 s that slide by
//! 10 s, by squall and by a hand-written program for the same two sources and two counters.
//!
//! `cargo bench -p squall-bench --bench rolling_top_words -- [--rounds N] [--seconds N]
//! [--words N] [--speed-only] [--durable-only] [--keys N]`: 5 rounds, each long enough that
//! the faster program runs for 5 s. At the end the job with a store beside the same without:
//! 3 rounds of 7 s, with 100 thousand different words and with 10 million.
//! Every ranking of every round is compared with a straightforward answer. Nothing is
//! asserted about time.
// Numbers of words, milliseconds and panes are far within the types' ranges.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod durable;
mod epochs;
mod hand_written;
mod latency;
mod process;
mod straightforward;
mod topology;
mod words;

use std::time::Duration;

use process::timed;
use squall::millis;
use straightforward::Answer;
use words::Words;

/// Both programs on the allocator that the command uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WINDOW_MS: i64 = 60_000;
const SLIDE_MS: i64 = 10_000;
const TOP: usize = 100;

/// Two sources and two counters.
const TASKS: usize = 2;

/// The words of a message.
const BATCH: usize = 1_024;

struct Arguments {
    rounds: Option<usize>,
    seconds: Option<f64>,
    words: usize,
    /// The different words of the larger job with a store.
    keys: usize,
    /// Leaves epochs, latency and durability out; of durability all but the speed.
    speed_only: bool,
    /// Leaves all out but durability.
    durable_only: bool,
}

impl Arguments {
    fn read() -> Self {
        let mut arguments = Self {
            rounds: None,
            seconds: None,
            words: 10_000_000,
            keys: 10_000_000,
            speed_only: false,
            durable_only: false,
        };
        let mut given = std::env::args().skip(1);
        while let Some(name) = given.next() {
            let mut number = || -> f64 {
                let value = given.next().and_then(|value| value.parse().ok());
                value.unwrap_or_else(|| panic!("{name} needs a number"))
            };
            match name.as_str() {
                "--rounds" => arguments.rounds = Some((number() as usize).max(1)),
                "--seconds" => arguments.seconds = Some(number()),
                "--words" => arguments.words = number() as usize,
                "--keys" => arguments.keys = number() as usize,
                "--durable-only" => arguments.durable_only = true,
                "--speed-only" => arguments.speed_only = true,
                // Cargo says so.
                "--bench" => {}
                _ => panic!(
                    "{name}: give --rounds, --seconds, --words, --keys, --speed-only or \
                     --durable-only"
                ),
            }
        }
        // A repetition spans whole slides (three of them are half a million words) and at
        // least one window.
        arguments.words = arguments.words.next_multiple_of(500_000).max(1_000_000);
        arguments.keys = arguments.keys.max(10_000);
        arguments
    }
}

/// What one program did in all rounds.
struct Record {
    name: &'static str,
    words_per_second: Vec<f64>,
    cpu_nanos_per_word: Vec<f64>,
}

impl Record {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            words_per_second: Vec::new(),
            cpu_nanos_per_word: Vec::new(),
        }
    }

    fn add(&mut self, words: usize, clock: Duration, cpu: Duration) {
        let words = words as f64;
        self.words_per_second.push(words / clock.as_secs_f64());
        self.cpu_nanos_per_word
            .push(cpu.as_secs_f64() * 1e9 / words);
    }

    fn print(&self) {
        let (least, median, most) = spread(&self.words_per_second);
        let (_, cpu, _) = spread(&self.cpu_nanos_per_word);
        println!(
            "{:<13} {:>6.1} M words/s (min {:.1}, max {:.1}), {cpu:>5.1} ns of processor time a word",
            self.name,
            median / 1e6,
            least / 1e6,
            most / 1e6,
        );
    }
}

/// Least, median and greatest.
fn spread(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    };
    (sorted[0], median, sorted[sorted.len() - 1])
}

fn main() {
    let arguments = Arguments::read();
    // The threads of the topology keep a reference until the process ends.
    let words: &'static Words = Box::leak(Box::new(Words::generate(arguments.words)));
    let answer = Answer::count(words);
    if !arguments.durable_only {
        against_hand_written(words, &answer, &arguments);
    }
    if !arguments.speed_only || arguments.durable_only {
        let arguments = durable::Arguments {
            rounds: arguments.rounds.unwrap_or(3),
            seconds: arguments.seconds.unwrap_or(7.0),
            keys: arguments.keys,
            speed_only: arguments.speed_only,
        };
        durable::print(words, &answer, &arguments);
    }
}

/// Both programs in turn; then what epochs cost, and the delay of rankings.
fn against_hand_written(words: &'static Words, answer: &Answer, arguments: &Arguments) {
    let rounds = arguments.rounds.unwrap_or(5);
    // A first round, not counted, says how many repetitions a round needs.
    let (rankings, first, _) = timed(|| hand_written::run(words, 1));
    answer.check("hand-written", 1, &rankings);
    let (rankings, _) = topology::run(words, 1);
    answer.check("squall", 1, &rankings);
    println!(
        "{} words, {} rankings compared for each program",
        words.len(),
        answer.windows(1)
    );
    let repetitions = (arguments.seconds.unwrap_or(5.0) * 1.1 / first.as_secs_f64())
        .ceil()
        .max(1.0) as usize;
    let words_a_round = repetitions * words.len();
    println!(
        "{} rounds of {repetitions} repetitions: {} rankings each",
        rounds,
        answer.windows(repetitions)
    );

    let (mut hand_written, mut squall) = (Record::new("hand-written"), Record::new("squall"));
    let mut memory = None;
    let mut last_stats = None;
    for round in 1..=rounds {
        let (rankings, clock, cpu) = timed(|| hand_written::run(words, repetitions));
        hand_written.add(words_a_round, clock, cpu);
        answer.check("hand-written", repetitions, &rankings);

        process::reset_peak();
        let before = process::resident_mib();
        let ((rankings, stats), clock, cpu) = timed(|| topology::run(words, repetitions));
        memory = before.zip(process::peak_mib());
        squall.add(words_a_round, clock, cpu);
        answer.check("squall", repetitions, &rankings);
        last_stats = Some(stats);
        println!(
            "round {round}: hand-written {:.1}, squall {:.1} M words/s",
            hand_written.words_per_second[round - 1] / 1e6,
            squall.words_per_second[round - 1] / 1e6
        );
    }

    if let Some(stats) = last_stats {
        println!("{stats}");
    }
    if let Some((before, peak)) = memory {
        println!(
            "resident memory in the last round of squall: {before} MiB before, {peak} MiB at most"
        );
    }
    let (_, squall_speed, _) = spread(&squall.words_per_second);
    if !arguments.speed_only {
        epochs::print();
        latency::print(words, 0.8 * squall_speed);
    }
    hand_written.print();
    squall.print();
    let (_, hand_written_speed, _) = spread(&hand_written.words_per_second);
    println!(
        "ratio squall/hand-written {:.2}",
        squall_speed / hand_written_speed
    );
}

//! What durability costs: the job with a store beside the same without one.

mod load;
mod recovery;

use std::time::Duration;

use squall::{DataDir, millis, secs};
use tempfile::TempDir;

use crate::latency::Live;
use crate::straightforward::Answer;
use crate::words::Words;
use load::{Load, Store};

pub struct Arguments {
    pub rounds: usize,
    /// How long the measured part of a round is to take.
    pub seconds: f64,
    /// How many different words there are in the larger job.
    pub keys: usize,
    /// Leaves restoring and latency out.
    pub speed_only: bool,
}

/// Prints everything; the ratios come last.
pub fn print(words: &'static Words, answer: &Answer, arguments: &Arguments) {
    let mut few = Load::new(name(crate::words::VOCABULARY), words, answer);
    few.measure(arguments);
    let words = Box::leak(Box::new(Words::of_all(arguments.keys)));
    let answer = Answer::count(words);
    let mut many = Load::new(name(arguments.keys), words, &answer);
    many.measure(arguments);
    if !arguments.speed_only {
        recovery::print(arguments.keys / 10);
        recovery::print_of(words, &answer, arguments.keys);
        latency(&few, secs(1), millis(100), secs(10));
        // So long that all of the words are within a window.
        let all = arguments.keys as f64 / (0.4 * many.speed(Store::EachSecond));
        let all = secs(all.ceil() as u64);
        latency(&many, all, millis(500), secs(20));
    }
    few.print();
    many.print();
}

/// Prints the delay of rankings at a part of the highest speed, with a store and without.
fn latency(load: &Load<'_>, window: Duration, slide: Duration, measured: Duration) {
    let rate = 0.8 * load.speed(Store::EachSecond);
    println!("{} keys:", load.keys);
    for dir in [None, Some(directory())] {
        let live = Live {
            words: load.words,
            rate,
            window,
            slide,
            warm: window + secs(5),
            span: window + secs(5) + measured,
            data_dir: dir.as_ref().map(DataDir::at),
        };
        live.print();
    }
}

/// `100k`, `10M`.
fn name(keys: usize) -> String {
    if keys.is_multiple_of(1_000_000) {
        format!("{}M", keys / 1_000_000)
    } else {
        format!("{}k", keys / 1_000)
    }
}

/// A new directory beside what is built: the one for temporary files may be in memory.
fn directory() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory for the store")
}

//! How long it takes to go on from what is stored.

use std::time::Instant;

use squall::{DataDir, RunOptions};

use super::{directory, name};
use crate::process;
use crate::straightforward::Answer;
use crate::topology::{Config, Input, Meter, taken, topology};
use crate::words::Words;
use crate::{TASKS, millis};

/// How often the same state is restored, each time from a store that was filled anew.
const TIMES: usize = 2;

/// Prints the time to restore so many keys.
pub fn print(keys: usize) {
    let words = Box::leak(Box::new(Words::of_all(keys)));
    let answer = Answer::count(words);
    print_of(words, &answer, keys);
}

/// As [`print`], of words that are there already.
pub fn print_of(words: &'static Words, answer: &Answer, keys: usize) {
    for _ in 0..TIMES {
        restore(words, answer, keys);
    }
}

/// Fills a store with one window, stops, and goes on with the end of the input.
fn restore(words: &'static Words, answer: &Answer, keys: usize) {
    let dir = directory();
    let options = || RunOptions {
        data_dir: Some(DataDir::at(&dir)),
        ..RunOptions::default()
    };
    let input = |repetitions, ends| Input {
        words,
        warm: 0,
        repetitions,
        ends,
        meter: Meter::default(),
    };

    let first = input(1, false);
    let meter = first.meter.clone();
    let (filling, rankings) = topology(first, Config::default());
    let running = filling.start(options()).expect("the topology starts");
    let read = || meter.marks().ended == TASKS;
    while !read() && !running.ends_within(millis(10)) {}
    running.stop();
    running.wait().expect("the topology stops");
    let mut collected = taken(&rankings);
    let file = dir.path().join("store.redb").metadata();
    let megabytes = file.map_or(f64::NAN, |file| file.len() as f64 / 1e6);

    let second = input(0, true);
    let meter = second.meter.clone();
    let (going_on, rankings) = topology(second, Config::default());
    process::reset_peak();
    let before = process::resident_mib();
    let began = Instant::now();
    let running = going_on
        .start(options())
        .expect("the topology starts again");
    let started = began.elapsed();
    let peak = process::peak_mib();
    running.wait().expect("the topology goes on");
    let marks = meter.marks();
    let asked = marks.begin.map_or(started, |mark| mark.clock - began);
    collected.extend(taken(&rankings));
    answer.check("restored", 1, &collected);
    println!(
        "restored {} keys from a file of {megabytes:.0} MB: started in {:.2} s, a source asked for \
         its first word after {:.2} s; resident {} MiB before, {} at most",
        name(keys),
        started.as_secs_f64(),
        asked.as_secs_f64(),
        before.unwrap_or(0),
        peak.unwrap_or(0),
    );
}

//! The main job by one dimension at a time, each row beside its limit: what a program that was
//! written for just this row takes.
//!
//! `cargo bench -p squall-bench --bench scale -- [--rows NAME] [--seconds N] [--uncombined]`:
//! a Markdown table with the rows of `tasks`, `keys`, `key-bytes`, `fields`, `panes`, `top` and
//! `epoch`, or of one of them. What is not varied is 2 spouts and 2 counters, 100 thousand words
//! of 7 bytes on average, tuples of 1 field, windows of 60 s (a million words) that slide by 10 s,
//! the top 100, and epochs of 100 ms. Each program runs for 3 s a row, in three parts; the parts
//! of the programs take turns, and medians are printed. Every ranking of every part is compared.
//! With `--uncombined` spouts send every tuple.
//!
//! The limit on one thread reads, counts and ranks; of the tuple it makes only the word. For the
//! number of tasks there is one on two threads, too. Nothing is asserted about time.
// Numbers of words, milliseconds and panes are far within the types' ranges.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod answer;
mod input;
mod job;
mod limit;
mod rows;

use std::time::Instant;

use cpu_time::ProcessTime;
use squall::topology::When;

use answer::Answer;
use input::Input;
use rows::{DIMENSIONS, Row, rows_of};

/// All programs on the allocator that the command uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WINDOW_MS: i64 = 60_000;

/// The parts in which each program runs.
const PARTS: usize = 3;

struct Arguments {
    dimensions: Vec<&'static str>,
    /// For each program and row.
    seconds: f64,
    combine: When,
}

impl Arguments {
    fn read() -> Self {
        let mut arguments = Self {
            dimensions: DIMENSIONS.to_vec(),
            seconds: 3.0,
            combine: When::Pays,
        };
        let mut given = std::env::args().skip(1);
        while let Some(name) = given.next() {
            match name.as_str() {
                "--rows" => arguments.dimensions = vec![dimension(given.next())],
                "--seconds" => {
                    let seconds = given.next().and_then(|value| value.parse().ok());
                    arguments.seconds = seconds.expect("--seconds needs a number");
                }
                "--uncombined" => arguments.combine = When::Never,
                // Cargo says so.
                "--bench" => {}
                _ => panic!("{name}: give --rows, --seconds or --uncombined"),
            }
        }
        arguments
    }
}

fn dimension(name: Option<String>) -> &'static str {
    let name = name.unwrap_or_default();
    let known = DIMENSIONS.into_iter().find(|known| *known == name);
    known.unwrap_or_else(|| panic!("--rows needs one of {}", DIMENSIONS.join(", ")))
}

/// A program, and what it took in each part.
struct Program {
    run: Box<dyn Fn(usize) -> Vec<Answer>>,
    words_per_second: Vec<f64>,
    cpu_nanos: Vec<f64>,
}

impl Program {
    fn new(run: impl Fn(usize) -> Vec<Answer> + 'static) -> Self {
        Self {
            run: Box::new(run),
            words_per_second: Vec::new(),
            cpu_nanos: Vec::new(),
        }
    }

    /// Runs a part of so many words.
    fn measure(&mut self, repetitions: usize, words: usize) -> Vec<Answer> {
        let (clock, cpu) = (Instant::now(), ProcessTime::now());
        let answers = (self.run)(repetitions);
        let (clock, cpu) = (clock.elapsed(), cpu.elapsed());
        self.words_per_second
            .push(words as f64 / clock.as_secs_f64());
        self.cpu_nanos.push(cpu.as_secs_f64() * 1e9 / words as f64);
        answers
    }

    fn speed(&self) -> f64 {
        median(&self.words_per_second)
    }

    fn cpu(&self) -> f64 {
        median(&self.cpu_nanos)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// squall, the limit on one thread, and that on two where there is one.
fn programs(row: &Row, input: &'static Input, combine: When) -> Vec<Program> {
    let (squall, one, two) = (row.clone(), row.clone(), row.clone());
    let mut programs = vec![
        Program::new(move |repetitions| job::run(input, &squall, repetitions, combine)),
        Program::new(move |repetitions| limit::one_thread(input, &one, repetitions)),
    ];
    if row.dimension == "tasks" {
        programs.push(Program::new(move |repetitions| {
            limit::two_threads(input, &two, repetitions)
        }));
    }
    programs
}

/// Measures a row, and prints it.
fn print(row: &Row, input: &'static Input, arguments: &Arguments) {
    let mut programs = programs(row, input, arguments.combine);
    // A first part, not counted, says how many repetitions the others need.
    programs[0].measure(1, input.len());
    let repetitions = arguments.seconds / PARTS as f64 * programs[0].speed();
    let repetitions = (repetitions / input.len() as f64).ceil().max(1.0) as usize;
    for program in &mut programs {
        program.words_per_second.clear();
        program.cpu_nanos.clear();
    }
    for _ in 0..PARTS {
        let mut expected: Option<Vec<Answer>> = None;
        for program in &mut programs {
            let answers = program.measure(repetitions, repetitions * input.len());
            let expected = expected.get_or_insert_with(|| answers.clone());
            assert_eq!(&answers, expected, "{} {}", row.dimension, row.value);
        }
    }
    let cell = |program: &Program| {
        let (speed, cpu) = (program.speed() / 1e6, program.cpu());
        format!("{speed:.1} | {cpu:.1}")
    };
    let (squall, one) = (&programs[0], &programs[1]);
    println!(
        "| {} | {} | {} | {} | {} | {:.2} | {:.2} |",
        row.dimension,
        row.value,
        cell(squall),
        cell(one),
        programs.get(2).map_or("- | -".to_owned(), cell),
        squall.speed() / one.speed(),
        one.cpu() / squall.cpu(),
    );
}

fn main() {
    let arguments = Arguments::read();
    println!(
        "| varied | value | squall, M words/s | ns a word | one thread, M words/s | ns a word \
         | two threads, M words/s | ns a word | squall/one thread, by speed | by processor time |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut inputs: Vec<((usize, Option<usize>), &'static Input)> = Vec::new();
    for row in arguments.dimensions.iter().flat_map(|name| rows_of(name)) {
        let of = (row.keys, row.key_bytes);
        let known = inputs.iter().find(|(known, _)| *known == of);
        let input = known.map_or_else(
            // The threads of the topology keep a reference until the process ends.
            || &*Box::leak(Box::new(Input::generate(row.keys, row.key_bytes))),
            |(_, input)| *input,
        );
        if known.is_none() {
            inputs.push((of, input));
        }
        print(&row, input, &arguments);
    }
}

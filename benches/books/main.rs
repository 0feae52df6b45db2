//! What a newcomer gets: the words of some books, counted by `squall run rolling-top-words
//! --input 'books/*.md' --window all` with the options that it has by default.
//!
//! `cargo bench -p squall-bench --bench books -- [--rounds N]`: 9 rounds. In each round, one
//! after the other:
//!
//! | name | what it does |
//! |---|---|
//! | `squall-run` | the topology that the command runs, made by the same function |
//! | `in-memory` | the same topology with a spout over lines that are in memory |
//! | `read-and-split` | the file spout to its end, with one reader that counts tuples |
//! | `no-topology` | its reader and its splitter, called in a loop |
//! | `hand-written` | one thread that reads, splits, counts and sorts |
//!
//! Every answer of every round is compared. Nothing is asserted about time.
// Numbers of words and bytes are far within the types' ranges.
#![allow(clippy::cast_precision_loss)]

mod hand_written;
mod squall_side;
mod text;

use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use squall::connectors::files::Split;
use squall_side::{InMemory, no_topology, read_and_split, squall_run};
use text::Books;

/// All programs on the allocator that the command uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The number of places in the ranking: as many as the command shows.
const TOP: usize = 10;

/// The most frequent words with their counts, in the order of a ranking.
type Top = Vec<(String, u64)>;

/// How many words there are, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    words: u64,
    bytes: u64,
}

impl Totals {
    fn add(&mut self, word: &str) {
        self.words += 1;
        self.bytes += word.len() as u64;
    }
}

/// How long one program took in each round, by the clock and in processor time.
struct Record {
    name: &'static str,
    wall: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Record {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            wall: Vec::new(),
            cpu: Vec::new(),
        }
    }

    fn timed<T>(&mut self, program: impl FnOnce() -> T) -> T {
        let (clock, cpu) = (Instant::now(), ProcessTime::now());
        let result = program();
        self.wall.push(clock.elapsed());
        self.cpu.push(cpu.elapsed());
        result
    }

    fn wall(&self) -> f64 {
        median(&self.wall)
    }

    fn print(&self, totals: Totals) {
        let least = self.wall.iter().min().copied().unwrap_or_default();
        let most = self.wall.iter().max().copied().unwrap_or_default();
        let cpu = median(&self.cpu);
        println!(
            "{:<14} {:>6.3} s (min {:.3}, max {:.3}), {cpu:.3} s of processor time, {:.1} ns a word",
            self.name,
            self.wall(),
            least.as_secs_f64(),
            most.as_secs_f64(),
            cpu * 1e9 / totals.words as f64,
        );
    }
}

/// In seconds.
fn median(spans: &[Duration]) -> f64 {
    let mut sorted = spans.to_vec();
    sorted.sort_unstable();
    let middle = sorted[sorted.len() / 2];
    let before = sorted[(sorted.len() - 1) / 2];
    f64::midpoint(middle.as_secs_f64(), before.as_secs_f64())
}

fn main() {
    let mut rounds: usize = 9;
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        match name.as_str() {
            "--rounds" => {
                let value = given.next().and_then(|value| value.parse().ok());
                rounds = value.expect("--rounds needs a number");
            }
            // Cargo says so.
            "--bench" => {}
            _ => panic!("{name}: give --rounds"),
        }
    }
    let books = Books::at_hand();
    println!(
        "{}: {} files, {:.1} MB; {rounds} rounds, medians",
        books.name,
        books.paths.len(),
        books.bytes() as f64 / 1e6
    );
    // The default comes last.
    for split in [Split::AsciiWords, Split::Words] {
        compare(&books, split, rounds.max(1));
    }
}

fn compare(books: &Books, split: Split, rounds: usize) {
    let in_memory = InMemory::load(books);
    let (totals, top) = hand_written::run(books, split);
    println!("\n--split {split}: {} words", totals.words);
    let mut by_command = Record::new("squall-run");
    let mut from_memory = Record::new("in-memory");
    let mut reading = Record::new("read-and-split");
    let mut bare = Record::new("no-topology");
    let mut by_hand = Record::new("hand-written");
    for _ in 0..rounds {
        let answer = by_command.timed(|| squall_run(books, split));
        assert_eq!(answer, top, "{}", by_command.name);
        let answer = from_memory.timed(|| in_memory.run(split));
        assert_eq!(answer, top, "{}", from_memory.name);
        let answer = reading.timed(|| read_and_split(books, split));
        assert_eq!(answer, totals, "{}", reading.name);
        let answer = bare.timed(|| no_topology(books, split));
        assert_eq!(answer, totals, "{}", bare.name);
        let answer = by_hand.timed(|| hand_written::run(books, split));
        assert_eq!(answer, (totals, top.clone()), "{}", by_hand.name);
    }
    for record in [&by_command, &from_memory, &reading, &bare, &by_hand] {
        record.print(totals);
    }
    let with = match split {
        Split::Words => String::new(),
        split => format!(" with {split}"),
    };
    println!(
        "ratio squall-run/in-memory{with} {:.2}",
        from_memory.wall() / by_command.wall()
    );
    println!(
        "ratio read-and-split/hand-written{with} {:.2}",
        reading.wall() / by_hand.wall()
    );
}

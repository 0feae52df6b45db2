//! Counts in sliding windows of event time, with late tuples on a stream of their own.
//!
//! Each event carries its own time. A window closes when the watermark passes its end, which
//! depends on the data alone: the output is the same on every computer and at every speed.
//!
//! `cargo run --example windowed_counts`

use std::error::Error;

use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::testing::{Collected, Events};
use squall::{Count, RunOptions, Timestamp, Topology, Word, secs};

/// Words with the second at which they were said.
const SAID: [(i64, &str); 7] = [
    (1, "storm"),
    (3, "squall"),
    (4, "storm"),
    (8, "squall"),
    (9, "squall"),
    // Five seconds behind: more than the two that are allowed.
    (4, "breeze"),
    // One second behind: in time.
    (8, "storm"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let said = SAID.map(|(second, word)| {
        let time = Timestamp::from_millis(second * 1_000);
        (time, Word { word: word.into() })
    });

    let topology = Topology::named("windowed-counts");
    let words = topology.spout("words", move || Events::at(said.clone()).lateness(secs(2)));

    // A keyed bolt gets its key from its fields grouping: the same key chooses the task and
    // is counted. The windows are ten seconds long and one ends every five seconds.
    let counts = topology
        .keyed("counts", || RollingCount::over(secs(10)).every(secs(5)))
        .fields_grouping(&words, Word::WORD)
        .parallelism(2);
    let ranked = topology
        .bolt("ranked", || Rank::top(3))
        .parallelism(2)
        .fields_grouping(&counts, Count::KEY);
    let merged = topology
        .bolt("merged", || MergeRankings::top(3))
        .global_grouping(&ranked);

    let rankings = Collected::of(&topology, "rankings", &merged);
    let late = Collected::of(&topology, "late", &counts.stream(RollingCount::LATE));
    topology.run(RunOptions::default())?;

    for ranking in rankings.take() {
        println!("{}: {ranking}", ranking.window);
    }
    for word in late.take() {
        println!("late: {}", word.word);
    }
    Ok(())
}

//! Testing: one bolt, then a whole topology, without threads and without waiting.
//!
//! In a project of yours these would be `#[test]` functions. Time is virtual, and a seed
//! chooses the order of delivery: what fails once fails again with the same seed.
//!
//! `cargo run --example testing_a_topology`

use std::error::Error;

use squall::bolts::RollingCount;
use squall::connectors::RandomWords;
use squall::testing::{BoltTest, Collected, TopologyTest};
use squall::{RunOptions, Timestamp, Topology, Word, secs};

/// One bolt: send tuples and watermarks, look at what it emits.
fn one_bolt() -> squall::Result {
    let word = |word: &str| Word { word: word.into() };
    let at = |second: i64| Timestamp::from_millis(second * 1_000);
    let out = BoltTest::keyed(RollingCount::over(secs(10)), Word::WORD)
        .send_at(word("storm"), at(1))
        .send_at(word("storm"), at(9))
        .send_at(word("storm"), at(11))
        // Nothing before second 10 follows, so the first window closes; the second is open.
        .watermark(at(10))
        .run()?;
    assert_eq!(out.emitted().len(), 1);
    assert_eq!(
        (out.emitted()[0].count, out.emitted()[0].window.end),
        (2, at(10))
    );
    println!("one bolt: {} was counted twice", out.emitted()[0].key);
    Ok(())
}

/// A topology for a minute: of virtual time, so it takes no time at all.
fn one_minute(seed: u64) -> Result<(u64, usize), Box<dyn Error>> {
    let topology = Topology::named("one-minute");
    let words = topology
        .spout("words", RandomWords::default)
        .parallelism(2)
        .rate(100.0);
    let counts = topology
        .keyed("counts", || RollingCount::over(secs(10)))
        .fields_grouping(&words, Word::WORD)
        .parallelism(3);
    let counts = Collected::of(&topology, "collected", &counts);
    let options = RunOptions {
        run_for: Some(secs(60)),
        ..RunOptions::default()
    };
    let summary = TopologyTest::new(topology)
        .options(options)
        .seed(seed)
        .run()?;
    Ok((summary.stats.tuples, counts.take().len()))
}

fn main() -> Result<(), Box<dyn Error>> {
    one_bolt().map_err(|error| error.to_string())?;

    let (words, counts) = one_minute(1)?;
    // A tuple that was emitted in the last window is not counted yet when the run stops.
    assert!((5_900..=6_100).contains(&words), "{words} words");
    assert!((25..=30).contains(&counts), "{counts} counts");
    assert_eq!(one_minute(1)?, (words, counts), "a seed gives the same run");
    println!("one topology: a minute of words, {counts} counts of 5 words");
    Ok(())
}

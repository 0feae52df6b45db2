//! A field constant with a mistake in it.

use squall::bolts::RollingCount;
use squall::connectors::RandomWords;
use squall::{Topology, Word, secs};

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    topology
        .keyed("counts", || RollingCount::over(secs(60)))
        .fields_grouping(&words, Word::WORDS);
}

//! A keyed bolt is added without its key.

use squall::bolts::RollingCount;
use squall::connectors::RandomWords;
use squall::{Text, Topology, secs};

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    topology
        .bolt("counts", || RollingCount::<Text>::over(secs(60)))
        .shuffle_grouping(&words);
}

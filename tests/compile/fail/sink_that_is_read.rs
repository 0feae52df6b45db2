//! A sink has no stream.

use squall::connectors::{JsonLines, RandomWords};
use squall::{Topology, tuple::DeadLetter};

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    let file = topology
        .sink("file", || JsonLines::<DeadLetter>::stdout())
        .global_grouping(&words.dead_letters());
    topology
        .sink("again", || JsonLines::<DeadLetter>::stdout())
        .global_grouping(&file);
}

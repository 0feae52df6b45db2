//! A spout is wired to a stream.

use squall::Topology;
use squall::connectors::RandomWords;

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    topology.spout("more", RandomWords::default).shuffle_grouping(&words);
}

//! A spout is added as a bolt and wired to another one.

use squall::Topology;
use squall::connectors::RandomWords;

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    topology.bolt("more", RandomWords::default).shuffle_grouping(&words);
}

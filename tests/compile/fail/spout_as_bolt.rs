//! A spout is added as a bolt.

use squall::Topology;
use squall::connectors::RandomWords;

fn main() {
    let topology = Topology::named("words");
    topology.bolt("words", RandomWords::default);
}

//! A bolt that takes orders reads a stream of words.

use squall::bolts::Filter;
use squall::connectors::RandomWords;
use squall::{Topology, Tuple};

#[derive(Tuple, Clone, Debug)]
struct Order {
    id: u64,
}

fn main() {
    let topology = Topology::named("orders");
    let words = topology.spout("words", RandomWords::default);
    topology
        .bolt("large", || Filter::new(|order: &Order| order.id > 9))
        .shuffle_grouping(&words);
}

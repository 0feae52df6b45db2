//! Words grouped by a field of orders.

use squall::bolts::Filter;
use squall::connectors::RandomWords;
use squall::{Topology, Tuple, Word};

#[derive(Tuple, Clone, Debug)]
struct Order {
    id: u64,
}

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    topology
        .bolt("long", || Filter::new(|word: &Word| word.word.len() > 5))
        .fields_grouping(&words, Order::ID);
}

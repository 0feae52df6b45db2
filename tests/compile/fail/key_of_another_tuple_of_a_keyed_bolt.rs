//! Words counted by a field of orders.

use squall::bolts::RollingCount;
use squall::connectors::RandomWords;
use squall::{Topology, Tuple, secs};

#[derive(Tuple, Clone, Debug)]
struct Order {
    id: u64,
}

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    topology
        .keyed("counts", || RollingCount::over(secs(60)))
        .fields_grouping(&words, Order::ID);
}

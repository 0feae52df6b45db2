//! Orders grouped by one of their fields and a field of words.

use squall::bolts::Filter;
use squall::testing::Events;
use squall::{Topology, Tuple, Word};

#[derive(Tuple, Clone, Debug)]
struct Order {
    id: u64,
    user: u64,
}

fn main() {
    let topology = Topology::named("orders");
    let orders = topology.spout("orders", || Events::<Order>::now([]));
    topology
        .bolt("large", || Filter::new(|order: &Order| order.user > 5))
        .fields_grouping(&orders, (Order::ID, Word::WORD));
}

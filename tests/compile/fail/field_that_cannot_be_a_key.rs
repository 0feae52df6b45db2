//! Floating point numbers have no order and no equality to group by.

use squall::bolts::Filter;
use squall::testing::Events;
use squall::{Topology, Tuple};

#[derive(Tuple, Clone, Debug)]
struct Reading {
    celsius: f64,
}

fn main() {
    let topology = Topology::named("readings");
    let readings = topology.spout("readings", || Events::now([Reading { celsius: 21.5 }]));
    topology
        .bolt("warm", || Filter::new(|reading: &Reading| reading.celsius > 20.0))
        .fields_grouping(&readings, Reading::CELSIUS);
}

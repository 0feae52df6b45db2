//! As `key_that_is_no_field`, for a bolt that takes its key from the grouping.

use squall::bolts::RollingCount;
use squall::connectors::RandomWords;
use squall::{Topology, secs};

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    topology
        .keyed("counts", || RollingCount::over(secs(60)))
        .fields_grouping(&words, "word");
}

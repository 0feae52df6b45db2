//! A stream of another component is asked for.

use squall::Topology;
use squall::bolts::RollingCount;
use squall::connectors::RandomWords;

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    let _ = words.stream(RollingCount::<u64>::LATE);
}

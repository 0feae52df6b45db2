//! A bolt is added as a spout.

use squall::Topology;
use squall::bolts::MergeRankings;

fn main() {
    let topology = Topology::named("rankings");
    topology.spout("merged", || MergeRankings::<u64>::top(10));
}

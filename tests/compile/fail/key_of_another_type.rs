//! A bolt that is keyed by numbers is grouped by text.

use squall::connectors::RandomWords;
use squall::{KeyedBolt, Out, Result, Topology, Tuple, Word};

#[derive(Tuple, Clone, Debug)]
struct Total {
    user: u64,
}

struct PerUser;

impl<T: Tuple> KeyedBolt<T> for PerUser {
    type Key = u64;
    type Output = Total;

    fn execute(&mut self, user: &u64, _: &T, out: &mut Out<Total>) -> Result {
        out.emit(Total { user: *user });
        Ok(())
    }
}

fn main() {
    let topology = Topology::named("totals");
    let words = topology.spout("words", RandomWords::default);
    topology
        .keyed("totals", || PerUser)
        .fields_grouping(&words, Word::WORD);
}

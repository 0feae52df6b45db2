//! Storm's habit: a field by its name as text.

use squall::bolts::Filter;
use squall::connectors::RandomWords;
use squall::{Topology, Word};

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    topology
        .bolt("long", || Filter::new(|word: &Word| word.word.len() > 5))
        .fields_grouping(&words, "word");
}

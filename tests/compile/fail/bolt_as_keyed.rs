//! A bolt that takes no key is added as a keyed one.

use squall::bolts::Filter;
use squall::connectors::RandomWords;
use squall::{Topology, Word};

fn main() {
    let topology = Topology::named("words");
    let words = topology.spout("words", RandomWords::default);
    topology
        .keyed("long", || Filter::new(|word: &Word| word.word.len() > 5))
        .fields_grouping(&words, Word::WORD);
}

//! The main job: every grouping that it uses is checked by type.

use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::connectors::{LogSink, RandomWords};
use squall::{Count, Ranking, Text, Topology, Word, key::by, secs, tuple::DeadLetter};

pub fn main() {
    let topology = Topology::named("rolling-top-words");
    let words = topology.spout("words", RandomWords::default).parallelism(2);
    let counts = topology
        .keyed("counts", || RollingCount::over(secs(60)).every(secs(2)))
        .fields_grouping(&words, Word::WORD)
        .parallelism(2);
    let ranked = topology.bolt("rankings", || Rank::top(10)).fields_grouping(
        &counts,
        (Count::KEY, by(|count: &Count<Text>| &count.count)),
    );
    let merged = topology
        .bolt("merged", || MergeRankings::top(10))
        .partial_key_grouping(&ranked, Ranking::ORIGIN);
    topology
        .sink("log", LogSink::<Ranking<Text>>::new)
        .global_grouping(&merged);
    topology
        .sink("late", LogSink::<Late>::new)
        .all_grouping(&counts.stream(RollingCount::LATE));
    topology.dead_letter_sink("dead", || Dead);
    assert_eq!(topology.plan().check(), Ok(()));
}

/// A sink of its own type reads words by `FromTuple`.
#[derive(squall::Tuple, Clone, Debug)]
struct Late {
    text: Text,
}

impl squall::tuple::FromTuple<Word> for Late {
    fn from_tuple(word: Word) -> Self {
        Self { text: word.word }
    }
}

impl std::fmt::Display for Late {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "late: {}", self.text)
    }
}

struct Dead;

impl squall::Sink for Dead {
    type Input = DeadLetter;

    fn write(&mut self, _: &[DeadLetter]) -> squall::Result {
        Ok(())
    }
}

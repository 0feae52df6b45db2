//! Memory is allocated while a topology warms up, and with each batch and window, but not with
//! each tuple.

use allocation_counter::measure;
use squall::bolts::{Filter, MergeRankings, Rank, RollingCount};
use squall::connectors::files::{Delimiter, FieldSelector, Format, Outcome, Record, RecordReader};
use squall::testing::{Collected, TopologyTest};
use squall::topology::When;
use squall::{
    Count, Next, Result, RunOptions, Spout, SpoutOut, Text, Timestamp, Topology, Word, secs,
    time::TimeDomain,
};

/// Emits so many words, a thousand different ones, a hundred a second.
struct Words(u64);

impl Spout for Words {
    type Output = Word;

    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        if self.0 == 0 {
            return Ok(Next::End);
        }
        self.0 -= 1;
        let name = [b'a', b'k', b'u'].map(|first| first + (self.0 % 10) as u8);
        let number = (self.0 / 10 % 100) as u8;
        let word = [
            name[0],
            name[1],
            name[2],
            b'0' + number / 10,
            b'0' + number % 10,
        ];
        let word = Text::from(std::str::from_utf8(&word)?);
        let time = 1_000_000_000 - i64::try_from(self.0)? * 10;
        out.emit_at(Word { word }, Timestamp::from_millis(time));
        Ok(Next::More)
    }

    fn domain(&self) -> TimeDomain {
        TimeDomain::Event
    }
}

/// How often memory is allocated in a run over so many words.
fn allocations(words: u64, combine: When) -> u64 {
    let info = measure(|| {
        let topology = Topology::named("allocations");
        topology.combine(combine);
        let spout = topology.spout("words", move || Words(words));
        let some = topology
            .bolt("some", || Filter::new(|word: &Word| word.word != "storm"))
            .shuffle_grouping(&spout);
        let counts = topology
            .keyed("counts", || {
                RollingCount::over(secs(6_000))
                    .every(secs(1_000))
                    .largest(10)
            })
            .parallelism(2)
            .fields_grouping(&some, Word::WORD);
        let ranked = topology
            .bolt("rankings", || Rank::top(10))
            .parallelism(2)
            .fields_grouping(&counts, Count::KEY);
        let merged = topology
            .bolt("merged", || MergeRankings::top(10))
            .global_grouping(&ranked);
        let rankings = Collected::of(&topology, "collected", &merged);
        let options = RunOptions {
            // Full batches, as under load, and few of them: the test kit allocates with each.
            linger: secs(1),
            batch_tuples: 8_192,
            ..RunOptions::default()
        };
        let summary = TopologyTest::new(topology).options(options).run();
        assert_eq!(summary.expect("it ends well").stats.tuples, words);
        assert!(!rankings.take().is_empty());
    });
    info.count_total
}

#[test]
fn no_memory_is_allocated_for_a_tuple() {
    for combine in [When::Never, When::Always] {
        let (fewer, more) = (200_000, 600_000);
        let before = allocations(fewer, combine);
        let more_of_them = allocations(more, combine).saturating_sub(before);
        // Four windows are closed, and fifty batches are sent more by each task.
        println!("{combine:?}: {more_of_them} allocations for 400,000 tuples more");
        assert!(
            more_of_them < (more - fewer) / 100,
            "{combine:?}: {more_of_them}"
        );
    }
}

/// Only an array takes memory for its values.
#[test]
fn no_memory_is_allocated_for_a_field() {
    let csv = "name,tags[]\nann,x\n";
    let json = r#"{"name":"ann","user":{"name":"eve"},"tags":["x","y"]}"#;
    let read = |format, line: &'static str| {
        let input = Box::new(line.as_bytes());
        let mut reader = RecordReader::new(input, "in", format, Delimiter::COMMA);
        let mut record = Record::new();
        let outcome = reader.next(&mut record).expect("it is read");
        assert_eq!(outcome, Outcome::Record);
        record
    };
    let allocations = |record: &Record, name| {
        let field = FieldSelector::each(name);
        let mut values = 0;
        let info = measure(|| values = record.fields(&field).map_or(0, Iterator::count));
        (values, info.count_total)
    };
    let (csv, json) = (read(Format::Csv, csv), read(Format::NdJson, json));
    assert_eq!(allocations(&csv, "name"), (1, 0));
    assert_eq!(allocations(&csv, "tags[]"), (1, 0));
    assert_eq!(allocations(&json, "name"), (1, 0));
    assert_eq!(allocations(&json, "user.name"), (1, 0));
    let (values, allocated) = allocations(&json, "tags[]");
    assert_eq!(values, 2);
    assert!(allocated > 0, "else the measure is wrong");
}

//! The row's job as a topology.

use std::sync::{Arc, Mutex};

use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::topology::When;
use squall::{
    Context, Count, Next, Ranking, Result, RunOptions, Sink, Spout, SpoutOut, Text, Timestamp,
    Topology, Tuple, millis,
    time::TimeDomain,
    tuple::{Field, FieldAt},
};

use crate::WINDOW_MS;
use crate::answer::Answer;
use crate::input::{Input, Reader};
use crate::rows::Row;

/// A tuple that begins with the word by which it is grouped.
trait Record: FieldAt<0, Value = Text> {
    const WORD: Field<Self, 0> = Field::new();

    /// Of a word and its number, of which the other fields are made.
    fn of(word: Text, number: u64) -> Self;
}

#[derive(Tuple, Clone, Debug)]
struct OneField {
    word: Text,
}

#[derive(Tuple, Clone, Debug)]
struct FiveFields {
    word: Text,
    number: u64,
    price: f64,
    weight: u32,
    valid: bool,
}

#[derive(Tuple, Clone, Debug)]
struct TwentyFields {
    word: Text,
    number: u64,
    a: u64,
    b: u64,
    c: u64,
    d: u64,
    e: u64,
    f: u64,
    g: u64,
    h: u64,
    price: f64,
    i: f64,
    j: f64,
    k: f64,
    l: f64,
    m: f64,
    weight: u32,
    n: u32,
    valid: bool,
    o: bool,
}

impl Record for OneField {
    #[inline]
    fn of(word: Text, _: u64) -> Self {
        Self { word }
    }
}

impl Record for FiveFields {
    #[inline]
    fn of(word: Text, number: u64) -> Self {
        Self {
            word,
            number,
            price: number as f64,
            weight: number as u32,
            valid: number.is_multiple_of(2),
        }
    }
}

impl Record for TwentyFields {
    #[inline]
    fn of(word: Text, number: u64) -> Self {
        let (float, half, even) = (number as f64, number as u32, number.is_multiple_of(2));
        Self {
            word,
            number,
            a: number + 1,
            b: number + 2,
            c: number + 3,
            d: number + 4,
            e: number + 5,
            f: number + 6,
            g: number + 7,
            h: number + 8,
            price: float,
            i: float,
            j: float,
            k: float,
            l: float,
            m: float,
            weight: half,
            n: half,
            valid: even,
            o: even,
        }
    }
}

/// Emits its share of the words.
struct Words<T> {
    input: &'static Input,
    repetitions: usize,
    reader: Option<Reader>,
    /// Which tuples it makes of them.
    of: fn(Text, u64) -> T,
}

impl<T: Record> Spout for Words<T> {
    type Output = T;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<T>) -> Result {
        let (task, tasks) = (context.task, context.parallelism);
        self.reader = Some(Reader::new(self.input, task, tasks, self.repetitions));
        Ok(())
    }

    #[inline]
    fn next(&mut self, out: &mut SpoutOut<T>) -> Result<Next> {
        let Some((time, number, word)) = self.reader.as_mut().and_then(Iterator::next) else {
            return Ok(Next::End);
        };
        let tuple = (self.of)(word, number as u64);
        out.emit_at(tuple, Timestamp::from_millis(time));
        Ok(Next::More)
    }

    fn domain(&self) -> TimeDomain {
        TimeDomain::Event
    }
}

/// Notes what is to be compared of each ranking.
// Read by another thread when the run is over.
struct Answers(Arc<Mutex<Vec<Answer>>>);

impl Sink for Answers {
    type Input = Ranking<Text>;

    fn write(&mut self, rankings: &[Ranking<Text>]) -> Result {
        let mut answers = self.0.lock().map_err(|error| error.to_string())?;
        let new = rankings
            .iter()
            .map(|ranking| Answer::of(ranking.window.end.millis(), &ranking.entries));
        answers.extend(new);
        Ok(())
    }
}

/// Runs the job to the end of its input.
pub fn run(input: &'static Input, row: &Row, repetitions: usize, combine: When) -> Vec<Answer> {
    match row.fields {
        1 => run_of::<OneField>(input, row, repetitions, combine),
        5 => run_of::<FiveFields>(input, row, repetitions, combine),
        _ => run_of::<TwentyFields>(input, row, repetitions, combine),
    }
}

fn run_of<T: Record>(
    input: &'static Input,
    row: &Row,
    repetitions: usize,
    combine: When,
) -> Vec<Answer> {
    let topology = Topology::named("scale");
    topology.combine(combine);
    let words = move || Words {
        input,
        repetitions,
        reader: None,
        of: T::of,
    };
    let words = topology.spout("words", words).parallelism(row.tasks);
    let (slide, top) = (WINDOW_MS as u64 / row.panes as u64, row.top);
    let counter = move || {
        RollingCount::over(millis(WINDOW_MS as u64))
            .every(millis(slide))
            .largest(top)
    };
    let counts = topology
        .keyed("counts", counter)
        .parallelism(row.tasks)
        .fields_grouping(&words, T::WORD);
    let ranked = topology
        .bolt("rankings", move || Rank::top(top))
        .fields_grouping(&counts, Count::KEY);
    let merged = topology
        .bolt("merged", move || MergeRankings::top(top))
        .global_grouping(&ranked);
    let answers = Arc::default();
    let noted = Arc::clone(&answers);
    topology
        .sink("answers", move || Answers(Arc::clone(&noted)))
        .global_grouping(&merged);
    let options = RunOptions {
        epoch: row.epoch,
        ..RunOptions::default()
    };
    let summary = topology.run(options);
    summary.expect("the topology runs to the end of its input");
    let answers = &mut *answers.lock().expect("no task panics");
    std::mem::take(answers)
}

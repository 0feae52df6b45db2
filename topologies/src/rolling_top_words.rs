//! The words that occur most, over a rolling window.
//!
//! `words` -> fields(word) -> `counts` -> fields(key) -> `rankings` -> global -> `merged`:
//! the topology of M. G. Noll, "Implementing Real-Time Trending Topics with a Distributed
//! Rolling Count Algorithm in Storm" (2013), with exact rankings.

use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::connectors::RandomWords;
use squall::connectors::files::{FieldSelector, Record, Split};
use squall::topology::{Component, NoInput, When};
use squall::{BoxError, Count, Out, Ranking, Text, Topology, Word, secs, time::WindowShape};

use crate::duration::{self, DurationError};
use crate::numbers::{at_least_one, rate, tasks};
use crate::outputs::{Destinations, Outputs};
use crate::records::Records;
use crate::words::Words;
use crate::wrong::WrongUse;

/// The random words per second where no rate is given.
const RANDOM_WORDS_PER_SECOND: f64 = 50.0;

/// What to read, count and show.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Options {
    /// What to read.
    #[command(flatten)]
    pub words: Words,
    /// The length of the window, or `all` for one window over everything [default: 60s]
    #[arg(long, value_name = "DUR|all")]
    pub window: Option<Length>,
    /// The time between two rankings; it must divide the window [default: 2s; if only the window is
    /// given, its length]
    #[arg(long, value_name = "DUR", value_parser = duration::parse_above_zero)]
    pub slide: Option<Duration>,
    /// The number of places in a ranking
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub top: usize,
    /// The limit of tuples per second over all spouts; 0 for none [default: 50 for the random
    /// words, else no limit]
    #[arg(long, value_name = "N", value_parser = rate, allow_negative_numbers = true)]
    pub rate: Option<f64>,
    /// The components and how many tasks they have.
    #[command(flatten)]
    pub shape: Shape,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            words: Words::default(),
            window: None,
            slide: None,
            top: 10,
            rate: None,
            shape: Shape::default(),
        }
    }
}

/// The options that change the plan.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The number of tasks that read words
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = tasks)]
    pub spouts: usize,
    /// The number of tasks that count words
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = tasks)]
    pub counters: usize,
    /// The number of tasks that rank the words of their shards
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = tasks)]
    pub rankers: usize,
    /// The number of tasks that merge rankings; with more than 1, one last task merges theirs
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = tasks)]
    pub mergers: usize,
    /// Whether spouts count words before they send them: pays (a spout stops while it finds too few
    /// equal words), always, or never; the rankings are the same
    #[arg(long, value_name = "WHEN", default_value_t = When::Pays)]
    pub combine: When,
    /// Whether a counter and the ranker of the same number share a thread: pays, always, or never;
    /// the rankings are the same
    #[arg(long, value_name = "WHEN", default_value_t = When::Pays)]
    pub chain: When,
    /// Where the rankings go.
    #[command(flatten)]
    pub outputs: Outputs,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            spouts: 5,
            counters: 4,
            rankers: 4,
            mergers: 1,
            combine: When::Pays,
            chain: When::Pays,
            outputs: Outputs::default(),
        }
    }
}

/// The length of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// One window over everything.
    All,
    /// A span of time.
    Of(Duration),
}

impl FromStr for Length {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        match text {
            "all" => Ok(Self::All),
            _ => duration::parse_above_zero(text).map(Self::Of),
        }
    }
}

impl Options {
    /// Length and slide; no length for one window over everything.
    fn window(&self) -> Result<(Option<Duration>, Option<Duration>), WrongUse> {
        let (length, slide) = match (self.window, self.slide) {
            (Some(Length::All), None) => return Ok((None, None)),
            (Some(Length::All), Some(slide)) => {
                WindowShape::running(slide)?;
                return Ok((None, Some(slide)));
            }
            (Some(Length::Of(length)), slide) => (length, slide.unwrap_or(length)),
            (None, slide) => (secs(60), slide.unwrap_or(secs(2))),
        };
        WindowShape::sliding(length, slide)?;
        Ok((Some(length), Some(slide)))
    }

    /// What is read, looked into; none for random words.
    ///
    /// # Errors
    /// The first thing that would make a run fail or do nothing.
    pub fn records(&self) -> Result<Option<Records>, WrongUse> {
        #[cfg(feature = "kafka")]
        if let Some(topic) = self.words.topic(&self.shape.outputs.connections()?)? {
            return Ok(Some(Records::Topic(topic)));
        }
        Ok(self.words.files()?.map(Records::Files))
    }
}

/// The topology; its input is looked into first.
///
/// # Errors
/// What is wrong with the options or with the input.
pub fn topology(options: &Options) -> Result<Topology, WrongUse> {
    reading(options, options.records()?)
}

/// The topology on records, or on random words.
///
/// # Errors
/// What is wrong with the options.
pub fn reading(options: &Options, records: Option<Records>) -> Result<Topology, WrongUse> {
    let window = options.window()?;
    let files = records.as_ref().and_then(Records::files);
    let outputs = options.shape.outputs.prepare(files)?;
    let topology = Topology::named("rolling-top-words");
    topology.combine(options.shape.combine);
    topology.chain(options.shape.chain);
    match records {
        None => {
            let words = topology.spout("words", RandomWords::default);
            let words = words.rate(options.rate.unwrap_or(RANDOM_WORDS_PER_SECOND));
            ranked(&topology, words, options, window, outputs);
        }
        Some(records) => {
            let (field, split) = (options.words.selector(), options.words.split());
            let words = topology.spout("words", move || {
                records.decode::<Word, _>(decoder(field.clone(), split))
            });
            let words = words.meaning(&options.words.meaning());
            let words = words.rate(options.rate.unwrap_or_default());
            ranked(&topology, words, options, window, outputs);
        }
    }
    Ok(topology)
}

/// What makes words of a record.
fn decoder(
    field: FieldSelector,
    split: Split,
) -> impl FnMut(&Record, &mut Out<Word>) -> Result<(), BoxError> + Send + 'static {
    let mut scratch = String::new();
    move |record, out| {
        if field.has_elements() {
            return each(record, &field, split, &mut scratch, out);
        }
        if let Some(text) = record.field(&field)? {
            let word = |word| out.emit(Word { word });
            split.for_each_text(&text, &mut scratch, word);
        }
        Ok(())
    }
}

/// The words of each element of an array.
fn each(
    record: &Record,
    field: &FieldSelector,
    split: Split,
    scratch: &mut String,
    out: &mut Out<Word>,
) -> Result<(), BoxError> {
    for text in record.fields(field)? {
        split.for_each_text(&text, scratch, |word| out.emit(Word { word }));
    }
    Ok(())
}

/// Everything after the words.
fn ranked<S>(
    topology: &Topology,
    words: Component<'_, S, Word, NoInput>,
    options: &Options,
    (length, slide): (Option<Duration>, Option<Duration>),
    outputs: Destinations,
) {
    let Options { top, shape, .. } = options;
    let top = *top;
    let words = words.parallelism(shape.spouts);
    let count = move || {
        let count = length.map_or_else(RollingCount::over_all, RollingCount::over);
        let count = count.largest(top);
        match slide {
            Some(slide) => count.every(slide),
            None => count,
        }
    };
    let counts = topology
        .keyed("counts", count)
        .parallelism(shape.counters)
        .fields_grouping(&words, Word::WORD);
    let rankings = topology
        .bolt("rankings", move || Rank::<Text>::top(top))
        .parallelism(shape.rankers)
        .fields_grouping(&counts, Count::KEY);
    let last = move || MergeRankings::<Text>::top(top).logged();
    let merged = if shape.mergers > 1 {
        let level = topology
            .bolt("merging", move || MergeRankings::<Text>::top(top))
            .parallelism(shape.mergers)
            .fields_grouping(&rankings, Ranking::ORIGIN);
        topology.bolt("merged", last).global_grouping(&level)
    } else {
        topology.bolt("merged", last).global_grouping(&rankings)
    };
    outputs.write_rankings(topology, &merged);
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn options(arguments: &str) -> Options {
        let words = std::iter::once("test").chain(arguments.split_whitespace());
        Command::try_parse_from(words).unwrap().options
    }

    #[test]
    fn no_arguments_are_the_default() {
        assert_eq!(options(""), Options::default());
    }

    #[test]
    fn the_slide_is_two_seconds_only_where_no_window_is_given() {
        let table = [
            ("", Some(60), Some(2)),
            ("--window 10m", Some(600), Some(600)),
            ("--slide 5s", Some(60), Some(5)),
            ("--window 1m30s --slide 30s", Some(90), Some(30)),
            ("--window all", None, None),
            ("--window all --slide 3s", None, Some(3)),
        ];
        for (arguments, length, slide) in table {
            let window = options(arguments).window().unwrap();
            assert_eq!(window, (length.map(secs), slide.map(secs)), "{arguments}");
        }
    }

    #[test]
    fn more_mergers_are_a_level_of_their_own() {
        let plan = topology(&options("--mergers 2")).unwrap().plan();
        assert_eq!(plan.check(), Ok(()));
        let ids: Vec<_> = plan
            .components
            .iter()
            .map(|component| &*component.id)
            .collect();
        assert_eq!(ids, ["words", "counts", "rankings", "merging", "merged"]);
        assert_eq!(plan.component("merging").unwrap().parallelism, 2);
    }
}

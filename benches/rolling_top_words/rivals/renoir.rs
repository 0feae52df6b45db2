//! The job in renoir: two sources, each with an operator that combines, then two operators
//! with windows; the pane is the timestamp of the counts.
//!
//! Tried, on two cores that other work used as well; words a second and nanoseconds of
//! processor time a word:
//!
//! | form | M words/s | ns a word |
//! |---|---|---|
//! | words as slices, combined by `rich_map_custom`, counts repartitioned (this one) | 16.9 to 29.2 | 50 to 57 |
//! | the same with words as [`Text`] | 26.0 | 49 |
//! | words as [`Text`], repartitioned, and only counted in windows | 13.4 | 116 |
//! | `group_by_fold` by pane and word, which gives everything at the end | 5.5 to 6.3 | 151 to 181 |
//! | `key_by` and a tumbling window of each word with `fold`, results repartitioned | 4.2 | 236 |
//!
//! While nothing else ran, the first form reached 59.6 M words/s at 33 ns. Between slices and texts
//! there was no difference above the noise.

use renoir::operator::{Operator, StreamElement};
use renoir::{Replication, RuntimeConfig, Stream, StreamContext};
use squall::{Text, key::KeyValue};

use super::window::{Combiner, Counts, Source, Window, merge};
use crate::TASKS;
use crate::straightforward::Rankings;
use crate::words::Words;

/// Counts the words of all repetitions.
pub fn run(words: &'static Words, repetitions: usize) -> Rankings {
    let config = RuntimeConfig::local(TASKS as u64).expect("a local configuration");
    let context = StreamContext::new(config);
    let words =
        context.stream_par_iter(move |source, _| Source::new(words, source as usize, repetitions));
    let mut before = 0;
    let counts = combine(words)
        .flat_map(|(pane, counts)| {
            let counts = counts.into_iter();
            counts.map(move |(word, count)| (pane, word, count))
        })
        .add_timestamps(
            |(pane, _, _)| *pane,
            move |_, pane| {
                let over = (*pane > before).then(|| *pane - 1);
                before = *pane;
                over
            },
        )
        .repartition_by(Replication::Unlimited, |(_, word, _): &(i64, Text, u32)| {
            word.route_hash()
        });
    let rankings = rank(counts).collect_vec();
    context.execute_blocking();
    merge(rankings.get().unwrap_or_default().into_iter().flatten())
}

/// Counts a source's words, pane by pane.
fn combine(
    words: Stream<impl Operator<Out = (i64, &'static str)> + 'static>,
) -> Stream<impl Operator<Out = (i64, Counts)>> {
    let mut combiner = Combiner::default();
    let (mut at, mut last) = (0, None);
    words.rich_map_custom(move |mut words| {
        if let Some(last) = last.take() {
            return last;
        }
        loop {
            match words.next() {
                StreamElement::Item((pane, word)) | StreamElement::Timestamped((pane, word), _) => {
                    if pane != at {
                        let over = (std::mem::replace(&mut at, pane), combiner.take());
                        combiner.add(word);
                        return StreamElement::Item(over);
                    }
                    combiner.add(word);
                }
                StreamElement::Watermark(_) => {}
                StreamElement::FlushBatch => return StreamElement::FlushBatch,
                StreamElement::FlushAndRestart => {
                    last = Some(StreamElement::FlushAndRestart);
                    return StreamElement::Item((at, combiner.take()));
                }
                StreamElement::Terminate => return StreamElement::Terminate,
            }
        }
    })
}

/// Counts over windows, and ranks them when no more counts of their last pane can come.
fn rank(
    counts: Stream<impl Operator<Out = (i64, Text, u32)> + 'static>,
) -> Stream<impl Operator<Out = Rankings>> {
    let mut window = Window::default();
    let mut last = None;
    counts.rich_map_custom(move |mut counts| {
        if let Some(last) = last.take() {
            return last;
        }
        let mut rankings = Rankings::new();
        loop {
            match counts.next() {
                StreamElement::Item((pane, word, count))
                | StreamElement::Timestamped((pane, word, count), _) => {
                    window.add(pane, word, count);
                }
                StreamElement::Watermark(pane) => {
                    window.close_before(pane + 1, &mut rankings);
                    return StreamElement::Item(rankings);
                }
                StreamElement::FlushBatch => return StreamElement::FlushBatch,
                StreamElement::FlushAndRestart => {
                    last = Some(StreamElement::FlushAndRestart);
                    window.close_all(&mut rankings);
                    return StreamElement::Item(rankings);
                }
                StreamElement::Terminate => return StreamElement::Terminate,
            }
        }
    })
}

//! The job in timely: two workers, on each a source and two operators, the pane as the
//! timestamp.
//!
//! Tried, on two cores that other work used as well; words a second and nanoseconds of
//! processor time a word:
//!
//! | form | M words/s | ns a word |
//! |---|---|---|
//! | words as slices, combined by a `Pipeline` operator, counts exchanged (this one) | 17.4 to 30.4 | 33 to 39 |
//! | the same with words as [`Text`] | 21.3 to 26.4 | 38 to 45 |
//! | words as [`Text`], exchanged, and only counted in windows | 18.6 to 23.2 | 43 to 53 |
//!
//! Between 512 and 65,536 words from one step of the worker to the next there was no difference
//! above the noise, nor between `send` and `send_batch` of 2,048 words. While nothing else ran, the
//! first form reached 92.6 M words/s at 22 ns.

use std::cell::RefCell;
use std::rc::Rc;

use squall::{Text, key::KeyValue};
use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::{Exchange, Pipeline};
use timely::dataflow::operators::{Capability, Operator, Probe};
use timely::dataflow::{InputHandle, ProbeHandle, StreamVec};
use timely::worker::Worker;

use super::window::{Combiner, Counts, Source, Window, merge};
use crate::TASKS;
use crate::straightforward::Rankings;
use crate::words::Words;

/// The panes by which a worker may be ahead.
const AHEAD: u64 = 2;

/// How many words are handed to the dataflow before it goes on with them: they fit into a
/// core's own cache.
const PORTION: usize = 2_048;

/// Counts the words of all repetitions.
pub fn run(words: &'static Words, repetitions: usize) -> Rankings {
    let workers = timely::execute(timely::Config::process(TASKS), move |worker| {
        work(worker, words, repetitions)
    });
    let workers = workers.expect("the workers start");
    let parts = workers.join().into_iter();
    let parts = parts.map(|part| part.expect("a worker does not panic"));
    merge(parts.flatten())
}

/// One of the workers; gives the rankings of its words.
fn work(worker: &mut Worker, words: &'static Words, repetitions: usize) -> Rankings {
    let rankings = Rc::new(RefCell::new(Rankings::new()));
    let mut input = InputHandle::new();
    let probe = ProbeHandle::new();
    worker.dataflow(|scope| {
        let counts = combine(input.to_stream(scope));
        rank(counts, Rc::clone(&rankings)).probe_with(&probe);
    });
    let mut sent = 0;
    for (pane, word) in Source::new(words, worker.index(), repetitions) {
        let pane = pane as u64;
        if *input.time() < pane {
            input.advance_to(pane);
            while probe.less_than(&pane.saturating_sub(AHEAD)) {
                worker.step_or_park(None);
            }
        }
        input.send(word);
        sent += 1;
        if sent == PORTION {
            sent = 0;
            worker.step();
        }
    }
    input.close();
    while !probe.done() {
        worker.step_or_park(None);
    }
    rankings.take()
}

/// Counts a worker's own words, pane by pane: a pane is over when a word of a later one comes,
/// or none of it can come any more.
fn combine<'s>(words: StreamVec<'s, u64, &'static str>) -> StreamVec<'s, u64, (Text, u32)> {
    words.unary_frontier::<CapacityContainerBuilder<Counts>, _, _, _>(
        Pipeline,
        "combine",
        |_, _| {
            let mut combiner = Combiner::default();
            // The pane that is counted, as the right to send its counts.
            let mut pane: Option<Capability<u64>> = None;
            move |(input, frontier), output| {
                input.for_each(|capability, words| {
                    let at = capability.least().expect("words have a pane");
                    if pane.as_ref().is_none_or(|pane| pane.time() != at) {
                        if let Some(over) = pane.take() {
                            output.session(&over).give_container(&mut combiner.take());
                        }
                        pane = capability.retain_least(0);
                    }
                    for word in words.drain(..) {
                        combiner.add(word);
                    }
                });
                if let Some(over) = pane.take_if(|pane| !frontier.less_equal(pane.time())) {
                    output.session(&over).give_container(&mut combiner.take());
                }
            }
        },
    )
}

/// Counts over windows, and ranks them when no more counts of their last pane can come.
fn rank(
    counts: StreamVec<'_, u64, (Text, u32)>,
    ranked: Rc<RefCell<Rankings>>,
) -> StreamVec<'_, u64, ()> {
    counts.unary_frontier::<CapacityContainerBuilder<Vec<()>>, _, _, _>(
        Exchange::new(|(word, _): &(Text, u32)| word.route_hash()),
        "rank",
        |_, _| {
            let mut window = Window::default();
            move |(input, frontier), _| {
                input.for_each(|capability, counts| {
                    let pane = *capability.least().expect("counts have a pane");
                    for (word, count) in counts.drain(..) {
                        window.add(pane as i64, word, count);
                    }
                });
                let rankings = &mut *ranked.borrow_mut();
                match frontier.frontier().first() {
                    Some(pane) => window.close_before(*pane as i64, rankings),
                    None => window.close_all(rankings),
                }
            }
        },
    )
}

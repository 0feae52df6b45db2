//! The job without squall: two sources and two counters on threads, over channels.
//!
//! It knows what a general engine does not: that times ascend within a source, so that a
//! batch can belong to one pane and needs no times; and that a window has few panes, so
//! that the counts of a key fit beside it into the table.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use squall::{
    Text,
    key::{KeyValue, shard_of, task_of_shard},
    ranking::Top,
};

use crate::straightforward::Rankings;
use crate::words::{Reader, Words};
use crate::{BATCH, SLIDE_MS, TASKS, TOP, WINDOW_MS};

/// The batches that may wait before a counter.
const QUEUED_BATCHES: usize = 16;

const PANES: usize = (WINDOW_MS / SLIDE_MS) as usize;

enum Message {
    /// Words of one pane.
    Batch {
        source: usize,
        pane: i64,
        words: Vec<Text>,
    },
    /// The source goes on to this pane; `i64::MAX` at the end.
    Pane { source: usize, pane: i64 },
}

/// Counts the words of all repetitions.
pub fn run(words: &Words, repetitions: usize) -> Rankings {
    thread::scope(|scope| {
        let mut counters = Vec::new();
        let mut to_counters = Vec::new();
        let (to_sources, from_counters): (Vec<_>, Vec<_>) =
            (0..TASKS).map(|_| channel::<Vec<Text>>()).unzip();
        for _ in 0..TASKS {
            let (sender, receiver) = sync_channel(QUEUED_BATCHES);
            to_counters.push(sender);
            let buffers = to_sources.clone();
            counters.push(scope.spawn(move || Counter::default().run(&receiver, &buffers)));
        }
        for (source, buffers) in from_counters.into_iter().enumerate() {
            let to_counters = to_counters.clone();
            scope.spawn(move || {
                let words = Reader::new(words, source, TASKS, repetitions);
                read(source, words, &to_counters, &buffers);
            });
        }
        drop(to_counters);
        let parts = counters.into_iter().map(|counter| {
            let part = counter.join();
            part.expect("a counter does not panic")
        });
        merge(&parts.collect::<Vec<_>>())
    })
}

fn read(
    source: usize,
    mut words: Reader<'_>,
    counters: &[SyncSender<Message>],
    emptied: &Receiver<Vec<Text>>,
) {
    let send = |counter: usize, message| {
        let sent = counters[counter].send(message);
        sent.expect("counters end after their sources");
    };
    let batch_of = |pane, words| Message::Batch {
        source,
        pane,
        words,
    };
    let mut batches: Vec<Vec<Text>> = Vec::new();
    batches.resize_with(TASKS, || Vec::with_capacity(BATCH));
    let (mut pane, mut pane_end) = (0, SLIDE_MS);
    while let Some((mut words, runs)) = words.texts() {
        for (run, time) in runs {
            if time >= pane_end {
                for (counter, words) in batches.iter_mut().enumerate() {
                    send(counter, batch_of(pane, std::mem::take(words)));
                }
                pane = time / SLIDE_MS;
                pane_end = (pane + 1) * SLIDE_MS;
                for counter in 0..TASKS {
                    send(counter, Message::Pane { source, pane });
                }
            }
            for word in words.by_ref().take(run) {
                let counter = task_of_shard(shard_of(word.route_hash()), TASKS);
                let batch = &mut batches[counter];
                batch.push(word);
                if batch.len() == BATCH {
                    let buffer = emptied.try_recv();
                    let buffer = buffer.unwrap_or_else(|_| Vec::with_capacity(BATCH));
                    send(counter, batch_of(pane, std::mem::replace(batch, buffer)));
                }
            }
        }
    }
    for (counter, words) in batches.into_iter().enumerate() {
        send(counter, batch_of(pane, words));
        let pane = i64::MAX;
        send(counter, Message::Pane { source, pane });
    }
}

#[derive(Default)]
struct Counter {
    /// For each word its counts in the panes of the window.
    counts: ahash::AHashMap<Text, [u32; PANES]>,
    /// The pane that is counted.
    pane: i64,
    /// How far each source has come.
    sources: [i64; TASKS],
    /// What came from a source that is ahead of another by a pane.
    held: Vec<(i64, Vec<Text>)>,
    rankings: Rankings,
}

impl Counter {
    fn run(mut self, messages: &Receiver<Message>, buffers: &[Sender<Vec<Text>>]) -> Rankings {
        for message in messages {
            match message {
                Message::Batch {
                    source,
                    pane,
                    mut words,
                } if pane == self.pane => {
                    self.count(&words);
                    words.clear();
                    // A source that has ended needs no buffers.
                    let _ = buffers[source].send(words);
                }
                Message::Batch { pane, words, .. } => self.held.push((pane, words)),
                Message::Pane { source, pane } => {
                    self.sources[source] = pane;
                    let least = self.sources.into_iter().min().unwrap_or(i64::MAX);
                    while self.pane < least && (least < i64::MAX || !self.counts.is_empty()) {
                        self.close();
                    }
                }
            }
        }
        self.rankings
    }

    #[inline]
    fn count(&mut self, words: &[Text]) {
        let slot = self.pane as usize % PANES;
        for word in words {
            if let Some(panes) = self.counts.get_mut(word) {
                panes[slot] += 1;
            } else {
                let mut panes = [0; PANES];
                panes[slot] = 1;
                self.counts.insert(word.clone(), panes);
            }
        }
    }

    /// Ranks the window that ends with the pane, and goes on to the next pane.
    fn close(&mut self) {
        let mut top = Top::new(TOP).expect("more than no places");
        for (word, panes) in &self.counts {
            top.offer(word, panes.iter().map(|count| u64::from(*count)).sum());
        }
        let end = (self.pane + 1) * SLIDE_MS;
        self.rankings.push((end, top.into_entries()));
        self.pane += 1;
        let slot = self.pane as usize % PANES;
        self.counts.retain(|_, panes| {
            panes[slot] = 0;
            panes.iter().any(|count| *count > 0)
        });
        for (pane, words) in std::mem::take(&mut self.held) {
            if pane == self.pane {
                self.count(&words);
            } else {
                self.held.push((pane, words));
            }
        }
    }
}

/// The rankings of all counters as one.
fn merge(parts: &[Rankings]) -> Rankings {
    let ends = parts.iter().flatten().map(|(end, _)| *end);
    let ends: std::collections::BTreeSet<_> = ends.collect();
    let rankings = ends.into_iter().map(|end| {
        let mut top = Top::new(TOP).expect("more than no places");
        for (_, ranking) in parts.iter().flatten().filter(|(at, _)| *at == end) {
            for (word, count) in ranking {
                top.offer(word, *count);
            }
        }
        (end, top.into_entries())
    });
    rankings.collect()
}

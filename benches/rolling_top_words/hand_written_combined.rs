//! The job without squall, with a combiner: two sources count the words of a pane, and two
//! counters add what both have counted.
//!
//! As in the program without a combiner times ascend within a source. A source sends one
//! message a pane to each counter, in order, so that a counter reads its sources in turn.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use ahash::AHashMap;
use squall::{
    Text,
    key::{KeyValue, shard_of, task_of_shard},
    ranking::Top,
};

use crate::straightforward::Rankings;
use crate::words::{Reader, Words};
use crate::{SLIDE_MS, TASKS, TOP, WINDOW_MS};

/// The panes by which a source may be ahead of a counter.
const AHEAD: usize = 4;

const PANES: usize = (WINDOW_MS / SLIDE_MS) as usize;

/// What a source has counted in a pane, of the words of one counter.
type Counts = Vec<(Text, u64)>;

/// Counts the words of all repetitions.
pub fn run(words: &Words, repetitions: usize) -> Rankings {
    thread::scope(|scope| {
        let mut counters = Vec::new();
        let mut to_counters: Vec<Vec<SyncSender<Counts>>> = vec![Vec::new(); TASKS];
        for _ in 0..TASKS {
            let from_sources = to_counters.iter_mut().map(|to_counters| {
                let (sender, receiver) = sync_channel(AHEAD);
                to_counters.push(sender);
                receiver
            });
            let from_sources: Vec<_> = from_sources.collect();
            counters.push(scope.spawn(move || Counter::default().run(&from_sources)));
        }
        for (source, to_counters) in to_counters.into_iter().enumerate() {
            scope.spawn(move || read(Reader::new(words, source, TASKS, repetitions), &to_counters));
        }
        let parts = counters.into_iter().map(|counter| {
            let part = counter.join();
            part.expect("a counter does not panic")
        });
        merge(parts.flatten())
    })
}

/// Counts the words of a source, pane by pane.
fn read(mut words: Reader<'_>, counters: &[SyncSender<Counts>]) {
    let mut counts: AHashMap<Text, u64> = AHashMap::new();
    let mut pane_end = SLIDE_MS;
    while let Some((mut words, runs)) = words.texts() {
        for (run, time) in runs {
            while time >= pane_end {
                deal(&mut counts, counters);
                pane_end += SLIDE_MS;
            }
            for word in words.by_ref().take(run) {
                *counts.entry(word).or_insert(0) += 1;
            }
        }
    }
    deal(&mut counts, counters);
}

/// Sends what was counted in a pane.
fn deal(counts: &mut AHashMap<Text, u64>, counters: &[SyncSender<Counts>]) {
    let mut parts = vec![Counts::new(); counters.len()];
    for part in &mut parts {
        part.reserve(counts.len());
    }
    for (word, count) in counts.drain() {
        let counter = task_of_shard(shard_of(word.route_hash()), TASKS);
        parts[counter].push((word, count));
    }
    for (counter, part) in counters.iter().zip(parts) {
        let sent = counter.send(part);
        sent.expect("counters end after their sources");
    }
}

#[derive(Default)]
struct Counter {
    /// For each word its counts in the panes of the window.
    counts: AHashMap<Text, [u64; PANES]>,
    /// The pane that is counted.
    pane: i64,
    rankings: Rankings,
}

impl Counter {
    fn run(mut self, sources: &[Receiver<Counts>]) -> Rankings {
        loop {
            let mut ended = 0;
            for source in sources {
                match source.recv() {
                    Ok(counts) => self.add(counts),
                    Err(_) => ended += 1,
                }
            }
            if ended == sources.len() && self.counts.is_empty() {
                return self.rankings;
            }
            self.close();
        }
    }

    fn add(&mut self, counts: Counts) {
        let slot = self.pane as usize % PANES;
        for (word, count) in counts {
            self.counts.entry(word).or_default()[slot] += count;
        }
    }

    /// Ranks the window that ends with the pane, and goes on to the next pane.
    fn close(&mut self) {
        let mut top = Top::new(TOP).expect("more than no places");
        self.pane += 1;
        let slot = self.pane as usize % PANES;
        self.counts.retain(|word, panes| {
            let sum = panes.iter().sum();
            top.offer(word, sum);
            sum > std::mem::take(&mut panes[slot])
        });
        self.rankings
            .push((self.pane * SLIDE_MS, top.into_entries()));
    }
}

/// The rankings of all counters as one for each window.
fn merge(parts: impl Iterator<Item = (i64, Vec<(Text, u64)>)>) -> Rankings {
    let mut windows = BTreeMap::new();
    for (end, ranking) in parts {
        let top = windows
            .entry(end)
            .or_insert_with(|| Top::new(TOP).expect("more than no places"));
        for (word, count) in &ranking {
            top.offer(word, *count);
        }
    }
    let windows = windows.into_iter();
    windows
        .map(|(end, top)| (end, top.into_entries()))
        .collect()
}

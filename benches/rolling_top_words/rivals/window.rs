//! What the operators of both programs do.

use std::collections::BTreeMap;

use ahash::AHashMap;
use squall::{Text, ranking::Top};

use crate::straightforward::Rankings;
use crate::words::{Reader, Words};
use crate::{SLIDE_MS, TASKS, TOP, WINDOW_MS};

const PANES: usize = (WINDOW_MS / SLIDE_MS) as usize;

/// Words with their counts in a pane.
pub type Counts = Vec<(Text, u32)>;

/// The words of one source, each with its pane.
pub struct Source {
    words: Reader<'static>,
    pane: i64,
    pane_end: i64,
}

impl Source {
    pub fn new(words: &'static Words, source: usize, repetitions: usize) -> Self {
        Self {
            words: Reader::new(words, source, TASKS, repetitions),
            pane: 0,
            pane_end: SLIDE_MS,
        }
    }
}

impl Iterator for Source {
    type Item = (i64, &'static str);

    #[inline]
    fn next(&mut self) -> Option<(i64, &'static str)> {
        let (time, word) = self.words.next()?;
        if time >= self.pane_end {
            self.pane = time / SLIDE_MS;
            self.pane_end = (self.pane + 1) * SLIDE_MS;
        }
        Some((self.pane, word))
    }
}

/// What the operator before the exchange keeps: the counts of the pane that it is at.
#[derive(Clone, Default)]
pub struct Combiner(AHashMap<&'static str, u32>);

impl Combiner {
    #[inline]
    pub fn add(&mut self, word: &'static str) {
        *self.0.entry(word).or_insert(0) += 1;
    }

    /// Takes out what was counted.
    pub fn take(&mut self) -> Counts {
        let counts = self.0.drain();
        counts.map(|(word, count)| (word.into(), count)).collect()
    }
}

/// The window's counts of the words that go to one task.
#[derive(Clone, Default)]
pub struct Window {
    counts: AHashMap<Text, [u32; PANES]>,
    /// The pane that is counted.
    pane: i64,
    /// What came of later panes: a source may be ahead.
    ahead: BTreeMap<i64, Counts>,
}

impl Window {
    pub fn add(&mut self, pane: i64, word: Text, count: u32) {
        if pane > self.pane {
            self.ahead.entry(pane).or_default().push((word, count));
            return;
        }
        let slot = pane as usize % PANES;
        self.counts.entry(word).or_insert([0; PANES])[slot] += count;
    }

    /// Closes all panes before this one.
    pub fn close_before(&mut self, pane: i64, rankings: &mut Rankings) {
        while self.pane < pane {
            rankings.push(self.close());
        }
    }

    /// Closes what is left.
    pub fn close_all(&mut self, rankings: &mut Rankings) {
        while !self.counts.is_empty() || !self.ahead.is_empty() {
            rankings.push(self.close());
        }
    }

    /// Ranks the window that ends with the pane, and goes on to the next pane.
    fn close(&mut self) -> (i64, Vec<(Text, u64)>) {
        let mut top = Top::new(TOP).expect("more than no places");
        self.pane += 1;
        let next = self.pane as usize % PANES;
        self.counts.retain(|word, panes| {
            let sum: u32 = panes.iter().sum();
            top.offer(word, u64::from(sum));
            let over = std::mem::take(&mut panes[next]);
            sum > over
        });
        for (word, count) in self.ahead.remove(&self.pane).unwrap_or_default() {
            self.add(self.pane, word, count);
        }
        (self.pane * SLIDE_MS, top.into_entries())
    }
}

/// The rankings of all tasks as one for each window.
pub fn merge(parts: impl IntoIterator<Item = (i64, Vec<(Text, u64)>)>) -> Rankings {
    let mut windows = BTreeMap::new();
    for (end, ranking) in parts {
        let top = windows.entry(end);
        let top = top.or_insert_with(|| Top::new(TOP).expect("more than no places"));
        for (word, count) in ranking {
            top.offer(&word, count);
        }
    }
    let windows = windows.into_iter();
    windows
        .map(|(end, top)| (end, top.into_entries()))
        .collect()
}

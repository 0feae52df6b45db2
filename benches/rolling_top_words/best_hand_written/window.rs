//! The window: the counts of the words that belong to one thread, from both threads.

use std::cmp::Reverse;
use std::hint::black_box;

use squall::Text;

use super::key::{Key, LongWords};
use super::pane::Counted;
use crate::{SLIDE_MS, TOP, WINDOW_MS};

/// The panes of a window.
pub const PANES: usize = (WINDOW_MS / SLIDE_MS) as usize;

/// One more than a window has: the next is filled already before the last is closed.
const KEPT: usize = PANES + 1;

/// The words that are looked up together.
const BLOCK: usize = 64;

/// Counts by the number of the word: what goes over all words is a run over arrays.
pub struct Window {
    /// A table of the words' numbers, never more than half full; 0 in a free slot.
    slots: Vec<u32>,
    /// There are `1 << bits` slots.
    bits: u32,
    /// By number; number 0 is no word.
    keys: Vec<Key>,
    /// So many are numbered in the order of their slots. Counts come in that order, too: they
    /// go through all arrays from the beginning to the end.
    ordered: usize,
    panes: [Vec<u32>; KEPT],
    /// The sums of the panes that are closed and not yet over.
    sums: Vec<u32>,
    /// The words that there may be before those of no pane are forgotten.
    limit: usize,
}

impl Window {
    pub fn new() -> Self {
        let mut window = Self {
            slots: Vec::new(),
            bits: 0,
            keys: Vec::new(),
            ordered: 0,
            panes: Default::default(),
            sums: Vec::new(),
            limit: 1_000,
        };
        window.push(Key::default());
        window.index();
        window
    }

    fn push(&mut self, key: Key) {
        self.keys.push(key);
        self.sums.push(0);
        for pane in &mut self.panes {
            pane.push(0);
        }
    }

    /// Adds counts of a pane that is not closed.
    pub fn add(&mut self, pane: usize, counted: &[Counted]) {
        if self.keys.len() > self.ordered * 5 / 4 + 1_000 {
            self.index();
        }
        for block in counted.chunks(BLOCK) {
            if (self.keys.len() + block.len()) * 2 > self.slots.len() {
                self.index();
            }
            self.add_block(pane % KEPT, block);
        }
    }

    fn add_block(&mut self, pane: usize, counted: &[Counted]) {
        let (mut hashes, mut touched) = ([0; BLOCK], 0);
        for (hash, counted) in hashes.iter_mut().zip(counted) {
            *hash = counted.key.hash();
            touched |= self.slots[Key::slot(*hash, self.bits)];
        }
        black_box(touched);
        let mut touched = false;
        for hash in &hashes[..counted.len()] {
            touched |= self.keys[self.slots[Key::slot(*hash, self.bits)] as usize].is_none();
        }
        black_box(touched);
        for (hash, Counted { key, count }) in hashes.into_iter().zip(counted) {
            let number = self.number(*key, hash);
            self.panes[pane][number] += count;
        }
    }

    #[inline]
    fn number(&mut self, key: Key, hash: u64) -> usize {
        let last = self.slots.len() - 1;
        let mut at = Key::slot(hash, self.bits);
        loop {
            let number = self.slots[at] as usize;
            if self.keys[number] == key {
                return number;
            }
            if number == 0 {
                return self.learn(key, at);
            }
            at = (at + 1) & last;
        }
    }

    /// Gives a new word a number, and the number a free slot.
    #[cold]
    fn learn(&mut self, key: Key, slot: usize) -> usize {
        let number = self.keys.len();
        self.push(key);
        self.slots[slot] = number as u32;
        number
    }

    /// Makes the table anew, with room for as many words again, and numbers the words in the
    /// order of their slots.
    #[cold]
    fn index(&mut self) {
        let mut order: Vec<_> = (0..self.keys.len()).collect();
        // No word stays the first.
        order[1..].sort_unstable_by_key(|number| self.keys[*number].hash() << 1);
        self.keys = order.iter().map(|number| self.keys[*number]).collect();
        for counts in self.panes.iter_mut().chain([&mut self.sums]) {
            *counts = order.iter().map(|number| counts[*number]).collect();
        }
        self.ordered = self.keys.len();
        let slots = ((self.keys.len() + BLOCK) * 4).next_power_of_two();
        self.bits = slots.trailing_zeros();
        self.slots.clear();
        self.slots.resize(slots, 0);
        for (number, key) in self.keys.iter().enumerate().skip(1) {
            let mut at = Key::slot(key.hash(), self.bits);
            while self.slots[at] > 0 {
                at = (at + 1) & (slots - 1);
            }
            self.slots[at] = number as u32;
        }
    }

    /// Ranks the window that ends with the pane, and lets the oldest pane go.
    pub fn close(&mut self, pane: usize, long: &LongWords) -> Vec<(Text, u64)> {
        for (sum, count) in self.sums.iter_mut().zip(&self.panes[pane % KEPT]) {
            *sum += count;
        }
        let ranking = self.rank(long);
        // The one before the window's second is the one after the next.
        let over = &mut self.panes[(pane + 2) % KEPT];
        for (sum, count) in self.sums.iter_mut().zip(&mut *over) {
            *sum -= std::mem::take(count);
        }
        if self.keys.len() > self.limit {
            self.forget();
        }
        ranking
    }

    fn rank(&self, long: &LongWords) -> Vec<(Text, u64)> {
        // The best so far, with all that are equal to the last of them.
        let mut best = Vec::new();
        let (mut least, mut full) = (1, 8 * TOP);
        for (number, sum) in self.sums.iter().enumerate() {
            if *sum < least {
                continue;
            }
            best.push((Reverse(*sum), number));
            if best.len() == full {
                least = keep_best(&mut best);
                full = best.len() + 8 * TOP;
            }
        }
        if best.len() > TOP {
            keep_best(&mut best);
        }
        let words = best.into_iter();
        let words = words.map(|(sum, number)| (sum, self.keys[number].text(long)));
        let mut words: Vec<_> = words.collect();
        words.sort_unstable();
        words.truncate(TOP);
        let words = words.into_iter();
        words.map(|(sum, word)| (word, u64::from(sum.0))).collect()
    }

    /// Forgets the words that no pane has.
    #[cold]
    fn forget(&mut self) {
        let mut kept = vec![false; self.keys.len()];
        kept[0] = true;
        for pane in &self.panes {
            for (kept, count) in kept.iter_mut().zip(pane) {
                *kept |= *count > 0;
            }
        }
        retain(&mut self.keys, &kept);
        for counts in self.panes.iter_mut().chain([&mut self.sums]) {
            retain(counts, &kept);
        }
        self.limit = 2 * self.keys.len() + 1_000;
        self.index();
    }
}

/// Keeps the first, and those that are equal to the last of these; how much that is.
fn keep_best(best: &mut Vec<(Reverse<u32>, usize)>) -> u32 {
    let (_, (last, _), _) = best.select_nth_unstable(TOP - 1);
    let least = *last;
    best.retain(|(sum, _)| *sum <= least);
    least.0
}

fn retain<T>(values: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    values.retain(|_| kept.next().is_some_and(|kept| *kept));
}

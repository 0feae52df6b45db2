//! What one thread has counted of one pane.

use super::key::Key;

/// A word and how often it came.
#[derive(Clone, Copy, Default)]
pub struct Counted {
    pub key: Key,
    pub count: u32,
}

/// The counts of the words of a pane, in the slots of an open-addressing table that is never
/// more than half full: small enough for the core's own cache.
pub struct Pane {
    slots: Vec<Counted>,
    /// There are `1 << bits` slots.
    bits: u32,
    /// For each thread, a bit for each slot: whether it has one of its words.
    used: [Vec<u64>; 2],
    words: usize,
}

impl Pane {
    pub fn new() -> Self {
        Self::with(12)
    }

    fn with(bits: u32) -> Self {
        let used = vec![0; 1 << bits >> 6];
        Self {
            slots: vec![Counted::default(); 1 << bits],
            bits,
            used: [used.clone(), used],
            words: 0,
        }
    }

    /// Counts some words, given with their hashes.
    // Not inlined: the loop has more registers so.
    #[inline(never)]
    pub fn count(&mut self, words: &[(Key, u64)]) {
        while (self.words + words.len()) * 2 > self.slots.len() {
            self.grow();
        }
        for (key, hash) in words {
            self.add(*key, *hash, 1);
        }
    }

    #[inline]
    fn add(&mut self, key: Key, hash: u64, count: u32) {
        let last = self.slots.len() - 1;
        let mut at = Key::slot(hash, self.bits);
        loop {
            let slot = &mut self.slots[at & last];
            if slot.key == key {
                slot.count += count;
                return;
            }
            if slot.key.is_none() {
                *slot = Counted { key, count };
                break;
            }
            at += 1;
        }
        at &= last;
        self.used[Key::thread(hash)][at >> 6] |= 1 << (at & 63);
        self.words += 1;
    }

    #[cold]
    fn grow(&mut self) {
        let larger = Self::with(self.bits + 1);
        let smaller = std::mem::replace(self, larger);
        for Counted { key, count } in smaller.slots {
            if !key.is_none() {
                self.add(key, key.hash(), count);
            }
        }
    }

    /// Gives away the counts of the words of a thread, in the order of their slots.
    pub fn drain(&mut self, thread: usize, counts: &mut Vec<Counted>) {
        let before = counts.len();
        for (at, used) in self.used[thread].iter_mut().enumerate() {
            let mut used = std::mem::take(used);
            while used > 0 {
                let slot = at << 6 | used.trailing_zeros() as usize;
                counts.push(std::mem::take(&mut self.slots[slot]));
                used &= used - 1;
            }
        }
        self.words -= counts.len() - before;
    }
}

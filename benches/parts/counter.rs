//! Counting into sliding windows.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::{Duration, Instant};

use squall::bolts::SlidingWindowCounter;
use squall::{Text, key::KeyHash};

use crate::cases::{Case, Took};
use crate::words::{skewed, vocabulary};

const KEYS: usize = 100_000;

/// The words of a slot, as in the main job.
const WORDS: usize = 166_000;

/// The words that come together.
const BATCH: usize = 1_024;

const SLOTS: usize = 6;

type Counter = SlidingWindowCounter<Text>;

/// Words of one slot with their hashes.
struct Slot {
    words: Vec<Text>,
    hashes: Vec<KeyHash>,
}

impl Slot {
    fn new() -> Self {
        let vocabulary = vocabulary(KEYS);
        let words = skewed(WORDS, KEYS).into_iter();
        let words: Vec<_> = words.map(|number| vocabulary[number].clone()).collect();
        let hashes = words.iter().map(KeyHash::of).collect();
        Self { words, hashes }
    }

    fn add(&self, counter: &mut Counter, slot: i64) {
        for word in &self.words {
            counter.add(word, slot, 1);
        }
    }

    fn add_hashed(&self, counter: &mut Counter, slot: i64) {
        for (word, hash) in self.words.iter().zip(&self.hashes) {
            counter.add_hashed(word, *hash, slot, 1);
        }
    }

    fn add_all(&self, counter: &mut Counter, slot: i64) {
        let batches = self.words.chunks(BATCH).zip(self.hashes.chunks(BATCH));
        for (words, hashes) in batches {
            counter.add_all(hashes, |at| Cow::Borrowed(&words[at]), |_| 1, slot);
        }
    }
}

/// One full window after the other, without end.
struct Run {
    words: Rc<Slot>,
    counter: Counter,
    next: i64,
}

impl Run {
    fn new(words: &Rc<Slot>) -> Self {
        let counter = Counter::new(SLOTS).expect("a window that slides");
        let mut run = Self {
            words: Rc::clone(words),
            counter,
            next: 0,
        };
        for _ in 0..SLOTS {
            run.slot(Slot::add_all);
        }
        run
    }

    /// Counts a slot and closes it; what the one and the other took.
    fn slot(&mut self, add: fn(&Slot, &mut Counter, i64)) -> [Duration; 2] {
        let began = Instant::now();
        add(&self.words, &mut self.counter, self.next);
        let added = began.elapsed();
        self.counter.close(self.next);
        let closed = began.elapsed().saturating_sub(added);
        self.next += 1;
        [added, closed]
    }

    fn adds(mut self, name: &str, add: fn(&Slot, &mut Counter, i64)) -> Case {
        Case::timed(format!("`{name}`, each word"), move || -> Took {
            let [added, _] = self.slot(add);
            (added, WORDS)
        })
    }
}

pub fn cases() -> Vec<Case> {
    let words = &Rc::new(Slot::new());
    let mut closing = Run::new(words);
    let close = Case::timed("`close`, each slot of 166 k words", move || {
        let [_, closed] = closing.slot(Slot::add_all);
        (closed, 1)
    });
    let ranking = Run::new(words);
    let largest = Case::of("`largest(100)`, each window", 1, move || {
        ranking.counter.largest(100)
    });
    vec![
        Run::new(words).adds("add", Slot::add),
        Run::new(words).adds("add_hashed", Slot::add_hashed),
        Run::new(words).adds("add_all", Slot::add_all),
        close,
        largest,
    ]
}

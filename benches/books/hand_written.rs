//! What one writes for such a job: one thread that holds a file at a time.

use std::fs;

use ahash::AHashMap;
use squall::connectors::files::Split;

use crate::text::Books;
use crate::{TOP, Top, Totals};

#[derive(Default)]
struct Counts {
    counts: AHashMap<String, u64>,
    totals: Totals,
}

impl Counts {
    fn add(&mut self, word: &str) {
        self.totals.add(word);
        match self.counts.get_mut(word) {
            Some(count) => *count += 1,
            None => {
                self.counts.insert(word.to_owned(), 1);
            }
        }
    }

    fn top(self) -> Top {
        let mut all: Top = self.counts.into_iter().collect();
        all.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        all.truncate(TOP);
        all
    }
}

/// Reads, splits and counts everything.
pub fn run(books: &Books, split: Split) -> (Totals, Top) {
    let mut counts = Counts::default();
    for path in &books.paths {
        let mut text = fs::read_to_string(path).expect("the books are UTF-8");
        if split == Split::AsciiWords {
            text.make_ascii_lowercase();
            ascii_words(&text, &mut counts);
        } else {
            for line in text.lines() {
                words(line, &mut counts);
            }
        }
    }
    (counts.totals, counts.top())
}

fn ascii_words(text: &str, counts: &mut Counts) {
    // Every byte that is not ASCII separates, so both ends of a word are between characters.
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        if !byte.is_ascii_alphanumeric() {
            if start < at {
                counts.add(&text[start..at]);
            }
            start = at + 1;
        }
    }
    if start < bytes.len() {
        counts.add(&text[start..]);
    }
}

fn words(line: &str, counts: &mut Counts) {
    if line.is_ascii() {
        return ascii_words(&line.to_ascii_lowercase(), counts);
    }
    let line = line.to_lowercase();
    for word in line.split(|char: char| !char.is_alphanumeric()) {
        if !word.is_empty() {
            counts.add(word);
        }
    }
}

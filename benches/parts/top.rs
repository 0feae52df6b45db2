//! Ranking.

use std::rc::Rc;

use fastrand::Rng;
use squall::{Text, ranking::Top};

use crate::cases::Case;
use crate::words::vocabulary;

const KEYS: usize = 100_000;

pub fn cases() -> Vec<Case> {
    let mut random = Rng::with_seed(1);
    let words = vocabulary(KEYS).into_iter();
    // As in a skewed stream: a few large counts, and many small ones that are the same.
    let entries = words.map(|word| {
        let count = 1.0 / (random.f64() + 1e-6);
        (word, count as u64)
    });
    let entries: Rc<Vec<(Text, u64)>> = Rc::new(entries.collect());
    let cases = [10, 1_000, 100_000].map(|places| {
        let entries = Rc::clone(&entries);
        Case::of(
            format!("`Top`, {places} places, each of 100 k entries"),
            KEYS,
            move || {
                let mut top = Top::new(places).expect("more than no places");
                for (word, count) in entries.iter() {
                    top.offer(word, *count);
                }
                top.into_entries()
            },
        )
    });
    cases.into()
}

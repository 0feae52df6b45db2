//! Words for the cases.

use std::ops::RangeInclusive;

use fastrand::Rng;
use squall::Text;

/// So many different words of 5 to 9 letters.
pub fn vocabulary(count: usize) -> Vec<Text> {
    let mut random = Rng::with_seed(3);
    let mut seen = ahash::AHashSet::with_capacity(count);
    while seen.len() < count {
        seen.insert(Text::from(word(&mut random, &(5..=9))));
    }
    let mut words: Vec<_> = seen.into_iter().collect();
    // The order of a set is another one in each process.
    words.sort_unstable();
    random.shuffle(&mut words);
    words
}

/// A word of so many letters.
pub fn word(random: &mut Rng, letters: &RangeInclusive<usize>) -> String {
    let letters = random.usize(letters.clone());
    (0..letters).map(|_| random.lowercase()).collect()
}

/// Numbers below `below`, the frequent ones first: that of rank `r` comes with a probability of
/// about `1 / r`.
pub fn skewed(count: usize, below: usize) -> Vec<usize> {
    let mut random = Rng::with_seed(5);
    let numbers = (0..count).map(|_| {
        let number = (below as f64).powf(random.f64()) - 1.0;
        (number as usize).min(below - 1)
    });
    numbers.collect()
}

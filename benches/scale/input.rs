//! The words of a row, as one text in memory.

use ahash::AHashSet;
use fastrand::Rng;
use squall::Text;

use crate::WINDOW_MS;

/// How many words are generated, and repeated then.
const WORDS: usize = 2_000_000;

/// How many words a window holds.
const WINDOW_WORDS: usize = 1_000_000;

/// The exponent of the Zipf distribution.
const EXPONENT: f64 = 1.1;

/// Words in their order, which can be read again and again: each repetition follows the one
/// before it in time.
pub struct Input {
    text: String,
    /// Where each word ends in the text.
    ends: Vec<u32>,
    /// The event time from one word to the next, in parts of 2^-32 ms.
    step: u64,
}

impl Input {
    /// Words that are drawn by a Zipf distribution over `keys` different ones.
    ///
    /// Where a window of usual size would hold few of them, half of the words go through the
    /// whole vocabulary, and one window holds all.
    pub fn generate(keys: usize, key_bytes: Option<usize>) -> Self {
        let mut random = Rng::with_seed(1);
        let vocabulary = vocabulary(&mut random, keys, key_bytes);
        let zipf = Zipf::over(keys);
        if keys < WINDOW_WORDS {
            let drawn = (0..WORDS).map(|_| zipf.draw(&mut random));
            return Self::of(&vocabulary, drawn, WINDOW_WORDS);
        }
        let mut order: Vec<usize> = (0..keys).collect();
        random.shuffle(&mut order);
        let mixed = order
            .into_iter()
            .flat_map(|number| [number, zipf.draw(&mut random)]);
        Self::of(&vocabulary, mixed, 2 * keys)
    }

    fn of(vocabulary: &[String], words: impl Iterator<Item = usize>, window_words: usize) -> Self {
        let step_ms = WINDOW_MS as f64 / window_words as f64;
        let mut input = Self {
            text: String::new(),
            ends: Vec::new(),
            // Rounded up, so that a window's words fill it.
            step: (step_ms * (1_u64 << 32) as f64).ceil() as u64,
        };
        for word in words {
            input.text.push_str(&vocabulary[word]);
            let end = u32::try_from(input.text.len()).expect("a text of less than 4 GiB");
            input.ends.push(end);
        }
        input
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub fn text(&self, index: usize) -> Text {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Text::of_part(&self.text, start as usize..self.ends[index] as usize)
    }

    /// The event time of a word, in milliseconds.
    #[inline]
    fn time_ms(&self, index: usize) -> i64 {
        ((index as u64 * self.step) >> 32) as i64
    }

    /// The time of the last word of so many repetitions.
    pub fn last_ms(&self, repetitions: usize) -> i64 {
        let before = self.time_ms(self.len()) * (repetitions as i64 - 1);
        before + self.time_ms(self.len() - 1)
    }
}

/// The words that a source reads in a row, before those that are the others' follow.
const BLOCK: usize = 256;

/// Reads every `sources`-th block of words from the `source`-th on, repetition after
/// repetition.
pub struct Reader {
    input: &'static Input,
    next: usize,
    /// Where the block ends.
    end: usize,
    source: usize,
    sources: usize,
    offset_ms: i64,
    repetitions: usize,
}

impl Reader {
    pub fn new(input: &'static Input, source: usize, sources: usize, repetitions: usize) -> Self {
        let next = source * BLOCK;
        Self {
            input,
            next,
            end: (next + BLOCK).min(input.len()),
            source,
            sources,
            offset_ms: 0,
            repetitions,
        }
    }

    #[cold]
    fn next_block(&mut self) {
        self.next += (self.sources - 1) * BLOCK;
        if self.next >= self.input.len() {
            self.repetitions = self.repetitions.saturating_sub(1);
            self.next = self.source * BLOCK;
            self.offset_ms += self.input.time_ms(self.input.len());
        }
        self.end = (self.next + BLOCK).min(self.input.len());
    }
}

/// The time, number and text of each word.
impl Iterator for Reader {
    type Item = (i64, usize, Text);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            self.next_block();
        }
        if self.repetitions == 0 {
            return None;
        }
        let index = self.next;
        self.next += 1;
        let time = self.offset_ms + self.input.time_ms(index);
        Some((time, index, self.input.text(index)))
    }
}

/// So many different words of letters.
fn vocabulary(random: &mut Rng, keys: usize, key_bytes: Option<usize>) -> Vec<String> {
    let mut seen = AHashSet::with_capacity(keys);
    let mut words = Vec::with_capacity(keys);
    while words.len() < keys {
        let bytes = key_bytes.unwrap_or_else(|| random.usize(4..=10));
        let word: String = (0..bytes).map(|_| random.lowercase()).collect();
        if seen.insert(word.clone()) {
            words.push(word);
        }
    }
    words
}

/// Numbers from 0 on, drawn by their ranks.
struct Zipf {
    /// For each number the sum of its weight and those before it.
    cumulative: Vec<f64>,
}

impl Zipf {
    fn over(numbers: usize) -> Self {
        let mut sum = 0.0;
        let weights = (1..=numbers).map(|rank| (rank as f64).powf(-EXPONENT));
        let sums = weights.map(|weight| {
            sum += weight;
            sum
        });
        Self {
            cumulative: sums.collect(),
        }
    }

    fn draw(&self, random: &mut Rng) -> usize {
        let most = self.cumulative.last().copied().unwrap_or(0.0);
        let drawn = random.f64() * most;
        self.cumulative.partition_point(|sum| *sum < drawn)
    }
}

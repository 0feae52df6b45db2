//! The input: words of a Zipf distribution, as one text in memory.

use std::ops::Range;

use fastrand::Rng;
use squall::Text;

use crate::WINDOW_MS;

/// How many different words there are in the main job.
pub const VOCABULARY: usize = 100_000;

/// The exponent of the Zipf distribution.
const EXPONENT: f64 = 1.1;

/// The words in their order. They can be read again and again: each repetition follows the
/// one before it in time.
pub struct Words {
    text: String,
    /// Where each word ends in the text.
    ends: Vec<u32>,
    /// The event time from one word to the next, in parts of 2^-32 ms.
    step: u64,
}

/// 0.06 ms: a window holds a million words.
const STEP_MS: f64 = 0.06;

impl Words {
    /// The same words for the same number.
    pub fn generate(count: usize) -> Self {
        let mut random = Rng::with_seed(1);
        let vocabulary = vocabulary(&mut random, VOCABULARY);
        let zipf = Zipf::over(VOCABULARY);
        let mut words = Self::empty(count, STEP_MS);
        for _ in 0..count {
            words.push(&vocabulary[zipf.draw(&mut random)]);
        }
        words
    }

    /// The words of one window that holds `keys` different ones: half of them go through the
    /// whole vocabulary in a random order, so that any time of a window's length has all of
    /// it, and the other half are drawn by the Zipf distribution.
    pub fn of_all(keys: usize) -> Self {
        let mut random = Rng::with_seed(2);
        let vocabulary = vocabulary(&mut random, keys);
        let zipf = Zipf::over(keys);
        let mut order: Vec<usize> = (0..keys).collect();
        random.shuffle(&mut order);
        let mut words = Self::empty(2 * keys, WINDOW_MS as f64 / (2 * keys) as f64);
        for number in order {
            // In pairs, so that two sources get the same mixture.
            let pair = [number, zipf.draw(&mut random)];
            let first = random.usize(..2);
            words.push(&vocabulary[pair[first]]);
            words.push(&vocabulary[pair[1 - first]]);
        }
        words
    }

    fn empty(count: usize, step_ms: f64) -> Self {
        Self {
            text: String::new(),
            ends: Vec::with_capacity(count),
            // Rounded up, so that whole slides stay whole.
            step: (step_ms * (1_u64 << 32) as f64).ceil() as u64,
        }
    }

    fn push(&mut self, word: &str) {
        self.text.push_str(word);
        let end = u32::try_from(self.text.len()).expect("a text of less than 4 GiB");
        self.ends.push(end);
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub fn get(&self, index: usize) -> &str {
        &self.text[self.start(index)..self.ends[index] as usize]
    }

    /// Where a word starts in the text.
    #[inline]
    fn start(&self, index: usize) -> usize {
        index
            .checked_sub(1)
            .map_or(0, |last| self.ends[last] as usize)
    }

    /// Some words, one after the other, as texts of their own.
    #[inline]
    fn texts(&self, words: Range<usize>) -> impl Iterator<Item = Text> {
        // What is reached through `self` is loaded again after each word that is written.
        let (text, mut start) = (self.text.as_str(), self.start(words.start));
        self.ends[words].iter().map(move |end| {
            let word = start..*end as usize;
            start = word.end;
            Text::of_part(text, word)
        })
    }

    /// For some words, one after the other, the 16 bytes of the text from their start on as two
    /// numbers, the first byte the lowest; and their lengths.
    #[inline]
    pub fn blocks(&self, words: Range<usize>) -> impl Iterator<Item = ([u64; 2], usize)> {
        let (text, mut start) = (self.text.as_bytes(), self.start(words.start));
        self.ends[words].iter().map(move |end| {
            let word = start..*end as usize;
            start = word.end;
            let bytes = match text[word.start..].first_chunk::<16>() {
                Some(block) => numbers(block),
                None => self.last_block(word.start),
            };
            (bytes, word.len())
        })
    }

    /// A block at the end of the text, filled up with zeros.
    #[cold]
    fn last_block(&self, start: usize) -> [u64; 2] {
        let mut block = [0; 16];
        let bytes = &self.text.as_bytes()[start..];
        block[..bytes.len()].copy_from_slice(bytes);
        numbers(&block)
    }

    /// The event time of a word, in milliseconds.
    #[inline]
    pub fn time_ms(&self, index: usize) -> i64 {
        ((index as u64 * self.step) >> 32) as i64
    }

    /// The number of the first word, if there is one, with a time after this one, which is not
    /// negative.
    #[inline]
    fn first_after(&self, time: i64) -> usize {
        ((time as u64 + 1) << 32).div_ceil(self.step) as usize
    }

    /// The time that one repetition takes.
    pub fn span_ms(&self) -> i64 {
        self.time_ms(self.len())
    }
}

#[inline]
fn numbers(block: &[u8; 16]) -> [u64; 2] {
    let [low, high] = [0, 8].map(|at| block[at..].first_chunk::<8>());
    [low, high].map(|bytes| bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes)))
}

/// The words that a source reads in a row, before those that are the others' follow.
const BLOCK: usize = 256;

/// Reads every `sources`-th block of words from the `source`-th on, repetition after
/// repetition.
pub struct Reader<'w> {
    words: &'w Words,
    next: usize,
    /// Where the block ends.
    end: usize,
    source: usize,
    sources: usize,
    offset_ms: i64,
    repetitions: usize,
}

impl<'w> Reader<'w> {
    pub fn new(words: &'w Words, source: usize, sources: usize, repetitions: usize) -> Self {
        let next = source * BLOCK;
        Self {
            words,
            next,
            end: (next + BLOCK).min(words.len()),
            source,
            sources,
            offset_ms: 0,
            repetitions,
        }
    }
}

impl Reader<'_> {
    /// The same words, so many repetitions later.
    pub fn later(mut self, repetitions: usize) -> Self {
        self.offset_ms += self.words.span_ms() * repetitions as i64;
        self
    }

    /// The words up to the end of the block as texts of their own, and how many in a row have
    /// which time.
    #[inline]
    pub fn texts(
        &mut self,
    ) -> Option<(
        impl Iterator<Item = Text>,
        impl Iterator<Item = (usize, i64)>,
    )> {
        if self.next >= self.end {
            self.next_block();
        }
        if self.repetitions == 0 {
            return None;
        }
        let (words, offset) = (self.words, self.offset_ms);
        let (first, end) = (self.next, self.end);
        self.next = end;
        let mut next = first;
        let runs = std::iter::from_fn(move || {
            let first = next;
            if first >= end {
                return None;
            }
            let time = words.time_ms(first);
            next = words.first_after(time).min(end);
            Some((next - first, offset + time))
        });
        Some((words.texts(first..end), runs))
    }

    /// Time and number of the next word.
    #[inline]
    fn advance(&mut self) -> Option<(i64, usize)> {
        if self.next >= self.end {
            self.next_block();
        }
        if self.repetitions == 0 {
            return None;
        }
        let index = self.next;
        self.next += 1;
        Some((self.offset_ms + self.words.time_ms(index), index))
    }

    #[cold]
    fn next_block(&mut self) {
        self.next += (self.sources - 1) * BLOCK;
        if self.next >= self.words.len() {
            self.repetitions = self.repetitions.saturating_sub(1);
            self.next = self.source * BLOCK;
            self.offset_ms += self.words.span_ms();
        }
        self.end = (self.next + BLOCK).min(self.words.len());
    }
}

impl<'w> Iterator for Reader<'w> {
    type Item = (i64, &'w str);

    #[inline]
    fn next(&mut self) -> Option<(i64, &'w str)> {
        let (time, index) = self.advance()?;
        Some((time, self.words.get(index)))
    }
}

/// Pronounceable words of 3 to 12 letters, all different.
fn vocabulary(random: &mut Rng, count: usize) -> Vec<String> {
    const CONSONANTS: &[u8] = b"bcdfghjklmnprstvwz";
    const VOWELS: &[u8] = b"aeiou";
    let mut seen = ahash::AHashSet::with_capacity(count);
    let mut words = Vec::with_capacity(count);
    while words.len() < count {
        // Frequent words are short, as in every language.
        let shortest = if words.len() < 1_000 { 3 } else { 4 };
        let longest = if words.len() < 1_000 { 6 } else { 12 };
        let length = random.usize(shortest..=longest);
        let letters = (0..length).map(|position| {
            let letters = if position % 2 == 0 {
                CONSONANTS
            } else {
                VOWELS
            };
            char::from(letters[random.usize(..letters.len())])
        });
        let word: String = letters.collect();
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

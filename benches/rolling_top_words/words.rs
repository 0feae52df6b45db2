//! The input: ten million words of a Zipf distribution, as one text in memory.

use fastrand::Rng;

/// How many different words there are.
pub const VOCABULARY: usize = 100_000;

/// The exponent of the Zipf distribution.
const EXPONENT: f64 = 1.1;

/// The words in their order. They can be read again and again: each repetition follows the
/// one before it in time.
pub struct Words {
    text: String,
    /// Where each word ends in the text.
    ends: Vec<u32>,
}

impl Words {
    /// The same words for the same number.
    pub fn generate(count: usize) -> Self {
        let mut random = Rng::with_seed(1);
        let vocabulary = vocabulary(&mut random);
        let cumulative = cumulative();
        let (mut text, mut ends) = (String::new(), Vec::with_capacity(count));
        for _ in 0..count {
            let drawn = random.f64() * cumulative[VOCABULARY - 1];
            let number = cumulative.partition_point(|sum| *sum < drawn);
            text.push_str(&vocabulary[number]);
            ends.push(u32::try_from(text.len()).expect("a text of less than 4 GiB"));
        }
        Self { text, ends }
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    #[inline]
    pub fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start as usize..self.ends[index] as usize]
    }

    /// The event time of a word, in milliseconds: 0.06 ms after the one before it.
    #[inline]
    pub fn time_ms(index: usize) -> i64 {
        index as i64 * 6 / 100
    }

    /// The time that one repetition takes.
    pub fn span_ms(&self) -> i64 {
        Self::time_ms(self.len())
    }
}

/// Reads every `sources`-th word from the `source`-th on, repetition after repetition.
pub struct Reader<'w> {
    words: &'w Words,
    next: usize,
    sources: usize,
    offset_ms: i64,
    repetitions: usize,
}

impl<'w> Reader<'w> {
    pub fn new(words: &'w Words, source: usize, sources: usize, repetitions: usize) -> Self {
        Self {
            words,
            next: source,
            sources,
            offset_ms: 0,
            repetitions,
        }
    }
}

impl<'w> Iterator for Reader<'w> {
    type Item = (i64, &'w str);

    #[inline]
    fn next(&mut self) -> Option<(i64, &'w str)> {
        if self.next >= self.words.len() {
            self.repetitions = self.repetitions.saturating_sub(1);
            self.next -= self.words.len();
            self.offset_ms += self.words.span_ms();
        }
        if self.repetitions == 0 {
            return None;
        }
        let index = self.next;
        self.next += self.sources;
        Some((
            self.offset_ms + Words::time_ms(index),
            self.words.get(index),
        ))
    }
}

/// Pronounceable words of 3 to 12 letters, all different.
fn vocabulary(random: &mut Rng) -> Vec<String> {
    const CONSONANTS: &[u8] = b"bcdfghjklmnprstvwz";
    const VOWELS: &[u8] = b"aeiou";
    let mut seen = std::collections::HashSet::new();
    let mut words = Vec::with_capacity(VOCABULARY);
    while words.len() < VOCABULARY {
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

/// For each word the sum of its weight and those before it.
fn cumulative() -> Vec<f64> {
    let mut sum = 0.0;
    let weights = (1..=VOCABULARY).map(|rank| (rank as f64).powf(-EXPONENT));
    let sums = weights.map(|weight| {
        sum += weight;
        sum
    });
    sums.collect()
}

//! Words at random.

use serde::Serialize;

use crate::context::Context;
use crate::error::Result;
use crate::meaning::Meaning;
use crate::ranking::Word;
use crate::spout::{Next, Spout, SpoutOut};
use crate::text::Text;

/// The words of Storm's `TestWordSpout`.
const FIVE: [&str; 5] = ["nathan", "mike", "jackson", "golda", "bertels"];

/// Emits random words without end: Storm's five, or a Zipf-distributed vocabulary of any
/// size.
///
/// The same seed gives the same words to the same task; each task has words of its own.
///
/// ```
/// use squall::{connectors::RandomWords, testing::SpoutTest};
///
/// let words = SpoutTest::new(RandomWords::default()).at_most(100).run()?;
/// assert!(words.iter().any(|word| word.word == "nathan"));
///
/// let zipf = RandomWords::zipf(1_000, 1.1).seed(7);
/// let words = SpoutTest::new(zipf).at_most(100).run()?;
/// assert!(words.iter().filter(|word| word.word == "w0").count() > 5);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RandomWords {
    vocabulary: Vec<Text>,
    /// The probability that a word or one before it is drawn; empty where all are alike.
    cumulative: Vec<f64>,
    seed: u64,
    random: fastrand::Rng,
}

impl Default for RandomWords {
    fn default() -> Self {
        Self {
            vocabulary: FIVE.map(Text::from).to_vec(),
            cumulative: Vec::new(),
            seed: 0,
            random: fastrand::Rng::with_seed(0),
        }
    }
}

impl RandomWords {
    /// The words `w0`, `w1`, ... of which number `i` (from 0) has a probability in
    /// proportion to `1 / (i + 1)^exponent`. At least one word.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn zipf(words: usize, exponent: f64) -> Self {
        let words = words.max(1);
        let weights = (1..=words).map(|rank| (rank as f64).powf(-exponent));
        let mut sum = 0.0;
        let sums = weights.map(|weight| {
            sum += weight;
            sum
        });
        let mut cumulative: Vec<f64> = sums.collect();
        for share in &mut cumulative {
            *share /= sum;
        }
        Self {
            vocabulary: (0..words)
                .map(|number| Text::from(format!("w{number}")))
                .collect(),
            cumulative,
            ..Self::default()
        }
    }

    /// Another sequence of words.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    fn draw(&mut self) -> Text {
        let index = if self.cumulative.is_empty() {
            self.random.usize(..self.vocabulary.len())
        } else {
            let point = self.random.f64();
            let index = self.cumulative.partition_point(|share| *share < point);
            index.min(self.vocabulary.len() - 1)
        };
        self.vocabulary[index].clone()
    }
}

/// What the spout states of its words.
#[derive(Serialize)]
struct Reads {
    reads: &'static str,
    /// How many there are.
    words: usize,
    /// Whether some come more often than others.
    skewed: bool,
}

impl Spout for RandomWords {
    type Output = Word;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Word>) -> Result {
        // An odd factor gives each task a seed of its own.
        let task = (context.task as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.random = fastrand::Rng::with_seed(self.seed ^ task);
        Ok(())
    }

    fn meaning(&self) -> Meaning {
        Meaning::of(&Reads {
            reads: "random words",
            words: self.vocabulary.len(),
            skewed: !self.cumulative.is_empty(),
        })
    }

    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        let word = self.draw();
        out.emit(Word { word });
        Ok(Next::More)
    }
}

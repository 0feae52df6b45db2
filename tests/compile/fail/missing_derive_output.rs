//! A bolt emits a struct that is no tuple.

use squall::{Bolt, Out, Result, Word};

#[derive(Clone, Debug)]
struct Length {
    bytes: usize,
}

struct Measure;

impl Bolt for Measure {
    type Input = Word;
    type Output = Length;

    fn execute(&mut self, word: &Word, out: &mut Out<Length>) -> Result {
        out.emit(Length { bytes: word.word.len() });
        Ok(())
    }
}

fn main() {}

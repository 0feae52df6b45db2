//! A bolt emits something else than it says.

use squall::{Bolt, Count, Out, Result, Text, Word};

struct Shout;

impl Bolt for Shout {
    type Input = Word;
    type Output = Count<Text>;

    fn execute(&mut self, word: &Word, out: &mut Out<Count<Text>>) -> Result {
        out.emit(word.clone());
        Ok(())
    }
}

fn main() {}

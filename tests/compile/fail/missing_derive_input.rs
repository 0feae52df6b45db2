//! A sink takes a struct that is no tuple.

use squall::{Result, Sink};

#[derive(Clone, Debug)]
struct Length {
    bytes: usize,
}

struct Print;

impl Sink for Print {
    type Input = Length;

    fn write(&mut self, lengths: &[Length]) -> Result {
        lengths.iter().for_each(|length| println!("{}", length.bytes));
        Ok(())
    }
}

fn main() {}

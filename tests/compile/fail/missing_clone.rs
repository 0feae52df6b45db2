//! A tuple that cannot be copied for several readers.

use squall::Tuple;

#[derive(Tuple, Debug)]
struct Length {
    bytes: usize,
}

fn main() {}

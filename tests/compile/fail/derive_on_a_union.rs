//! Nobody knows which field of a union is there.

use squall::Tuple;

#[derive(Tuple, Clone, Copy)]
union Bits {
    whole: u32,
    parts: [u8; 4],
}

fn main() {}

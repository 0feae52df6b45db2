//! What a program says, short enough to keep it of every window.

use squall::{Text, key::KeyValue};

/// A ranking: the window's end in milliseconds, the number of its places, and a digest of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    end_ms: i64,
    places: usize,
    digest: u64,
}

/// Odd, and without a pattern.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

impl Answer {
    /// Depends on every word, every count and their order.
    pub fn of(end_ms: i64, entries: &[(Text, u64)]) -> Self {
        let digest = entries.iter().fold(0_u64, |digest, (word, count)| {
            let place = word.route_hash().wrapping_add(*count);
            (digest.rotate_left(5) ^ place).wrapping_mul(FACTOR)
        });
        Self {
            end_ms,
            places: entries.len(),
            digest,
        }
    }
}

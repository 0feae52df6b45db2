//! Sketches as bytes.

use std::collections::BTreeSet;

/// The sketch of values with these hashes.
pub(crate) fn of(hashes: &[u64]) -> Vec<u8> {
    let hashes: BTreeSet<&u64> = hashes.iter().collect();
    hashes
        .into_iter()
        .flat_map(|hash| hash.to_le_bytes())
        .collect()
}

/// The sketch of the values of both.
pub(crate) fn merged(one: &[u8], other: &[u8]) -> Vec<u8> {
    let both = one.as_chunks().0.iter().chain(other.as_chunks().0);
    let hashes: Vec<u64> = both.map(|hash| u64::from_le_bytes(*hash)).collect();
    of(&hashes)
}

//! Sketches as bytes.

use squall::aggregate::Sketch;

/// The sketch of values with these hashes.
pub(crate) fn of(hashes: &[u64]) -> Vec<u8> {
    let mut sketch = Sketch::new();
    for hash in hashes {
        sketch.insert_hash(*hash);
    }
    sketch.to_bytes()
}

/// The sketch of the values of both.
pub(crate) fn merged(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut both = Sketch::from_bytes(one).unwrap();
    both.merge_bytes(other).unwrap();
    both.to_bytes()
}

//! How many different values there were, out of the stored forms of many sketches.

use std::collections::BTreeSet;

/// The hashes of the values themselves, until the library has sketches.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sketch {
    hashes: BTreeSet<u64>,
}

/// The bytes are no sketch.
#[derive(Debug, thiserror::Error)]
#[error("{0} bytes are no sketch")]
pub(crate) struct NoSketch(usize);

impl Sketch {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.hashes.extend(&other.hashes);
    }

    pub(crate) fn merge_bytes(&mut self, bytes: &[u8]) -> Result<(), NoSketch> {
        let (hashes, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            return Err(NoSketch(bytes.len()));
        }
        self.hashes
            .extend(hashes.iter().map(|hash| u64::from_le_bytes(*hash)));
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn insert_hash(&mut self, hash: u64) {
        self.hashes.insert(hash);
    }

    #[cfg(test)]
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let hashes = self.hashes.iter();
        hashes.flat_map(|hash| hash.to_le_bytes()).collect()
    }

    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn estimate(&self) -> f64 {
        self.hashes.len() as f64
    }

    #[allow(clippy::unused_self)]
    pub(crate) fn error(&self) -> f64 {
        0.0
    }
}

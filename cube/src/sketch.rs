//! How many different values there were.

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

    pub(crate) fn insert_hash(&mut self, hash: u64) {
        self.hashes.insert(hash);
    }

    pub(crate) fn merge_bytes(&mut self, bytes: &[u8]) -> Result<(), NoSketch> {
        self.hashes.extend(Self::from_bytes(bytes)?.hashes);
        Ok(())
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.hashes
            .iter()
            .flat_map(|hash| hash.to_le_bytes())
            .collect()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, NoSketch> {
        let (hashes, rest) = bytes.as_chunks();
        if !rest.is_empty() {
            return Err(NoSketch(bytes.len()));
        }
        let hashes = hashes.iter().map(|hash| u64::from_le_bytes(*hash));
        Ok(Self {
            hashes: hashes.collect(),
        })
    }
}

//! What an appender with an id has appended, in two numbers.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// How many records, and a hash over them in their order: who repeats them can tell whether they
/// are those.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Appended {
    pub(crate) records: u64,
    pub(super) hash: u64,
}

impl Appended {
    /// With one more record.
    pub(crate) fn and(self, digest: Digest) -> Self {
        Self {
            records: self.records + 1,
            hash: xxh3_64_with_seed(&digest.0.to_be_bytes(), self.hash),
        }
    }
}

/// The hash of one record with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Digest(u64);

impl Digest {
    /// The length of each is a part of its hash, so nothing can move from one to the other.
    pub(crate) fn of(key: &str, record: &str) -> Self {
        let key = xxh3_64_with_seed(key.as_bytes(), 0);
        Self(xxh3_64_with_seed(record.as_bytes(), key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_records_or_another_order_have_another_hash() {
        let of = |records: &[(&str, &str)]| {
            let digests = records.iter().map(|(key, record)| Digest::of(key, record));
            digests.fold(Appended::default(), Appended::and)
        };
        let both = of(&[("a", "1"), ("b", "2")]);
        assert_eq!(both, of(&[("a", "1"), ("b", "2")]));
        for other in [
            [("b", "2"), ("a", "1")],
            [("a1", ""), ("b", "2")],
            [("a", "1b"), ("", "2")],
        ] {
            assert_ne!(both, of(&other), "{other:?}");
            assert_eq!(of(&other).records, 2);
        }
    }
}

//! The keys of depots in the store.
//!
//! | key | value |
//! |---|---|
//! | `d` name `a` appender | of an appender with an id, [how many records are in it, and their hash](super::appended::Appended): two u64 |
//! | `d` name `e` partition | the first and the end offset, and the bytes between: three u64 |
//! | `d` name `l` partition, end offset | a [`Block`](super::block::Block) of records |
//! | `d` name `m` | what the depot is, as JSON ([`About`]) |
//! | `d` name `r` reader NUL partition | the position that a reader has committed: u64 |
//!
//! Names have their length before them as one byte, partitions are two bytes and offsets eight,
//! big-endian; so are the numbers in values. A block lies under the offset *after* its last
//! record: the one that holds an offset is the first above it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a depot is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) format: u32,
    pub(crate) partitions: u16,
    /// The field whose hash chooses the partition of a record; empty where programs say by what.
    pub(crate) key: String,
    /// A random number: a depot that is made again under its name is another one.
    #[serde(default)]
    pub(crate) id: u64,
    #[serde(default)]
    pub(crate) keep: Retention,
}

/// The newest format that this version reads, and the one that it writes.
pub(super) const FORMAT: u32 = 1;

/// How much of a depot is kept; see [`Depot::keep`](super::Depot::keep). By default everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Records that were appended longer ago go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age: Option<Duration>,
    /// The oldest records go, until the rest has no more than so many bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

/// The most bytes of a depot's name, so that its length is one byte.
pub(super) const MAX_NAME_BYTES: usize = 255;

/// The prefix of all depots.
pub(crate) const DEPOTS: &[u8] = b"d";

fn depot(name: &str, family: u8) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let mut key = DEPOTS.to_vec();
    key.push(length);
    key.extend_from_slice(&name.as_bytes()[..usize::from(length)]);
    key.push(family);
    key
}

/// The first key of a depot, and the first one after it.
pub(crate) fn whole(name: &str) -> (Vec<u8>, Vec<u8>) {
    (depot(name, 0), depot(name, u8::MAX))
}

pub(crate) fn about(name: &str) -> Vec<u8> {
    depot(name, b'm')
}

/// The name of the depot whose [`about`] this is; none of other keys.
pub(crate) fn read_about(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.strip_prefix(DEPOTS)?.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    (rest == b"m").then(|| std::str::from_utf8(name).ok())?
}

pub(super) fn appender(name: &str, id: &str) -> Vec<u8> {
    let mut key = depot(name, b'a');
    key.extend_from_slice(id.as_bytes());
    key
}

pub(super) fn extent(name: &str, partition: u16) -> Vec<u8> {
    let mut key = depot(name, b'e');
    key.extend(partition.to_be_bytes());
    key
}

pub(super) fn block(name: &str, partition: u16, end: u64) -> Vec<u8> {
    let mut key = depot(name, b'l');
    key.extend(partition.to_be_bytes());
    key.extend(end.to_be_bytes());
    key
}

/// The end offset in the key of a block.
pub(super) fn read_block(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(*key.last_chunk::<8>()?))
}

/// The prefix of what is known of all readers.
pub(super) fn readers(name: &str) -> Vec<u8> {
    depot(name, b'r')
}

pub(super) fn reader(name: &str, reader: &str, partition: u16) -> Vec<u8> {
    let mut key = readers(name);
    key.extend_from_slice(reader.as_bytes());
    key.push(0);
    key.extend(partition.to_be_bytes());
    key
}

/// Reader and partition of a key that begins with `prefix`, that of [`readers`].
pub(super) fn read_reader(prefix: &[u8], key: &[u8]) -> Option<(String, u16)> {
    let (rest, partition) = key.strip_prefix(prefix)?.split_last_chunk::<2>()?;
    let name = rest.strip_suffix(&[0])?;
    let name = String::from_utf8(name.to_vec()).ok()?;
    Some((name, u16::from_be_bytes(*partition)))
}

/// Numbers as a value.
pub(super) fn numbers<const N: usize>(numbers: [u64; N]) -> Vec<u8> {
    numbers.map(u64::to_be_bytes).as_flattened().to_vec()
}

/// The numbers in a value; none where it has another length.
pub(super) fn read_numbers<const N: usize>(value: &[u8]) -> Option<[u64; N]> {
    let (chunks, []) = value.as_chunks::<8>() else {
        return None;
    };
    let chunks: &[[u8; 8]; N] = chunks.try_into().ok()?;
    Some(chunks.map(u64::from_be_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_and_lie_within_their_depot() {
        let (from, to) = whole("a");
        let keys = [
            about("a"),
            appender("a", "id"),
            extent("a", 7),
            block("a", 7, 9),
            reader("a", "top", 7),
        ];
        assert!(keys.iter().all(|key| from < *key && *key < to));
        assert!(!keys.iter().any(|key| key.starts_with(&readers("ab"))));
        assert_eq!(read_about(&about("a")), Some("a"));
        assert_eq!(read_about(&extent("a", 7)), None);
        assert_eq!(read_block(&block("a", 7, 9)), Some(9));
        let read = read_reader(&readers("a"), &reader("a", "top", 7));
        assert_eq!(read, Some(("top".to_owned(), 7)));
        assert!(block("a", 7, 255) < block("a", 7, 256));
        assert_eq!(
            read_numbers(&numbers([1, 2, u64::MAX])),
            Some([1, 2, u64::MAX])
        );
        assert_eq!(read_numbers::<2>(&numbers([1])), None);
        assert_eq!(read_numbers::<1>(&[0; 9]), None);
    }
}

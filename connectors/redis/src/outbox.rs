//! What is committed and waits for its delivery.

use redis::{Cmd, Pipeline, cmd};
use serde::{Deserialize, Serialize};

use crate::Error;

/// So many keys or members are in one pipeline or command.
const AT_ONCE: usize = 1_000;

/// Fewer where they are long, so that a slow connection brings a pipeline over in time.
const BYTES_AT_ONCE: usize = 1 << 20;

/// The output of one epoch. Its encoding is stored, so variants and their contents stay as they are.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Outbox<'bytes> {
    /// Keys with their values; a key without one is gone.
    #[serde(borrow)]
    Keys(Vec<(&'bytes str, Option<&'bytes str>)>),
    /// The entries of a ranking, best first.
    #[serde(borrow)]
    Ranking(Vec<(&'bytes str, u64)>),
}

/// Where a ranking goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Each key of the output is its own place.
    Keys,
    /// A sorted set, and a list in squall's order.
    SortedSet { key: String, list: String },
    /// A hash from members to counts.
    Hash { key: String },
}

impl<'bytes> Outbox<'bytes> {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        rmp_serde::to_vec_named(self).map_err(|error| outbox(&error))
    }

    pub(crate) fn decode(bytes: &'bytes [u8]) -> Result<Self, Error> {
        rmp_serde::from_slice(bytes).map_err(|error| outbox(&error))
    }

    /// The commands that bring it to its place; each pipeline can be sent again.
    pub(crate) fn pipelines(
        &self,
        place: &Place,
    ) -> Result<Box<dyn Iterator<Item = Pipeline> + Send + '_>, Error> {
        match (self, place) {
            (Self::Keys(keys), Place::Keys) => Ok(Box::new(set(keys))),
            (Self::Ranking(entries), Place::SortedSet { key, list }) => {
                let members: Vec<&str> = entries.iter().map(|(member, _)| *member).collect();
                let mut pipeline = Pipeline::new();
                pipeline.atomic().del(&[key, list]);
                for entries in entries.chunks(AT_ONCE) {
                    pipeline.add_command(with("ZADD", key, entries, |zadd, (member, count)| {
                        zadd.arg(count).arg(member);
                    }));
                }
                for members in members.chunks(AT_ONCE) {
                    pipeline.add_command(with("RPUSH", list, members, |rpush, member| {
                        rpush.arg(member);
                    }));
                }
                Ok(Box::new(std::iter::once(pipeline)))
            }
            (Self::Ranking(entries), Place::Hash { key }) => {
                let mut pipeline = Pipeline::new();
                pipeline.atomic().del(key);
                for entries in entries.chunks(AT_ONCE) {
                    pipeline.add_command(with("HSET", key, entries, |hset, (member, count)| {
                        hset.arg(member).arg(count);
                    }));
                }
                Ok(Box::new(std::iter::once(pipeline)))
            }
            (Self::Keys(_), _) => Err(other("it has keys with values, and this sink ranks")),
            (Self::Ranking(_), Place::Keys) => {
                Err(other("it has a ranking, and this sink sets keys"))
            }
        }
    }
}

/// Several pipelines, made one after the other.
fn set<'k>(
    mut keys: &'k [(&'k str, Option<&'k str>)],
) -> impl Iterator<Item = Pipeline> + Send + 'k {
    std::iter::from_fn(move || {
        let (mut pipeline, mut bytes) = (Pipeline::new(), 0);
        while let Some(((key, value), rest)) = keys.split_first()
            && pipeline.len() < AT_ONCE
            && bytes < BYTES_AT_ONCE
        {
            match value {
                Some(value) => pipeline.set(*key, *value),
                None => pipeline.del(*key),
            };
            bytes += key.len() + value.map_or(0, str::len);
            keys = rest;
        }
        (!pipeline.is_empty()).then_some(pipeline)
    })
}

fn with<E>(name: &str, key: &str, entries: &[E], append: impl Fn(&mut Cmd, &E)) -> Cmd {
    let mut command = cmd(name);
    command.arg(key);
    for entry in entries {
        append(&mut command, entry);
    }
    command
}

fn outbox(error: &dyn std::error::Error) -> Error {
    Error::Outbox {
        reason: error.to_string(),
    }
}

fn other(reason: &str) -> Error {
    Error::Outbox {
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_back_and_goes_to_no_other_kind_of_place() {
        let keys = Outbox::Keys(vec![("a", Some("1")), ("b", None)]);
        let bytes = keys.encode().unwrap();
        let read = Outbox::decode(&bytes).unwrap();
        assert_eq!(read, keys);
        let hash = Place::Hash {
            key: "h".to_owned(),
        };
        assert!(read.pipelines(&hash).is_err());
        let ranking = Outbox::Ranking(vec![("a", u64::MAX)]);
        let bytes = ranking.encode().unwrap();
        assert_eq!(Outbox::decode(&bytes).unwrap(), ranking);
        assert!(ranking.pipelines(&Place::Keys).is_err());
        assert!(Outbox::decode(&bytes[1..]).is_err());
    }

    #[test]
    fn many_keys_go_in_several_pipelines_and_a_ranking_in_one() {
        let names: Vec<String> = (0..2_500).map(|name| name.to_string()).collect();
        let keys = Outbox::Keys(names.iter().map(|name| (name.as_str(), None)).collect());
        let lengths: Vec<usize> = keys
            .pipelines(&Place::Keys)
            .unwrap()
            .map(|keys| keys.len())
            .collect();
        assert_eq!(lengths, [1_000, 1_000, 500]);
        let long = "x".repeat(BYTES_AT_ONCE / 2);
        let keys = Outbox::Keys(vec![("a", Some(&long)), ("b", Some(&long)), ("c", None)]);
        let pipelines = keys.pipelines(&Place::Keys).unwrap();
        let lengths: Vec<usize> = pipelines.map(|keys| keys.len()).collect();
        assert_eq!(lengths, [2, 1]);
        let ranking = Outbox::Ranking(names.iter().map(|name| (name.as_str(), 7)).collect());
        let place = Place::SortedSet {
            key: "k".to_owned(),
            list: "{k}:list".to_owned(),
        };
        let pipelines: Vec<Pipeline> = ranking.pipelines(&place).unwrap().collect();
        assert_eq!(pipelines.len(), 1);
        assert!(pipelines[0].is_transaction());
        assert_eq!(pipelines[0].len(), 1 + 3 + 3);
    }
}

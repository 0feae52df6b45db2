//! A ranking as a sorted set with a list, or as a hash.

use std::collections::HashSet;
use std::fmt;
use std::marker::PhantomData;

use redis::cmd;
use serde::Serialize;
use squall::{Context, Epoch, Ranking, Result, Sink};

use crate::link::Target;
use crate::outbox::{Outbox, Place};
use crate::template::plain;
use crate::{Error, Server};

/// The greatest score up to which all whole numbers are exact.
const MAX_SCORE: u64 = 1 << 53;

/// Replaces a ranking as a whole: readers see the one before or the one after, never half of one.
///
/// As a sorted set it comes with a list of its members in squall's order: Redis orders equal scores by
/// member descending, squall ascending. Both change in one transaction, and have one hash tag, so that
/// they are in one slot of a cluster.
///
/// ```no_run
/// use squall::bolts::{MergeRankings, Rank, RollingCount};
/// use squall::connectors::RandomWords;
/// use squall::{Count, RunOptions, Topology, Word, secs};
/// use squall_redis::{RankingSink, Server};
///
/// let topology = Topology::named("top-words");
/// let words = topology.spout("words", RandomWords::default);
/// let counts = topology
///     .keyed("counts", || RollingCount::over(secs(10)).every(secs(1)))
///     .fields_grouping(&words, Word::WORD);
/// let ranked = topology.bolt("ranked", || Rank::top(10)).fields_grouping(&counts, Count::KEY);
/// let merged = topology.bolt("merged", || MergeRankings::top(10)).global_grouping(&ranked);
///
/// let server = Server::at("redis://127.0.0.1:6379")?;
/// topology
///     .sink("redis", move || RankingSink::sorted_set(&server, "top"))
///     .global_grouping(&merged);
/// topology.run(RunOptions::default())?;
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct RankingSink<K> {
    target: Target,
    name: String,
    form: Form,
    /// Known when it is prepared.
    place: Option<Place>,
    /// The last ranking, as it is handed over.
    waiting: Option<Vec<u8>>,
    key: PhantomData<fn(&K)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    SortedSet,
    Hash,
}

impl<K> RankingSink<K> {
    /// A sorted set of this key, whose scores are the counts, and the [list](list_key) beside it.
    #[must_use]
    pub fn sorted_set(server: &Server, key: impl Into<String>) -> Self {
        Self::to(server, key.into(), Form::SortedSet)
    }

    /// A hash of this key, from members to counts.
    #[must_use]
    pub fn hash(server: &Server, key: impl Into<String>) -> Self {
        Self::to(server, key.into(), Form::Hash)
    }

    fn to(server: &Server, name: String, form: Form) -> Self {
        Self {
            target: Target::new(server.clone()),
            name,
            form,
            place: None,
            waiting: None,
            key: PhantomData,
        }
    }

    fn place(&self) -> Result<Place, Error> {
        let list = list_key(&self.name)?;
        let key = self.name.clone();
        Ok(match self.form {
            Form::SortedSet => Place::SortedSet { key, list },
            Form::Hash => Place::Hash { key },
        })
    }
}

/// The key of the list that is beside the sorted set of this key. Both have one hash tag: what is
/// between the first `{` and the first `}` after it, or else the whole key.
///
/// ```
/// assert_eq!(squall_redis::list_key("top")?, "{top}:list");
/// assert_eq!(squall_redis::list_key("{shop}:top")?, "{shop}:top:list");
/// # Ok::<(), squall_redis::Error>(())
/// ```
///
/// # Errors
/// [`Error::Key`] where no other key is in the same slot for certain.
pub fn list_key(key: &str) -> Result<String, Error> {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'));
    match tag {
        Some((tag, _)) if !tag.is_empty() => Ok(format!("{key}:list")),
        _ if key.is_empty() || key.contains('}') => Err(Error::Key {
            key: key.to_owned(),
        }),
        _ => Ok(format!("{{{key}}}:list")),
    }
}

impl<K: Serialize> RankingSink<K> {
    fn encode(&self, entries: &[(K, u64)]) -> Result<Vec<u8>, Error> {
        let is_set = self.form == Form::SortedSet;
        let mut members = Vec::with_capacity(entries.len());
        for (key, count) in entries {
            let json = serde_json::to_string(key).map_err(Error::Json)?;
            let member = plain(&json)?.into_owned();
            if is_set && *count > MAX_SCORE {
                let count = *count;
                return Err(Error::Count { member, count });
            }
            members.push((member, *count));
        }
        let mut seen = HashSet::new();
        if let Some((member, _)) = members.iter().find(|(member, _)| !seen.insert(member)) {
            let member = member.clone();
            return Err(Error::SameMember { member });
        }
        let members = members.iter();
        let members = members.map(|(member, count)| (member.as_str(), *count));
        Outbox::Ranking(members.collect()).encode()
    }
}

impl<K: Serialize + Clone + fmt::Debug + Send + 'static> Sink for RankingSink<K> {
    type Input = Ranking<K>;

    fn prepare(&mut self, context: &Context) -> Result {
        if context.parallelism > 1 {
            return Err(Error::Tasks {
                key: self.name.clone(),
                tasks: context.parallelism,
            }
            .into());
        }
        let place = self.place()?;
        let mut probes = vec![cmd("DEL").arg(&self.name).clone()];
        match &place {
            Place::SortedSet { key, list } => {
                probes.push(cmd("ZADD").arg(key).arg(0).arg("").clone());
                probes.push(cmd("RPUSH").arg(list).arg("").clone());
            }
            Place::Hash { .. } | Place::Keys => {
                probes.push(cmd("HSET").arg(&self.name).arg("").arg("").clone());
            }
        }
        self.place = Some(place);
        self.target.prepare(context, probes, true)
    }

    fn write(&mut self, rankings: &[Ranking<K>]) -> Result {
        if let Some(last) = rankings.last() {
            let encoded = self.encode(&last.entries);
            self.waiting = Some(encoded.map_err(squall::error::Fatal::new)?);
        }
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(self.waiting.take())
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting.as_ref().map_or(0, Vec::len)
    }

    fn deliver(&mut self, outbox: &[u8], _: Option<u64>) -> Result {
        let place = self.place.as_ref().ok_or(Error::NotPrepared)?;
        self.target.deliver(outbox, place)
    }

    fn flush(&mut self, _: &Epoch) -> Result {
        self.target.look()
    }
}

impl<K> fmt::Debug for RankingSink<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RankingSink")
            .field("name", &self.name)
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_beside_a_ranking_has_its_hash_tag() {
        let table = [
            ("top", Some("{top}:list")),
            ("{user}:top", Some("{user}:top:list")),
            ("a{b", Some("{a{b}:list")),
            ("a}b", None),
            ("a{}b", None),
            ("", None),
        ];
        for (key, list) in table {
            assert_eq!(list_key(key).ok().as_deref(), list, "{key}");
        }
    }

    #[test]
    fn a_count_that_is_no_exact_score_and_members_that_are_one_are_refused() {
        let server = Server::at("redis://127.0.0.1").unwrap();
        let set = RankingSink::<&str>::sorted_set(&server, "top");
        assert!(set.encode(&[("a", MAX_SCORE)]).is_ok());
        let error = set.encode(&[("a", MAX_SCORE + 1)]).unwrap_err().to_string();
        assert!(
            error.contains("9007199254740993") && error.contains("`a`"),
            "{error}"
        );
        let hash = RankingSink::<&str>::hash(&server, "top");
        assert!(hash.encode(&[("a", u64::MAX)]).is_ok());
        let hash = RankingSink::<Option<&str>>::hash(&server, "top");
        let error = hash.encode(&[(Some("null"), 2), (None, 1)]).unwrap_err();
        assert!(error.to_string().contains("`null`"), "{error}");
    }
}

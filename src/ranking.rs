//! Counts and rankings: the tuples between a count and its ranking, and their order.

use std::cmp::Ordering;
use std::fmt::{self, Debug};

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::context::Context;
use crate::key::{KeyValue, hash_parts};
use crate::text::Text;
use crate::time::{Timestamp, Window};

/// A word: the tuple of the ready word spouts.
#[derive(squall_macros::Tuple, Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Word {
    /// The word itself.
    pub word: Text,
}

/// How often a key occurred in a window; the latest count of a key and window holds.
#[derive(squall_macros::Tuple, Clone, Debug, PartialEq, Eq)]
pub struct Count<K> {
    /// What was counted.
    pub key: K,
    /// How often; 0 takes the key out of the window.
    pub count: u64,
    /// The window; without a start for running totals.
    pub window: Window,
}

/// The task that made a ranking, and how many tasks share the keys with it.
///
/// Tasks of another parallelism hold other shards, so their totals replace none of these.
///
/// ```
/// use squall::ranking::Origin;
///
/// let origin = Origin { component: "rankings".into(), task: 2, tasks: 4 };
/// assert_eq!(origin.to_string(), "rankings[2]");
/// ```
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
pub struct Origin {
    /// The component's id.
    pub component: Text,
    /// The task's number, `0..tasks`.
    pub task: u32,
    /// How many tasks the component has.
    pub tasks: u32,
}

/// A grouping by origin does not depend on how many tasks there are.
impl KeyValue for Origin {
    fn route_hash(&self) -> u64 {
        hash_parts([self.component.route_hash(), self.task.route_hash()])
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.component, self.task)
    }
}

/// The task at hand, for bolts that make rankings.
impl From<&Context> for Origin {
    fn from(context: &Context) -> Self {
        let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            component: context.component.as_str().into(),
            task: number(context.task),
            tasks: number(context.parallelism),
        }
    }
}

/// The only task of a component, for tests and examples.
impl From<&str> for Origin {
    fn from(component: &str) -> Self {
        Self {
            component: component.into(),
            task: 0,
            tasks: 1,
        }
    }
}

/// The keys with the greatest counts of a window, best first.
///
/// The order is total: count descending, then key ascending (text by the bytes of its
/// UTF-8). As JSON:
/// `{"window_start":"2017-08-27T00:00:00Z","window_end":"2017-08-27T00:10:00Z","ranking":[["the",189],["a",171]]}`
/// with null for the start where the window has none (running totals), and null for both ends
/// where it is over everything: the last ranking of a run. So the latest of several lines is the
/// one with null for its end, else the one with the greatest.
#[derive(squall_macros::Tuple, Clone, Debug, PartialEq, Eq)]
pub struct Ranking<K> {
    /// The window.
    pub window: Window,
    /// The task that made the ranking; a newer ranking of running totals replaces the older
    /// one of the same task.
    pub origin: Origin,
    /// Keys and counts.
    pub entries: Vec<(K, u64)>,
}

impl<K: Serialize> Serialize for Ranking<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let known = |moment: Timestamp| moment != Timestamp::MIN && moment != Timestamp::MAX;
        let end = |moment: Timestamp| known(moment).then(|| moment.to_string());
        let mut object = serializer.serialize_struct("Ranking", 3)?;
        object.serialize_field("window_start", &end(self.window.start))?;
        object.serialize_field("window_end", &end(self.window.end))?;
        object.serialize_field("ranking", &self.entries)?;
        object.end()
    }
}

impl<K: Debug> fmt::Display for Ranking<K> {
    /// One line for a person: `[the 189, a 171]`, keys as text without quotes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (number, (key, count)) in self.entries.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            let key = format!("{key:?}");
            let bare = key.strip_prefix('"').and_then(|key| key.strip_suffix('"'));
            write!(f, "{separator}{} {count}", bare.unwrap_or(&key))?;
        }
        f.write_str("]")
    }
}

/// `Less` where the first entry ranks before the second.
pub(crate) fn rank_order<K: Ord>(a: (&K, u64), b: (&K, u64)) -> Ordering {
    b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0))
}

/// A ranking of no places was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a ranking cannot have 0 places: give at least 1")]
pub struct NoPlaces;

/// Collects the `places` best of any number of entries, in memory for twice as many.
///
/// An entry costs about the same whatever the number of places.
///
/// ```
/// use squall::ranking::Top;
///
/// let mut top = Top::new(2)?;
/// for (key, count) in [("mike", 3), ("golda", 5), ("nathan", 3), ("bertels", 0)] {
///     top.offer(&key, count);
/// }
/// assert_eq!(top.into_entries(), [("golda", 5), ("mike", 3)]);
/// # Ok::<(), squall::ranking::NoPlaces>(())
/// ```
#[derive(Clone, Debug)]
pub struct Top<K> {
    places: usize,
    entries: Vec<(K, u64)>,
    /// So many are kept before those without a place go, about twice as many as places.
    most: usize,
    /// Whether some have gone: then no entry before the one of the last place is worse than it.
    full: bool,
}

/// At least so many more than places.
const FEWEST_MORE: usize = 64;

impl<K: Ord + Clone> Top<K> {
    /// A ranking of this many places.
    ///
    /// # Errors
    /// For no places.
    pub fn new(places: usize) -> Result<Self, NoPlaces> {
        if places == 0 {
            return Err(NoPlaces);
        }
        Ok(Self {
            places,
            entries: Vec::new(),
            most: places.saturating_add(places.max(FEWEST_MORE)),
            full: false,
        })
    }

    /// Offers an entry; keys must not be offered twice. Counts of 0 have no place.
    #[inline]
    pub fn offer(&mut self, key: &K, count: u64) {
        if count < self.least() {
            return;
        }
        if let Some((worst, worst_count)) = self.worst()
            && rank_order((key, count), (worst, *worst_count)) == Ordering::Greater
        {
            return;
        }
        self.entries.push((key.clone(), count));
        if self.entries.len() >= self.most {
            self.let_go();
        }
    }

    /// Entries with a smaller count have no place.
    #[inline]
    pub(crate) fn least(&self) -> u64 {
        self.worst().map_or(1, |(_, count)| *count)
    }

    /// No entry that is worse has a place; none while there may be empty ones.
    #[inline]
    fn worst(&self) -> Option<&(K, u64)> {
        self.entries.get(self.places - 1).filter(|_| self.full)
    }

    /// Lets go of those that have no place.
    #[inline(never)]
    fn let_go(&mut self) {
        let last = self.places - 1;
        if last < self.entries.len() {
            let order = |a: &(K, u64), b: &(K, u64)| rank_order((&a.0, a.1), (&b.0, b.1));
            self.entries.select_nth_unstable_by(last, order);
            self.entries.truncate(self.places);
            self.full = true;
        }
    }

    /// The entries, best first.
    #[must_use]
    pub fn into_entries(mut self) -> Vec<(K, u64)> {
        self.let_go();
        self.entries
            .sort_unstable_by(|a, b| rank_order((&a.0, a.1), (&b.0, b.1)));
        self.entries
    }
}

/// The best of a set of entries with distinct keys.
pub(crate) fn top_of<'e, K: KeyValue>(
    places: usize,
    entries: impl Iterator<Item = (&'e K, u64)>,
) -> Vec<(K, u64)> {
    let Ok(mut top) = Top::new(places) else {
        return Vec::new();
    };
    for (key, count) in entries {
        top.offer(key, count);
    }
    top.into_entries()
}

/// A number of places that is at least 1.
pub(crate) fn check_places(places: usize) -> Result<(), NoPlaces> {
    if places == 0 { Err(NoPlaces) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_do_not_flip() {
        for order in [["a", "b", "c"], ["c", "b", "a"], ["b", "c", "a"]] {
            let mut top = Top::new(2).unwrap();
            for key in &order {
                top.offer(key, 7);
            }
            assert_eq!(top.into_entries(), [("a", 7), ("b", 7)]);
        }
    }

    #[test]
    fn no_places_are_refused() {
        assert_eq!(Top::<u8>::new(0).unwrap_err(), NoPlaces);
    }

    #[test]
    fn a_ranking_reads_as_json_and_as_text() {
        let ranking = Ranking {
            window: Window {
                start: Timestamp::from_millis(1_503_792_000_000),
                end: Timestamp::from_millis(1_503_792_600_000),
            },
            origin: "rankings".into(),
            entries: vec![(Text::from("the"), 189), (Text::from("a"), 171)],
        };
        let json = serde_json::to_string(&ranking).unwrap();
        assert_eq!(
            json,
            r#"{"window_start":"2017-08-27T00:00:00Z","window_end":"2017-08-27T00:10:00Z","ranking":[["the",189],["a",171]]}"#
        );
        assert_eq!(ranking.to_string(), "[the 189, a 171]");
        let all = Ranking {
            window: Window::ALL,
            ..ranking
        };
        assert!(
            serde_json::to_string(&all)
                .unwrap()
                .starts_with(r#"{"window_start":null,"window_end":null"#)
        );
    }
}

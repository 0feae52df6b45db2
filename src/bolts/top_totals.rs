//! Ranks the totals of all keys.

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use super::totals::{ShardTotals, TopMode};
use crate::bolt::Bolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::ranking::{Origin, Ranking, check_places};
use crate::state::{States, Value};
use crate::stream::Out;
use crate::time::{Timestamp, Window, WindowError, WindowShape};

/// How many places of a ranking are logged.
const LOGGED_PLACES: usize = 20;

/// The top N of the totals of all keys, made from what each task of
/// [`Totals`](crate::bolts::Totals) tells of its own; read it by global grouping.
///
/// It is kept as a value named `top`: who looks into it, while the topology runs or later, sees
/// the ranking of a commit, the same as that of the table of totals. An epoch costs as much as has
/// changed in it; all places are gone through only where the ranking is committed or emitted.
/// It is emitted on a timer ([`TopTotals::every`]), whether anything has changed or not: its window
/// has no start and ends at the multiple of the span that has passed, so a reader knows which of
/// two rankings is the later one. At the end of a run it is emitted with [`Window::ALL`]: that
/// ranking depends on the data alone, and so bears no time of the clock.
///
/// Totals of 0 or less have no place. What is ranked says [`TopMode`], which the totals bring
/// with them.
///
/// ```
/// use squall::bolts::{ShardTotals, TopMode, TopTotals};
/// use squall::testing::BoltTest;
///
/// let shard = |origin: &str, entries: &[(char, u64)]| ShardTotals {
///     origin: origin.into(),
///     mode: TopMode::Exact,
///     places: 3,
///     whole: true,
///     entries: entries.to_vec(),
/// };
/// let out = BoltTest::new(TopTotals::top(3))
///     .send(shard("one", &[('a', 9), ('b', 2)]))
///     .send(shard("other", &[('c', 7), ('d', 2)]))
///     .epoch()
///     .send(shard("one", &[('b', 2)]))
///     .last_epoch()
///     .run()?;
/// assert_eq!(out.emitted()[0].entries, [('c', 7), ('b', 2), ('d', 2)]);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Debug)]
pub struct TopTotals<K> {
    places: usize,
    every: Option<Duration>,
    logged: bool,
    origin: Origin,
    mode: Option<TopMode>,
    standing: Standing<K>,
    /// The tasks that have sent something, by their numbers in `standing`.
    origins: Vec<Origin>,
    /// `top` is not what stands.
    changed: bool,
    top: Value<Vec<(K, u64)>>,
    /// The number of the slide that the last epoch was in.
    slide: Option<i64>,
}

/// Totals that cannot be ranked together, or not so far.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TotalsMisfit {
    /// Some totals are ranked exactly, others not.
    #[error(
        "the totals of {origin} have the mode {found}, but earlier ones have {known}: use one mode"
    )]
    Mode {
        /// Whose totals.
        origin: Origin,
        /// Their mode.
        found: TopMode,
        /// The mode of the others.
        known: TopMode,
    },
    /// The ranking has more places than were sent.
    #[error(
        "the totals of {origin} are for a ranking of {found} places, but this one has {places}: \
         call `Totals::top({places})`"
    )]
    Places {
        /// Whose totals.
        origin: Origin,
        /// For how many places they are.
        found: usize,
        /// How many there are.
        places: usize,
    },
}

impl<K: KeyValue> TopTotals<K> {
    /// A ranking of this many places; 0 is refused when the topology starts.
    #[must_use]
    pub fn top(places: usize) -> Self {
        Self {
            places,
            every: None,
            logged: false,
            origin: Origin::from(""),
            mode: None,
            standing: Standing::default(),
            origins: Vec::new(),
            changed: false,
            top: Value::default(),
            slide: None,
        }
    }

    /// Emits the ranking at every multiple of this span too, by the clock: whole milliseconds,
    /// else the topology is refused when it starts. By event time, where epochs do not follow
    /// it, with the first epoch after it.
    #[must_use]
    pub fn every(mut self, span: Duration) -> Self {
        self.every = Some(span);
        self
    }

    /// Logs the first places of every ranking too, one line each, at level info.
    #[must_use]
    pub fn logged(mut self) -> Self {
        self.logged = true;
        self
    }

    fn shape(&self) -> Result<Option<WindowShape>, WindowError> {
        self.every.map(WindowShape::running).transpose()
    }

    fn check(&self, shard: &ShardTotals<K>) -> Result<(), TotalsMisfit> {
        let (origin, found) = (shard.origin.clone(), shard.mode);
        if let Some(known) = self.mode.filter(|known| *known != found) {
            return Err(TotalsMisfit::Mode {
                origin,
                found,
                known,
            });
        }
        if shard.places < self.places {
            return Err(TotalsMisfit::Places {
                origin,
                found: shard.places,
                places: self.places,
            });
        }
        Ok(())
    }

    /// The number of a task.
    fn number(&mut self, origin: &Origin) -> usize {
        let known = self.origins.iter().position(|known| known == origin);
        known.unwrap_or_else(|| {
            self.origins.push(origin.clone());
            self.origins.len() - 1
        })
    }

    fn emit(&self, window: Window, out: &mut Out<Ranking<K>>) {
        let ranking = |entries: &[(K, u64)]| Ranking {
            window,
            origin: self.origin.clone(),
            entries: entries.to_vec(),
        };
        if self.logged {
            let first = &self.top[..self.top.len().min(LOGGED_PLACES)];
            let more = self.top.len() - first.len();
            if more == 0 {
                tracing::info!("Rankings: {}", ranking(first));
            } else {
                tracing::info!("Rankings: {} and {more} more", ranking(first));
            }
        }
        out.emit(ranking(&self.top));
    }
}

/// Totals in their order.
#[derive(Debug)]
struct Standing<K> {
    /// Best first.
    order: BTreeSet<(Reverse<u64>, K)>,
    /// The total of each key, and who has sent it.
    totals: HashMap<K, (u64, usize), ahash::RandomState>,
}

impl<K> Default for Standing<K> {
    fn default() -> Self {
        Self {
            order: BTreeSet::new(),
            totals: HashMap::default(),
        }
    }
}

impl<K: KeyValue> Standing<K> {
    /// The total of a key is another one; of 0 it has no place.
    fn set(&mut self, key: &K, total: u64, origin: usize) {
        let before = match self.totals.entry(key.clone()) {
            Entry::Occupied(place) if total == 0 => Some(place.remove().0),
            Entry::Occupied(mut place) => Some(place.insert((total, origin)).0),
            Entry::Vacant(_) if total == 0 => None,
            Entry::Vacant(place) => {
                place.insert((total, origin));
                None
            }
        };
        if before == Some(total) {
            return;
        }
        if let Some(before) = before {
            self.order.remove(&(Reverse(before), key.clone()));
        }
        if total > 0 {
            self.order.insert((Reverse(total), key.clone()));
        }
    }

    /// Forgets all that a task has sent.
    fn forget(&mut self, origin: usize) {
        let order = &mut self.order;
        self.totals.retain(|key, (total, sent_by)| {
            let stays = *sent_by != origin;
            if !stays {
                order.remove(&(Reverse(*total), key.clone()));
            }
            stays
        });
    }

    /// Forgets those without a place.
    fn cut(&mut self, places: usize) {
        while self.order.len() > places
            && let Some((_, key)) = self.order.pop_last()
        {
            self.totals.remove(&key);
        }
    }

    /// The best, best first.
    fn top(&self, places: usize) -> Vec<(K, u64)> {
        let best = self.order.iter().take(places);
        best.map(|(total, key)| (key.clone(), total.0)).collect()
    }
}

impl<K: KeyValue> Bolt for TopTotals<K> {
    type Input = ShardTotals<K>;
    type Output = Ranking<K>;

    fn waits(&self) -> bool {
        false
    }

    fn prepare(&mut self, context: &Context) -> Result {
        check_places(self.places)?;
        self.shape()?;
        if context.parallelism > 1 {
            let tasks = context.parallelism;
            return Err(format!(
                "{tasks} tasks would each rank only a part: set its parallelism to 1"
            )
            .into());
        }
        self.origin = Origin::from(context);
        // An earlier run may have had more places.
        if self.top.len() > self.places {
            self.top.truncate(self.places);
        }
        Ok(())
    }

    fn execute(&mut self, shard: &ShardTotals<K>, _: &mut Out<Ranking<K>>) -> Result {
        self.check(shard)?;
        let origin = self.number(&shard.origin);
        if self.mode.is_none() && shard.mode == TopMode::Monotonic {
            // What was pushed out in an earlier run is not told again.
            for (key, total) in self.top.iter() {
                self.standing.set(key, *total, origin);
            }
        }
        self.mode = Some(shard.mode);
        self.changed = true;
        if shard.whole {
            self.standing.forget(origin);
        }
        for (key, total) in &shard.entries {
            self.standing.set(key, *total, origin);
        }
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Ranking<K>>) -> Result {
        // Only now, so that it makes no difference whose totals came first.
        if self.mode == Some(TopMode::Monotonic) {
            self.standing.cut(self.places);
        }
        let slide_ms = self.shape()?.and_then(WindowShape::slide_ms);
        let slide = slide_ms.map(|slide_ms| epoch.time.millis().div_euclid(slide_ms));
        let due = self.slide.is_some() && slide > self.slide;
        self.slide = slide;
        let wanted = due || epoch.last || epoch.commit;
        if wanted && std::mem::take(&mut self.changed) {
            *self.top = self.standing.top(self.places);
        }
        if epoch.last {
            self.emit(Window::ALL, out);
        } else if let (true, Some(slide), Some(slide_ms)) = (due, slide, slide_ms) {
            let end = Timestamp::from_millis(slide.saturating_mul(slide_ms));
            let start = Timestamp::MIN;
            self.emit(Window { start, end }, out);
        }
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("top", &mut self.top);
    }

    fn window(&self) -> Option<WindowShape> {
        // What cannot be is refused when the bolt is prepared.
        self.shape().ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bolts::tests::steps::{Counted, steps};
    use crate::testing::BoltTest;

    /// All places were gone through at each epoch, however little had changed: 400,000 users took
    /// more than four times as long as 200,000.
    #[test]
    fn an_epoch_costs_what_has_changed_in_it() {
        let of = |keys: u32| {
            let epochs = 100;
            let shard = |keys: std::ops::Range<u32>| ShardTotals {
                origin: Origin::from("one"),
                mode: TopMode::Exact,
                places: usize::MAX,
                whole: false,
                entries: keys
                    .map(|key| (Counted(key), 1 + u64::from(key % 97)))
                    .collect(),
            };
            let mut test = BoltTest::new(TopTotals::top(usize::MAX)).send(shard(0..keys));
            for epoch in 0..epochs {
                test = test.epoch().send(shard(keys + epoch..keys + epoch + 1));
            }
            let (out, taken) = steps(|| test.last_epoch().run().unwrap());
            let [ranking] = out.emitted() else {
                panic!("{:?}", out.emitted().len());
            };
            assert_eq!(ranking.entries.len(), (keys + epochs) as usize);
            taken / keys as usize
        };
        let (few, many) = (of(1_000), of(30_000));
        assert!(many < few * 2, "{few} and {many} steps a key");
    }
}

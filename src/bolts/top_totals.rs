//! Ranks the totals of all keys.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::totals::{ShardTotals, TopMode};
use crate::bolt::Bolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::ranking::{Origin, Ranking, check_places, top_of};
use crate::state::{States, Value};
use crate::stream::Out;
use crate::time::{Window, WindowError, WindowShape};

/// How many places of a ranking are logged.
const LOGGED_PLACES: usize = 20;

/// The top N of the totals of all keys, made from what each task of
/// [`Totals`](crate::bolts::Totals) tells of its own; read it by global grouping.
///
/// It is right after each epoch, and kept as a value named `top`: who looks into it, while the
/// topology runs or later, sees the ranking of a commit, the same as that of the table of totals.
/// It is emitted on a timer ([`TopTotals::every`]), whether anything has changed or not, and at
/// the end of the run. Its window is [`Window::ALL`].
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
    /// Exact: the best of each task.
    parts: BTreeMap<Origin, Vec<(K, u64)>>,
    /// Monotonic: what was sent since the last epoch.
    sent: HashMap<K, u64, ahash::RandomState>,
    changed: bool,
    top: Value<Vec<(K, u64)>>,
    /// The number of the slide that the last epoch was in.
    slide: Option<i64>,
}

/// Totals that cannot be ranked together, or not so far.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TotalsMisfit {
    /// Some totals are ranked exactly, others not.
    #[error("the totals of {origin} are {found}, and those before were {known}: use one mode")]
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
        "the totals of {origin} are for a ranking of {found} places, and this one has {places}: \
         say Totals::top({places})"
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
            parts: BTreeMap::new(),
            sent: HashMap::default(),
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

    /// The ranking after this epoch. What has come in one epoch is placed at once, so that it
    /// makes no difference whose totals came first.
    fn ranked(&mut self) -> Vec<(K, u64)> {
        let sent = std::mem::take(&mut self.sent);
        let parts = self.parts.values().flatten();
        let before = self
            .top
            .iter()
            .filter(|(key, _)| self.mode == Some(TopMode::Monotonic) && !sent.contains_key(key));
        let entries = parts.chain(before).map(|(key, total)| (key, *total));
        let sent = sent.iter().map(|(key, total)| (key, *total));
        top_of(self.places, entries.chain(sent))
    }

    fn emit(&self, out: &mut Out<Ranking<K>>) {
        let ranking = |entries: &[(K, u64)]| Ranking {
            window: Window::ALL,
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

impl<K: KeyValue> Bolt for TopTotals<K> {
    type Input = ShardTotals<K>;
    type Output = Ranking<K>;

    fn waits() -> bool {
        false
    }

    fn prepare(&mut self, context: &Context) -> Result {
        check_places(self.places)?;
        self.shape()?;
        if context.parallelism > 1 {
            let tasks = context.parallelism;
            return Err(format!("{tasks} tasks would each rank a part: give it one").into());
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
        self.mode = Some(shard.mode);
        self.changed = true;
        let entries = shard.entries.iter().cloned();
        match shard.mode {
            TopMode::Exact => {
                self.parts.insert(shard.origin.clone(), entries.collect());
            }
            TopMode::Monotonic => self.sent.extend(entries),
        }
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Ranking<K>>) -> Result {
        if std::mem::take(&mut self.changed) {
            *self.top = self.ranked();
        }
        let slide = self.shape()?.and_then(WindowShape::slide_ms);
        let slide = slide.map(|slide| epoch.time.millis().div_euclid(slide));
        let due = self.slide.is_some() && slide > self.slide;
        self.slide = slide;
        if due || epoch.last {
            self.emit(out);
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

//! Sums amounts by key, for a ranking of the totals.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use crate::bolt::KeyedBolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::ranking::{Origin, check_places, rank_order, top_of};
use crate::state::{States, Table};
use crate::stream::Out;
use crate::tuple::Tuple;

/// Which totals a ranking of totals is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TopMode {
    /// Of all: right also for totals that fall.
    #[default]
    Exact,
    /// Of those in the ranking and of those that change: for totals that only grow. A key that
    /// was pushed out comes back only when its total changes again, so where totals fall,
    /// places stay empty or are given to others than the best.
    Monotonic,
}

/// There is no such way to rank totals.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a mode of a ranking: use `exact`, or `monotonic` if totals only grow")]
pub struct UnknownMode(
    /// What was given.
    pub String,
);

/// Named `exact` or `monotonic`.
impl FromStr for TopMode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        match name {
            "exact" => Ok(Self::Exact),
            "monotonic" => Ok(Self::Monotonic),
            _ => Err(UnknownMode(name.to_owned())),
        }
    }
}

impl fmt::Display for TopMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Exact => "exact",
            Self::Monotonic => "monotonic",
        })
    }
}

/// What the ranking of totals has to know of one task's totals after an epoch.
#[derive(squall_macros::Tuple, Clone, Debug, PartialEq, Eq)]
pub struct ShardTotals<K> {
    /// The task.
    pub origin: Origin,
    /// What the entries are.
    pub mode: TopMode,
    /// How many places a ranking of these may have.
    pub places: usize,
    /// Whether the entries stand in place of all that the task has sent before.
    pub whole: bool,
    /// Exact: of the best totals and some behind them those that have changed since the message
    /// before; 0 for one that is not among them any more. Monotonic: those that have changed. A
    /// total of 0 or less, which has no place, is 0. In no order, but best first where they are
    /// whole.
    pub entries: Vec<(K, u64)>,
}

/// A total that would leave its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the total of {key} is {total}, and {amount} more would leave the range of 64 bits")]
pub struct TotalOutOfRange {
    /// The key.
    pub key: String,
    /// What it has.
    pub total: i64,
    /// What came.
    pub amount: i64,
}

/// Sums an amount of each tuple by key. Once an epoch each task sends one message with its changes
/// to the ranking of the totals.
///
/// The totals are a table named `totals`, so they outlive the run, and are the same whatever the
/// number of tasks. A total that would leave 64 bits stays as it is, and the tuple goes to the
/// dead letters with key, total and amount ([`TotalOutOfRange`]).
///
/// [`TopTotals`](crate::bolts::TopTotals) ranks them. With [`TopMode::Exact`] a task sends what
/// has changed among the best of its shard: what is summed by key is summed whole in one task, so
/// the best of all are among the best of each. Most changes are of keys far below the last place,
/// and cost one comparison.
///
/// ```
/// use squall::bolts::{TopMode, Totals};
/// use squall::{Text, Tuple, testing::BoltTest};
///
/// #[derive(Tuple, Clone, Debug)]
/// struct Purchase { user: Text, cents: i64 }
///
/// let purchase = |user: &str, cents| Purchase { user: user.into(), cents };
/// let totals = Totals::of(|purchase: &Purchase| purchase.cents).top(2);
/// let out = BoltTest::keyed(totals, Purchase::USER)
///     .send(purchase("ann", 300))
///     .send(purchase("bob", 900))
///     .send(purchase("eve", 200))
///     .send(purchase("bob", -700))
///     .epoch()
///     .run()?;
/// let shard = &out.emitted()[0];
/// assert_eq!(shard.entries, [("ann".into(), 300), ("bob".into(), 200), ("eve".into(), 200)]);
/// assert_eq!(out.emitted().len(), 1);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Debug)]
pub struct Totals<K, F> {
    amount: F,
    mode: TopMode,
    places: usize,
    origin: Origin,
    totals: Table<K, i64>,
    /// The keys whose totals have changed since the last epoch, as far as that matters.
    touched: HashSet<K, ahash::RandomState>,
    leaders: Leaders<K>,
    /// The ranking is to be told the best of all: in this run it knows nothing yet.
    begins: bool,
}

impl<K: KeyValue, F> Totals<K, F> {
    /// Totals of the amounts that `amount` reads, for an exact ranking of
    /// [`Totals::PLACES`] places.
    pub fn of<T>(amount: F) -> Self
    where
        F: Fn(&T) -> i64,
    {
        Self {
            amount,
            mode: TopMode::Exact,
            places: Self::PLACES,
            origin: Origin::from(""),
            totals: Table::new(),
            touched: HashSet::default(),
            leaders: Leaders::new(Self::PLACES),
            begins: true,
        }
    }

    /// The number of places in a ranking where nothing else is said.
    pub const PLACES: usize = 500;

    /// For a ranking of up to this many places; 0 is refused when the topology starts.
    #[must_use]
    pub fn top(mut self, places: usize) -> Self {
        self.places = places;
        self.leaders = Leaders::new(places);
        self
    }

    /// For a ranking of this mode.
    #[must_use]
    pub fn mode(mut self, mode: TopMode) -> Self {
        self.mode = mode;
        self
    }

    /// What the ranking has to know now; nothing where nothing has changed.
    fn news(&mut self) -> Option<News<K>> {
        let begins = std::mem::take(&mut self.begins) && !self.totals.is_empty();
        let totals = &self.totals;
        let entry = |key: K| {
            let total = totals.get(&key).copied().map_or(0, placed);
            (key, total)
        };
        let touched = self.touched.drain().map(entry);
        let news = match self.mode {
            TopMode::Exact => {
                let news = self.leaders.update(touched, totals);
                if begins { self.leaders.all() } else { news }
            }
            TopMode::Monotonic => {
                let mut entries: Vec<_> = touched.collect();
                if begins {
                    // What has no place in its shard has none among all.
                    entries.extend(best(self.places, totals));
                }
                News {
                    whole: false,
                    entries,
                }
            }
        };
        (news.whole || !news.entries.is_empty()).then_some(news)
    }
}

/// See [`ShardTotals`].
struct News<K> {
    whole: bool,
    entries: Vec<(K, u64)>,
}

/// A total as it is ranked: 0, which has no place, where it is not above that.
fn placed(total: i64) -> u64 {
    u64::try_from(total).unwrap_or(0)
}

fn best<K: KeyValue>(places: usize, totals: &Table<K, i64>) -> Vec<(K, u64)> {
    let totals = totals.iter();
    top_of(places, totals.map(|(key, total)| (key, placed(*total))))
}

impl<T, K, F> KeyedBolt<T> for Totals<K, F>
where
    T: Tuple,
    K: KeyValue,
    F: Fn(&T) -> i64 + Send + 'static,
{
    type Key = K;
    type Output = ShardTotals<K>;

    fn waits(&self) -> bool {
        false
    }

    fn prepare(&mut self, context: &Context) -> Result {
        check_places(self.places)?;
        self.origin = Origin::from(context);
        if self.mode == TopMode::Exact {
            self.leaders.find(&self.totals);
        }
        Ok(())
    }

    fn execute(&mut self, key: &K, tuple: &T, _: &mut Out<ShardTotals<K>>) -> Result {
        let amount = (self.amount)(tuple);
        let total = self.totals.entry(key);
        let before = *total;
        let Some(after) = before.checked_add(amount) else {
            let key = format!("{key:?}");
            let total = before;
            return Err(TotalOutOfRange { key, total, amount }.into());
        };
        *total = after;
        let matters = match self.mode {
            TopMode::Exact => self.leaders.may_have(placed(before.max(after))),
            TopMode::Monotonic => true,
        };
        if matters && !self.touched.contains(key) {
            self.touched.insert(key.clone());
        }
        Ok(())
    }

    fn on_epoch(&mut self, _: &Epoch, out: &mut Out<ShardTotals<K>>) -> Result {
        if let Some(News { whole, entries }) = self.news() {
            out.emit(ShardTotals {
                origin: self.origin.clone(),
                mode: self.mode,
                places: self.places,
                whole,
                entries,
            });
        }
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("totals", &mut self.totals);
    }
}

/// The best totals of a task and some behind them, kept up by those that change.
///
/// All totals are looked through only where so many of the known have fallen that others may
/// be before them.
#[derive(Debug)]
struct Leaders<K> {
    places: usize,
    /// All totals that rank at the floor or before it.
    known: HashMap<K, u64, ahash::RandomState>,
    /// None where all totals that have a place are known.
    floor: Option<(K, u64)>,
}

/// How many are known for each place after all were looked through; when there are twice as
/// many, half of them are forgotten.
const KNOWN_PER_PLACE: usize = 2;

impl<K: KeyValue> Leaders<K> {
    fn new(places: usize) -> Self {
        Self {
            places,
            known: HashMap::default(),
            floor: None,
        }
    }

    /// Whether a total like this may be among the known.
    fn may_have(&self, total: u64) -> bool {
        self.floor.as_ref().is_none_or(|(_, least)| total >= *least)
    }

    /// Takes in the totals that have changed, each once; gives what has changed of the known.
    fn update(
        &mut self,
        changed: impl Iterator<Item = (K, u64)>,
        totals: &Table<K, i64>,
    ) -> News<K> {
        let mut entries = Vec::new();
        for (key, total) in changed {
            let below =
                |(worst, least): &(K, u64)| rank_order((&key, total), (worst, *least)).is_gt();
            if total == 0 || self.floor.as_ref().is_some_and(below) {
                if self.known.remove(&key).is_some() {
                    entries.push((key, 0));
                }
            } else if self.known.insert(key.clone(), total) != Some(total) {
                entries.push((key, total));
            }
        }
        if self.known.len() < self.places && self.floor.is_some() {
            self.find(totals);
            return self.all();
        }
        if self.known.len() > self.most().saturating_mul(2) {
            let known = self.best(self.most());
            self.floor = known.last().cloned();
            self.known = known.into_iter().collect();
            return self.all();
        }
        News {
            whole: false,
            entries,
        }
    }

    /// All that are known, for who knows nothing of them.
    fn all(&self) -> News<K> {
        News {
            whole: true,
            entries: self.best(self.known.len().max(1)),
        }
    }

    /// How many are known after all totals were looked through, at most.
    fn most(&self) -> usize {
        self.places.saturating_mul(KNOWN_PER_PLACE)
    }

    /// Looks through all totals.
    fn find(&mut self, totals: &Table<K, i64>) {
        let known = best(self.most(), totals);
        let all = known.len() < self.most();
        self.floor = known.last().filter(|_| !all).cloned();
        self.known = known.into_iter().collect();
    }

    fn best(&self, places: usize) -> Vec<(K, u64)> {
        top_of(places, self.known.iter().map(|(key, total)| (key, *total)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::testing::BoltTest;

    #[derive(squall_macros::Tuple, Clone, Debug, PartialEq)]
    struct Purchase {
        user: u8,
        cents: i64,
    }

    fn purchase(user: u8, cents: i64) -> Purchase {
        Purchase { user, cents }
    }

    fn totals(places: usize, mode: TopMode) -> Totals<u8, impl Fn(&Purchase) -> i64 + Send> {
        let totals = Totals::of(|purchase: &Purchase| purchase.cents);
        totals.top(places).mode(mode)
    }

    #[test]
    fn a_total_that_would_leave_its_range_is_named_with_both_numbers() {
        let out = BoltTest::keyed(totals(3, TopMode::Exact), Purchase::USER)
            .send(purchase(7, i64::MAX - 1))
            .send(purchase(7, 5))
            .send(purchase(8, 1))
            .send(purchase(7, 1))
            .epoch()
            .run()
            .unwrap();
        let [letter] = out.dead_letters() else {
            panic!("{:?}", out.dead_letters());
        };
        let expected =
            "the total of 7 is 9223372036854775806, and 5 more would leave the range of 64 bits";
        assert_eq!(letter.reason, expected);
        let most = u64::try_from(i64::MAX).unwrap();
        assert_eq!(out.emitted()[0].entries, [(7, most), (8, 1)]);
    }

    #[test]
    fn nothing_is_sent_where_nothing_has_changed() {
        let out = BoltTest::keyed(totals(1, TopMode::Exact), Purchase::USER)
            .epoch()
            .send(purchase(1, 10))
            .epoch()
            .epoch()
            .run()
            .unwrap();
        assert_eq!(out.emitted().len(), 1);
    }

    #[test]
    fn for_a_monotonic_ranking_each_changed_total_is_sent_once_in_an_epoch() {
        let out = BoltTest::keyed(totals(1, TopMode::Monotonic), Purchase::USER)
            .send(purchase(1, 10))
            .send(purchase(2, 20))
            .send(purchase(1, 5))
            .send(purchase(3, -1))
            .epoch()
            .send(purchase(2, -20))
            .epoch()
            .run()
            .unwrap();
        let [first, second] = out.emitted() else {
            panic!("{:?}", out.emitted());
        };
        let sent: BTreeMap<_, _> = first.entries.iter().copied().collect();
        assert_eq!(sent, BTreeMap::from([(1, 15), (2, 20), (3, 0)]));
        assert_eq!(second.entries, [(2, 0)]);
    }

    fn sorted(totals: &BTreeMap<u8, i64>, places: usize) -> Vec<(u8, u64)> {
        let placed = totals.iter().filter(|(_, total)| **total > 0);
        let mut all: Vec<_> = placed
            .map(|(user, total)| (*user, total.unsigned_abs()))
            .collect();
        all.sort_by_key(|(user, total)| (std::cmp::Reverse(*total), *user));
        all.truncate(places);
        all
    }

    proptest! {
        /// Totals rise and fall, keys come and go, few places and many keys: what was sent last
        /// is always the best of all.
        #[test]
        fn the_best_of_a_task_are_those_of_all_its_totals_sorted(
            places in 1_usize..5,
            epochs in prop::collection::vec(
                prop::collection::vec((0_u8..60, -30_i64..40), 0..40), 1..40),
        ) {
            let mut test = BoltTest::keyed(totals(places, TopMode::Exact), Purchase::USER);
            let (mut all, mut expected) = (BTreeMap::new(), Vec::new());
            for batch in &epochs {
                for &(user, cents) in batch {
                    test = test.send(purchase(user, cents));
                    *all.entry(user).or_insert(0) += cents;
                }
                test = test.epoch();
                let best = sorted(&all, places);
                if expected.last().unwrap_or(&Vec::new()) != &best {
                    expected.push(best);
                }
            }
            let out = test.run().unwrap();
            let (mut told, mut sent) = (BTreeMap::new(), vec![Vec::new()]);
            for shard in out.emitted() {
                if shard.whole {
                    told.clear();
                }
                let entries = shard.entries.iter();
                told.extend(entries.map(|(user, total)| (*user, i64::try_from(*total).unwrap())));
                sent.push(sorted(&told, places));
            }
            sent.dedup();
            prop_assert_eq!(&sent[1..], expected);
        }
    }
}

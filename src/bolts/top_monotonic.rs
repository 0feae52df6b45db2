//! Ranks values that only grow, in little memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::ranker::{Keeps, Ranker};
use crate::bolt::Bolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::meaning::Meaning;
use crate::ranking::{Count, Ranking};
use crate::state::{States, Table};
use crate::stream::Out;
use crate::time::{Timestamp, Window};

/// The top N of values that only grow, keeping no more than N of them.
///
/// It keeps only what it has been sent: an entry that was pushed out comes back only when
/// its key is updated again. That is right for values that only grow, such as running
/// totals of counts, and wrong for values that can fall, such as counts of sliding windows
/// or sums with cancellations: use [`Rank`](crate::bolts::Rank) there, which is right for
/// all and keeps every value.
///
/// As `Rank` it emits its totals in [`Window::STANDING`] after a change of parallelism.
///
/// ```
/// use squall::{Count, Timestamp, bolts::TopMonotonic, testing::BoltTest, time::Window};
///
/// let count = |key, count| Count { key, count, window: Window::ALL };
/// let purchases = [(0, 300), (1, 200), (2, 100), (3, 100), (4, 400)];
/// let mut test = BoltTest::new(TopMonotonic::top(3));
/// for (user, cents) in purchases {
///     test = test.send(count(user, cents));
/// }
/// let out = test.watermark(Timestamp::MAX).run()?;
/// assert_eq!(out.emitted()[0].entries, [(4, 400), (0, 300), (1, 200)]);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Debug)]
pub struct TopMonotonic<K> {
    ranker: Ranker<K, Best<K>>,
}

impl<K: KeyValue> TopMonotonic<K> {
    /// Rankings of this many places; 0 is refused when the topology starts.
    #[must_use]
    pub fn top(places: usize) -> Self {
        let best = Best {
            orders: BTreeMap::new(),
            order: Order::new(),
        };
        Self {
            ranker: Ranker::new(places, best),
        }
    }
}

/// No more counts than there are places are kept of a window, and of the totals.
#[derive(Debug)]
struct Best<K> {
    /// The orders of the windows that are not ranked, by end and start.
    orders: BTreeMap<(Timestamp, Timestamp), Order<K>>,
    /// The order of the totals.
    order: Order<K>,
}

/// What a table holds, best first: of many entries the worst one is not searched for. It is known by
/// the table, and not stored.
type Order<K> = BTreeSet<(Reverse<u64>, K)>;

impl<K: KeyValue> Keeps<K> for Best<K> {
    fn take(
        &mut self,
        places: usize,
        window: Window,
        counts: &mut Table<K, u64>,
        key: &K,
        count: u64,
    ) {
        let order = self.orders.entry((window.end, window.start)).or_default();
        place(counts, order, places, key, count);
    }

    fn take_total(&mut self, places: usize, totals: &mut Table<K, u64>, key: &K, count: u64) {
        place(totals, &mut self.order, places, key, count);
    }

    fn close(&mut self, window: Window) {
        self.orders.remove(&(window.end, window.start));
    }
}

/// Gives an entry a place, and takes the worst one out where there are not enough.
fn place<K: KeyValue>(
    table: &mut Table<K, u64>,
    order: &mut Order<K>,
    places: usize,
    key: &K,
    count: u64,
) {
    if order.len() != table.len() {
        // The table was loaded.
        let entries = table.iter();
        *order = entries
            .map(|(key, count)| (Reverse(*count), key.clone()))
            .collect();
    }
    if count == 0 {
        if let Some(before) = table.remove(key) {
            order.remove(&(Reverse(before), key.clone()));
        }
        return;
    }
    let entry = (Reverse(count), key.clone());
    if let Some(known) = table.get_mut(key) {
        let before = std::mem::replace(known, count);
        order.remove(&(Reverse(before), key.clone()));
        order.insert(entry);
        return;
    }
    // More than there are places for can come together when the parallelism changes.
    while table.len() >= places {
        if table.len() == places && order.last().is_none_or(|worst| entry > *worst) {
            return;
        }
        let Some((_, worst)) = order.pop_last() else {
            return;
        };
        table.remove(&worst);
    }
    table.insert(key.clone(), count);
    order.insert(entry);
}

/// What is stated of a ranking that keeps no more than its places.
#[derive(Serialize)]
struct Places {
    places: usize,
}

impl<K: KeyValue> Bolt for TopMonotonic<K> {
    type Input = Count<K>;
    type Output = Ranking<K>;

    fn waits(&self) -> bool {
        false
    }

    fn acts_on_epochs(&self) -> bool {
        false
    }

    fn prepare(&mut self, context: &Context) -> Result {
        self.ranker.prepare(context, false)
    }

    fn execute(&mut self, tuple: &Count<K>, out: &mut Out<Ranking<K>>) -> Result {
        self.ranker.execute(tuple, out)
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Ranking<K>>) -> Result {
        self.ranker.on_watermark(watermark, out);
        Ok(())
    }

    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        self.ranker.next_close(until)
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Ranking<K>>) -> Result {
        self.ranker.on_epoch(epoch, out);
        Ok(())
    }

    /// With more places than before, those that were pushed out would be missed.
    fn meaning(&self) -> Meaning {
        Meaning::of(&Places {
            places: self.ranker.places(),
        })
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.ranker.state(states);
    }

    fn open_windows(&self) -> usize {
        self.ranker.open_windows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bolts::tests::steps::{Counted, steps};
    use crate::ranking::top_of;

    fn entries(table: &Table<char, u64>) -> Vec<(char, u64)> {
        top_of(9, table.iter().map(|(key, count)| (key, *count)))
    }

    #[test]
    fn an_entry_that_was_pushed_out_comes_back_only_when_it_is_updated() {
        let (mut table, mut order) = (Table::new(), Order::new());
        for (key, count) in [('a', 1), ('b', 2), ('c', 3)] {
            place(&mut table, &mut order, 2, &key, count);
        }
        assert_eq!(entries(&table), [('c', 3), ('b', 2)]);
        place(&mut table, &mut order, 2, &'c', 0);
        assert_eq!(entries(&table), [('b', 2)], "a is forgotten");
        place(&mut table, &mut order, 2, &'a', 4);
        assert_eq!(entries(&table), [('a', 4), ('b', 2)]);
    }

    #[test]
    fn more_entries_than_places_are_cut_at_the_next_one() {
        let (mut table, mut order) = (Table::new(), Order::new());
        for (key, count) in [('a', 1), ('b', 2), ('c', 3), ('d', 4)] {
            table.insert(key, count);
        }
        place(&mut table, &mut order, 2, &'e', 1);
        assert_eq!(entries(&table), [('d', 4), ('c', 3)]);
        place(&mut table, &mut order, 2, &'b', 3);
        assert_eq!(entries(&table), [('d', 4), ('b', 3)], "ties go by key");
    }

    /// The worst entry was looked for among all, for each one that is better.
    #[test]
    fn an_entry_is_placed_in_few_steps_however_many_places_there_are() {
        let of = |places: u32| {
            let (mut table, mut order) = (Table::new(), Order::new());
            let taken = steps(|| {
                for n in 0..places * 4 {
                    let (key, count) = (n * 7_919 % (places * 3), 1 + n);
                    place(
                        &mut table,
                        &mut order,
                        places as usize,
                        &Counted(key),
                        count.into(),
                    );
                }
            });
            assert_eq!(
                (table.len(), order.len()),
                (places as usize, places as usize)
            );
            taken.1 / places as usize
        };
        let (few, many) = (of(500), of(16_000));
        assert!(many < few * 3, "{few} and {many} steps a place");
    }
}

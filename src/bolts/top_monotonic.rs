//! Ranks values that only grow, in little memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::author::Author;
use super::pending::Pending;
use crate::bolt::Bolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::meaning::Meaning;
use crate::ranking::{Count, Ranking, check_places};
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
    places: usize,
    author: Author,
    pending: Pending<K, u64>,
    /// The orders of the windows that are not ranked, by end and start.
    orders: BTreeMap<(Timestamp, Timestamp), Order<K>>,
    /// Running totals as of the last window that was ranked.
    totals: Table<K, u64>,
    order: Order<K>,
    /// The totals are to be sent as they stand.
    resend: bool,
}

/// What a table holds, best first: of many entries the worst one is not searched for. It is known by
/// the table, and not stored.
type Order<K> = BTreeSet<(Reverse<u64>, K)>;

impl<K: KeyValue> TopMonotonic<K> {
    /// Rankings of this many places; 0 is refused when the topology starts.
    #[must_use]
    pub fn top(places: usize) -> Self {
        Self {
            places,
            author: Author::new(),
            pending: Pending::new(),
            orders: BTreeMap::new(),
            totals: Table::new(),
            order: Order::new(),
            resend: false,
        }
    }

    fn emit(&mut self, window: Window, counts: &Table<K, u64>, out: &mut Out<Ranking<K>>) {
        let ranked = if window.is_running_total() {
            for (key, count) in counts.iter() {
                place(&mut self.totals, &mut self.order, self.places, key, *count);
            }
            &self.totals
        } else {
            counts
        };
        let ranking = self.author.top(window, self.places, ranked);
        out.emit_at(ranking, window.last_moment());
    }

    /// The totals as they stand, once after a change of parallelism.
    fn emit_standing(&mut self, out: &mut Out<Ranking<K>>) {
        if std::mem::take(&mut self.resend) {
            let standing = self.author.top(Window::STANDING, self.places, &self.totals);
            out.emit(standing);
        }
    }

    fn emit_final(&mut self, out: &mut Out<Ranking<K>>) {
        if let Some(counts) = self.pending.take_final(!self.totals.is_empty()) {
            self.orders.remove(&(Window::ALL.end, Window::ALL.start));
            self.emit(Window::ALL, &counts, out);
        }
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
        check_places(self.places)?;
        self.resend = self.author.prepare(context) && !self.totals.is_empty();
        Ok(())
    }

    fn execute(&mut self, tuple: &Count<K>, out: &mut Out<Ranking<K>>) -> Result {
        let counts = self.pending.of(tuple.window, out.watermark())?;
        let order = self.orders.entry((tuple.window.end, tuple.window.start));
        place(
            counts,
            order.or_default(),
            self.places,
            &tuple.key,
            tuple.count,
        );
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Ranking<K>>) -> Result {
        self.emit_standing(out);
        while let Some((window, counts)) = self.pending.next_closed(watermark) {
            self.orders.remove(&(window.end, window.start));
            self.emit(window, &counts, out);
        }
        if watermark == Timestamp::MAX {
            self.emit_final(out);
        }
        Ok(())
    }

    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        self.pending.next_close(until)
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Ranking<K>>) -> Result {
        self.emit_standing(out);
        if epoch.closes {
            self.emit_final(out);
        }
        Ok(())
    }

    /// With more places than before, those that were pushed out would be missed.
    fn meaning(&self) -> Meaning {
        Meaning::of(&Places {
            places: self.places,
        })
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.author.state(states);
        self.pending.state(states);
        states.keep("totals", &mut self.totals);
    }

    fn open_windows(&self) -> usize {
        self.pending.len()
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

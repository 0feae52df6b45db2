//! Ranks values that only grow, in little memory.

use super::author::Author;
use super::pending::Pending;
use crate::bolt::Bolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::ranking::{Count, Ranking, check_places, rank_order};
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
/// use squall::{Count, Window, Timestamp, bolts::TopMonotonic, testing::BoltTest};
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
    /// Running totals as of the last window that was ranked.
    totals: Table<K, u64>,
    /// The totals are to be sent as they stand.
    resend: bool,
}

impl<K: KeyValue> TopMonotonic<K> {
    /// Rankings of this many places; 0 is refused when the topology starts.
    #[must_use]
    pub fn top(places: usize) -> Self {
        Self {
            places,
            author: Author::new(),
            pending: Pending::new(),
            totals: Table::new(),
            resend: false,
        }
    }

    fn emit(&mut self, window: Window, counts: &Table<K, u64>, out: &mut Out<Ranking<K>>) {
        let ranked = if window.is_running_total() {
            for (key, count) in counts.iter() {
                place(&mut self.totals, self.places, key, *count);
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
            self.emit(Window::ALL, &counts, out);
        }
    }
}

/// Gives an entry a place, and takes the worst one out where there are not enough.
fn place<K: KeyValue>(table: &mut Table<K, u64>, places: usize, key: &K, count: u64) {
    if count == 0 {
        table.remove(key);
        return;
    }
    if let Some(known) = table.get_mut(key) {
        *known = count;
        return;
    }
    // More than there are places for can come together when the parallelism changes.
    while table.len() >= places {
        let entries = table.iter().map(|(key, count)| (key, *count));
        let Some((worst, least)) = entries.max_by(|one, other| rank_order(*one, *other)) else {
            return;
        };
        if table.len() == places && rank_order((key, count), (worst, least)).is_gt() {
            return;
        }
        let worst = worst.clone();
        table.remove(&worst);
    }
    table.insert(key.clone(), count);
}

impl<K: KeyValue> Bolt for TopMonotonic<K> {
    type Input = Count<K>;
    type Output = Ranking<K>;

    fn waits() -> bool {
        false
    }

    fn prepare(&mut self, context: &Context) -> Result {
        check_places(self.places)?;
        self.resend = self.author.prepare(context) && !self.totals.is_empty();
        Ok(())
    }

    fn execute(&mut self, tuple: &Count<K>, out: &mut Out<Ranking<K>>) -> Result {
        let counts = self.pending.of(tuple.window, out.watermark())?;
        place(counts, self.places, &tuple.key, tuple.count);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Ranking<K>>) -> Result {
        self.emit_standing(out);
        while let Some((window, counts)) = self.pending.next_closed(watermark) {
            self.emit(window, &counts, out);
        }
        if watermark == Timestamp::MAX {
            self.emit_final(out);
        }
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Ranking<K>>) -> Result {
        self.emit_standing(out);
        if epoch.closes {
            self.emit_final(out);
        }
        Ok(())
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
    use crate::ranking::top_of;

    fn entries(table: &Table<char, u64>) -> Vec<(char, u64)> {
        top_of(9, table.iter().map(|(key, count)| (key, *count)))
    }

    #[test]
    fn an_entry_that_was_pushed_out_comes_back_only_when_it_is_updated() {
        let mut table = Table::new();
        for (key, count) in [('a', 1), ('b', 2), ('c', 3)] {
            place(&mut table, 2, &key, count);
        }
        assert_eq!(entries(&table), [('c', 3), ('b', 2)]);
        place(&mut table, 2, &'c', 0);
        assert_eq!(entries(&table), [('b', 2)], "a is forgotten");
        place(&mut table, 2, &'a', 4);
        assert_eq!(entries(&table), [('a', 4), ('b', 2)]);
    }

    #[test]
    fn more_entries_than_places_are_cut_at_the_next_one() {
        let mut table = Table::new();
        for (key, count) in [('a', 1), ('b', 2), ('c', 3), ('d', 4)] {
            table.insert(key, count);
        }
        place(&mut table, 2, &'e', 1);
        assert_eq!(entries(&table), [('d', 4), ('c', 3)]);
        place(&mut table, 2, &'b', 3);
        assert_eq!(entries(&table), [('d', 4), ('b', 3)], "ties go by key");
    }
}

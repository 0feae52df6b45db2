//! Ranks values that only grow, in little memory.

use super::pending::Pending;
use crate::bolt::Bolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::ranking::{Count, Ranking, check_places, rank_order};
use crate::stream::Out;
use crate::text::Text;
use crate::time::{Timestamp, Window};

/// The top N of values that only grow, keeping no more than N of them.
///
/// It keeps only what it has been sent: an entry that was pushed out comes back only when
/// its key is updated again. That is right for values that only grow, such as running
/// totals of counts, and wrong for values that can fall, such as counts of sliding windows
/// or sums with cancellations: use [`Rank`](crate::bolts::Rank) there, which is right for
/// all and keeps every value.
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
    task: Text,
    pending: Pending<Vec<(K, u64)>>,
    /// Running totals, best first.
    totals: Vec<(K, u64)>,
}

impl<K: KeyValue> TopMonotonic<K> {
    /// Rankings of this many places; 0 is refused when the topology starts.
    #[must_use]
    pub fn top(places: usize) -> Self {
        Self {
            places,
            task: Text::default(),
            pending: Pending::new(),
            totals: Vec::new(),
        }
    }

    fn emit(&mut self, window: Window, entries: Vec<(K, u64)>, out: &mut Out<Ranking<K>>) {
        let entries = if window.is_running_total() {
            for (key, count) in entries {
                place(&mut self.totals, self.places, &key, count);
            }
            self.totals.clone()
        } else {
            entries
        };
        let ranking = Ranking {
            window,
            origin: self.task.clone(),
            entries,
        };
        out.emit_at(ranking, window.last_moment());
    }

    fn emit_final(&mut self, out: &mut Out<Ranking<K>>) {
        if let Some(entries) = self.pending.take_final(!self.totals.is_empty()) {
            self.emit(Window::ALL, entries, out);
        }
    }
}

/// Puts an entry into its place in a ranking, and pushes the last one out where it is full.
fn place<K: KeyValue>(entries: &mut Vec<(K, u64)>, places: usize, key: &K, count: u64) {
    if let Some(position) = entries.iter().position(|(other, _)| other == key) {
        entries.remove(position);
    }
    if count == 0 {
        return;
    }
    let position =
        entries.partition_point(|(other, sum)| rank_order((other, *sum), (key, count)).is_lt());
    if position < places {
        entries.truncate(places - 1);
        entries.insert(position.min(entries.len()), (key.clone(), count));
    }
}

impl<K: KeyValue> Bolt for TopMonotonic<K> {
    type Input = Count<K>;
    type Output = Ranking<K>;

    fn prepare(&mut self, context: &Context) -> Result {
        check_places(self.places)?;
        self.task = context.name().into();
        Ok(())
    }

    fn execute(&mut self, tuple: &Count<K>, out: &mut Out<Ranking<K>>) -> Result {
        let entries = self.pending.of(tuple.window, out.watermark())?;
        place(entries, self.places, &tuple.key, tuple.count);
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Ranking<K>>) -> Result {
        while let Some((window, entries)) = self.pending.next_closed(watermark) {
            self.emit(window, entries, out);
        }
        if watermark == Timestamp::MAX {
            self.emit_final(out);
        }
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Ranking<K>>) -> Result {
        if epoch.closes {
            self.emit_final(out);
        }
        Ok(())
    }

    fn open_windows(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_was_pushed_out_comes_back_only_when_it_is_updated() {
        let mut entries = Vec::new();
        for (key, count) in [("a", 1), ("b", 2), ("c", 3)] {
            place(&mut entries, 2, &key, count);
        }
        assert_eq!(entries, [("c", 3), ("b", 2)]);
        place(&mut entries, 2, &"c", 0);
        assert_eq!(entries, [("b", 2)], "a is forgotten");
        place(&mut entries, 2, &"a", 4);
        assert_eq!(entries, [("a", 4), ("b", 2)]);
    }
}

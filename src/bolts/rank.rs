//! Ranks the keys of a shard.

use super::ranker::{Keeps, Ranker};
use crate::bolt::Bolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::ranking::{Count, Ranking};
use crate::state::{States, Table, Value};
use crate::stream::Out;
use crate::time::{Timestamp, Window};

/// Ranks the counts that it is sent: the top N of its shard, once for each window.
///
/// The latest count of a key and window holds, so each key must be counted in one place; a
/// count of zero takes the key out. Every count of a window is kept until the watermark
/// passes its end, so the ranking is right for counts that rise and fall; a ranking is
/// emitted once and never changed.
///
/// Counts of running totals (windows without a start) are kept from window to window. In a
/// run that goes on with another number of tasks, each first emits the top of the totals that
/// it was given, in [`Window::STANDING`]: its readers know them by the tasks of before. So it
/// does with more places than before: its readers know fewer of them.
///
/// ```
/// use squall::{Count, Timestamp, bolts::Rank, testing::BoltTest, time::Window};
///
/// let at = Timestamp::from_millis;
/// let window = Window { start: at(0), end: at(10) };
/// let count = |key: &str, count| Count { key: key.to_owned(), count, window };
/// let out = BoltTest::new(Rank::top(2))
///     .send_at(count("mike", 9), at(9))
///     .send_at(count("golda", 5), at(9))
///     .send_at(count("nathan", 7), at(9))
///     .send_at(count("mike", 6), at(9))
///     .watermark(at(10))
///     .run()?;
/// assert_eq!(out.emitted()[0].entries, [("nathan".to_owned(), 7), ("mike".to_owned(), 6)]);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Debug)]
pub struct Rank<K> {
    ranker: Ranker<K, Every>,
    /// How many places the readers know the totals by: 0 where nothing was sent.
    sent_places: Value<usize>,
}

impl<K: KeyValue> Rank<K> {
    /// Rankings of this many places; 0 is refused when the topology starts.
    #[must_use]
    pub fn top(places: usize) -> Self {
        Self {
            ranker: Ranker::new(places, Every),
            sent_places: Value::new(0).shared(|one, other| *one.min(other)),
        }
    }
}

/// Every count is kept, a window's count of zero too: it takes the key out of the totals.
#[derive(Debug)]
struct Every;

impl<K: KeyValue> Keeps<K> for Every {
    fn take(&mut self, _: usize, _: Window, counts: &mut Table<K, u64>, key: &K, count: u64) {
        counts.insert(key.clone(), count);
    }

    fn take_total(&mut self, _: usize, totals: &mut Table<K, u64>, key: &K, count: u64) {
        if count == 0 {
            totals.remove(key);
        } else {
            totals.insert(key.clone(), count);
        }
    }

    fn close(&mut self, _: Window) {}
}

impl<K: KeyValue> Bolt for Rank<K> {
    type Input = Count<K>;
    type Output = Ranking<K>;

    fn waits(&self) -> bool {
        false
    }

    fn acts_on_epochs(&self) -> bool {
        false
    }

    fn prepare(&mut self, context: &Context) -> Result {
        let places = self.ranker.places();
        let more = context.resumed_from.is_some() && places > *self.sent_places;
        self.ranker.prepare(context, more)?;
        if *self.sent_places != places {
            *self.sent_places = places;
        }
        Ok(())
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

    fn state(&mut self, states: &mut States<'_>) {
        self.ranker.state(states);
        states.keep("places", &mut self.sent_places);
    }

    fn open_windows(&self) -> usize {
        self.ranker.open_windows()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::BoltTest;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn count(key: char, count: u64, window: Window) -> Count<char> {
        Count { key, count, window }
    }

    const FIRST: Window = Window {
        start: Timestamp::from_millis(0),
        end: Timestamp::from_millis(10),
    };

    #[test]
    fn no_places_are_refused() {
        let error = BoltTest::new(Rank::<u8>::top(0)).run().unwrap_err();
        assert!(error.to_string().contains("0 places"), "{error}");
    }

    #[test]
    fn the_same_key_three_times_is_one_entry() {
        let mut test = BoltTest::new(Rank::top(5));
        for value in [1, 5, 3] {
            test = test.send_at(count('a', value, FIRST), at(9));
        }
        let out = test.watermark(at(10)).run().unwrap();
        assert_eq!(out.emitted()[0].entries, [('a', 3)]);
    }

    #[test]
    fn a_running_total_stays_until_it_is_taken_out() {
        let until = |end| Window {
            start: Timestamp::MIN,
            end: at(end),
        };
        let out = BoltTest::new(Rank::top(5))
            .send_at(count('a', 4, until(10)), at(9))
            .send_at(count('b', 2, until(10)), at(9))
            .watermark(at(10))
            .send_at(count('a', 0, until(20)), at(19))
            .watermark(at(20))
            .run()
            .unwrap();
        let rankings: Vec<_> = out
            .emitted()
            .iter()
            .map(|ranking| ranking.entries.clone())
            .collect();
        assert_eq!(rankings, [vec![('a', 4), ('b', 2)], vec![('b', 2)]]);
    }
}

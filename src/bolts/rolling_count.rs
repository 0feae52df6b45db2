//! Counts keys over windows.

use std::time::Duration;

use super::panes::{Kept, Panes};
use super::sliding_window_counter::SlidingWindowCounter;
use crate::bolt::{KeyedBolt, KeyedTuples};
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::meaning::Meaning;
use crate::ranking::{Count, check_places};
use crate::state::States;
use crate::stream::{DEFAULT_STREAM, Out, Port, StreamPlan, Streams};
use crate::time::{Timestamp, Window, WindowShape};
use crate::tuple::Tuple;

/// Counts the tuples of each key in sliding or tumbling windows, or in one window over everything.
///
/// When the watermark passes a window's end, the count of every key in it is emitted, once
/// and with the window's last moment as its time. Nothing else closes a window: the same
/// input gives the same counts whatever the timing. Late tuples are counted in the metrics
/// and go to [`RollingCount::LATE`], as do those of windows that an earlier run closed.
///
/// ```
/// use squall::{Timestamp, Word, bolts::RollingCount, secs, testing::BoltTest};
///
/// let word = |word: &str| Word { word: word.into() };
/// let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
/// let out = BoltTest::keyed(RollingCount::over(secs(10)).every(secs(5)), Word::WORD)
///     .send_at(word("storm"), at(2))
///     .send_at(word("storm"), at(7))
///     .watermark(at(10))
///     .run()?;
/// let counts = out.emitted();
/// let ends: Vec<_> = counts.iter().map(|count| (count.window.end, count.count)).collect();
/// assert_eq!(ends, [(at(5), 1), (at(10), 2)]);
/// # Ok::<(), squall::BoxError>(())
/// ```
///
/// Panes and their sums: a window is a whole number of slides long, each tuple is counted
/// once in the pane of its slide, and a window is the sum of its panes (Li et al., "No
/// pane, no gain", SIGMOD Record 2005).
#[derive(Debug)]
pub struct RollingCount<K> {
    panes: Panes,
    largest: Option<usize>,
    counter: SlidingWindowCounter<K>,
}

impl<K: KeyValue> RollingCount<K> {
    /// The stream of late tuples.
    pub const LATE: Port<Self, 1> = Port::named("late");

    /// Windows of this length; tumbling unless [`RollingCount::every`] says otherwise.
    #[must_use]
    pub fn over(length: Duration) -> Self {
        Self::with(Panes::over(Some(length)), None)
    }

    /// One window over everything: emitted when the input ends or the run is stopped, and
    /// at every slide where [`RollingCount::every`] gives one.
    #[must_use]
    pub fn over_all() -> Self {
        Self::with(Panes::over(None), None)
    }

    /// Makes the counter: what is stored is loaded into it before the bolt is prepared. An
    /// impossible window shape is an error only then.
    fn with(panes: Panes, largest: Option<usize>) -> Self {
        let counter = match panes.shape().panes() {
            None => Ok(SlidingWindowCounter::running()),
            Some(1) => Ok(SlidingWindowCounter::tumbling()),
            Some(panes) => SlidingWindowCounter::new(panes),
        };
        let mut counter = counter.unwrap_or_else(|_| SlidingWindowCounter::running());
        if let Some(span) = panes.span() {
            counter = counter.slots_of(span);
        }
        Self {
            panes,
            largest,
            counter,
        }
    }

    /// The distance between two window ends; must divide the length.
    #[must_use]
    pub fn every(self, slide: Duration) -> Self {
        Self::with(self.panes.every(slide), self.largest)
    }

    /// Emits only the `places` largest counts of each window and task.
    ///
    /// All tuples of a key are counted in one task, so the largest counts of all tasks are among
    /// the largest of each: rankings of up to `places` stay exact, and the exchange carries a few
    /// counts instead of all. It does not apply to running totals, where every changed count is
    /// emitted.
    #[must_use]
    pub fn largest(mut self, places: usize) -> Self {
        self.largest = Some(places);
        self
    }

    /// Closes the panes that end at `watermark` or before, each with its window.
    fn close_until<T: Tuple>(&mut self, watermark: Timestamp, out: &mut Out<(Count<K>, T)>) {
        let (shape, largest) = (self.panes.shape(), self.largest);
        self.panes
            .close_until(watermark, &mut self.counter, |counter, end| {
                emit(counter, shape.window_ending(end), largest, out);
            });
    }

    /// Emits the running totals a last time.
    fn emit_final<T: Tuple>(&mut self, out: &mut Out<(Count<K>, T)>) {
        let (shape, largest) = (self.panes.shape(), self.largest);
        self.panes.close_all(&mut self.counter, |counter, end| {
            emit(counter, shape.window_ending(end), largest, out);
        });
    }
}

/// Emits the counts of the window whose last pane was closed.
fn emit<K: KeyValue, T: Tuple>(
    counter: &SlidingWindowCounter<K>,
    window: Window,
    largest: Option<usize>,
    out: &mut Out<(Count<K>, T)>,
) {
    let time = window.last_moment();
    let mut emit = |key: &K, count| {
        let key = key.clone();
        out.emit_at(Count { key, count, window }, time);
    };
    if window.is_running_total() {
        counter.changed().for_each(|(key, count)| emit(key, count));
    } else if let Some(places) = largest {
        for (key, count) in &counter.largest(places) {
            emit(key, *count);
        }
    } else {
        counter.sums().for_each(|(key, count)| emit(key, count));
    }
}

/// Its slots are the panes.
impl<K: KeyValue> Kept for SlidingWindowCounter<K> {
    fn last_closed(&self) -> Option<i64> {
        self.last_closed()
    }

    fn first_open(&self) -> Option<i64> {
        self.first_open()
    }

    fn next_change(&self) -> Option<i64> {
        self.next_change()
    }

    fn has_open_windows(&self) -> bool {
        self.has_open_windows()
    }

    fn close(&mut self, pane: i64) {
        self.close(pane);
    }

    fn close_empty(&mut self, pane: i64) {
        self.close_empty(pane);
    }
}

impl<K: KeyValue, T: Tuple> KeyedBolt<T> for RollingCount<K> {
    type Key = K;
    type Output = (Count<K>, T);

    fn waits(&self) -> bool {
        false
    }

    fn acts_on_epochs(&self) -> bool {
        false
    }

    fn prepare(&mut self, _: &Context) -> Result {
        self.largest.map_or(Ok(()), check_places)?;
        self.panes.prepare(&self.counter)
    }

    fn execute_many<B: KeyedTuples<K>>(&mut self, tuples: &B) -> usize {
        let Some((_, first, late)) = tuples.times().next() else {
            return 0;
        };
        let found = |panes: &mut Panes, counter| matches!(panes.find(first, counter), Ok(true));
        if late || !(self.panes.holds(first) || found(&mut self.panes, &self.counter)) {
            return 0;
        }
        let in_pane = tuples
            .times()
            .take_while(|(_, time, late)| !late && self.panes.holds(*time));
        let taken = in_pane.map(|(tuples, ..)| tuples).sum();
        let hashes = &tuples.hashes()[..taken];
        let (key, count) = (|at| tuples.key(at), |at| tuples.count(at));
        self.counter.add_all(hashes, key, count, self.panes.pane());
        taken
    }

    fn combines(&self) -> bool {
        true
    }

    fn key_field(&self) -> Option<&str> {
        Some("key")
    }

    #[inline]
    fn execute(&mut self, key: &K, tuple: &T, out: &mut Out<Self::Output>) -> Result {
        if out.is_late() {
            out.emit_late(Self::LATE, tuple.clone());
            return Ok(());
        }
        let time = out.time();
        if !self.panes.holds(time) && !self.panes.find(time, &self.counter)? {
            out.emit_late(Self::LATE, tuple.clone());
            return Ok(());
        }
        match out.key_hash() {
            Some(hash) => self.counter.add_hashed(key, hash, self.panes.pane(), 1),
            None => self.counter.add(key, self.panes.pane(), 1),
        }
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Self::Output>) -> Result {
        self.close_until(watermark, out);
        if watermark == Timestamp::MAX {
            self.emit_final(out);
        }
        Ok(())
    }

    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        self.panes.next_close(until, &self.counter)
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Self::Output>) -> Result {
        if epoch.closes {
            self.emit_final(out);
        }
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.counter.keep("counts", states);
    }

    fn meaning(&self) -> Meaning {
        self.panes.meaning()
    }

    fn window(&self) -> Option<WindowShape> {
        self.panes.checked_shape().ok()
    }

    fn open_windows(&self) -> usize {
        self.counter.open_windows()
    }

    fn streams(&self) -> Vec<StreamPlan> {
        Self::Output::named(&[DEFAULT_STREAM, Self::LATE.name()])
    }
}

/// The window of counts over everything, for readers of [`RollingCount::over_all`].
impl<K> Count<K> {
    /// Whether this is a count over the whole input.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.window == Window::ALL
    }
}

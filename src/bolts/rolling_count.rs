//! Counts keys over windows.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::sliding_window_counter::SlidingWindowCounter;
use crate::bolt::{KeyedBolt, KeyedTuples};
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::ranking::{Count, check_places};
use crate::state::States;
use crate::stream::{DEFAULT_STREAM, Out, Port};
use crate::time::{Timestamp, Window, WindowError, WindowShape};
use crate::tuple::Tuple;

/// Counts the tuples of each key in sliding or tumbling windows, or in one over everything.
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
    length: Option<Duration>,
    slide: Option<Duration>,
    largest: Option<usize>,
    shape: WindowShape,
    counter: SlidingWindowCounter<K>,
    /// The pane of the latest tuple and the times that fall into it.
    pane: i64,
    pane_times: RangeInclusive<Timestamp>,
}

const NO_TIMES: RangeInclusive<Timestamp> = Timestamp::MAX..=Timestamp::MIN;

impl<K: KeyValue> RollingCount<K> {
    /// The stream of late tuples.
    pub const LATE: Port<Self, 1> = Port::named("late");

    /// Windows of this length; tumbling unless [`RollingCount::every`] says otherwise.
    #[must_use]
    pub fn over(length: Duration) -> Self {
        Self::with(Some(length))
    }

    /// One window over everything: emitted when the input ends or the run is stopped, and
    /// at every slide where [`RollingCount::every`] gives one.
    #[must_use]
    pub fn over_all() -> Self {
        Self::with(None)
    }

    fn with(length: Option<Duration>) -> Self {
        Self {
            length,
            slide: None,
            largest: None,
            shape: WindowShape::ALL,
            counter: SlidingWindowCounter::running(),
            pane: 0,
            pane_times: NO_TIMES,
        }
        .set_up()
    }

    /// Makes the counter: what is stored is loaded into it before the bolt is prepared.
    /// A shape that cannot be is an error only then.
    fn set_up(mut self) -> Self {
        self.shape = self.shape().unwrap_or(WindowShape::ALL);
        let counter = match self.shape.panes() {
            None => Ok(SlidingWindowCounter::running()),
            Some(1) => Ok(SlidingWindowCounter::tumbling()),
            Some(panes) => SlidingWindowCounter::new(panes),
        };
        self.counter = counter.unwrap_or_else(|_| SlidingWindowCounter::running());
        if let Some(slide) = self.slide.or(self.length) {
            self.counter = self.counter.slots_of(slide);
        }
        self
    }

    /// The distance between two window ends; must divide the length.
    #[must_use]
    pub fn every(mut self, slide: Duration) -> Self {
        self.slide = Some(slide);
        self.set_up()
    }

    /// Emits only the `places` largest counts of each window and task.
    ///
    /// What is counted by key is counted whole in one task, so the largest of all tasks
    /// are among the largest of each: rankings of up to `places` stay exact, and the
    /// exchange carries a few counts instead of all. Not for running totals, where every
    /// changed count is emitted.
    #[must_use]
    pub fn largest(mut self, places: usize) -> Self {
        self.largest = Some(places);
        self
    }

    fn shape(&self) -> Result<WindowShape, WindowError> {
        match (self.length, self.slide) {
            (Some(length), slide) => WindowShape::sliding(length, slide.unwrap_or(length)),
            (None, Some(slide)) => WindowShape::running(slide),
            (None, None) => Ok(WindowShape::ALL),
        }
    }

    /// Finds the pane of a time, and keeps it for the times that follow. Says whether it can
    /// be counted in: an earlier run may have closed it.
    #[cold]
    fn find_pane(&mut self, time: Timestamp) -> Result<bool> {
        let Some(slide) = self.shape.slide_ms() else {
            self.pane_times = Timestamp::MIN..=Timestamp::MAX;
            return Ok(true);
        };
        if time == Timestamp::MIN || time == Timestamp::MAX {
            return Err(
                "it belongs to no window: it was emitted before the first watermark, or \
                        after the end of the input"
                    .into(),
            );
        }
        let pane = time.millis().div_euclid(slide);
        if self
            .counter
            .last_closed()
            .is_some_and(|closed| pane <= closed)
        {
            return Ok(false);
        }
        self.pane = pane;
        let start = Timestamp::from_millis(pane.saturating_mul(slide));
        self.pane_times = start..=start.forward(slide - 1);
        Ok(true)
    }

    /// Emits the counts of the window whose last pane was closed.
    fn emit<T: Tuple>(&self, end: Timestamp, out: &mut Out<(Count<K>, T)>) {
        let window = self.shape.window_ending(end);
        let time = window.last_moment();
        let mut emit = |key: &K, count| {
            let key = key.clone();
            out.emit_at(Count { key, count, window }, time);
        };
        if window.is_running_total() {
            self.counter
                .changed()
                .for_each(|(key, count)| emit(key, count));
        } else if let Some(places) = self.largest {
            for (key, count) in &self.counter.largest(places) {
                emit(key, *count);
            }
        } else {
            self.counter
                .sums()
                .for_each(|(key, count)| emit(key, count));
        }
    }

    /// Closes the panes that end at `watermark` or before, each with its window.
    fn close_until<T: Tuple>(&mut self, watermark: Timestamp, out: &mut Out<(Count<K>, T)>) {
        let Some(slide) = self.shape.slide_ms() else {
            return;
        };
        let limit = match watermark {
            Timestamp::MAX => i64::MAX,
            watermark => watermark.millis().div_euclid(slide),
        };
        while let Some(pane) = self.counter.next_change().filter(|pane| *pane < limit) {
            // A later run may have more of the pane after the last one that holds something.
            if limit == i64::MAX && self.counter.open_windows() == 0 {
                break;
            }
            self.counter.close(pane);
            let end = pane.saturating_add(1).saturating_mul(slide);
            self.emit(Timestamp::from_millis(end), out);
        }
        if limit != i64::MAX {
            // So that all tasks agree on what is closed, whatever they had to count.
            self.counter.close_empty(limit.saturating_sub(1));
        }
        if self.pane < limit {
            self.pane_times = NO_TIMES;
        }
    }

    /// Emits the running totals a last time.
    fn emit_final<T: Tuple>(&mut self, out: &mut Out<(Count<K>, T)>) {
        if self.length.is_some() {
            return;
        }
        while let Some(pane) = self.counter.first_open() {
            self.counter.close(pane);
            self.emit(Timestamp::MAX, out);
        }
        if self.shape.slide_ms().is_none() {
            self.counter.close_empty(self.pane);
        }
    }
}

impl<K: KeyValue, T: Tuple> KeyedBolt<T> for RollingCount<K> {
    type Key = K;
    type Output = (Count<K>, T);

    fn prepare(&mut self, _: &Context) -> Result {
        self.shape()?;
        self.largest.map_or(Ok(()), check_places)?;
        // Without a slide every run that ends has counted into a pane of its own.
        let next = |closed: i64| closed.saturating_add(1);
        self.pane = self.counter.last_closed().map_or(0, next);
        Ok(())
    }

    fn execute_many<B: KeyedTuples<K>>(&mut self, tuples: &B) -> usize {
        let Some((_, first, late)) = tuples.times().next() else {
            return 0;
        };
        if late || !(self.pane_times.contains(&first) || matches!(self.find_pane(first), Ok(true)))
        {
            return 0;
        }
        let in_pane = tuples
            .times()
            .take_while(|(_, time, late)| !late && self.pane_times.contains(time));
        let taken = in_pane.map(|(tuples, ..)| tuples).sum();
        let hashes = &tuples.hashes()[..taken];
        let (key, count) = (|at| tuples.key(at), |at| tuples.count(at));
        self.counter.add_all(hashes, key, count, self.pane);
        taken
    }

    fn combines() -> bool {
        true
    }

    fn key_field() -> Option<&'static str> {
        Some("key")
    }

    #[inline]
    fn execute(&mut self, key: &K, tuple: &T, out: &mut Out<Self::Output>) -> Result {
        if out.is_late() {
            out.emit_late(Self::LATE, tuple.clone());
            return Ok(());
        }
        let time = out.time();
        if !self.pane_times.contains(&time) && !self.find_pane(time)? {
            out.emit_late(Self::LATE, tuple.clone());
            return Ok(());
        }
        match out.key_hash() {
            Some(hash) => self.counter.add_hashed(key, hash, self.pane, 1),
            None => self.counter.add(key, self.pane, 1),
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

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Self::Output>) -> Result {
        if epoch.closes {
            self.emit_final(out);
        }
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.counter.keep("counts", states);
    }

    fn window(&self) -> Option<WindowShape> {
        self.shape().ok()
    }

    fn open_windows(&self) -> usize {
        self.counter.open_windows()
    }

    fn streams() -> Vec<&'static str> {
        vec![DEFAULT_STREAM, Self::LATE.name()]
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

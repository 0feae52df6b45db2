//! Aggregates keys over windows.

mod held;

use std::fmt;
use std::time::Duration;

use super::aggregate::refused;
use super::panes::Panes;
use crate::aggregate::{Aggregator, Retract};
use crate::bolt::{AggregatingBolt, KeyedBolt};
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::meaning::Meaning;
use crate::state::States;
use crate::stream::{DEFAULT_STREAM, Out, Port, StreamPlan, Streams};
use crate::time::{Timestamp, Window, WindowShape};
use crate::tuple::Tuple;
use held::Held;

/// The value of a key in a window; the latest one of a key and window holds.
#[derive(squall_macros::Tuple, Clone, Debug, PartialEq, Eq)]
pub struct Aggregated<K, V> {
    /// What was aggregated by.
    pub key: K,
    /// The value of what had this key in the window.
    pub value: V,
    /// The window; without a start for running totals.
    pub window: Window,
}

/// Aggregates the tuples of each key in sliding or tumbling windows, or in one window over
/// everything, as [`RollingCount`](super::RollingCount) does for counts.
///
/// When the watermark passes a window's end, the value of every key that had a tuple in it is
/// emitted, in the order of the keys, once and with the window's last moment as its time; of
/// running totals those that had one since the last window. Late tuples are counted in the metrics
/// and go to [`RollingAggregate::LATE`], as do those of windows that an earlier run closed.
///
/// A tuple that cannot be taken in goes to the dead letters and changes nothing. Where the parts
/// of a window cannot be put together, since a sum would leave its range, a dead letter with the
/// key and both numbers takes the place of the window's value; what was to be added to a running
/// total is left out of it then.
///
/// ```
/// use squall::aggregate::{Aggregator, LongMax};
/// use squall::{Text, Timestamp, Tuple, bolts::RollingAggregate, secs, testing::BoltTest};
///
/// #[derive(Tuple, Clone, Debug)]
/// struct Load { host: Text, percent: i64 }
///
/// let load = |percent| Load { host: "a".into(), percent };
/// let at = |seconds: i64| Timestamp::from_millis(seconds * 1_000);
/// let highest = RollingAggregate::of(LongMax.of(Load::PERCENT)).over(secs(10)).every(secs(5));
/// let out = BoltTest::keyed(highest, Load::HOST)
///     .send_at(load(90), at(2))
///     .send_at(load(40), at(7))
///     .watermark(at(15))
///     .run()?;
/// let values = out.emitted().iter().map(|a| (a.window.end, a.value));
/// let expected = [(at(5), Some(90)), (at(10), Some(90)), (at(15), Some(40))];
/// assert_eq!(values.collect::<Vec<_>>(), expected);
/// # Ok::<(), squall::BoxError>(())
/// ```
///
/// Each tuple is taken in once, in the pane of its slide, and a window is what its panes hold
/// together (Li et al., "No pane, no gain", SIGMOD Record 2005). When a window moves on, the pane
/// that it leaves is taken out of the keys that had something in it where
/// [`RollingAggregate::retracting`] says so; otherwise their panes are merged again.
pub struct RollingAggregate<K, A: Aggregator> {
    panes: Panes,
    held: Held<K, A>,
    /// The task, which dead letters name.
    name: String,
}

impl<K: KeyValue, A: Aggregator> RollingAggregate<K, A> {
    /// The stream of late tuples.
    pub const LATE: Port<Self, 1> = Port::named("late");

    /// By this aggregator of tuples, in one window over everything: emitted when the input ends
    /// or the run is stopped, and at every slide where [`RollingAggregate::every`] gives one.
    /// [`Aggregator::of`] makes an aggregator of a field.
    #[must_use]
    pub fn of(aggregator: A) -> Self {
        let panes = Panes::over(None);
        Self {
            held: Held::new(aggregator, panes.shape(), panes.span()),
            panes,
            name: String::new(),
        }
    }

    /// In windows of this length; tumbling unless [`RollingAggregate::every`] says otherwise.
    #[must_use]
    pub fn over(self, length: Duration) -> Self {
        self.with(|panes| panes.lasting(length))
    }

    /// The distance between two window ends; must divide the length.
    #[must_use]
    pub fn every(self, slide: Duration) -> Self {
        self.with(|panes| panes.every(slide))
    }

    /// What is stored is loaded into what is held before the bolt is prepared.
    fn with(mut self, change: impl FnOnce(Panes) -> Panes) -> Self {
        self.panes = change(self.panes);
        self.held.shape(self.panes.shape(), self.panes.span());
        self
    }

    /// Takes out what a window leaves, which is quicker than to merge again what is left of it
    /// where windows are many panes long.
    ///
    /// The values are the same, but for sums of floating-point numbers so far apart that they
    /// are rounded; see [`DoubleSum`](crate::aggregate::DoubleSum).
    #[must_use]
    pub fn retracting(mut self) -> Self
    where
        A: Retract,
    {
        self.held.retract_by(A::unmerge);
        self
    }

    /// Goes to the pane of what is in hand; says whether it is open.
    #[inline]
    fn finds<S: Streams>(&mut self, out: &Out<S>) -> Result<bool> {
        let time = out.time();
        Ok(!out.is_late() && (self.panes.holds(time) || self.panes.find(time, &self.held)?))
    }

    /// Closes the panes that end at `watermark` or before, each with its window.
    fn close_until<T: Tuple>(
        &mut self,
        watermark: Timestamp,
        out: &mut Out<(Aggregated<K, A::Output>, T)>,
    ) {
        let (shape, name) = (self.panes.shape(), &self.name);
        self.panes
            .close_until(watermark, &mut self.held, |held, end| {
                held.emit(shape.window_ending(end), name, out);
            });
    }

    /// Emits the running totals a last time.
    fn emit_final<T: Tuple>(&mut self, out: &mut Out<(Aggregated<K, A::Output>, T)>) {
        let (shape, name) = (self.panes.shape(), &self.name);
        self.panes.close_all(&mut self.held, |held, end| {
            held.emit(shape.window_ending(end), name, out);
        });
    }
}

impl<K: fmt::Debug, A: Aggregator> fmt::Debug for RollingAggregate<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RollingAggregate");
        debug.field("panes", &self.panes);
        debug.field("held", &self.held);
        debug.finish_non_exhaustive()
    }
}

impl<K, A, T> KeyedBolt<T> for RollingAggregate<K, A>
where
    K: KeyValue,
    A: Aggregator<Input = T>,
    T: Tuple,
{
    type Key = K;
    type Output = (Aggregated<K, A::Output>, T);

    fn waits(&self) -> bool {
        false
    }

    fn acts_on_epochs(&self) -> bool {
        false
    }

    fn prepare(&mut self, context: &Context) -> Result {
        self.name = context.name();
        self.panes.prepare(&self.held)?;
        self.held.close_again();
        Ok(())
    }

    fn execute(&mut self, key: &K, tuple: &T, out: &mut Out<Self::Output>) -> Result {
        if !self.finds(out)? {
            out.emit_late(Self::LATE, tuple.clone());
            return Ok(());
        }
        let add = |aggregator: &A, partial: &mut A::Partial| aggregator.add(partial, tuple);
        let added = self.held.change(key, self.panes.pane(), add);
        Ok(added.map_err(|error| refused(key, error))?)
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Self::Output>) -> Result {
        self.close_until(watermark, out);
        if watermark == Timestamp::MAX {
            self.emit_final(out);
        }
        Ok(())
    }

    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        self.panes.next_close(until, &self.held)
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Self::Output>) -> Result {
        if epoch.closes {
            self.emit_final(out);
        }
        Ok(())
    }

    fn key_field(&self) -> Option<&str> {
        Some("key")
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.held.state(states);
    }

    fn meaning(&self) -> Meaning {
        let aggregates = self.held.aggregator().meaning();
        self.panes.meaning().and(aggregates)
    }

    fn window(&self) -> Option<WindowShape> {
        self.panes.checked_shape().ok()
    }

    fn open_windows(&self) -> usize {
        self.held.open_windows()
    }

    fn streams(&self) -> Vec<StreamPlan> {
        Self::Output::named(&[DEFAULT_STREAM, Self::LATE.name()])
    }
}

impl<K, A, T> AggregatingBolt<T> for RollingAggregate<K, A>
where
    K: KeyValue,
    A: Aggregator<Input = T>,
    T: Tuple,
{
    type Aggregator = A;

    fn aggregator(&self) -> A {
        self.held.aggregator().clone()
    }

    fn execute_partial(
        &mut self,
        key: &K,
        partial: &A::Partial,
        out: &mut Out<Self::Output>,
    ) -> Result {
        if !self.finds(out)? {
            return Err("the pane of tuples that were aggregated was closed before".into());
        }
        let merge = |aggregator: &A, into: &mut A::Partial| aggregator.merge(into, partial);
        let merged = self.held.change(key, self.panes.pane(), merge);
        Ok(merged.map_err(|error| refused(key, error))?)
    }
}

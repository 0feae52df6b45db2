//! Bolts: what happens to tuples.

use std::borrow::Cow;

use crate::aggregate::Aggregator;
pub use crate::batch::Neighbours;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::{KeyHash, KeyValue};
use crate::meaning::Meaning;
use crate::state::States;
use crate::stream::{DEFAULT_STREAM, Out, StreamPlan, Streams};
use crate::time::{Timestamp, WindowShape};
use crate::tuple::Tuple;

/// Takes tuples one at a time and emits others.
///
/// A bolt belongs to one task and is never shared; `execute` is synchronous work. What
/// fails:
///
/// - an error for a tuple sends that tuple to the dead letters, with the error; what was
///   emitted for it before stays emitted;
/// - an error at a watermark or an epoch, and a panic, end the topology with the cause.
///
/// ```
/// use squall::{Bolt, Out, Result, Text, Tuple, testing::BoltTest};
///
/// #[derive(Tuple, Clone, Debug, PartialEq)]
/// struct Word { word: Text }
///
/// struct Shout;
/// impl Bolt for Shout {
///     type Input = Word;
///     type Output = Word;
///     fn execute(&mut self, tuple: &Word, out: &mut Out<Word>) -> Result {
///         out.emit(Word { word: tuple.word.to_uppercase().into() });
///         Ok(())
///     }
/// }
///
/// let out = BoltTest::new(Shout).send(Word { word: "mike".into() }).run()?;
/// assert_eq!(out.emitted(), [Word { word: "MIKE".into() }]);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a bolt",
    label = "this is wired as a bolt",
    note = "add a spout with `topology.spout(..)`, a keyed bolt with `topology.keyed(..)`, a sink with `topology.sink(..)`, or implement `Bolt` for `{Self}`"
)]
pub trait Bolt: Send + 'static {
    /// The tuples that it takes.
    type Input: Tuple;
    /// What it emits: a tuple type, or several for several streams.
    type Output: Streams;

    /// Called once before the first tuple.
    ///
    /// # Errors
    /// End the topology before it starts.
    fn prepare(&mut self, context: &Context) -> Result {
        let _ = context;
        Ok(())
    }

    /// Takes as many of the first tuples at once as it can, and says how many; the others come
    /// by [`Bolt::execute`], with which the result must be the same.
    ///
    /// For bolts that do better with several tuples than with one after the other: one that keeps
    /// a large table can look for the entries of all of them before it changes the first one, so
    /// that it waits for the memory once. Nothing is emitted here: where a tuple is one for which
    /// something is, or with which something is wrong, it ends before it.
    #[inline]
    fn execute_many(&mut self, tuples: &Neighbours<'_, Self::Input>) -> usize {
        let _ = tuples;
        0
    }

    /// Takes one tuple.
    ///
    /// # Errors
    /// Send the tuple to the dead letters; [`Fatal`](crate::error::Fatal) and
    /// [`Transient`](crate::error::Transient) end the run, or this attempt at it.
    fn execute(&mut self, tuple: &Self::Input, out: &mut Out<Self::Output>) -> Result;

    /// No tuple with a time before `watermark` follows: windows that end there can close.
    /// Called when the watermark has risen, before the readers are told.
    ///
    /// # Errors
    /// End the topology.
    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Self::Output>) -> Result {
        let _ = (watermark, out);
        Ok(())
    }

    /// The least watermark before `until` at which [`Bolt::on_watermark`] would emit something:
    /// the end of the window that closes next. None where that is not known, or nothing would
    /// be emitted.
    ///
    /// When the watermark rises to `until`, the runtime raises it to this one first, hands on
    /// what is emitted, and goes on when the readers have taken it. So many windows that
    /// close together are not held all at once. What is emitted must be the same as where the
    /// watermark rises at once.
    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        let _ = until;
        None
    }

    /// All tuples before the cut were seen and none after it.
    ///
    /// # Errors
    /// End the topology.
    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Self::Output>) -> Result {
        let _ = (epoch, out);
        Ok(())
    }

    /// What the bolt keeps over a failure: each table and value under a name of its own.
    /// The runtime loads it before [`Bolt::prepare`], and stores what has changed with each
    /// commit; see [`States`]. What is not declared here begins anew after a failure.
    fn state(&mut self, states: &mut States<'_>) {
        let _ = states;
    }

    /// What the results mean, as far as the bolt's settings decide it: a run goes on only with
    /// what a bolt of the same meaning has stored. See [`Meaning`]. Asked of the bolt as it was
    /// made.
    fn meaning(&self) -> Meaning {
        Meaning::none()
    }

    /// The windows that this bolt keeps, if it keeps any. They time the epochs of runs by
    /// processing time and are made known to the bolts downstream.
    fn window(&self) -> Option<WindowShape> {
        None
    }

    /// How many windows hold tuples and are not closed; reported when a run is stopped.
    fn open_windows(&self) -> usize {
        0
    }

    /// Whether what it emits or keeps at an epoch depends on which tuples came before the cut, so that
    /// all that it reads must be cut at the same moment; the last epoch of a run apart. In one process
    /// every epoch is such a cut. Where a topology runs in several, a bolt that says it does not act on
    /// epochs is spared the wait for a common one.
    fn acts_on_epochs(&self) -> bool {
        true
    }

    /// The output streams, the main one first: as many as [`Bolt::Output`] has. Asked, as all that
    /// follows, of a bolt that the factory has made for the plan and that gets no tuple.
    fn streams(&self) -> Vec<StreamPlan> {
        Self::Output::named(&[DEFAULT_STREAM])
    }

    /// Whether the work is so little that it needs no thread of its own: a filter's or a map's,
    /// which keeps nothing. See [`Topology::chain`](crate::Topology::chain).
    fn is_light(&self) -> bool {
        false
    }

    /// Whether its code may wait: for a disk, a server, a lock. Unless it says that it never
    /// does, each of its tasks has a thread of its own; see
    /// [`RunOptions::threads`](crate::RunOptions::threads).
    fn waits(&self) -> bool {
        true
    }
}

/// Tuples that came together, in order, with their keys.
pub trait KeyedTuples<K: KeyValue> {
    /// The hash of each tuple's key.
    fn hashes(&self) -> &[KeyHash];

    /// The key of the tuple at this position.
    fn key(&self, position: usize) -> Cow<'_, K>;

    /// How many tuples of that key and time stand at this position: 1, unless they were
    /// [combined](KeyedBolt::combines).
    fn count(&self, position: usize) -> u64;

    /// The times of the tuples: how many in a row have the same, the time, and whether they
    /// are late.
    fn times(&self) -> impl Iterator<Item = (usize, Timestamp, bool)>;
}

/// A bolt that gets each tuple's key from its fields grouping, so that the key by which
/// tuples are routed and the key by which they are counted cannot differ.
///
/// `T` is the tuple type of the stream; most keyed bolts take any.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a keyed bolt",
    label = "this is wired as a keyed bolt",
    note = "add a bolt that takes no key with `topology.bolt(..)`, or implement `KeyedBolt` for `{Self}`"
)]
pub trait KeyedBolt<T: Tuple>: Send + 'static {
    /// The key's type.
    type Key: KeyValue;
    /// What it emits: a tuple type, or several for several streams.
    type Output: Streams;

    /// As [`Bolt::prepare`].
    ///
    /// # Errors
    /// End the topology before it starts.
    fn prepare(&mut self, context: &Context) -> Result {
        let _ = context;
        Ok(())
    }

    /// Takes as many of the first tuples at once as it can, and says how many; the others come
    /// by [`KeyedBolt::execute`], with which the result must be the same.
    ///
    /// For bolts that can do better than tuple by tuple: one that keeps its keys in a
    /// [`KeyIndex`](crate::state::KeyIndex) can look for all of them before it uses the first one, so
    /// that it waits for the memory once.
    #[inline]
    fn execute_many<B: KeyedTuples<Self::Key>>(&mut self, tuples: &B) -> usize
    where
        Self: Sized,
    {
        let _ = tuples;
        0
    }

    /// Whether the result depends only on how many tuples a key has in each pane of the
    /// [window](KeyedBolt::window) (without a window, on how many it has at all), and not on
    /// what else is in them.
    ///
    /// If so, senders may count what they have of a key and a pane, and send the count in place
    /// of the tuples: a combiner. It is given to [`KeyedBolt::execute_many`], which must take
    /// all of it. Late tuples, and those that belong to no pane, are sent as they are.
    fn combines(&self) -> bool {
        false
    }

    /// The field of the main stream that holds the key, if one does: what is read by that field
    /// is in the right task already.
    fn key_field(&self) -> Option<&str> {
        None
    }

    /// As [`Bolt::waits`].
    fn waits(&self) -> bool {
        true
    }

    /// Takes one tuple with its key.
    ///
    /// # Errors
    /// Send the tuple to the dead letters; [`Fatal`](crate::error::Fatal) and
    /// [`Transient`](crate::error::Transient) end the run, or this attempt at it.
    fn execute(&mut self, key: &Self::Key, tuple: &T, out: &mut Out<Self::Output>) -> Result;

    /// As [`Bolt::on_watermark`].
    ///
    /// # Errors
    /// End the topology.
    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Self::Output>) -> Result {
        let _ = (watermark, out);
        Ok(())
    }

    /// As [`Bolt::next_close`].
    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        let _ = until;
        None
    }

    /// As [`Bolt::on_epoch`].
    ///
    /// # Errors
    /// End the topology.
    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Self::Output>) -> Result {
        let _ = (epoch, out);
        Ok(())
    }

    /// As [`Bolt::state`].
    fn state(&mut self, states: &mut States<'_>) {
        let _ = states;
    }

    /// As [`Bolt::meaning`].
    fn meaning(&self) -> Meaning {
        Meaning::none()
    }

    /// As [`Bolt::window`].
    fn window(&self) -> Option<WindowShape> {
        None
    }

    /// As [`Bolt::open_windows`].
    fn open_windows(&self) -> usize {
        0
    }

    /// As [`Bolt::acts_on_epochs`].
    fn acts_on_epochs(&self) -> bool {
        true
    }

    /// As [`Bolt::streams`].
    fn streams(&self) -> Vec<StreamPlan> {
        Self::Output::named(&[DEFAULT_STREAM])
    }
}

/// A keyed bolt that aggregates, so that its senders may do it too: what they have of a key and
/// a pane of the [window](KeyedBolt::window) (without a window, of a key) they can send as the
/// partial of these tuples in place of them, which is a combiner. See
/// [`Topology::aggregate`](crate::Topology::aggregate).
///
/// The result must be the same. Late tuples, those that belong to no pane, and those that a
/// partial cannot take in are sent as they are.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a bolt that aggregates",
    label = "this is wired as a bolt that aggregates",
    note = "add a keyed bolt whose senders send it each tuple with `topology.keyed(..)`"
)]
pub trait AggregatingBolt<T: Tuple>: KeyedBolt<T> {
    /// What the senders aggregate by.
    type Aggregator: Aggregator<Input = T>;

    /// The same as the bolt's own.
    fn aggregator(&self) -> Self::Aggregator;

    /// Takes the tuples of a key and a pane that a sender has aggregated, with the time of the
    /// latest of them.
    ///
    /// # Errors
    /// Send the partial to the dead letters; else as those of [`Bolt::execute`].
    fn execute_partial(
        &mut self,
        key: &Self::Key,
        partial: &<Self::Aggregator as Aggregator>::Partial,
        out: &mut Out<Self::Output>,
    ) -> Result;
}

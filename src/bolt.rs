//! Bolts: what happens to tuples.

use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::state::States;
use crate::stream::{DEFAULT_STREAM, Out, Streams};
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

    /// Takes one tuple.
    ///
    /// # Errors
    /// Send the tuple to the dead letters.
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

    /// The windows that this bolt keeps, if it keeps any. They time the epochs of runs by
    /// processing time and are made known to the bolts downstream.
    fn window(&self) -> Option<WindowShape> {
        None
    }

    /// How many windows hold tuples and are not closed; reported when a run is stopped.
    fn open_windows(&self) -> usize {
        0
    }

    /// The names of the output streams, the main one first.
    #[must_use]
    fn streams() -> Vec<&'static str>
    where
        Self: Sized,
    {
        vec![DEFAULT_STREAM]
    }
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

    /// Takes one tuple with its key.
    ///
    /// # Errors
    /// Send the tuple to the dead letters.
    fn execute(&mut self, key: &Self::Key, tuple: &T, out: &mut Out<Self::Output>) -> Result;

    /// As [`Bolt::on_watermark`].
    ///
    /// # Errors
    /// End the topology.
    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Self::Output>) -> Result {
        let _ = (watermark, out);
        Ok(())
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

    /// As [`Bolt::window`].
    fn window(&self) -> Option<WindowShape> {
        None
    }

    /// As [`Bolt::open_windows`].
    fn open_windows(&self) -> usize {
        0
    }

    /// As [`Bolt::streams`].
    #[must_use]
    fn streams() -> Vec<&'static str>
    where
        Self: Sized,
    {
        vec![DEFAULT_STREAM]
    }
}

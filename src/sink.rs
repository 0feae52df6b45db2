//! Sinks: where tuples leave the topology.

use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::tuple::Tuple;

/// Hands tuples to the outside world.
///
/// A sink has a thread of its own for each task, so it may block on writing; what it holds
/// up is held up by backpressure. Every error ends the topology with the cause: a sink
/// that cannot write must not let tuples pass unwritten.
///
/// ```
/// use squall::{Result, Sink, Text, Tuple, testing::SinkTest};
///
/// #[derive(Tuple, Clone, Debug)]
/// struct Word { word: Text }
///
/// #[derive(Default)]
/// struct Joined(String);
/// impl Sink for Joined {
///     type Input = Word;
///     fn write(&mut self, words: &[Word]) -> Result {
///         self.0.extend(words.iter().map(|word| word.word.as_str()));
///         Ok(())
///     }
/// }
///
/// let sink = SinkTest::new(Joined::default()).send(Word { word: "a".into() }).run()?;
/// assert_eq!(sink.0, "a");
/// # Ok::<(), squall::BoxError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink",
    label = "this is wired as a sink",
    note = "add a bolt with `topology.bolt(..)`, a spout with `topology.spout(..)`, or implement `Sink` for `{Self}`"
)]
pub trait Sink: Send + 'static {
    /// The tuples that it takes.
    type Input: Tuple;

    /// Called once before the first tuple: open the file, connect.
    ///
    /// # Errors
    /// End the topology before it starts.
    fn prepare(&mut self, context: &Context) -> Result {
        let _ = context;
        Ok(())
    }

    /// Takes the tuples of one batch, in order.
    ///
    /// # Errors
    /// End the topology.
    fn write(&mut self, tuples: &[Self::Input]) -> Result;

    /// Everything before the cut was written: make it visible to readers.
    ///
    /// # Errors
    /// End the topology.
    fn flush(&mut self, epoch: &Epoch) -> Result {
        let _ = epoch;
        Ok(())
    }
}

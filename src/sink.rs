//! Sinks: where tuples leave the topology.

use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::meaning::Meaning;
use crate::state::States;
use crate::tuple::Tuple;

/// Hands tuples to the outside world.
///
/// There are two ways to deliver:
///
/// - **directly**, in [`Sink::write`]: before the tuples are committed. After a failure they
///   are written again, with others perhaps in between, so the writes must converge: an
///   upsert by key, a set;
/// - **by the outbox**: `write` only encodes, [`Sink::outbox`] hands over, and
///   [`Sink::deliver`] gets it when the epoch is committed, in order and at least once. A
///   sink that keeps in its [state](Sink::state) what it has delivered, or whose target
///   knows, makes it exactly once. Without a data directory the runtime hands over and
///   delivers at each batch.
///
/// Each task of a sink has its own thread, so a write may block; backpressure then slows down its
/// senders. Every error ends the topology with the cause: no tuple may be skipped because it cannot
/// be written.
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

    /// Takes the tuples of one batch, in order: delivers them, or keeps them for
    /// [`Sink::outbox`].
    ///
    /// # Errors
    /// End the topology.
    fn write(&mut self, tuples: &[Self::Input]) -> Result;

    /// The encoded output for the tuples written since the last call; none from a sink that
    /// delivers in [`Sink::write`].
    ///
    /// # Errors
    /// End the topology.
    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// How many bytes wait for [`Sink::outbox`], for sinks that keep what they are given.
    ///
    /// If more than 16 MiB wait, the run commits early, and the sink gets no tuples while an
    /// earlier commit is being written. So a sink's memory is bounded. One exception: windows that
    /// close at one moment belong to one commit, so their whole output is held.
    fn waiting_bytes(&self) -> usize {
        0
    }

    /// Delivers what [`Sink::outbox`] returned. It is committed, so after a failure it comes again,
    /// until a commit records its delivery.
    ///
    /// `epoch` is the number of its epoch: it increases from delivery to delivery, and after a
    /// failure each outbox comes with the number that it had. So a target that stores the number
    /// with the output, in one transaction, takes each outbox exactly once. None where nothing is
    /// committed.
    ///
    /// # Errors
    /// End the topology.
    fn deliver(&mut self, outbox: &[u8], epoch: Option<u64>) -> Result {
        let _ = (outbox, epoch);
        Ok(())
    }

    /// Everything before the cut was written and delivered: make it visible to readers.
    ///
    /// # Errors
    /// End the topology.
    fn flush(&mut self, epoch: &Epoch) -> Result {
        let _ = epoch;
        Ok(())
    }

    /// What the sink's state means, as [`Bolt::meaning`](crate::Bolt::meaning).
    fn meaning(&self) -> Meaning {
        Meaning::none()
    }

    /// What the sink keeps over a failure, as [`Bolt::state`](crate::Bolt::state): stored
    /// with each commit, so that it tells what was delivered before that.
    fn state(&mut self, states: &mut States<'_>) {
        let _ = states;
    }
}

//! Operators: user code with its types erased, as the runtime drives it.
//!
//! A topology is typed; a task is not. What stands between them is made by the builder,
//! which knows the types: an operator around each spout, bolt and sink, and an [`Edge`]
//! for each wire, which routes staged tuples into the batches of the receiving tasks.

mod bolt;
mod combiner;
mod edge;
mod folding;
mod grouping;
mod keyed;
mod keyed_edge;
mod sink;
mod spout;

pub(crate) use bolt::{Executes, PlainOperator};
pub(crate) use edge::{AnyEdge, Broadcast, Combining, Edge, Outlet};
pub(crate) use folding::{FoldingEdge, WithPartials};
pub(crate) use grouping::{
    Choose, Custom, Direct, Fields, Global, LocalOrShuffle, PartialKey, Shuffle,
};
pub(crate) use keyed::WithKey;
pub(crate) use keyed_edge::KeyedEdge;
pub(crate) use sink::SinkOperator;
pub(crate) use spout::{AnySpout, SpoutOperator};

pub use grouping::CustomGrouping;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::AnyBatch;
use crate::context::{Context, Epoch};
use crate::error::{BoxError, Result};
use crate::meaning::Meaning;
use crate::state::States;
use crate::stream::{LateSeen, LetterContent, StreamPlan};
use crate::time::{Timestamp, WindowShape};
use crate::tuple::DeadLetter;

/// An operator stops between two tuples of a batch, and goes on when the readers have taken what
/// came of it, where it has emitted so many.
pub(crate) const MAX_STAGED: usize = 4_096;

/// What an operator has staged for its readers.
pub(crate) trait Staged {
    /// The number of output streams; the dead letters come after them.
    fn streams(&self) -> usize;

    /// The staged tuples of a stream; the dead letters at position `streams()`.
    fn staged(&mut self, stream: usize) -> Option<&mut dyn AnyBatch>;

    /// How many tuples were late since it was asked last, and what else is known of them.
    fn take_late(&mut self) -> (u64, Option<Box<LateSeen>>);

    /// What some of the staged dead letters are made of, in their order.
    fn take_contents(&mut self) -> Vec<LetterContent>;
}

/// What a component says of itself before it runs.
#[derive(Debug)]
pub struct Properties {
    /// Its output streams, the main one first.
    pub streams: Vec<StreamPlan>,
    /// Whether its work is so little that it needs no thread.
    pub light: bool,
    /// Whether its code may wait for something.
    pub waits: bool,
    /// Whether it takes tuples that were combined.
    pub combines: bool,
    /// The field of its main stream that holds the key by which it is grouped.
    pub key_field: Option<String>,
}

/// A bolt or sink with its types erased.
pub(crate) trait AnyBolt: Staged + Send {
    fn properties(&self) -> Properties;

    fn prepare(&mut self, context: &Context) -> Result;

    /// Takes the tuples of a batch and stages what comes of them. Says whether it has taken
    /// all: if not ([`MAX_STAGED`]), it goes on with the next one when it is called again.
    fn execute(&mut self, batch: &mut dyn AnyBatch) -> Result<bool>;

    fn on_watermark(&mut self, watermark: Timestamp) -> Result;

    /// The least watermark before `until` at which something would be emitted, where it is known.
    fn next_close(&self, until: Timestamp) -> Option<Timestamp>;

    fn on_epoch(&mut self, epoch: &Epoch) -> Result;

    /// What user code says that its results mean.
    fn meaning(&self) -> Meaning;

    fn window(&self) -> Option<WindowShape>;

    fn open_windows(&self) -> usize;

    /// Declares what user code keeps.
    fn state(&mut self, states: &mut States<'_>);

    /// The tuple in hand, as text; after a panic the one that user code panicked on.
    /// `batch` is what was being executed.
    fn in_hand(&self, batch: &mut dyn AnyBatch) -> Option<String> {
        let _ = batch;
        None
    }

    /// Tuples that user code panicked on, as text, with what to say of each: they go to the
    /// dead letters.
    fn quarantine(&mut self, tuples: Quarantine) {
        let _ = tuples;
    }

    /// Set for sinks.
    fn outbox(&mut self) -> Option<&mut dyn Outbox> {
        None
    }
}

/// The watermark to which a bolt's is raised first on its way from one to another, where windows
/// close between the two.
pub(crate) fn next_step(bolt: &dyn AnyBolt, from: Timestamp, to: Timestamp) -> Option<Timestamp> {
    let next = bolt.next_close(to);
    next.filter(|next| from < *next && *next < to)
}

/// Tuples that are not given to user code any more: their text, and the panic's message.
pub(crate) type Quarantine = Arc<BTreeMap<String, String>>;

/// A sink's side of the outbox.
pub(crate) trait Outbox {
    /// What is to be delivered with this epoch, when it is committed.
    fn hand_over(&mut self, epoch: &Epoch) -> Result<Arc<Vec<u8>>>;

    /// Whether so much waits to be handed over that it should be soon.
    fn is_full(&self) -> bool;

    /// The bytes that wait to be handed over, and those that are and are not delivered.
    fn pending_bytes(&self) -> usize;

    /// What was handed over in a run before this one, and not delivered as far as is known.
    fn put_back(&mut self, epoch: Epoch, outbox: Vec<u8>);

    /// This epoch is committed: delivers it and those before it. Gives the last one that
    /// was delivered.
    fn deliver(&mut self, committed: u64) -> Result<Option<u64>>;
}

/// The dead letter of a tuple that a bolt refused.
fn refused(task: &str, tuple: &impl std::fmt::Debug, error: &BoxError) -> DeadLetter {
    DeadLetter {
        source: task.to_owned(),
        line: None,
        reason: error.to_string(),
        tuple: Some(format!("{tuple:?}")),
    }
}

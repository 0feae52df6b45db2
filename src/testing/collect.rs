//! A sink that keeps what it gets.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::sink::Sink;
use crate::topology::{AsStream, Topology};
use crate::tuple::Tuple;

/// The tuples of a stream, kept for a test to look at.
///
/// ```
/// use squall::testing::{Collected, Events, TopologyTest};
/// use squall::{Topology, Word};
///
/// let topology = Topology::named("collect");
/// let word = |word: &str| Word { word: word.into() };
/// let events = Events::now([word("storm"), word("squall")]);
/// let words = topology.spout("words", move || events.clone());
/// let collected = Collected::of(&topology, "collected", &words);
/// TopologyTest::new(topology).run()?;
/// assert_eq!(collected.take(), [word("storm"), word("squall")]);
/// # Ok::<(), squall::RunError>(())
/// ```
#[derive(Debug)]
pub struct Collected<T> {
    // Shared between the sink's task and the test that reads it.
    tuples: Arc<Mutex<Vec<T>>>,
}

impl<T> Clone for Collected<T> {
    fn clone(&self) -> Self {
        Self {
            tuples: Arc::clone(&self.tuples),
        }
    }
}

impl<T: Tuple> Collected<T> {
    /// What the stream is going to carry, by a sink of this id.
    #[must_use]
    pub fn of<A: AsStream<Item = T>>(topology: &Topology, id: &str, stream: &A) -> Self {
        let collected = Self {
            tuples: Arc::default(),
        };
        let sink = collected.clone();
        let component = topology.sink(id, move || Collector(sink.clone()));
        component.global_grouping(stream);
        collected
    }

    /// Takes out what is there, in the order in which it came.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        // A vector is whole even where a panic came between.
        std::mem::take(&mut self.tuples.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The sink of a [`Collected`].
struct Collector<T>(Collected<T>);

impl<T: Tuple> Sink for Collector<T> {
    type Input = T;

    fn write(&mut self, tuples: &[T]) -> Result {
        let mut collected = self.0.tuples.lock().unwrap_or_else(PoisonError::into_inner);
        collected.extend_from_slice(tuples);
        Ok(())
    }
}

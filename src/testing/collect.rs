//! A sink that keeps what it gets.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::Result;
use crate::sink::Sink;
use crate::topology::{AsStream, Topology};
use crate::tuple::Tuple;

/// The tuples of a stream, kept for a test to look at: each once, also where the run fails
/// and is restored.
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
    shared: Arc<Mutex<Shared<T>>>,
}

#[derive(Debug)]
struct Shared<T> {
    delivered: Vec<T>,
    /// What was handed over and not delivered, by its number.
    outboxes: BTreeMap<u64, Vec<T>>,
    next: u64,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self {
            delivered: Vec::new(),
            outboxes: BTreeMap::new(),
            next: 0,
        }
    }
}

impl<T> Clone for Collected<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T: Tuple> Collected<T> {
    /// What the stream is going to carry, by a sink of this id.
    #[must_use]
    pub fn of<A: AsStream<Item = T>>(topology: &Topology, id: &str, stream: &A) -> Self {
        let collected = Self {
            shared: Arc::default(),
        };
        let sink = collected.clone();
        let component = topology.sink(id, move || Collector {
            collected: sink.clone(),
            written: Vec::new(),
        });
        component.global_grouping(stream);
        collected
    }

    /// Takes out what was delivered, in the order in which it came.
    #[must_use]
    pub fn take(&self) -> Vec<T> {
        self.with(|shared| std::mem::take(&mut shared.delivered))
    }

    fn with<R>(&self, change: impl FnOnce(&mut Shared<T>) -> R) -> R {
        // It is whole even where a panic came between.
        change(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The sink of a [`Collected`]. Its outbox holds a number; the tuples stay in memory, which
/// a test and its topology share, and are delivered once.
struct Collector<T> {
    collected: Collected<T>,
    written: Vec<T>,
}

impl<T: Tuple> Sink for Collector<T> {
    type Input = T;

    fn write(&mut self, tuples: &[T]) -> Result {
        self.written.extend_from_slice(tuples);
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        let written = std::mem::take(&mut self.written);
        if written.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.collected.with(|shared| {
            let number = shared.next;
            shared.next += 1;
            shared.outboxes.insert(number, written);
            number.to_le_bytes().to_vec()
        })))
    }

    fn deliver(&mut self, outbox: &[u8], _: Option<u64>) -> Result {
        let number = u64::from_le_bytes(outbox.try_into()?);
        self.collected.with(|shared| {
            // What is delivered again is gone already.
            let tuples = shared.outboxes.remove(&number).unwrap_or_default();
            shared.delivered.extend(tuples);
        });
        Ok(())
    }
}

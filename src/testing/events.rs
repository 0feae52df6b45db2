//! A spout that emits what a test has written down.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::context::Context;
use crate::error::Result;
use crate::spout::{Next, SplitId, Spout, SpoutOut};
use crate::state::{States, Table};
use crate::time::{TimeDomain, Timestamp};
use crate::tuple::Tuple;

/// One thing that a split of [`Events`] does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplitStep<T> {
    /// Emits a tuple; by event time with this time.
    Tuple(Timestamp, T),
    /// Has a record at this time that gives no tuple.
    Nothing(Timestamp),
    /// Says that nothing comes at present.
    Idle,
    /// Waits for this long.
    Wait(Duration),
}

/// A spout over written-down splits, dealt to its tasks in turn; each split is read by one
/// task in order, and a task reads its splits one after the other.
///
/// ```
/// use squall::testing::{Events, SpoutTest};
/// use squall::{Timestamp, Word};
///
/// let word = |word: &str| Word { word: word.into() };
/// let at = Timestamp::from_millis;
/// let events = Events::at([(at(1), word("a")), (at(2), word("b"))]);
/// assert_eq!(SpoutTest::new(events).run()?, [word("a"), word("b")]);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Debug)]
pub struct Events<T> {
    splits: Arc<Vec<Vec<SplitStep<T>>>>,
    domain: TimeDomain,
    lateness: Duration,
    /// Splits are read in turn, one event each, instead of one after the other.
    interleaved: bool,
    mine: VecDeque<(SplitId, usize, usize)>,
    /// The next event of each split.
    positions: Table<u64, u64>,
}

/// A clone begins at the first event.
impl<T> Clone for Events<T> {
    fn clone(&self) -> Self {
        Self {
            splits: Arc::clone(&self.splits),
            domain: self.domain,
            lateness: self.lateness,
            interleaved: self.interleaved,
            mine: VecDeque::new(),
            positions: Table::new(),
        }
    }
}

impl<T: Tuple> Events<T> {
    /// One split by event time.
    pub fn at(events: impl IntoIterator<Item = (Timestamp, T)>) -> Self {
        let events = events
            .into_iter()
            .map(|(time, tuple)| SplitStep::Tuple(time, tuple));
        Self::splits(TimeDomain::Event, vec![events.collect()])
    }

    /// One split by processing time.
    pub fn now(tuples: impl IntoIterator<Item = T>) -> Self {
        let events = tuples
            .into_iter()
            .map(|tuple| SplitStep::Tuple(Timestamp::MIN, tuple));
        Self::splits(TimeDomain::Processing, vec![events.collect()])
    }

    /// Any splits.
    #[must_use]
    pub fn splits(domain: TimeDomain, splits: Vec<Vec<SplitStep<T>>>) -> Self {
        Self {
            splits: Arc::new(splits),
            domain,
            lateness: Duration::ZERO,
            interleaved: false,
            mine: VecDeque::new(),
            positions: Table::new(),
        }
    }

    /// The allowed lateness.
    #[must_use]
    pub fn lateness(mut self, lateness: Duration) -> Self {
        self.lateness = lateness;
        self
    }

    /// Reads the splits in turn, one event each, as a spout with several connections does.
    #[must_use]
    pub fn interleaved(mut self) -> Self {
        self.interleaved = true;
        self
    }

    /// The time of a split's first record.
    fn first_time(&self, split: usize) -> Option<Timestamp> {
        self.splits[split].iter().find_map(|event| match event {
            SplitStep::Tuple(time, _) | SplitStep::Nothing(time) => Some(*time),
            SplitStep::Idle | SplitStep::Wait(_) => None,
        })
    }
}

impl<T: Tuple + Sync> Spout for Events<T> {
    type Output = T;

    fn open(&mut self, context: &Context, out: &mut SpoutOut<T>) -> Result {
        for split in (context.task..self.splits.len()).step_by(context.parallelism) {
            let id = out.open_split(&split.to_string(), self.first_time(split));
            let position = self.positions.get(&(split as u64)).copied();
            let position = usize::try_from(position.unwrap_or(0))?;
            self.mine.push_back((id, split, position));
        }
        // The others belong to other tasks.
        let mine = context.task..;
        self.positions.retain(|split, _| {
            let split = usize::try_from(*split).unwrap_or(usize::MAX);
            mine.contains(&split) && (split - context.task).is_multiple_of(context.parallelism)
        });
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<T>) -> Result<Next> {
        let Some((id, split, position)) = self.mine.pop_front() else {
            return Ok(Next::End);
        };
        let Some(event) = self.splits[split].get(position) else {
            out.close_split(id);
            return Ok(Next::More);
        };
        let next = match event {
            SplitStep::Tuple(time, tuple) => {
                if self.domain == TimeDomain::Event {
                    out.record_at(id, *time);
                }
                out.emit(tuple.clone());
                Next::More
            }
            SplitStep::Nothing(time) => {
                out.record_at(id, *time);
                Next::More
            }
            SplitStep::Idle => {
                out.idle_split(id);
                Next::After(Duration::ZERO)
            }
            SplitStep::Wait(span) => Next::After(*span),
        };
        self.positions.insert(split as u64, position as u64 + 1);
        let advanced = (id, split, position + 1);
        if self.interleaved {
            self.mine.push_back(advanced);
        } else {
            self.mine.push_front(advanced);
        }
        Ok(next)
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("positions", &mut self.positions);
    }

    fn domain(&self) -> TimeDomain {
        self.domain
    }

    fn lateness(&self) -> Duration {
        self.lateness
    }
}

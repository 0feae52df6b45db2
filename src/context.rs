//! What the runtime tells a task about itself and about the epoch at hand.

use std::task::Waker;

use crate::time::{TimeDomain, Timestamp, WindowShape};

/// Where a task stands in its topology; given before its first tuple.
#[derive(Clone, Debug)]
pub struct Context {
    /// The component's id.
    pub component: String,
    /// The task's number, `0..parallelism`.
    pub task: usize,
    /// How many tasks the component has.
    pub parallelism: usize,
    /// What the times of the input mean: event time where any spout upstream reads it.
    pub domain: TimeDomain,
    /// The windows of the nearest windowed bolt upstream; none where there is none, or
    /// where there are several of different shapes.
    pub window: Option<WindowShape>,
    /// Wakes this task: a spout that waits for input is asked again.
    pub waker: Waker,
}

impl Context {
    /// The task as people name it: `counts[2]`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}[{}]", self.component, self.task)
    }
}

/// A cut through the topology: every task passes it after exactly the tuples before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// Consecutive, from 1.
    pub number: u64,
    /// When the cut was made, by the clock.
    pub time: Timestamp,
    /// Whether it is the last epoch of the run: the input has ended, or a stop was asked.
    pub last: bool,
}

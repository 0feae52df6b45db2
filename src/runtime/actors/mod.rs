//! The actors of a real run, each on a thread of its own: one for each task or chain of tasks
//! whose code may wait, and one for each core for all others.
//!
//! User code that waits holds up its own task and nobody else's, as with Storm's executors,
//! whatever the number of cores. What never waits shares a thread, and with it the
//! core's cache. Each thread runs a ractor actor on a runtime of its own; the
//! coordinator is an actor on a further one, with the timer.
//!
//! ```text
//!   attempt              all actors of a run, until it ends or fails
//!   task_actor           the tasks of one thread
//!   coordinator_actor    who cuts epochs, and hears of all
//!   messages             what they tell each other, and where each task runs
//!   thread               an actor on a thread of its own, and its timer
//! ```

mod attempt;
mod coordinator_actor;
mod messages;
mod task_actor;
mod thread;

pub(super) use attempt::{Attempt, Roll, launch};
pub(super) use messages::CoordinatorMessage;

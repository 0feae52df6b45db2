//! The test kit: one bolt, one spout, one sink, or a whole topology, without threads and
//! without waiting.
//!
//! Time is virtual. The kit runs the same operators and tasks as a real run. Only the delivery
//! differs: it is on one thread, in an order that a seed chooses.

mod collect;
mod events;
mod one;
mod sink_contract;
mod spout_contract;
mod stored;
mod topology;

pub use crate::fault::{Fault, Faults};
pub use collect::Collected;
pub use events::{Events, SplitStep};
pub use one::{BoltOutput, BoltTest, SinkTest, SpoutTest};
pub use sink_contract::{KillPoint, sink_contract};
pub use spout_contract::spout_contract;
pub use topology::TopologyTest;

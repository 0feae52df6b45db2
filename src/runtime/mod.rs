//! The runtime: tasks, the exchange of batches between them, epochs, and the two drivers.

mod actors;
mod assemble;
mod channels;
mod clock;
mod commits;
mod coordinator;
mod inputs;
mod keeper;
mod log;
mod message;
mod metrics;
mod options;
mod rate;
mod report;
mod restore;
mod saving;
mod single;
mod task;
mod window;

pub use actors::Running;
pub use options::RunOptions;
pub use report::{CommitStats, ComponentStats, RunError, RunStats, Summary};
pub(crate) use single::run_on_this_thread;

//! The runtime: tasks, the exchange of batches between them, epochs, and the two drivers.

mod action;
mod actors;
mod alignment;
mod assemble;
mod channels;
mod clock;
mod commits;
mod committer;
mod coordinator;
mod credit_window;
mod ended;
mod inputs;
mod keeper;
mod log;
mod losses;
mod message;
mod metrics;
mod options;
mod program;
mod rate;
mod report;
mod restore;
mod running;
mod signals;
mod single;
mod supervisor;
mod tally;
mod task;
mod work;

pub use losses::{LossLimit, LossLimitError, LossReason, Losses, LostShare, TooManyLost};
pub use options::RunOptions;
pub use report::{CommitStats, ComponentStats, RunError, RunStats, Summary};
pub use running::Running;
pub use signals::at_stop_signals;
pub(crate) use single::run_on_this_thread;
pub use supervisor::Restarts;

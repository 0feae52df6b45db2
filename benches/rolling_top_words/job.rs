//! The numbers of the job, the same for all programs.

pub const WINDOW_MS: i64 = 60_000;
pub const SLIDE_MS: i64 = 10_000;
pub const TOP: usize = 100;

/// Two sources and two counters.
pub const TASKS: usize = 2;

/// The words of a message.
pub const BATCH: usize = 1_024;

//! Ready spouts and sinks: the ways into and out of a topology.

mod depot;
pub mod files;
mod json_lines;
mod log_sink;
mod paths;
mod random_words;

pub use depot::{DepotSpout, ReadDepot};
pub use files::{FileSpout, Files};
pub use json_lines::{DeadLetterFile, JsonLines, OutputError};
pub use log_sink::LogSink;
pub use random_words::RandomWords;

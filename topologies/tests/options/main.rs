//! Every option of every job, changed between two runs of one data directory.
//!
//! A run reads the first part of an input and stops; the rest is appended; then each row of a
//! table goes on with one thing changed. Either that is refused, with both sides named, or what
//! comes of it equals what one run over everything gives. Never are two questions mixed. The
//! options are those of the help: one that no row is about fails its table.
#![cfg(unix)]

#[path = "../common/mod.rs"]
mod common;

#[cfg(feature = "cube")]
mod cubes;
mod depots;
mod keys;
mod remedies;
mod table;
mod users;
mod words;

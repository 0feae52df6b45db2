//! The command with servers beside it: what it reads from them and writes to them, over kills of
//! the run and of the servers.
#![cfg(unix)]

mod book;
#[path = "../common/mod.rs"]
mod common;
mod kills;
mod producer;
mod secrets;
mod topics;

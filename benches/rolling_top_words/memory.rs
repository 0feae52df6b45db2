//! The memory that a program takes, in a process of its own on the system's allocator.

use std::process::Command;

use crate::resident;

/// The most memory that is resident while a program runs, in MiB above what was before; none
/// where the system does not say.
pub fn resident_mib(program: &str) -> Option<f64> {
    let output = Command::new(env!("CARGO_BIN_EXE_rolling-top-words-memory"))
        .args([resident::ARGUMENT, program])
        .output()
        .ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    printed.trim().parse().ok()
}

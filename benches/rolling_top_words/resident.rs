//! The memory that a program needs, in a process of its own.

use std::process::Command;

use crate::process;
use crate::programs::PROGRAMS;
use crate::words::Words;

/// Asks for what [`print`] prints of a program.
pub const ARGUMENT: &str = "--resident";

/// The words and their repetitions: the windows are full, and the runs are short.
const WORDS: usize = 2_000_000;
const REPETITIONS: usize = 5;

/// The most memory that is resident while a program runs, in MiB above what was before; none
/// where the system does not say.
pub fn measure(program: &str) -> Option<f64> {
    let own = std::env::current_exe().ok()?;
    let output = Command::new(own)
        .args([ARGUMENT, program])
        // The allocator gives memory back at once: what it would keep of the preparation, the
        // program would use, and that would not be seen.
        .env("MIMALLOC_PURGE_DELAY", "0")
        .output()
        .ok()?;
    let printed = String::from_utf8(output.stdout).ok()?;
    printed.trim().parse().ok()
}

/// Runs a program, and prints the memory.
pub fn print(name: &str) {
    let program = PROGRAMS.iter().find(|program| program.name == name);
    let program = program.expect("a program of this bench");
    let words: &'static Words = Box::leak(Box::new(Words::generate(WORDS)));
    process::reset_peak();
    let before = process::resident_mib();
    let run = (program.run)(words, REPETITIONS);
    let peak = process::peak_mib();
    drop(run);
    if let Some((before, peak)) = before.zip(peak) {
        println!("{}", peak - before);
    }
}

//! The memory that a program takes, from inside.

use crate::process;
use crate::programs::PROGRAMS;
use crate::words::Words;

/// Asks for what [`print`] prints of a program.
pub const ARGUMENT: &str = "--resident";

/// The words and their repetitions: the windows are full, and the runs are short.
const WORDS: usize = 2_000_000;
const REPETITIONS: usize = 5;

/// Runs a program, and prints the most memory that was resident meanwhile, in MiB above what was
/// before; nothing where the system does not say.
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

//! The programs of the main job once more, on the system's allocator: how much memory they take.
//!
//! The allocator of the command takes memory in pages of 2 MiB, of which programs as small as
//! these do not use all, and what the preparation of the words has left is used without being
//! seen: a program whose heap has 12 to 15 MB (as massif counts them) took 1 to 10 MiB there.
//! Run by the bench: `rolling-top-words-memory --resident NAME`.
// What is not needed here is measured in the bench itself.
#![allow(dead_code)]
// As in the bench.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod best_hand_written;
mod hand_written;
mod hand_written_combined;
mod job;
mod process;
mod programs;
mod resident;
#[cfg(feature = "rivals")]
mod rivals;
mod straightforward;
mod topology;
mod words;

use job::{BATCH, SLIDE_MS, TASKS, TOP, WINDOW_MS};

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [argument, program] if argument == resident::ARGUMENT => resident::print(program),
        _ => panic!("give {} and the name of a program", resident::ARGUMENT),
    }
}

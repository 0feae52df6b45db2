//! The parts of the main job, each by itself through the public interface: where a change made
//! one of them faster or slower, this says which, and by how many nanoseconds.
//!
//! `cargo bench -p squall-bench --bench parts -- [--only GROUP] [--rounds N]`: 9 rounds. In each
//! round every case of a group runs once, one after the other, and the median of the rounds is
//! printed, with the least and the greatest. The groups:
//!
//! | name | what is in it |
//! |---|---|
//! | `text` | making a string of a word, by several string types |
//! | `hash` | the routing hash of keys, beside ahash |
//! | `index` | finding a key among 1 thousand, 100 thousand and 5 million, beside `AHashMap` |
//! | `counter` | counting into a sliding window, closing a slot, the largest sums |
//! | `top` | offering entries to a ranking |
//! | `epoch` | an epoch of a topology that has nothing else to do |
//! | `encoding` | a table of counts as bytes and back, and a commit of it |
//!
//! Nothing is asserted about time.
// Numbers of operations and nanoseconds are far within the types' ranges.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod cases;
mod counter;
mod encoding;
mod epoch;
mod hash;
mod index;
mod text;
mod top;
mod words;

use cases::Case;

/// The allocator that the command uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Group = (&'static str, fn() -> Vec<Case>);

const GROUPS: [Group; 7] = [
    ("text", text::cases),
    ("hash", hash::cases),
    ("index", index::cases),
    ("counter", counter::cases),
    ("top", top::cases),
    ("epoch", epoch::cases),
    ("encoding", encoding::cases),
];

fn main() {
    let (mut only, mut rounds) = (None, 9);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        match name.as_str() {
            "--only" => only = given.next(),
            "--rounds" => {
                let number = given.next().and_then(|number| number.parse().ok());
                rounds = number.expect("--rounds needs a number above 0");
            }
            // Cargo says so.
            "--bench" => {}
            _ => panic!("{name}: give --only or --rounds"),
        }
    }
    let known = |name: &str| GROUPS.iter().any(|(group, _)| *group == name);
    if let Some(unknown) = only.as_deref().filter(|name| !known(name)) {
        let groups = GROUPS.map(|(group, _)| group).join(", ");
        panic!("--only needs one of {groups}, not {unknown:?}");
    }
    println!("| part | what | ns | least | most |\n|---|---|---|---|---|");
    for (group, cases) in GROUPS {
        if only.as_deref().is_none_or(|only| only == group) {
            cases::measure(group, cases(), rounds);
        }
    }
}

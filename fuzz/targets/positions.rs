//! Positions of files as they are stored.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| squall::fuzzing::positions(bytes));

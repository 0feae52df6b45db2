//! Blocks of a depot.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| squall::fuzzing::block(bytes));

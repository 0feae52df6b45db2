//! What clients say on the socket of a run.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| squall::fuzzing::said(bytes));

//! Entries of a stored unit of state, and a stored value as people see it.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    squall::fuzzing::stored_unit(bytes);
    squall::fuzzing::stored_value(bytes);
});

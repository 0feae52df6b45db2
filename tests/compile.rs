//! Mistakes in wiring do not compile, and the compiler says so in the user's words.
//!
//! The messages are compared exactly, which the pinned toolchain allows. After a change of
//! the messages look at every one of them before keeping it:
//! `TRYBUILD=overwrite cargo test --test compile`.

// Programs that must compile are modules of this test, which costs no second build of the
// dependencies: without them trybuild only checks.
#[path = "compile/pass/rolling_top_words.rs"]
mod rolling_top_words;
#[path = "compile/pass/strict_crate.rs"]
mod strict_crate;
#[path = "compile/pass/tuples.rs"]
mod tuples;

#[test]
fn mistakes_do_not_compile_and_say_what_to_do() {
    trybuild::TestCases::new().compile_fail("tests/compile/fail/*.rs");
}

#[test]
fn a_topology_with_every_kind_of_wiring_compiles() {
    rolling_top_words::main();
}

#[test]
fn structs_enums_and_generic_types_are_tuples() {
    tuples::main();
}

#[test]
fn tuples_of_a_strict_crate_compile_without_warnings() {
    strict_crate::main();
}

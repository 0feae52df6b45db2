//! Every example runs, ends by itself, and prints what its reader is to see.
//!
//! `cargo test` builds the examples before it runs this; `cargo test --test examples` alone
//! does not, so run `cargo build --examples` before that.

use std::path::PathBuf;
use std::process::Command;

/// What an example prints on standard output.
fn printed(example: &str) -> String {
    let test = std::env::current_exe().expect("the test knows its own path");
    // The test is `target/PROFILE/deps/examples-HASH`.
    let profile: PathBuf = test.ancestors().skip(2).take(1).collect();
    let program = profile
        .join("examples")
        .join(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    let output = Command::new(&program).output().unwrap_or_else(|error| {
        panic!(
            "{} does not run ({error}): `cargo build --examples`",
            program.display()
        )
    });
    assert!(output.status.success(), "{example}: {output:?}");
    String::from_utf8(output.stdout).expect("examples print text")
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

#[test]
fn hello_topology() {
    let printed = printed("hello_topology");
    let mut greetings = lines(&printed);
    greetings.sort_unstable();
    assert_eq!(greetings, [r#"{"to":"MIKE"}"#, r#"{"to":"NATHAN"}"#]);
}

#[test]
fn own_spout_and_bolt() {
    let expected = [
        "primes: [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]",
        "4 = 2 * 2",
        "6 = 2 * 3",
        "8 = 2 * 4",
    ];
    assert_eq!(lines(&printed("own_spout_and_bolt")), expected);
}

#[test]
fn windowed_counts() {
    let expected = [
        "1969-12-31T23:59:55Z to 1970-01-01T00:00:05Z: [storm 2, squall 1]",
        "1970-01-01T00:00:00Z to 1970-01-01T00:00:10Z: [squall 3, storm 3]",
        "1970-01-01T00:00:05Z to 1970-01-01T00:00:15Z: [squall 2, storm 1]",
        "late: breeze",
    ];
    assert_eq!(lines(&printed("windowed_counts")), expected);
}

#[test]
fn testing_a_topology() {
    let printed = printed("testing_a_topology");
    assert!(printed.starts_with("one bolt: storm was counted twice\none topology: a minute"));
}

#[test]
fn custom_grouping() {
    let expected = [
        "account 1: task 2",
        "account 1: task 2",
        "account 2: task 0",
        "account 9: task 0",
        "account 9: task 2",
        "account 12: task 2",
    ];
    assert_eq!(lines(&printed("custom_grouping")), expected);
}

#[test]
fn no_example_is_left_out() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let this = include_str!("examples.rs");
    for entry in std::fs::read_dir(folder).expect("the examples are there") {
        let name = entry.expect("the folder can be read").file_name();
        let name = name.to_string_lossy();
        let test = format!("fn {}()", name.trim_end_matches(".rs"));
        assert!(this.contains(&test), "{name} has no test here");
    }
}

//! Runs the tests of the one file with unsafe code by Miri, which checks every access to memory.

use std::process::{Command, Stdio};

use crate::{root, succeeds};

/// What is needed, and how to install it.
const NEEDED: &str = "Miri is not installed for the nightly toolchain: \
                      `rustup toolchain install nightly --component miri --component rust-src` \
                      installs it";

/// Runs the tests of `src/text`; an error says what is missing.
pub(crate) fn run() -> Result<bool, String> {
    let found = nightly(&["miri", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        return Err(NEEDED.to_owned());
    }
    let mut command = nightly(&["miri", "test", "--package", "squall", "--lib", "text::"]);
    command
        .current_dir(root())
        .env("CARGO_TARGET_DIR", root().join("target/miri"))
        // Panics are expected, and Miri takes seconds for each backtrace.
        .env("RUST_BACKTRACE", "0")
        // The address of shared text is an integer at times, on purpose.
        .env("MIRIFLAGS", "-Zmiri-permissive-provenance");
    succeeds(&mut command)
}

/// Cargo of the nightly toolchain. What this process was told of its own toolchain is not meant
/// for it.
fn nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments);
    for name in ["RUSTUP_TOOLCHAIN", "RUSTC", "RUSTDOC", "CARGO"] {
        command.env_remove(name);
    }
    command
}

//! Licences, versions, sources and advisories of the crates that squall is built of, by
//! cargo-deny; `deny.toml` says what they may be.

use std::process::{Command, Stdio};

use crate::succeeds;

/// One version for everybody: others know other licences and keys of `deny.toml`.
const VERSION: &str = "0.20.2";

/// What became of the check.
pub(crate) enum Checked {
    /// All is as `deny.toml` has it.
    Whole,
    /// Nothing that was checked is wrong, and this was not checked.
    Without(String),
    /// Something is wrong; cargo-deny has said what.
    Wrong,
}

/// Checks the crates; an error says what could not be started.
pub(crate) fn check() -> Result<Checked, String> {
    if let Some(missing) = missing() {
        return Ok(Checked::Without(missing));
    }
    if !succeeds(&mut cargo_deny(&["check", "licenses", "bans", "sources"]))? {
        return Ok(Checked::Wrong);
    }
    // The advisories are on the network, where each day brings others.
    if !succeeds(cargo_deny(&["fetch", "db"]).stderr(Stdio::null()))? {
        let left_out = "the advisories cannot be fetched: only licences, versions and sources \
                        of the crates were checked";
        return Ok(Checked::Without(left_out.to_owned()));
    }
    Ok(
        if succeeds(&mut cargo_deny(&["check", "--disable-fetch", "advisories"]))? {
            Checked::Whole
        } else {
            Checked::Wrong
        },
    )
}

/// What there is in place of the cargo-deny that is needed, and how to install it.
fn missing() -> Option<String> {
    let output = Command::new(env!("CARGO"))
        .args(["deny", "--version"])
        .stderr(Stdio::null())
        .output();
    let found = output
        .ok()
        .filter(|output| output.status.success())
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    if found.as_deref() == Some(&format!("cargo-deny {VERSION}")) {
        return None;
    }
    let found = found.unwrap_or_else(|| "no cargo-deny".to_owned());
    Some(format!(
        "{found} is installed: the crates that squall is built of were not checked; \
         `cargo install cargo-deny --locked --version {VERSION}` installs what checks them"
    ))
}

fn cargo_deny(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.args(["deny", "--locked"]).args(arguments);
    command
}

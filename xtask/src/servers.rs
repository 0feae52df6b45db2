//! The programs of the servers that tests start, such as Redis.

use std::process::{Command, Stdio};

use squall_testbed::missing_packages;

use crate::succeeds;

/// The Debian packages of what the connectors are built with and that is not on this computer:
/// librdkafka is built from its source, and links OpenSSL.
fn missing_to_build() -> Vec<&'static str> {
    let runs = |program: &str| {
        let mut command = Command::new(program);
        let quiet = command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    let has = |library: &str| {
        let mut command = Command::new("pkg-config");
        let quiet = command.args(["--exists", library]).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    let wanted = [
        (runs("cc"), "gcc"),
        (runs("make"), "make"),
        (runs("pkg-config"), "pkg-config"),
        (has("openssl"), "libssl-dev"),
        (has("zlib"), "zlib1g-dev"),
    ];
    let missing = wanted.into_iter().filter(|(there, _)| !there);
    missing.map(|(_, package)| package).collect()
}

/// All of them, for building and for running.
fn missing() -> Vec<&'static str> {
    [missing_to_build(), missing_packages()].concat()
}

/// Installs the Debian packages of what is missing where this process may, or says which they are.
pub(crate) fn install_missing() -> Result<(), String> {
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    let wanted = packages.join(" ");
    let advice =
        format!("the tests need {wanted}: install them, on Debian by `apt-get install {wanted}`");
    let apt = |arguments: &[&str]| {
        let mut apt = Command::new("apt-get");
        apt.args(["-qq", "-y"]).args(arguments);
        succeeds(apt.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    let install = [&["install", "--no-install-recommends"], packages.as_slice()].concat();
    // The list of packages may be there and new enough.
    let installed =
        apt(&install).and_then(|installed| Ok(installed || (apt(&["update"])? && apt(&install)?)));
    match installed {
        Ok(true) if missing().is_empty() => Ok(()),
        Ok(_) => Err(advice),
        Err(error) => Err(format!("{error}; {advice}")),
    }
}

//! The programs of the servers that tests start, such as Redis.

use std::process::Command;

use squall_testbed::missing_packages;

use crate::succeeds;

/// Installs the Debian packages of what is missing where this process may, or says which they are.
pub(crate) fn install_missing() -> Result<(), String> {
    let packages = missing_packages();
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
        Ok(true) if missing_packages().is_empty() => Ok(()),
        Ok(_) => Err(advice),
        Err(error) => Err(format!("{error}; {advice}")),
    }
}

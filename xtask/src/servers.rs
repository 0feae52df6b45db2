//! The programs of the servers that tests start, such as Redis.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::succeeds;

/// A program, and the Debian package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("java", "default-jre-headless"),
    ("mvn", "maven"),
    ("openssl", "openssl"),
    ("redis-server", "redis-server"),
    ("initdb", "postgresql"),
    ("psql", "postgresql-client"),
];

/// Installs the Debian packages of what is missing where this process may, or says which they are.
pub(crate) fn install_missing() -> Result<(), String> {
    let packages = missing();
    if packages.is_empty() {
        return Ok(());
    }
    let wanted = packages.join(" ");
    let advice = format!("install them, on Debian by `apt-get install {wanted}`");
    let Some(apt) = find("apt-get", &[]) else {
        return Err(format!("the tests need {wanted}: {advice}"));
    };
    let update = succeeds(Command::new(&apt).arg("update").arg("-qq"))?;
    let mut install = Command::new(&apt);
    install.args(["install", "-qq", "-y", "--no-install-recommends"]);
    install
        .args(&packages)
        .env("DEBIAN_FRONTEND", "noninteractive");
    if succeeds(&mut install)? && missing().is_empty() {
        return Ok(());
    }
    let list = if update {
        ""
    } else {
        " (the list of packages is old, too)"
    };
    Err(format!("cannot install {wanted}{list}: {advice}"))
}

/// The packages of the programs that are not there.
fn missing() -> Vec<&'static str> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let versions: Vec<PathBuf> = versions.flatten().map(|at| at.path().join("bin")).collect();
    let absent = PROGRAMS
        .iter()
        .filter(|(program, _)| find(program, &versions).is_none());
    absent.map(|(_, package)| *package).collect()
}

/// A program in one of these folders, or on `PATH`.
fn find(program: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut all = folders.iter().cloned().chain(env::split_paths(&path));
    all.find_map(|folder| Some(folder.join(program)).filter(|file: &PathBuf| Path::is_file(file)))
}

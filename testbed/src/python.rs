//! Python with packages from its registry, for tests that read what squall writes as others do.

use std::path::PathBuf;
use std::process::Command;

use crate::tools::{fetched, has_venv, program, run};
use crate::{Error, Result};

/// A Python interpreter with these packages, each as `name==version`: fetched once below the build
/// folder, where one set of packages has one environment of its own.
///
/// # Errors
/// Where Python or its module `venv` is missing (the error says what to install), and where the
/// packages cannot be fetched.
pub fn python(packages: &[&str]) -> Result<PathBuf> {
    let python = program("python3")?;
    if !has_venv() {
        return Err(Error::Missing {
            program: "python3 -m venv",
            what: "a Python of the tests",
            package: "python3-venv",
        });
    }
    let environment = fetched(&name(packages), |folder| {
        run(Command::new(&python).args(["-m", "venv"]).arg(folder))?;
        let mut pip = Command::new(folder.join(INTERPRETER));
        pip.args(["-m", "pip", "install", "--quiet"]);
        pip.args(["--disable-pip-version-check", "--no-input"]);
        run(pip.args(packages)).map(drop)
    })?;
    // The programs beside it name the folder that they were made in, but the interpreter does not.
    Ok(environment.join(INTERPRETER))
}

const INTERPRETER: &str = "bin/python3";

/// The name of the environment.
fn name(packages: &[&str]) -> String {
    let mut packages = packages.to_vec();
    packages.sort_unstable();
    format!("python-{}", packages.join("+").replace(['/', '='], "-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_known_by_its_packages_in_any_order() {
        let one = name(&["b==2", "a==1.0"]);
        assert_eq!(one, "python-a--1.0+b--2");
        assert_eq!(one, name(&["a==1.0", "b==2"]));
        assert_ne!(one, name(&["a==1.0", "b==3"]));
    }
}

//! The tasks of the repository, each a `cargo xtask` of its own:
//!
//! - `test` is everything that is checked before a change lands.
//! - `deny`, a part of it, checks the crates that squall is built of.
//! - `fuzz TARGET --seconds 60` gives any bytes to a decoder, or to all of them one after the other.
//! - `miri` runs the tests of the unsafe code by Miri.
//! - `growth` shows how the time of runs grows with their input.
//! - `kill --kills 200 --seed 1` kills each job of the release build again and again, compares what
//!   is left with what it should be, and prints figures.

#![forbid(unsafe_code)]

mod deny;
mod fuzz;
mod growth;
mod miri;
mod servers;

use std::path::Path;
use std::process::{Command, ExitCode};

use deny::Checked;
use squall_testbed::shared::All;

/// One check: what it is for, the environment it needs, and its cargo command line.
struct Step {
    what: &'static str,
    environment: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
}

/// The command with all servers. What users build by default has none of them.
const SERVERS: &str = "squall-topologies/servers";

const STEPS: &[Step] = &[
    Step {
        what: "format",
        environment: &[],
        arguments: &["fmt", "--all", "--check"],
    },
    Step {
        what: "format of the fuzz targets",
        environment: &[],
        arguments: &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"],
    },
    Step {
        what: "format of the crate outside",
        environment: &[],
        arguments: &[
            "fmt",
            "--manifest-path",
            "tests/outside/Cargo.toml",
            "--check",
        ],
    },
    Step {
        what: "format of the text of public names",
        environment: &[],
        arguments: &["fmt", "--manifest-path", "tests/api/Cargo.toml", "--check"],
    },
    Step {
        what: "lints",
        environment: &[],
        arguments: &[
            "clippy",
            "--workspace",
            "--exclude",
            "squall-bench",
            "--features",
            SERVERS,
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ],
    },
    Step {
        what: "lints of the command without servers",
        environment: &[],
        arguments: &[
            "clippy",
            "--workspace",
            "--exclude",
            "squall-bench",
            "--",
            "--deny",
            "warnings",
        ],
    },
    // Compiled alone: they run by `cargo xtask fuzz`. libFuzzer is not linked, so that no C++ compiler
    // is needed; its crate builds it unless it is told of another one.
    Step {
        what: "lints of the fuzz targets",
        environment: &[
            ("RUSTFLAGS", "--cfg fuzzing"),
            ("CUSTOM_LIBFUZZER_PATH", "not-linked/libfuzzer.a"),
        ],
        arguments: &[
            "clippy",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target-dir",
            "target/fuzz",
            "--locked",
            "--bins",
            "--",
            "--deny",
            "warnings",
        ],
    },
    // Without the other libraries that it measures, which are large to build.
    Step {
        what: "lints of the benches",
        environment: &[],
        arguments: &[
            "clippy",
            "--package",
            "squall-bench",
            "--no-default-features",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ],
    },
    Step {
        what: "documentation",
        environment: &[("RUSTDOCFLAGS", "--deny warnings")],
        arguments: &[
            "doc",
            "--workspace",
            "--exclude",
            "squall-bench",
            "--features",
            SERVERS,
            "--no-deps",
        ],
    },
    Step {
        what: "tests",
        environment: &[],
        arguments: &[
            "test",
            "--workspace",
            "--exclude",
            "squall-bench",
            "--features",
            SERVERS,
        ],
    },
    Step {
        what: "tests of the command without servers",
        environment: &[],
        arguments: &[
            "test",
            "--workspace",
            "--exclude",
            "squall-bench",
            "--test",
            "wrong_use",
        ],
    },
    Step {
        what: "public names",
        environment: &[],
        arguments: &[
            "test",
            "--manifest-path",
            "tests/api/Cargo.toml",
            "--target-dir",
            "target",
        ],
    },
    // Components of a crate that has squall's public names alone.
    Step {
        what: "tests of the crate outside",
        environment: &[],
        arguments: &[
            "test",
            "--manifest-path",
            "tests/outside/Cargo.toml",
            "--target-dir",
            "target",
        ],
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["test"] => test(),
        ["deny"] => deny(),
        ["growth"] => growth::print().map_err(|error| error.to_string()),
        ["fuzz", words @ ..] => match fuzz::Asked::of(words) {
            Some(asked) => fuzz::run(&asked),
            None => return usage(),
        },
        ["miri"] => miri::run(),
        ["kill", options @ ..] => match kill(options) {
            Some(mut command) => succeeds(&mut command),
            None => return usage(),
        },
        _ => return usage(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: cargo xtask test|deny|growth|miri\n       \
         cargo xtask fuzz [TARGET] [--seconds N]\n       cargo xtask kill [--kills N] [--seed N]"
    );
    ExitCode::from(2)
}

/// The folder of the repository.
fn root() -> &'static Path {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask)
}

/// Runs a command to its end.
fn succeeds(command: &mut Command) -> Result<bool, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) => Ok(status.success()),
        Err(error) => Err(format!("cannot start `{program}`: {error}")),
    }
}

/// Kills the jobs of the release build, one after the other; none where the options are wrong.
fn kill(options: &[&str]) -> Option<Command> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--release", "--package", "squall-topologies"]);
    command.args([
        "--test",
        "kills",
        "--",
        "--nocapture",
        "--test-threads",
        "1",
    ]);
    command.env("SQUALL_KILLS", "200");
    for option in options.chunks(2) {
        match option {
            ["--kills", kills] if kills.parse::<u32>().is_ok() => {
                command.env("SQUALL_KILLS", kills);
            }
            ["--seed", seed] if seed.parse::<u64>().is_ok() => {
                command.env("SQUALL_SEED", seed);
            }
            _ => return None,
        }
    }
    Some(command)
}

/// Checks the crates that squall is built of.
fn deny() -> Result<bool, String> {
    match deny::check()? {
        Checked::Whole => Ok(true),
        Checked::Wrong => Ok(false),
        Checked::Without(left_out) => Err(left_out),
    }
}

fn test() -> Result<bool, String> {
    println!("== programs of the servers that tests start");
    servers::install_missing()?;
    println!("== crates: cargo xtask deny");
    let left_out = match deny::check()? {
        Checked::Whole => None,
        Checked::Wrong => return Err("the crates step failed".to_owned()),
        Checked::Without(left_out) => Some(left_out),
    };
    println!("== servers that tests share");
    let shared = All::start().map_err(|error| error.to_string())?;
    for step in STEPS {
        println!("== {}: cargo {}", step.what, step.arguments.join(" "));
        let mut command = Command::new(env!("CARGO"));
        command
            .args(step.arguments)
            .envs(shared.variables())
            .envs(step.environment.iter().copied());
        if !succeeds(&mut command)? {
            return Err(format!("the {} step failed", step.what));
        }
    }
    match left_out {
        Some(left_out) => println!("== all other checks passed; left out: {left_out}"),
        None => println!("== all checks passed"),
    }
    Ok(true)
}

//! The tasks of the repository: `cargo xtask test` is everything that is checked before a
//! change lands; `cargo xtask growth` shows how the time of runs grows with their input;
//! `cargo xtask kill --kills 200 --seed 1` kills each job of the release build again and again,
//! compares what is left with what it should be, and prints figures.

#![forbid(unsafe_code)]

mod growth;

use std::process::{Command, ExitCode};

/// One check: what it is for, the environment it needs, and its cargo command line.
struct Step {
    what: &'static str,
    environment: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
}

const STEPS: &[Step] = &[
    Step {
        what: "format",
        environment: &[],
        arguments: &["fmt", "--all", "--check"],
    },
    Step {
        what: "lints",
        environment: &[],
        arguments: &[
            "clippy",
            "--workspace",
            "--exclude",
            "squall-bench",
            "--all-targets",
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
            "--no-deps",
        ],
    },
    Step {
        what: "tests",
        environment: &[],
        arguments: &["test", "--workspace", "--exclude", "squall-bench"],
    },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["test"] => test(),
        ["growth"] => match growth::print() {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("xtask: {error}");
                ExitCode::FAILURE
            }
        },
        ["kill", options @ ..] => kill(options),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: cargo xtask test|growth\n       cargo xtask kill [--kills N] [--seed N]");
    ExitCode::from(2)
}

/// Kills the jobs of the release build, one after the other.
fn kill(options: &[&str]) -> ExitCode {
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
            _ => return usage(),
        }
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: cannot start cargo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn test() -> ExitCode {
    for step in STEPS {
        println!("== {}: cargo {}", step.what, step.arguments.join(" "));
        let mut command = Command::new(env!("CARGO"));
        command
            .args(step.arguments)
            .envs(step.environment.iter().copied());
        match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => {
                eprintln!("xtask: the {} step failed: {status}", step.what);
                return ExitCode::FAILURE;
            }
            Err(error) => {
                eprintln!(
                    "xtask: the {} step could not start cargo: {error}",
                    step.what
                );
                return ExitCode::FAILURE;
            }
        }
    }
    println!("== all checks passed");
    ExitCode::SUCCESS
}

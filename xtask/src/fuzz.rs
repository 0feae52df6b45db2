//! Runs the targets of `fuzz/` by libFuzzer, on the toolchain of the repository: what cargo-fuzz
//! would do, without it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{root, succeeds};

/// How long a target runs unless told otherwise.
const SECONDS: u32 = 60;

/// An input may take so long before it counts as a finding.
const SLOW_SECONDS: u32 = 20;

/// And so much memory.
const MEMORY_MIB: u32 = 3 * 1024;

/// The instructions that libFuzzer follows, and the checks of memory.
const FLAGS: &[&str] = &[
    "--cfg",
    "fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Zsanitizer=address",
];

/// What to run.
pub(crate) struct Asked<'a> {
    /// All of them where none is named.
    pub(crate) target: Option<&'a str>,
    pub(crate) seconds: u32,
}

impl<'a> Asked<'a> {
    /// None where the words are wrong.
    pub(crate) fn of(words: &[&'a str]) -> Option<Self> {
        let (target, options) = match words {
            [target, options @ ..] if !target.starts_with('-') => (Some(*target), options),
            options => (None, options),
        };
        let seconds = match options {
            [] => SECONDS,
            ["--seconds", seconds] => seconds.parse().ok().filter(|seconds| *seconds > 0)?,
            _ => return None,
        };
        Some(Self { target, seconds })
    }
}

/// Runs each target and prints what it did; says whether nothing was found.
pub(crate) fn run(asked: &Asked<'_>) -> Result<bool, String> {
    let fuzz = root().join("fuzz");
    let mut targets = targets(&fuzz)?;
    if let Some(asked) = asked.target {
        if !targets.iter().any(|target| target == asked) {
            let targets = targets.join(", ");
            return Err(format!("there is no target `{asked}`; there are {targets}"));
        }
        targets.retain(|target| target == asked);
    }
    let host = host()?;
    if !build(&fuzz, &host, asked.target)? {
        return Ok(false);
    }
    let mut lines = Vec::new();
    let mut clean = true;
    for target in &targets {
        println!("== {target}: {} s", asked.seconds);
        let binary = fuzz.join("target").join(&host).join("release").join(target);
        let ran = fuzzed(&fuzz, target, &binary, asked.seconds)?;
        clean &= ran.finding.is_none();
        let finding = ran.finding.unwrap_or_else(|| "none".to_owned());
        lines.push(format!("{target:14} {:>12}  {finding}", ran.executions));
    }
    println!("{:14} {:>12}  findings", "target", "executions");
    println!("{}", lines.join("\n"));
    Ok(clean)
}

/// The targets by their files.
fn targets(fuzz: &Path) -> Result<Vec<String>, String> {
    let folder = fuzz.join("targets");
    let read = || -> std::io::Result<Vec<String>> {
        let mut targets = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            targets.extend(
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned()),
            );
        }
        targets.sort();
        Ok(targets)
    };
    read().map_err(|error| format!("cannot read `{}`: {error}", folder.display()))
}

/// What the compiler calls this computer. With a target that is named, build scripts and macros
/// are built without the flags.
fn host() -> Result<String, String> {
    let output = Command::new("rustc")
        .args(["--print", "host-tuple"])
        .output();
    let output = output.map_err(|error| format!("cannot start `rustc`: {error}"))?;
    if !output.status.success() {
        return Err("`rustc --print host-tuple` failed".to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn build(fuzz: &Path, host: &str, target: Option<&str>) -> Result<bool, String> {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(fuzz)
        .args(["build", "--locked", "--release", "--target", host])
        .env("RUSTFLAGS", FLAGS.join(" "))
        .env("CARGO_TARGET_DIR", fuzz.join("target"))
        // For the sanitizer, which the compiler has but does not promise.
        .env("RUSTC_BOOTSTRAP", "1");
    match target {
        Some(target) => command.args(["--bin", target]),
        None => command.arg("--bins"),
    };
    succeeds(&mut command)
}

/// What a target has done.
struct Ran {
    executions: u64,
    /// The file that fails, or why there is none.
    finding: Option<String>,
}

fn fuzzed(fuzz: &Path, target: &str, binary: &Path, seconds: u32) -> Result<Ran, String> {
    let folder = |name: &str| -> Result<PathBuf, String> {
        let folder = fuzz.join(name).join(target);
        let made = fs::create_dir_all(&folder);
        made.map_err(|error| format!("cannot make `{}`: {error}", folder.display()))?;
        Ok(folder)
    };
    let corpus = folder("corpus")?;
    let found = folder("found")?;
    let seeds = fuzz.join("seeds").join(target);
    let log = found.join("log.txt");
    let to = File::create(&log);
    let to = to.map_err(|error| format!("cannot make `{}`: {error}", log.display()))?;
    let mut command = Command::new(binary);
    command
        // libFuzzer adds to the first one.
        .arg(&corpus)
        .args(seeds.is_dir().then_some(&seeds))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-timeout={SLOW_SECONDS}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-artifact_prefix={}/", found.display()))
        .arg("-print_final_stats=1")
        .stdout(Stdio::null())
        .stderr(to);
    let passed = succeeds(&mut command)?;
    let said = fs::read(&log);
    let said = said.map_err(|error| format!("cannot read `{}`: {error}", log.display()))?;
    let said = String::from_utf8_lossy(&said);
    let after = |label: &str| {
        let line = said.lines().find_map(|line| line.trim().split_once(label));
        line.map(|(_, rest)| rest.trim().to_owned())
    };
    let executions = after("stat::number_of_executed_units:");
    let wrote = after("Test unit written to ");
    Ok(Ran {
        executions: executions
            .and_then(|number| number.parse().ok())
            .unwrap_or(0),
        finding: (!passed).then(|| {
            let log = log.display();
            let input = wrote.unwrap_or_else(|| "it ended without an input".to_owned());
            format!("{input} (see {log})")
        }),
    })
}

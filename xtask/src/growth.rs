//! How the time of a run grows with its input: three sizes, each twice the one before.
//!
//! No test asserts a time: tests count steps, and this shows that the times follow.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io};

/// A run whose time once grew with the square of a number.
struct Case {
    /// The number.
    what: &'static str,
    smallest: usize,
    /// What is read: in one file, or in as many.
    input: Input,
    /// The words after `squall`; `INPUT` and `DIR` stand for the input and an empty folder.
    words: &'static str,
    /// Whether the run is refused, which takes its time as well.
    refused: bool,
}

/// What a run reads, by the number.
#[derive(Clone, Copy)]
enum Input {
    File(fn(usize) -> String),
    /// Each of the files by its number.
    Files(fn(usize) -> String),
}

/// A run of four times the size may take so many times as long: n log n is little more than four,
/// the square is 16.
const MOST: f64 = 8.0;

/// What a run takes whatever its input, about: it does not count as growth.
const LEAST: Duration = Duration::from_millis(100);

const CASES: &[Case] = &[
    Case {
        what: "windows that are open at once",
        smallest: 50_000,
        input: Input::File(windows),
        words: "run rolling-top-words --input INPUT/in.csv --field user --split none --time-field at \
                --time-format unix-ms --window 10m --slide 60s --lateness 9999d --top 5 --out DIR/out",
        refused: false,
    },
    Case {
        what: "windows that are open at once, durable",
        smallest: 50_000,
        input: Input::File(windows),
        words: "run rolling-top-words --input INPUT/in.csv --field user --split none --time-field at \
                --time-format unix-ms --window 10m --slide 60s --lateness 9999d --top 5 --out DIR/out \
                --data-dir DIR/data",
        refused: false,
    },
    Case {
        what: "files",
        smallest: 5_000,
        input: Input::Files(|file| format!("at,user\n{},u{}\n", file * 1_000, file % 7)),
        words: "run rolling-top-words --input INPUT --field user --split none --time-field at \
                --time-format unix-ms --window 60s --top 5 --out DIR/out",
        refused: false,
    },
    Case {
        what: "places of a ranking",
        smallest: 250_000,
        input: Input::File(|users| {
            let rows = (0..users).map(|n| (n, n * 7_919 % 99_991));
            rows.fold("user,cents\n".to_owned(), |mut text, (user, cents)| {
                let _ = writeln!(text, "u{user},{cents}");
                text
            })
        }),
        words: "run top-users --input INPUT/in.csv --user-field user --cents-field cents \
                --top 10000000 --every 1h --out DIR/out",
        refused: false,
    },
    Case {
        what: "levels of a spec (refused)",
        smallest: 100_000,
        input: Input::File(|levels| {
            format!("{}1{}", "{\"spec\":\n".repeat(levels), "}".repeat(levels))
        }),
        words: "run rollup --spec INPUT/in.csv --input INPUT/in.csv --data-dir DIR/data",
        refused: true,
    },
    Case {
        what: "dimensions and metrics of a spec (refused)",
        smallest: 20_000,
        input: Input::File(|number| {
            let dimensions: Vec<_> = (0..number)
                .map(|n| format!("{{\"name\":\"d{n}\"}}"))
                .collect();
            let metric =
                |n| format!("{{\"type\":\"longSum\",\"name\":\"m{n}\",\"fieldName\":\"f\"}}");
            let metrics: Vec<_> = (0..number).map(metric).collect();
            format!(
                "{{\"dimensionsSpec\":{{\"dimensions\":[{}]}},\n\"metricsSpec\":[{}]}}",
                dimensions.join(",\n"),
                metrics.join(",\n")
            )
        }),
        words: "run rollup --spec INPUT/in.csv --input INPUT/in.csv --data-dir DIR/data",
        refused: true,
    },
];

/// A row in each of so many windows, in no order.
fn windows(windows: usize) -> String {
    let rows = (0..windows).map(|n| n * 7_919 % windows * 60_000);
    rows.fold("at,user\n".to_owned(), |mut text, at| {
        let _ = writeln!(text, "{at},u{}", at % 7);
        text
    })
}

/// Prints the times, and says whether all grow as n log n.
pub(crate) fn print() -> io::Result<bool> {
    let build = ["build", "--release", "--package", "squall-topologies"];
    if !Command::new(env!("CARGO")).args(build).status()?.success() {
        return Ok(false);
    }
    let folder = env::temp_dir().join(format!("squall-growth-{}", std::process::id()));
    let grown = CASES.iter().map(|case| grows(case, &folder));
    let grown: io::Result<Vec<bool>> = grown.collect();
    fs::remove_dir_all(&folder)?;
    Ok(grown?.into_iter().all(|well| well))
}

fn grows(case: &Case, folder: &Path) -> io::Result<bool> {
    let sizes = [1, 2, 4].map(|times| case.smallest * times);
    let mut times = Vec::new();
    for size in sizes {
        let time = run(case, size, folder)?;
        println!("{size:>10} {}: {:.2} s", case.what, time.as_secs_f64());
        times.push(time.max(LEAST).as_secs_f64());
    }
    let grown = times[2] / times[0];
    let well = grown <= MOST;
    let verdict = if well { "well" } else { "TOO MUCH" };
    println!("           four times the size took {grown:.1} times as long: {verdict}");
    Ok(well)
}

fn run(case: &Case, size: usize, folder: &Path) -> io::Result<Duration> {
    let (input, work) = (folder.join("input"), folder.join("work"));
    for folder in [&input, &work] {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        fs::create_dir_all(folder)?;
    }
    match case.input {
        Input::File(text) => fs::write(input.join("in.csv"), text(size))?,
        Input::Files(text) => {
            for file in 0..size {
                fs::write(input.join(format!("{file:07}.csv")), text(file))?;
            }
        }
    }
    let words = case.words.split_whitespace().map(|word| {
        let word = word.replace("INPUT", &input.to_string_lossy());
        word.replace("DIR", &work.to_string_lossy())
    });
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    let mut command = Command::new(target.join("release/squall"));
    command
        .args(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let began = Instant::now();
    let status = command.status()?;
    let time = began.elapsed();
    let expected = if case.refused { 2 } else { 0 };
    if status.code() == Some(expected) {
        Ok(time)
    } else {
        let what = format!("{size} {}: the run ended with {status}", case.what);
        Err(io::Error::other(what))
    }
}

//! A run that is killed again and again: what it writes is never wrong meanwhile, and at the
//! end what a run writes that nothing happens to.
#![cfg(unix)]

mod common;

use std::io::Write;
use std::time::Duration;

use common::{Folder, Session, output, real_data, top_words};

/// How often a run is killed.
const KILLS: usize = 25;

/// The longest life of a run that is killed, in milliseconds.
const LONGEST_MS: u64 = 1_200;

/// Between two commits; what is read after the last one is read again.
const COMMIT_MS: u64 = 100;

/// A run that is killed: what it reads, and how slowly, so that it lives through all kills.
struct Victim {
    arguments: Vec<String>,
    tuples_per_second: u64,
}

/// What a run has said about itself.
struct Told {
    /// The tuples that it has counted, as far as it came to say so.
    tuples: u64,
    /// The epoch that it went on from.
    epoch: Option<u64>,
    /// Whether it came to say that it runs, which is after where it goes on from.
    ran: bool,
}

impl Told {
    fn by(logged: &str) -> Self {
        let mut told = Self {
            tuples: 0,
            epoch: None,
            ran: false,
        };
        for line in logged.lines() {
            if let Some((_, rest)) = line.split_once("going on from epoch ") {
                told.epoch = Some(number(rest));
            } else if line.contains(" is running; ") {
                told.ran = true;
            } else if let Some(rest) = line.strip_prefix("stats: ") {
                let (_, tuples) = rest.split_once(", ").unwrap();
                told.tuples = number(tuples);
            } else if line.contains(" tuples in ") && line.ends_with(" tuples/s") {
                told.tuples = number(line);
            }
        }
        told
    }
}

/// The number that a text begins with.
fn number(text: &str) -> u64 {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let digits = &text[..end.unwrap_or(text.len())];
    digits.parse().unwrap_or_else(|_| panic!("{text}"))
}

impl Victim {
    fn new(arguments: &[&str], tuples_per_second: u64) -> Self {
        Self {
            arguments: arguments.iter().map(ToString::to_string).collect(),
            tuples_per_second,
        }
    }

    /// Runs to the end, undisturbed; gives the tuples of the input and the file.
    fn undisturbed(&self) -> (u64, String) {
        let folder = Folder::with(&[]);
        let out = folder.path("out.ndjson");
        let mut command = top_words(&["--stats", "--out", &out]);
        let (_, logged) = output(command.args(&self.arguments));
        (Told::by(&logged).tuples, folder.read("out.ndjson"))
    }

    fn start(&self, folder: &Folder) -> Session {
        let (out, data) = (folder.path("out.ndjson"), folder.path("data"));
        let rate = self.tuples_per_second.to_string();
        let commit = format!("{COMMIT_MS}ms");
        let mut arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        arguments.extend(["--stats", "--out", &out, "--data-dir", &data]);
        arguments.extend(["--commit", &commit, "--rate", &rate]);
        Session::start(&arguments)
    }

    fn dies_and_goes_on(&self) {
        let seed = fastrand::u64(..);
        eprintln!("seed {seed}");
        let mut moments = fastrand::Rng::with_seed(seed);

        let (input, wanted) = self.undisturbed();
        assert!(wanted.lines().count() > 100, "{wanted}");
        let folder = Folder::with(&[]);
        let (mut told, mut length) = (Vec::new(), 0);
        let mut kills = 0;
        for _ in 0..KILLS {
            let moment = Duration::from_millis(moments.u64(3..LONGEST_MS));
            let mut session = self.start(&folder);
            if session.ends_within(moment) {
                break;
            }
            told.push(Told::by(&session.kill()));
            kills += 1;
            let out = folder.path("out.ndjson");
            let written = std::fs::read_to_string(out).unwrap_or_default();
            assert!(
                wanted.starts_with(&written),
                "seed {seed}: after kill {kills} the file is no prefix of the undisturbed one"
            );
            assert!(
                written.len() >= length,
                "seed {seed}: kill {kills} has cut the file from {length} bytes to {}",
                written.len()
            );
            length = written.len();
        }
        assert!(
            length > 0,
            "seed {seed}: nothing was written before the last kill"
        );

        let (status, logged) = self.start(&folder).end();
        assert!(status.success(), "seed {seed}: {status}: {logged}");
        assert!(
            folder.read("out.ndjson") == wanted,
            "seed {seed}: the file is not that of an undisturbed run"
        );
        self.went_on(&logged, input, told, seed);
    }

    /// No run began anew, and none read again what was committed.
    fn went_on(&self, logged: &str, input: u64, mut told: Vec<Told>, seed: u64) {
        let last = Told::by(logged);
        assert!(last.epoch.is_some(), "seed {seed}: {logged}");
        assert!(
            last.tuples < input,
            "seed {seed}: the last run read {} of {input} tuples",
            last.tuples
        );
        let kills = told.len() as u64;
        told.push(last);
        // Of one that was killed while it started nothing is known; one that ran without going on
        // from an epoch began anew, and counts as 0.
        let known = told.iter().filter(|told| told.epoch.is_some() || told.ran);
        let epochs: Vec<_> = known.map(|told| told.epoch.unwrap_or(0)).collect();
        assert!(epochs.is_sorted(), "seed {seed}: {epochs:?}");
        let read: u64 = told.iter().map(|told| told.tuples).sum();
        let again = kills * self.tuples_per_second * COMMIT_MS / 1_000;
        assert!(
            read <= input + again,
            "seed {seed}: {read} tuples were read, of {input} and {again} after kills"
        );
    }
}

#[test]
fn tweets_are_ranked_through_any_number_of_kills() {
    let Some((folder, _)) = real_data("mayweather-tweets") else {
        return;
    };
    let input = folder.join("tweets.csv").to_str().unwrap().to_owned();
    let mut arguments = vec!["--input", &input, "--field", "text"];
    arguments.extend(["--split", "ascii-words", "--time-field", "created_at"]);
    arguments.extend(["--time-format", "%Y-%m-%d %H:%M:%S"]);
    arguments.extend(["--window", "1m", "--slide", "30s"]);
    Victim::new(&arguments, 9_000).dies_and_goes_on();
}

#[test]
fn two_million_records_are_ranked_through_any_number_of_kills() {
    let folder = Folder::with(&[]);
    let input = folder.path("records.csv");
    let file = std::fs::File::create(&input).unwrap();
    let mut file = std::io::BufWriter::new(file);
    writeln!(file, "time,word").unwrap();
    let mut words = fastrand::Rng::with_seed(1);
    for record in 0..2_000_000_u64 {
        let word = words.u32(..1_000).min(words.u32(..1_000));
        writeln!(file, "{},w{word}", record * 2).unwrap();
    }
    file.into_inner().unwrap();

    let mut arguments = vec!["--input", &input, "--field", "word", "--split", "none"];
    arguments.extend(["--time-field", "time", "--time-format", "unix-ms"]);
    arguments.extend(["--window", "60s", "--slide", "20s"]);
    Victim::new(&arguments, 100_000).dies_and_goes_on();
}

//! Runs with a data directory, on records with times of their own.

use std::ops::Range;

use super::{Folder, Session, output, top_words};

/// How the records are read and counted: a window of a minute, every twenty seconds.
const BY_TIME: [&str; 14] = [
    "--format",
    "csv",
    "--field",
    "word",
    "--time-field",
    "time",
    "--time-format",
    "unix-ms",
    "--split",
    "none",
    "--window",
    "60s",
    "--slide",
    "20s",
];

/// The line before the records.
pub const HEADER: &str = "time,word\n";

/// Five records for each of these seconds.
pub fn records(seconds: Range<u64>) -> String {
    let records = seconds.start * 5..seconds.end * 5;
    records
        .map(|record| {
            let word = record.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 58;
            format!("{},w{}\n", record * 200, word & (word >> 1))
        })
        .collect()
}

/// A data directory, an input and an output, side by side in a folder.
pub struct Durable {
    pub folder: Folder,
}

impl Durable {
    /// With this input.
    pub fn reading(input: &str) -> Self {
        Self {
            folder: Folder::with(&[("input.csv", input.as_bytes())]),
        }
    }

    /// The arguments of a run with the data directory, as far as `more` does not say
    /// otherwise: of an option that comes twice the later one holds.
    pub fn arguments(&self, more: &[&str]) -> Vec<String> {
        self.set(
            &[
                ("--input", "input.csv"),
                ("--out", "out.ndjson"),
                ("--data-dir", "data"),
            ],
            more,
        )
    }

    /// The arguments with these paths in the folder.
    fn set(&self, paths: &[(&str, &str)], more: &[&str]) -> Vec<String> {
        let mut arguments: Vec<String> = Vec::new();
        let paths = paths
            .iter()
            .map(|(option, name)| (*option, self.folder.path(name)));
        let settings = BY_TIME.chunks(2).map(|pair| (pair[0], pair[1].to_owned()));
        for (option, value) in paths.chain(settings) {
            if !more.contains(&option) {
                arguments.extend([option.to_owned(), value]);
            }
        }
        arguments.extend(more.iter().map(ToString::to_string));
        arguments
    }

    /// Runs to the end, which is a good one; gives what was logged.
    pub fn run(&self, more: &[&str]) -> String {
        output(top_words(&[]).args(self.arguments(more))).1
    }

    /// Runs to the end, which is a bad one; gives the status and what was logged.
    pub fn fails(&self, more: &[&str]) -> (i32, String) {
        let mut command = top_words(&[]);
        let output = command.args(self.arguments(more)).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!stderr.contains("panicked at"), "{stderr}");
        (output.status.code().unwrap(), stderr)
    }

    /// Is refused, with status 2 and these words.
    pub fn is_refused(&self, more: &[&str], parts: &[&str]) {
        let (status, logged) = self.fails(more);
        assert_eq!(status, 2, "{more:?}: {logged}");
        for part in parts {
            assert!(logged.contains(part), "no {part} in {logged}");
        }
    }

    pub fn start(&self, more: &[&str]) -> Session {
        let arguments = self.arguments(more);
        Session::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub fn append(&self, text: &str) {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new();
        let mut file = file
            .append(true)
            .open(self.folder.path("input.csv"))
            .unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// What was written.
    pub fn written(&self) -> String {
        self.folder.read("out.ndjson")
    }

    /// What one run without a data directory writes.
    pub fn undisturbed(&self, more: &[&str]) -> String {
        let paths = [("--input", "input.csv"), ("--out", "undisturbed.ndjson")];
        output(top_words(&[]).args(self.set(&paths, more)));
        self.folder.read("undisturbed.ndjson")
    }
}

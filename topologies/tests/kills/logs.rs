//! Logs that are written, rotated, packed and copied in while a run follows them, or none does.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use fastrand::Rng;

use crate::common::Folder;
use crate::tables::{PURCHASES, Totals, purchase, stored_totals};
use crate::victim::{Process, Victim, tail};

/// A folder of logs, and what has been written.
pub struct Logs {
    folder: Folder,
    totals: Totals,
    records: u64,
    /// What of the last line of the log is not written yet.
    rest: String,
    /// A file that is copied in: its name, and what of it is not there yet.
    copied: Option<(String, Vec<u8>)>,
    files: u32,
    /// How often each thing was done.
    renamed: u32,
    emptied: u32,
    packed: u32,
}

impl Logs {
    pub fn new(_: &mut Rng) -> Self {
        let folder = Folder::with(&[]);
        fs::create_dir(folder.path("logs")).unwrap();
        fs::write(folder.path("logs/app.ndjson"), "").unwrap();
        Self {
            folder,
            totals: Totals::new(),
            records: 0,
            rest: String::new(),
            copied: None,
            files: 0,
            renamed: 0,
            emptied: 0,
            packed: 0,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder
            .path("logs")
            .parse::<PathBuf>()
            .unwrap()
            .join(name)
    }

    fn append(&self, name: &str, bytes: &[u8]) {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.path(name));
        file.unwrap().write_all(bytes).unwrap();
    }

    fn lines(&mut self, random: &mut Rng, most: u32) -> String {
        let mut lines = String::new();
        for _ in 0..random.u32(1..=most) {
            self.records += 1;
            lines.push_str(&purchase(random, self.records, &mut self.totals));
            lines.push('\n');
        }
        lines
    }

    /// Writes lines to the log, and the beginning of one.
    fn write(&mut self, random: &mut Rng) {
        let mut text = std::mem::take(&mut self.rest);
        text.push_str(&self.lines(random, 200));
        let cut = if random.bool() {
            text.len()
        } else {
            random.usize(1..=text.len())
        };
        self.rest = text.split_off(cut);
        self.append("app.ndjson", text.as_bytes());
    }

    /// Makes room for `app.ndjson.1`.
    fn shift(&self) {
        for number in (1..200).rev() {
            for ending in ["", ".gz"] {
                let from = self.path(&format!("app.ndjson.{number}{ending}"));
                if from.exists() {
                    let to = self.path(&format!("app.ndjson.{}{ending}", number + 1));
                    fs::rename(from, to).unwrap();
                }
            }
        }
    }

    fn rotate(&mut self, random: &mut Rng) {
        if fs::metadata(self.path("app.ndjson")).unwrap().len() == 0 {
            return;
        }
        self.shift();
        let (log, old) = (self.path("app.ndjson"), self.path("app.ndjson.1"));
        if random.bool() {
            self.renamed += 1;
            fs::rename(&log, &old).unwrap();
            // The writer ends its line where it has begun it.
            let rest = std::mem::take(&mut self.rest);
            self.append("app.ndjson.1", rest.as_bytes());
            fs::write(log, "").unwrap();
        } else {
            self.emptied += 1;
            let rest = std::mem::take(&mut self.rest);
            self.append("app.ndjson", rest.as_bytes());
            fs::copy(&log, old).unwrap();
            fs::File::create(log).unwrap();
        }
    }

    /// Packs a rotated log as `gzip` does: the packed file first, then the other one goes.
    fn pack(&mut self, random: &mut Rng) {
        let name = format!("app.ndjson.{}", random.u32(1..6));
        if let Ok(content) = fs::read(self.path(&name)) {
            self.packed += 1;
            fs::write(self.path(&format!("{name}.gz")), gzip(&content)).unwrap();
            fs::remove_file(self.path(&name)).unwrap();
        }
    }

    /// Copies a packed file in, a piece at a time.
    fn copy_in(&mut self, random: &mut Rng) {
        let (name, mut left) = self.copied.take().unwrap_or_else(|| {
            self.files += 1;
            let members = (0..random.u32(1..4)).map(|_| gzip(self.lines(random, 2_000).as_bytes()));
            let members: Vec<u8> = members.collect::<Vec<_>>().concat();
            (format!("copied{}.ndjson.gz", self.files), members)
        });
        let piece = random.usize(1..20_000).min(left.len());
        let rest = left.split_off(piece);
        self.append(&name, &left);
        if !rest.is_empty() {
            self.copied = Some((name, rest));
        }
    }

    /// A file appears under another name than the one that it keeps.
    fn move_in(&mut self, random: &mut Rng) {
        self.files += 1;
        let lines = self.lines(random, 300);
        let (before, after) = lines.as_bytes().split_at(random.usize(..lines.len()));
        let (first, last) = (
            format!("part{}.tmp.ndjson", self.files),
            format!("part{}.ndjson", self.files),
        );
        self.append(&first, before);
        std::thread::park_timeout(std::time::Duration::from_millis(random.u64(..150)));
        self.append(&first, after);
        fs::rename(self.path(&first), self.path(&last)).unwrap();
    }

    fn run(&self, random: &mut Rng, more: &[&str]) -> Process {
        let (input, data) = (self.folder.path("logs"), self.folder.path("data"));
        let (spouts, counters) = (random.u32(1..5).to_string(), random.u32(1..5).to_string());
        let arguments = ["run", "top-users", "--input", &input, "--data-dir", &data];
        let tasks = ["--spouts", &spouts, "--counters", &counters];
        let arguments = arguments.iter().chain(&tasks).chain(&PURCHASES).chain(more);
        let arguments: Vec<String> = arguments.map(ToString::to_string).collect();
        Process::start(&self.folder, "top-users", &arguments)
    }

    fn check(&self, when: &str) {
        let stored = stored_totals(&self.folder.path("data"));
        if stored != self.totals {
            let sum = |totals: &Totals| totals.values().sum::<i64>();
            panic!(
                "{when}: {} cents of {}: {}",
                sum(&stored),
                sum(&self.totals),
                tail(&self.folder)
            );
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

impl Victim for Logs {
    const NAME: &'static str = "followed logs";

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn start(&mut self, random: &mut Rng) -> Vec<Process> {
        vec![self.run(random, &["--follow"])]
    }

    fn meanwhile(&mut self, random: &mut Rng) {
        match random.u32(..40) {
            0..=21 => self.write(random),
            22..=24 => self.rotate(random),
            25 => self.pack(random),
            26..=30 => self.copy_in(random),
            31 => self.move_in(random),
            _ => {}
        }
    }

    fn finish(&mut self, random: &mut Rng) -> String {
        self.write(random);
        let rest = std::mem::take(&mut self.rest);
        self.append("app.ndjson", rest.as_bytes());
        while self.copied.is_some() {
            self.copy_in(random);
        }
        self.run(random, &["--follow", "--for", "4s"])
            .ends_well(&self.folder);
        self.check("followed to the end");
        self.run(random, &[]).ends_well(&self.folder);
        self.check("read again without following");
        let Self {
            records,
            renamed,
            emptied,
            packed,
            files,
            ..
        } = self;
        format!(
            "{records} records, {renamed} logs renamed, {emptied} copied and emptied, {packed} \
             packed, {files} files copied or moved in: {} totals, all right",
            self.totals.len()
        )
    }
}

//! A depot that one process fills and another one reads, of which either is killed.

use fastrand::Rng;
use squall::connectors::JsonLines;
use squall::{DataDir, RunOptions, Text, Topology, Tuple};

use crate::common::Folder;
use crate::tables::{PURCHASES, Totals, purchase, stored_totals};
use crate::victim::{Process, Victim, tail};

/// A record as it is in the depot.
#[derive(Tuple, Clone, Debug, serde::Serialize)]
struct Line {
    text: Text,
}

/// A loader and a reader.
pub struct Purchases {
    folder: Folder,
    totals: Totals,
    records: Vec<String>,
}

impl Purchases {
    pub fn new(random: &mut Rng) -> Self {
        let folder = Folder::with(&[]);
        let mut totals = Totals::new();
        let records: Vec<String> = (0..60_000)
            .map(|number| purchase(random, number, &mut totals))
            .collect();
        std::fs::write(folder.path("all.ndjson"), records.join("\n") + "\n").unwrap();
        Self {
            folder,
            totals,
            records,
        }
    }

    fn load(&self) -> Process {
        let (data, input) = (self.folder.path("data"), self.folder.path("all.ndjson"));
        let arguments = ["depot", "append", &data, "purchases", "--input", &input];
        let id = [
            "--id",
            "loader",
            "--key",
            "user",
            "--partitions",
            "4",
            "--batch",
            "200",
        ];
        let arguments: Vec<String> = arguments
            .iter()
            .chain(&id)
            .map(ToString::to_string)
            .collect();
        Process::start(&self.folder, "depot append", &arguments)
    }

    fn read(&self, random: &mut Rng, more: &[&str]) -> Process {
        let data = self.folder.path("data");
        let arguments = [
            "run",
            "top-users",
            "--depot",
            "purchases",
            "--from",
            "beginning",
        ];
        let (spouts, counters) = (random.u32(1..5).to_string(), random.u32(1..5).to_string());
        let tasks = [
            "--data-dir",
            &data,
            "--spouts",
            &spouts,
            "--counters",
            &counters,
        ];
        let arguments = arguments.iter().chain(&tasks).chain(&PURCHASES).chain(more);
        let arguments: Vec<String> = arguments.map(ToString::to_string).collect();
        Process::start(&self.folder, "top-users", &arguments)
    }

    /// The records of the depot in no order.
    fn stored(&self) -> Vec<String> {
        let data = DataDir::opened(self.folder.path("data")).unwrap();
        let depot = data.depot("purchases").unwrap();
        let topology = Topology::named("dump");
        let lines = topology.spout("lines", move || {
            let reading = depot.read().from_beginning().until_end();
            reading.decode::<Line, _>(|record, out| {
                out.emit(Line {
                    text: record.text().into(),
                });
                Ok(())
            })
        });
        let out = self.folder.path("dump.ndjson");
        let path = out.clone();
        let written = topology.sink("written", move || JsonLines::<Line>::file(&path));
        let _ = written.global_grouping(&lines);
        let _ = topology.run(RunOptions::default()).unwrap();
        let dumped = self.folder.read("dump.ndjson");
        let text = |line: serde_json::Value| line["text"].as_str().unwrap().to_owned();
        crate::common::json(&dumped).into_iter().map(text).collect()
    }
}

impl Victim for Purchases {
    const NAME: &'static str = "depots";

    fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Of two that want the depot, the one may go with the other.
    fn may_end_badly(&self) -> bool {
        true
    }

    fn start(&mut self, random: &mut Rng) -> Vec<Process> {
        match random.u32(..4) {
            0 => vec![self.load()],
            1 if std::path::Path::new(&self.folder.path("data")).exists() => {
                vec![self.read(random, &[])]
            }
            _ => {
                // Whichever has the directory first serves the other one.
                let load = self.load();
                std::thread::park_timeout(std::time::Duration::from_millis(random.u64(..200)));
                vec![load, self.read(random, &[])]
            }
        }
    }

    fn finish(&mut self, random: &mut Rng) -> String {
        self.load().ends_well(&self.folder);
        self.read(random, &["--until-end"]).ends_well(&self.folder);
        let stored = stored_totals(&self.folder.path("data"));
        assert!(stored == self.totals, "{}", tail(&self.folder));
        let (mut found, mut wanted) = (self.stored(), self.records.clone());
        found.sort();
        wanted.sort();
        assert_eq!(found.len(), wanted.len(), "{}", tail(&self.folder));
        assert!(found == wanted, "the depot has other records");
        format!(
            "{} records of the depot, {} totals: all right",
            found.len(),
            stored.len()
        )
    }
}

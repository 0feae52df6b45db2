//! Words, purchases and events that are there from the beginning.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};

use fastrand::Rng;
use serde_json::{Value, json};

use crate::common::{Folder, output, squall, top_words};
use crate::victim::{Process, Victim, tail};

/// The files of an input.
const FILES: u64 = 5;

fn gzip(text: &str) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

/// A folder `in` with the records dealt to files in their order, one of them packed.
fn input(folder: &Folder, header: &str, records: &[String], suffix: &str) {
    std::fs::create_dir(folder.path("in")).unwrap();
    for file in 0..FILES {
        let mut text = header.to_owned();
        let mine = records.iter().enumerate();
        for (_, record) in mine.filter(|(number, _)| *number as u64 % FILES == file) {
            writeln!(text, "{record}").unwrap();
        }
        let name = folder.path(&format!("in/{file}.{suffix}"));
        if file == 0 {
            std::fs::write(format!("{name}.gz"), gzip(&text)).unwrap();
        } else {
            std::fs::write(name, text).unwrap();
        }
    }
}

fn texts(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(ToString::to_string).collect()
}

/// Numbers of tasks for these options.
fn tasks(random: &mut Rng, options: &[&str]) -> Vec<String> {
    let drawn = options.iter().flat_map(|option| {
        let tasks = random.u32(1..5).to_string();
        [(*option).to_owned(), tasks]
    });
    drawn.collect()
}

/// Words in windows of event time.
pub struct Words {
    folder: Folder,
    wanted: String,
    length: usize,
}

impl Words {
    pub fn new(random: &mut Rng) -> Self {
        let folder = Folder::with(&[]);
        let words = 200 + random.u32(..800);
        let records: Vec<String> = (0..150_000_u64)
            .map(|record| {
                let word = random.u32(..words).min(random.u32(..words));
                format!("{},w{word}", record * 20 + random.u64(..20))
            })
            .collect();
        input(&folder, "time,word\n", &records, "csv");
        let mut words = Self {
            folder,
            wanted: String::new(),
            length: 0,
        };
        let undisturbed = words.folder.path("undisturbed.ndjson");
        let arguments = words.arguments();
        let mut command = top_words(&["--out", &undisturbed]);
        output(command.args(&arguments));
        words.wanted = words.folder.read("undisturbed.ndjson");
        words
    }

    fn arguments(&self) -> Vec<String> {
        let input = self.folder.path("in");
        let mut arguments = texts(&["--input", &input, "--field", "word", "--split", "none"]);
        arguments.extend(texts(&["--time-field", "time", "--time-format", "unix-ms"]));
        arguments.extend(texts(&[
            "--window",
            "60s",
            "--slide",
            "5s",
            "--lateness",
            "100ms",
        ]));
        arguments
    }

    fn run(&self, random: &mut Rng, rate: &str) -> Process {
        let mut arguments = texts(&["run", "rolling-top-words", "--rate", rate]);
        arguments.extend(self.arguments());
        let (out, data) = (self.folder.path("out.ndjson"), self.folder.path("data"));
        arguments.extend(texts(&[
            "--out",
            &out,
            "--data-dir",
            &data,
            "--commit",
            "50ms",
        ]));
        arguments.extend(tasks(random, &["--spouts", "--counters", "--rankers"]));
        // With one merger there is no level of them, which is another topology.
        arguments.extend(["--mergers".to_owned(), random.u32(2..5).to_string()]);
        Process::start(&self.folder, "rolling-top-words", &arguments)
    }

    fn written(&self) -> String {
        std::fs::read_to_string(self.folder.path("out.ndjson")).unwrap_or_default()
    }
}

impl Victim for Words {
    const NAME: &'static str = "rolling words";

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn start(&mut self, random: &mut Rng) -> Vec<Process> {
        vec![self.run(random, "40000")]
    }

    fn killed(&mut self) {
        let written = self.written();
        assert!(
            self.wanted.starts_with(&written),
            "the file is no prefix of the undisturbed one: {}",
            tail(&self.folder)
        );
        assert!(written.len() >= self.length, "the file has become shorter");
        self.length = written.len();
    }

    fn finish(&mut self, random: &mut Rng) -> String {
        self.run(random, "0").ends_well(&self.folder);
        assert!(self.written() == self.wanted, "{}", tail(&self.folder));
        let (lines, bytes) = (self.wanted.lines().count(), self.wanted.len());
        format!("{lines} rankings, {bytes} bytes, byte for byte those of an undisturbed run")
    }
}

/// What each user has spent, counted plainly.
pub type Totals = BTreeMap<String, i64>;

/// The table of totals of a data directory.
pub fn stored_totals(data: &str) -> Totals {
    let (lines, _) = output(&mut squall(&["view", data, "totals.totals", "--json"]));
    let rows = crate::common::json(&lines);
    let total = |row: &Value| {
        let user = row["key"]
            .as_str()
            .map_or_else(|| row["key"].to_string(), str::to_owned);
        (user, row["value"].as_i64().unwrap())
    };
    rows.iter().map(total).collect()
}

/// The first users of a ranking of all totals, as the command writes it.
pub fn ranked(totals: &Totals, places: usize) -> Value {
    let mut entries: Vec<(&String, &i64)> = totals.iter().collect();
    entries.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let entries = entries.iter().take(places);
    entries.map(|(user, cents)| json!([user, cents])).collect()
}

/// A purchase of a user as a line of JSON.
pub fn purchase(random: &mut Rng, number: u64, totals: &mut Totals) -> String {
    let users = 3_000;
    let user = format!("u{}", random.u32(..users).min(random.u32(..users)));
    let cents = random.i64(1..10_000);
    *totals.entry(user.clone()).or_default() += cents;
    json!({ "user": user, "cents": cents, "number": number }).to_string()
}

/// The options of a run over purchases.
pub const PURCHASES: [&str; 10] = [
    "--user-field",
    "user",
    "--cents-field",
    "cents",
    "--commit",
    "50ms",
    "--top",
    "50",
    "--every",
    "100ms",
];

/// Purchases, and who spent most.
pub struct Users {
    folder: Folder,
    totals: Totals,
}

impl Users {
    pub fn new(random: &mut Rng) -> Self {
        let folder = Folder::with(&[]);
        let mut totals = Totals::new();
        let records: Vec<String> = (0..150_000)
            .map(|number| purchase(random, number, &mut totals))
            .collect();
        input(&folder, "", &records, "ndjson");
        Self { folder, totals }
    }

    fn run(&self, random: &mut Rng, rate: &str) -> Process {
        let mut arguments = texts(&["run", "top-users", "--rate", rate]);
        let [input, data, out] = ["in", "data", "out.ndjson"].map(|name| self.folder.path(name));
        arguments.extend(texts(&[
            "--input",
            &input,
            "--data-dir",
            &data,
            "--out",
            &out,
        ]));
        arguments.extend(texts(&PURCHASES));
        arguments.extend(tasks(random, &["--spouts", "--counters"]));
        Process::start(&self.folder, "top-users", &arguments)
    }
}

impl Victim for Users {
    const NAME: &'static str = "top users";

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn start(&mut self, random: &mut Rng) -> Vec<Process> {
        vec![self.run(random, "40000")]
    }

    fn finish(&mut self, random: &mut Rng) -> String {
        self.run(random, "0").ends_well(&self.folder);
        let stored = stored_totals(&self.folder.path("data"));
        assert!(stored == self.totals, "{}", tail(&self.folder));
        let last = self.folder.read("out.ndjson");
        let last: Value = serde_json::from_str(last.lines().last().unwrap()).unwrap();
        assert_eq!(last["ranking"], ranked(&self.totals, 50));
        let cents: i64 = self.totals.values().sum();
        format!(
            "{} totals, {cents} cents, and the last ranking: all right",
            stored.len()
        )
    }
}

/// Events that are rolled up and archived.
pub struct Events {
    folder: Folder,
    events: Vec<String>,
    /// Events and amounts by hour and place.
    wanted: BTreeMap<(u64, String), (u64, i64)>,
}

const HOUR_MS: u64 = 3_600_000;

impl Events {
    pub fn new(random: &mut Rng) -> Self {
        let spec = json!({
            "dataSchema": {
                "timestampSpec": { "column": "t", "format": "millis" },
                "dimensionsSpec": { "dimensions": ["place"] },
                "aggregators": [
                    { "type": "count", "name": "events" },
                    { "type": "longSum", "name": "amount", "fieldName": "amount" },
                ],
                "granularitySpec": { "segmentGranularity": "day", "queryGranularity": "hour" },
            },
        });
        let folder = Folder::with(&[("spec.json", spec.to_string().as_bytes())]);
        let mut wanted: BTreeMap<(u64, String), (u64, i64)> = BTreeMap::new();
        let events: Vec<String> = (0..100_000_u64)
            .map(|number| {
                let hour = random.u64(..72);
                let place = format!("p{}", random.u32(..20));
                let amount = random.i64(-50..500);
                let t = 1_500_000_000_000 / HOUR_MS * HOUR_MS + hour * HOUR_MS + number % HOUR_MS;
                let sum = wanted.entry((t / HOUR_MS, place.clone())).or_default();
                *sum = (sum.0 + 1, sum.1 + amount);
                json!({ "t": t, "place": place, "amount": amount, "number": number }).to_string()
            })
            .collect();
        input(&folder, "", &events, "ndjson");
        Self {
            folder,
            events,
            wanted,
        }
    }

    fn run(&self, random: &mut Rng, rate: &str) -> Process {
        let mut arguments = texts(&["run", "rollup", "--rate", rate, "--commit", "50ms"]);
        let names = ["spec.json", "in", "data", "archive"];
        let [spec, input, data, archive] = names.map(|name| self.folder.path(name));
        arguments.extend(texts(&["--spec", &spec, "--input", &input]));
        arguments.extend(texts(&["--data-dir", &data, "--archive", &archive]));
        arguments.extend(tasks(random, &["--spouts"]));
        Process::start(&self.folder, "rollup", &arguments)
    }

    /// All rows of the cube are as they should be.
    fn check_cube(&self, when: &str) {
        let data = self.folder.path("data");
        let mut command = squall(&["query", &data, "--json", "--granularity", "hour"]);
        command.args(["--by", "place", "--metrics", "events,amount"]);
        let (rows, _) = output(&mut command);
        let found: Vec<Value> = crate::common::json(&rows);
        let found: Vec<(String, u64, i64)> = found
            .iter()
            .map(|row| {
                let place = row["place"].as_str().unwrap().to_owned();
                (
                    place,
                    row["events"].as_u64().unwrap(),
                    row["amount"].as_i64().unwrap(),
                )
            })
            .collect();
        let wanted = self.wanted.iter();
        let wanted: Vec<(String, u64, i64)> = wanted
            .map(|((_, place), (events, amount))| (place.clone(), *events, *amount))
            .collect();
        assert!(found == wanted, "{when}: {}", tail(&self.folder));
    }
}

impl Victim for Events {
    const NAME: &'static str = "rollup with an archive";

    fn folder(&self) -> &Folder {
        &self.folder
    }

    fn start(&mut self, random: &mut Rng) -> Vec<Process> {
        vec![self.run(random, "30000")]
    }

    fn finish(&mut self, random: &mut Rng) -> String {
        self.run(random, "0").ends_well(&self.folder);
        self.check_cube("after all kills");
        let mut archived = Vec::new();
        for file in std::fs::read_dir(self.folder.path("archive")).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|suffix| suffix == "gz") {
                let mut lines = String::new();
                let file = std::fs::File::open(&path).unwrap();
                let mut members = flate2::read::MultiGzDecoder::new(file);
                let read = members.read_to_string(&mut lines);
                read.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                archived.extend(lines.lines().map(str::to_owned));
            }
        }
        let mut events = self.events.clone();
        archived.sort();
        events.sort();
        assert_eq!(archived.len(), events.len(), "{}", tail(&self.folder));
        assert!(archived == events, "the archive has other events");
        let [data, spec] = ["data", "spec.json"].map(|name| self.folder.path(name));
        let span = ["--from", "2017-07-14", "--to", "2017-07-18"];
        output(squall(&["reindex", &data, "--spec", &spec]).args(span));
        self.check_cube("made again from the archive");
        format!(
            "{} rows of the cube, {} archived events, and the cube made again from them: all right",
            self.wanted.len(),
            archived.len()
        )
    }
}

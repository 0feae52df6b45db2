//! Cubes of real data, for the tests of the command.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::{Folder, output, real_data, squall};

/// A job: events of real data as one file, and the spec for it.
pub struct Job {
    pub folder: Folder,
    pub spec: Value,
}

impl Job {
    pub fn new(events: &str, spec: Value) -> Self {
        let spec_text = serde_json::to_string_pretty(&spec).unwrap();
        let files = [
            ("events.ndjson", events.as_bytes()),
            ("spec.json", spec_text.as_bytes()),
        ];
        Self {
            folder: Folder::with(&files),
            spec,
        }
    }

    /// One day of edits of Wikipedia, by the hour, channel and robot.
    pub fn wikiticker() -> Option<(Self, Value)> {
        let (folder, answers) = real_data("wikiticker")?;
        let packed = folder.join("wikiticker-2015-09-12-sampled.json.gz");
        let mut events = String::new();
        let file = flate2::read::GzDecoder::new(std::fs::File::open(packed).unwrap());
        std::io::Read::read_to_string(&mut { file }, &mut events).unwrap();
        let spec = json!({
            "type": "index_parallel",
            "spec": {
                "dataSchema": {
                    "dataSource": "wikiticker",
                    "timestampSpec": { "column": "time", "format": "iso" },
                    "dimensionsSpec": { "dimensions": ["channel", "isRobot"] },
                    "metricsSpec": [
                        { "type": "count", "name": "edits" },
                        { "type": "longSum", "name": "added", "fieldName": "added" },
                        { "type": "longSum", "name": "deleted", "fieldName": "deleted" },
                        { "type": "hyperUnique", "name": "users", "fieldName": "user" },
                    ],
                    "granularitySpec": {
                        "type": "uniform",
                        "segmentGranularity": "day",
                        "queryGranularity": "hour",
                        "rollup": true,
                    },
                },
            },
        });
        Some((Self::new(&events, spec), answers))
    }

    /// Impressions and clicks of four campaigns, by the hour, campaign and position.
    pub fn open_bandit() -> Option<(Self, Value)> {
        let (folder, answers) = real_data("open-bandit")?;
        let mut events = String::new();
        for campaign in ["bts/men", "bts/women", "random/men", "random/women"] {
            impressions(&folder, campaign, &mut events);
        }
        let spec = json!({
            "dataSchema": {
                "timestampSpec": { "column": "timestamp" },
                "dimensionsSpec": { "dimensions": ["campaign", "position"] },
                "aggregators": [
                    { "type": "count", "name": "impressions" },
                    { "type": "longSum", "name": "clicks", "fieldName": "click" },
                    { "type": "hyperUnique", "name": "users", "fieldName": "user" },
                ],
                "granularitySpec": { "segmentGranularity": "day", "queryGranularity": "hour" },
            },
        });
        Some((Self::new(&events, spec), answers))
    }

    /// Rolls the input up into a data directory of this name.
    pub fn roll_up(&self, data: &str, input: &str, more: &[&str]) -> String {
        let mut command = squall(&self.arguments());
        command.args(["--input", input, "--data-dir", &self.folder.path(data)]);
        output(command.args(more)).1
    }

    pub fn arguments(&self) -> [&'static str; 4] {
        let spec = self.folder.path("spec.json");
        ["run", "rollup", "--spec", spec.leak()]
    }

    pub fn events(&self) -> String {
        self.folder.path("events.ndjson")
    }

    /// Asks a data directory of this name; gives the rows.
    pub fn query(&self, data: &str, question: &[&str]) -> Vec<Value> {
        let mut command = squall(&["query", &self.folder.path(data), "--json"]);
        super::json(&output(command.args(question)).0)
    }

    /// The rows of every hour with all dimensions and metrics, as they are printed.
    pub fn everything(&self, data: &str) -> String {
        let of = |list: &Value, name: &str| {
            let list = list.as_array().unwrap().iter();
            let names = list.map(|item| item.get(name).unwrap_or(item).as_str().unwrap());
            names.collect::<Vec<_>>().join(",")
        };
        let schema = &self.spec.pointer("/spec/dataSchema");
        let schema = schema.unwrap_or(&self.spec["dataSchema"]);
        let dimensions = of(&schema["dimensionsSpec"]["dimensions"], "name");
        let metrics = schema.get("metricsSpec").unwrap_or(&schema["aggregators"]);
        let metrics = of(metrics, "name");
        let mut command = squall(&["query", &self.folder.path(data), "--json"]);
        command.args([
            "--granularity",
            "hour",
            "--by",
            &dimensions,
            "--metrics",
            &metrics,
        ]);
        output(&mut command).0
    }

    /// Writes the events as so many files, in an order that the seed says.
    pub fn shuffled(&self, name: &str, files: usize, seed: u64) -> String {
        let events = self.folder.read("events.ndjson");
        let mut lines: Vec<&str> = events.lines().collect();
        fastrand::Rng::with_seed(seed).shuffle(&mut lines);
        let folder = self.folder.path(name);
        std::fs::create_dir(&folder).unwrap();
        for (number, part) in lines.chunks(lines.len().div_ceil(files)).enumerate() {
            let text = part.join("\n") + "\n";
            std::fs::write(Path::new(&folder).join(format!("{number}.ndjson")), text).unwrap();
        }
        folder
    }
}

/// The impressions of a campaign as lines of JSON, with the four features joined as the user.
fn impressions(folder: &Path, campaign: &str, events: &mut String) {
    let (_, name) = campaign.split_once('/').unwrap();
    let file = folder.join(campaign).join(format!("{name}.csv"));
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines();
    let header: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| header.iter().position(|column| *column == name).unwrap();
    let [time, item, position, click] = ["timestamp", "item_id", "position", "click"].map(column);
    let user = [0, 1, 2, 3].map(|number| column(&format!("user_feature_{number}")));
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        let event = json!({
            "timestamp": cells[time],
            "campaign": campaign,
            "item_id": cells[item],
            "position": cells[position],
            "click": cells[click].parse::<u8>().unwrap(),
            "user": user.map(|column| cells[column]).join("|"),
        });
        writeln!(events, "{event}").unwrap();
    }
}

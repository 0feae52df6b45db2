//! What is varied.

use std::time::Duration;

use squall::{millis, secs};

/// One variant of the job.
#[derive(Clone, Debug)]
pub struct Row {
    pub dimension: &'static str,
    /// How the row is called.
    pub value: String,
    /// So many spouts, and so many counters.
    pub tasks: usize,
    /// How many different words there are.
    pub keys: usize,
    /// The bytes of each word; from 4 to 10 if there is no number.
    pub key_bytes: Option<usize>,
    /// The fields of the tuple: 1, 5 or 20.
    pub fields: usize,
    /// The slides of a window.
    pub panes: usize,
    /// The number of places in the ranking.
    pub top: usize,
    /// The interval of epochs.
    pub epoch: Duration,
}

impl Default for Row {
    fn default() -> Self {
        Self {
            dimension: "",
            value: String::new(),
            tasks: 2,
            keys: 100_000,
            key_bytes: None,
            fields: 1,
            panes: 6,
            top: 100,
            epoch: millis(100),
        }
    }
}

/// The names of what can be varied, in the order of the table.
pub const DIMENSIONS: [&str; 7] = [
    "tasks",
    "keys",
    "key-bytes",
    "fields",
    "panes",
    "top",
    "epoch",
];

/// The variants of a dimension.
pub fn rows_of(dimension: &'static str) -> Vec<Row> {
    let rows = |values: &[usize], vary: fn(&mut Row, usize)| {
        let rows = values.iter().map(|value| {
            let mut row = Row {
                dimension,
                value: short(*value),
                ..Row::default()
            };
            vary(&mut row, *value);
            row
        });
        rows.collect()
    };
    match dimension {
        "tasks" => rows(&[1, 2, 4, 16, 64], |row, tasks| row.tasks = tasks),
        "keys" => rows(&[1_000, 100_000, 10_000_000], |row, keys| row.keys = keys),
        "key-bytes" => rows(&[4, 15, 40], |row, bytes| row.key_bytes = Some(bytes)),
        "fields" => rows(&[1, 5, 20], |row, fields| row.fields = fields),
        "panes" => rows(&[1, 6, 60, 600], |row, panes| row.panes = panes),
        "top" => rows(&[10, 1_000, 100_000], |row, top| row.top = top),
        _ => {
            let intervals = [millis(10), millis(100), secs(1)].into_iter();
            let rows = intervals.map(|epoch| Row {
                dimension,
                value: format!("{epoch:?}"),
                epoch,
                ..Row::default()
            });
            rows.collect()
        }
    }
}

/// `100 k`, `10 M`.
fn short(number: usize) -> String {
    match number {
        1_000_000.. => format!("{} M", number / 1_000_000),
        1_000.. => format!("{} k", number / 1_000),
        _ => number.to_string(),
    }
}

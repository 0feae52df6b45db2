//! What a run says that has lost much of its input.

use std::time::Duration;

use squall::run::{LossReason, Losses, LostShare, RunStats};
use squall_topologies::duration;

/// More than this share of what was read is worth a warning.
const MUCH: f64 = 0.1;

/// So many reasons are told.
const MAX_REASONS: usize = 3;

/// What is to be told at the end of a run, a line each; nothing of a run that has lost little.
pub(super) fn worth_telling(topology: &str, stats: &RunStats) -> Vec<String> {
    let dead_letters = much(&stats.refused).map(|worst| {
        let reasons = reasons(&stats.refused);
        format!(
            "a large share of the input was lost: {worst} are dead letters. Most often: {reasons}. {}",
            remedies(topology, &stats.refused)
        )
    });
    let late = much(&stats.late_tuples).map(|worst| {
        let example = stats.late_tuples.reasons.first();
        let example = example.map(|reason| format!(", such as {}", reason.example));
        format!(
            "a large share of the input was lost: {worst} are late{}. {}",
            example.unwrap_or_default(),
            more_lateness(stats.late_tuples.latest_behind_ms)
        )
    });
    dead_letters.into_iter().chain(late).collect()
}

fn much(losses: &Losses) -> Option<&LostShare> {
    losses.worst.as_ref().filter(|worst| worst.share() > MUCH)
}

/// The most frequent reasons, with an example each.
fn reasons(losses: &Losses) -> String {
    let first = losses.reasons.iter().take(MAX_REASONS);
    let first = first.map(|LossReason { count, example, .. }| format!("{count} as {example}"));
    first.collect::<Vec<_>>().join("; ")
}

/// What mends a reason of which one of these parts is known, in these topologies.
struct Remedy {
    parts: &'static [&'static str],
    topologies: &'static [&'static str],
    told: &'static str,
}

const REMEDIES: [Remedy; 7] = [
    Remedy {
        parts: &["is not a time of the format", "it has no time"],
        topologies: &["rolling-top-words"],
        told: "--time-field names the time, and --time-format its format",
    },
    Remedy {
        parts: &["is not a time of the format", "the event has no time"],
        topologies: &["rollup"],
        told: "the timestampSpec of --spec names the time and its format",
    },
    Remedy {
        parts: &["columns, the header has", "column, the header has", "quote"],
        topologies: ANY,
        told: "--delimiter names the character between columns",
    },
    Remedy {
        parts: &["not a JSON object"],
        topologies: ANY,
        told: "--format names the format of the records",
    },
    Remedy {
        parts: &["is not valid"],
        topologies: ANY,
        told: "--encoding names the encoding of the input",
    },
    Remedy {
        parts: &["decimal number", "whole number", "but there is a user"],
        topologies: &["top-users"],
        told: "--cents-field, or --price-field and --quantity-field, name the amount",
    },
    Remedy {
        parts: &["decimal number", "whole number", "but there is a key"],
        topologies: &["top-keys"],
        told: "--amount names the amount, and --cents reads it as a decimal number",
    },
];

/// Whatever is run.
const ANY: &[&str] = &[];

impl Remedy {
    fn mends(&self, topology: &str, reasons: &[LossReason]) -> bool {
        let of_it = self.topologies.is_empty() || self.topologies.contains(&topology);
        let mut parts = self.parts.iter();
        let told = |part: &&str| {
            let mut first = reasons.iter().take(MAX_REASONS);
            first.any(|reason| reason.example.reason.contains(part))
        };
        of_it && parts.any(told)
    }
}

/// What may mend the most frequent reasons.
fn remedies(topology: &str, losses: &Losses) -> String {
    let fitting = REMEDIES.iter();
    let fitting = fitting.filter(|remedy| remedy.mends(topology, &losses.reasons));
    let all = "--dead-letters PATH writes all of them to a file";
    let remedies = fitting.map(|remedy| remedy.told).chain([all]);
    remedies.collect::<Vec<_>>().join("; ")
}

fn more_lateness(behind_ms: Option<u64>) -> String {
    let waits = "--lateness DUR admits them, and closes windows that much later";
    match behind_ms {
        Some(behind_ms) => {
            let behind = duration::written(Duration::from_millis(behind_ms));
            format!(
                "The latest was {behind} behind: {waits}; --lateness {behind} admits all of them"
            )
        }
        None => waits.to_owned(),
    }
}

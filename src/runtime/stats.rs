//! What a run has counted and measured, by task and in all.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::histogram::Histogram;
use super::losses::Losses;
use crate::time::Timestamp;

/// What one component has done, over all of its tasks.
///
/// After a failure the run goes on from its last commit, and the tuples, late tuples and dead
/// letters go back to what they were there: work that is repeated counts once. Batches and times go
/// on. So a count may become less for a moment, and never counts a tuple twice.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ComponentStats {
    /// The component's id.
    pub component: String,
    /// Tuples taken.
    pub tuples_in: u64,
    /// Tuples emitted on all streams, dead letters aside.
    pub tuples_out: u64,
    /// Tuples that came too late for their windows.
    pub late: u64,
    /// Tuples and records that could not be processed.
    pub dead_letters: u64,
    /// Messages with tuples taken.
    pub batches: u64,
    /// The share of the time in which user code ran, averaged over the tasks, `0.0..=1.0`.
    #[serde(rename = "busy_share")]
    pub busy: f64,
    /// Time that the tasks waited until a reader could take more, summed.
    #[serde(rename = "waiting_seconds", serialize_with = "seconds")]
    pub waiting: Duration,
    /// Windows that hold tuples and are not closed, the most of any task.
    pub open_windows: u64,
    /// The most tuples that a task has held at once for its readers: what one call of user code
    /// has emitted, or what has waited until a reader could take more.
    #[serde(rename = "held_tuples")]
    pub held: u64,
    /// Each of its tasks, by number.
    pub tasks: Vec<TaskStats>,
}

/// What one task has done, and how it stands.
///
/// The counts are those of [`ComponentStats`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TaskStats {
    /// Tuples taken.
    pub tuples_in: u64,
    /// Tuples emitted on all streams, dead letters aside.
    pub tuples_out: u64,
    /// Tuples that came too late for their windows.
    pub late: u64,
    /// Tuples and records that could not be processed.
    pub dead_letters: u64,
    /// Messages with tuples taken.
    pub batches: u64,
    /// Time in which its user code ran.
    #[serde(rename = "busy_seconds", serialize_with = "seconds")]
    pub busy: Duration,
    /// Time that it waited until a reader could take more; a wait that goes on is in it when it is
    /// over.
    #[serde(rename = "blocked_seconds", serialize_with = "seconds")]
    pub blocked: Duration,
    /// Windows that hold tuples and are not closed, at the latest epoch.
    pub open_windows: u64,
    /// The most tuples that it has held at once for its readers.
    #[serde(rename = "held_tuples")]
    pub held: u64,
    /// Tuples on their way to its readers: sent and not taken.
    #[serde(rename = "in_flight_tuples")]
    pub in_flight: u64,
    /// The tuples that its readers let be on their way to them at once.
    #[serde(rename = "credit_tuples")]
    pub credit: u64,
    /// Its watermark.
    #[serde(rename = "watermark_ms", serialize_with = "watermark_ms")]
    pub watermark: Timestamp,
    /// The task that holds its watermark back, as `words[0]`: a spout's, found from reader to
    /// sender. Of a spout the task itself.
    pub held_back_by: String,
    /// What it waits for outside of the run, as it [says](crate::run::Status::waits); none where it
    /// does not.
    pub waits_for: Option<String>,
    /// How many records of each split of its input are not read, by the split's name, as far as a
    /// spout [says](crate::run::Status::set_lag).
    #[serde(rename = "lag_records")]
    pub lag: BTreeMap<String, u64>,
    /// Set for sinks.
    pub sink: Option<SinkStats>,
}

/// What a sink has not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SinkStats {
    /// The bytes that wait to be handed over, as far as the sink
    /// [says](crate::Sink::waiting_bytes), and those that are handed over and not delivered.
    pub pending_bytes: u64,
    /// How long ago the oldest epoch was cut that is not delivered; zero where all are. An epoch is
    /// delivered when its commit is, and without a data directory when the sink has passed it. What
    /// an earlier run has left to deliver counts from the start of this one.
    #[serde(rename = "delay_seconds", serialize_with = "seconds")]
    pub delay: Duration,
}

/// What a run has done so far, or in all.
///
/// As serde writes it, durations are numbers of seconds whose names end in `_seconds`, and moments
/// milliseconds since 1970 UTC whose names end in `_ms`. A watermark is null where nothing is known
/// yet, and 9223372036854775807, [`Timestamp::MAX`], at the end of the input.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunStats {
    /// Time since the start.
    #[serde(rename = "elapsed_seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
    /// The components in the order of their declaration.
    pub components: Vec<ComponentStats>,
    /// How many epochs every task has passed; a run that goes on from a commit counts on from its
    /// epoch.
    pub epochs: u64,
    /// The median time from the cut of an epoch until every task had passed it.
    #[serde(rename = "epoch_p50_seconds", serialize_with = "seconds")]
    pub epoch_p50: Duration,
    /// The same, 99th percentile.
    #[serde(rename = "epoch_p99_seconds", serialize_with = "seconds")]
    pub epoch_p99: Duration,
    /// All of these times since the start, over restarts too; the percentiles are of the latest 4,096.
    #[serde(rename = "epoch_latency_seconds")]
    pub epoch_latency: Histogram,
    /// The least watermark of all tasks, and the task that holds it back.
    #[serde(serialize_with = "watermark")]
    pub watermark: (Timestamp, String),
    /// Tuples that the spouts emitted.
    pub tuples: u64,
    /// The late tuples, and why they are.
    pub late_tuples: Box<Losses>,
    /// The dead letters, and why they are.
    pub refused: Box<Losses>,
    /// What was committed; none without a data directory.
    pub commits: Option<CommitStats>,
    /// How often the run was restored from its last commit after a failure.
    pub restarts: u64,
}

/// What a durable run has committed, over restarts too.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct CommitStats {
    /// The number of the epoch that was committed last.
    pub epoch: u64,
    /// How many commits this run has made.
    pub commits: u64,
    /// Bytes of the changes, before what the store adds.
    pub bytes: u64,
    /// The median time that the store took to write one.
    #[serde(rename = "p50_seconds", serialize_with = "seconds")]
    pub p50: Duration,
    /// The same, 99th percentile.
    #[serde(rename = "p99_seconds", serialize_with = "seconds")]
    pub p99: Duration,
    /// All of these times; the percentiles are of the latest 4,096.
    #[serde(rename = "duration_seconds")]
    pub duration: Histogram,
    /// The bytes of each commit.
    #[serde(rename = "size_bytes")]
    pub size: Histogram,
}

fn seconds<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(span.as_secs_f64())
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature.
fn watermark_ms<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    let known = Some(at.millis()).filter(|_| *at != Timestamp::MIN);
    known.serialize(serializer)
}

fn watermark<S: Serializer>(
    (at, held_back_by): &(Timestamp, String),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Watermark<'w> {
        #[serde(rename = "at_ms", serialize_with = "watermark_ms")]
        at: Timestamp,
        held_back_by: &'w str,
    }
    let watermark = Watermark {
        at: *at,
        held_back_by,
    };
    watermark.serialize(serializer)
}

impl RunStats {
    /// Tuples that the spouts emitted per second.
    #[must_use]
    #[allow(clippy::cast_precision_loss)]
    pub fn tuples_per_second(&self) -> f64 {
        self.tuples as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// Late tuples over all components.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.components.iter().map(|component| component.late).sum()
    }

    /// Dead letters over all components.
    #[must_use]
    pub fn dead_letters(&self) -> u64 {
        self.components
            .iter()
            .map(|component| component.dead_letters)
            .sum()
    }

    /// The statistics of one component.
    #[must_use]
    pub fn component(&self, id: &str) -> Option<&ComponentStats> {
        self.components
            .iter()
            .find(|component| component.component == id)
    }
}

impl fmt::Display for RunStats {
    /// A table for people, one row for each component.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self
            .components
            .iter()
            .map(|component| component.component.chars().count());
        let width = names.max().unwrap_or(0).max("component".len());
        writeln!(
            f,
            "{:<width$} {:>5} {:>12} {:>12} {:>8} {:>8} {:>10} {:>6} {:>11}",
            "component",
            "tasks",
            "tuples in",
            "tuples out",
            "late",
            "dead",
            "batches",
            "busy",
            "waiting"
        )?;
        for row in &self.components {
            writeln!(
                f,
                "{:<width$} {:>5} {:>12} {:>12} {:>8} {:>8} {:>10} {:>5.1}% {:>10.3}s",
                row.component,
                row.tasks.len(),
                row.tuples_in,
                row.tuples_out,
                row.late,
                row.dead_letters,
                row.batches,
                row.busy * 100.0,
                row.waiting.as_secs_f64(),
            )?;
        }
        let (watermark, holder) = &self.watermark;
        match *watermark {
            Timestamp::MAX => writeln!(f, "watermark: end of input")?,
            Timestamp::MIN => writeln!(f, "watermark: none yet, held back by {holder}")?,
            moment => writeln!(f, "watermark: {moment}, held back by {holder}")?,
        }
        writeln!(
            f,
            "epochs: {} passed, latency p50 {:.1} ms, p99 {:.1} ms",
            self.epochs,
            self.epoch_p50.as_secs_f64() * 1e3,
            self.epoch_p99.as_secs_f64() * 1e3,
        )?;
        if let Some(commits) = &self.commits {
            writeln!(
                f,
                "commits: {} up to epoch {}, {} bytes, p50 {:.1} ms, p99 {:.1} ms",
                commits.commits,
                commits.epoch,
                commits.bytes,
                commits.p50.as_secs_f64() * 1e3,
                commits.p99.as_secs_f64() * 1e3,
            )?;
        }
        write!(
            f,
            "{} tuples in {:.3} s: {:.0} tuples/s",
            self.tuples,
            self.elapsed.as_secs_f64(),
            self.tuples_per_second()
        )
    }
}

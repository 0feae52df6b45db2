//! The statistics as metrics: one table, from which they are encoded and described.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, prometheus_text, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{Registry, Unit};
use squall::Timestamp;
use squall::run::{Histogram, Phase, RunStats, Seen, TaskStats};

/// The beginning of every name.
const PREFIX: &str = "squall";

/// A metric that is served.
struct Metric {
    /// Without prefix, unit and `_total`.
    name: &'static str,
    unit: Option<&'static str>,
    help: &'static str,
    values: Values,
}

/// Where the values of a metric come from.
enum Values {
    /// A counter of each task; it may go back where a run is restored.
    Count(fn(&TaskStats) -> u64),
    /// A counter of seconds of each task.
    Time(fn(&TaskStats) -> Duration),
    /// A gauge of each task, where there is one.
    Level(fn(&TaskStats) -> Option<f64>),
    /// A gauge of each split of each task.
    Splits(fn(&TaskStats) -> &BTreeMap<String, u64>),
    /// 1 for the task that is named.
    Holder(fn(&TaskStats) -> &str),
    /// A counter of the run; it may go back where the run is restored.
    RunCount(fn(&RunStats) -> u64),
    /// A gauge of the run, where there is one.
    RunLevel(fn(&Seen) -> Option<f64>),
    /// A histogram of the run, where there is one.
    Sizes(fn(&RunStats) -> Option<&Histogram>),
}

const SECONDS: Option<&str> = Some("seconds");
const BYTES: Option<&str> = Some("bytes");
const TUPLES: Option<&str> = Some("tuples");
const RECORDS: Option<&str> = Some("records");

const fn metric(
    name: &'static str,
    unit: Option<&'static str>,
    values: Values,
    help: &'static str,
) -> Metric {
    Metric {
        name,
        unit,
        help,
        values,
    }
}

#[rustfmt::skip] // One line for each, as a table.
static METRICS: &[Metric] = &[
    metric("tuples_in", None, Values::Count(|task| task.tuples_in), "Tuples taken"),
    metric("tuples_out", None, Values::Count(|task| task.tuples_out), "Tuples emitted on all streams, dead letters aside"),
    metric("late_tuples", None, Values::Count(|task| task.late), "Tuples that came too late for their windows"),
    metric("dead_letters", None, Values::Count(|task| task.dead_letters), "Tuples and records that could not be processed"),
    metric("batches_in", None, Values::Count(|task| task.batches), "Messages with tuples taken"),
    metric("busy", SECONDS, Values::Time(|task| task.busy), "Time in which user code ran"),
    metric("blocked", SECONDS, Values::Time(|task| task.blocked), "Time waited until a reader could take more"),
    metric("open_windows", None, Values::Level(|task| Some(float(task.open_windows))), "Windows that hold tuples and are not closed"),
    metric("held", TUPLES, Values::Level(|task| Some(float(task.held))), "The most tuples held at once for readers"),
    metric("in_flight", TUPLES, Values::Level(|task| Some(float(task.in_flight))), "Tuples sent to readers and not taken by them"),
    metric("credit", TUPLES, Values::Level(|task| Some(float(task.credit))), "The tuples that readers let be in flight"),
    metric("watermark_timestamp", SECONDS, Values::Level(|task| moment(task.watermark)), "The watermark; absent before the first and at the end of the input"),
    metric("watermark_holder", None, Values::Holder(|task| &task.held_back_by), "1 for the task that holds the watermark back"),
    metric("waiting", None, Values::Level(|task| Some(flag(task.waits_for.is_some()))), "1 while the task waits for a system outside; /health says for which"),
    metric("source_lag", RECORDS, Values::Splits(|task| &task.lag), "Records of a split that are not read, as far as the source knows"),
    metric("sink_pending", BYTES, Values::Level(|task| task.sink.map(|sink| float(sink.pending_bytes))), "Bytes that a sink has not delivered"),
    metric("sink_delay", SECONDS, Values::Level(|task| task.sink.map(|sink| sink.delay.as_secs_f64())), "Time since the cut of the oldest epoch that a sink has not delivered"),
    metric("refused_records", None, Values::RunCount(|stats| stats.refused.count), "Records in dead letters; more than those where records cannot be told apart"),
    metric("restarts", None, Values::RunCount(|stats| stats.restarts), "How often the run was restored from its last commit after a failure"),
    metric("running", None, Values::RunLevel(|seen| Some(flag(seen.phase == Phase::Running))), "1 while the run goes on, 0 while it is restored and after its end"),
    metric("elapsed", SECONDS, Values::RunLevel(|seen| Some(seen.stats.elapsed.as_secs_f64())), "Time since the start of the run"),
    metric("passed_epoch", None, Values::RunLevel(|seen| Some(float(seen.stats.epochs))), "The latest epoch that every task has passed"),
    metric("committed_epoch", None, Values::RunLevel(|seen| seen.stats.commits.as_ref().map(|commits| float(commits.epoch))), "The latest epoch that was committed"),
    metric("epoch_latency", SECONDS, Values::Sizes(|stats| Some(&stats.epoch_latency)), "Time from the cut of an epoch until every task had passed it"),
    metric("commit_duration", SECONDS, Values::Sizes(|stats| stats.commits.as_ref().map(|commits| &commits.duration)), "Time that the store took to write a commit"),
    metric("commit_size", BYTES, Values::Sizes(|stats| stats.commits.as_ref().map(|commits| &commits.size)), "Bytes of the changes of a commit"),
];

#[allow(clippy::cast_precision_loss)]
fn float(number: u64) -> f64 {
    number as f64
}

fn flag(is: bool) -> f64 {
    f64::from(u8::from(is))
}

#[allow(clippy::cast_precision_loss)]
fn moment(watermark: Timestamp) -> Option<f64> {
    let known = watermark != Timestamp::MIN && watermark != Timestamp::MAX;
    known.then(|| watermark.millis() as f64 / 1e3)
}

impl Metric {
    fn kind(&self) -> MetricType {
        match self.values {
            Values::Count(_) | Values::Time(_) | Values::RunCount(_) => MetricType::Counter,
            Values::Level(_) | Values::Splits(_) | Values::Holder(_) | Values::RunLevel(_) => {
                MetricType::Gauge
            }
            Values::Sizes(_) => MetricType::Histogram,
        }
    }

    fn labels(&self) -> &'static [&'static str] {
        match self.values {
            Values::Count(_) | Values::Time(_) | Values::Level(_) => {
                &["topology", "component", "task"]
            }
            Values::Splits(_) => &["topology", "component", "task", "split"],
            Values::Holder(_) => &["topology", "component", "task", "holder"],
            Values::RunCount(_) | Values::RunLevel(_) | Values::Sizes(_) => &["topology"],
        }
    }
}

/// A metric as it is described to people.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Described {
    /// Its whole name, of a counter with `_total`.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it is.
    pub help: &'static str,
}

/// The metrics that are served, in their order.
pub fn described() -> impl Iterator<Item = Described> {
    METRICS.iter().map(|metric| {
        let kind = metric.kind();
        let unit = metric.unit.map_or(String::new(), |unit| format!("_{unit}"));
        let total = match kind {
            MetricType::Counter => "_total",
            _ => "",
        };
        let kind = match kind {
            MetricType::Counter => "counter",
            MetricType::Gauge => "gauge",
            _ => "histogram",
        };
        Described {
            name: format!("{PREFIX}_{}{unit}{total}", metric.name),
            kind,
            labels: metric.labels(),
            help: metric.help,
        }
    })
}

/// The counts that were served. A run that is restored takes counts back, and repeats the work:
/// meanwhile they stand still, since Prometheus takes a counter that falls for a new process and
/// would add all of it again.
#[derive(Debug, Default)]
pub(crate) struct Served(Vec<u64>);

impl Served {
    /// The counts of all metrics, in their order, with what was served before.
    fn raised(&mut self, stats: &RunStats) -> Vec<u64> {
        let counts = METRICS.iter().flat_map(|metric| match metric.values {
            Values::Count(read) => tasks(stats).map(|(_, _, task)| read(task)).collect(),
            Values::RunCount(read) => vec![read(stats)],
            _ => Vec::new(),
        });
        let counts: Vec<u64> = counts.collect();
        self.0.resize(counts.len(), 0);
        for (served, count) in self.0.iter_mut().zip(counts) {
            *served = count.max(*served);
        }
        self.0.clone()
    }
}

/// All tasks with their components and numbers.
fn tasks(stats: &RunStats) -> impl Iterator<Item = (&str, usize, &TaskStats)> {
    stats.components.iter().flat_map(|component| {
        let tasks = component.tasks.iter().enumerate();
        tasks.map(|(number, task)| (component.component.as_str(), number, task))
    })
}

/// A format of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    OpenMetrics,
    /// The text format 0.0.4.
    Text,
}

impl Format {
    /// The one that an `Accept` header asks for.
    pub(crate) fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => prometheus_text::CONTENT_TYPE,
        }
    }
}

/// The metrics of a run as text.
pub(crate) fn encode(
    topology: &str,
    seen: Seen,
    served: &mut Served,
    format: Format,
) -> Result<String, fmt::Error> {
    let labels = [("topology".into(), topology.to_owned().into())];
    let mut registry = Registry::with_prefix_and_labels(PREFIX, labels.into_iter());
    let counts = served.raised(&seen.stats);
    registry.register_collector(Box::new(Snapshot { seen, counts }));
    let mut text = String::new();
    match format {
        Format::OpenMetrics => text::encode(&mut text, &registry)?,
        Format::Text => prometheus_text::encode(&mut text, &registry)?,
    }
    Ok(text)
}

#[derive(Debug)]
struct Snapshot {
    seen: Seen,
    counts: Vec<u64>,
}

type NoExemplar<'e> = Option<&'e Exemplar<NoLabelSet, f64>>;

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let stats = &self.seen.stats;
        let mut counts = self.counts.iter();
        for metric in METRICS {
            let unit = metric.unit.map(|unit| Unit::Other(unit.to_owned()));
            let mut encoder = encoder.encode_descriptor(
                metric.name,
                metric.help,
                unit.as_ref(),
                metric.kind(),
            )?;
            let encoder = &mut encoder;
            match metric.values {
                Values::Count(_) => {
                    for ((component, task, _), count) in tasks(stats).zip(counts.by_ref()) {
                        let labels = labels(component, task);
                        let mut encoder = encoder.encode_family(&labels)?;
                        encoder.encode_counter(count, NoExemplar::None)?;
                    }
                }
                Values::Time(read) => {
                    for (component, number, task) in tasks(stats) {
                        let labels = labels(component, number);
                        let mut encoder = encoder.encode_family(&labels)?;
                        encoder.encode_counter(&read(task).as_secs_f64(), NoExemplar::None)?;
                    }
                }
                Values::Level(read) => {
                    for (component, number, task) in tasks(stats) {
                        if let Some(level) = read(task) {
                            gauge(encoder, &labels(component, number), level)?;
                        }
                    }
                }
                Values::Splits(read) => {
                    for (component, number, task) in tasks(stats) {
                        let [component, number] = labels(component, number);
                        for (split, lag) in read(task) {
                            let split = ("split", split.clone());
                            let labels = [component.clone(), number.clone(), split];
                            gauge(encoder, &labels, float(*lag))?;
                        }
                    }
                }
                Values::Holder(read) => {
                    for (component, number, task) in tasks(stats) {
                        let [component, number] = labels(component, number);
                        let holder = ("holder", read(task).to_owned());
                        gauge(encoder, &[component, number, holder], 1.0)?;
                    }
                }
                Values::RunCount(_) => {
                    if let Some(count) = counts.next() {
                        encoder.encode_counter(count, NoExemplar::None)?;
                    }
                }
                Values::RunLevel(read) => {
                    if let Some(level) = read(&self.seen) {
                        encoder.encode_gauge(&level)?;
                    }
                }
                Values::Sizes(read) => {
                    if let Some(sizes) = read(stats) {
                        histogram(encoder, sizes)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn labels(component: &str, task: usize) -> [(&'static str, String); 2] {
    [
        ("component", component.to_owned()),
        ("task", task.to_string()),
    ]
}

fn gauge(encoder: &mut MetricEncoder<'_>, labels: &impl EncodeLabelSet, level: f64) -> fmt::Result {
    encoder.encode_family(labels)?.encode_gauge(&level)
}

fn histogram(encoder: &mut MetricEncoder<'_>, histogram: &Histogram) -> fmt::Result {
    // The encoder adds the buckets up again.
    let mut before = 0;
    let all = histogram
        .buckets()
        .chain([(f64::INFINITY, histogram.count())]);
    let buckets: Vec<(f64, u64)> = all
        .map(|(bound, until)| (bound, until - std::mem::replace(&mut before, until)))
        .collect();
    encoder.encode_histogram::<NoLabelSet>(histogram.sum(), histogram.count(), &buckets, None)
}

//! A Prometheus parser reads what the run's own summary says.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};
use squall::run::Phase;
use squall_http::{HttpOptions, described, serve};

use crate::Result;
use crate::ask::ask;
use crate::job::{Job, LAG, LATE_EVERY, ROWS, WRONG_EVERY};

/// The reference parser, which is strict about OpenMetrics.
const PARSER: &str = "prometheus_client==0.22.1";

/// Prints the families and samples that the parser finds in standard input.
const READ: &str = r#"
import json, sys
if sys.argv[1] == "openmetrics":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
else:
    from prometheus_client.parser import text_string_to_metric_families as families
found = [
    {
        "name": family.name,
        "kind": family.type,
        "unit": family.unit,
        "help": family.documentation,
        "samples": [[sample.name, sample.labels, sample.value] for sample in family.samples],
    }
    for family in families(sys.stdin.read())
]
json.dump(found, sys.stdout)
"#;

/// What the parser finds in the text.
fn parsed(text: &str, format: &str) -> Result<Vec<Value>> {
    let mut python = Command::new(squall_testbed::python(&[PARSER])?);
    python
        .args(["-c", READ, format])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut python = python.spawn()?;
    let mut stdin = python.stdin.take().ok_or("no standard input")?;
    stdin.write_all(text.as_bytes())?;
    drop(stdin);
    let output = python.wait_with_output()?;
    assert!(output.status.success(), "the parser refuses:\n{text}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The value of each sample, by its name and labels.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

fn samples(families: &[Value]) -> Result<Samples> {
    let all = families.iter().flat_map(|family| {
        let samples = family["samples"].as_array();
        samples.into_iter().flatten()
    });
    let mut samples = Samples::new();
    for sample in all {
        let (name, mut labels, value): (String, BTreeMap<String, String>, f64) =
            serde_json::from_value(sample.clone())?;
        assert_eq!(
            labels.get("topology").map(String::as_str),
            Some("said \"aloud\"")
        );
        // The two formats write whole bounds as 1.0 and as 1.
        if let Some(bound) = labels.get_mut("le").filter(|bound| *bound != "+Inf") {
            *bound = format!("{:?}", bound.parse::<f64>()?);
        }
        let before = samples.insert((name, labels), value);
        assert_eq!(before, None, "two of one sample: {sample}");
    }
    Ok(samples)
}

/// The metric of each number of a task, by its name in the statistics as JSON.
const OF_TASKS: [(&str, &str); 14] = [
    ("squall_tuples_in_total", "/tuples_in"),
    ("squall_tuples_out_total", "/tuples_out"),
    ("squall_late_tuples_total", "/late"),
    ("squall_dead_letters_total", "/dead_letters"),
    ("squall_batches_in_total", "/batches"),
    ("squall_busy_seconds_total", "/busy_seconds"),
    ("squall_blocked_seconds_total", "/blocked_seconds"),
    ("squall_open_windows", "/open_windows"),
    ("squall_held_tuples", "/held_tuples"),
    ("squall_in_flight_tuples", "/in_flight_tuples"),
    ("squall_credit_tuples", "/credit_tuples"),
    ("squall_sink_pending_bytes", "/sink/pending_bytes"),
    ("squall_sink_delay_seconds", "/sink/delay_seconds"),
    ("squall_watermark_timestamp_seconds", "/watermark_ms"),
];

/// The same of the run.
const OF_RUN: [(&str, &str); 5] = [
    ("squall_refused_records_total", "/refused/count"),
    ("squall_restarts_total", "/restarts"),
    ("squall_elapsed_seconds", "/elapsed_seconds"),
    ("squall_passed_epoch", "/epochs"),
    ("squall_committed_epoch", "/commits/epoch"),
];

const HISTOGRAMS: [(&str, &str); 3] = [
    ("squall_epoch_latency_seconds", "/epoch_latency_seconds"),
    (
        "squall_commit_duration_seconds",
        "/commits/duration_seconds",
    ),
    ("squall_commit_size_bytes", "/commits/size_bytes"),
];

fn labelled(labels: &[(&str, &str)]) -> BTreeMap<String, String> {
    let topology = [("topology", "said \"aloud\"")];
    let all = topology.iter().chain(labels);
    all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// What is to be served of these statistics.
fn expected(stats: &Value) -> Samples {
    let mut expected = Samples::new();
    let mut expect = |name: &str, labels: &[(&str, &str)], value: f64| {
        expected.insert((name.to_owned(), labelled(labels)), value);
    };
    for component in stats["components"].as_array().into_iter().flatten() {
        let name = component["component"].as_str().unwrap_or_default();
        for (number, task) in (0..).zip(component["tasks"].as_array().into_iter().flatten()) {
            let number = format!("{number}");
            let labels = [("component", name), ("task", &number)];
            for (metric, path) in OF_TASKS {
                let value = task.pointer(path).and_then(Value::as_f64);
                // The end of the input is no moment.
                let value =
                    value.filter(|_| path != "/watermark_ms" || task["watermark_ms"] != i64::MAX);
                if let Some(value) = value {
                    expect(
                        metric,
                        &labels,
                        if path == "/watermark_ms" {
                            value / 1e3
                        } else {
                            value
                        },
                    );
                }
            }
            let waiting = f64::from(u8::from(!task["waits_for"].is_null()));
            expect("squall_waiting", &labels, waiting);
            let holder = task["held_back_by"].as_str().unwrap_or_default();
            let [component, task_number] = labels;
            expect(
                "squall_watermark_holder",
                &[component, task_number, ("holder", holder)],
                1.0,
            );
            for (split, lag) in task["lag_records"].as_object().into_iter().flatten() {
                let labels = [component, task_number, ("split", split)];
                expect(
                    "squall_source_lag_records",
                    &labels,
                    lag.as_f64().unwrap_or(f64::NAN),
                );
            }
        }
    }
    for (metric, path) in OF_RUN {
        let value = stats.pointer(path).and_then(Value::as_f64);
        expect(metric, &[], value.unwrap_or(f64::NAN));
    }
    expect("squall_running", &[], 0.0);
    for (metric, path) in HISTOGRAMS {
        let histogram = stats.pointer(path).unwrap_or(&Value::Null);
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let count = number(&histogram["count"]);
        expect(&format!("{metric}_count"), &[], count);
        expect(&format!("{metric}_sum"), &[], number(&histogram["sum"]));
        let bucket = format!("{metric}_bucket");
        expect(&bucket, &[("le", "+Inf")], count);
        for bound in histogram["buckets"].as_array().into_iter().flatten() {
            let le = format!("{:?}", number(&bound["le"]));
            expect(&bucket, &[("le", &le)], number(&bound["count"]));
        }
    }
    expected
}

/// The table of metrics, to which the parser's families are compared.
fn families_are_described(families: &[Value], counters: &str) {
    let described: Vec<_> = described().collect();
    assert_eq!(families.len(), described.len());
    for (family, metric) in families.iter().zip(described) {
        let name = metric.name.strip_suffix(counters).unwrap_or(&metric.name);
        assert_eq!(family["name"], name);
        assert_eq!(family["kind"], metric.kind, "{name}");
        assert_eq!(family["help"], metric.help, "{name}");
        for sample in family["samples"].as_array().into_iter().flatten() {
            let labels = sample[1].as_object().into_iter().flatten();
            let labels: Vec<_> = labels.map(|(label, _)| label.as_str()).collect();
            let mut described = metric.labels.to_vec();
            described.extend((sample[0] == format!("{name}_bucket")).then_some("le"));
            described.sort_unstable();
            assert_eq!(labels, described, "{name}");
        }
    }
}

#[test]
fn a_prometheus_parser_reads_the_numbers_of_the_summary() -> Result {
    let job = Job::new()?;
    let running = job.start()?;
    let watch = running.watch();
    let server = serve(watch.clone(), HttpOptions::at(([127, 0, 0, 1], 0).into()))?;
    let summary = running.wait()?;

    // The run has what the test is about, and the watch knows all of it after the end.
    let stats = &summary.stats;
    assert_eq!(stats.late(), ROWS / LATE_EVERY);
    assert_eq!(stats.dead_letters(), ROWS / WRONG_EVERY - ROWS / LATE_EVERY);
    assert!(
        stats
            .commits
            .as_ref()
            .is_some_and(|commits| commits.commits > 0)
    );
    let seen = watch.see();
    assert_eq!(seen.phase, Phase::Ended { error: None });
    assert_eq!(&seen.stats, stats);

    let json = serde_json::to_value(&summary)?;
    let expected = expected(&json["stats"]);
    for (split, _) in LAG {
        let labels = labelled(&[("component", "feed"), ("task", "0"), ("split", split)]);
        let key = ("squall_source_lag_records".to_owned(), labels);
        assert!(expected.contains_key(&key), "{key:?}");
    }
    for (accept, format, content_type, counters) in [
        (
            "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5",
            "openmetrics",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "_total",
        ),
        (
            "Accept: */*",
            "text",
            "text/plain; version=0.0.4; charset=utf-8",
            "_total",
        ),
    ] {
        let answer = ask(server.address(), "GET /metrics", &[accept])?;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some(content_type));
        let families = parsed(&answer.body, format)?;
        families_are_described(&families, counters);
        let found = samples(&families)?;
        let missing: Vec<_> = expected
            .keys()
            .filter(|it| !found.contains_key(it))
            .collect();
        let more: Vec<_> = found
            .keys()
            .filter(|it| !expected.contains_key(it))
            .collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "{format}: {missing:?}, {more:?}"
        );
        for (sample, value) in &expected {
            // The text is that of the number itself: nothing is rounded.
            assert!(
                (found[sample] - value).abs() <= f64::EPSILON * value.abs(),
                "{sample:?}: {} and {value}",
                found[sample]
            );
        }
    }
    Ok(())
}

#[test]
fn a_parser_reads_units() -> Result {
    let job = Job::new()?;
    let running = job.start()?;
    let server = serve(running.watch(), HttpOptions::at(([127, 0, 0, 1], 0).into()))?;
    let accept = ["Accept: application/openmetrics-text"];
    // While it runs.
    let answer = ask(server.address(), "GET /metrics", &accept)?;
    running.wait()?;
    let families = parsed(&answer.body, "openmetrics")?;
    let unit = |name: &str| {
        let family = families.iter().find(|family| family["name"] == name);
        family.map(|family| family["unit"].clone())
    };
    assert_eq!(unit("squall_busy_seconds"), Some(json!("seconds")));
    assert_eq!(unit("squall_sink_pending_bytes"), Some(json!("bytes")));
    assert_eq!(unit("squall_source_lag_records"), Some(json!("records")));
    assert_eq!(unit("squall_tuples_in"), Some(json!("")));
    Ok(())
}

/// The processor time of a scrape, the client's included, is printed: `--nocapture` shows it.
#[test]
fn a_scrape_is_measured() -> Result {
    const SCRAPES: u32 = 200;
    let job = Job::new()?;
    let running = job.start()?;
    let server = serve(running.watch(), HttpOptions::at(([127, 0, 0, 1], 0).into()))?;
    let summary = running.wait()?;
    let time = |clock| {
        let time = clock_gettime(clock);
        Duration::new(
            time.tv_sec.unsigned_abs(),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    };
    let (before, began) = (time(ClockId::ProcessCPUTime), Instant::now());
    let mut bytes = 0;
    for _ in 0..SCRAPES {
        let answer = ask(server.address(), "GET /metrics", &[])?;
        assert_eq!(answer.status, 200);
        bytes = answer.body.len();
    }
    let wall = began.elapsed();
    let processor = time(ClockId::ProcessCPUTime).saturating_sub(before);
    let tasks: usize = summary.stats.components.iter().map(|c| c.tasks.len()).sum();
    println!(
        "a scrape of {tasks} tasks, {bytes} bytes: {:?} of processor time, {:?} in all",
        processor / SCRAPES,
        wall / SCRAPES,
    );
    Ok(())
}

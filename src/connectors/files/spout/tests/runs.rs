//! Files in, a file of JSON lines out, by the runtime, which fails on purpose.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::connectors::JsonLines;
use crate::testing::{Fault, TopologyTest};
use crate::{DataDir, RunOptions, Text, Topology};

#[derive(squall_macros::Tuple, Clone, Debug, serde::Serialize)]
struct Line {
    text: Text,
}

fn copying(files: &Files, to: &Path, made: impl Fn() + Send + Sync + 'static) -> Topology {
    let topology = Topology::named("copy");
    let files = files.clone();
    let lines = topology.spout("lines", move || {
        made();
        files.decode::<Line, _>(|record, out| {
            out.emit(Line {
                text: record.text().into(),
            });
            Ok(())
        })
    });
    let lines = lines.parallelism(2);
    let path = to.to_owned();
    let written = topology.sink("written", move || JsonLines::<Line>::file(&path));
    let _ = written.global_grouping(&lines);
    topology
}

/// Copies the files line by line; gives the lines in order, and how many spouts were made.
fn copy(files: &Files, to: &Path, data: &DataDir, faults: Faults) -> (Vec<String>, usize) {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let topology = copying(files, to, move || _ = count.fetch_add(1, Ordering::Relaxed));
    let options = RunOptions {
        epoch: Duration::from_millis(1),
        commit: Duration::from_millis(3),
        batch_tuples: 8,
        data_dir: Some(data.clone()),
        faults,
        ..RunOptions::default()
    };
    TopologyTest::new(topology).options(options).run().unwrap();
    let mut lines: Vec<String> = fs::read_to_string(to)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort_unstable();
    (lines, made.load(Ordering::Relaxed))
}

#[test]
fn every_line_is_copied_once_wherever_the_run_is_killed() {
    let world = World::new();
    let mut expected = Vec::new();
    for name in ["a.txt", "b.txt", "c.gz"] {
        let lines: Vec<String> = (0..150).map(|number| format!("{name} {number}")).collect();
        let text = lines.join("\n");
        if name == "c.gz" {
            world.write(name, gzip(text.as_bytes()));
        } else {
            world.write(name, text);
        }
        expected.extend(lines.iter().map(|line| format!("{{\"text\":\"{line}\"}}")));
    }
    expected.sort_unstable();
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("out.ndjson");
    let files = world.at("");
    let mut failures = 0;
    for point in Faults::POINTS {
        for fault in [Fault::Kill, Fault::Error] {
            for nth in [1, 2, 5, 20] {
                let faults = Faults::none()
                    .at(point, nth, fault)
                    .at(point, nth + 1, fault);
                let data = DataDir::in_memory().unwrap();
                let (lines, made) = copy(&files, &to, &data, faults);
                assert_eq!(lines, expected, "{point} {nth} {fault:?}");
                let (again, undisturbed) = copy(&files, &to, &data, Faults::none());
                assert_eq!(again, expected, "nothing is left to be read");
                failures += usize::from(made > undisturbed);
            }
        }
    }
    assert!(failures > 40, "only {failures} runs failed in between");
}

#[test]
fn what_was_appended_is_copied_by_the_next_run() {
    let world = World::new();
    let outside = tempfile::tempdir().unwrap();
    let to = outside.path().join("out.ndjson");
    world.write("a.txt", "one\ntw");
    let files = world.at("a.txt").keep_open();
    let data = DataDir::in_memory().unwrap();
    let (first, _) = copy(&files, &to, &data, Faults::none());
    assert_eq!(first, [r#"{"text":"one"}"#]);
    world.append("a.txt", "o\nthree");
    let (second, _) = copy(&files, &to, &data, Faults::none());
    assert_eq!(second, [r#"{"text":"one"}"#, r#"{"text":"two"}"#]);
}

#[test]
fn what_an_open_quote_takes_is_lost_line_by_line() {
    let world = World::new();
    let rows = "1,2\n".repeat(99);
    world.write("a.csv", format!("a,b\n{rows}\"1,2\n{rows}"));
    let files = world.at("a.csv");
    let outside = tempfile::tempdir().unwrap();
    let run = |limit: &str| {
        let topology = copying(&files, &outside.path().join("out.ndjson"), || ());
        let options = RunOptions {
            max_dead_letters: Some(limit.parse().unwrap()),
            ..RunOptions::default()
        };
        TopologyTest::new(topology).options(options).run()
    };
    assert_eq!(run("51%").unwrap().stats.dead_letters(), 1);
    let error = run("49%").unwrap_err().to_string();
    let told = "100 of 199 records of `lines` (50.3 %) are dead letters, but the limit is 49%";
    assert!(error.contains(told), "{error}");
}

//! A watch sees a run while it goes on, while it is restored, and after its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use serde_json::{Value, json};
use squall::bolts::Map;
use squall::run::{Phase, Restarts};
use squall::{Context, Next, Result, RunOptions, Sink, Text, Topology, Word, millis, secs};

use crate::durable::{Words, memory};
use crate::{Number, numbers, quiet, wait_until};

/// Five thousand words, of which one is a panic the first time.
fn panics_once() -> Topology {
    let topology = Topology::named("once");
    let words = topology.spout("words", || {
        Words::up_to(5_000, Next::End, |number| Text::from(number.to_string()))
    });
    let panicked = Arc::new(AtomicBool::new(false));
    let same = topology
        .bolt("same", move || {
            let panicked = Arc::clone(&panicked);
            Map::new(move |word: &Word| {
                let fails = word.word == "3000" && !panicked.swap(true, Ordering::Relaxed);
                assert!(!fails, "three thousand");
                Ok(word.clone())
            })
        })
        .shuffle_grouping(&words);
    topology.sink("out", || Taken).shuffle_grouping(&same);
    topology
}

struct Taken;

impl Sink for Taken {
    type Input = Word;

    fn write(&mut self, _: &[Word]) -> Result {
        Ok(())
    }
}

fn durable(first_pause: std::time::Duration) -> RunOptions {
    RunOptions {
        data_dir: Some(memory()),
        epoch: millis(5),
        commit: millis(5),
        restarts: Restarts {
            first_pause,
            longest_pause: first_pause,
            ..Restarts::default()
        },
        ..quiet()
    }
}

#[test]
fn numbers_go_on_over_a_restart_and_no_tuple_counts_twice() {
    let running = panics_once().start(durable(millis(1))).unwrap();
    let watch = running.watch();
    assert_eq!(watch.plan().name, "once");
    let summary = running.wait().unwrap();
    let seen = watch.see();
    assert_eq!(seen.phase, Phase::Ended { error: None });
    assert_eq!(seen.stats, summary.stats);
    let stats = seen.stats;
    assert_eq!((stats.restarts, stats.tuples), (1, 5_000));
    for component in &stats.components {
        let tuples: u64 = component.tasks.iter().map(|task| task.tuples_in).sum();
        assert_eq!(tuples, component.tuples_in, "{}", component.component);
    }
    assert_eq!(stats.component("out").unwrap().tuples_in, 5_000);
    // Every epoch and commit is in its histogram, also those before the failure.
    let commits = stats.commits.unwrap();
    assert_eq!(commits.duration.count(), commits.commits);
    assert_eq!(commits.size.count(), commits.commits);
    #[allow(clippy::cast_precision_loss)]
    let bytes = commits.bytes as f64;
    assert!((commits.size.sum() - bytes).abs() < 0.5);
    assert!(commits.commits > 0 && stats.epoch_latency.count() > 0);
}

#[test]
fn a_run_that_is_being_restored_says_why_and_keeps_its_numbers() {
    // Nobody waits for a minute: a stop ends the pause.
    let running = panics_once().start(durable(secs(60))).unwrap();
    let watch = running.watch();
    wait_until(&running, || watch.see().phase != Phase::Running);
    let seen = watch.see();
    let Phase::Restoring { error } = seen.phase else {
        panic!("{seen:?}");
    };
    assert!(
        error.starts_with("same[0] panicked: three thousand"),
        "{error}"
    );
    assert!(seen.stats.tuples > 0);
    assert_eq!(running.stats(), None);
    running.stop();
    running.wait().unwrap();
    assert_eq!(watch.see().phase, Phase::Ended { error: None });
}

#[test]
fn the_end_of_a_run_that_fails_is_seen_with_its_last_numbers() {
    let topology = Topology::named("fails");
    let spout = topology.spout("numbers", || numbers(100));
    let refuse = |number: &Number| {
        assert_ne!(number.value, 99, "the last one");
        Ok(number.clone())
    };
    topology
        .bolt("fragile", move || Map::new(refuse))
        .shuffle_grouping(&spout);
    let running = topology.start(quiet()).unwrap();
    let watch = running.watch();
    let error = running.wait().unwrap_err().to_string();
    let seen = watch.see();
    assert_eq!(seen.phase, Phase::Ended { error: Some(error) });
    assert_eq!(seen.stats.tuples, 100);
}

/// Takes a batch whenever it is let.
struct Gated {
    gate: Arc<Mutex<mpsc::Receiver<()>>>,
    context: Option<Context>,
}

impl Sink for Gated {
    type Input = Number;

    fn prepare(&mut self, context: &Context) -> Result {
        self.context = Some(context.clone());
        Ok(())
    }

    fn write(&mut self, _: &[Number]) -> Result {
        let status = &self.context.as_ref().ok_or("not prepared")?.status;
        status.waits("the gate is closed");
        status.set_lag("gate", 1);
        // The sender is gone where the gate is open for good.
        let _ = self.gate.lock().map_err(|_| "poisoned")?.recv();
        status.goes_on();
        Ok(())
    }
}

#[test]
fn a_task_that_is_blocked_has_used_up_its_credit_and_its_reader_says_why() {
    const CREDIT: usize = 8;
    let (open, gate) = mpsc::channel();
    let gate = Arc::new(Mutex::new(gate));
    let topology = Topology::named("gated");
    let spout = topology.spout("numbers", || numbers(1_000));
    topology
        .sink("out", move || Gated {
            gate: Arc::clone(&gate),
            context: None,
        })
        .shuffle_grouping(&spout);
    let options = RunOptions {
        credit_tuples: Some(CREDIT),
        ..quiet()
    };
    let running = topology.start(options).unwrap();
    let watch = running.watch();
    let of = |component: &str| {
        let stats = watch.see().stats;
        stats.component(component).unwrap().tasks[0].clone()
    };
    wait_until(&running, || {
        of("numbers").in_flight > 0 && of("out").waits_for.is_some()
    });
    let numbers = of("numbers");
    assert_eq!(numbers.credit, CREDIT as u64);
    // A first batch may be twice as large as the credit.
    assert!(numbers.in_flight <= 2 * numbers.credit, "{numbers:?}");
    let out = of("out");
    assert_eq!(out.waits_for.as_deref(), Some("the gate is closed"));
    assert_eq!(out.held_back_by, "numbers[0]");
    assert_eq!(out.lag.get("gate"), Some(&1));
    // An epoch was cut that the sink has not passed: it is late by as much.
    wait_until(&running, || {
        of("out").sink.is_some_and(|sink| sink.delay > millis(150))
    });
    drop(open);
    let summary = running.wait().unwrap();
    let [numbers, out] = ["numbers", "out"].map(|id| summary.stats.component(id).unwrap());
    assert_eq!((numbers.tasks[0].in_flight, out.tuples_in), (0, 1_000));
    assert!(numbers.tasks[0].blocked > millis(100), "{numbers:?}");
    let sink = out.tasks[0].sink.unwrap();
    assert_eq!((sink.pending_bytes, sink.delay), (0, secs(0)));
    assert_eq!(numbers.tasks[0].sink, None);
}

#[test]
fn names_in_json_have_units() {
    let summary = panics_once().run(durable(millis(1))).unwrap();
    let stats = &summary.stats;
    let json = serde_json::to_value(&summary).unwrap();
    let elapsed = json!(stats.elapsed.as_secs_f64());
    assert_eq!(json["stats"]["elapsed_seconds"], elapsed);
    let end = json!({"at_ms": i64::MAX, "held_back_by": stats.watermark.1});
    assert_eq!(json["stats"]["watermark"], end);
    let task = &json["stats"]["components"][0]["tasks"][0];
    let names: Vec<_> = task.as_object().unwrap().keys().cloned().collect();
    let mut wanted = [
        "tuples_in",
        "tuples_out",
        "late",
        "dead_letters",
        "batches",
        "busy_seconds",
        "blocked_seconds",
        "open_windows",
        "held_tuples",
        "in_flight_tuples",
        "credit_tuples",
        "watermark_ms",
        "held_back_by",
        "waits_for",
        "lag_records",
        "sink",
    ];
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    assert_eq!(task["sink"], Value::Null);
    let commits = &json["stats"]["commits"];
    let buckets = commits["duration_seconds"]["buckets"].as_array().unwrap();
    assert_eq!(buckets[0]["le"], json!(0.001));
    assert_eq!(commits["duration_seconds"]["count"], commits["commits"]);
}

//! Health and the topology as JSON, from a run's start to its end.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use squall::testing::Events;
use squall::{RunOptions, Sink, Topology, Word};
use squall_http::{HttpOptions, Server, serve};

use crate::Result;
use crate::ask::{Answer, get};
use crate::job::{AWAY, Job};

/// A loaded computer is twenty times slower.
const PATIENCE: Duration = Duration::from_mins(2);

/// Asks until the answer is as it should be.
fn until(server: &Server, path: &str, right: impl Fn(&Answer) -> bool) -> Result<Answer> {
    let began = Instant::now();
    loop {
        let answer = get(server.address(), path)?;
        if right(&answer) {
            return Ok(answer);
        }
        assert!(began.elapsed() < PATIENCE, "{answer:?}");
        thread::park_timeout(Duration::from_millis(10));
    }
}

fn loopback() -> HttpOptions {
    HttpOptions::at(([127, 0, 0, 1], 0).into())
}

/// The sink of the feed, in the statistics.
fn target(topology: &Value) -> &Value {
    let components = topology["stats"]["components"].as_array();
    let mut components = components.into_iter().flatten();
    let target = components.find(|component| component["component"] == "target");
    target.map_or(&Value::Null, |target| &target["tasks"][0])
}

#[test]
fn health_is_bad_while_a_target_is_away_and_good_again_afterwards() -> Result {
    let job = Job::new()?;
    job.away.store(true, Ordering::Relaxed);
    job.ends.store(false, Ordering::Relaxed);
    let running = job.start()?;
    let server = serve(running.watch(), loopback())?;

    let away = until(&server, "/health", |answer| answer.status == 503)?;
    assert_eq!(away.header("content-type"), Some("application/json"));
    let reasons = json!([{"task": "target[0]", "reason": AWAY}]);
    assert_eq!(
        away.json()?,
        json!({"status": "waiting", "reasons": reasons})
    );

    // What is not delivered is told, and how long it has been so.
    let topology = until(&server, "/api/topology", |answer| {
        let topology = answer.json().unwrap_or_default();
        target(&topology)["sink"]["delay_seconds"].as_f64() > Some(0.2)
    })?;
    let topology = topology.json()?;
    let task = target(&topology);
    assert_eq!(task["waits_for"], AWAY);
    assert_eq!(task["sink"]["pending_bytes"], 1_000, "of 100 words");
    assert_eq!(topology["phase"], json!({"name": "running"}));

    job.away.store(false, Ordering::Relaxed);
    let well = until(&server, "/health", |answer| answer.status == 200)?;
    assert_eq!(well.json()?, json!({"status": "ok", "reasons": []}));

    job.ends.store(true, Ordering::Relaxed);
    let summary = running.wait()?;
    let ended = get(server.address(), "/health")?;
    assert_eq!(ended.status, 200);
    assert_eq!(ended.json()?, json!({"status": "ended", "reasons": []}));
    let topology = get(server.address(), "/api/topology")?.json()?;
    assert_eq!(topology["stats"], serde_json::to_value(&summary.stats)?);
    assert_eq!(
        target(&topology)["sink"],
        json!({"pending_bytes": 0, "delay_seconds": 0.0})
    );
    Ok(())
}

#[test]
fn the_topology_has_the_plan_as_it_is_drawn() -> Result {
    let job = Job::new()?;
    let running = job.start()?;
    let watch = running.watch();
    let server = serve(watch.clone(), loopback())?;
    running.wait()?;
    let topology = get(server.address(), "/api/topology")?.json()?;
    let drawn: Value = serde_json::from_str(&watch.plan().to_json())?;
    assert_eq!(topology["plan"], drawn);
    assert_eq!(topology["phase"], json!({"name": "ended", "error": null}));
    Ok(())
}

struct Full;

impl Sink for Full {
    type Input = Word;

    fn write(&mut self, _: &[Word]) -> squall::Result {
        Err("the disk is full".into())
    }
}

#[test]
fn health_tells_why_a_run_has_failed() -> Result {
    let topology = Topology::named("fails");
    let words = topology.spout("words", || Events::now([Word { word: "a".into() }]));
    topology.sink("out", || Full).global_grouping(&words);
    let options = RunOptions {
        signals: false,
        ..RunOptions::default()
    };
    let running = topology.start(options)?;
    let server = serve(running.watch(), loopback())?;
    let error = running.wait().err().ok_or("it fails")?.to_string();
    assert_eq!(error, "out[0] failed: the disk is full");
    let failed = get(server.address(), "/health")?;
    assert_eq!(failed.status, 503);
    let reasons = json!([{"reason": error}]);
    assert_eq!(
        failed.json()?,
        json!({"status": "failed", "reasons": reasons})
    );
    // The numbers up to the failure are still there.
    let topology = get(server.address(), "/api/topology")?.json()?;
    assert_eq!(topology["stats"]["tuples"], 1);
    Ok(())
}

//! What is served of a run that fails and goes on from its last commit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use squall::run::{Phase, Restarts, Running};
use squall::{DataDir, Next, RunOptions, Spout, SpoutOut, Topology, Word, millis, secs};
use squall_http::{HttpOptions, Server, serve};

use crate::Result;
use crate::ask::get;
use crate::job::nowhere;

/// A loaded computer is twenty times slower.
const PATIENCE: Duration = Duration::from_mins(2);

const WORDS: u64 = 100;

/// What a test tells the spout.
#[derive(Clone, Default)]
struct Told {
    emits: Arc<AtomicBool>,
    fails: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
}

/// Emits words while it may, and fails once when it is told to.
struct Words {
    told: Told,
    left: u64,
}

impl Spout for Words {
    type Output = Word;

    fn next(&mut self, out: &mut SpoutOut<Word>) -> squall::Result<Next> {
        if self.told.fails.swap(false, Relaxed) {
            return Err("the cable was cut".into());
        }
        if self.left > 0 && self.told.emits.load(Relaxed) {
            self.left -= 1;
            out.emit(Word { word: "a".into() });
            return Ok(Next::More);
        }
        if self.left == 0 && self.told.ends.load(Relaxed) {
            return Ok(Next::End);
        }
        Ok(Next::After(millis(2)))
    }
}

/// A run that commits at its end alone, so that a failure takes everything back.
fn start(told: &Told, first_pause: Duration) -> Result<Running> {
    let topology = Topology::named("restarted");
    let told = told.clone();
    let words = topology.spout("words", move || Words {
        told: told.clone(),
        left: WORDS,
    });
    topology.sink("out", nowhere).global_grouping(&words);
    let options = RunOptions {
        signals: false,
        commit: secs(3_600),
        data_dir: Some(DataDir::in_memory()?),
        restarts: Restarts {
            first_pause,
            longest_pause: first_pause,
            ..Restarts::default()
        },
        ..RunOptions::default()
    };
    Ok(topology.start(options)?)
}

fn wait_until(done: impl Fn() -> Result<bool>) -> Result {
    let began = Instant::now();
    while !done()? {
        assert!(began.elapsed() < PATIENCE, "it has not come to that");
        thread::park_timeout(millis(5));
    }
    Ok(())
}

/// The first sample of a line that begins so; all here are whole.
fn sample(server: &Server, beginning: &str) -> Result<u64> {
    let metrics = get(server.address(), "/metrics")?.body;
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.starts_with(beginning));
    let line = line.ok_or_else(|| format!("no {beginning} in {metrics}"))?;
    let (_, value) = line.rsplit_once(' ').ok_or("no value")?;
    Ok(value.trim_end_matches(".0").parse()?)
}

const OUT: &str = "squall_tuples_out_total{topology=\"restarted\",component=\"words\"";

/// A counter that falls is that of a new process for Prometheus, which would add all of it again.
#[test]
fn counters_stand_still_while_work_is_repeated() -> Result {
    let told = Told::default();
    told.emits.store(true, Relaxed);
    let running = start(&told, millis(1))?;
    let (watch, loopback) = (running.watch(), ([127, 0, 0, 1], 0).into());
    let server = serve(watch.clone(), HttpOptions::at(loopback))?;
    wait_until(|| Ok(sample(&server, OUT)? >= WORDS))?;

    told.emits.store(false, Relaxed);
    told.fails.store(true, Relaxed);
    wait_until(|| {
        let seen = watch.see();
        Ok(seen.phase == Phase::Running && seen.stats.restarts == 1 && seen.stats.tuples == 0)
    })?;
    assert_eq!(sample(&server, OUT)?, WORDS);
    assert_eq!(sample(&server, "squall_restarts_total")?, 1);

    told.emits.store(true, Relaxed);
    told.ends.store(true, Relaxed);
    let summary = running.wait()?;
    assert_eq!(summary.stats.tuples, WORDS);
    assert_eq!(sample(&server, OUT)?, WORDS);
    Ok(())
}

#[test]
fn health_is_bad_while_a_run_is_restored() -> Result {
    let told = Told::default();
    // Nobody waits for so long: a stop ends the pause.
    let running = start(&told, secs(600))?;
    let server = serve(running.watch(), HttpOptions::at(([127, 0, 0, 1], 0).into()))?;
    assert_eq!(get(server.address(), "/health")?.status, 200);
    told.fails.store(true, Relaxed);
    wait_until(|| Ok(get(server.address(), "/health")?.status == 503))?;
    let health = get(server.address(), "/health")?.json()?;
    let reasons = json!([{"reason": "words[0] failed: the cable was cut"}]);
    assert_eq!(health, json!({"status": "restoring", "reasons": reasons}));
    assert_eq!(sample(&server, "squall_running")?, 0);
    running.stop();
    running.wait()?;
    Ok(())
}

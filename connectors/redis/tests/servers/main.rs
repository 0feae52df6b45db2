//! The sinks against real servers: what they leave there after every failure, what they say while a
//! server is away, and what they refuse.

mod away;
mod cluster;
mod contract;
mod logins;
mod rankings;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use redis::{Client, Connection, FromRedisValue};
use squall::run::{Running, Status};
use squall::{
    Context, DataDir, Epoch, Next, Result, RunOptions, Sink, Spout, SpoutOut, States, Topology,
    Tuple, Value, millis, secs,
};
use squall_redis::{RedisSink, Server, Template};
use squall_testbed::RedisAt;

/// Far more than anything here takes.
const LONG: Duration = secs(120);

#[derive(Tuple, Clone, Debug, PartialEq, serde::Serialize)]
struct Score {
    player: u64,
    points: u64,
}

fn template(text: &str) -> Template {
    text.parse().unwrap()
}

fn url(at: &RedisAt) -> String {
    format!("redis://{}", at.address)
}

fn server(at: &RedisAt) -> Server {
    Server::at(&url(at)).unwrap()
}

fn connect(at: &RedisAt) -> Connection {
    Client::open(url(at)).unwrap().get_connection().unwrap()
}

/// Asks by words: `SET a 1`.
fn ask<T: FromRedisValue>(connection: &mut Connection, words: &str) -> Result<T> {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap_or_default());
    for word in words {
        command.arg(word);
    }
    Ok(command.query(connection)?)
}

/// All keys that begin so, with their values.
fn keys(at: &RedisAt, prefix: &str) -> Result<BTreeMap<String, String>> {
    let mut connection = connect(at);
    let names: Vec<String> = ask(&mut connection, &format!("KEYS {prefix}*"))?;
    let read = |name: String| {
        let value = redis::cmd("GET").arg(&name).query(&mut connection)?;
        Ok((name, value))
    };
    names.into_iter().map(read).collect()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < LONG, "{what} within {LONG:?}");
        std::thread::park_timeout(millis(5));
    }
}

/// What a spout is told, and tells.
#[derive(Default)]
struct Flow {
    is_over: AtomicBool,
    /// It fails once.
    fails: AtomicBool,
    emitted: AtomicU64,
}

/// Scores of ten players, one after the other, a few at a time until they are let go.
struct Scores {
    next: Value<u64>,
    end: u64,
    flow: Arc<Flow>,
}

const PLAYERS: u64 = 10;

impl Spout for Scores {
    type Output = Score;
    fn next(&mut self, out: &mut SpoutOut<Score>) -> Result<Next> {
        let some = *self.next..self.end.min(*self.next + 7);
        if self.flow.fails.swap(false, Ordering::AcqRel) {
            return Err("the cable was cut".into());
        }
        self.flow.emitted.store(some.start, Ordering::Release);
        if some.is_empty() || self.flow.is_over.load(Ordering::Acquire) {
            return Ok(Next::End);
        }
        *self.next = some.end;
        for points in some {
            let player = points % PLAYERS;
            out.emit(Score { player, points });
        }
        Ok(Next::After(millis(1)))
    }
    fn state(&mut self, states: &mut States<'_>) {
        states.keep("next", &mut self.next);
    }
}

/// A spout that has nothing to say.
struct Quiet;

impl Spout for Quiet {
    type Output = Score;
    fn next(&mut self, _: &mut SpoutOut<Score>) -> Result<Next> {
        Ok(Next::After(millis(5)))
    }
}

/// What the last player has in the end.
fn last_scores(prefix: &str, end: u64) -> BTreeMap<String, String> {
    let last = end - PLAYERS..end;
    let score = |points: u64| (format!("{prefix}{}", points % PLAYERS), points.to_string());
    last.map(score).collect()
}

/// Where a test sees what the tasks of a sink wait for.
#[derive(Clone, Default)]
struct Seen {
    tasks: Arc<Mutex<Vec<Status>>>,
    most_waiting: Arc<AtomicUsize>,
    flow: Arc<Flow>,
}

impl Seen {
    fn waits_for(&self) -> Option<String> {
        let tasks = self.tasks.lock().unwrap();
        tasks.iter().find_map(Status::waits_for)
    }

    /// The most bytes that have waited in memory.
    fn most_waiting(&self) -> usize {
        self.most_waiting.load(Ordering::Relaxed)
    }

    /// Lets the spout come to its end; gives how many it has emitted when the run has ended.
    fn finish(&self, running: Running) -> Result<u64> {
        self.flow.is_over.store(true, Ordering::Release);
        running.wait()?;
        assert_eq!(self.waits_for(), None);
        Ok(self.flow.emitted.load(Ordering::Acquire))
    }

    fn wait_for(&self, words: &str) {
        wait_until(words, || {
            self.waits_for()
                .is_some_and(|reason| reason.contains(words))
        });
    }
}

/// A sink whose status is seen.
struct Watched<S> {
    sink: S,
    seen: Seen,
}

impl<S: Sink> Sink for Watched<S> {
    type Input = S::Input;
    fn prepare(&mut self, context: &Context) -> Result {
        self.seen.tasks.lock().unwrap().push(context.status.clone());
        self.sink.prepare(context)
    }
    fn write(&mut self, tuples: &[S::Input]) -> Result {
        let written = self.sink.write(tuples);
        let waiting = self.sink.waiting_bytes();
        self.seen.most_waiting.fetch_max(waiting, Ordering::Relaxed);
        written
    }
    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        self.sink.outbox()
    }
    fn waiting_bytes(&self) -> usize {
        self.sink.waiting_bytes()
    }
    fn deliver(&mut self, outbox: &[u8], epoch: Option<u64>) -> Result {
        self.sink.deliver(outbox, epoch)
    }
    fn flush(&mut self, epoch: &Epoch) -> Result {
        self.sink.flush(epoch)
    }
}

/// Commits often.
fn on(data_dir: &DataDir) -> RunOptions {
    RunOptions {
        data_dir: Some(data_dir.clone()),
        commit: millis(20),
        epoch: millis(10),
        signals: false,
        ..RunOptions::default()
    }
}

/// A run that delivers scores to keys with this prefix.
fn scores(server: &Server, prefix: &str, end: u64, options: RunOptions) -> Result<(Running, Seen)> {
    let topology = Topology::named("scores");
    let seen = Seen::default();
    let (watched, flow) = (seen.clone(), Arc::clone(&seen.flow));
    let spout = topology.spout("scores", move || Scores {
        next: Value::default(),
        end,
        flow: Arc::clone(&flow),
    });
    let (server, key) = (server.clone(), template(&format!("{prefix}{{player}}")));
    topology
        .sink("redis", move || Watched {
            sink: RedisSink::<Score>::new(&server, &key).value(&template("{points}")),
            seen: watched.clone(),
        })
        .global_grouping(&spout);
    Ok((topology.start(options)?, seen))
}

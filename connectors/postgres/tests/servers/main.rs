//! The sinks against real servers: what they leave there after every failure, what they say while a
//! server is away, and what they refuse.

mod away;
mod contract;
mod directories;
mod logins;
mod rankings;
mod tables;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use squall::run::{Running, Status};
use squall::{
    Context, DataDir, Epoch, Next, Result, RunOptions, Sink, Spout, SpoutOut, States, Topology,
    Tuple, Value, millis, secs,
};
use squall_postgres::{PostgresSink, Server};
use squall_testbed::PostgresAt;
use squall_testbed::postgres::{PASSWORD, USER};
use tokio::runtime::Runtime;
use tokio_postgres::{NoTls, SimpleQueryMessage};

/// Far more than anything here takes.
const LONG: Duration = secs(120);

#[derive(Tuple, Clone, Debug, PartialEq, serde::Serialize)]
struct Score {
    player: u64,
    points: u64,
}

fn score(player: u64, points: u64) -> Score {
    Score { player, points }
}

fn url(at: &PostgresAt) -> String {
    format!("postgres://{USER}@127.0.0.1:{}/{USER}", at.port)
}

fn server(at: &PostgresAt) -> Server {
    Server::at(&url(at)).unwrap().password(PASSWORD)
}

/// A name that no other test of this server has.
fn unique(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{name}_{}_{number}", std::process::id())
}

/// A test's own connection.
struct Db {
    runtime: Runtime,
    client: tokio_postgres::Client,
}

impl Db {
    fn of(at: &PostgresAt) -> Result<Self> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_all().build()?;
        let client = runtime.block_on(async {
            let mut config: tokio_postgres::Config = url(at).parse()?;
            let (client, connection) = config.password(PASSWORD).connect(NoTls).await?;
            tokio::spawn(async { drop(connection.await) });
            Ok::<_, tokio_postgres::Error>(client)
        })?;
        Ok(Self { runtime, client })
    }

    /// The rows of an answer, with blanks between their columns.
    fn ask(&self, query: &str) -> Result<Vec<String>> {
        let answer = self.runtime.block_on(self.client.simple_query(query))?;
        let rows = answer.into_iter().filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                let columns = (0..row.len()).map(|column| row.get(column).unwrap_or("null"));
                Some(columns.collect::<Vec<_>>().join(" "))
            }
            _ => None,
        });
        Ok(rows.collect())
    }
}

/// A table in which points add up, so that what is applied twice shows.
fn adding(db: &Db, name: &str) -> Result<String> {
    let table = unique(name);
    db.ask(&format!(
        "CREATE TABLE {table} (player bigint PRIMARY KEY, points bigint NOT NULL); \
         CREATE FUNCTION {table}_add() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN NEW.points := OLD.points + NEW.points; RETURN NEW; END'; \
         CREATE TRIGGER add BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_add()"
    ))?;
    Ok(table)
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
    emitted: AtomicU64,
}

/// One point for each of ten players in turn, a few at a time.
struct Points {
    next: Value<u64>,
    end: u64,
    flow: Arc<Flow>,
}

const PLAYERS: u64 = 10;

impl Spout for Points {
    type Output = Score;
    fn next(&mut self, out: &mut SpoutOut<Score>) -> Result<Next> {
        let some = *self.next..self.end.min(*self.next + PLAYERS);
        self.flow.emitted.store(some.start, Ordering::Release);
        if some.is_empty() || self.flow.is_over.load(Ordering::Acquire) {
            return Ok(Next::End);
        }
        *self.next = some.end;
        for number in some {
            out.emit(score(number % PLAYERS, 1));
        }
        Ok(Next::After(millis(1)))
    }
    fn state(&mut self, states: &mut States<'_>) {
        states.keep("next", &mut self.next);
    }
}

/// A sink that adds up what is written of a player within a commit, as the table does between commits.
struct Adds {
    sink: PostgresSink<Score>,
    sums: BTreeMap<u64, u64>,
    seen: Seen,
}

impl Sink for Adds {
    type Input = Score;
    fn prepare(&mut self, context: &Context) -> Result {
        self.seen.tasks.lock().unwrap().push(context.status.clone());
        self.sink.prepare(context)
    }
    fn write(&mut self, scores: &[Score]) -> Result {
        for Score { player, points } in scores {
            *self.sums.entry(*player).or_default() += points;
        }
        Ok(())
    }
    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        let sums = std::mem::take(&mut self.sums);
        let sums: Vec<Score> = sums
            .into_iter()
            .map(|(player, sum)| score(player, sum))
            .collect();
        self.sink.write(&sums)?;
        self.sink.outbox()
    }
    fn deliver(&mut self, outbox: &[u8], epoch: Option<u64>) -> Result {
        self.sink.deliver(outbox, epoch)
    }
    fn flush(&mut self, epoch: &Epoch) -> Result {
        self.sink.flush(epoch)
    }
}

/// Where a test sees what the tasks of a sink wait for.
#[derive(Clone, Default)]
struct Seen {
    tasks: Arc<Mutex<Vec<Status>>>,
    flow: Arc<Flow>,
}

impl Seen {
    fn waits_for(&self) -> Option<String> {
        let tasks = self.tasks.lock().unwrap();
        tasks.iter().find_map(Status::waits_for)
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

/// A run that delivers points to a table that adds them up.
fn points(
    server: &Server,
    table: &str,
    end: u64,
    tasks: usize,
    options: RunOptions,
) -> Result<(Running, Seen)> {
    let topology = Topology::named("points");
    let seen = Seen::default();
    let (watched, flow) = (seen.clone(), Arc::clone(&seen.flow));
    let spout = topology.spout("points", move || Points {
        next: Value::default(),
        end,
        flow: Arc::clone(&flow),
    });
    let (server, table) = (server.clone(), table.to_owned());
    topology
        .sink("postgres", move || Adds {
            sink: PostgresSink::new(&server, &table, ["player"]),
            sums: BTreeMap::new(),
            seen: watched.clone(),
        })
        .parallelism(tasks)
        .fields_grouping(&spout, Score::PLAYER);
    Ok((topology.start(options)?, seen))
}

/// A spout that has nothing to say.
struct Quiet;

impl Spout for Quiet {
    type Output = Score;
    fn next(&mut self, _: &mut SpoutOut<Score>) -> Result<Next> {
        Ok(Next::After(millis(5)))
    }
}

/// What such a table has in the end.
fn check_sums(db: &Db, table: &str, end: u64) -> Result {
    let found = db.ask(&format!("SELECT * FROM {table} ORDER BY player"))?;
    let expected = (0..PLAYERS).map(|player| format!("{player} {}", end / PLAYERS));
    assert_eq!(found, expected.collect::<Vec<_>>());
    Ok(())
}

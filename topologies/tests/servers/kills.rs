//! Runs and servers that are killed again and again: every ranking is there once, in order.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, thread};

use serde_json::Value;
use squall_testbed::postgres::{PASSWORD, USER};
use squall_testbed::{Kafka, Postgres, Redis, shared};

use crate::common::{Folder, Session, output, top_words};
use crate::topics;

/// How much is read, and how often the run and its broker are killed, where the environment does
/// not say it.
const EVENTS: u64 = 200_000;
const KILLS: u64 = 6;
const RESTARTS: u64 = 1;

const PARTITIONS: u64 = 4;

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |number| number.parse().unwrap())
}

/// Words of an hour, by partition: the same words come in all of them, at times that only the order
/// of a partition shows.
fn events(events: u64) -> Vec<Vec<String>> {
    let mut random = fastrand::Rng::with_seed(7);
    let each = events / PARTITIONS;
    let lines = (0..PARTITIONS).map(|partition| {
        let line = |number: u64| {
            // A window's words are not those of the next one.
            let millis = number * 3_600_000 / each + partition;
            let words = random.u64(1..40) + number * 20 / each;
            let word = random.u64(..words);
            format!(r#"{{"time":{millis},"word":"w{word}"}}"#)
        };
        (0..each).map(line).collect()
    });
    lines.collect()
}

const QUESTION: [&str; 13] = [
    "--field",
    "word",
    "--split",
    "none",
    "--time-field",
    "time",
    "--time-format",
    "unix-ms",
    "--window",
    "60s",
    "--slide",
    "10s",
    "--top=5",
];

/// The rankings of a run over files, one for each partition.
fn of_files(partitions: &[Vec<String>]) -> Vec<String> {
    let folder = Folder::with(&[]);
    let mut names = Vec::new();
    for (number, lines) in partitions.iter().enumerate() {
        let mut text = String::new();
        for line in lines {
            writeln!(text, "{line}").unwrap();
        }
        let name = folder.path(&format!("{number}.ndjson"));
        std::fs::write(&name, text).unwrap();
        names.push(name);
    }
    let input = folder.path("*.ndjson");
    let (stdout, _) = output(top_words(&["--json", "--input", &input]).args(QUESTION));
    stdout.lines().map(str::to_owned).collect()
}

/// A run that reads a topic and is killed again and again, and so is another server.
struct Killed {
    partitions: Vec<Vec<String>>,
    brokers: String,
    topic: &'static str,
    folder: Folder,
}

impl Killed {
    /// The topic is filled.
    fn of(brokers: String, topic: &'static str, events: Vec<Vec<String>>) -> Self {
        topics::make(&brokers, topic, events.len());
        topics::fill(&brokers, topic, &events);
        Self {
            partitions: events,
            brokers,
            topic,
            folder: Folder::with(&[]),
        }
    }

    /// Goes on until the input has ended; `restart` kills a server and starts it again.
    fn runs_to(&self, out: &[&str], environment: &[(&str, &str)], mut restart: impl FnMut(bool)) {
        let seed = fastrand::u64(..);
        eprintln!("seed {seed}");
        let mut moments = fastrand::Rng::with_seed(seed);
        let kills = number("SQUALL_KILLS", KILLS);
        let restarts = number("SQUALL_RESTARTS", RESTARTS);
        let events: usize = self.partitions.iter().map(Vec::len).sum();
        // Slow enough to be killed so often.
        let rate = (events as u64 / (2 * kills)).to_string();
        let input = format!("kafka://{}/{}", self.brokers, self.topic);
        let data = self.folder.path("data");
        let mut arguments = vec!["run", "rolling-top-words", "--input", &input, "--until-end"];
        arguments.extend(["--data-dir", &data, "--commit", "100ms", "--rate", &rate]);
        arguments.extend(out);
        arguments.extend(QUESTION);
        for kill in 0..kills {
            let mut session = Session::with(&arguments, environment);
            session.wait_for_log("is running");
            let span = Duration::from_millis(moments.u64(100..2_500));
            if session.ends_within(span) {
                let (status, logged) = session.end();
                assert!(status.success(), "{logged}");
                eprintln!("it had ended before kill {kill}");
                return;
            }
            if kill % (kills / (restarts + 1)).max(1) == 1 {
                restart(false);
                assert!(!session.ends_within(Duration::from_millis(500)));
                restart(true);
            }
            session.kill();
        }
        let session = Session::with(&arguments, environment);
        let (status, logged) = session.end();
        assert!(status.success(), "{logged}");
    }
}

#[test]
fn a_topic_has_each_ranking_of_a_topic_once_and_in_order() {
    let partitions = events(number("SQUALL_EVENTS", EVENTS));
    let wanted = of_files(&partitions);
    assert!(wanted.len() > 300, "{}", wanted.len());
    let mut server = Kafka::start().unwrap();
    let brokers = server.at().address;
    topics::make(&brokers, "rankings", 1);
    let killed = Killed::of(brokers.clone(), "said", partitions);
    let out = format!("kafka://{brokers}/rankings");
    killed.runs_to(&["--out", &out], &[], |start| {
        if start {
            server.start_again().unwrap();
        } else {
            server.kill();
        }
    });
    let found = topics::committed(&brokers, "rankings");
    let pairs = found.iter().zip(&wanted);
    if let Some((at, (found, wanted))) = pairs.enumerate().find(|(_, (a, b))| a != b) {
        panic!("ranking {at} is {found}, and not {wanted}");
    }
    assert_eq!(found.len(), wanted.len());
}

/// The words and counts of the last ranking.
fn last(rankings: &[String]) -> Vec<(String, u64)> {
    let last: Value = serde_json::from_str(rankings.last().unwrap()).unwrap();
    serde_json::from_value(last["ranking"].clone()).unwrap()
}

/// The lines that a Redis answers a command with.
fn ask(address: &str, command: &str) -> io::Result<Vec<String>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let lines = answer
        .lines()
        .filter(|line| !line.starts_with(['$', '*', '+']));
    Ok(lines.map(str::to_owned).collect())
}

#[test]
fn redis_has_the_last_ranking_at_the_end_and_never_half_of_one() {
    let partitions = events(number("SQUALL_EVENTS", EVENTS) / 2);
    let wanted = last(&of_files(&partitions));
    let brokers = shared::kafka().unwrap().address;
    let killed = Killed::of(brokers, "for-redis", partitions);
    let mut server = Redis::start().unwrap();
    let address = server.at().address;
    let (ended, polls) = (Arc::new(AtomicBool::new(false)), address.clone());
    let until = Arc::clone(&ended);
    let reader = thread::spawn(move || {
        let mut seen = [0_u32; 2];
        while !until.load(Ordering::Relaxed) {
            // While it is away nothing is seen.
            let Ok(length) = ask(&polls, "ZCARD top") else {
                continue;
            };
            match length.first().map(String::as_str) {
                Some(":0") => seen[0] += 1,
                Some(":5") => seen[1] += 1,
                Some(other) if other.starts_with(':') => panic!("{other} places"),
                _ => {}
            }
        }
        seen
    });
    let out = format!("redis://{address}/top");
    killed.runs_to(&["--out", &out], &[], |start| {
        if start {
            server.start_again().unwrap();
        } else {
            server.kill();
        }
    });
    ended.store(true, Ordering::Relaxed);
    let [_, whole] = reader.join().unwrap();
    assert!(whole > 10, "{whole}");
    let members = ask(&address, "LRANGE {top}:list 0 -1").unwrap();
    let names: Vec<_> = wanted.iter().map(|(word, _)| word.clone()).collect();
    assert_eq!(members, names);
    for (word, count) in wanted {
        let score = ask(&address, &format!("ZSCORE top {word}")).unwrap();
        assert_eq!(score, [count.to_string()], "{word}");
    }
}

/// What `psql` prints for a statement.
fn psql(port: u16, statement: &str) -> String {
    let mut psql = Command::new("psql");
    psql.args(["-h", "127.0.0.1", "-U", USER, "-At", "-F", " "]);
    psql.args(["-p", &port.to_string(), "-c", statement]);
    let output = psql.env("PGPASSWORD", PASSWORD).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn postgres_has_the_last_ranking_at_the_end() {
    let partitions = events(number("SQUALL_EVENTS", EVENTS) / 2);
    let wanted = last(&of_files(&partitions));
    let brokers = shared::kafka().unwrap().address;
    let killed = Killed::of(brokers, "for-postgres", partitions);
    let mut server = Postgres::start().unwrap();
    let port = server.at().port;
    let out = format!("postgres://127.0.0.1:{port}/{USER}?table=top_words");
    let login = [
        ("SQUALL_POSTGRES_USER", USER),
        ("SQUALL_POSTGRES_PASSWORD", PASSWORD),
    ];
    killed.runs_to(&["--out", &out], &login, |start| {
        if start {
            server.start_again().unwrap();
        } else {
            server.kill();
        }
    });
    let found = psql(port, "SELECT key, count FROM top_words ORDER BY place");
    let wanted: Vec<_> = wanted
        .iter()
        .map(|(word, count)| format!("{word} {count}"))
        .collect();
    assert_eq!(found.lines().collect::<Vec<_>>(), wanted);
    let epochs = psql(
        port,
        "SELECT count(*) FROM squall_delivered WHERE epoch > 0",
    );
    assert_eq!(epochs.trim(), "1");
}

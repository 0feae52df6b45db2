//! Runs and servers that are killed again and again: every ranking is there once, in order.

use std::env;
use std::fmt::Write as _;
use std::time::Duration;

use squall_testbed::Kafka;

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

/// Kills a run of these arguments, and its broker; it goes on until its input has ended.
fn kill_and_go_on(arguments: &[&str], server: &mut Kafka) {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut moments = fastrand::Rng::with_seed(seed);
    let kills = number("SQUALL_KILLS", KILLS);
    let restarts = number("SQUALL_RESTARTS", RESTARTS);
    for kill in 0..kills {
        let mut session = Session::running("rolling-top-words", arguments);
        session.wait_for_log("is running");
        let span = Duration::from_millis(moments.u64(100..2_500));
        if session.ends_within(span) {
            let (status, logged) = session.end();
            assert!(status.success(), "{logged}");
            eprintln!("it had ended before kill {kill}");
            return;
        }
        if kill % (kills / (restarts + 1)).max(1) == 1 {
            server.kill();
            assert!(!session.ends_within(Duration::from_millis(500)));
            server.start_again().unwrap();
        }
        session.kill();
    }
    let session = Session::running("rolling-top-words", arguments);
    let (status, logged) = session.end();
    assert!(status.success(), "{logged}");
}

#[test]
fn a_topic_has_each_ranking_of_a_topic_once_and_in_order() {
    let partitions = events(number("SQUALL_EVENTS", EVENTS));
    let wanted = of_files(&partitions);
    assert!(wanted.len() > 300, "{}", wanted.len());
    let mut server = Kafka::start().unwrap();
    let brokers = server.at().address;
    topics::make(&brokers, "said", partitions.len());
    topics::make(&brokers, "rankings", 1);
    topics::fill(&brokers, "said", &partitions);
    let folder = Folder::with(&[]);
    let (data, input, out) = (
        folder.path("data"),
        format!("kafka://{brokers}/said"),
        format!("kafka://{brokers}/rankings"),
    );
    // Slow enough to be killed in the middle.
    let lives = 2 * number("SQUALL_KILLS", KILLS);
    let rate = (number("SQUALL_EVENTS", EVENTS) / lives).to_string();
    let mut arguments = vec!["--input", &input, "--until-end", "--out", &out];
    arguments.extend(["--data-dir", &data, "--commit", "100ms", "--rate", &rate]);
    arguments.extend(QUESTION);
    kill_and_go_on(&arguments, &mut server);
    let found = topics::committed(&brokers, "rankings");
    let pairs = found.iter().zip(&wanted);
    if let Some((at, (found, wanted))) = pairs.enumerate().find(|(_, (a, b))| a != b) {
        panic!("ranking {at} is {found}, and not {wanted}");
    }
    assert_eq!(found.len(), wanted.len());
}

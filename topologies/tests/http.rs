//! `--http`: a run of the command is watched by its numbers, and only by who may.
#![cfg(feature = "http")]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use common::durable::{HEADER, records};
use common::{Folder, Session, top_words};
use serde_json::Value;

/// A loaded computer is twenty times slower.
const PATIENCE: Duration = Duration::from_mins(2);

/// Status and body of the answer to a request with these lines in its head.
fn get(address: &str, path: &str, lines: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// The address that the log names.
fn address(session: &mut Session) -> String {
    let line = session.wait_for_log("statistics are at http://");
    let (_, address) = line.split_once("http://").unwrap();
    address.strip_suffix("/metrics").unwrap().to_owned()
}

/// The sum of all samples of a counter of whole numbers.
fn sum(metrics: &str, metric: &str) -> u64 {
    let samples = metrics.lines().filter(|line| {
        let name = line.split(['{', ' ']).next();
        name == Some(metric)
    });
    samples
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}

/// A followed file of 1,500 records, of which one is late and two are no records.
fn followed() -> (Folder, Vec<String>) {
    let rows = format!(
        "{HEADER}{}0,late\nnoon,a\nnight,b\n{}",
        records(1_000..1_200),
        records(1_200..1_300)
    );
    let folder = Folder::with(&[("in.csv", rows.as_bytes()), ("token", b"3d9f1c\n")]);
    let options = "--format csv --field word --time-field time --time-format unix-ms --split none \
                   --window 60s --slide 20s --follow --http 127.0.0.1:0 --input";
    let mut arguments: Vec<String> = options.split(' ').map(str::to_owned).collect();
    arguments.push(folder.path("in.csv"));
    arguments.extend(["--data-dir".to_owned(), folder.path("data")]);
    (folder, arguments)
}

fn start(arguments: &[String]) -> Session {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    Session::start(&arguments)
}

#[test]
fn the_numbers_of_a_run_are_those_of_its_last_line() {
    let (_folder, arguments) = followed();
    let mut session = start(&arguments);
    let address = address(&mut session);
    assert!(!address.ends_with(":0"), "{address}");
    let began = Instant::now();
    // The input rests after its last record, and so do the numbers.
    let topology = loop {
        let (status, topology) = get(&address, "/api/topology", "");
        assert_eq!(status, 200);
        let topology: Value = serde_json::from_str(&topology).unwrap();
        let stats = &topology["stats"];
        let [late, dead] = ["late_tuples", "refused"].map(|losses| stats[losses]["count"].as_u64());
        let tuples = stats["tuples"].as_u64().unwrap();
        if tuples + dead.unwrap() == 1_503 && late > Some(0) {
            break topology;
        }
        assert!(began.elapsed() < PATIENCE, "{topology}");
        thread::park_timeout(Duration::from_millis(20));
    };
    assert_eq!(topology["plan"]["name"], "rolling-top-words");
    assert_eq!(get(&address, "/health", "").0, 200);
    let (status, metrics) = get(&address, "/metrics", "");
    assert_eq!(status, 200);
    let of_spout = "squall_tuples_out_total{topology=\"rolling-top-words\",component=\"words\"";
    let of_spout = metrics.lines().find(|line| line.starts_with(of_spout));
    let tuples = of_spout.and_then(|line| line.rsplit(' ').next()).unwrap();
    session.interrupt();
    let (status, logged) = session.end();
    assert!(status.success(), "{logged}");
    let [late, dead] = ["squall_late_tuples_total", "squall_dead_letters_total"]
        .map(|metric| sum(&metrics, metric));
    assert_eq!((late, dead), (1, 2));
    let last = format!("{tuples} tuples, 1 late, 2 dead letters");
    assert!(logged.contains(&last), "{last}: {logged}");
}

#[test]
fn a_token_comes_from_a_file_or_the_environment_and_is_never_logged() {
    for by_file in [true, false] {
        let (folder, mut arguments) = followed();
        if by_file {
            arguments.extend(["--http-token-file".to_owned(), folder.path("token")]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let arguments = [&["run", "rolling-top-words"], &*arguments].concat();
        // The file goes before the environment.
        let token = if by_file { "other" } else { "3d9f1c" };
        let mut session = Session::with(&arguments, &[("SQUALL_HTTP_TOKEN", token)]);
        let address = address(&mut session);
        for lines in [
            "",
            "Authorization: Bearer 3d9f1\r\n",
            "Authorization: Bearer other\r\n",
        ] {
            assert_eq!(get(&address, "/metrics", lines).0, 401, "{lines}");
        }
        let right = "Authorization: Bearer 3d9f1c\r\n";
        assert_eq!(get(&address, "/metrics", right).0, 200);
        session.interrupt();
        let (status, logged) = session.end();
        assert!(status.success() && !logged.contains("3d9f1c"), "{logged}");
    }
}

#[test]
fn what_cannot_be_served_is_told_before_anything_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let folder = Folder::with(&[("in.txt", b"a\n"), ("empty", b"\n")]);
    let none = folder.path("none");
    let empty = folder.path("empty");
    let wrong: [(&[&str], &str); 6] = [
        (
            &["--http", "0.0.0.0:0"],
            "other computers can reach `0.0.0.0:0`, and no token is set",
        ),
        (&["--http", &taken], "cannot listen on `127.0.0.1:"),
        (
            &["--http", "127.0.0.1"],
            "invalid value '127.0.0.1' for '--http <IP:PORT>'",
        ),
        (&["--http-token-file", &empty], "--http <IP:PORT>"),
        (
            &["--http", "127.0.0.1:0", "--http-token-file", &none],
            "cannot read the token from",
        ),
        (
            &["--http", "127.0.0.1:0", "--http-token-file", &empty],
            "the token is empty",
        ),
    ];
    for (arguments, part) in wrong {
        let mut command = top_words(&["--window", "all", "--input", &folder.path("in.txt")]);
        command.env_remove("SQUALL_HTTP_TOKEN").args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
        assert!(!said.contains("is running"), "{said}");
    }
}

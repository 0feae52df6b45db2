//! Ctrl-C as a process sees it. Each test starts this test program again as a child that
//! runs one topology, and sends it signals.

#![cfg(unix)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Instant;

use squall::bolts::Map;
use squall::connectors::{Files, RandomWords};
use squall::{
    Bolt, Next, Out, Result, RunError, RunOptions, Spout, SpoutOut, Topology, Word, millis, secs,
};

/// Set in the children.
const CHILD: &str = "SQUALL_SIGNALS_CHILD";

fn in_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Starts this program as a child that runs the test `name` alone.
fn child(name: &str) -> Child {
    let program = std::env::current_exe().expect("a test is a program");
    child_by(&mut Command::new(program), name)
}

fn child_by(command: &mut Command, name: &str) -> Child {
    command
        .args(["--exact", name, "--nocapture"])
        .env(CHILD, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts again")
}

/// Interrupts the child when a line of its log contains `wanted`; gives its end.
fn interrupt_after(mut child: Child, wanted: &str) -> (ExitStatus, String) {
    let mut log = String::new();
    let mut interrupted = false;
    let stderr = child.stderr.take().expect("it is piped");
    for line in BufReader::new(stderr).lines() {
        let line = line.expect("the log is text");
        if !interrupted && line.contains(wanted) {
            let process = child.id().to_string();
            let sent = Command::new("kill").args(["-INT", &process]).status();
            assert!(sent.expect("kill is a command").success());
            interrupted = true;
        }
        log.push_str(&line);
        log.push('\n');
    }
    assert!(interrupted, "{wanted:?} is not in the log:\n{log}");
    (child.wait().expect("it ends"), log)
}

fn log_to_stderr() {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

struct BlocksForEver {
    never: mpsc::Receiver<()>,
    _keep: mpsc::Sender<()>,
}

impl Bolt for BlocksForEver {
    type Input = Word;
    type Output = Word;
    fn execute(&mut self, _: &Word, _: &mut Out<Word>) -> Result {
        Ok(self.never.recv()?)
    }
}

#[test]
fn a_blocked_bolt() {
    if !in_child() {
        return;
    }
    log_to_stderr();
    let topology = Topology::named("blocked");
    let words = topology.spout("words", RandomWords::default).rate(100.0);
    let blocks = || {
        let (keep, never) = mpsc::channel();
        BlocksForEver { never, _keep: keep }
    };
    topology
        .bolt("blocked", blocks)
        .parallelism(3)
        .all_grouping(&words);
    let options = RunOptions {
        stall: millis(200),
        drain: millis(500),
        ..RunOptions::default()
    };
    let error = topology.run(options).expect_err("it cannot stop");
    eprintln!("ended: {error}");
    std::process::exit(1);
}

#[test]
fn a_blocked_bolt_is_named_in_the_log_and_ctrl_c_ends_the_process_with_a_failure() {
    let began = Instant::now();
    let (status, log) = interrupt_after(child("a_blocked_bolt"), "its user code has been running");
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("blocked[0] has not passed epoch"), "{log}");
    let ended = log.lines().last().expect("it says why");
    assert!(
        ended.starts_with("ended: the topology did not stop within 500ms: blocked[0]"),
        "{log}"
    );
    assert!(began.elapsed() < secs(20));
}

/// Says that it was asked.
struct Asked(mpsc::Sender<()>);

impl Spout for Asked {
    type Output = Word;
    fn next(&mut self, _: &mut SpoutOut<Word>) -> Result<Next> {
        let _ = self.0.send(());
        Ok(Next::Idle)
    }
}

#[test]
fn without_signals() {
    if !in_child() {
        return;
    }
    let topology = Topology::named("refused");
    let (asked, asks) = mpsc::channel();
    let words = topology.spout("words", move || Asked(asked.clone()));
    topology
        .bolt("same", || Map::new(|word: &Word| Ok(word.clone())))
        .shuffle_grouping(&words);
    let mut files: Vec<_> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    files.pop();
    let refused = topology.start(RunOptions::default()).err();
    drop(files);
    assert!(matches!(refused, Some(RunError::Thread(_))), "{refused:?}");
    // The spout is gone, and was never asked for anything.
    assert_eq!(asks.recv(), Err(mpsc::RecvError));
    eprintln!("nothing runs");
}

#[test]
fn a_topology_without_signals_does_not_begin() {
    let program = std::env::current_exe().expect("a test is a program");
    let mut few_files = Command::new("sh");
    few_files
        .args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\""])
        .arg(program);
    let child = child_by(&mut few_files, "without_signals");
    let ended = child.wait_with_output().expect("it ends");
    let log = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{log}");
    assert!(log.contains("nothing runs"), "{log}");
}

#[test]
fn a_silent_pipe() {
    if !in_child() {
        return;
    }
    log_to_stderr();
    let topology = Topology::named("silent");
    let files = Files::at("-").expect("standard input is there");
    let lines = topology.spout("lines", move || {
        files.decode::<Word, _>(|record, out| {
            out.emit(Word {
                word: record.text().into(),
            });
            Ok(())
        })
    });
    let log = |word: &Word| {
        tracing::info!("read {}", word.word);
        Ok(word.clone())
    };
    topology
        .bolt("same", move || Map::new(log))
        .shuffle_grouping(&lines);
    let summary = topology.run(RunOptions::default()).expect("it stops well");
    assert!(!summary.input_ended);
    eprintln!("passed {} epochs", summary.stats.epochs);
}

#[test]
fn ctrl_c_ends_a_topology_on_a_silent_pipe_well() {
    let mut child = child("a_silent_pipe");
    let mut pipe = child.stdin.take().expect("it is piped");
    std::io::Write::write_all(&mut pipe, b"hello\n").expect("the child reads");
    // The pipe stays open and silent from here on.
    let (status, log) = interrupt_after(child, "read hello");
    drop(pipe);
    assert!(status.success(), "{log}");
    assert!(log.contains("stopping"), "{log}");
}

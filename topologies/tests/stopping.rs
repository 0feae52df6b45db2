//! A run ends when it is asked to, in good order, and always.
#![cfg(unix)]

mod common;

use common::{Folder, Session, counts, json, output, top_words};

/// Short windows, so that rankings come at once.
const SHORT: [&str; 5] = ["--window", "200ms", "--slide", "100ms", "--json"];

fn started(more: &[&str]) -> Session {
    Session::start(&[&SHORT, more].concat())
}

#[test]
fn ctrl_c_drains_and_ends_well() {
    let mut session = started(&[]);
    session.line();
    session.line();
    session.interrupt();
    let (status, logged) = session.end();
    assert_eq!(status.code(), Some(0), "{logged}");
    assert!(logged.contains("stopped after"), "{logged}");
    assert!(logged.contains("left open"), "{logged}");
}

#[test]
fn a_silent_pipe_holds_nothing_up() {
    let mut session = started(&["--input", "-"]);
    session.wait_for_log("is running");
    session.interrupt();
    let (status, logged) = session.end();
    assert_eq!(status.code(), Some(0), "{logged}");
    assert!(logged.contains("stopped after"), "{logged}");
}

#[test]
fn a_pipe_that_has_fallen_silent_holds_nothing_up() {
    let mut session = started(&["--input", "-"]);
    session.write("storm\n");
    // Of what came before the silence.
    while !session.line().contains(r#"["storm",1]"#) {}
    // The window has passed: its rankings are empty, and come on the timer.
    while !session.line().contains(r#""ranking":[]"#) {}
    session.interrupt();
    let (status, logged) = session.end();
    assert_eq!(status.code(), Some(0), "{logged}");
}

#[test]
fn a_run_for_a_time_shows_the_rankings_of_that_time() {
    let mut command = top_words(&SHORT);
    let (stdout, stderr) = output(command.args(["--for", "1s", "--rate", "1000"]));
    let rankings = json(&stdout);
    assert!(rankings.len() >= 5, "{stdout}");
    for word in ["nathan", "mike", "jackson", "golda", "bertels"] {
        assert!(stdout.contains(word), "no {word} in {stdout}");
    }
    assert_eq!(stderr.matches("Rankings: [").count(), rankings.len());
    assert!(stderr.contains("stopped after 1."), "{stderr}");
}

#[test]
fn a_stopped_window_over_all_gives_its_totals() {
    let arguments = [
        "--window", "all", "--json", "--for", "300ms", "--rate", "1000",
    ];
    let (stdout, stderr) = output(&mut top_words(&arguments));
    let rankings = json(&stdout);
    assert_eq!(rankings.len(), 1, "{stdout}{stderr}");
    let sum: u64 = rankings[0]["ranking"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry[1].as_u64().unwrap())
        .sum();
    assert!(
        stderr.contains(&format!(" {sum} tuples")),
        "{sum}: {stderr}"
    );
}

#[test]
fn running_totals_are_shown_at_every_slide() {
    let arguments = [
        "--window", "all", "--slide", "100ms", "--json", "--input", "-",
    ];
    let mut session = Session::start(&arguments);
    session.write("a\n");
    while !session.line().ends_with(r#""ranking":[["a",1]]}"#) {}
    session.write("a\nb\n");
    let line = loop {
        let line = session.line();
        if line.ends_with(r#""ranking":[["a",2],["b",1]]}"#) {
            break line;
        }
    };
    assert!(
        line.starts_with(r#"{"window_start":null,"window_end":"20"#),
        "{line}"
    );
    drop(session.stdin.take());
    let (status, logged) = session.end();
    assert_eq!(status.code(), Some(0), "{logged}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_run_quietly() {
    let mut session = started(&[]);
    session.line();
    drop(session.stdout.take());
    let (status, logged) = session.end();
    assert_eq!(status.code(), Some(0), "{logged}");
    for part in ["error", "panicked", "roken pipe"] {
        assert!(!logged.contains(part), "{part} in {logged}");
    }
}

/// Nobody reads standard output, so that the sink blocks once the pipe is full: the process
/// says who is stuck, and ends all the same.
#[test]
fn a_task_that_blocks_for_ever_is_named_and_does_not_keep_the_process() {
    let arguments = [
        "--window", "1ms", "--rate", "0", "--json", "--drain", "500ms",
    ];
    let mut session = Session::start(&arguments);
    session.wait_for_log("json[0] has not passed epoch");
    session.interrupt();
    let (status, logged) = session.end();
    assert_eq!(status.code(), Some(1), "{logged}");
    let last = logged.lines().last().unwrap();
    assert!(
        last.starts_with("error: the topology did not stop within 500ms"),
        "{last}"
    );
    assert!(last.contains("json[0]"), "{last}");
}

#[test]
fn what_fails_at_run_time_has_a_status_of_its_own() {
    if !std::path::Path::new("/dev/full").exists() {
        return;
    }
    let folder = Folder::with(&[("a.txt", b"a\n")]);
    let input = folder.path("a.txt");
    let mut command = top_words(&["--input", &input, "--window", "all"]);
    let output = command.args(["--out", "/dev/full"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("error: out[0] failed: cannot write to /dev/full"),
        "{stderr}"
    );
}

#[test]
fn standard_input_and_a_stop_lose_nothing() {
    let mut session = Session::start(&["--window", "all", "--json", "--input", "-"]);
    session.write(&"a b a\n".repeat(10_000));
    drop(session.stdin.take());
    let line = session.line();
    assert_eq!(counts(&json(&line)[0]), "a 20000, b 10000");
    assert_eq!(session.end().0.code(), Some(0));
}

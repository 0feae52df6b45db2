//! A data directory that a run has open, looked into from elsewhere: a directory is locked
//! also against its own process, so these ask through the socket.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use squall::{
    data_dir::{DataDirError, StoreError},
    run::Running,
    secs,
};

use super::*;

fn start(dir: &Path) -> (DataDir, Running) {
    let data_dir = DataDir::at(dir);
    let running = bank(Endless::default).start(options(&data_dir)).unwrap();
    let views = running.views().unwrap();
    let mut changes = views.changes::<u32, i64>("accounts", "balances").unwrap();
    // A first commit of a busy machine need not have seen every account.
    let accounts = || {
        let snapshot = views.read().unwrap();
        let table = snapshot.table::<u32, i64>("accounts", "balances");
        table.unwrap().iter().unwrap().count()
    };
    changes.next().unwrap().unwrap();
    while accounts() < 500 {
        changes.next().unwrap().unwrap();
    }
    (data_dir, running)
}

fn end(running: Running) {
    running.stop();
    let _ = running.wait().unwrap();
}

/// Asks without the library; gives the lines of the answer.
fn ask(dir: &Path, question: &str) -> Vec<serde_json::Value> {
    let mut stream = UnixStream::connect(dir.join("socket")).unwrap();
    writeln!(stream, "{question}").unwrap();
    let lines = BufReader::new(stream).lines();
    lines
        .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
        .collect()
}

#[test]
fn a_run_answers_for_its_directory() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bank");
    let (data_dir, running) = start(&dir);

    let inspection = data_dir.inspect().unwrap();
    assert_eq!(inspection.topology.as_deref(), Some("bank"));
    assert_eq!(inspection.components.len(), 3);
    let rows = data_dir.view("balances", None).unwrap();
    let sum: i64 = rows.iter().map(|row| row.value.as_i64().unwrap()).sum();
    assert!(sum == 0 && rows.len() == 500, "{sum} of {}", rows.len());
    assert_eq!(data_dir.view("balances", Some("7")).unwrap().len(), 1);
    let error = data_dir.view("balance", None).unwrap_err();
    assert!(
        error.is_wrong_use() && error.to_string().contains("accounts.balances"),
        "{error}"
    );
    // As at rest, so that callers can tell it from others.
    assert!(matches!(error, DataDirError::UnknownTable { .. }));

    let copy = DataDir::at(root.path().join("copy"));
    data_dir.backup(copy.path().unwrap()).unwrap();
    let copied = copy.inspect().unwrap();
    assert!(copied.commit.unwrap().epoch >= inspection.commit.unwrap().epoch);
    assert!(
        data_dir
            .backup(copy.path().unwrap())
            .unwrap_err()
            .is_wrong_use()
    );

    let error = data_dir.reset(None).unwrap_err();
    assert!(
        matches!(error, DataDirError::Store(StoreError::InUse { .. })),
        "{error}"
    );
    assert!(error.to_string().contains("process"), "{error}");
    assert!(data_dir.views().is_err());

    let unknown = ask(&dir, "what?");
    assert!(
        unknown[0]["error"]["message"]
            .as_str()
            .unwrap()
            .contains("not understood")
    );
    let row = ask(&dir, r#"{"view": {"table": "balances", "key": "7"}}"#);
    assert_eq!(
        (row.len(), &row[0]["row"]["key"], &row[1]["end"]),
        (2, &7.into(), &serde_json::json!({}))
    );

    end(running);
    assert!(!dir.join("socket").exists());
    assert_eq!(data_dir.view("balances", None).unwrap().len(), 500);
}

/// Paths of sockets are short; directories are where they are.
#[test]
fn a_long_path_is_answered_for_as_well() {
    let root = tempfile::tempdir().unwrap();
    let mut dir: PathBuf = root.path().to_owned();
    for _ in 0..6 {
        dir.push("twenty-five-bytes-and-more");
    }
    let (data_dir, running) = start(&dir);
    let socket = PathBuf::from(fs::read_to_string(dir.join("socket")).unwrap());
    assert!(socket.exists() && socket.as_os_str().len() < 100);
    assert_eq!(data_dir.inspect().unwrap().components.len(), 3);
    end(running);
    assert!(!dir.join("socket").exists() && !socket.parent().unwrap().exists());
}

/// A run that was killed left its socket; whoever comes next makes a new one.
#[test]
fn a_socket_that_was_left_over_is_replaced() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bank");
    end(start(&dir).1);
    drop(std::os::unix::net::UnixListener::bind(dir.join("socket")).unwrap());
    assert!(dir.join("socket").exists());
    // At rest it is nobody's business.
    assert!(DataDir::at(&dir).inspect().is_ok());
    let (data_dir, running) = start(&dir);
    assert!(data_dir.inspect().is_ok());
    // A letter in its place, as the path of a socket that is gone, is not followed.
    fs::remove_file(dir.join("socket")).unwrap();
    let error = data_dir.inspect().unwrap_err();
    assert!(
        error.is_wrong_use() && error.to_string().contains("does not answer"),
        "{error}"
    );
    assert!(error.to_string().contains("in use by process"), "{error}");
    // Nor does the end of the run wait for a socket that was deleted.
    let began = Instant::now();
    end(running);
    assert!(began.elapsed() < secs(4));
}

/// Somebody asks and does not read, somebody asks nothing, others wait behind them: the run
/// ends as if they were not there.
#[test]
fn nobody_who_asks_holds_up_the_end() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bank");
    let (_, running) = start(&dir);
    let silent = UnixStream::connect(dir.join("socket")).unwrap();
    let mut behind: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = UnixStream::connect(dir.join("socket")).unwrap();
            writeln!(stream, r#"{{"view": {{"table": "balances"}}}}"#).unwrap();
            stream
        })
        .collect();
    running.stop();
    let began = Instant::now();
    let _ = running.wait().unwrap();
    assert!(began.elapsed() < secs(4), "{:?}", began.elapsed());
    drop(silent);
    for stream in &mut behind {
        // There is an end of each, whole or not; a reset is as good as one.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert!(DataDir::at(&dir).inspect().is_ok());
}

/// Who lists some entries has the directory for a moment, and others do not fail for that.
#[test]
fn somebody_who_looks_into_a_directory_is_waited_for() {
    let root = tempfile::tempdir().unwrap();
    let data_dir = DataDir::at(root.path().join("data"));
    data_dir.make_depot("said", 1, "word").unwrap();
    for _ in 0..3 {
        let views = data_dir.views().unwrap();
        let looking = std::thread::spawn(move || {
            std::thread::park_timeout(Duration::from_millis(100));
            drop(views);
        });
        assert_eq!(data_dir.inspect().unwrap().depots.len(), 1);
        looking.join().unwrap();
        let views = data_dir.views().unwrap();
        let looking = std::thread::spawn(move || {
            std::thread::park_timeout(Duration::from_millis(100));
            drop(views);
        });
        drop(DataDir::opened(data_dir.path().unwrap()).unwrap());
        looking.join().unwrap();
    }
}

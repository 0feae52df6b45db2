//! The command as a process, for the tests.

// Each test program uses a part.
#![allow(dead_code)]

pub mod cubes;
pub mod durable;
#[path = "../../../cube/tests/common/real_data.rs"]
mod real_data;

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

pub use real_data::real_data;

/// After this time a process counts as hanging and is killed, so that its test fails.
const HANGS: Duration = Duration::from_mins(4);

/// `squall` with these arguments, to be run to its end.
pub fn squall(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("squall");
    command
        .env_remove("RUST_LOG")
        .timeout(HANGS)
        .args(arguments);
    command
}

/// `squall run rolling-top-words` with these arguments, to be run to its end.
pub fn top_words(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = squall(&["run", "rolling-top-words"]);
    command.args(arguments);
    command
}

/// What was printed by a run that ended well, and what was logged.
pub fn output(command: &mut assert_cmd::Command) -> (String, String) {
    let output = command.output().unwrap();
    let [stdout, stderr] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{}: {stderr}", output.status);
    (stdout, stderr)
}

/// Every line as JSON.
pub fn json(lines: &str) -> Vec<Value> {
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// The counts over everything, of the last ranking that was printed: `the 3, a 1`.
pub fn totals(arguments: &[&str]) -> String {
    let mut command = top_words(&["--window", "all", "--json"]);
    let (stdout, stderr) = output(command.args(arguments));
    let rankings = json(&stdout);
    let last = rankings
        .last()
        .unwrap_or_else(|| panic!("no ranking: {stderr}"));
    counts(last)
}

/// A ranking in short: `the 3, a 1`.
pub fn counts(ranking: &Value) -> String {
    let entries = ranking["ranking"].as_array().unwrap().iter();
    let entries = entries.map(|entry| format!("{} {}", entry[0].as_str().unwrap(), entry[1]));
    entries.collect::<Vec<_>>().join(", ")
}

/// A folder with files.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn with(files: &[(&str, &[u8])]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        Self(folder)
    }

    /// The path of what is, or will be, inside.
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

/// A running `squall`, to talk to while it runs.
pub struct Session {
    child: Child,
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<Lines<BufReader<ChildStdout>>>,
    stderr: Receiver<String>,
    logged: Vec<String>,
    /// Ends the watchdog when the session is dropped.
    _watched: Sender<()>,
}

impl Session {
    /// Starts `squall run rolling-top-words` with these arguments.
    pub fn start(arguments: &[&str]) -> Self {
        Self::running("rolling-top-words", arguments)
    }

    /// Starts `squall run` of this topology with these arguments.
    pub fn running(topology: &str, arguments: &[&str]) -> Self {
        Self::of(&[&["run", topology], arguments].concat())
    }

    /// Starts `squall` with these arguments.
    pub fn of(arguments: &[&str]) -> Self {
        Self::with(arguments, &[])
    }

    /// The same with variables of the environment.
    pub fn with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("squall"))
            .args(arguments)
            .env_remove("RUST_LOG")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, stderr) = channel();
        let from = BufReader::new(child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in from.lines().map_while(Result::ok) {
                let _ = lines.send(line);
            }
        });
        let (watched, watch) = channel::<()>();
        let id = child.id();
        thread::spawn(move || {
            if watch.recv_timeout(HANGS) == Err(RecvTimeoutError::Timeout) {
                signal(id, "-KILL");
            }
        });
        Self {
            stdin: child.stdin.take(),
            stdout: child.stdout.take().map(|out| BufReader::new(out).lines()),
            child,
            stderr,
            logged: Vec::new(),
            _watched: watched,
        }
    }

    /// Waits for the next line on standard output.
    pub fn line(&mut self) -> String {
        self.stdout.as_mut().unwrap().next().unwrap().unwrap()
    }

    /// Waits for a logged line with this part.
    pub fn wait_for_log(&mut self, part: &str) -> String {
        for line in &self.stderr {
            self.logged.push(line.clone());
            if line.contains(part) {
                return line;
            }
        }
        panic!("never logged {part}: {:#?}", self.logged);
    }

    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).unwrap();
        stdin.flush().unwrap();
    }

    /// Sends what Ctrl-C sends.
    pub fn interrupt(&self) {
        signal(self.child.id(), "-INT");
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether the process ends within this time.
    pub fn ends_within(&mut self, span: Duration) -> bool {
        let until = Instant::now() + span;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.stderr.recv_timeout(left) {
                Ok(line) => self.logged.push(line),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
    }

    /// Ends the process as a crash does; gives all that was logged.
    pub fn kill(self) -> String {
        signal(self.child.id(), "-KILL");
        self.end().1
    }

    /// Waits for the end; gives the status and all that was logged.
    pub fn end(mut self) -> (ExitStatus, String) {
        let status = self.child.wait().unwrap();
        self.logged.extend(self.stderr.iter());
        (status, self.logged.join("\n"))
    }
}

fn signal(process: u32, signal: &str) {
    let status = std::process::Command::new("kill")
        .args([signal, &process.to_string()])
        .status();
    assert!(status.unwrap().success());
}

//! A server that ends with the process that has started it, however that ends.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// Starts a command, prints its number, and kills it when a line comes or standard input ends. Where
/// it ends, nobody is left to clean up (a test that is killed closes its end of the pipe, too), so
/// the folder goes with it.
const GUARD: &str = r#"
folder=$1
shift
exec 3<&0
"$@" </dev/null >&2 3<&- &
server=$!
echo "$server"
{
    if read -r line <&3; then
        kill -KILL "$server"
    else
        trap '' TERM
        kill -KILL "$server"
        exit 3
    fi
} >/dev/null 2>&1 &
watch=$!
exec 3<&-
wait "$server"
code=$?
kill "$watch" 2>/dev/null
wait "$watch"
# Only now does nobody write there any more.
[ $? -eq 3 ] && rm -rf "$folder"
exit "$code"
"#;

/// A running server.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Child,
    /// Where this ends, the guard kills the server.
    alive: Option<ChildStdin>,
    server: u32,
}

impl Guarded {
    /// Starts a server in a folder of its own, whose output goes into a log there.
    pub(crate) fn start(command: &Command, folder: &Path, log: &Path) -> Result<Self> {
        let told = |error| Error::start(command.get_program(), error);
        let output = File::create(log).map_err(told)?;
        let mut guard = Command::new("sh");
        guard.args(["-c", GUARD, "guard"]).arg(folder);
        guard.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => guard.env(name, value),
                None => guard.env_remove(name),
            };
        }
        if let Some(dir) = command.get_current_dir() {
            guard.current_dir(dir);
        }
        guard
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(output);
        let mut guard = guard.spawn().map_err(told)?;
        let alive = guard.stdin.take();
        let mut number = String::new();
        if let Some(printed) = guard.stdout.take() {
            let mut printed = BufReader::new(printed);
            printed.read_line(&mut number).map_err(told)?;
        }
        let server = number.trim().parse().map_err(|_| Error::Ended {
            server: command.get_program().to_string_lossy().into_owned(),
            log: read(log),
        })?;
        Ok(Self {
            guard,
            alive,
            server,
        })
    }

    /// Sends a signal, by its name: `STOP`.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let mut kill = Command::new("kill");
        kill.args([&format!("-{name}"), &self.server.to_string()]);
        kill.status().map_err(|error| Error::start("kill", error))?;
        Ok(())
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.guard.try_wait(), Ok(None))
    }

    /// Kills it, and waits for its end.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Asks it to end, and waits until it has; kills it after this time.
    pub(crate) fn stop(self, patience: Duration) -> Result<()> {
        self.stop_by("TERM", patience)
    }

    /// The same by another signal.
    pub(crate) fn stop_by(mut self, signal: &str, patience: Duration) -> Result<()> {
        self.signal(signal)?;
        let asked = Instant::now();
        while !self.has_ended() && asked.elapsed() < patience {
            std::thread::park_timeout(LOOK);
        }
        self.end();
        Ok(())
    }

    fn end(&mut self) {
        if let Some(mut alive) = self.alive.take() {
            // Where the guard is gone, the server is.
            let _ = alive.write_all(b"end\n");
        }
        // It has ended, or cannot be waited for: nothing is left to be done.
        let _ = self.guard.wait();
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
    }
}

/// Servers that start are looked at so often.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until `ready` says so; how a server tells that is its own.
pub(crate) fn wait_until<T>(
    server: &mut Guarded,
    name: &str,
    log: &Path,
    mut ready: impl FnMut() -> Option<T>,
) -> Result<T> {
    // A loaded machine takes a minute for what takes 4 s.
    const PATIENCE: Duration = Duration::from_mins(2);
    let began = Instant::now();
    loop {
        if let Some(ready) = ready() {
            return Ok(ready);
        }
        if server.has_ended() || began.elapsed() > PATIENCE {
            return Err(Error::Ended {
                server: name.to_owned(),
                log: read(log),
            });
        }
        std::thread::park_timeout(LOOK);
    }
}

/// The end of a log, for errors.
pub(crate) fn read(log: &Path) -> String {
    const LINES: usize = 20;
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(log) {
        // What was read before an error is better than nothing.
        let _ = file.read_to_end(&mut text);
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

//! Who has connected to a socket: side by side, and not too many of them.
//!
//! | what is bounded | by | who is refused |
//! |---|---|---|
//! | connections whose question is not whole yet | [`Limits::asking`] | the one that waits longest |
//! | questions that are answered | [`Limits::answering`] | the newest |
//! | those that append | [`Limits::appending`] | the newest |
//! | the time and the length of a line | [`Limits::question`], [`Limits::line`] | its client |
//! | the time that an answer waits for its reader | [`Limits::write`], [`Limits::answer`] | its client |
//!
//! Each connection has a thread, so nobody waits for anybody else. Lines are short, but for one at
//! a time, which may be as long as the longest record. Who is refused is told why, and may ask
//! again.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::heard::Room;
use super::protocol::Line;

/// How many may do what, and for how long.
#[derive(Clone, Copy, Debug)]
pub(in crate::durable) struct Limits {
    /// Connections whose question is not whole yet.
    pub(in crate::durable) asking: usize,
    /// Questions that are answered at the same time.
    pub(in crate::durable) answering: usize,
    /// Those that append at the same time: one may wait long for its acknowledgement.
    pub(in crate::durable) appending: usize,
    /// How long a whole question may take.
    pub(in crate::durable) question: Duration,
    /// How long a line of records may take from its first byte on.
    pub(in crate::durable) line: Duration,
    /// How long such a line may be, in bytes. A client sends about a mebibyte, and more only of one
    /// long record.
    pub(in crate::durable) line_bytes: usize,
    /// How long a part of an answer waits for a client that does not read.
    pub(in crate::durable) write: Duration,
    /// How long an answer may take that is read: what it shows stays on disk as long.
    pub(in crate::durable) answer: Duration,
}

/// At the end, a client that appends and does not read is waited for so long.
const GOES: Duration = Duration::from_secs(1);

impl Default for Limits {
    fn default() -> Self {
        Self {
            asking: 32,
            answering: 8,
            appending: 16,
            question: Duration::from_secs(5),
            line: Duration::from_mins(1),
            line_bytes: 128 << 20,
            write: Duration::from_secs(30),
            answer: Duration::from_mins(10),
        }
    }
}

impl Limits {
    /// All connections, with those that were told to go and have not gone yet.
    fn connections(&self) -> usize {
        2 * self.asking + self.answering + self.appending
    }
}

/// What the threads of a socket share: each notes what it is doing, so that what is too many is
/// known, and the end of a run reaches all of them. Hence the lock.
pub(in crate::durable) struct Serving {
    pub(in crate::durable) limits: Limits,
    ending: AtomicBool,
    connections: Mutex<Connections>,
    /// One has gone.
    gone: Condvar,
    /// Whether a long line is being read.
    long: Mutex<bool>,
    /// It has been taken.
    short_again: Condvar,
}

#[derive(Default)]
struct Connections {
    /// By number, the oldest one first.
    all: BTreeMap<u64, Connection>,
    latest: u64,
}

struct Connection {
    stream: Arc<UnixStream>,
    does: Does,
}

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::durable) enum Does {
    Ask,
    Answer,
    Append,
    /// It was told to go.
    Leave,
}

impl Connections {
    fn that(&mut self, does: Does) -> impl Iterator<Item = &mut Connection> {
        let all = self.all.values_mut();
        all.filter(move |connection| connection.does == does)
    }
}

/// What the locks guard is whole at every moment, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Serving {
    pub(in crate::durable) fn new(limits: Limits) -> Self {
        Self {
            limits,
            ending: AtomicBool::new(false),
            connections: Mutex::default(),
            gone: Condvar::new(),
            long: Mutex::new(false),
            short_again: Condvar::new(),
        }
    }

    pub(in crate::durable) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Lets a client ask, on a thread of its own.
    pub(in crate::durable) fn admit(
        self: &Arc<Self>,
        stream: UnixStream,
        converse: impl FnOnce(&UnixStream, &Present) + Send + 'static,
    ) {
        // A client that does not read is not waited for without end.
        if stream.set_write_timeout(Some(self.limits.write)).is_err() {
            return;
        }
        let stream = Arc::new(stream);
        let mut connections = lock(&self.connections);
        if self.is_ending() {
            return;
        }
        let most = self.limits.asking;
        if connections.that(Does::Ask).count() >= most
            && let Some(oldest) = connections.that(Does::Ask).next()
        {
            let why = format!("{most} connections came after it and have asked nothing yet");
            say_busy(&oldest.stream, &why);
            let _ = oldest.stream.shutdown(Shutdown::Both);
            oldest.does = Does::Leave;
        }
        let most = self.limits.connections();
        // Those that were told to go are shut down already, and need only their thread's turn.
        let full = |connections: &mut Connections| {
            connections.all.len() >= most && connections.that(Does::Leave).next().is_some()
        };
        let waited = self.gone.wait_timeout_while(connections, GOES, full);
        let mut connections = waited.unwrap_or_else(PoisonError::into_inner).0;
        if connections.all.len() >= most {
            say_busy(&stream, &format!("{most} others are connected"));
            return;
        }
        connections.latest += 1;
        let number = connections.latest;
        let connection = Connection {
            stream: Arc::clone(&stream),
            does: Does::Ask,
        };
        connections.all.insert(number, connection);
        drop(connections);
        let present = Present {
            number,
            serving: Arc::clone(self),
        };
        let told = Arc::clone(&stream);
        let thread = thread::Builder::new().name("socket".to_owned());
        let spawned = thread.spawn(move || converse(&stream, &present));
        if let Err(error) = spawned {
            say_busy(&told, &format!("no thread can be started for it: {error}"));
        }
    }

    /// Ends all of them, whatever they wait for, and waits until they are gone. Nobody is admitted
    /// any more.
    pub(in crate::durable) fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        let connections = lock(&self.connections);
        for connection in connections.all.values() {
            let how = match connection.does {
                // It is still told that what it sends next is not appended.
                Does::Append => Shutdown::Read,
                _ => Shutdown::Both,
            };
            // Where it is closed already, nothing waits for it.
            let _ = connection.stream.shutdown(how);
        }
        self.short_again.notify_all();
        let some = |connections: &mut Connections| !connections.all.is_empty();
        let waited = self.gone.wait_timeout_while(connections, GOES, some);
        let connections = waited.unwrap_or_else(PoisonError::into_inner).0;
        for connection in connections.all.values() {
            let _ = connection.stream.shutdown(Shutdown::Both);
        }
        let gone = self.gone.wait_while(connections, some);
        drop(gone.unwrap_or_else(PoisonError::into_inner));
    }

    /// How many are connected.
    #[cfg(test)]
    pub(in crate::durable) fn connected(&self) -> usize {
        lock(&self.connections).all.len()
    }

    /// From now on nobody is admitted.
    pub(in crate::durable) fn begin_to_end(&self) {
        self.ending.store(true, Ordering::SeqCst);
    }
}

impl Room for Serving {
    fn take(&self, until: Instant) -> bool {
        let mut long = lock(&self.long);
        while *long {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_ending() {
                return false;
            }
            // Looked at again now and then: the end of the run does not hold this lock.
            let waited = self
                .short_again
                .wait_timeout(long, left.min(Duration::from_millis(50)));
            long = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *long = true;
        true
    }

    fn free(&self) {
        *lock(&self.long) = false;
        self.short_again.notify_one();
    }
}

/// A connection that is being served; it is gone when this is dropped.
pub(in crate::durable) struct Present {
    number: u64,
    pub(in crate::durable) serving: Arc<Serving>,
}

impl Present {
    /// Goes on to answer or to append, unless too many do. The error is for the client.
    pub(in crate::durable) fn goes_on_to(&self, does: Does) -> Result<(), Line> {
        let limits = &self.serving.limits;
        let (most, what) = match does {
            Does::Append => (limits.appending, "append already"),
            _ => (limits.answering, "are being answered already"),
        };
        let mut connections = lock(&self.serving.connections);
        if connections.that(does).count() >= most {
            let message = format!("{most} {what}: wait for one of them, and try again");
            return Err(Line::Busy { message });
        }
        if let Some(connection) = connections.all.get_mut(&self.number)
            && connection.does == Does::Ask
            && !self.serving.is_ending()
        {
            connection.does = does;
            return Ok(());
        }
        let message = if self.serving.is_ending() {
            "the process that has the directory open is ending"
        } else {
            "this connection was closed, since too many others came: try again"
        };
        let message = message.to_owned();
        Err(Line::Busy { message })
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        lock(&self.serving.connections).all.remove(&self.number);
        self.serving.gone.notify_all();
    }
}

/// Writes one line of an answer.
pub(in crate::durable) fn say(mut stream: &UnixStream, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    stream.write_all(&text)
}

/// Refuses somebody for now. Who is not there any more is told nothing.
fn say_busy(stream: &UnixStream, why: &str) {
    let message = format!("it is not answered, since {why}: try again");
    let _ = say(stream, &Line::Busy { message });
}

/// What an answer is written to: not for longer than one may take.
pub(in crate::durable) struct Timely<'s> {
    stream: &'s UnixStream,
    until: Instant,
}

impl<'s> Timely<'s> {
    pub(in crate::durable) fn new(stream: &'s UnixStream, limits: &Limits) -> Self {
        Self {
            stream,
            until: Instant::now() + limits.answer,
        }
    }
}

impl Write for Timely<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if Instant::now() >= self.until {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

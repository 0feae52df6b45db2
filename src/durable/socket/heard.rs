//! What comes from a client of a socket: lines, each of bounded length and within a bounded time.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// So much is read at once.
const READ_BYTES: usize = 64 << 10;

/// A line may be so long without asking.
const SHORT_BYTES: usize = 4 << 20;

/// How long a line may take.
#[derive(Clone, Copy, Debug)]
pub(in crate::durable) enum Within {
    /// So long from now on.
    FromNow(Duration),
    /// So long from its first byte on, for which is waited without end.
    FromItsFirstByte(Duration),
}

/// Why there is no line.
#[derive(Debug)]
pub(in crate::durable) enum NotHeard {
    /// It is longer than this many bytes.
    TooLong(usize),
    /// It did not come as a whole within this time.
    TooSlow(Duration),
    /// It is longer than a short one, and there was no room for it within this time.
    NoRoom(Duration),
    /// The client is not there any more. What is not whole was never a line.
    Gone,
}

/// Room for one long line at a time, over all connections.
pub(in crate::durable) trait Room {
    /// Waits for the room until then; says whether it was given.
    fn take(&self, until: Instant) -> bool;
    /// Gives it back.
    fn free(&self);
}

/// Reads lines of a client.
pub(in crate::durable) struct Heard<'s> {
    stream: &'s UnixStream,
    /// What was read and not given yet.
    buffer: Vec<u8>,
}

/// A line, with the room that it takes.
pub(in crate::durable) struct HeardLine<'r> {
    pub(in crate::durable) text: Vec<u8>,
    room: Option<&'r dyn Room>,
}

impl Drop for HeardLine<'_> {
    fn drop(&mut self) {
        if let Some(room) = self.room {
            room.free();
        }
    }
}

impl<'s> Heard<'s> {
    pub(in crate::durable) fn new(stream: &'s UnixStream) -> Self {
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// The next line, without its end; none where the client has ended before it.
    pub(in crate::durable) fn line<'r>(
        &mut self,
        most: usize,
        within: Within,
        room: &'r dyn Room,
    ) -> Result<Option<HeardLine<'r>>, NotHeard> {
        let mut line = HeardLine {
            text: Vec::new(),
            room: None,
        };
        let (span, mut until) = match within {
            Within::FromNow(span) => (span, Some(Instant::now() + span)),
            Within::FromItsFirstByte(span) => (span, None),
        };
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer[searched..]) {
                let rest = self.buffer.split_off(searched + end + 1);
                line.text = std::mem::replace(&mut self.buffer, rest);
                line.text.pop();
                return Ok(Some(line));
            }
            searched = self.buffer.len();
            if searched >= most {
                return Err(NotHeard::TooLong(most));
            }
            if searched > 0 && until.is_none() {
                until = Some(Instant::now() + span);
            }
            if searched >= SHORT_BYTES && line.room.is_none() {
                let until = until.unwrap_or_else(Instant::now);
                if !room.take(until) {
                    return Err(NotHeard::NoRoom(span));
                }
                line.room = Some(room);
            }
            match self.read(most - searched, until)? {
                0 if searched == 0 => return Ok(None),
                0 => return Err(NotHeard::Gone),
                _ => {}
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return Err(NotHeard::TooSlow(span));
            }
        }
    }

    /// Reads some more; gives how much, which is also more than nothing where the time is over.
    fn read(&mut self, most: usize, until: Option<Instant>) -> Result<usize, NotHeard> {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        // A timeout of nothing would be none at all.
        let left = left.map(|left| left.max(Duration::from_millis(1)));
        let timed = self.stream.set_read_timeout(left);
        timed.map_err(|_| NotHeard::Gone)?;
        let at = self.buffer.len();
        let room = READ_BYTES.min(most);
        self.buffer.resize(at + room, 0);
        let read = (&mut &*self.stream).read(&mut self.buffer[at..]);
        let count = *read.as_ref().unwrap_or(&0);
        self.buffer.truncate(at + count);
        match read {
            Ok(count) => Ok(count),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::TimedOut => Ok(usize::MAX),
                _ => Err(NotHeard::Gone),
            },
        }
    }
}

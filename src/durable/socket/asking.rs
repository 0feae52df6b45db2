//! Asking the process that has a directory, through its socket.

use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::listener::target;
use super::protocol::{AppendingTo, Line, Question};
use crate::durable::append_to::AppendTo;
use crate::durable::error::DataDirError;
use crate::store::{SOCKET, StoreError};

/// Why a question got no answer.
pub(in crate::durable) enum NotAnswered {
    /// The holder said why.
    Refused(DataDirError),
    /// Nobody could be asked.
    Unreached(String),
    /// Nobody said why, and what was asked for may be done.
    Cut(String),
}

/// Why records were not acknowledged.
pub(in crate::durable) enum NotAppended {
    /// The holder said why.
    Refused(DataDirError),
    /// The holder has ended, and has not appended them.
    Nothing,
    /// The holder has ended, and nobody knows whether they are appended.
    Unknown,
}

impl NotAnswered {
    /// As the error of somebody who could not open the directory.
    pub(in crate::durable) fn with(self, in_use: StoreError) -> DataDirError {
        match self {
            Self::Refused(error) => error,
            Self::Unreached(why) => DataDirError::NoAnswer { in_use, why },
            Self::Cut(why) => DataDirError::BrokenOff { in_use, why },
        }
    }
}

/// A connection to the process that has a directory, to append to one of its depots.
pub(in crate::durable) struct Appending {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Appending {
    /// Gives also what the depot is. What is appended first comes after `from` records of its
    /// appender, where that is known.
    pub(in crate::durable) fn begin(
        dir: &Path,
        to: &AppendTo,
        from: Option<u64>,
    ) -> Result<(Self, AppendingTo), NotAnswered> {
        let stream = connect(dir)?;
        let lines = stream.try_clone().map_err(cut)?;
        let mut appending = Self {
            stream,
            lines: BufReader::new(lines),
        };
        let to = to.clone();
        appending
            .send(&Question::Append { to, from })
            .map_err(cut)?;
        match appending.hear()? {
            Line::Appending(begun) => Ok((appending, begun)),
            _ => Err(broken_off()),
        }
    }

    pub(in crate::durable) fn append(
        &mut self,
        records: &[(String, String)],
    ) -> Result<(), NotAppended> {
        let sent = self.send(&records);
        match self.hear() {
            Ok(Line::Appended {}) => Ok(()),
            // A line that was not sent as a whole is none, and at its end the holder says what
            // was the last one.
            Err(NotAnswered::Refused(DataDirError::Busy { .. })) | Ok(Line::End {}) => {
                Err(NotAppended::Nothing)
            }
            Err(NotAnswered::Refused(error)) => Err(NotAppended::Refused(error)),
            _ if sent.is_err() => Err(NotAppended::Nothing),
            _ => Err(NotAppended::Unknown),
        }
    }

    fn send(&mut self, what: &impl serde::Serialize) -> io::Result<()> {
        let mut text = serde_json::to_vec(what)?;
        text.push(b'\n');
        self.stream.write_all(&text)
    }

    fn hear(&mut self) -> Result<Line, NotAnswered> {
        let mut line = String::new();
        self.lines.read_line(&mut line).map_err(cut)?;
        read(&line)
    }
}

/// One line of an answer; an error where that is one.
fn read(line: &str) -> Result<Line, NotAnswered> {
    let line: Line = serde_json::from_str(line).map_err(|_| broken_off())?;
    line.heard().map_err(NotAnswered::Refused)
}

fn broken_off() -> NotAnswered {
    NotAnswered::Cut("its answer ended too early".to_owned())
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn cut(error: io::Error) -> NotAnswered {
    NotAnswered::Cut(format!("its answer ended too early: {error}"))
}

/// Whether somebody who has `dir` answers questions.
pub(in crate::durable) fn answers(dir: &Path) -> bool {
    connect(dir).is_ok()
}

/// Connects to the process that has `dir`.
fn connect(dir: &Path) -> Result<UnixStream, NotAnswered> {
    let connect = || -> io::Result<UnixStream> {
        let in_dir = fs::canonicalize(dir)?.join(SOCKET);
        UnixStream::connect(target(&in_dir)?)
    };
    connect().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            NotAnswered::Unreached("it does not answer".to_owned())
        }
        _ => NotAnswered::Unreached(format!("it cannot be reached: {error}")),
    })
}

/// Asks the run that has `dir`; calls `hear` with each line of its answer but the end. The error
/// is why there is none.
pub(in crate::durable) fn ask(
    dir: &Path,
    question: &Question,
    hear: &mut dyn FnMut(Line) -> Result<(), DataDirError>,
) -> Result<(), NotAnswered> {
    let mut stream = connect(dir)?;
    // There is no bound on how long an answer takes: a copy of everything takes its time.
    let mut text = serde_json::to_vec(question).map_err(|error| cut(error.into()))?;
    text.push(b'\n');
    let sent = stream.write_all(&text);
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        lines.read_line(&mut line).map_err(cut)?;
        if line.is_empty() {
            // Who was refused before the question was sent is told why all the same.
            return Err(sent.err().map_or_else(broken_off, cut));
        }
        match read(&line)? {
            Line::End {} => return Ok(()),
            line => hear(line).map_err(NotAnswered::Refused)?,
        }
    }
}

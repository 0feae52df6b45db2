//! The socket of a run: others look into its data directory through it while it has that.
//!
//! It is `DIR/socket`, or where that is longer than sockets' paths may be, one in a directory
//! of its own among the temporary files, whose path is the text in `DIR/socket`.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::heard::{Heard, NotHeard, Within};
use super::protocol::{AppendingTo, Line, Question, answer};
use super::serving::{Does, Limits, Present, Serving, Timely, say};
use crate::depot::{Appender, Depot};
use crate::durable::append_to::AppendTo;
use crate::durable::error::DataDirError;
use crate::private;
use crate::store::{SOCKET, Store, WeakStore};

/// Longer paths of sockets are refused by one operating system or another.
const MAX_PATH_BYTES: usize = 100;

/// A question is no longer than this.
const MAX_QUESTION_BYTES: usize = 64 << 10;

/// The thread that takes connections; each is served on a thread of its own, within the bounds of
/// [`Serving`]. All end when it is dropped, whatever they are doing.
pub(crate) struct Socket {
    serving: Arc<Serving>,
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
    /// What is to be removed at the end, in this order.
    files: Vec<PathBuf>,
}

impl Socket {
    /// Answers for a store from now on; none where it is in memory, or where there can be no
    /// socket, which the log says. The run does without. Handles of one store have one socket.
    pub(crate) fn open(store: &Store) -> Option<Arc<Self>> {
        let dir = store.dir()?;
        let opened = store.in_common("socket", || {
            Self::open_in(dir, store.downgrade(), Limits::default())
        });
        if let Err(error) = &opened {
            let dir = dir.display();
            tracing::warn!("other processes cannot read `{dir}` while this one runs: {error}");
        }
        opened.ok()
    }

    /// The directory is this user's alone, so the socket is before it listens.
    fn open_in(dir: &Path, store: WeakStore, limits: Limits) -> io::Result<Self> {
        let dir = fs::canonicalize(dir)?;
        let in_dir = dir.join(SOCKET);
        // Who has the store is the only one who answers for it: what is there is left over.
        remove_left_over(&in_dir);
        let mut files = vec![in_dir.clone()];
        let mut path = in_dir.clone();
        if path.as_os_str().len() > MAX_PATH_BYTES {
            let own = std::env::temp_dir().join(format!("{OWN_DIR}{:016x}", fastrand::u64(..)));
            private::make_dir_inside(&own)?;
            path = own.join(SOCKET);
            files.extend([path.clone(), own]);
        }
        let serving = Arc::new(Serving::new(limits));
        let mut socket = Self {
            serving: Arc::clone(&serving),
            path,
            thread: None,
            files,
        };
        let listener = UnixListener::bind(&socket.path)?;
        fs::set_permissions(&socket.path, Permissions::from_mode(0o600))?;
        if socket.path != in_dir {
            let path = socket.path.as_os_str().as_encoded_bytes();
            private::create(&in_dir)?.write_all(path)?;
        }
        let serve = move || serve(&listener, &serving, &store);
        let thread = thread::Builder::new().name("socket".to_owned());
        socket.thread = Some(thread.spawn(serve)?);
        Ok(socket)
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.path).finish()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.serving.begin_to_end();
        // Who waits for a connection is woken by one. Where that cannot be made, as when the
        // socket was deleted, the thread is left to itself: it does not keep the store.
        let woken = UnixStream::connect(&self.path).is_ok();
        if let Some(thread) = self.thread.take()
            && (woken || thread.is_finished())
        {
            let _ = thread.join();
        }
        self.serving.end();
        for file in &self.files {
            // One that is gone already is fine, and of the others nobody is left to be told.
            let _ = fs::remove_file(file).or_else(|_| fs::remove_dir(file));
        }
    }
}

/// How the directories of our sockets among the temporary files begin.
const OWN_DIR: &str = "squall-";

/// Removes a socket that a run has left, which was killed.
fn remove_left_over(in_dir: &Path) {
    if let Ok(target) = target(in_dir)
        && target != in_dir
        && let Some(own) = target.parent()
        && own.parent() == Some(&std::env::temp_dir())
        && own
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(OWN_DIR))
        && fs::symlink_metadata(&target).is_ok_and(|file| file.file_type().is_socket())
    {
        let _ = fs::remove_file(&target);
        let _ = fs::remove_dir(own);
    }
    // Where it stays, binding says so.
    let _ = fs::remove_file(in_dir);
}

/// Where the socket of a directory is, by its place in the directory.
pub(in crate::durable) fn target(in_dir: &Path) -> io::Result<PathBuf> {
    if fs::symlink_metadata(in_dir)?.file_type().is_socket() {
        return Ok(in_dir.to_owned());
    }
    let mut path = String::new();
    let file = private::open_to_read(in_dir)?;
    file.take(4_096).read_to_string(&mut path)?;
    Ok(path.into())
}

fn serve(listener: &UnixListener, serving: &Arc<Serving>, store: &WeakStore) {
    for stream in listener.incoming() {
        if serving.is_ending() {
            return;
        }
        let Ok(stream) = stream else {
            // Mostly there are too many open files, which passes.
            thread::park_timeout(Duration::from_millis(100));
            continue;
        };
        let store = store.clone();
        serving.admit(stream, move |stream, present| {
            // Who is not there any more is told nothing.
            let _ = converse(stream, present, &store);
        });
    }
}

/// Reads one question and answers it, or lets the client append.
fn converse(stream: &UnixStream, present: &Present, store: &WeakStore) -> io::Result<()> {
    let serving = &present.serving;
    let mut heard = Heard::new(stream);
    let within = Within::FromNow(serving.limits.question);
    let question = match heard.line(MAX_QUESTION_BYTES, within, &**serving) {
        Ok(Some(line)) => serde_json::from_slice(&line.text),
        Ok(None) => return Ok(()),
        Err(error) => return refuse(stream, &error, "the question"),
    };
    let question = match question {
        Ok(question) => question,
        Err(error) => {
            let message = format!("the question is not understood: {error}");
            let wrong_use = true;
            return say(stream, &Line::Error { message, wrong_use });
        }
    };
    let does = match question {
        Question::Append { .. } => Does::Append,
        _ => Does::Answer,
    };
    if let Err(busy) = present.goes_on_to(does) {
        return say(stream, &busy);
    }
    let done = match question {
        Question::Append { to, from } => append(stream, heard, &to, from, serving, store),
        question => give_answer(stream, &question, serving, store)?,
    };
    match done {
        // By an end that says nothing of it the client knows that nobody knows.
        Err(_) if serving.is_ending() => Ok(()),
        Err(error) => say(stream, &Line::of(error)),
        Ok(()) => say(stream, &Line::End {}),
    }
}

/// Says what was wrong with what was sent.
fn refuse(stream: &UnixStream, error: &NotHeard, what: &str) -> io::Result<()> {
    let message = match error {
        NotHeard::TooLong(most) => format!("{what} is longer than {most} bytes"),
        NotHeard::TooSlow(span) => {
            let seconds = span.as_secs_f64();
            format!("{what} was not whole after {seconds} s")
        }
        NotHeard::NoRoom(span) => {
            let seconds = span.as_secs_f64();
            let message = format!(
                "{what} is long, and for {seconds} s other long ones came first: try again"
            );
            return say(stream, &Line::Busy { message });
        }
        NotHeard::Gone => return Ok(()),
    };
    let wrong_use = true;
    say(stream, &Line::Error { message, wrong_use })
}

/// Writes an answer line by line but for its end. The outer error is that of a client that does
/// not listen any more.
fn give_answer(
    stream: &UnixStream,
    question: &Question,
    serving: &Serving,
    store: &WeakStore,
) -> io::Result<Result<(), DataDirError>> {
    let Some(store) = store.upgrade() else {
        return Ok(Err(DataDirError::Ended));
    };
    let mut out = BufWriter::new(Timely::new(stream, &serving.limits));
    let mut failed = None;
    let answered = answer(&store, question, &|| serving.is_ending(), &mut |line| {
        let mut write = || {
            serde_json::to_writer(&mut out, &line)?;
            out.write_all(b"\n")
        };
        write().map_err(|error| {
            failed = Some(error);
            DataDirError::Ended
        })
    });
    drop(store);
    match failed {
        Some(error) => {
            // What is left of it would be written by the end of the buffer.
            let _ = out.into_parts();
            Err(error)
        }
        None => out.flush().map(|()| answered),
    }
}

/// Takes what one connection appends, until its end.
fn append(
    stream: &UnixStream,
    mut heard: Heard<'_>,
    to: &AppendTo,
    from: Option<u64>,
    serving: &Serving,
    store: &WeakStore,
) -> Result<(), DataDirError> {
    let store = store.upgrade().ok_or(DataDirError::Ended)?;
    let depot = Depot::open_or_make(&store, &to.depot, to.partitions, to.key.as_deref())?;
    drop(store);
    let begun = AppendingTo::new(&depot, to)?;
    let mut from = from.unwrap_or(begun.appended.records);
    if say(stream, &Line::Appending(begun)).is_err() {
        return Ok(());
    }
    // It may think for as long as it likes before it sends.
    let within = Within::FromItsFirstByte(serving.limits.line);
    loop {
        let mut line = match heard.line(serving.limits.line_bytes, within, serving) {
            Ok(Some(line)) if !serving.is_ending() => line,
            // What is not whole, or comes after the end has begun, is not appended.
            Ok(_) | Err(NotHeard::Gone) => return Ok(()),
            Err(error) => {
                let _ = refuse(stream, &error, "the request to append");
                return Ok(());
            }
        };
        let records: Vec<(String, String)> =
            serde_json::from_slice(&line.text).map_err(|error| DataDirError::Answered {
                message: format!("the records to append are not understood: {error}"),
                wrong_use: true,
            })?;
        line.text = Vec::new();
        let count = records.len() as u64;
        let appender = to.id.as_ref().map(|id| Appender {
            id: id.clone(),
            from,
        });
        let given_up = || serving.is_ending();
        depot.append_for(appender.as_ref(), records, to.acknowledge, &given_up)?;
        from += count;
        if say(stream, &Line::Appended {}).is_err() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;

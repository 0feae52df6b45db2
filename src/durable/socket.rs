//! The socket of a run: others look into its data directory through it while it has that.
//!
//! It is `DIR/socket`, or where that is longer than sockets' paths may be, one in a directory
//! of its own among the temporary files, whose path is the text in `DIR/socket`.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::appender::AppendTo;
use super::error::DataDirError;
use super::protocol::{AppendingTo, Line, Question, answer};
use crate::depot::{Appender, Depot};
use crate::store::{SOCKET, Store, StoreError, WeakStore};

/// Longer paths of sockets are refused by one operating system or another.
const MOST_PATH_BYTES: usize = 100;

/// A question is no longer than this.
const MOST_QUESTION_BYTES: u64 = 64 << 10;

/// Who neither asks nor reads for so long is not waited for: others want to ask.
const PATIENCE: Duration = Duration::from_secs(5);

/// The thread that answers, one connection after the other; the others wait with the
/// operating system, which refuses them when they are too many. Ends when it is dropped,
/// whatever it is doing.
pub(crate) struct Socket {
    state: Arc<State>,
    path: PathBuf,
    thread: Option<JoinHandle<()>>,
    /// What is to be removed at the end, in this order.
    files: Vec<PathBuf>,
}

/// What the thread and the run share: the end of the run must reach a thread that waits for
/// somebody to ask or to read.
#[derive(Default)]
struct State {
    ending: AtomicBool,
    asking: Mutex<Option<UnixStream>>,
    /// Who appends, each with a thread of its own: it may wait long for an acknowledgement.
    appending: Mutex<Vec<(UnixStream, JoinHandle<()>)>>,
}

/// So many append at a time.
const MOST_APPENDING: usize = 16;

/// What is appended as one is no longer than this, as JSON. A client sends about a mebibyte,
/// and more only of one long record.
const MOST_BATCH_BYTES: u64 = 128 << 20;

impl State {
    fn asking(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    fn appending(&self) -> MutexGuard<'_, Vec<(UnixStream, JoinHandle<()>)>> {
        self.appending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Socket {
    /// Answers for a store from now on; none where it is in memory, or where there can be no
    /// socket, which the log says. The run does without. Handles of one store have one socket.
    pub(crate) fn open(store: &Store) -> Option<Arc<Self>> {
        let dir = store.dir()?;
        let opened = store.in_common("socket", || Self::open_in(dir, store.downgrade()));
        if let Err(error) = &opened {
            let dir = dir.display();
            tracing::warn!("nobody can look into `{dir}` while this runs: {error}");
        }
        opened.ok()
    }

    fn open_in(dir: &Path, store: WeakStore) -> io::Result<Self> {
        let dir = fs::canonicalize(dir)?;
        let in_dir = dir.join(SOCKET);
        // Who has the store is the only one who answers for it: what is there is left over.
        remove_left_over(&in_dir);
        let mut files = vec![in_dir.clone()];
        let mut path = in_dir.clone();
        if path.as_os_str().len() > MOST_PATH_BYTES {
            let own = std::env::temp_dir().join(format!("{OWN_DIR}{:016x}", fastrand::u64(..)));
            DirBuilder::new().mode(0o700).create(&own)?;
            path = own.join(SOCKET);
            files.extend([path.clone(), own]);
        }
        let state = Arc::new(State::default());
        let mut socket = Self {
            state: Arc::clone(&state),
            path,
            thread: None,
            files,
        };
        let listener = UnixListener::bind(&socket.path)?;
        fs::set_permissions(&socket.path, Permissions::from_mode(0o600))?;
        if socket.path != in_dir {
            fs::write(&in_dir, socket.path.as_os_str().as_encoded_bytes())?;
        }
        let serve = move || serve(&listener, &state, &store);
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
        self.state.ending.store(true, Ordering::SeqCst);
        if let Some(stream) = &*self.state.asking() {
            // Where it is closed already, nothing waits for it.
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Who waits for a question is woken by one. Where that cannot be sent, as when the
        // socket was deleted, the thread is left to itself: it does not keep the store.
        let woken = UnixStream::connect(&self.path).is_ok();
        if let Some(thread) = self.thread.take()
            && (woken || thread.is_finished())
        {
            let _ = thread.join();
        }
        // Nobody is added any more.
        for (stream, thread) in std::mem::take(&mut *self.state.appending()) {
            let _ = stream.shutdown(Shutdown::Both);
            let _ = thread.join();
        }
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
fn target(in_dir: &Path) -> io::Result<PathBuf> {
    if fs::symlink_metadata(in_dir)?.file_type().is_socket() {
        return Ok(in_dir.to_owned());
    }
    let mut path = String::new();
    fs::File::open(in_dir)?
        .take(4_096)
        .read_to_string(&mut path)?;
    Ok(path.into())
}

fn serve(listener: &UnixListener, state: &Arc<State>, store: &WeakStore) {
    for stream in listener.incoming() {
        if state.is_ending() {
            return;
        }
        let Ok(stream) = stream else {
            // Mostly there are too many open files, which passes.
            thread::park_timeout(Duration::from_millis(100));
            continue;
        };
        {
            let mut asking = state.asking();
            if state.is_ending() {
                return;
            }
            *asking = stream.try_clone().ok();
        }
        // Who is not there any more is told nothing.
        let asked = converse(&stream, state, store);
        *state.asking() = None;
        if let Ok(Some(to)) = asked {
            let _ = let_append(stream, to, state, store);
        }
    }
}

/// Reads one question and writes the answer; of those who are going to append it gives what to.
fn converse(stream: &UnixStream, state: &State, store: &WeakStore) -> io::Result<Option<AppendTo>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut question = String::new();
    BufReader::new(stream.take(MOST_QUESTION_BYTES)).read_line(&mut question)?;
    let given_up = || state.is_ending();
    let lines = match serde_json::from_str(&question) {
        Ok(Question::Append(to)) => return Ok(Some(to)),
        Ok(question) => store
            .upgrade()
            .ok_or(DataDirError::Ended)
            .and_then(|store| answer(&store, &question, &given_up)),
        Err(error) => Err(DataDirError::Answered {
            message: format!("the question is not understood: {error}"),
            wrong_use: true,
        }),
    };
    let (lines, end) = match lines {
        Ok(lines) => (lines, Line::End {}),
        Err(error) => {
            let (message, wrong_use) = (error.to_string(), error.is_wrong_use());
            (Vec::new(), Line::Error { message, wrong_use })
        }
    };
    let mut out = BufWriter::new(stream);
    for line in lines.iter().chain([&end]) {
        serde_json::to_writer(&mut out, line)?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(None)
}

/// Writes one line of an answer.
fn say(mut stream: &UnixStream, line: &Line) -> io::Result<()> {
    let mut text = serde_json::to_vec(line)?;
    text.push(b'\n');
    stream.write_all(&text)
}

fn say_error(stream: &UnixStream, error: &DataDirError) -> io::Result<()> {
    let (message, wrong_use) = (error.to_string(), error.is_wrong_use());
    say(stream, &Line::Error { message, wrong_use })
}

/// Lets somebody append on a thread of its own.
fn let_append(
    stream: UnixStream,
    to: AppendTo,
    state: &Arc<State>,
    store: &WeakStore,
) -> io::Result<()> {
    let mut appending = state.appending();
    appending.retain(|(_, thread)| !thread.is_finished());
    if appending.len() >= MOST_APPENDING {
        let message = format!("{MOST_APPENDING} append already: wait for one of them");
        let wrong_use = true;
        return say(&stream, &Line::Error { message, wrong_use });
    }
    // Shut down by the end of the run, whatever it waits for.
    let shut = stream.try_clone()?;
    let (of_thread, store) = (Arc::clone(state), store.clone());
    let thread = thread::Builder::new().name("append".to_owned());
    let thread = thread.spawn(move || {
        if let Err(error) = append(&stream, &to, &of_thread, &store) {
            // Who is not there any more is told nothing.
            let _ = say_error(&stream, &error);
        }
    })?;
    if state.is_ending() {
        let _ = shut.shutdown(Shutdown::Both);
    }
    appending.push((shut, thread));
    Ok(())
}

/// Takes what one connection appends, until its end.
fn append(
    stream: &UnixStream,
    to: &AppendTo,
    state: &State,
    store: &WeakStore,
) -> Result<(), DataDirError> {
    let store = store.upgrade().ok_or(DataDirError::Ended)?;
    let depot = Depot::open_or_make(&store, &to.depot, to.partitions, to.key.as_deref())?;
    drop(store);
    let begun = AppendingTo::new(&depot, to)?;
    let mut from = begun.appended.records;
    // It may think for as long as it likes before it sends.
    let listening = stream
        .set_read_timeout(None)
        .and_then(|()| say(stream, &Line::Appending(begun)));
    let mut lines = BufReader::new(stream);
    let mut line = String::new();
    if listening.is_err() {
        return Ok(());
    }
    loop {
        line.clear();
        let read = lines.by_ref().take(MOST_BATCH_BYTES).read_line(&mut line);
        if !matches!(read, Ok(1..)) || state.is_ending() {
            let _ = say(stream, &Line::End {});
            return Ok(());
        }
        // A line that is cut off is none: what is not whole was never acknowledged.
        let records: Vec<(String, String)> =
            serde_json::from_str(&line).map_err(|error| DataDirError::Answered {
                message: format!("what is to be appended is not understood: {error}"),
                wrong_use: true,
            })?;
        let count = records.len() as u64;
        let appender = to.id.as_ref().map(|id| Appender {
            id: id.clone(),
            from,
        });
        let given_up = || state.is_ending();
        depot.append_for(appender.as_ref(), records, to.acknowledge, &given_up)?;
        from += count;
        if say(stream, &Line::Appended {}).is_err() {
            return Ok(());
        }
    }
}

/// A connection to the process that has a directory, to append to one of its depots.
pub(super) struct Appending {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Appending {
    /// Gives also what the depot is.
    pub(super) fn begin(dir: &Path, to: &AppendTo) -> Result<(Self, AppendingTo), NotAnswered> {
        let stream = connect(dir)?;
        let lines = stream.try_clone().map_err(cut)?;
        let mut appending = Self {
            stream,
            lines: BufReader::new(lines),
        };
        appending.send(&Question::Append(to.clone()))?;
        match appending.hear()? {
            Line::Appending(begun) => Ok((appending, begun)),
            _ => Err(broken_off()),
        }
    }

    pub(super) fn append(&mut self, records: &[(String, String)]) -> Result<(), DataDirError> {
        let appended = self.send(&records).and_then(|()| self.hear());
        match appended {
            Ok(Line::Appended {}) => Ok(()),
            Err(NotAnswered::Refused(error)) => Err(error),
            // Whether it is there is not known.
            Ok(_) | Err(NotAnswered::Cut(_)) => Err(DataDirError::Ended),
        }
    }

    fn send(&mut self, what: &impl serde::Serialize) -> Result<(), NotAnswered> {
        let mut text = serde_json::to_vec(what).map_err(|error| cut(error.into()))?;
        text.push(b'\n');
        self.stream.write_all(&text).map_err(cut)
    }

    fn hear(&mut self) -> Result<Line, NotAnswered> {
        let mut line = String::new();
        self.lines.read_line(&mut line).map_err(cut)?;
        match serde_json::from_str(&line) {
            Ok(Line::Error { message, wrong_use }) => {
                Err(NotAnswered::Refused(DataDirError::Answered {
                    message,
                    wrong_use,
                }))
            }
            Ok(line) => Ok(line),
            Err(_) => Err(broken_off()),
        }
    }
}

fn broken_off() -> NotAnswered {
    NotAnswered::Cut("its answer broke off".to_owned())
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn cut(error: io::Error) -> NotAnswered {
    NotAnswered::Cut(format!("its answer broke off: {error}"))
}

/// Whether somebody who has `dir` answers questions.
pub(super) fn answers(dir: &Path) -> bool {
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
            NotAnswered::Cut("it answers no questions".to_owned())
        }
        _ => NotAnswered::Cut(format!("it cannot be reached: {error}")),
    })
}

/// Asks the run that has `dir`; gives the lines of its answer but the end. The error is why
/// there is none.
pub(super) fn ask(dir: &Path, question: &Question) -> Result<Vec<Line>, NotAnswered> {
    let mut stream = connect(dir)?;
    // There is no bound on how long an answer takes: a copy of everything takes its time.
    let mut text = serde_json::to_vec(question).map_err(|error| cut(error.into()))?;
    text.push(b'\n');
    stream.write_all(&text).map_err(cut)?;
    let mut lines = Vec::new();
    for line in BufReader::new(stream).lines() {
        let line = serde_json::from_str(&line.map_err(cut)?);
        match line.map_err(|error| cut(error.into()))? {
            Line::End {} => return Ok(lines),
            Line::Error { message, wrong_use } => {
                return Err(NotAnswered::Refused(DataDirError::Answered {
                    message,
                    wrong_use,
                }));
            }
            line => lines.push(line),
        }
    }
    Err(broken_off())
}

/// Why a question got no answer.
pub(super) enum NotAnswered {
    /// The holder said why.
    Refused(DataDirError),
    /// Nobody did.
    Cut(String),
}

impl NotAnswered {
    /// As the error of somebody who could not open the directory.
    pub(super) fn with(self, in_use: StoreError) -> DataDirError {
        match self {
            Self::Refused(error) => error,
            Self::Cut(why) => DataDirError::NoAnswer { in_use, why },
        }
    }
}

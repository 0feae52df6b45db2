//! The socket of a run: others look into its data directory through it while it has that.
//!
//! It is `DIR/socket`, or where that is longer than sockets' paths may be, one in a directory
//! of its own among the temporary files, whose path is the text in `DIR/socket`.

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

use super::error::DataDirError;
use super::protocol::{Line, Question, answer};
use crate::store::{SOCKET, Store, WeakStore};

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
}

impl State {
    fn asking(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }
}

impl Socket {
    /// Answers for a store from now on; none where it is in memory, or where there can be no
    /// socket, which the log says. The run does without.
    pub(crate) fn open(store: &Store) -> Option<Self> {
        let dir = store.dir()?;
        let opened = Self::open_in(dir, store.downgrade());
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

fn serve(listener: &UnixListener, state: &State, store: &WeakStore) {
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
        let _ = converse(&stream, state, store);
        *state.asking() = None;
    }
}

/// Reads one question and writes the answer.
fn converse(stream: &UnixStream, state: &State, store: &WeakStore) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut question = String::new();
    BufReader::new(stream.take(MOST_QUESTION_BYTES)).read_line(&mut question)?;
    let given_up = || state.is_ending();
    let lines = match serde_json::from_str(&question) {
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
    out.flush()
}

/// Asks the run that has `dir`; gives the lines of its answer but the end. The error is why
/// there is none.
pub(super) fn ask(dir: &Path, question: &Question) -> Result<Vec<Line>, NotAnswered> {
    let connect = || -> io::Result<UnixStream> {
        let in_dir = fs::canonicalize(dir)?.join(SOCKET);
        UnixStream::connect(target(&in_dir)?)
    };
    let mut stream = connect().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            NotAnswered::Cut("it answers no questions".to_owned())
        }
        _ => NotAnswered::Cut(format!("it cannot be reached: {error}")),
    })?;
    // There is no bound on how long an answer takes: a copy of everything takes its time.
    let cut = |error: io::Error| NotAnswered::Cut(format!("its answer broke off: {error}"));
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
    Err(NotAnswered::Cut("its answer broke off".to_owned()))
}

/// Why a question got no answer.
pub(super) enum NotAnswered {
    /// The holder said why.
    Refused(DataDirError),
    /// Nobody did.
    Cut(String),
}

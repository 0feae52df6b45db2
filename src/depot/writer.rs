//! The thread that writes a depot: what waits for it goes into one commit.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::error::DepotError;
use super::layout::Retention;
use super::log::{Append, Dropped, Log, Written, lock};
use crate::store::Store;

/// The most requests that wait. Who comes then waits until some were written.
const MAX_REQUESTS: usize = 1_024;

/// The most bytes that wait; a request that is larger waits alone.
const MAX_BYTES: usize = 8 << 20;

/// How far the readers are is written so often, and at the end.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);

/// Whether something is to be dropped is looked at so often while something is appended.
const KEEP_INTERVAL: Duration = Duration::from_secs(10);

/// What the thread is asked to do.
enum Request {
    /// The answer is none where nobody waits for it.
    Append(Append, Option<Answer<Written>>),
    Drop {
        keep: Retention,
        force: bool,
        answer: Answer<Dropped>,
    },
    Keep(Retention, Answer<()>),
    Note(Answer<()>),
    Forget(String, Answer<bool>),
}

type Answer<T> = mpsc::SyncSender<Result<T, DepotError>>;

/// Whose turn it is to write to a depot.
pub(super) type Turn = Arc<Mutex<()>>;

/// The thread and what it writes to. It ends, when everything that waits is written, with the
/// last handle.
pub(super) struct Writer {
    pub(super) log: Arc<Log>,
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

/// What waits for the thread.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    /// There is something to do.
    filled: Condvar,
    /// There is room.
    emptied: Condvar,
}

#[derive(Default)]
struct Waiting {
    requests: VecDeque<Request>,
    bytes: usize,
    /// Readers have come further since that was written.
    moved: bool,
    ended: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }

    fn push(&self, request: Request) {
        let bytes = request.bytes();
        let full = |waiting: &mut Waiting| {
            !waiting.requests.is_empty()
                && (waiting.requests.len() >= MAX_REQUESTS || waiting.bytes + bytes > MAX_BYTES)
        };
        let waiting = self.emptied.wait_while(self.waiting(), full);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.bytes += bytes;
        waiting.requests.push_back(request);
        self.filled.notify_one();
    }

    /// Everything that waits; none at the end. Nothing, after a while, where only readers have
    /// moved.
    fn take(&self, noted: Instant) -> Option<(VecDeque<Request>, bool)> {
        let mut waiting = self.waiting();
        loop {
            let due = waiting.moved && noted.elapsed() >= NOTE_INTERVAL;
            if due || !waiting.requests.is_empty() {
                break;
            }
            if waiting.ended {
                return None;
            }
            waiting = if waiting.moved {
                let left = NOTE_INTERVAL.saturating_sub(noted.elapsed());
                let waited = self.filled.wait_timeout(waiting, left);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                let waited = self.filled.wait(waiting);
                waited.unwrap_or_else(PoisonError::into_inner)
            };
        }
        waiting.bytes = 0;
        self.emptied.notify_all();
        let due = noted.elapsed() >= NOTE_INTERVAL && std::mem::take(&mut waiting.moved);
        Some((std::mem::take(&mut waiting.requests), due))
    }
}

impl Request {
    fn bytes(&self) -> usize {
        match self {
            Self::Append(append, _) => append.bytes(),
            _ => 0,
        }
    }
}

impl Writer {
    /// Opens a depot and starts its thread. One that is still being closed is waited for, so
    /// that no two threads write to one depot.
    pub(super) fn start(store: &Store, name: &str, turn: Turn) -> Result<Self, DepotError> {
        let queue = Arc::new(Queue::default());
        let (opened, opens) = mpsc::sync_channel(1);
        let (store, name) = (store.clone(), name.to_owned());
        let of_thread = Arc::clone(&queue);
        let write = move || {
            let _turn = lock(&turn);
            let log = Log::open(&store, &name).map(Arc::new);
            let ready = log.as_ref().ok().cloned();
            // Where nobody waits for it there is nothing to do either.
            if opened.send(log).is_ok()
                && let Some(log) = ready
            {
                write(&log, &of_thread);
            }
        };
        let thread = thread::Builder::new().name("depot".to_owned());
        let thread = thread.spawn(write);
        let thread = thread.map_err(|error| DepotError::Thread(Arc::new(error)))?;
        // The thread sends before all else, so there is an answer.
        let log = opens.recv().unwrap_or_else(|_| Err(ended("")));
        Ok(Self {
            log: log?,
            queue,
            thread: Some(thread),
        })
    }

    /// Appends, and waits for the commit.
    pub(super) fn append(&self, append: Append) -> Result<Written, DepotError> {
        self.ask(|answer| Request::Append(append, Some(answer)))
    }

    /// Appends some time; what fails is logged.
    pub(super) fn append_unheard(&self, append: Append) {
        self.queue.push(Request::Append(append, None));
    }

    pub(super) fn drop_oldest(&self, keep: Retention, force: bool) -> Result<Dropped, DepotError> {
        self.ask(|answer| Request::Drop {
            keep,
            force,
            answer,
        })
    }

    pub(super) fn keep(&self, keep: Retention) -> Result<(), DepotError> {
        self.ask(|answer| Request::Keep(keep, answer))
    }

    /// Writes how far the readers are now.
    pub(super) fn note(&self) -> Result<(), DepotError> {
        self.ask(Request::Note)
    }

    pub(super) fn forget(&self, reader: &str) -> Result<bool, DepotError> {
        self.ask(|answer| Request::Forget(reader.to_owned(), answer))
    }

    fn ask<T>(&self, request: impl FnOnce(Answer<T>) -> Request) -> Result<T, DepotError> {
        let (answer, answered) = mpsc::sync_channel(1);
        self.queue.push(request(answer));
        let answer = answered.recv();
        answer.unwrap_or_else(|_| Err(ended(&self.log.name)))
    }

    /// How to tell the thread that readers have moved.
    pub(super) fn readers_moved(&self) -> ReadersMoved {
        ReadersMoved(Arc::clone(&self.queue))
    }
}

/// Tells a depot's thread that readers have moved.
#[derive(Clone)]
pub(super) struct ReadersMoved(Arc<Queue>);

impl ReadersMoved {
    pub(super) fn tell(&self) {
        let mut waiting = self.0.waiting();
        if !std::mem::replace(&mut waiting.moved, true) {
            self.0.filled.notify_one();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue.waiting().ended = true;
        self.queue.filled.notify_one();
        if let Some(thread) = self.thread.take() {
            // It has panicked where it cannot be joined, and has said so.
            let _ = thread.join();
        }
    }
}

fn ended(depot: &str) -> DepotError {
    DepotError::Ended {
        depot: depot.to_owned(),
    }
}

/// The thread.
fn write(log: &Log, queue: &Queue) {
    let mut noted = Instant::now();
    let mut looked: Option<Instant> = None;
    while let Some((mut requests, due)) = queue.take(noted) {
        let mut appended = false;
        while let Some(request) = requests.pop_front() {
            match request {
                Request::Append(append, answer) => {
                    let mut appends = vec![(append, answer)];
                    while let Some(Request::Append(..)) = requests.front()
                        && let Some(Request::Append(append, answer)) = requests.pop_front()
                    {
                        appends.push((append, answer));
                    }
                    append_all(log, &appends);
                    appended = true;
                }
                Request::Drop {
                    keep,
                    force,
                    answer,
                } => tell(&answer, log.drop_oldest(keep, force)),
                Request::Keep(keep, answer) => {
                    looked = None;
                    tell(&answer, log.set_keep(keep));
                }
                Request::Note(answer) => tell(&answer, log.note()),
                Request::Forget(reader, answer) => tell(&answer, log.forget(&reader)),
            }
        }
        if due {
            noted = Instant::now();
            warn(log, log.note());
        }
        if appended && looked.is_none_or(|looked| looked.elapsed() >= KEEP_INTERVAL) {
            looked = Some(Instant::now());
            warn(log, log.keep().and_then(|keep| keep_to(log, keep)));
        }
    }
    warn(log, log.note());
}

fn append_all(log: &Log, appends: &[(Append, Option<Answer<Written>>)]) {
    let written: Vec<_> = appends.iter().map(|(append, _)| append).collect();
    let results = log.write(&written);
    for ((_, answer), result) in appends.iter().zip(results) {
        match answer {
            Some(answer) => tell(answer, result),
            None => warn(log, result.map(drop)),
        }
    }
}

fn keep_to(log: &Log, keep: Retention) -> Result<(), DepotError> {
    if keep == Retention::default() {
        return Ok(());
    }
    let dropped = log.drop_oldest(keep, false)?;
    if !dropped.kept_for.is_empty() {
        let (name, readers) = (&log.name, dropped.kept_for.join(" and "));
        tracing::warn!(
            "the depot `{name}` keeps more records than its limit: {readers} has not read them yet"
        );
    }
    Ok(())
}

/// Gives an answer; who does not wait any more is told nothing.
fn tell<T>(answer: &Answer<T>, result: Result<T, DepotError>) {
    let _ = answer.send(result);
}

fn warn(log: &Log, result: Result<(), DepotError>) {
    if let Err(error) = result {
        tracing::error!("the depot `{}` cannot be written: {error}", log.name);
    }
}

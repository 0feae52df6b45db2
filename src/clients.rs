//! The runtime of asynchronous clients.

use std::io;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use crate::error::Result;

/// The runtime of the clients of a run, on a thread that is started when the first asks for it. With
/// it go all of its futures.
#[derive(Debug, Default)]
pub(crate) struct Clients(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    /// Nobody has asked for it.
    #[default]
    Idle,
    Driven(Driven),
    Ended,
}

#[derive(Debug)]
struct Driven {
    handle: Handle,
    /// Its end is the end of the runtime.
    _runs: oneshot::Sender<()>,
}

/// What a [`Context`](crate::Context) has of it: futures that keep a context do not keep the
/// runtime that they are on.
#[derive(Clone, Debug)]
pub(crate) struct RuntimeOf(Weak<Clients>);

impl Clients {
    /// The runtime of the clients, for a context.
    pub(crate) fn runtime(self: &Arc<Self>) -> RuntimeOf {
        RuntimeOf(Arc::downgrade(self))
    }

    fn handle(&self) -> io::Result<Handle> {
        let mut driven = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*driven {
            State::Idle => {}
            State::Driven(driven) => return Ok(driven.handle.clone()),
            State::Ended => return Err(io::Error::other("the run has ended")),
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (runs, ended) = oneshot::channel::<()>();
        let clients = thread::Builder::new().name("squall-clients".to_owned());
        // It is not joined: a future that does not return keeps nobody but itself waiting.
        clients.spawn(move || {
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })?;
        *driven = State::Driven(Driven {
            handle: handle.clone(),
            _runs: runs,
        });
        Ok(handle)
    }

    /// Ends the runtime with all of its futures, also where a task still waits for one: that task
    /// gets an error. None begins again.
    pub(crate) fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::Ended;
    }
}

impl RuntimeOf {
    /// That of tests of single components, which lives as long as the process.
    pub(crate) fn tests() -> Self {
        static CLIENTS: LazyLock<Arc<Clients>> = LazyLock::new(Arc::default);
        CLIENTS.runtime()
    }

    pub(crate) fn handle(&self) -> Result<Handle> {
        let clients = self.0.upgrade();
        let clients = clients.ok_or("the run that owns this asynchronous runtime has ended")?;
        let handle = clients.handle();
        Ok(handle.map_err(|error| {
            format!("cannot start the runtime for asynchronous clients: {error}")
        })?)
    }
}

/// Waits for a future of the runtime on this thread, which has a runtime of its own for its
/// messages, so that it cannot wait by means of another one. It is woken from there.
pub(crate) fn on_this_thread<T>(called: JoinHandle<T>) -> Result<T, JoinError> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    // The budget of tokio is for tasks that share a thread, and is not filled up here.
    let mut called = pin!(tokio::task::unconstrained(called));
    loop {
        match called.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    /// Far more than anything here takes.
    const LONG: Duration = Duration::from_mins(1);

    #[test]
    fn who_waits_for_a_future_is_told_that_the_run_has_ended() {
        let clients = Arc::new(Clients::default());
        let runtime = clients.runtime();
        let never = runtime
            .handle()
            .unwrap()
            .spawn(std::future::pending::<()>());
        let waits = thread::spawn(|| on_this_thread(never));
        clients.end();
        assert!(
            waits
                .join()
                .unwrap()
                .is_err_and(|error| error.is_cancelled())
        );
        assert!(runtime.handle().is_err(), "none begins again");
    }

    #[test]
    fn futures_run_with_timers_and_end_with_their_run() {
        let clients = Arc::new(Clients::default());
        let runtime = clients.runtime();
        let (tell, told) = mpsc::channel();
        runtime.handle().unwrap().spawn(async move {
            let never = std::future::pending::<()>();
            let passed = tokio::time::timeout(Duration::from_millis(1), never).await;
            tell.send(passed.is_err()).unwrap();
            // Nobody ends it.
            std::future::pending::<()>().await;
            drop(tell);
        });
        assert_eq!(told.recv_timeout(LONG), Ok(true));
        drop(clients);
        let ended = told.recv_timeout(LONG);
        assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
        let error = runtime.handle().unwrap_err().to_string();
        assert!(error.contains("has ended"), "{error}");
    }
}

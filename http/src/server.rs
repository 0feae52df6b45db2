//! The server: one thread, with a bound on all that clients can take.

use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use squall::run::Watch;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot};

use crate::answers::Answers;
use crate::token::Token;
use crate::{HttpError, HttpOptions};

/// So many connections are served at once; more wait in the queue of the operating system.
const MAX_CONNECTIONS: usize = 16;

/// A connection may take so long, from its beginning until its answer is sent.
const MAX_TIME: Duration = Duration::from_secs(10);

/// The bounds of the head of a request.
const MAX_HEAD_BYTES: usize = 16 << 10;
const MAX_HEADERS: usize = 64;

/// Where no connection can be taken, as without file descriptors, it is tried again after this time.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves the statistics of a run until it is dropped, also after the run has ended.
#[derive(Debug)]
#[must_use = "it serves until it is dropped"]
pub struct Server {
    address: SocketAddr,
    /// Dropped at the end, which the thread sees.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// Serves the statistics of a run.
///
/// # Errors
/// An address that other computers can reach without a token, one that cannot be had, and where the
/// operating system gives no thread.
pub fn serve(watch: Watch, options: HttpOptions) -> Result<Server, HttpError> {
    listen(options)?.serve(watch)
}

/// An address that is taken before there is a run. Connections wait for [`Listening::serve`].
#[derive(Debug)]
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
    token: Option<Token>,
}

/// Takes an address, so that one that cannot be had is told before anything runs.
///
/// # Errors
/// An address that other computers can reach without a token, and one that cannot be had.
pub fn listen(options: HttpOptions) -> Result<Listening, HttpError> {
    let HttpOptions { address, token } = options;
    if token.is_none() && !address.ip().to_canonical().is_loopback() {
        return Err(HttpError::NeedsToken(address));
    }
    let told = |cause| HttpError::Listen { address, cause };
    let listener = TcpListener::bind(address).map_err(told)?;
    listener.set_nonblocking(true).map_err(told)?;
    let address = listener.local_addr().map_err(told)?;
    Ok(Listening {
        listener,
        address,
        token,
    })
}

impl Listening {
    /// Serves the statistics of a run.
    ///
    /// # Errors
    /// Where the operating system gives no thread.
    pub fn serve(self, watch: Watch) -> Result<Server, HttpError> {
        let Self {
            listener,
            address,
            token,
        } = self;
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // Each connection asks the run at most once.
            .max_blocking_threads(MAX_CONNECTIONS)
            .build()
            .map_err(HttpError::Thread)?;
        let answers = Arc::new(Answers::new(watch, token));
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("http".to_owned())
            .spawn(move || run(runtime, listener, &answers, stopped))
            .map_err(HttpError::Thread)?;
        Ok(Server {
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Server {
    /// The address that is listened on, with its real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // What it has panicked with is in the log.
            let _ = thread.join();
        }
    }
}

fn run(
    runtime: Runtime,
    listener: TcpListener,
    answers: &Arc<Answers>,
    stopped: oneshot::Receiver<()>,
) {
    let served = runtime.block_on(async {
        tokio::select! {
            // The sender is dropped: nothing is ever sent.
            _ = stopped => Ok(()),
            served = accept(listener, answers) => served,
        }
    });
    if let Err(error) = served {
        tracing::error!("the HTTP server has ended: {error}");
    }
    // Not waited for: a run that does not answer has a second to do so.
    runtime.shutdown_background();
}

/// Takes connections for ever.
async fn accept(listener: TcpListener, answers: &Arc<Answers>) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let place = Arc::clone(&places).acquire_owned().await;
        let place = place.map_err(io::Error::other)?;
        match listener.accept().await {
            Ok((connection, _)) => {
                let answers = Arc::clone(answers);
                tokio::spawn(async move {
                    let _place = place;
                    let served = tokio::time::timeout(MAX_TIME, connected(connection, answers));
                    // A client that goes away or takes too long is told nothing.
                    let _ = served.await;
                });
            }
            Err(error) => {
                tracing::debug!("no connection can be taken: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Answers the one request of a connection.
async fn connected(connection: TcpStream, answers: Arc<Answers>) -> hyper::Result<()> {
    let service = service_fn(move |request: Request<Incoming>| {
        let answers = Arc::clone(&answers);
        async move {
            let (parts, _) = request.into_parts();
            // The run is waited for on another thread.
            let answer = tokio::task::spawn_blocking(move || answers.answer(&parts));
            let answer = answer.await.unwrap_or_else(|_| {
                let mut failed = Response::new("the answer could not be made\n".to_owned());
                *failed.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                failed
            });
            Ok::<_, Infallible>(answer)
        }
    });
    http1::Builder::new()
        .keep_alive(false)
        // The time of the whole connection is bounded.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_header_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(connection), service)
        .await
}

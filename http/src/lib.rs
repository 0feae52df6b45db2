//! A run's statistics by HTTP: metrics for Prometheus, health for whoever starts and stops
//! processes, and the topology with its numbers as JSON.
//!
//! ```no_run
//! use squall::{RunOptions, Topology};
//! use squall_http::{HttpOptions, serve};
//!
//! # fn wired() -> Topology { Topology::named("job") }
//! let running = wired().start(RunOptions::default())?;
//! let server = serve(running.watch(), HttpOptions::at(([127, 0, 0, 1], 9100).into()))?;
//! println!("metrics at http://{}/metrics", server.address());
//! running.wait()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | path | answer |
//! |---|---|
//! | `/metrics` | the statistics for Prometheus: OpenMetrics where it is asked for, the text format 0.0.4 otherwise; docs/metrics.md has the names |
//! | `/health` | 200 while the run goes well and after it has ended well; 503 while a task waits for a system outside, while the run is being restored after a failure, and after it has failed. JSON with the reasons |
//! | `/api/topology` | the plan, how the run stands, and the statistics of [`RunStats`](squall::run::RunStats) as JSON |
//!
//! Only GET is answered. Without a [`Token`] only a loopback address is listened on, and a request
//! whose `Host` is not an IP address or `localhost` gets 421: no page in a browser reads the numbers
//! by a name of its own. With one every request needs it, as `Authorization: Bearer TOKEN`.
//!
//! What clients can take is bounded: 16 connections with one request each, of which the head has at
//! most 16 KiB, 10 s for a request with its answer. Further connections wait in the queue of the
//! operating system. Everything runs on one thread, beside a few that wait for the run's answers.

#![forbid(unsafe_code)]

mod answers;
mod metrics;
mod server;
mod token;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use metrics::{Described, described};
pub use server::{Listening, Server, listen, serve};
pub use token::Token;

/// Where to listen, and who may ask.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpOptions {
    /// The address; with port 0 the operating system chooses one, which [`Server::address`] has.
    pub address: SocketAddr,
    /// What a request must bring; needed where the address is not a loopback one.
    pub token: Option<Token>,
}

impl HttpOptions {
    /// This address, without a token.
    #[must_use]
    pub fn at(address: SocketAddr) -> Self {
        let token = None;
        Self { address, token }
    }

    /// The same with a token.
    #[must_use]
    pub fn token(mut self, token: Token) -> Self {
        self.token = Some(token);
        self
    }
}

/// Why nothing is served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// Others could read the statistics.
    #[error(
        "other computers can reach `{0}`, and no token is set: set one, or listen on 127.0.0.1 or \
         [::1]"
    )]
    NeedsToken(SocketAddr),
    /// The address cannot be had.
    #[error("cannot listen on `{address}`: {cause}")]
    Listen {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// The operating system refused a thread or what it needs to wait.
    #[error("cannot start the thread of the HTTP server: {0}")]
    Thread(#[source] io::Error),
    /// The text is not a token.
    #[error("the token {0}: give one of 1 to 1024 visible ASCII characters without spaces")]
    Token(&'static str),
    /// The file of a token cannot be read.
    #[error("cannot read the token from `{}`: {cause}", path.display())]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
}

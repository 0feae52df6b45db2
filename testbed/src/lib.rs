//! Real servers for tests: a Kafka broker, Redis and PostgreSQL, on free ports of this computer; and
//! real readers of what squall writes.
//!
//! ```text
//!   kafka, redis, postgres    one server each: started, asked, stopped, killed, started again
//!   shared                    one of each for all tests of a run
//!   guarded                   a child that ends with its parent, however that ends
//!   python                    a Python with packages from its registry
//!   tools                     the programs that they need, and what to install where one is missing
//! ```
//!
//! Servers and their files are gone when the process that has started them is, also after `kill -9`.

#![forbid(unsafe_code)]

mod guarded;
pub mod kafka;
pub mod postgres;
mod python;
pub mod redis;
pub mod shared;
mod tools;

use std::ffi::OsStr;
use std::io;

pub use kafka::{Kafka, KafkaAt};
pub use postgres::{Postgres, PostgresAt};
pub use python::python;
pub use redis::{Redis, RedisAt};
pub use tools::missing_packages;

/// Why a server is not there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A program is not on this computer.
    #[error(
        "`{program}` is missing, which {what} needs: install it, on Debian by `apt-get install {package}`"
    )]
    Missing {
        /// Its name.
        program: &'static str,
        /// What it is for.
        what: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// A program cannot be started.
    #[error("cannot start `{program}`: {cause}")]
    Start {
        /// Its name.
        program: String,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// A program has failed, or a server has ended or does not get ready.
    #[error("{server} did not get ready; the end of its log:\n{log}")]
    Ended {
        /// Its name.
        server: String,
        /// The last lines that it wrote.
        log: String,
    },
    /// The server that tests of this process share could not be started.
    #[error("the server that tests share did not start: {cause}")]
    Shared {
        /// Why.
        cause: String,
    },
    /// A file or a port of the server cannot be had.
    #[error("cannot have {what}: {cause}")]
    File {
        /// Which one.
        what: String,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
}

impl Error {
    fn start(program: impl AsRef<OsStr>, cause: io::Error) -> Self {
        let program = program.as_ref().to_string_lossy().into_owned();
        Self::Start { program, cause }
    }

    fn file(what: impl Into<String>, cause: io::Error) -> Self {
        let what = what.into();
        Self::File { what, cause }
    }
}

type Result<T, E = Error> = std::result::Result<T, E>;

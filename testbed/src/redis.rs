//! Redis, with a password and TLS beside the plain port.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::guarded::{Guarded, wait_until};
use crate::tools::{certificate, free_port, program};
use crate::{Error, Result};

/// Where a Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisAt {
    /// Without TLS: `127.0.0.1:31000`.
    pub address: String,
    /// By TLS.
    pub tls_address: String,
    /// The certificate that has signed the server's.
    pub ca: PathBuf,
}

/// A running server.
#[derive(Debug)]
pub struct Redis {
    folder: TempDir,
    settings: Vec<String>,
    server: Option<Guarded>,
    port: u16,
    tls_port: u16,
}

impl Redis {
    /// Starts an empty server, and waits until it serves.
    ///
    /// # Errors
    /// Where it is missing, and where it does not get ready, with its log.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// The same with settings of its own: `["maxmemory", "1mb"]`.
    ///
    /// # Errors
    /// As [`Redis::start`].
    pub fn start_with(settings: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("squall-redis-").tempdir();
        let folder = folder.map_err(|error| Error::file("a folder of Redis", error))?;
        certificate(folder.path())?;
        let mut redis = Self {
            folder,
            settings: settings.iter().map(|word| (*word).to_owned()).collect(),
            server: None,
            port: free_port()?,
            tls_port: free_port()?,
        };
        redis.start_again()?;
        Ok(redis)
    }

    /// Where it is.
    #[must_use]
    pub fn at(&self) -> RedisAt {
        RedisAt {
            address: format!("127.0.0.1:{}", self.port),
            tls_address: format!("localhost:{}", self.tls_port),
            ca: self.folder.path().join("ca.pem"),
        }
    }

    /// Kills it, as `kill -9` does. What was written last may be lost.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Stops its process until [`Redis::go_on`]: it answers nobody.
    ///
    /// # Errors
    /// Where it cannot be told to.
    pub fn pause(&self) -> Result<()> {
        self.server
            .as_ref()
            .map_or(Ok(()), |server| server.signal("STOP"))
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// Where it cannot be told to.
    pub fn go_on(&self) -> Result<()> {
        self.server
            .as_ref()
            .map_or(Ok(()), |server| server.signal("CONT"))
    }

    /// Starts it again at the same addresses, with what it has written to its folder.
    ///
    /// # Errors
    /// Where it does not get ready.
    pub fn start_again(&mut self) -> Result<()> {
        self.kill();
        let path = |name: &str| self.folder.path().join(name);
        let mut command = Command::new(program("redis-server")?);
        command.args(["--bind", "127.0.0.1", "--port", &self.port.to_string()]);
        command.args(["--tls-port", &self.tls_port.to_string()]);
        command.args(["--tls-auth-clients", "no"]);
        command.arg("--tls-cert-file").arg(path("ca.pem"));
        command.arg("--tls-key-file").arg(path("key.pem"));
        command.arg("--tls-ca-cert-file").arg(path("ca.pem"));
        command.args(["--appendonly", "yes", "--save", "", "--dir"]);
        command.arg(self.folder.path());
        for pair in self.settings.chunks(2) {
            if let [name, value] = pair {
                command.arg(format!("--{name}")).arg(value);
            }
        }
        let log = path("redis.log");
        let mut server = Guarded::start(&command, self.folder.path(), &log)?;
        wait_until(&mut server, "Redis", &log, || {
            let text = std::fs::read_to_string(&log).ok()?;
            text.contains("Ready to accept connections").then_some(())
        })?;
        self.server = Some(server);
        Ok(())
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// Where it cannot be told to.
    pub fn stop(&mut self) -> Result<()> {
        match self.server.take() {
            Some(server) => server.stop(Duration::from_secs(20)),
            None => Ok(()),
        }
    }
}

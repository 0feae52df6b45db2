//! PostgreSQL, with a password and TLS.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use crate::guarded::{Guarded, wait_until};
use crate::tools::{certificate, free_port, is_root, program, run, run_with};
use crate::{Error, Result};

/// Who may log in, and owns the database of the same name.
pub const USER: &str = "squall";
/// The password of [`USER`].
pub const PASSWORD: &str = "squall-secret";

/// Where a `PostgreSQL` is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostgresAt {
    /// The port, on 127.0.0.1 and `localhost`.
    pub port: u16,
    /// The certificate that has signed the server's.
    pub ca: PathBuf,
}

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    folder: TempDir,
    server: Option<Guarded>,
    port: u16,
}

impl Postgres {
    /// Starts a server with an empty database, and waits until it serves.
    ///
    /// # Errors
    /// Where it is missing, and where it does not get ready, with its log.
    pub fn start() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("squall-postgres-")
            .tempdir();
        let folder = folder.map_err(|error| Error::file("a folder of PostgreSQL", error))?;
        certificate(folder.path())?;
        let mut postgres = Self {
            folder,
            server: None,
            port: free_port()?,
        };
        postgres.make()?;
        postgres.start_again()?;
        Ok(postgres)
    }

    /// Where it is.
    #[must_use]
    pub fn at(&self) -> PostgresAt {
        PostgresAt {
            port: self.port,
            ca: self.folder.path().join("ca.pem"),
        }
    }

    /// Kills the server and all that it has started, as a machine that loses power.
    pub fn kill(&mut self) {
        if let Some(server) = self.server.take() {
            server.kill();
        }
    }

    /// Ends it in good order, whoever is connected.
    ///
    /// # Errors
    /// Where it cannot be told to.
    pub fn stop(&mut self) -> Result<()> {
        match self.server.take() {
            // Fast shutdown; SIGTERM would wait for the clients.
            Some(server) => server.stop_by("INT", Duration::from_secs(30)),
            None => Ok(()),
        }
    }

    /// Starts it again at the same address, with its data.
    ///
    /// # Errors
    /// Where it does not get ready.
    pub fn start_again(&mut self) -> Result<()> {
        self.kill();
        let log = self.folder.path().join("postgres.log");
        let mut postgres = Self::command("postgres")?;
        postgres.arg("-D").arg(self.folder.path().join("data"));
        let port = self.port.to_string();
        postgres.args(["-h", "127.0.0.1,::1", "-p", &port, "-k", ""]);
        for setting in [
            "ssl=on",
            "ssl_cert_file=../server.pem",
            "ssl_key_file=../key.pem",
            "shared_buffers=16MB",
        ] {
            postgres.args(["-c", setting]);
        }
        let mut server = Guarded::start(&postgres, self.folder.path(), &log)?;
        wait_until(&mut server, "PostgreSQL", &log, || {
            let text = fs::read_to_string(&log).ok()?;
            let ready = "database system is ready to accept connections";
            text.contains(ready).then_some(())
        })?;
        self.server = Some(server);
        Ok(())
    }

    /// A program of the server. It does not run as root, so root runs it as `nobody`.
    fn command(name: &str) -> Result<Command> {
        // Those of one server lie in one folder.
        let program = program("initdb")?.with_file_name(name);
        if !is_root() {
            return Ok(Command::new(program));
        }
        let mut command = Command::new("setpriv");
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
        command.arg(program);
        Ok(command)
    }

    fn make(&self) -> Result<()> {
        let folder = self.folder.path();
        let written = fs::write(folder.join("password"), PASSWORD);
        written.map_err(|error| Error::file("the password file", error))?;
        let copied = fs::copy(folder.join("ca.pem"), folder.join("server.pem"));
        copied.map_err(|error| Error::file("server.pem", error))?;
        if is_root() {
            run(Command::new("chown")
                .args(["-R", "nobody:nogroup"])
                .arg(folder))?;
        }
        let mut initdb = Self::command("initdb")?;
        initdb.arg("-D").arg(folder.join("data"));
        initdb.args(["-U", USER, "-A", "scram-sha-256", "-E", "UTF8"]);
        initdb.args(["--locale=C", "--no-sync", "--pwfile"]);
        initdb.arg(folder.join("password"));
        run(&mut initdb)?;
        // The database `postgres` is there; clients ask for one of the user's name.
        let mut single = Self::command("postgres")?;
        single
            .arg("--single")
            .arg("-D")
            .arg(folder.join("data"))
            .arg("postgres");
        run_with(&mut single, &format!("CREATE DATABASE {USER}\n")).map(drop)
    }
}

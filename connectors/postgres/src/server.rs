//! Where a PostgreSQL is, and who connects.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use native_tls::{Certificate, TlsConnector};
use postgres_native_tls::MakeTlsConnector;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::Error;

/// A connection is given up that is not there after this time.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// So long the server works on one statement.
pub(crate) const STATEMENT: Duration = Duration::from_secs(30);

/// An answer is given up after this time: the server has ended the statement before.
pub(crate) const ANSWER: Duration = Duration::from_secs(35);

/// Where a PostgreSQL is, as whom to connect, and whom to trust.
///
/// With `sslmode=verify-full` in the address, or a certificate authority, the connection is by TLS,
/// and the server's certificate must be signed by the authority for the host's name. There is no TLS
/// without that: `require` and `verify-ca` mean the same, `prefer` and `allow` are refused. Without any
/// of them, and with `disable`, there is no TLS.
///
/// ```
/// use squall_postgres::Server;
///
/// let server = Server::at("postgres://squall@db.example.com/shop?sslmode=verify-full")?
///     .password("secret")
///     .ca("/etc/ssl/db-ca.pem");
/// assert_eq!(server.to_string(), "PostgreSQL at db.example.com:5432, database shop");
/// assert!(!format!("{server:?}").contains("secret"));
/// # Ok::<(), squall_postgres::Error>(())
/// ```
#[derive(Clone)]
pub struct Server {
    config: Config,
    tls: bool,
    ca: Option<PathBuf>,
}

/// How to make a connection secure; none where it is not.
pub(crate) type Tls = Option<MakeTlsConnector>;

impl Server {
    /// By its address: `postgres://USER@HOST:PORT/DATABASE`. The port is 5432 where it is left out.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn at(url: &str) -> Result<Self, Error> {
        let wrong = |reason: String| Error::Url {
            url: without_login(url),
            reason,
        };
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(wrong("it begins otherwise".to_owned()));
        }
        let (address, options) = url.split_once('?').unwrap_or((url, ""));
        let mut tls = false;
        let mut rest = Vec::new();
        for option in options.split('&').filter(|option| !option.is_empty()) {
            match option.split_once('=') {
                Some(("sslmode", "disable")) => tls = false,
                Some(("sslmode", "require" | "verify-ca" | "verify-full")) => tls = true,
                Some(("sslmode", mode)) => {
                    return Err(wrong(format!(
                        "sslmode={mode} is not known; write verify-full or disable"
                    )));
                }
                _ => rest.push(option),
            }
        }
        let url = format!("{address}?{}", rest.join("&"));
        let config: Result<Config, _> = url.trim_end_matches('?').parse();
        let mut config = config.map_err(|error| wrong(shown(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(wrong("there is no host".to_owned()));
        }
        config
            .connect_timeout(CONNECT)
            .tcp_user_timeout(ANSWER)
            .keepalives_idle(ANSWER);
        if config.get_application_name().is_none() {
            config.application_name("squall");
        }
        let ca = None;
        Ok(Self { config, tls, ca })
    }

    /// The user.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.config.user(user);
        self
    }

    /// The password. It is in no error, log or `Debug` output.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.config.password(password.into());
        self
    }

    /// The database; without one it has the user's name.
    #[must_use]
    pub fn database(mut self, database: impl Into<String>) -> Self {
        self.config.dbname(database);
        self
    }

    /// A PEM file with the certificates of the authorities to trust, instead of those of the system.
    /// With one the connection is by TLS.
    #[must_use]
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self.tls = true;
        self
    }

    /// Whether an address, one of [`Server::at`], has a password in it, which others may see in the
    /// list of processes.
    #[must_use]
    pub fn has_password(url: &str) -> bool {
        Self::at(url).is_ok_and(|server| server.config.get_password().is_some())
    }

    pub(crate) fn settings(&self) -> Result<(Config, Tls), Error> {
        let mut config = self.config.clone();
        if !self.tls {
            config.ssl_mode(SslMode::Disable);
            return Ok((config, None));
        }
        config.ssl_mode(SslMode::Require);
        let refused = |error: native_tls::Error| Error::Tls {
            server: self.to_string(),
            reason: error.to_string(),
        };
        let mut tls = TlsConnector::builder();
        if let Some(path) = &self.ca {
            let not_a_ca = |reason: String| Error::NotACa {
                path: path.clone(),
                reason,
            };
            let pem = std::fs::read(path).map_err(|cause| Error::Ca {
                path: path.clone(),
                cause,
            })?;
            let certificates = Certificate::stack_from_pem(&pem);
            let certificates = certificates.map_err(|error| not_a_ca(error.to_string()))?;
            if certificates.is_empty() {
                return Err(not_a_ca("there is none in it".to_owned()));
            }
            tls.disable_built_in_roots(true);
            for certificate in certificates {
                tls.add_root_certificate(certificate);
            }
        }
        let tls = tls.build().map_err(refused)?;
        Ok((config, Some(MakeTlsConnector::new(tls))))
    }
}

/// An address for an error: what is before the last `@` is a secret, and so may be an option.
fn without_login(url: &str) -> String {
    let hidden = |address: &str| match (address.find("://"), address.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://***{}", &address[..scheme], &address[at..])
        }
        (None, Some(at)) => format!("***{}", &address[at..]),
        _ => address.to_owned(),
    };
    match url.split_once("password=") {
        Some((before, _)) => hidden(before) + "password=***",
        None => hidden(url),
    }
}

/// An error with its causes.
pub(crate) fn shown(error: &dyn std::error::Error) -> String {
    let (mut shown, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        let text = error.to_string();
        if !shown.contains(&text) {
            shown = format!("{shown}: {text}");
        }
        cause = error.source();
    }
    shown
}

impl fmt::Display for Server {
    /// `PostgreSQL at 127.0.0.1:5433, database shop`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        let place = |(number, host): (usize, &Host)| {
            let host = match host {
                Host::Tcp(host) => host.clone(),
                #[cfg(unix)]
                Host::Unix(path) => path.display().to_string(),
            };
            match ports.get(number).or(ports.first()) {
                Some(port) => format!("{host}:{port}"),
                None => host,
            }
        };
        let places: Vec<String> = self
            .config
            .get_hosts()
            .iter()
            .enumerate()
            .map(place)
            .collect();
        write!(f, "PostgreSQL at {}", places.join(", "))?;
        match self.config.get_dbname() {
            Some(database) => write!(f, ", database {database}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("at", &self.to_string())
            .field("user", &self.config.get_user())
            .field(
                "password",
                &self.config.get_password().map(|_| "(not shown)"),
            )
            .field("tls", &self.tls)
            .field("ca", &self.ca)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown_of_an_address() {
        let secrets = [
            "postgres://squall:pass@word@host:port/db",
            "squall:pass@word@host",
            "http://squall:pass@word@host",
            "postgres://u:pass@word@host/db?sslmode=prefer",
            "postgres://u@host/db?password=password&x=1",
        ];
        for url in secrets {
            let error = Server::at(url).unwrap_err().to_string();
            let error = error.replace("password=***", "");
            assert!(!error.contains("pass") && error.contains("host"), "{error}");
        }
        let server = Server::at("postgres://u:pass%40word@host/db").unwrap();
        let shown = format!("{server} {server:?}");
        assert!(
            !shown.contains("pass%") && !shown.contains("pass@"),
            "{shown}"
        );
        assert!(Server::has_password("postgres://u:pass@host"));
        assert!(Server::has_password("postgres://u@host?password=pass"));
        assert!(!Server::has_password("postgres://u@host"));
    }

    #[test]
    fn tls_is_either_verified_or_off() {
        for (options, tls) in [
            ("", false),
            ("?sslmode=disable", false),
            ("?sslmode=require", true),
            ("?connect_timeout=3&sslmode=verify-full", true),
        ] {
            let server = Server::at(&format!("postgres://u@host/db{options}")).unwrap();
            assert_eq!(server.settings().unwrap().1.is_some(), tls, "{options}");
        }
        let error = Server::at("postgres://u@host/db?sslmode=prefer").unwrap_err();
        assert!(error.to_string().contains("verify-full"), "{error}");
    }

    #[test]
    fn what_is_no_address_is_told() {
        for url in [
            "",
            "host:5432",
            "postgres://",
            "postgres://u@host:x/db",
            "mysql://u@host",
        ] {
            let error = Server::at(url).unwrap_err().to_string();
            assert!(error.contains("postgres://USER@HOST"), "{error}");
        }
    }
}

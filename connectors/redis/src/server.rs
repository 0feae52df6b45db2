//! Where a Redis is, and who connects.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, TlsCertificates};

use crate::Error;

/// A connection is given up that is not there after this time.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// And so is an answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// Where a Redis is, as whom to connect, and whom to trust.
///
/// ```
/// use squall_redis::Server;
///
/// let server = Server::at("rediss://redis.example.com:6380/2")?
///     .user("squall")
///     .password("secret")
///     .ca("/etc/ssl/redis-ca.pem");
/// assert_eq!(server.to_string(), "Redis at redis.example.com:6380");
/// assert!(!format!("{server:?}").contains("secret"));
/// # Ok::<(), squall_redis::Error>(())
/// ```
#[derive(Clone)]
pub struct Server {
    /// One, or some of a cluster.
    nodes: Vec<ConnectionInfo>,
    cluster: bool,
    user: Option<String>,
    password: Option<String>,
    ca: Option<PathBuf>,
}

impl Server {
    /// By its address: `redis://HOST:PORT/DATABASE`, with `rediss://` for TLS. The port is 6379 and
    /// the database 0 where they are left out.
    ///
    /// # Errors
    /// [`Error::Url`].
    pub fn at(url: &str) -> Result<Self, Error> {
        Ok(Self {
            nodes: vec![node(url)?],
            cluster: false,
            user: None,
            password: None,
            ca: None,
        })
    }

    /// A cluster, by the addresses of some of its servers; one that is reachable is enough.
    ///
    /// # Errors
    /// [`Error::Url`], also where none is given.
    pub fn cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Self, Error> {
        let nodes = urls.into_iter().map(|url| node(url.as_ref()));
        let nodes: Vec<ConnectionInfo> = nodes.collect::<Result<_, Error>>()?;
        if nodes.is_empty() {
            return Err(Error::Url {
                url: String::new(),
                reason: "no server of the cluster is given".to_owned(),
            });
        }
        Ok(Self {
            nodes,
            cluster: true,
            user: None,
            password: None,
            ca: None,
        })
    }

    /// The user; without one it is `default`.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// The password. It is in no error, log or `Debug` output.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// A PEM file with the certificates of the authorities to trust, instead of those of the system.
    /// Not for clusters: their servers are trusted by the system's, or by `SSL_CERT_FILE`.
    #[must_use]
    pub fn ca(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }

    /// Whether an address, one of [`Server::at`], has a password in it, which others may see in the
    /// list of processes.
    #[must_use]
    pub fn has_password(url: &str) -> bool {
        node(url).is_ok_and(|node| node.redis_settings().password().is_some())
    }

    pub(crate) fn client(&self) -> Result<AnyClient, Error> {
        let certificates = self.certificates()?;
        let not_a_ca = |cause: redis::RedisError| match &self.ca {
            Some(path) => Error::NotACa {
                path: path.clone(),
                reason: cause.to_string(),
            },
            None => self.refused(&cause),
        };
        if self.cluster {
            let nodes = self.nodes.iter().map(|node| self.settings(node));
            if certificates.is_some() {
                let server = self.to_string();
                return Err(Error::CaOfCluster { server });
            }
            let builder = ClusterClient::builder(nodes)
                .connection_timeout(CONNECT)
                .response_timeout(ANSWER)
                .overall_response_timeout(Some(ANSWER))
                .tcp_settings(tcp());
            let client = builder.build().map_err(not_a_ca)?;
            return Ok(AnyClient::Cluster(Box::new(client)));
        }
        let node = self.settings(&self.nodes[0]);
        let client = match certificates {
            Some(certificates) => Client::build_with_tls(node, certificates),
            None => Client::open(node),
        };
        let client = client.map_err(not_a_ca)?;
        Ok(AnyClient::One(Box::new(client)))
    }

    fn refused(&self, cause: &redis::RedisError) -> Error {
        Error::Refused {
            server: self.to_string(),
            reason: cause.to_string(),
        }
    }

    /// The settings of a connection.
    fn settings(&self, node: &ConnectionInfo) -> ConnectionInfo {
        let mut settings = node.redis_settings().clone();
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        let node = node.clone().set_redis_settings(settings);
        node.set_tcp_settings(tcp())
    }

    fn certificates(&self) -> Result<Option<TlsCertificates>, Error> {
        let Some(path) = &self.ca else {
            return Ok(None);
        };
        let is_tls = |node: &ConnectionInfo| matches!(node.addr(), ConnectionAddr::TcpTls { .. });
        if !self.nodes.iter().all(is_tls) {
            let server = self.to_string();
            return Err(Error::CaWithoutTls { server });
        }
        let root_cert = std::fs::read(path).map_err(|cause| Error::Ca {
            path: path.clone(),
            cause,
        })?;
        Ok(Some(TlsCertificates {
            client_tls: None,
            root_cert: Some(root_cert),
        }))
    }
}

/// What was sent and not acknowledged goes when a connection is given up. Otherwise the system sends
/// it again for minutes, and it could come after what a later connection has sent.
fn tcp() -> TcpSettings {
    TcpSettings::default()
        .set_nodelay(true)
        .set_linger_time(Duration::ZERO)
}

pub(crate) enum AnyClient {
    One(Box<Client>),
    Cluster(Box<ClusterClient>),
}

fn node(url: &str) -> Result<ConnectionInfo, Error> {
    let wrong = |reason: String| Error::Url {
        url: without_login(url),
        reason,
    };
    if !url.starts_with("redis://") && !url.starts_with("rediss://") {
        return Err(wrong("it begins otherwise".to_owned()));
    }
    let node = url.into_connection_info();
    let node = node.map_err(|cause| wrong(cause.to_string()))?;
    match node.addr() {
        // `#insecure` would trust everybody.
        ConnectionAddr::TcpTls { insecure: true, .. } => {
            Err(wrong("a certificate that nobody checks is none".to_owned()))
        }
        _ => Ok(node),
    }
}

/// An address for an error: what is before the last `@` is a secret.
fn without_login(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => {
            format!("{}://***{}", &url[..scheme], &url[at..])
        }
        (None, Some(at)) => format!("***{}", &url[at..]),
        _ => url.to_owned(),
    }
}

impl fmt::Display for Server {
    /// `Redis at 127.0.0.1:6379`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |node: &ConnectionInfo| match node.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                format!("{host}:{port}")
            }
            other => other.to_string(),
        };
        let places: Vec<String> = self.nodes.iter().map(place).collect();
        let cluster = if self.cluster { "the cluster of " } else { "" };
        write!(f, "{cluster}Redis at {}", places.join(", "))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_url = self.nodes[0].redis_settings();
        let password = self.password.as_deref().or(in_url.password());
        f.debug_struct("Server")
            .field("at", &self.to_string())
            .field("cluster", &self.cluster)
            .field("database", &in_url.db())
            .field("user", &self.user.as_deref().or(in_url.username()))
            .field("password", &password.map(|_| "(not shown)"))
            .field("ca", &self.ca)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown_of_an_address() {
        let secrets = [
            "redis://squall:pass@word@host:port",
            "redis://:pass@word@host/x",
            "squall:pass@word@host",
            "http://squall:pass@word@host",
            "rediss://u:pass@word@host/#insecure",
        ];
        for url in secrets {
            let error = Server::at(url).unwrap_err().to_string();
            assert!(!error.contains("pass") && error.contains("host"), "{error}");
        }
        let server = Server::at("redis://u:pass%40word@host").unwrap();
        let shown = format!("{server} {server:?}");
        assert!(
            !shown.contains("pass%") && !shown.contains("pass@"),
            "{shown}"
        );
        let server = server.password("word");
        assert!(!format!("{server:?}").contains("word\""), "{server:?}");
        assert!(Server::has_password("redis://u:pass@host"));
        assert!(!Server::has_password("redis://u@host"));
    }

    #[test]
    fn what_is_no_address_is_told() {
        for url in [
            "",
            "host:6379",
            "redis://",
            "redis://host/x",
            "unix:///a",
            "redis+unix:///a",
        ] {
            let error = Server::at(url).unwrap_err().to_string();
            assert!(error.contains("redis://HOST:PORT"), "{error}");
        }
        assert!(Server::cluster([""; 0]).is_err());
    }

    #[test]
    fn a_certificate_authority_is_for_tls() {
        let server = Server::at("redis://host").unwrap().ca("/nowhere.pem");
        let Err(error) = server.client() else {
            panic!("it is taken");
        };
        assert!(error.to_string().contains("rediss://"), "{error}");
        let server = Server::at("rediss://host").unwrap().ca("/nowhere.pem");
        let Err(error) = server.client() else {
            panic!("it is taken");
        };
        assert!(error.to_string().contains("/nowhere.pem"), "{error}");
    }
}

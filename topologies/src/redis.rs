//! Rankings in Redis as options: `redis://HOST:PORT/KEY`.

use squall_redis::{RankingSink, Server};

use crate::connections::Connections;
use crate::wrong::WrongUse;

const EXPECTED: &str = "redis://HOST:PORT/KEY, or with the number of a database before the key, several \
                        servers of a cluster separated by commas, and ?as=hash for a hash";

/// A key of a server.
#[derive(Clone, Debug)]
pub struct KeyAt {
    server: Server,
    key: String,
    hash: bool,
}

impl KeyAt {
    /// What an option names.
    ///
    /// # Errors
    /// Where there is no key, or a password stands in it, which is not told.
    pub fn parse(
        option: &'static str,
        text: &str,
        connections: &Connections,
    ) -> Result<Self, WrongUse> {
        let wrong = || WrongUse::Address {
            option,
            given: text.to_owned(),
            expected: EXPECTED,
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        // A password may have a slash in it.
        if rest.contains('@') {
            return Err(WrongUse::SecretInAddress {
                option,
                property: "redis.password",
                variable: "SQUALL_REDIS_PASSWORD",
            });
        }
        let (path, hash) = match path.rsplit_once('?') {
            None => (path, false),
            Some((path, "as=hash")) => (path, true),
            Some(_) => return Err(wrong()),
        };
        let (database, key) = match path.split_once('/') {
            Some((number, key)) if number.parse::<u32>().is_ok() => (number, key),
            _ => ("0", path),
        };
        if hosts.is_empty() || key.is_empty() {
            return Err(wrong());
        }
        let url = |host: &str| format!("{scheme}://{host}/{database}");
        let mut server = if hosts.contains(',') {
            Server::cluster(hosts.split(',').map(url))?
        } else {
            Server::at(&url(hosts))?
        };
        for (name, value) in connections.of("redis") {
            server = match name {
                "user" => server.user(value),
                "password" => server.password(value),
                _ => server.ca(value),
            };
        }
        let key = key.to_owned();
        Ok(Self { server, key, hash })
    }

    /// The sink that keeps the latest ranking there.
    #[must_use]
    pub fn sink<K>(&self) -> RankingSink<K> {
        if self.hash {
            RankingSink::hash(&self.server, &*self.key)
        } else {
            RankingSink::sorted_set(&self.server, &*self.key)
        }
    }
}

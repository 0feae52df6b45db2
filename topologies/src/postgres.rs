//! Rankings in PostgreSQL as options: `postgres://HOST:PORT/DATABASE?table=TABLE`.

use squall_postgres::{RankingSink, Server};

use crate::connections::Connections;
use crate::wrong::WrongUse;

const EXPECTED: &str =
    "postgres://HOST:PORT/DATABASE?table=TABLE, and &sslmode=verify-full for TLS";

/// A table of a server.
#[derive(Clone, Debug)]
pub struct TableAt {
    server: Server,
    table: String,
}

impl TableAt {
    /// What an option names.
    ///
    /// # Errors
    /// Where there is no table, or a user or password stands in it, which is not told.
    pub fn parse(
        option: &'static str,
        text: &str,
        connections: &Connections,
    ) -> Result<Self, WrongUse> {
        let (address, options) = text.split_once('?').unwrap_or((text, ""));
        let is_secret = |word: &str| {
            let name = word.split('=').next().unwrap_or_default().to_lowercase();
            ["user", "password"].contains(&&*name) || name.contains('%')
        };
        if text.contains('@') || options.split('&').any(is_secret) {
            return Err(WrongUse::SecretInAddress {
                option,
                property: "postgres.password",
                variable: "SQUALL_POSTGRES_PASSWORD",
            });
        }
        let table = options
            .split('&')
            .find_map(|word| word.strip_prefix("table="));
        let Some(table) = table.filter(|table| !table.is_empty()) else {
            return Err(WrongUse::Address {
                option,
                given: text.to_owned(),
                expected: EXPECTED,
            });
        };
        let others = options
            .split('&')
            .filter(|word| !word.starts_with("table="));
        let others: Vec<&str> = others.collect();
        let mut server = Server::at(&format!("{address}?{}", others.join("&")))?;
        for (name, value) in connections.of("postgres") {
            server = match name {
                "user" => server.user(value),
                "password" => server.password(value),
                _ => server.ca(value),
            };
        }
        let table = table.to_owned();
        Ok(Self { server, table })
    }

    /// The sink that keeps the latest ranking there.
    #[must_use]
    pub fn sink<K>(&self) -> RankingSink<K> {
        RankingSink::new(&self.server, &*self.table)
    }
}

//! What an error of the server means for a sink.

use std::time::Duration;

use tokio_postgres::error::DbError;

use crate::Error;
use crate::server::shown;

/// Why something did not work.
pub(crate) enum Failure {
    /// It may work later.
    Away(String),
    /// Nobody is let in: an end before a run begins, and waited for while it goes on.
    Login(Error),
    /// No retry mends it.
    Final(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

impl Failure {
    pub(crate) fn silent(server: &str, limit: Duration) -> Self {
        Self::Away(format!(
            "{server} does not answer within {} s",
            limit.as_secs()
        ))
    }

    pub(crate) fn of(server: &str, error: &tokio_postgres::Error) -> Self {
        let server = server.to_owned();
        if let Some(error) = error.as_db_error() {
            return Self::of_server(server, error);
        }
        let (kind, reason) = (error.to_string(), shown(error));
        let lower = reason.to_lowercase();
        let is_closed = ["eof", "reset", "broken pipe", "closed"];
        let is_closed = is_closed.iter().any(|closed| lower.contains(closed));
        if kind.contains("TLS") && !is_closed {
            return Self::Login(Error::Tls { server, reason });
        }
        // A password that is needed and not given.
        if kind.contains("configuration") || kind.contains("authentication") {
            return Self::Login(Error::Login { server, reason });
        }
        if kind.contains("parameter") || kind.contains("column") {
            return Self::Final(Error::Refused { server, reason });
        }
        Self::Away(format!("{server} cannot be reached: {reason}"))
    }

    fn of_server(server: String, error: &DbError) -> Self {
        let code = error.code().code();
        let mut reason = format!("{} (SQLSTATE {code})", error.message());
        for (what, name) in [("table", error.table()), ("column", error.column())] {
            if let Some(name) = name {
                reason += &format!(", {what} {name}");
            }
        }
        if let Some(detail) = error.detail() {
            reason += &format!(", {detail}");
        }
        let what = match code {
            // Two tasks have made one table at once.
            "23505"
                if error
                    .constraint()
                    .is_some_and(|name| name.starts_with("pg_")) =>
            {
                "is busy with the same table"
            }
            "42P07" | "42710" => "is busy with the same table",
            "42501" => {
                let what = format!("do that: {reason}");
                return Self::Login(Error::Permission { server, what });
            }
            "55P03" => "has a lock that somebody else holds",
            "57014" => "has given up a statement that takes too long",
            "25006" => "is read-only",
            "53100" => "has no room on its disk",
            "53300" => "has too many connections",
            "57P01" | "57P02" | "57P03" => "is stopping or starting",
            "40001" | "40P01" => "has met another transaction",
            _ => match &code[..2] {
                "28" | "3D" => return Self::Login(Error::Login { server, reason }),
                "0A" | "21" | "22" | "23" | "3F" | "42" => {
                    return Self::Final(Error::Refused { server, reason });
                }
                _ => "cannot do that now",
            },
        };
        Self::Away(format!("{server} {what}: {reason}"))
    }
}

//! One connection to a server.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, NoTls};

use crate::failure::Failure;
use crate::server::{ANSWER, CONNECT, STATEMENT, Tls};

/// So long a statement waits for a lock that somebody else holds.
const LOCK: Duration = Duration::from_secs(3);

/// A connection, with the task that drives it.
pub(crate) struct Connection {
    pub(crate) client: Client,
    driver: JoinHandle<()>,
    server: String,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The settings of a session. What is committed must stay over a crash of the server, where the
/// database's own setting is that it may not.
fn session() -> String {
    format!(
        "SET lock_timeout = {lock}; SET statement_timeout = {statement}; \
         SET idle_in_transaction_session_timeout = {idle}; \
         SELECT set_config('synchronous_commit', 'on', false) \
         WHERE current_setting('synchronous_commit') = 'off'",
        lock = LOCK.as_millis(),
        statement = STATEMENT.as_millis(),
        idle = ANSWER.as_millis(),
    )
}

async fn connect(
    config: &Config,
    tls: Tls,
) -> Result<(Client, JoinHandle<()>), tokio_postgres::Error> {
    // Errors of the connection come back to those who wait for an answer.
    Ok(match tls {
        None => {
            let (client, connection) = config.connect(NoTls).await?;
            (client, tokio::spawn(async { drop(connection.await) }))
        }
        Some(tls) => {
            let (client, connection) = config.connect(tls).await?;
            (client, tokio::spawn(async { drop(connection.await) }))
        }
    })
}

impl Connection {
    /// Connects, and makes the session's settings.
    pub(crate) async fn open(server: String, config: &Config, tls: Tls) -> Result<Self, Failure> {
        let (client, driver) = match timeout(CONNECT, connect(config, tls)).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return Err(Failure::of(&server, &error)),
            Err(_) => return Err(Failure::silent(&server, CONNECT)),
        };
        let connection = Self {
            client,
            driver,
            server,
        };
        connection.run(&session()).await?;
        Ok(connection)
    }

    /// Awaits an answer, and no longer than its time.
    pub(crate) async fn answer<T>(
        &self,
        answer: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, Failure> {
        match timeout(ANSWER, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure::of(&self.server, &error)),
            Err(_) => Err(Failure::silent(&self.server, ANSWER)),
        }
    }

    pub(crate) async fn run(&self, statements: &str) -> Result<(), Failure> {
        self.answer(self.client.batch_execute(statements)).await
    }

    /// Runs a statement with an array of rows.
    pub(crate) async fn apply(&self, statement: &str, array: &String) -> Result<(), Failure> {
        let typed = [(array as _, Type::TEXT)];
        self.answer(self.client.execute_typed(statement, &typed))
            .await?;
        Ok(())
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }
}

//! The connection to a server, and the patience of a sink whose server is away.

use std::future::Future;
use std::time::{Duration, Instant};

use squall::error::Fatal;
use squall::run::Status;
use squall::{Context, Result};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Config, NoTls};

use crate::Error;
use crate::delivered::Delivered;
use crate::failure::Failure;
use crate::outbox::{Content, Outbox, arrays};
use crate::schema::{Layout, Schema};
use crate::server::{ANSWER, CONNECT, STATEMENT, Server, Tls};
use crate::table::{quoted, quoted_all};

/// The pause after the first failure; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// So long a statement waits for a lock that somebody else holds.
const LOCK: Duration = Duration::from_secs(3);

/// So long a sink looks at its server before a run begins without it.
const PREPARE: Duration = Duration::from_secs(10);

/// So long a look takes at most while a run goes on, which waits meanwhile.
const LOOK: Duration = Duration::from_secs(2);

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

/// A server, and the connection where there is one.
struct Link {
    server: Server,
    config: Config,
    tls: Tls,
    schema: Schema,
    /// None where nothing is committed.
    delivered: Option<Delivered>,
    connection: Option<Connection>,
    /// Whether table and deliveries were looked at since the start.
    is_checked: bool,
}

/// The target of a sink: its link, which goes to the runtime for each call and comes back.
pub(crate) struct Target {
    server: Server,
    link: Option<Box<Link>>,
    context: Option<Context>,
    /// When it looked last.
    looked: Option<Instant>,
}

impl Target {
    pub(crate) fn new(server: Server) -> Self {
        Self {
            server,
            link: None,
            context: None,
            looked: None,
        }
    }

    /// The task that encodes.
    pub(crate) fn task(&self) -> u64 {
        self.context
            .as_ref()
            .map_or(0, |context| context.task as u64)
    }

    /// Connects and looks at the table. A server that is away is waited for later.
    pub(crate) fn prepare(
        &mut self,
        context: &Context,
        layout: Layout,
        id: Option<&str>,
    ) -> Result {
        self.context = Some(context.clone());
        let (config, tls) = self.server.settings()?;
        let mut link = Box::new(Link {
            server: self.server.clone(),
            config,
            tls,
            delivered: Delivered::of(context, &layout.table, id),
            schema: Schema::new(layout),
            connection: None,
            is_checked: false,
        });
        let (link, opened) = context.block_on(async move {
            let opened = match timeout(PREPARE, link.connected()).await {
                Ok(Ok(connection)) => {
                    link.connection = Some(connection);
                    Ok(())
                }
                Ok(Err(failure)) => Err(failure),
                Err(_) => Err(Failure::silent(&link.server.to_string(), PREPARE)),
            };
            (link, opened)
        })?;
        self.link = Some(link);
        match opened {
            Ok(()) => Ok(()),
            Err(Failure::Away(reason)) => {
                context.status.waits(reason);
                Ok(())
            }
            Err(Failure::Login(error) | Failure::Final(error)) => Err(Fatal::new(error).into()),
        }
    }

    /// Looks whether a server that was away is there again, while there is nothing to deliver: what
    /// the status says is then over. Called often, and does so every few seconds.
    pub(crate) fn look(&mut self) -> Result {
        let waits = |context: &&Context| context.status.waits_for().is_some();
        let is_due = self.looked.is_none_or(|at| at.elapsed() >= LONGEST_PAUSE);
        let Some(context) = self.context.as_ref().filter(waits).filter(|_| is_due) else {
            return Ok(());
        };
        let Some(mut link) = self.link.take() else {
            return Ok(());
        };
        let (link, looked) = context.block_on(async move {
            let looked = timeout(LOOK, link.connected()).await;
            (link, looked)
        })?;
        let link = self.link.insert(link);
        self.looked = Some(Instant::now());
        match looked {
            Ok(Ok(connection)) => {
                link.connection = Some(connection);
                context.status.goes_on();
                Ok(())
            }
            Ok(Err(Failure::Final(error))) => Err(Fatal::new(error).into()),
            _ => Ok(()),
        }
    }

    /// Applies an outbox, however long that takes.
    pub(crate) fn deliver(&mut self, outbox: &[u8], epoch: Option<u64>) -> Result {
        let context = self.context.as_ref().ok_or(Error::NotPrepared)?;
        let mut link = self.link.take().ok_or(Error::NotPrepared)?;
        let (outbox, status) = (outbox.to_vec(), context.status.clone());
        let (link, delivered) = context.block_on(async move {
            let delivered = link.deliver(&outbox, epoch, &status).await;
            (link, delivered)
        })?;
        self.link = Some(link);
        Ok(delivered.map_err(Fatal::new)?)
    }
}

impl Link {
    /// The connection at hand, or a new one.
    async fn connected(&mut self) -> Result<Connection, Failure> {
        if let Some(connection) = self.connection.take().filter(|at| !at.client.is_closed()) {
            return Ok(connection);
        }
        let server = self.server.to_string();
        let connecting = connect(&self.config, self.tls.clone());
        let (client, driver) = match timeout(CONNECT, connecting).await {
            Ok(Ok(connected)) => connected,
            Ok(Err(error)) => return Err(Failure::of(&server, &error)),
            Err(_) => return Err(Failure::silent(&server, CONNECT)),
        };
        let connection = Connection {
            client,
            driver,
            server,
        };
        connection.run(&session()).await?;
        if !self.is_checked {
            self.schema.look(&connection).await?;
            if let Some(delivered) = &self.delivered {
                delivered.make(&connection).await?;
                delivered.check(&connection).await?;
            }
            self.is_checked = true;
        }
        Ok(connection)
    }

    /// Tries until it is applied. Ends with an error where waiting is of no use.
    async fn deliver(
        &mut self,
        outbox: &[u8],
        epoch: Option<u64>,
        status: &Status,
    ) -> Result<(), Error> {
        let outbox = Outbox::decode(outbox)?;
        let mut pause = FIRST_PAUSE;
        loop {
            let reason = match self.attempt(&outbox, epoch).await {
                Ok(()) => break,
                Err(Failure::Final(error)) => return Err(error),
                // Somebody changes passwords or permissions while this runs.
                Err(Failure::Login(error)) => error.to_string(),
                Err(Failure::Away(reason)) => reason,
            };
            status.waits(reason);
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        status.goes_on();
        Ok(())
    }

    /// Applies it in one transaction. A connection that has failed is dropped, and its transaction
    /// with it.
    async fn attempt(&mut self, outbox: &Outbox<'_>, epoch: Option<u64>) -> Result<(), Failure> {
        let connection = self.connected().await?;
        self.schema.make(&connection, outbox).await?;
        connection
            .run("BEGIN ISOLATION LEVEL READ COMMITTED")
            .await?;
        let delivered = self.delivered.as_ref().zip(epoch);
        let is_new = match delivered {
            Some((delivered, epoch)) => delivered.lock(&connection, outbox.task, epoch).await?,
            None => true,
        };
        if is_new {
            self.apply(&connection, &outbox.content).await?;
            if let Some((delivered, epoch)) = delivered {
                delivered.note(&connection, outbox.task, epoch).await?;
            }
        }
        connection.run("COMMIT").await?;
        self.connection = Some(connection);
        Ok(())
    }

    async fn apply(&self, connection: &Connection, content: &Content<'_>) -> Result<(), Failure> {
        let layout = self.schema.layout();
        let table = layout.table.sql();
        let rows = format!("jsonb_populate_recordset(NULL::{table}, $1::text::jsonb)");
        match content {
            Content::Rows { columns, set, gone } => {
                layout.check_is_rows()?;
                let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
                let keys = quoted_all(&layout.keys);
                let others = columns.iter().filter(|name| !layout.keys.contains(name));
                let others = others.map(|name| format!("{0} = EXCLUDED.{0}", quoted(name)));
                let others: Vec<String> = others.collect();
                let update = if others.is_empty() {
                    "NOTHING".to_owned()
                } else {
                    format!("UPDATE SET {}", others.join(", "))
                };
                let names = quoted_all(&columns);
                let insert = format!(
                    "INSERT INTO {table} ({names}) SELECT {names} FROM {rows} \
                     ON CONFLICT ({keys}) DO {update}"
                );
                let is_row = layout.keys.iter().map(|key| quoted_key(key));
                let is_row: Vec<String> = is_row.collect();
                let delete = format!(
                    "DELETE FROM {table} AS kept USING {rows} AS gone WHERE {}",
                    is_row.join(" AND ")
                );
                for (statement, rows) in [(delete, gone), (insert, set)] {
                    for array in arrays(rows) {
                        connection.apply(&statement, &array).await?;
                    }
                }
            }
            Content::Ranking(entries) => {
                layout.check_is_ranking()?;
                connection.run(&format!("DELETE FROM {table}")).await?;
                let names = quoted_all(&layout.fields);
                let insert = format!("INSERT INTO {table} ({names}) SELECT {names} FROM {rows}");
                for array in arrays(entries) {
                    connection.apply(&insert, &array).await?;
                }
            }
        }
        Ok(())
    }
}

fn quoted_key(key: &str) -> String {
    format!("kept.{0} = gone.{0}", quoted(key))
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
    async fn apply(&self, statement: &str, array: &String) -> Result<(), Failure> {
        let typed = [(array as _, tokio_postgres::types::Type::TEXT)];
        self.answer(self.client.execute_typed(statement, &typed))
            .await?;
        Ok(())
    }

    pub(crate) fn server(&self) -> &str {
        &self.server
    }
}

//! The target of a sink, and its patience while that is away.

use std::time::{Duration, Instant};

use squall::error::Fatal;
use squall::run::Status;
use squall::{Context, Result};
use tokio::time::{sleep, timeout};
use tokio_postgres::Config;

use crate::Error;
use crate::connection::Connection;
use crate::delivered::Delivered;
use crate::failure::Failure;
use crate::outbox::{Content, Outbox, arrays};
use crate::schema::{Layout, Schema};
use crate::server::{Server, Tls};
use crate::table::{quoted, quoted_all};

/// The pause after the first failure; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// So long a sink looks at its server before a run begins without it.
const PREPARE: Duration = Duration::from_secs(10);

/// So long a look takes at most while a run goes on, which waits meanwhile.
const LOOK: Duration = Duration::from_secs(2);

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
        let connection = Connection::open(server, &self.config, self.tls.clone()).await?;
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

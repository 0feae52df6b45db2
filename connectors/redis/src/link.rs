//! The connection to a server, and the patience of a sink whose server is away.

use std::future::Future;
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, Pipeline, RedisError, ServerErrorKind, cmd};
use squall::error::Fatal;
use squall::run::Status;
use squall::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Error;
use crate::outbox::{Outbox, Place};
use crate::server::{ANSWER, AnyClient, CONNECT, Server};

/// The pause after the first failure; each further one is twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// So long a look takes at most: the run waits meanwhile.
const LOOK: Duration = Duration::from_secs(1);

enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A server, and the connection where there is one.
pub(crate) struct Link {
    server: Server,
    client: AnyClient,
    connection: Option<Connection>,
}

/// Why something did not work.
enum Failure {
    /// It may work later.
    Away(String),
    /// It is wrong now; whether that is an end depends on the moment.
    Refused(Error),
}

/// The target of a sink: its link, which goes to the runtime for each call and comes back.
pub(crate) struct Target {
    server: Server,
    link: Option<Link>,
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

    /// Connects and tries a command without its effect. A server that is away is waited for later.
    pub(crate) fn prepare(&mut self, context: &Context, probes: Vec<Cmd>, exact: bool) -> Result {
        self.context = Some(context.clone());
        let mut link = Link::new(&self.server)?;
        let (link, probed) = context.block_on(async move {
            let probed = link.probe(probes, exact).await;
            (link, probed)
        })?;
        self.link = Some(link);
        match probed {
            Ok(()) => Ok(()),
            Err(Failure::Away(reason)) => {
                context.status.waits(reason);
                Ok(())
            }
            Err(Failure::Refused(error)) => Err(Fatal::new(error).into()),
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
        let (link, is_there) = context.block_on(async move {
            let is_there = link.look().await;
            (link, is_there)
        })?;
        self.link = Some(link);
        self.looked = Some(Instant::now());
        if is_there {
            context.status.goes_on();
        }
        Ok(())
    }

    /// Brings an outbox to its place, however long that takes.
    pub(crate) fn deliver(&mut self, outbox: &[u8], place: &Place) -> Result {
        let context = self.context.as_ref().ok_or(Error::NotPrepared)?;
        let mut link = match self.link.take() {
            Some(link) => link,
            None => Link::new(&self.server)?,
        };
        let (outbox, place, status) = (outbox.to_vec(), place.clone(), context.status.clone());
        let (link, delivered) = context.block_on(async move {
            let delivered = link.deliver(&outbox, &place, &status).await;
            (link, delivered)
        })?;
        self.link = Some(link);
        Ok(delivered.map_err(Fatal::new)?)
    }
}

impl Link {
    fn new(server: &Server) -> Result<Self, Error> {
        Ok(Self {
            server: server.clone(),
            client: server.client()?,
            connection: None,
        })
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let connecting = async {
            Ok(match &self.client {
                AnyClient::One(client) => {
                    let config = AsyncConnectionConfig::new()
                        .set_connection_timeout(Some(CONNECT))
                        .set_response_timeout(Some(ANSWER));
                    let connection = client.get_multiplexed_async_connection_with_config(&config);
                    Connection::One(connection.await?)
                }
                AnyClient::Cluster(client) => {
                    Connection::Cluster(client.get_async_connection().await?)
                }
            })
        };
        self.in_time(CONNECT, connecting).await
    }

    /// Awaits an answer, at most for this time.
    async fn in_time<T>(
        &self,
        limit: Duration,
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Failure> {
        match timeout(limit, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.failure(error)),
            Err(_) => Err(Failure::Away(self.says_nothing(limit))),
        }
    }

    fn says_nothing(&self, limit: Duration) -> String {
        format!(
            "{} does not answer within {} s",
            self.server,
            limit.as_secs()
        )
    }

    /// Has the server check commands, permission and memory included, and run none. Where not all of a
    /// key is known, permission for the key is not asked.
    async fn probe(&mut self, probes: Vec<Cmd>, exact: bool) -> Result<(), Failure> {
        let mut connection = match self.connect().await? {
            Connection::One(connection) => connection,
            // A transaction needs to know its server; what is refused later is waited for.
            cluster @ Connection::Cluster(_) => {
                self.connection = Some(cluster);
                return Ok(());
            }
        };
        match self.ask(&mut connection, cmd("MULTI")).await {
            // Who sets keys needs no transactions.
            Err(Failure::Refused(Error::Permission { .. })) if !exact => {
                self.connection = Some(Connection::One(connection));
                return Ok(());
            }
            begun => begun?,
        }
        for probe in probes {
            match self.ask(&mut connection, probe).await {
                Err(Failure::Refused(Error::Permission { reason, .. }))
                    if !exact && reason.contains("access") => {}
                probed => probed?,
            }
        }
        // Who may not discard loses the connection, which does the same.
        if self.ask(&mut connection, cmd("DISCARD")).await.is_err() {
            connection = match self.connect().await? {
                Connection::One(connection) => connection,
                Connection::Cluster(_) => return Ok(()),
            };
        }
        if exact {
            for command in ["MULTI", "EXEC"] {
                self.ask(&mut connection, cmd(command)).await?;
            }
        }
        self.connection = Some(Connection::One(connection));
        Ok(())
    }

    async fn ask(
        &self,
        connection: &mut MultiplexedConnection,
        command: Cmd,
    ) -> Result<(), Failure> {
        self.in_time(CONNECT, command.exec_async(connection)).await
    }

    /// Connects where there is no connection; says whether there is one.
    async fn look(&mut self) -> bool {
        if self.connection.is_none() {
            self.connection = timeout(LOOK, self.connect())
                .await
                .ok()
                .and_then(Result::ok);
        }
        self.connection.is_some()
    }

    /// Delivers all of an outbox. Ends with an error where waiting is of no use.
    async fn deliver(
        &mut self,
        outbox: &[u8],
        place: &Place,
        status: &Status,
    ) -> Result<(), Error> {
        let outbox = Outbox::decode(outbox)?;
        for pipeline in outbox.pipelines(place)? {
            let mut pause = FIRST_PAUSE;
            loop {
                let reason = match self.send(&pipeline).await {
                    Ok(()) => break,
                    Err(Failure::Refused(error @ Error::IsCluster { .. })) => return Err(error),
                    // Somebody changes passwords or permissions while this runs.
                    Err(Failure::Refused(error)) => error.to_string(),
                    Err(Failure::Away(reason)) => reason,
                };
                status.waits(reason);
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            status.goes_on();
        }
        Ok(())
    }

    /// Sends a pipeline once. A connection that has failed is dropped, so that nothing of it is taken
    /// for an answer to something else.
    async fn send(&mut self, pipeline: &Pipeline) -> Result<(), Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match &mut connection {
            Connection::One(connection) => {
                self.in_time(ANSWER, pipeline.exec_async(connection))
                    .await?;
            }
            Connection::Cluster(connection) if pipeline.is_transaction() => {
                self.in_time(ANSWER, pipeline.exec_async(connection))
                    .await?;
            }
            Connection::Cluster(connection) => {
                self.in_time(ANSWER, each(connection, pipeline)).await?;
            }
        }
        self.connection = Some(connection);
        Ok(())
    }

    fn failure(&self, error: RedisError) -> Failure {
        let server = self.server.to_string();
        let shown = error.to_string();
        let kind = error.kind();
        if let Some((code, details)) = first_of_server(error) {
            return server_failure(server, &code, &details);
        }
        let is_closed = ["unexpected eof", "reset", "broken pipe", "closed"];
        let lower = shown.to_lowercase();
        match kind {
            ErrorKind::AuthenticationFailed => Failure::Refused(Error::Login {
                server,
                reason: shown,
            }),
            // What the library for TLS says has no kind of its own.
            ErrorKind::Client if !is_closed.iter().any(|closed| lower.contains(closed)) => {
                Failure::Refused(Error::Tls {
                    server,
                    reason: shown,
                })
            }
            // The library's own words for a database that is not there.
            ErrorKind::InvalidClientConfig | ErrorKind::Server(ServerErrorKind::ResponseError) => {
                Failure::Refused(Error::Refused {
                    server,
                    reason: shown,
                })
            }
            _ if error_is_timeout(&lower) => Failure::Away(self.says_nothing(ANSWER)),
            _ => Failure::Away(format!("{server} cannot be reached: {shown}")),
        }
    }
}

fn error_is_timeout(shown: &str) -> bool {
    shown.contains("timed out") || shown.contains("timeout")
}

/// Each command by itself: in a cluster, their keys are on different servers.
async fn each(connection: &ClusterConnection, pipeline: &Pipeline) -> Result<(), RedisError> {
    let mut sent = JoinSet::new();
    for command in pipeline.cmd_iter() {
        let (command, mut connection) = (command.clone(), connection.clone());
        sent.spawn(async move {
            connection
                .req_packed_command(&command)
                .await?
                .extract_error()
        });
    }
    while let Some(answer) = sent.join_next().await {
        if let Ok(answer) = answer {
            answer?;
        }
    }
    Ok(())
}

/// Code and text of the first error that the server has told.
fn first_of_server(error: RedisError) -> Option<(String, String)> {
    let errors = error.into_server_errors()?;
    let (_, error) = errors.first()?;
    let details = error.details().unwrap_or_default();
    Some((error.code().to_owned(), details.to_owned()))
}

fn server_failure(server: String, code: &str, details: &str) -> Failure {
    // What keeps a transaction from its end is in the text.
    let within = details.strip_prefix("Transaction discarded because of: ");
    let within = within.and_then(|error| error.split_once(' '));
    let (code, details) = within.unwrap_or((code, details));
    let reason = format!("{code} {details}").trim_end().to_owned();
    let what = match code {
        "WRONGPASS" | "NOAUTH" => return Failure::Refused(Error::Login { server, reason }),
        "NOPERM" => {
            let command = details
                .split('\'')
                .nth(1)
                .unwrap_or("a command that it needs");
            return Failure::Refused(Error::Permission {
                server,
                command: command.to_uppercase(),
                reason,
            });
        }
        "MOVED" | "CROSSSLOT" => return Failure::Refused(Error::IsCluster { server, reason }),
        "OOM" => "is full",
        "BUSY" => "is busy with a script",
        "ERR" if details.contains("max number of clients") => "has too many connections",
        "READONLY" => "is read-only",
        "LOADING" => "is loading its data",
        "MASTERDOWN" => "has lost its master",
        "NOREPLICAS" => "has too few replicas to take writes",
        "MISCONF" => "cannot write its data to disk",
        "CLUSTERDOWN" | "TRYAGAIN" => "is in a cluster that is not ready",
        _ => return Failure::Refused(Error::Refused { server, reason }),
    };
    Failure::Away(format!("{server} {what}: {reason}"))
}

//! What is delivered, in the target itself: so that it takes each outbox exactly once.

use squall::Context;
use tokio_postgres::types::Type;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::table::{Table, literal};
use crate::{DeliveredBy, Error};

/// The table that tells of all sinks of its schema.
const NAME: &str = "squall_delivered";

/// The rows of one sink: one for each task that has written output, with the last epoch of it.
pub(crate) struct Delivered {
    table: Table,
    /// For errors.
    target: String,
    sink: String,
    task: u64,
    identity: String,
    resumed_from: u64,
}

impl Delivered {
    /// None where nothing is committed.
    pub(crate) fn of(context: &Context, target: &Table, id: Option<&str>) -> Option<Self> {
        let identity = context.identity?;
        let Context {
            topology,
            component,
            ..
        } = context;
        let default = || format!("{topology}/{component}/{target}");
        Some(Self {
            table: target.beside(NAME),
            target: target.sql(),
            sink: id.map_or_else(default, str::to_owned),
            task: context.task as u64,
            identity: identity.to_string(),
            resumed_from: context.resumed_from.unwrap_or(0),
        })
    }

    /// Makes the table where it is missing.
    pub(crate) async fn make(&self, connection: &Connection) -> Result<(), Failure> {
        let name = self.table.sql();
        let params = [(&name as _, Type::TEXT)];
        let find = "SELECT to_regclass($1) IS NOT NULL";
        let find = connection.client.query_typed_one(find, &params);
        if connection.answer(find).await?.get(0) {
            return Ok(());
        }
        let make = format!(
            "CREATE TABLE IF NOT EXISTS {name} (sink text NOT NULL, task bigint NOT NULL, \
             identity text NOT NULL, epoch bigint NOT NULL, \
             delivered_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (sink, task))"
        );
        connection.run(&make).await
    }

    /// Refuses a directory that has committed less than it has delivered. Other tasks may have gone
    /// on already, so this looks at what its own task has written.
    pub(crate) async fn check(&self, connection: &Connection) -> Result<(), Failure> {
        let find = format!(
            "SELECT identity, epoch FROM {} WHERE sink = $1 AND task = $2",
            self.table.sql()
        );
        if let Some((identity, epoch)) = self.row(connection, &find, self.task).await? {
            self.check_identity(identity, epoch)?;
            if u64::try_from(epoch).is_ok_and(|epoch| epoch > self.resumed_from) {
                return Err(Failure::Final(Error::OldDirectory {
                    of: Box::new(self.of_sink()),
                    found: epoch,
                    own: self.resumed_from,
                }));
            }
        }
        Ok(())
    }

    fn of_sink(&self) -> DeliveredBy {
        DeliveredBy {
            table: self.target.clone(),
            delivered: self.table.sql(),
            sink: literal(&self.sink),
        }
    }

    fn check_identity(&self, found: String, epoch: i64) -> Result<(), Failure> {
        if found == self.identity {
            return Ok(());
        }
        Err(Failure::Final(Error::OtherDirectory {
            of: Box::new(self.of_sink()),
            found,
            own: self.identity.clone(),
            epoch,
        }))
    }

    async fn row(
        &self,
        connection: &Connection,
        find: &str,
        task: u64,
    ) -> Result<Option<(String, i64)>, Failure> {
        let task = number(task);
        let params = [(&self.sink as _, Type::TEXT), (&task as _, Type::INT8)];
        let row = connection.client.query_typed_opt(find, &params);
        let row = connection.answer(row).await?;
        Ok(row.map(|row| (row.get(0), row.get(1))))
    }

    /// Within a transaction: keeps others from delivering output of this task, and says whether that of
    /// this epoch is new.
    pub(crate) async fn lock(
        &self,
        connection: &Connection,
        task: u64,
        epoch: u64,
    ) -> Result<bool, Failure> {
        let name = self.table.sql();
        let begin = format!(
            "INSERT INTO {name} (sink, task, identity, epoch) VALUES ($1, $2, $3, 0) \
             ON CONFLICT DO NOTHING"
        );
        let number_of_task = number(task);
        let params = [
            (&self.sink as _, Type::TEXT),
            (&number_of_task as _, Type::INT8),
            (&self.identity as _, Type::TEXT),
        ];
        connection
            .answer(connection.client.execute_typed(&begin, &params))
            .await?;
        let find =
            format!("SELECT identity, epoch FROM {name} WHERE sink = $1 AND task = $2 FOR UPDATE");
        let Some((identity, delivered)) = self.row(connection, &find, task).await? else {
            let server = connection.server();
            return Err(Failure::Away(format!(
                "{server} has lost a row of {name} meanwhile"
            )));
        };
        self.check_identity(identity, delivered)?;
        Ok(number(epoch) > delivered)
    }

    /// Within the same transaction: notes that it is delivered.
    pub(crate) async fn note(
        &self,
        connection: &Connection,
        task: u64,
        epoch: u64,
    ) -> Result<(), Failure> {
        let note = format!(
            "UPDATE {} SET epoch = $3, delivered_at = now() WHERE sink = $1 AND task = $2",
            self.table.sql()
        );
        let (task, epoch) = (number(task), number(epoch));
        let params = [
            (&self.sink as _, Type::TEXT),
            (&task as _, Type::INT8),
            (&epoch as _, Type::INT8),
        ];
        connection
            .answer(connection.client.execute_typed(&note, &params))
            .await?;
        Ok(())
    }
}

/// Neither tasks nor epochs come near the end.
fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

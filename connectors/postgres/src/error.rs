//! What is wrong with a target, a table or a tuple.

use std::io;
use std::path::PathBuf;

/// Why a sink cannot be made, cannot begin, or cannot go on. None of it has a password in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address that is none.
    #[error(
        "`{url}` is not the address of a PostgreSQL: {reason}; write \
         postgres://USER@HOST:PORT/DATABASE, with ?sslmode=verify-full for TLS"
    )]
    Url {
        /// The address, without user and password.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificate of the authority cannot be read.
    #[error("cannot read the certificate authority's file {}: {cause}", .path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// What is in the file is not a certificate.
    #[error("{} is not a PEM file of certificates: {reason}", .path.display())]
    NotACa {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// User, password or database is wrong.
    #[error("{server} refuses the login: {reason}; check user, password and database")]
    Login {
        /// The server.
        server: String,
        /// What it says.
        reason: String,
    },
    /// The server's certificate is not trusted, or it does not speak TLS.
    #[error(
        "the TLS connection to {server} cannot be trusted: {reason}; check host name, port and the \
         certificate authority's file"
    )]
    Tls {
        /// The server.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// The server refuses, and would refuse again.
    #[error("{server} refuses: {reason}")]
    Refused {
        /// The server.
        server: String,
        /// What it says.
        reason: String,
    },
    /// The user may not do what the sink does.
    #[error("the user of {server} may not {what}: grant it, or make the table as its owner")]
    Permission {
        /// The server.
        server: String,
        /// What is not granted.
        what: String,
    },
    /// A name that no table or column can have.
    #[error("`{name}` is not the name of a table or column: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A key that is no field.
    #[error("the key names the field `{field}`; the tuple has: {fields}")]
    Key {
        /// The field.
        field: String,
        /// Those that it has.
        fields: String,
    },
    /// Rows need a key.
    #[error("no key is given for the rows of {table}: name the fields that tell rows apart")]
    NoKey {
        /// The table.
        table: String,
    },
    /// The table has no column for a field.
    #[error(
        "the table {table} has no column `{column}` that can be written; it has: {columns}. Add the \
         column, or deliver to another table"
    )]
    Column {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// Those that it has.
        columns: String,
    },
    /// The table does not keep one row for each key.
    #[error(
        "the table {table} has no unique constraint over ({key}): ALTER TABLE {table} ADD UNIQUE \
         ({key})"
    )]
    NotUnique {
        /// The table.
        table: String,
        /// The key's columns.
        key: String,
    },
    /// A tuple that is no row.
    #[error("a row needs a tuple with named fields, and this one is {json} as JSON")]
    NoFields {
        /// How the tuple begins, as JSON.
        json: String,
    },
    /// Serde gives the fields other names than their struct.
    #[error(
        "the field `{field}` is not in the tuple's JSON, which has: {names}. Give the struct the \
         names of the columns instead of renaming its fields"
    )]
    Renamed {
        /// The field.
        field: String,
        /// The names in the JSON.
        names: String,
    },
    /// A field of the key has no value.
    #[error("the field `{field}` of a row's key is null: filter such tuples")]
    NullInKey {
        /// The field.
        field: String,
    },
    /// A text with a character that PostgreSQL does not store.
    #[error(
        "the field `{field}` has the character U+0000, which PostgreSQL stores in no text: replace \
         it before the sink"
    )]
    Nul {
        /// The field.
        field: String,
    },
    /// A tuple cannot be written as JSON.
    #[error("a tuple cannot be written as JSON: {0}")]
    Json(serde_json::Error),
    /// Several tasks would replace each other's ranking.
    #[error("{tasks} tasks would replace each other's ranking in {table}: give the sink one task")]
    Tasks {
        /// The table.
        table: String,
        /// How many tasks there are.
        tasks: usize,
    },
    /// The output of another data directory is there.
    #[error(
        "{} has output of another data directory (number {found}, this one is {own}) under the sink's \
         id {}, up to epoch {epoch}: a backup that is restored, and a directory that was reset, are \
         other directories, whose epochs mean other output. To deliver to this table from now on, \
         empty it where that is needed and run: {}; or give the sink another id and table",
        .of.table, .of.sink, .of.remedy()
    )]
    OtherDirectory {
        /// Whose output it is.
        of: Box<DeliveredBy>,
        /// The identity that is stored.
        found: String,
        /// That of the data directory at hand.
        own: String,
        /// Up to which epoch the other one has delivered.
        epoch: i64,
    },
    /// The directory has come less far than what it has delivered.
    #[error(
        "{} has the output of epoch {found} under the sink's id {}, and the data directory has \
         committed only up to {own}: it is an old copy of itself. What it delivers next would be taken \
         for delivered. Go on with the latest state of the directory; or reset it, empty the table \
         where that is needed, and run: {}",
        .of.table, .of.sink, .of.remedy()
    )]
    OldDirectory {
        /// Whose output it is.
        of: Box<DeliveredBy>,
        /// The epoch that is stored.
        found: i64,
        /// The last one of the data directory.
        own: u64,
    },
    /// Output of another version or sink.
    #[error(
        "the output that the data directory has for this sink was written by another one ({reason}): \
         run the old program until it is delivered, or reset the sink"
    )]
    Outbox {
        /// What does not fit.
        reason: String,
    },
    /// A call before `prepare`.
    #[error("the sink was not prepared")]
    NotPrepared,
}

/// A sink in the table `squall_delivered`; all of it as SQL writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredBy {
    /// The sink's own table.
    pub table: String,
    /// The table `squall_delivered`, with its schema where one is given.
    pub delivered: String,
    /// The sink's id, in quotes.
    pub sink: String,
}

impl DeliveredBy {
    /// The statement after which the output of any directory is taken.
    #[must_use]
    pub fn remedy(&self) -> String {
        format!("DELETE FROM {} WHERE sink = {}", self.delivered, self.sink)
    }
}

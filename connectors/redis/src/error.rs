//! What is wrong with a target, a template or a tuple.

use std::io;
use std::path::PathBuf;

/// Why a sink cannot be made, cannot begin, or cannot go on. None of it has a password in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address that is none.
    #[error(
        "`{url}` is not the address of a Redis: {reason}; write redis://HOST:PORT/DATABASE, or \
         rediss:// for TLS"
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
    /// A certificate authority is given, and no TLS is asked for.
    #[error("{server} is reached without TLS, so no certificate is checked: write rediss://")]
    CaWithoutTls {
        /// The server.
        server: String,
    },
    /// The client for clusters takes no authorities but those of the system.
    #[error(
        "{server} cannot be given a certificate authority's file: add the authority to the system, or \
         name the file in the environment as SSL_CERT_FILE"
    )]
    CaOfCluster {
        /// The cluster.
        server: String,
    },
    /// User or password is wrong.
    #[error("{server} refuses the login: {reason}; check user and password")]
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
    /// The user may not do what the sink does.
    #[error("the user of {server} may not run {command}: {reason}; grant it by ACL SETUSER")]
    Permission {
        /// The server.
        server: String,
        /// The command.
        command: String,
        /// What the server says.
        reason: String,
    },
    /// The server refuses for another reason that stays.
    #[error("{server} refuses: {reason}")]
    Refused {
        /// The server.
        server: String,
        /// What it says.
        reason: String,
    },
    /// The server belongs to a cluster.
    #[error("{server} is part of a cluster ({reason}): connect with `Server::cluster`")]
    IsCluster {
        /// The server.
        server: String,
        /// What it says.
        reason: String,
    },
    /// A template is written wrongly.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// A template names a field that the tuple does not have.
    #[error("the template `{template}` names the field `{field}`; the tuple has: {fields}")]
    Field {
        /// The template.
        template: String,
        /// The field.
        field: String,
        /// Those that it has.
        fields: String,
    },
    /// A template names fields, and the tuple has none.
    #[error("a template needs a tuple with named fields, and this one is {json} as JSON")]
    NoFields {
        /// How the tuple begins, as JSON.
        json: String,
    },
    /// A field of a key has no value.
    #[error(
        "the field `{field}` of the key `{template}` is null: filter such tuples, or leave the \
         field out of the key"
    )]
    NullInKey {
        /// The template.
        template: String,
        /// The field.
        field: String,
    },
    /// A tuple cannot be written as JSON.
    #[error("a tuple cannot be written as JSON: {0}")]
    Json(serde_json::Error),
    /// A ranking's key cannot have a list beside it in the same slot.
    #[error(
        "`{key}` cannot be the key of a ranking: it is empty, or has a `}}` and no hash tag, so no \
         other key has its slot for certain; choose another name"
    )]
    Key {
        /// The key.
        key: String,
    },
    /// Several tasks would replace each other's ranking.
    #[error("{tasks} tasks would replace each other's ranking `{key}`: give the sink one task")]
    Tasks {
        /// The ranking's key.
        key: String,
        /// How many tasks there are.
        tasks: usize,
    },
    /// A count that is not exact as a score.
    #[error(
        "the count {count} of `{member}` is above 2^53, so it cannot be the score of a sorted set \
         exactly: deliver the ranking as a hash"
    )]
    Count {
        /// Whose count it is.
        member: String,
        /// The count.
        count: u64,
    },
    /// Two keys of a ranking have the same text.
    #[error("two keys of a ranking are written `{member}`: give them different texts")]
    SameMember {
        /// Their text.
        member: String,
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

/// A template that is written wrongly, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the template `{template}` is wrong at character {place}: {reason}")]
pub struct TemplateError {
    /// The template.
    pub template: String,
    /// Which character, counted from 1.
    pub place: usize,
    /// What is wrong there.
    pub reason: &'static str,
}

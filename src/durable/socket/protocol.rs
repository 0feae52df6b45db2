//! What is said on the socket of a run: a question is one line of JSON, and the answer is
//! lines of JSON of which the last is an end or an error, so that one that is cut off is
//! noticed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::depot::{Appended, Depot, DepotError, Dropped, Retention};
use crate::durable::append_to::AppendTo;
use crate::durable::error::DataDirError;
use crate::durable::inspection::Contents;
use crate::durable::inspection::Row;
use crate::durable::inspection::view;
use crate::durable::inspection::{Inspection, inspect};
use crate::store::Store;

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::durable) enum Question {
    /// What is in the directory?
    Inspect {},
    /// What is in a table?
    View {
        table: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// No more than the first so many are needed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        limit: Option<usize>,
    },
    /// Copy it to this absolute path.
    Backup { to: PathBuf },
    /// I am going to append to a depot. Answered by [`Line::Appending`]; then each line is an
    /// array of pairs of a key and a record, answered by [`Line::Appended`], until the end.
    Append {
        #[serde(flatten)]
        to: AppendTo,
        /// How many of its appender's records come before the first one; by default as many as
        /// are there.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u64>,
    },
    /// Drop the oldest records of a depot.
    Retain {
        depot: String,
        keep: Retention,
        force: bool,
        always: bool,
    },
    /// Forget a reader of a depot.
    Forget { depot: String, reader: String },
}

impl Question {
    /// Whether asking again would be answered otherwise where it was done the first time.
    pub(in crate::durable) fn acts(&self) -> bool {
        matches!(self, Self::Retain { .. } | Self::Forget { .. })
    }
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::durable) enum Line {
    /// Of the answer to [`Question::Inspect`] the only one.
    Inspection(Box<Inspection>),
    /// One of the answer to [`Question::View`], in no order.
    Row(Row),
    /// Records can be appended to the depot, which is this one.
    Appending(AppendingTo),
    /// They are appended, and acknowledged as was asked.
    Appended {},
    /// What was dropped.
    Dropped(Dropped),
    /// The reader was there, and is not any more.
    Forgotten {},
    /// There is no answer now, and nothing was done: there may be one later.
    Busy { message: String },
    /// As [`DataDirError::UnknownTable`].
    UnknownTable { asked: String, tables: Vec<String> },
    /// As [`DataDirError::NothingCommitted`].
    NothingCommitted { dir: String },
    /// There is no answer, or no more of it.
    Error { message: String, wrong_use: bool },
    /// That was all.
    End {},
}

impl Line {
    /// What is said of an error. Those that callers tell apart stay what they are.
    pub(in crate::durable) fn of(error: DataDirError) -> Self {
        match error {
            DataDirError::UnknownTable { asked, tables } => Self::UnknownTable { asked, tables },
            DataDirError::NothingCommitted { dir } => Self::NothingCommitted { dir },
            DataDirError::Busy { message } => Self::Busy { message },
            error => Self::Error {
                message: error.to_string(),
                wrong_use: error.is_wrong_use(),
            },
        }
    }

    /// The line, or the error that it says.
    pub(in crate::durable) fn heard(self) -> Result<Self, DataDirError> {
        Err(match self {
            Self::UnknownTable { asked, tables } => DataDirError::UnknownTable { asked, tables },
            Self::NothingCommitted { dir } => DataDirError::NothingCommitted { dir },
            Self::Busy { message } => DataDirError::Busy { message },
            Self::Error { message, wrong_use } => DataDirError::Answered { message, wrong_use },
            line => return Ok(line),
        })
    }
}

/// The depot that somebody is going to append to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::durable) struct AppendingTo {
    pub(in crate::durable) key: String,
    pub(in crate::durable) partitions: u16,
    /// What of this appender is there already.
    pub(in crate::durable) appended: Appended,
}

impl AppendingTo {
    pub(in crate::durable) fn new(depot: &Depot, to: &AppendTo) -> Result<Self, DepotError> {
        Ok(Self {
            key: depot.key().to_owned(),
            partitions: depot.partitions(),
            appended: match &to.id {
                Some(id) => depot.all_appended_by(id)?,
                None => Appended::default(),
            },
        })
    }
}

/// Answers a question from a store: calls `say` with each line but the end. The rows of a table
/// are read while they are said, all as of one commit, which the store keeps on disk meanwhile.
pub(in crate::durable) fn answer(
    store: &Store,
    question: &Question,
    given_up: &dyn Fn() -> bool,
    say: &mut dyn FnMut(Line) -> Result<(), DataDirError>,
) -> Result<(), DataDirError> {
    match question {
        Question::Inspect {} => {
            let inspection = {
                let reader = store.read()?;
                let contents = Contents::new(&reader, store.dir(), given_up);
                let mut inspection = inspect(&contents, store.bytes_on_disk())?;
                for depot in Depot::all(store)? {
                    inspection.depots.push(depot.inspect()?);
                }
                inspection
            };
            say(Line::Inspection(Box::new(inspection)))
        }
        Question::View { table, key, limit } => {
            let reader = store.read()?;
            let contents = Contents::new(&reader, store.dir(), given_up);
            view(&contents, table, key.as_deref(), *limit, &mut |row| {
                say(Line::Row(row))
            })
        }
        Question::Backup { to } => Ok(store.backup(to, given_up)?),
        // It is answered line by line, by who has the connection.
        Question::Append { to, .. } => Ok(Depot::open(store, &to.depot).map(drop)?),
        Question::Retain {
            depot,
            keep,
            force,
            always,
        } => {
            let depot = Depot::open(store, depot)?;
            if *always {
                depot.keep(*keep)?;
            }
            say(Line::Dropped(depot.retain(*keep, *force)?))
        }
        Question::Forget { depot, reader } => {
            if Depot::open(store, depot)?.forget(reader)? {
                say(Line::Forgotten {})?;
            }
            Ok(())
        }
    }
}

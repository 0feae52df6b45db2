//! What is said on the socket of a run: a question is one line of JSON, and the answer is
//! lines of JSON of which the last is an end or an error, so that one that is cut off is
//! noticed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::appender::AppendTo;
use super::contents::Contents;
use super::error::DataDirError;
use super::inspect::{Inspection, inspect};
use super::view::{Row, view};
use crate::depot::{Appended, Depot, DepotError, Dropped, Retention};
use crate::store::Store;

/// A question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Question {
    /// What is in the directory?
    Inspect {},
    /// What is in a table?
    View {
        table: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<String>,
    },
    /// Copy it to this absolute path.
    Backup { to: PathBuf },
    /// I am going to append to a depot. Answered by [`Line::Appending`]; then each line is an
    /// array of pairs of a key and a record, answered by [`Line::Appended`], until the end.
    Append(AppendTo),
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

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// Of the answer to [`Question::Inspect`] the only one.
    Inspection(Box<Inspection>),
    /// One of the answer to [`Question::View`].
    Row(Row),
    /// Records can be appended to the depot, which is this one.
    Appending(AppendingTo),
    /// They are appended, and acknowledged as was asked.
    Appended {},
    /// What was dropped.
    Dropped(Dropped),
    /// The reader was there, and is not any more.
    Forgotten {},
    /// There is no answer, or no more of it.
    Error { message: String, wrong_use: bool },
    /// That was all.
    End {},
}

/// The depot that somebody is going to append to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AppendingTo {
    pub(super) key: String,
    pub(super) partitions: u16,
    /// What of this appender is there already.
    pub(super) appended: Appended,
}

impl AppendingTo {
    pub(super) fn new(depot: &Depot, to: &AppendTo) -> Result<Self, DepotError> {
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

/// Answers a question from a store. The answer is complete, and nothing of the store is held
/// any more, before anything of it is sent.
pub(super) fn answer(
    store: &Store,
    question: &Question,
    given_up: &dyn Fn() -> bool,
) -> Result<Vec<Line>, DataDirError> {
    let look = |look: &dyn Fn(&Contents<'_>) -> Result<Vec<Line>, DataDirError>| {
        let reader = store.read()?;
        look(&Contents::new(&reader, store.dir(), given_up))
    };
    match question {
        Question::Inspect {} => look(&|contents| {
            let mut inspection = inspect(contents, store.bytes_on_disk())?;
            for depot in Depot::all(store)? {
                inspection.depots.push(depot.inspect()?);
            }
            Ok(vec![Line::Inspection(Box::new(inspection))])
        }),
        Question::View { table, key } => look(&|contents| {
            let rows = view(contents, table, key.as_deref())?;
            Ok(rows.into_iter().map(Line::Row).collect())
        }),
        Question::Backup { to } => {
            copy(store, to, given_up)?;
            Ok(Vec::new())
        }
        Question::Append(to) => {
            // It is answered line by line, by who has the connection.
            Depot::open(store, &to.depot)?;
            Ok(Vec::new())
        }
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
            Ok(vec![Line::Dropped(depot.retain(*keep, *force)?)])
        }
        Question::Forget { depot, reader } => {
            let forgotten = Depot::open(store, depot)?.forget(reader)?;
            Ok(forgotten
                .then_some(Line::Forgotten {})
                .into_iter()
                .collect())
        }
    }
}

fn copy(store: &Store, to: &Path, given_up: &dyn Fn() -> bool) -> Result<(), DataDirError> {
    Ok(store.backup(to, given_up)?)
}

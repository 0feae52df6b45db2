//! What is said on the socket of a run: a question is one line of JSON, and the answer is
//! lines of JSON of which the last is an end or an error, so that one that is cut off is
//! noticed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::contents::Contents;
use super::error::DataDirError;
use super::inspect::{Inspection, inspect};
use super::view::{Row, view};
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
}

/// One line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// Of the answer to [`Question::Inspect`] the only one.
    Inspection(Box<Inspection>),
    /// One of the answer to [`Question::View`].
    Row(Row),
    /// There is no answer, or no more of it.
    Error { message: String, wrong_use: bool },
    /// That was all.
    End {},
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
            let inspection = inspect(contents, store.bytes_on_disk())?;
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
    }
}

fn copy(store: &Store, to: &Path, given_up: &dyn Fn() -> bool) -> Result<(), DataDirError> {
    Ok(store.backup(to, given_up)?)
}

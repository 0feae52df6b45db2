//! What can go wrong when somebody looks into a data directory.

use crate::depot::DepotError;
use crate::error::BoxError;
use crate::store::StoreError;

/// Why a data directory could not be looked into, copied or reset.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// The directory cannot be opened, is damaged, or is in use by somebody who cannot be
    /// asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A depot cannot be opened, appended to or read.
    #[error(transparent)]
    Depot(#[from] DepotError),
    /// Nothing was ever committed, so there is no table.
    #[error("`{dir}` holds nothing yet: no run has committed anything")]
    NothingCommitted {
        /// The data directory.
        dir: String,
    },
    /// No table, or several, go by the name that was asked for.
    #[error("`{asked}` does not name one table; the tables are {tables}", tables = tables.join(", "))]
    UnknownTable {
        /// What was asked for.
        asked: String,
        /// All tables, as `component.state`.
        tables: Vec<String>,
    },
    /// No component of this id has anything stored.
    #[error(
        "no component `{asked}` has stored state; {are}",
        are = if components.is_empty() {
            "nor has any other".to_owned()
        } else {
            format!("those that have: {}", components.join(", "))
        }
    )]
    UnknownComponent {
        /// What was asked for.
        asked: String,
        /// All components of which something is stored.
        components: Vec<String>,
    },
    /// The table is not one that can be changed from outside of a run.
    #[error("the table `{table}` cannot be changed: {why}")]
    NotEditable {
        /// The table, as `component.state`.
        table: String,
        /// What is in the way.
        why: String,
    },
    /// Who was to change a table has not done so.
    #[error("nothing was changed")]
    Edit {
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// What belongs to a copy besides its store could not be written.
    #[error("no backup was made")]
    Backup {
        /// Why.
        #[source]
        cause: BoxError,
    },
    /// The directory is in use, and its holder cannot be asked.
    #[error("{in_use}; it was asked, but {why}")]
    NoAnswer {
        /// Who has the directory.
        in_use: StoreError,
        /// What is in the way.
        why: String,
    },
    /// The directory is in use, and its holder gave no answer, or only a part of one. What it was
    /// asked to do may be done.
    #[error("{in_use}; it was asked, but {why}")]
    BrokenOff {
        /// Who has the directory.
        in_use: StoreError,
        /// What became of the question.
        why: String,
    },
    /// The process that has the directory has too much to do just now, and has done nothing.
    #[error("{message}")]
    Busy {
        /// What it said.
        message: String,
    },
    /// Rows cannot be put in order in a temporary file.
    #[error("cannot put rows in order in a temporary file in `{dir}`", dir = dir.display())]
    Temporary {
        /// The directory of temporary files; `TMPDIR` names another one.
        dir: std::path::PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The process that appended for this one ended before it acknowledged.
    #[error(
        "the process that had the directory open has ended: {acknowledged} records are \
         acknowledged, and the next {unknown} may be appended or not; with an id they are \
         appended exactly once"
    )]
    Unacknowledged {
        /// How many records were acknowledged by this appender.
        acknowledged: u64,
        /// How many came next.
        unknown: u64,
    },
    /// Records that were acknowledged before they were on disk were lost with the process that
    /// was to write them.
    #[error(
        "the process that had the directory open has ended, and {lost} of {acknowledged} records \
         of `{id}` were not on disk: append the same input with this id again"
    )]
    Lost {
        /// Whose records they are.
        id: String,
        /// How many were acknowledged.
        acknowledged: u64,
        /// How many of them are not there.
        lost: u64,
    },
    /// The run that has the directory open answered with an error.
    #[error("{message}")]
    Answered {
        /// What it said.
        message: String,
        /// As [`DataDirError::is_wrong_use`].
        wrong_use: bool,
    },
    /// The run that had the directory open has ended meanwhile.
    #[error("the run that had the directory open has ended: ask again")]
    Ended,
}

impl DataDirError {
    /// Whether somebody has the directory for a moment, or has too much to do.
    pub(super) fn passes(&self) -> bool {
        self.passes_undone() || matches!(self, Self::BrokenOff { .. })
    }

    /// Whether it passes, and nothing was done.
    pub(super) fn passes_undone(&self) -> bool {
        matches!(self, Self::NoAnswer { .. } | Self::Busy { .. })
    }

    /// Whether asking otherwise helps: another directory, table or component, or another
    /// time. Everything else is a failure.
    #[must_use]
    pub fn is_wrong_use(&self) -> bool {
        match self {
            Self::Store(error) => error.is_wrong_use(),
            Self::Depot(error) => error.is_wrong_use(),
            Self::NothingCommitted { .. }
            | Self::UnknownTable { .. }
            | Self::UnknownComponent { .. }
            | Self::NotEditable { .. }
            | Self::Busy { .. }
            | Self::NoAnswer { .. }
            | Self::BrokenOff { .. } => true,
            Self::Answered { wrong_use, .. } => *wrong_use,
            Self::Edit { .. }
            | Self::Backup { .. }
            | Self::Ended
            | Self::Lost { .. }
            | Self::Temporary { .. }
            | Self::Unacknowledged { .. } => false,
        }
    }
}

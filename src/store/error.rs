//! What can go wrong with a data directory.

use std::io;
use std::path::{Path, PathBuf};

use crate::private::NotPrivate;

/// Why a data directory could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Somebody has the directory open; a directory belongs to one process at a time.
    #[error(
        "`{dir}` is in use by {holder}: stop it first, or give another directory",
        dir = dir.display()
    )]
    InUse {
        /// The data directory.
        dir: PathBuf,
        /// Who has it, as `process 1234 (squall run) since 2026-01-01T00:00:00Z`.
        holder: String,
    },
    /// The path is something else, and stays untouched.
    #[error("`{dir}` is not a data directory: {why}", dir = dir.display())]
    NotADataDirectory {
        /// The path that was given.
        dir: PathBuf,
        /// What was found there, and what to do.
        why: &'static str,
    },
    /// A link, a pipe or something else stands in place of a file or directory, or it belongs to
    /// somebody else.
    #[error("`{path}` is not used: {why}", path = path.display())]
    NotPrivate {
        /// The file or directory.
        path: PathBuf,
        /// What was found there, and what to do.
        why: NotPrivate,
    },
    /// Another version of squall wrote the directory.
    #[error(
        "`{dir}` has format {found}, and this squall knows format {known}: \
         open it with the squall that wrote it",
        dir = dir.display()
    )]
    OtherFormat {
        /// The data directory.
        dir: PathBuf,
        /// The format of the directory.
        found: u64,
        /// The format that this version reads and writes.
        known: u64,
    },
    /// The file is not as it was written.
    #[error("`{file}` is damaged: {what}", file = file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file is not at its path any more.
    #[error(
        "`{file}` is gone: the data directory was deleted, moved or replaced while it was in use, \
         and its commits are lost with it",
        file = file.display()
    )]
    Gone {
        /// The file.
        file: PathBuf,
    },
    /// The operating system refused something.
    #[error("cannot {doing} `{path}`: {source}", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as a verb: `write`.
        doing: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
    /// A key and its value are larger than the store takes.
    #[error("a value of {bytes} bytes is too large for `{file}`", file = file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The size of the value, or of the key and the value.
        bytes: usize,
    },
}

impl StoreError {
    /// What to give to `map_err` where the operating system refuses `doing` something to `path`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let path = path.to_owned();
            let why = source.get_ref().and_then(|why| why.downcast_ref());
            match why.copied() {
                Some(why) => Self::NotPrivate { path, why },
                None => Self::Io {
                    path,
                    doing,
                    source,
                },
            }
        }
    }

    /// Whether the user has to change something, such as the directory that is given.
    #[must_use]
    pub fn is_wrong_use(&self) -> bool {
        matches!(
            self,
            Self::InUse { .. }
                | Self::NotADataDirectory { .. }
                | Self::NotPrivate { .. }
                | Self::OtherFormat { .. }
        )
    }

    /// The error that `file` is damaged.
    pub(super) fn damaged(file: &Path, what: impl Into<String>) -> Self {
        Self::Damaged {
            file: file.to_owned(),
            what: what.into(),
        }
    }

    /// What the engine says of `file`, in the words of this type.
    pub(super) fn engine(doing: &'static str, file: &Path, error: redb::Error) -> Self {
        use io::ErrorKind::{InvalidData, UnexpectedEof};
        let other = |why: &str| Self::io(doing, file)(io::Error::other(why.to_owned()));
        match error {
            redb::Error::Io(source) if matches!(source.kind(), InvalidData | UnexpectedEof) => {
                Self::damaged(file, source.to_string())
            }
            redb::Error::Io(source) => Self::io(doing, file)(source),
            redb::Error::PreviousIo => other("an earlier write failed"),
            redb::Error::DatabaseClosed => {
                other("it was opened again after a failed write, and this view of it has ended")
            }
            redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Self::InUse {
                dir: file.to_owned(),
                holder: "another process".to_owned(),
            },
            redb::Error::ValueTooLarge(bytes) => Self::TooLarge {
                file: file.to_owned(),
                bytes,
            },
            error => Self::damaged(file, error.to_string()),
        }
    }
}

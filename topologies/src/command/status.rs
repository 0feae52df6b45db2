//! How the command ends when it does not end well: message and exit status.

use std::error::Error;
use std::fmt;
use std::io;

use squall::connectors::files::{InputError, ProbeError};
use squall::{BoxError, RunError, data_dir::DataDirError, error::Fatal, text::Shown};
#[cfg(feature = "cube")]
use squall_cube::{NoCube, ReindexError};
use squall_topologies::ready::NotReady;

/// Why there is no result, or no more of it.
#[derive(Debug)]
pub(crate) enum Ending {
    NotReady(NotReady),
    Run(RunError),
    Print(io::Error),
    DataDir(DataDirError),
    /// What was given cannot be used.
    Input(BoxError),
    /// A cube cannot be read or changed.
    #[cfg(feature = "cube")]
    Cube(BoxError),
    /// Files of a cube are not as they were written.
    #[cfg(feature = "cube")]
    NotWhole(Vec<BoxError>),
    /// A key that was asked for is not in its table.
    NoKey {
        table: String,
        key: String,
    },
    /// The reader of standard output has what it wants, as `head -1` does.
    NobodyReads,
}

impl Ending {
    /// How a run has ended; `stdout` is the component that writes to standard output.
    pub(crate) fn of(error: RunError, stdout: &str) -> Self {
        if let RunError::Failed { task, cause } = &error {
            let cause = match cause.downcast_ref::<Fatal>() {
                Some(fatal) => fatal.cause(),
                None => &**cause,
            };
            let closed = cause
                .downcast_ref::<io::Error>()
                .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
            if closed && task.split('[').next() == Some(stdout) {
                return Self::NobodyReads;
            }
        }
        Self::Run(error)
    }

    /// What was given cannot be used, and this says why.
    pub(crate) fn input(error: impl Into<BoxError>) -> Self {
        Self::Input(error.into())
    }

    /// Why nothing comes of a cube.
    #[cfg(feature = "cube")]
    pub(crate) fn of_cube(error: BoxError) -> Self {
        match error.downcast::<DataDirError>() {
            Ok(error) => Self::DataDir(*error),
            Err(error) if error.is::<ReindexError>() || error.is::<NoCube>() => Self::Input(error),
            Err(error) => Self::Cube(error),
        }
    }

    /// The exit status: 2 where the user has to change something, 1 for everything that may
    /// go better another time.
    pub(crate) fn status(&self) -> i32 {
        match self {
            Self::NobodyReads => 0,
            Self::NotReady(_)
            | Self::Input(_)
            | Self::Run(RunError::Plan(_) | RunError::Start { .. } | RunError::Misfit(_)) => 2,
            Self::Run(RunError::Store(error)) if error.is_wrong_use() => 2,
            Self::Run(RunError::Failed { cause, .. }) if wrong_input(&**cause).is_some() => 2,
            #[cfg(feature = "cube")]
            Self::Cube(_) | Self::NotWhole(_) => 1,
            Self::DataDir(error) if error.is_wrong_use() => 2,
            Self::Run(_) | Self::Print(_) | Self::DataDir(_) | Self::NoKey { .. } => 1,
        }
    }
}

/// What is wrong with the input, where that is what ended a run: of standard input only the
/// run itself can tell.
fn wrong_input<'e>(cause: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let cause = match cause.downcast_ref::<Fatal>() {
        Some(fatal) => fatal.cause(),
        None => cause,
    };
    let wrong = cause.is::<ProbeError>() || cause.is::<InputError>();
    wrong.then_some(cause)
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotReady(error) => f.write_str(&chain(error)),
            Self::Run(RunError::Failed { cause, .. } | RunError::Start { cause, .. })
                if wrong_input(&**cause).is_some() =>
            {
                f.write_str(&chain(wrong_input(&**cause).unwrap_or(&**cause)))
            }
            Self::Run(error) => f.write_str(&chain(error)),
            Self::DataDir(error) => f.write_str(&chain(error)),
            Self::Input(error) => f.write_str(&chain(&**error)),
            #[cfg(feature = "cube")]
            Self::Cube(error) => f.write_str(&chain(&**error)),
            #[cfg(feature = "cube")]
            Self::NotWhole(wrong) => {
                let one = wrong.len() == 1;
                let files = if one {
                    "file of it is"
                } else {
                    "files of it are"
                };
                write!(
                    f,
                    "the cube is not whole: {} {files} not as written",
                    wrong.len()
                )?;
                wrong
                    .iter()
                    .try_for_each(|error| write!(f, "\n  {}", chain(&**error)))
            }
            Self::NoKey { table, key } => {
                write!(f, "`{}` has no key `{}`", Shown(table), Shown(key))
            }
            Self::Print(error) => write!(f, "cannot write to standard output: {error}"),
            Self::NobodyReads => f.write_str("standard output is closed"),
        }
    }
}

impl From<NotReady> for Ending {
    fn from(error: NotReady) -> Self {
        Self::NotReady(error)
    }
}

impl From<DataDirError> for Ending {
    fn from(error: DataDirError) -> Self {
        Self::DataDir(error)
    }
}

impl From<RunError> for Ending {
    fn from(error: RunError) -> Self {
        Self::Run(error)
    }
}

/// An error with its causes, each said once.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    // A name from input may be in it, of which this shows all that is not text; errors that have
    // several lines have them for themselves.
    let lines: Vec<String> = text.lines().map(|line| Shown(line).to_string()).collect();
    lines.join("\n")
}

//! Every ready topology by name, with its options.

use clap::Subcommand;
use squall::Topology;
use squall::connectors::Files;

use crate::rolling_top_words;
use crate::top_users;
use crate::wrong::WrongUse;

/// A ready topology with the options of a run. The names and the purposes in `squall list`
/// and in the help are those of the variants.
#[derive(Subcommand, Clone, Debug)]
pub enum Ready {
    /// The words that occur most, over a rolling window
    RollingTopWords(Box<rolling_top_words::Options>),
    /// The users who spent most, over everything so far
    TopUsers(Box<top_users::Options>),
    /// A name that no topology has, with what followed it.
    #[command(external_subcommand)]
    Unknown(Vec<String>),
}

/// A ready topology with the options that change its plan.
#[derive(Subcommand, Clone, Debug)]
pub enum Planned {
    /// The words that occur most, over a rolling window
    RollingTopWords(rolling_top_words::Shape),
    /// The users who spent most, over everything so far
    TopUsers(top_users::Shape),
    /// A name that no topology has, with what followed it.
    #[command(external_subcommand)]
    Unknown(Vec<String>),
}

/// A topology that is ready to run.
pub struct Prepared {
    /// The topology.
    pub topology: Topology,
    /// The files it reads; none where it makes its own input.
    pub files: Option<Files>,
}

impl Ready {
    /// The topology, with its input looked into; `durable` where it is going to have a data
    /// directory.
    ///
    /// # Errors
    /// What is wrong with the options or the input, or with the name.
    pub fn prepare(&self, durable: bool) -> Result<Prepared, NotReady> {
        match self {
            Self::RollingTopWords(options) => {
                options.words.input.check_durable(durable)?;
                let files = options.words.files()?;
                let topology = rolling_top_words::reading(options, files.as_ref())?;
                Ok(Prepared { topology, files })
            }
            Self::TopUsers(options) => {
                options.purchases.input.check_durable(durable)?;
                let files = options.purchases.files()?;
                let topology = top_users::reading(options, files.as_ref())?;
                Ok(Prepared { topology, files })
            }
            Self::Unknown(words) => Err(unknown(words)),
        }
    }
}

impl Planned {
    /// The topology, without any input.
    ///
    /// # Errors
    /// What is wrong with the options, or with the name.
    pub fn topology(&self) -> Result<Topology, NotReady> {
        match self {
            Self::RollingTopWords(shape) => {
                let options = rolling_top_words::Options {
                    shape: shape.clone(),
                    ..rolling_top_words::Options::default()
                };
                Ok(rolling_top_words::topology(&options)?)
            }
            Self::TopUsers(shape) => {
                let options = top_users::Options {
                    shape: shape.clone(),
                    ..top_users::Options::default()
                };
                Ok(top_users::topology(&options)?)
            }
            Self::Unknown(words) => Err(unknown(words)),
        }
    }
}

/// Why there is no topology to run.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The options are wrong.
    #[error(transparent)]
    Options(#[from] WrongUse),
    /// No topology has this name.
    #[error("there is no topology `{asked}`; {hint}")]
    Unknown {
        /// The name that was asked for.
        asked: String,
        /// The name that was probably meant, or all of them.
        hint: String,
    },
}

/// A topology as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name to run it by.
    pub name: String,
    /// What it is for, in one line.
    pub purpose: String,
}

/// Every ready topology.
///
/// ```
/// let names: Vec<_> = squall_topologies::ready::all().into_iter().map(|entry| entry.name).collect();
/// assert_eq!(names, ["rolling-top-words", "top-users"]);
/// ```
#[must_use]
pub fn all() -> Vec<Entry> {
    let ready = Ready::augment_subcommands(clap::Command::new("ready"));
    let entries = ready.get_subcommands().map(|topology| Entry {
        name: topology.get_name().to_owned(),
        purpose: topology
            .get_about()
            .map(ToString::to_string)
            .unwrap_or_default(),
    });
    entries.collect()
}

/// How like two names must be for one to stand for the other, `0.0..=1.0`.
const LIKE: f64 = 0.7;

fn unknown(words: &[String]) -> NotReady {
    let asked = words.first().cloned().unwrap_or_default();
    let names: Vec<_> = all().into_iter().map(|entry| entry.name).collect();
    let likeness = |name: &String| strsim::jaro_winkler(&asked.to_lowercase(), name);
    let nearest = names
        .iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
        .filter(|name| likeness(name) >= LIKE);
    let hint = match nearest {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("there are: {} (see `squall list`)", names.join(", ")),
    };
    NotReady::Unknown { asked, hint }
}

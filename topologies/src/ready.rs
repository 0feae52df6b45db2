//! Every ready topology by name, with its options.

use std::path::Path;

use clap::Subcommand;
use squall::connectors::files::FieldWatch;
use squall::connectors::{Files, ReadDepot};
use squall::{DataDir, Topology};

use crate::input::Input;
use crate::outputs::Outputs;
use crate::places::Places;
use crate::records::Records;
use crate::rolling_top_words;
#[cfg(feature = "cube")]
use crate::rollup;
use crate::top_keys;
use crate::top_users;
use crate::wrong::WrongUse;

/// A ready topology with the options of a run. The names and the purposes in `squall list`
/// and in the help are those of the variants.
#[derive(Subcommand, Clone, Debug)]
pub enum Ready {
    /// The words, or values of a field (--split none), that occur most in a rolling window
    RollingTopWords(Box<rolling_top_words::Options>),
    /// The users who spent most, over everything so far
    TopUsers(Box<top_users::Options>),
    /// The values of any field that occur most, or whose amounts have the largest sums, over
    /// everything so far
    TopKeys(Box<top_keys::Options>),
    /// Events rolled up into a cube, which `squall query` reads
    #[cfg(feature = "cube")]
    Rollup(Box<rollup::Options>),
    /// A name that no topology has, with what followed it.
    #[command(external_subcommand)]
    Unknown(Vec<String>),
}

/// A ready topology with the options that change its plan.
#[derive(Subcommand, Clone, Debug)]
pub enum Planned {
    /// The words, or values of a field (--split none), that occur most in a rolling window
    RollingTopWords(rolling_top_words::Shape),
    /// The users who spent most, over everything so far
    TopUsers(top_users::Shape),
    /// The values of any field that occur most, or whose amounts have the largest sums, over
    /// everything so far
    TopKeys(top_keys::Shape),
    /// Events rolled up into a cube, which `squall query` reads
    #[cfg(feature = "cube")]
    Rollup(rollup::Shape),
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
    /// The data directory, where it is open already, since its depots are read.
    pub opened: Option<DataDir>,
    /// Knows, when the topology has run, which fields no record had.
    pub fields: FieldWatch,
}

impl Prepared {
    fn reading(topology: Topology, files: Option<Files>) -> Self {
        let fields = files.as_ref().map(Files::field_watch);
        Self {
            topology,
            files,
            opened: None,
            fields: fields.unwrap_or_default(),
        }
    }
}

impl Ready {
    /// The topology, with its input looked into, for a run with this data directory or none.
    ///
    /// # Errors
    /// What is wrong with the options or the input, or with the name.
    pub fn prepare(&self, data_dir: Option<&Path>) -> Result<Prepared, NotReady> {
        let durable = data_dir.is_some();
        match self {
            Self::RollingTopWords(options) => {
                options.words.input.check_durable(durable)?;
                let records = options.records()?;
                let files = records.as_ref().and_then(Records::files).cloned();
                let (input, outputs) = (&options.words.input, &options.shape.outputs);
                places(data_dir, input, files.as_ref(), outputs).check()?;
                let topology = rolling_top_words::reading(options, records)?;
                Ok(Prepared::reading(topology, files))
            }
            Self::TopUsers(options) => {
                options.purchases.input.check_durable(durable)?;
                let (input, outputs) = (&options.purchases.input, &options.shape.outputs);
                if options.purchases.depot.is_some() {
                    let dir = data_dir.ok_or(WrongUse::DepotWithoutDataDir)?;
                    if !dir.is_dir() {
                        // Opening would make one.
                        let dir = dir.display().to_string();
                        return Err(WrongUse::NoDepotThere { dir }.into());
                    }
                    places(data_dir, input, None, outputs).check()?;
                    // The run and the depot have it open together.
                    let opened = DataDir::opened(dir).map_err(WrongUse::from)?;
                    let depot = options.purchases.depot(&opened)?;
                    let fields = depot.as_ref().map(ReadDepot::field_watch);
                    return Ok(Prepared {
                        topology: top_users::reading(options, depot.map(Records::Depot))?,
                        files: None,
                        opened: Some(opened),
                        fields: fields.unwrap_or_default(),
                    });
                }
                let records = options.records()?;
                let files = records.as_ref().and_then(Records::files).cloned();
                places(data_dir, input, files.as_ref(), outputs).check()?;
                let topology = top_users::reading(options, records)?;
                Ok(Prepared::reading(topology, files))
            }
            Self::TopKeys(options) => {
                options.input.check_durable(durable)?;
                let records = options.records()?;
                let (input, outputs) = (&options.input, &options.shape.outputs);
                places(data_dir, input, records.files(), outputs).check()?;
                let topology = top_keys::reading(options, &records)?;
                Ok(Prepared::reading(topology, records.files().cloned()))
            }
            #[cfg(feature = "cube")]
            Self::Rollup(options) => {
                let dir = data_dir.ok_or(WrongUse::RollupWithoutDataDir)?;
                options.input.check_durable(durable)?;
                let spec = rollup::read_spec(&options.shape.spec)?;
                let records = options.records(&spec)?.ok_or(WrongUse::NoEvents)?;
                let sources = records.files().map_or(&[][..], Files::sources);
                let places = Places {
                    input: options.input.path(),
                    data_dir,
                    ..options.shape.places(sources)
                };
                places.check()?;
                let segments = dir.join(rollup::SEGMENTS);
                let topology = rollup::reading(options, spec, &records, &segments)?;
                Ok(Prepared::reading(topology, records.files().cloned()))
            }
            Self::Unknown(words) => Err(unknown(words)),
        }
    }
}

/// Where a run reads and writes.
fn places<'r>(
    data_dir: Option<&'r Path>,
    input: &'r Input,
    files: Option<&'r Files>,
    outputs: &'r Outputs,
) -> Places<'r> {
    Places {
        input: input.path(),
        sources: files.map_or(&[], Files::sources),
        data_dir,
        files: outputs.files(),
        stdout: outputs.json,
        ..Places::default()
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
            Self::TopKeys(shape) => {
                let options = top_keys::Options {
                    shape: shape.clone(),
                    ..top_keys::Options::default()
                };
                // It is drawn, and reads nothing.
                let nothing = Records::Files(Files::of(Vec::new()));
                Ok(top_keys::reading(&options, &nothing)?)
            }
            #[cfg(feature = "cube")]
            Self::Rollup(shape) => {
                let options = rollup::Options {
                    shape: shape.clone(),
                    ..rollup::Options::default()
                };
                let spec = rollup::read_spec(&shape.spec)?;
                // It is drawn, and reads and writes nothing.
                let nothing = Records::Files(Files::of(Vec::new()));
                let segments = Path::new(rollup::SEGMENTS);
                Ok(rollup::reading(&options, spec, &nothing, segments)?)
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
    #[error("unknown topology `{asked}`; {hint}")]
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
/// assert_eq!(names[..2], ["rolling-top-words", "top-users"]);
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
        None => format!(
            "the topologies are {} (see `squall list`)",
            names.join(", ")
        ),
    };
    NotReady::Unknown { asked, hint }
}

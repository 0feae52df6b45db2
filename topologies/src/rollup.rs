//! Events rolled up into a cube of pre-aggregated facts.
//!
//! `events` -> `rolled` -> global -> `segments` -> `manifest`, as Druid's ingestion does it: what an
//! event is, and what is kept of it, says a spec. With an archive the raw events are kept beside
//! the cube.

use std::path::{Path, PathBuf};

use clap::Args;
use squall::Topology;
use squall::connectors::files::{FieldSelector, Source};
use squall::connectors::{DeadLetterFile, Files};
use squall_cube::spec::{self, Spec};
use squall_cube::{Archive, Event, EventDecoder, Rollup};

#[cfg(feature = "kafka")]
use crate::connections::Connections;
use crate::input::{FORMAT, INPUT, Input, PlainText};
use crate::numbers::{rate, tasks};
use crate::places::Places;
#[cfg(feature = "kafka")]
use crate::position::Position;
use crate::records::Records;
use crate::wrong::WrongUse;

/// Where the segments are, in a data directory.
pub const SEGMENTS: &str = "segments";

/// What to read, and how it is rolled up.
#[derive(Args, Clone, Debug, Default, PartialEq)]
#[command(mut_arg("input", |input| input.help(INPUT)))]
#[command(mut_arg("format", |format| format.value_name("csv|ndjson").help(FORMAT)))]
pub struct Options {
    /// What to read.
    #[command(flatten)]
    pub input: Input,
    /// The limit of events per second over all spouts; 0 for none [default: no limit]
    #[arg(long, value_name = "N", value_parser = rate, allow_negative_numbers = true)]
    pub rate: Option<f64>,
    /// Where to begin to read a topic.
    #[cfg(feature = "kafka")]
    #[command(flatten)]
    pub position: Position,
    /// How servers are reached: a file with lines such as `kafka.sasl.password = SECRET`, of which
    /// the environment may say each otherwise, as `SQUALL_KAFKA_SASL_PASSWORD`
    #[cfg(feature = "kafka")]
    #[arg(long, value_name = "FILE")]
    pub connections: Option<PathBuf>,
    /// The components and how many tasks they have.
    #[command(flatten)]
    pub shape: Shape,
}

/// The options that change the plan.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The spec: a Druid ingestion spec, as JSON
    #[arg(long, value_name = "PATH")]
    pub spec: PathBuf,
    /// The number of tasks that read events and roll them up
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = tasks)]
    pub spouts: usize,
    /// Keep the raw events in this directory, so that `squall reindex` can roll them up by another
    /// spec
    #[arg(long, value_name = "DIR")]
    pub archive: Option<PathBuf>,
    /// Write records that are not events of the spec to a file, as lines of JSON with source, line
    /// and reason; without this option they are logged
    #[arg(long, value_name = "PATH")]
    pub dead_letters: Option<PathBuf>,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            spec: PathBuf::new(),
            spouts: 2,
            archive: None,
            dead_letters: None,
        }
    }
}

impl Shape {
    /// What is read and written, as far as these options say it.
    #[must_use]
    pub fn places<'r>(&'r self, sources: &'r [Source]) -> Places<'r> {
        let (archive, letters) = (self.archive.as_deref(), self.dead_letters.as_deref());
        Places {
            sources,
            read: vec![("--spec", &self.spec)],
            files: letters
                .map(|path| ("--dead-letters", path))
                .into_iter()
                .collect(),
            folders: archive.map(|dir| ("--archive", dir)).into_iter().collect(),
            ..Places::default()
        }
    }
}

/// Reads a spec, and says what of it is ignored.
///
/// # Errors
/// Where it cannot be read, or is wrong: with all that is wrong, by line.
pub fn read_spec(path: &Path) -> Result<Spec, WrongUse> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| WrongUse::Unreadable {
        path: name.clone(),
        error: error.to_string(),
    })?;
    let (spec, warnings) = spec::parse(&text, &name)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    Ok(spec)
}

impl Options {
    /// What is read, looked into. None where no input is named.
    ///
    /// # Errors
    /// Where there is nothing to read, or not like this.
    pub fn records(&self, spec: &Spec) -> Result<Option<Records>, WrongUse> {
        #[cfg(feature = "kafka")]
        {
            let connections = Connections::read(self.connections.as_deref())?;
            if let Some(topic) = self.input.topic(&self.position, &connections)? {
                return Ok(Some(Records::Topic(topic)));
            }
        }
        let Some(files) = self.input.files(&[], PlainText::Refused)? else {
            return Ok(None);
        };
        let time = FieldSelector::named(&spec.time.column);
        let optional = spec.time.missing.is_some();
        let needed = (!optional).then(|| time.clone());
        let others = spec.fields().chain(optional.then_some(time));
        let files = files.fields(needed).optional_fields(others);
        Ok(Some(Records::Files(files.check()?)))
    }
}

/// The topology on records, with its segments in this folder.
///
/// # Errors
/// What is wrong with the options.
pub fn reading(
    options: &Options,
    spec: Spec,
    records: &Records,
    segments: &Path,
) -> Result<Topology, WrongUse> {
    let Shape {
        spouts,
        archive,
        dead_letters,
        ..
    } = &options.shape;
    let sources = records.files().map_or(&[][..], Files::sources);
    options.shape.places(sources).check()?;
    let topology = Topology::named("rollup");
    let schema = spec.schema.clone();
    let rollup = Rollup::new(schema.clone().into(), segments).reading(&spec);
    let mut decoder = EventDecoder::new(spec);
    if archive.is_some() {
        decoder = decoder.keep_raw();
    }
    let records = records.clone();
    let events = topology
        .spout("events", move || {
            let mut decoder = decoder.clone();
            records.decode::<Event, _>(move |record, out| {
                out.emit(decoder.decode(record)?);
                Ok(())
            })
        })
        .rate(options.rate.unwrap_or_default())
        .parallelism(*spouts);
    if let Some(dir) = archive.clone() {
        let segment = schema.segment.clone();
        let owner = std::path::absolute(segments).unwrap_or_else(|_| segments.to_owned());
        let owner = owner.display().to_string();
        let archive = move || Archive::at(&dir, segment.clone(), owner.clone());
        topology.bolt("archive", archive).global_grouping(&events);
    }
    rollup.parallelism(*spouts).wire(&topology, &events);
    if let Some(path) = dead_letters.clone() {
        topology.dead_letter_sink("dead-letters", move || DeadLetterFile::file(&path));
    }
    Ok(topology)
}

//! What is in a data directory, in short.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::contents::{Contents, has_sections};
use super::row::{Row, aligned};
use super::view::rows;
use crate::depot::InspectedDepot;
use crate::durable::error::DataDirError;
use crate::durable::layout::{self, Commit, Culprit};
use crate::durable::manifest::KeptComponent;
use crate::meaning::Meaning;
use crate::state::Shape;
use crate::text::Shown;

/// What is in a data directory, as of its last commit; made by
/// [`DataDir::inspect`](crate::DataDir::inspect). Shown for people by `Display`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The directory; none in memory.
    pub directory: Option<String>,
    /// The topology that the state belongs to; none where nothing was committed.
    pub topology: Option<String>,
    /// The last committed epoch, and when its cut was made in milliseconds since 1970; none
    /// where nothing was committed.
    pub commit: Option<Commit>,
    /// The size of the store's file, free pages included; 0 in memory.
    pub bytes_on_disk: u64,
    /// Every component of which anything is stored, by id.
    pub components: Vec<InspectedComponent>,
    /// Its depots, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depots: Vec<InspectedDepot>,
}

/// What a data directory holds of one component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InspectedComponent {
    /// Its id.
    pub id: String,
    /// How many tasks it had; none where it keeps no state.
    pub tasks: Option<usize>,
    /// What its inputs are grouped by, as `fields(word)`; empty for spouts.
    pub grouped_by: Vec<String>,
    /// What its results mean, where that was stated.
    #[serde(default, skip_serializing_if = "Meaning::is_none")]
    pub meaning: Meaning,
    /// Its states by name.
    pub states: Vec<InspectedState>,
    /// Epochs whose results were committed, and are not known to be delivered.
    pub undelivered_epochs: usize,
    /// Bytes of what is to be delivered.
    pub undelivered_bytes: u64,
    /// Tuples that user code has panicked on twice, and that it does not see again.
    pub quarantine: Vec<QuarantinedTuple>,
}

/// What a data directory holds of one state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InspectedState {
    /// Its name within the component.
    pub name: String,
    /// Its kind, and the types of its keys and values.
    pub shape: Shape,
    /// How many keys it has, over all tasks and sections.
    pub keys: u64,
    /// Bytes that are stored of it: images, and the changes since.
    pub bytes: u64,
    /// Its entries where it belongs to a spout: how far that has come. None of others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positions: Option<Vec<Row>>,
}

/// A tuple that user code has panicked on twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuarantinedTuple {
    /// The tuple as text.
    pub tuple: String,
    /// The message of the last panic.
    pub message: String,
}

/// Looks through all that is stored.
pub(crate) fn inspect(
    contents: &Contents<'_>,
    bytes_on_disk: u64,
) -> Result<Inspection, DataDirError> {
    let mut components = Vec::new();
    for (id, kept) in contents.components()? {
        components.push(component(contents, id, kept.as_ref())?);
    }
    let manifest = contents.manifest()?;
    Ok(Inspection {
        directory: contents.dir.map(|dir| dir.display().to_string()),
        topology: manifest.map(|manifest| manifest.topology),
        commit: contents.commit()?,
        bytes_on_disk,
        components,
        depots: Vec::new(),
    })
}

fn component(
    contents: &Contents<'_>,
    id: String,
    kept: Option<&KeptComponent>,
) -> Result<InspectedComponent, DataDirError> {
    let mut states = Vec::new();
    if let Some(kept) = kept {
        for (name, shape) in &kept.states {
            states.push(state(contents, (&id, kept), (name, shape))?);
        }
    }
    let mut epochs = BTreeSet::new();
    let mut undelivered_bytes = 0;
    contents.each(&layout::component_outbox(&id), &mut |key, value| {
        let (_, epoch) = layout::read_outbox(key)?;
        epochs.insert(epoch);
        undelivered_bytes += value.len() as u64;
        Ok(())
    })?;
    let prefix = layout::component_culprits(&id);
    let mut quarantine = Vec::new();
    contents.each(&prefix, &mut |key, value| {
        let culprit: Culprit = serde_json::from_slice(value)?;
        if culprit.panics >= layout::PANICS {
            quarantine.push(QuarantinedTuple {
                tuple: String::from_utf8_lossy(&key[prefix.len()..]).into_owned(),
                message: culprit.message,
            });
        }
        Ok(())
    })?;
    Ok(InspectedComponent {
        id,
        tasks: kept.map(|kept| kept.tasks),
        grouped_by: kept.map_or_else(Vec::new, |kept| kept.grouped_by.clone()),
        meaning: kept.map(KeptComponent::whole_meaning).unwrap_or_default(),
        states,
        undelivered_epochs: epochs.len(),
        undelivered_bytes,
        quarantine,
    })
}

fn state(
    contents: &Contents<'_>,
    (component, kept): (&str, &KeptComponent),
    (name, shape): (&str, &Shape),
) -> Result<InspectedState, DataDirError> {
    let (mut keys, mut bytes) = (0, 0);
    contents.units(component, name, |_, values| {
        bytes += values.iter().map(|value| value.len() as u64).sum::<u64>();
        keys += contents.keys(values, has_sections(shape))?;
        Ok(())
    })?;
    let spout = kept.grouped_by.is_empty();
    let positions = if spout {
        Some(rows(contents, (component, kept), (name, shape))?)
    } else {
        None
    };
    Ok(InspectedState {
        name: name.to_owned(),
        shape: shape.clone(),
        keys,
        bytes,
        positions,
    })
}

/// At most so many positions of a spout, and tuples of a component, are shown to people.
const MAX_LINES: usize = 20;

impl fmt::Display for Inspection {
    /// A few lines, then a table of the states with the positions of spouts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(directory) = &self.directory {
            writeln!(f, "directory  {}", Shown(directory))?;
        }
        if let Some(topology) = &self.topology {
            writeln!(f, "topology   {}", Shown(topology))?;
        }
        match &self.commit {
            Some(Commit { epoch, time }) => writeln!(f, "committed  epoch {epoch} at {time}")?,
            None => writeln!(f, "committed  nothing yet")?,
        }
        writeln!(f, "on disk    {} bytes", self.bytes_on_disk)?;
        let header = [
            "component",
            "tasks",
            "grouped by",
            "state",
            "keys",
            "bytes",
            "what it is",
        ];
        let mut table = vec![header.map(str::to_owned).to_vec()];
        for component in &self.components {
            for state in &component.states {
                table.push(vec![
                    Shown(&component.id).to_string(),
                    component
                        .tasks
                        .map_or_else(String::new, |tasks| tasks.to_string()),
                    Shown(component.grouped_by.join(" and ")).to_string(),
                    Shown(&state.name).to_string(),
                    state.keys.to_string(),
                    state.bytes.to_string(),
                    Shown(&state.shape).to_string(),
                ]);
            }
        }
        if table.len() > 1 {
            write!(f, "\n{}", aligned(&table))?;
        }
        for component in &self.components {
            component.details(f)?;
        }
        for depot in &self.depots {
            write!(f, "\n{depot}")?;
        }
        Ok(())
    }
}

impl InspectedComponent {
    fn details(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = Shown(&self.id);
        if !self.meaning.is_none() {
            writeln!(f, "\n{id} means")?;
            let members = self.meaning.members();
            let cells: Vec<_> = members
                .map(|(name, it)| vec![Shown(name).to_string(), Shown(&it).to_string()])
                .collect();
            f.write_str(&indented(&aligned(&cells)))?;
        }
        for state in &self.states {
            let Some(rows) = state.positions.as_ref().filter(|rows| !rows.is_empty()) else {
                continue;
            };
            writeln!(f, "\n{id}.{} has come to", Shown(&state.name))?;
            let cells: Vec<_> = rows.iter().take(MAX_LINES).map(Row::cells).collect();
            f.write_str(&indented(&aligned(&cells)))?;
            more(f, rows.len())?;
        }
        if self.undelivered_epochs > 0 {
            let (epochs, bytes) = (self.undelivered_epochs, self.undelivered_bytes);
            let s = if epochs == 1 { "" } else { "s" };
            writeln!(
                f,
                "\n{id} has {bytes} bytes of {epochs} epoch{s} to deliver"
            )?;
        }
        if !self.quarantine.is_empty() {
            writeln!(f, "\n{id} has panicked twice on")?;
            for QuarantinedTuple { tuple, message } in self.quarantine.iter().take(MAX_LINES) {
                writeln!(f, "  {}: {}", Shown(tuple), Shown(message))?;
            }
            more(f, self.quarantine.len())?;
        }
        Ok(())
    }
}

fn more(f: &mut fmt::Formatter<'_>, lines: usize) -> fmt::Result {
    match lines.checked_sub(MAX_LINES) {
        Some(more) if more > 0 => writeln!(f, "  and {more} more"),
        _ => Ok(()),
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

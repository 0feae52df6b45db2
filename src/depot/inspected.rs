//! What is in a depot, for people.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Depot;
use super::error::DepotError;
use super::layout::Retention;
use crate::text::Shown;

impl Depot {
    /// What is in it and who reads it, as of the last commit.
    ///
    /// # Errors
    /// Where that cannot be read.
    pub fn inspect(&self) -> Result<InspectedDepot, DepotError> {
        let log = &self.0.log;
        let extents = log.all_extents();
        let readers = log.readers.all().into_iter();
        Ok(InspectedDepot {
            name: log.name.clone(),
            key: log.key.clone(),
            partitions: extents
                .iter()
                .map(|extent| InspectedPartition {
                    first: extent.first,
                    end: extent.end,
                    bytes: extent.bytes,
                })
                .collect(),
            keep: log.keep()?,
            readers: readers
                .map(|(name, positions, reads)| InspectedReader {
                    name,
                    reads,
                    behind: positions
                        .iter()
                        .map(|(at, to)| log.extent(*at).end.saturating_sub(*to))
                        .sum(),
                })
                .collect(),
        })
    }
}

/// What is in a depot; made by [`Depot::inspect`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InspectedDepot {
    /// Its name.
    pub name: String,
    /// The field whose hash chooses the partition of a record.
    pub key: String,
    /// Its partitions, by number.
    pub partitions: Vec<InspectedPartition>,
    /// How much is kept.
    pub keep: Retention,
    /// Who reads it with a data directory, or has, and was not forgotten.
    pub readers: Vec<InspectedReader>,
}

/// What is in one partition of a depot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InspectedPartition {
    /// The first offset that is kept.
    pub first: u64,
    /// The offset after the last record.
    pub end: u64,
    /// Bytes that are stored of what lies between.
    pub bytes: u64,
}

/// Who reads a depot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct InspectedReader {
    /// Its name.
    pub name: String,
    /// Whether it reads at present.
    pub reads: bool,
    /// How many records it has not committed yet.
    pub behind: u64,
}

impl InspectedDepot {
    /// How many records are kept.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.partitions.iter().map(|at| at.end - at.first).sum()
    }

    /// Bytes that are stored of them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.partitions.iter().map(|at| at.bytes).sum()
    }
}

impl fmt::Display for InspectedDepot {
    /// For people, on a few lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, records, bytes) = (Shown(&self.name), self.records(), self.bytes());
        let by = if self.key.is_empty() {
            String::new()
        } else {
            format!(" by {}", Shown(&self.key))
        };
        let partitions = self.partitions.len();
        writeln!(
            f,
            "depot {name}: {records} records of {bytes} bytes in {partitions} partitions{by}"
        )?;
        if let Some(age) = self.keep.age {
            writeln!(f, "  kept for {} s", age.as_secs_f64())?;
        }
        if let Some(bytes) = self.keep.bytes {
            writeln!(f, "  kept up to {bytes} bytes")?;
        }
        for InspectedReader {
            name,
            reads,
            behind,
        } in &self.readers
        {
            let reads = if *reads { "reads it" } else { "has read it" };
            let name = Shown(name);
            writeln!(f, "  {name} {reads}, and has {behind} records before it")?;
        }
        Ok(())
    }
}

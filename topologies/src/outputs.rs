//! Where results go, as options.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use squall::connectors::{DeadLetterFile, Files, JsonLines};
use squall::topology::AsStream;
use squall::{Topology, Tuple};

use crate::places::Places;
use crate::wrong::WrongUse;

/// The component that writes to standard output.
pub const STDOUT: &str = "json";

/// Where results and refused records go.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Print each ranking as a line of JSON to standard output
    #[arg(long)]
    pub json: bool,
    /// Write the rankings to a file, as the same lines of JSON
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Write records that cannot be read to a file, as lines of JSON with source, line and reason;
    /// without this option they are logged
    #[arg(long, value_name = "PATH")]
    pub dead_letters: Option<PathBuf>,
}

impl Outputs {
    /// No output file is read as input or written twice.
    ///
    /// # Errors
    /// Where one is.
    pub fn check(&self, files: Option<&Files>) -> Result<(), WrongUse> {
        let places = Places {
            sources: files.map_or(&[], Files::sources),
            files: self.files(),
            ..Places::default()
        };
        places.check()
    }

    /// The files that are written, with their options.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, &Path)> {
        let outputs = [("--out", &self.out), ("--dead-letters", &self.dead_letters)];
        let asked = outputs.into_iter();
        asked
            .filter_map(|(option, path)| Some((option, path.as_deref()?)))
            .collect()
    }

    /// Adds the sinks that are asked for: of these results, and of all dead letters.
    pub fn write<A>(&self, topology: &Topology, results: &A)
    where
        A: AsStream,
        A::Item: Tuple + Serialize,
    {
        if self.json {
            let json = topology.sink(STDOUT, JsonLines::<A::Item>::stdout);
            let _ = json.global_grouping(results);
        }
        if let Some(path) = self.out.clone() {
            let out = topology.sink("out", move || JsonLines::<A::Item>::file(&path));
            let _ = out.global_grouping(results);
        }
        if let Some(path) = self.dead_letters.clone() {
            topology.dead_letter_sink("dead-letters", move || DeadLetterFile::file(&path));
        }
    }
}

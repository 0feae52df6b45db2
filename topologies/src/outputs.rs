//! Where results go, as options.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use squall::connectors::{DeadLetterFile, Files, JsonLines};
use squall::topology::AsStream;
use squall::{Topology, Tuple};

use crate::wrong::WrongUse;

/// The component that writes to standard output.
pub const STDOUT: &str = "json";

/// Where results and refused records go.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Print each ranking as a line of JSON on standard output
    #[arg(long)]
    pub json: bool,
    /// Write the same lines of JSON into a file
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Write records that cannot be read into a file, as lines of JSON with source, line and
    /// reason; without it they are logged
    #[arg(long, value_name = "PATH")]
    pub dead_letters: Option<PathBuf>,
}

impl Outputs {
    /// No output file is read as input or written twice.
    ///
    /// # Errors
    /// Where one is.
    pub fn check(&self, files: Option<&Files>) -> Result<(), WrongUse> {
        let Self {
            out, dead_letters, ..
        } = self;
        let outputs = [("--out", out), ("--dead-letters", dead_letters)];
        let sources = files.map_or(&[][..], Files::sources);
        for (option, path) in outputs {
            let Some(path) = path else { continue };
            let read = sources.iter().filter_map(|source| source.path());
            let over = |also| WrongUse::WritesOver {
                option,
                path: path.display().to_string(),
                also,
            };
            if read.into_iter().any(|source| same_file(source, path)) {
                return Err(over("read as input"));
            }
            if option != "--out" && out.as_ref().is_some_and(|out| same_file(out, path)) {
                return Err(over("written by --out"));
            }
        }
        Ok(())
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

/// Whether both paths lead to one regular file.
fn same_file(a: &Path, b: &Path) -> bool {
    let found = |path: &Path| path.canonicalize().ok().filter(|path| path.is_file());
    match (found(a), found(b)) {
        (None, None) => a == b && !a.exists(),
        (a, b) => a.is_some() && a == b,
    }
}

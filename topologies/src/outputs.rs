//! Where results go, as options.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use squall::connectors::files::Source;
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
        let outputs = [
            ("--out", self.out.as_deref()),
            ("--dead-letters", self.dead_letters.as_deref()),
        ];
        check_outputs(&outputs, files.map_or(&[], Files::sources))
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

/// No output file, by its option, is read as input or written by an option before it.
///
/// # Errors
/// Where one is.
pub fn check_outputs(
    outputs: &[(&'static str, Option<&Path>)],
    sources: &[Source],
) -> Result<(), WrongUse> {
    for (place, (option, path)) in outputs.iter().enumerate() {
        let Some(path) = path else { continue };
        let over = |also: String| WrongUse::WritesOver {
            option,
            path: path.display().to_string(),
            also,
        };
        let mut read = sources.iter().filter_map(|source| source.path());
        if read.any(|source| same_file(source, path)) {
            return Err(over("read as input".to_owned()));
        }
        for (other, written) in &outputs[..place] {
            if written.is_some_and(|written| same_file(written, path)) {
                return Err(over(format!("written by {other}")));
            }
        }
    }
    Ok(())
}

/// Whether both paths lead to one regular file.
fn same_file(a: &Path, b: &Path) -> bool {
    let found = |path: &Path| path.canonicalize().ok().filter(|path| path.is_file());
    match (found(a), found(b)) {
        (None, None) => a == b && !a.exists(),
        (a, b) => a.is_some() && a == b,
    }
}

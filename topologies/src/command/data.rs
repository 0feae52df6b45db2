//! Looks into data directories, copies and resets them.

use std::path::PathBuf;

use clap::Args;
use squall::DataDir;

use super::status::Ending;
use super::{print, print_all};

/// The directory that all of these take.
#[derive(Args)]
struct Dir {
    /// The data directory; if a process has it open, that process answers
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Dir {
    fn data_dir(&self) -> DataDir {
        DataDir::at(&self.dir)
    }
}

#[derive(Args)]
#[command(after_help = WHAT_IS_CHECKED)]
pub(crate) struct Inspect {
    #[command(flatten)]
    dir: Dir,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// The directory of the cube's archive [default: the one it was written in]
    #[cfg(feature = "cube")]
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<(), Ending> {
        let inspection = self.dir.data_dir().inspect()?;
        if self.json {
            print(&line(&inspection))?;
        } else {
            print(&inspection.to_string())?;
        }
        #[cfg(feature = "cube")]
        super::cube::verify(&self.dir.dir, self.archive.as_deref())?;
        Ok(())
    }
}

/// What stands under the help of `inspect`.
const WHAT_IS_CHECKED: &str = "Reads everything in the store and compares it with its checksums; \
for a cube also the files of its segments and its archive. If a file is missing or damaged, it is \
named, and the exit status is 1.";

/// What stands under the help of `view`.
const KEY_STATUS: &str = "All entries are from one commit, even while a run goes on. A large \
table is copied to a temporary file (in TMPDIR) first, so that a slow reader does not hold up the \
run. The exit status is 1 if the table does not have the key.";

#[derive(Args)]
#[command(after_help = KEY_STATUS)]
pub(crate) struct View {
    #[command(flatten)]
    dir: Dir,
    /// The table: COMPONENT.STATE, COMPONENT if it has only one state, or STATE if only one
    /// component has a state of that name
    table: String,
    /// Print only the entry of this key, which is text, or JSON if the keys are not text
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    key: Option<String>,
    /// Print at most this number of entries
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print each entry as a line of JSON
    #[arg(long)]
    json: bool,
}

impl View {
    pub(crate) fn run(&self) -> Result<(), Ending> {
        let (data_dir, key) = (self.dir.data_dir(), self.key.as_deref());
        let rows = data_dir.rows(&self.table, key, self.limit)?;
        let printed = if self.json {
            print_all(rows.map(|row| row.map(|row| line(&row))))
        } else {
            print_all(rows.aligned())
        }?;
        match &self.key {
            Some(key) if printed == 0 && self.limit != Some(0) => Err(Ending::NoKey {
                table: self.table.clone(),
                key: key.clone(),
            }),
            _ => Ok(()),
        }
    }
}

#[derive(Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    dir: Dir,
    /// The directory of the copy: it must be empty, or not exist
    #[arg(value_name = "TO")]
    to: PathBuf,
}

impl Backup {
    pub(crate) fn run(&self) -> Result<(), Ending> {
        self.dir.data_dir().backup_with(&self.to, |copy| {
            #[cfg(feature = "cube")]
            super::cube::copy_segments(&self.dir.dir, copy)?;
            #[cfg(not(feature = "cube"))]
            let _ = copy;
            Ok(())
        })?;
        tracing::info!(
            "`{}` is a copy of `{}`",
            self.to.display(),
            self.dir.dir.display()
        );
        Ok(())
    }
}

/// What stands under the help of `reset`.
const WHAT_STAYS: &str = "Without --component all state is deleted. Depots stay, with the \
positions of their readers. With --component all other state stays. A bolt that is reset begins \
empty and sees only later input, since the positions of the spouts stay. A spout that is reset \
reads its input again, so bolts that are not reset count it twice.";

#[derive(Args)]
#[command(after_help = WHAT_STAYS)]
pub(crate) struct Reset {
    #[command(flatten)]
    dir: Dir,
    /// Delete only the state of this component
    #[arg(long, value_name = "ID")]
    component: Option<String>,
}

impl Reset {
    pub(crate) fn run(&self) -> Result<(), Ending> {
        let component = self.component.as_deref();
        self.dir.data_dir().reset(component)?;
        let dir = self.dir.dir.display();
        if let Some(id) = component {
            tracing::info!("deleted the state of `{id}` in `{dir}`");
        } else {
            tracing::info!("deleted all state in `{dir}`");
        }
        self.tell_readers()
    }

    /// Depots stay, and do not know which of their readers had the state that is gone. Where no
    /// other name is given, a reader goes by that of its component.
    fn tell_readers(&self) -> Result<(), Ending> {
        let dir = self.dir.dir.display();
        let component = self.component.as_ref();
        for depot in self.dir.data_dir().inspect()?.depots {
            let readers = depot.readers.iter();
            for reader in readers.filter(|reader| component.is_none_or(|id| *id == reader.name)) {
                let (depot, reader) = (&depot.name, &reader.name);
                tracing::info!(
                    "the depot `{depot}` still keeps the records that its reader `{reader}` has \
                     not read: if that does not come back, run `squall depot forget {dir} {depot} \
                     {reader}`"
                );
            }
        }
        Ok(())
    }
}

/// One line of JSON. What is shown here has only text for the keys of its maps, which is all
/// that JSON could refuse.
pub(super) fn line(value: &impl serde::Serialize) -> String {
    let mut line = serde_json::to_string(value).unwrap_or_default();
    line.push('\n');
    line
}

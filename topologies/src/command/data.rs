//! Looks into data directories, copies and resets them.

use std::path::PathBuf;

use clap::Args;
use squall::DataDir;

use super::status::Ending;
use super::{print, print_all};

/// The directory that all of these take.
#[derive(Args)]
struct Dir {
    /// The data directory; a run that has it open answers
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
    /// Where the archive of the cube is [default: where it was when it was written]
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
const WHAT_IS_CHECKED: &str = "\
Everything that is stored is read and compared with its checksums, of a cube also the files of its \
segments and of its archive. The exit status is 1 where one is missing or not as it was written; \
each is named.";

/// What stands under the help of `view`.
const KEY_STATUS: &str = "\
All entries are as of one commit, also while a run goes on; of a large table most wait in a \
temporary file (TMPDIR says where), so that a slow reader holds nothing up. The exit status is 1 \
where there is no such key, as for a search that finds nothing.";

#[derive(Args)]
#[command(after_help = KEY_STATUS)]
pub(crate) struct View {
    #[command(flatten)]
    dir: Dir,
    /// The table: COMPONENT.STATE, COMPONENT where it has one state, or STATE where no other
    /// component has one of that name
    table: String,
    /// Show this key alone: as text, or as JSON where it is not text
    #[arg(long, value_name = "K", allow_hyphen_values = true)]
    key: Option<String>,
    /// Show only the first so many entries
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print one JSON object a line
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
    /// The directory to make: empty or absent
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
const WHAT_STAYS: &str = "\
Without --component everything goes but the depots, with what they know of their readers. With it \
the rest stays, the positions of the spouts included: a bolt that is reset begins with nothing \
and sees only what comes from now on; a spout that is reset reads its input again, and what is \
not reset counts it twice.";

#[derive(Args)]
#[command(after_help = WHAT_STAYS)]
pub(crate) struct Reset {
    #[command(flatten)]
    dir: Dir,
    /// Give up the state of this component alone
    #[arg(long, value_name = "ID")]
    component: Option<String>,
}

impl Reset {
    pub(crate) fn run(&self) -> Result<(), Ending> {
        let component = self.component.as_deref();
        self.dir.data_dir().reset(component)?;
        let dir = self.dir.dir.display();
        if let Some(id) = component {
            tracing::info!("`{dir}` holds nothing of `{id}` any more");
        } else {
            tracing::info!("`{dir}` holds no state any more");
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
                    "the depot `{depot}` still keeps what its reader `{reader}` has not read: \
                     where that does not come back, `squall depot forget {dir} {depot} {reader}`"
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

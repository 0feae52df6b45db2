//! Depots: making them, appending to them, looking at them, dropping what is old.

mod append;
mod input;

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{NonEmptyStringValueParser, RangedI64ValueParser};
use clap::{Args, Subcommand, value_parser};
use squall::{
    DataDir,
    data_dir::AppendTo,
    depot::{MAX_PARTITIONS, Retention},
};
use squall_topologies::duration;

use append::Append;

use super::print;
use super::status::Ending;

#[derive(Args)]
pub(crate) struct Depot {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a depot; if there is the same one already, it stays
    Make(Make),
    /// Append the records of files to a depot; make it if it does not exist
    Append(Append),
    /// Show the depots of a data directory and their readers
    Show(Show),
    /// Drop the oldest records of a depot
    Retain(Retain),
    /// Forget a reader that will not come back, so that its records can be dropped
    Forget(Forget),
    /// Delete a depot in a data directory that no process has open
    Delete(Delete),
}

impl Depot {
    pub(crate) fn run(&self) -> Result<(), Ending> {
        match &self.command {
            Command::Make(make) => make.run(),
            Command::Append(append) => append.run(),
            Command::Show(show) => show.run(),
            Command::Retain(retain) => retain.run(),
            Command::Forget(forget) => forget.run(),
            Command::Delete(delete) => delete.run(),
        }
    }
}

/// The depot that most of these take.
#[derive(Args)]
struct Which {
    /// The data directory; if a process has it open, that process does the work
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// The depot
    #[arg(value_name = "NAME")]
    name: String,
}

impl Which {
    fn data_dir(&self) -> DataDir {
        DataDir::at(&self.dir)
    }
}

/// So many records, at the beginning of a sentence.
fn records_are(count: u64) -> String {
    match count {
        1 => "1 record is".to_owned(),
        _ => format!("{count} records are"),
    }
}

/// How many partitions a depot may have.
fn partitions() -> RangedI64ValueParser<u16> {
    value_parser!(u16).range(1..=i64::from(MAX_PARTITIONS))
}

#[derive(Args)]
struct Make {
    #[command(flatten)]
    which: Which,
    /// The number of partitions, which cannot be changed later [default: 8]
    #[arg(long, value_name = "N", value_parser = partitions())]
    partitions: Option<u16>,
    /// The field whose hash chooses the partition of a record
    #[arg(long, value_name = "FIELD", value_parser = NonEmptyStringValueParser::new())]
    key: String,
}

impl Make {
    fn run(&self) -> Result<(), Ending> {
        let Self {
            which,
            partitions,
            key,
        } = self;
        let appender = which.data_dir().appender(AppendTo {
            key: Some(key.clone()),
            partitions: *partitions,
            ..AppendTo::depot(&which.name)
        })?;
        let (name, key, partitions) = (&which.name, appender.key(), appender.partitions());
        tracing::info!("the depot `{name}` has {partitions} partitions by {key}");
        Ok(())
    }
}

#[derive(Args)]
struct Show {
    /// The data directory; if a process has it open, that process answers
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Print each entry as a line of JSON
    #[arg(long)]
    json: bool,
}

impl Show {
    fn run(&self) -> Result<(), Ending> {
        let depots = DataDir::at(&self.dir).inspect()?.depots;
        let lines = depots.iter().map(|depot| {
            if self.json {
                super::data::line(depot)
            } else {
                depot.to_string()
            }
        });
        print(&lines.collect::<String>())
    }
}

/// What stands under the help of `retain`.
const WHOLE_BLOCKS: &str = "Records that came to a partition with one commit are dropped together \
or not at all. Records that a reader has not committed stay, and so do all later ones.";

#[derive(Args)]
#[command(after_help = WHOLE_BLOCKS)]
struct Retain {
    #[command(flatten)]
    which: Which,
    /// Drop records that were appended longer ago than this
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    age: Option<Duration>,
    /// Drop the oldest records until the rest has at most this number of bytes
    #[arg(long, value_name = "N")]
    bytes: Option<u64>,
    /// Apply this limit from now on, whenever records are appended
    #[arg(long)]
    always: bool,
    /// Drop also records that topologies have not read yet; these topologies then end with an error
    #[arg(long, conflicts_with = "always")]
    force: bool,
}

impl Retain {
    fn run(&self) -> Result<(), Ending> {
        let Self {
            which, age, bytes, ..
        } = self;
        if age.is_none() && bytes.is_none() && !self.always {
            let what = "name a limit with --age or --bytes";
            return Err(Ending::input(what.to_owned()));
        }
        let keep = Retention {
            age: *age,
            bytes: *bytes,
        };
        let data_dir = which.data_dir();
        let dropped = data_dir.retain_depot(&which.name, keep, self.force, self.always)?;
        let (records_are, bytes) = (records_are(dropped.records), dropped.bytes);
        tracing::info!("{records_are} dropped, of {bytes} bytes");
        if !dropped.kept_for.is_empty() {
            let readers = dropped.kept_for.join(" and ");
            tracing::info!("more records are kept, since they were not read by {readers}");
        }
        Ok(())
    }
}

#[derive(Args)]
struct Forget {
    #[command(flatten)]
    which: Which,
    /// The reader, as `squall depot show` names it
    reader: String,
}

impl Forget {
    fn run(&self) -> Result<(), Ending> {
        let Self { which, reader } = self;
        if which.data_dir().forget_reader(&which.name, reader)? {
            tracing::info!("the depot `{}` has forgotten `{reader}`", which.name);
            return Ok(());
        }
        Err(Ending::input(format!(
            "the depot `{}` has no reader `{reader}`: see `squall depot show`",
            which.name
        )))
    }
}

#[derive(Args)]
struct Delete {
    #[command(flatten)]
    which: Which,
}

impl Delete {
    fn run(&self) -> Result<(), Ending> {
        self.which.data_dir().delete_depot(&self.which.name)?;
        tracing::info!("deleted the depot `{}`", self.which.name);
        Ok(())
    }
}

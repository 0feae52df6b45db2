//! Depots: making them, appending to them, looking at them, dropping what is old.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use squall::connectors::files::{
    Delimiter, FieldSelector, Format, Outcome, Record, RecordReader, Source, resolve,
};
use squall::{Acknowledge, AppendTo, DataDir, DepotAppender, PARTITIONS, Retention};
use squall_topologies::duration;

use super::print;
use super::status::Ending;

/// The most records that are appended as one.
const MOST_BATCH_RECORDS: u64 = 100_000;

/// Records are appended when they have so many bytes, however few they are.
const FULL_BATCH_BYTES: usize = 1 << 20;

/// So many records that cannot be read are told one by one.
const MOST_TOLD: u64 = 10;

#[derive(Args)]
pub(crate) struct Depot {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a depot; one that is there and is the same stays
    Make(Make),
    /// Append the records of files to a depot, which is made where there is none
    Append(Append),
    /// Say what is in the depots of a data directory, and who reads them
    Show(Show),
    /// Drop the oldest records of a depot
    Retain(Retain),
    /// Forget a reader that will not come back, which then holds nothing back
    Forget(Forget),
    /// Give up a depot in a data directory that nobody has open
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
    /// The data directory; a process that has it open does what is asked
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

#[derive(Args)]
struct Make {
    #[command(flatten)]
    which: Which,
    /// How many partitions it has, for ever
    #[arg(long, value_name = "N", default_value_t = PARTITIONS)]
    partitions: u16,
    /// The field by which records are dealt to partitions
    #[arg(long, value_name = "FIELD")]
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
            partitions: Some(*partitions),
            ..AppendTo::depot(&which.name)
        })?;
        let (name, key) = (&which.name, appender.key());
        tracing::info!("the depot `{name}` has {partitions} partitions by {key}");
        Ok(())
    }
}

/// When an append is acknowledged.
#[derive(Clone, Copy, ValueEnum)]
enum Ack {
    /// When it waits to be written
    None,
    /// When it is on disk
    Appended,
    /// When every topology that reads the depot has committed what it has made of it
    Processed,
}

/// What stands under the help of `append`.
const AGAIN: &str = "\
With --id the depot keeps how many records came from it: the same command, given again after a \
crash or when the file has grown, appends what is not there yet. Rows of CSV become JSON objects \
of text. A record that cannot be read is told and left out.";

#[derive(Args)]
#[command(after_help = AGAIN)]
struct Append {
    #[command(flatten)]
    which: Which,
    /// What to append: a file, a folder (its files in name order), a quoted glob, or - for
    /// standard input
    #[arg(long, value_name = "PATH")]
    input: String,
    /// How the input is cut into records [default: by suffix]
    #[arg(long, value_name = "csv|ndjson")]
    format: Option<Format>,
    /// The character between CSV columns, or `tab` [default: a tab for .tsv, else a comma]
    #[arg(long, value_name = "CHAR")]
    delimiter: Option<Delimiter>,
    /// The CSV column, or the dotted path of the JSON value, by which records are dealt to
    /// partitions [default: that of the depot]
    #[arg(long, value_name = "FIELD")]
    key: Option<String>,
    /// How many partitions the depot has [default: 8 for a new one]
    #[arg(long, value_name = "N")]
    partitions: Option<u16>,
    /// When records are acknowledged
    #[arg(
        long,
        value_name = "none|appended|processed",
        default_value = "appended"
    )]
    ack: Ack,
    /// How long `processed` may take
    #[arg(
        long,
        value_name = "DUR",
        default_value = "30s",
        value_parser = duration::parse_above_zero
    )]
    patience: Duration,
    /// Who appends: what comes again from the same one is not appended again
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// How many records are appended, and acknowledged, as one
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(1..=MOST_BATCH_RECORDS)
    )]
    batch: u64,
    /// Print one JSON object for each acknowledgement: how many records are appended so far.
    /// Where nobody reads that any more, the rest is appended all the same
    #[arg(long)]
    json: bool,
}

impl Append {
    fn run(&self) -> Result<(), Ending> {
        let sources = resolve(&self.input).map_err(Ending::input)?;
        for source in &sources {
            self.format_of(source)?;
        }
        if self.id.is_some() && sources.len() > 1 {
            // The records of an id are told from each other by their number alone.
            return Err(Ending::input(format!(
                "--id goes with one file, and `{}` is {}: append each with an id of its own",
                self.input,
                sources.len()
            )));
        }
        let name = &self.which.name;
        let appender = self.which.data_dir().appender(AppendTo {
            key: self.key.clone(),
            partitions: self.partitions,
            id: self.id.clone(),
            acknowledge: match self.ack {
                Ack::None => Acknowledge::None,
                Ack::Appended => Acknowledge::Appended,
                Ack::Processed => Acknowledge::Processed {
                    patience: self.patience,
                },
            },
            ..AppendTo::depot(name)
        })?;
        let mut appending = Appending {
            key: FieldSelector::named(appender.key()),
            there: appender.appended(),
            seen: 0,
            bad: 0,
            batch: Vec::new(),
            bytes: 0,
            says: self.json,
            options: self,
            appender,
        };
        for source in &sources {
            appending.read(source)?;
        }
        appending.flush()?;
        let (seen, bad, there) = (
            appending.seen,
            appending.bad,
            appending.there.min(appending.seen),
        );
        let new = seen - there;
        let mut said = format!("{new} records are appended to the depot `{name}`");
        if there > 0 {
            said.push_str(&format!(", {there} were there"));
        }
        if bad > 0 {
            said.push_str(&format!(", {bad} cannot be read"));
        }
        tracing::info!("{said}");
        Ok(())
    }

    /// How a source is cut into records.
    fn format_of(&self, source: &Source) -> Result<Format, Ending> {
        let name = source.name();
        match self.format.unwrap_or_else(|| Format::from_name(&name)) {
            Format::Text => Err(Ending::input(format!(
                "`{name}` would be read as plain text, and a depot takes records with fields: say \
                 --format csv or --format ndjson"
            ))),
            format => Ok(format),
        }
    }
}

/// Records on their way into a depot.
struct Appending<'o> {
    options: &'o Append,
    appender: DepotAppender,
    key: FieldSelector,
    /// How many were there before.
    there: u64,
    /// How many have been read.
    seen: u64,
    /// How many of the input are no records.
    bad: u64,
    batch: Vec<(String, String)>,
    bytes: usize,
    /// Whether what is acknowledged is to be said, and somebody still listens.
    says: bool,
}

impl Appending<'_> {
    fn read(&mut self, source: &Source) -> Result<(), Ending> {
        let (name, format) = (source.name(), self.options.format_of(source)?);
        let delimiter = self.options.delimiter;
        let delimiter = delimiter.unwrap_or_else(|| Delimiter::from_name(&name));
        let open = source.open().map_err(Ending::input)?;
        let mut reader = RecordReader::new(open, &name, format, delimiter);
        if let Some(header) = reader.header().map_err(Ending::input)? {
            let missing = |error| Ending::input(format!("`{name}`: {error}"));
            self.key.resolve(header).map_err(missing)?;
        }
        let mut record = Record::new();
        loop {
            match reader.next(&mut record).map_err(Ending::input)? {
                Outcome::Record => self.take(&record)?,
                Outcome::Bad(row) => self.refuse(&row.to_string()),
                Outcome::End => return Ok(()),
            }
        }
    }

    fn take(&mut self, record: &Record) -> Result<(), Ending> {
        let key = match record.field(&self.key) {
            Ok(key) => key.unwrap_or_default().into_owned(),
            Err(error) => {
                self.refuse(&format!("{}:{}: {error}", record.source(), record.line()));
                return Ok(());
            }
        };
        // Both formats have fields, so every record is an object.
        let Some(object) = record.object() else {
            return Ok(());
        };
        self.seen += 1;
        if self.seen <= self.there {
            return Ok(());
        }
        self.bytes += key.len() + object.len();
        self.batch.push((key, object.into_owned()));
        let full = self.batch.len() as u64 >= self.options.batch || self.bytes >= FULL_BATCH_BYTES;
        if full { self.flush() } else { Ok(()) }
    }

    fn refuse(&mut self, what: &str) {
        self.bad += 1;
        if self.bad <= MOST_TOLD {
            tracing::warn!("{what}");
        }
    }

    fn flush(&mut self) -> Result<(), Ending> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        self.appender.append(std::mem::take(&mut self.batch))?;
        if !self.says {
            return Ok(());
        }
        match print(&format!("{{\"appended\":{}}}\n", self.appender.appended())) {
            // The records are what matters, and not who hears of them.
            Err(Ending::NobodyReads) => self.says = false,
            said => said?,
        }
        Ok(())
    }
}

#[derive(Args)]
struct Show {
    /// The data directory; a process that has it open answers
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Print one JSON object a line
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
const WHOLE_BLOCKS: &str = "\
What a commit has brought for a partition goes or stays as a whole. What a topology that reads \
the depot has not committed stays, with all that was appended later.";

#[derive(Args)]
#[command(after_help = WHOLE_BLOCKS)]
struct Retain {
    #[command(flatten)]
    which: Which,
    /// Drop what was appended longer ago
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    age: Option<Duration>,
    /// Drop the oldest until the rest has no more bytes
    #[arg(long, value_name = "N")]
    bytes: Option<u64>,
    /// Keep to it from now on: looked at while something is appended
    #[arg(long)]
    always: bool,
    /// Drop also what topologies have not read yet, which they end with an error for
    #[arg(long, conflicts_with = "always")]
    force: bool,
}

impl Retain {
    fn run(&self) -> Result<(), Ending> {
        let Self {
            which, age, bytes, ..
        } = self;
        if age.is_none() && bytes.is_none() && !self.always {
            let what = "say what to drop, by --age or --bytes";
            return Err(Ending::input(what.to_owned()));
        }
        let keep = Retention {
            age: *age,
            bytes: *bytes,
        };
        let data_dir = which.data_dir();
        let dropped = data_dir.retain_depot(&which.name, keep, self.force, self.always)?;
        let (records, bytes) = (dropped.records, dropped.bytes);
        tracing::info!("{records} records of {bytes} bytes are dropped");
        if !dropped.kept_for.is_empty() {
            let readers = dropped.kept_for.join(" and ");
            tracing::info!("more is kept, since it was not read by {readers}");
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
            tracing::info!(
                "the depot `{}` knows nothing of `{reader}` any more",
                which.name
            );
            return Ok(());
        }
        Err(Ending::input(format!(
            "the depot `{}` has no reader `{reader}` that does not read it at present: see \
             `squall depot show`",
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
        tracing::info!("there is no depot `{}` any more", self.which.name);
        Ok(())
    }
}

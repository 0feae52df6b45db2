//! Appending the records of files to a depot.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, ValueEnum};
use squall::connectors::files::{Columns, Delimiter, Encoding, Format, Source, resolve};
use squall::{
    data_dir::{AppendTo, DataDirError, DepotAppender, StoreError},
    depot::Acknowledge,
};
use squall_topologies::duration;
use squall_topologies::places::Places;

use super::input::{How, Input, Item};
use super::{Which, partitions, records_are};
use crate::command::print;
use crate::command::status::Ending;

/// The most records that are appended as one.
const MAX_BATCH_RECORDS: u64 = 100_000;

/// Records are appended when they have so many bytes, however few they are.
const FULL_BATCH_BYTES: usize = 1 << 20;

/// What has come from a stream waits no longer for more before it is appended. And after a stop,
/// nothing is left that was read when nothing comes for so long.
const LONGEST_WAIT: Duration = Duration::from_millis(200);

/// So many records that cannot be read are told one by one.
const MAX_TOLD: u64 = 10;

/// When an append is acknowledged.
#[derive(Clone, Copy, ValueEnum)]
enum Ack {
    /// When the record waits to be written
    None,
    /// When the record is on disk
    Appended,
    /// When every topology that reads the depot has committed its results from the record
    Processed,
}

/// What stands under the help of `append`.
const AGAIN: &str = "If another process has the data directory open, that process appends. When \
it ends, this one goes on by itself, or through the next one. With --id the depot keeps the \
number of records that came from this id, and a hash of them, so no record is appended twice or \
left out. The same command, given again after a crash or when the file has grown, appends the \
missing records; it refuses an input that does not begin with the appended ones. Rows of CSV \
become JSON objects of text. A record that cannot be read is logged and left out. From standard \
input a record is appended at most 200 ms after it has come. Ctrl-C and SIGTERM append the \
records that were read completely, and end.";

#[derive(Args)]
#[command(after_help = AGAIN)]
pub(super) struct Append {
    #[command(flatten)]
    which: Which,
    /// What to append: a file, a folder (its files in name order), a quoted glob, or - for
    /// standard input
    #[arg(long, value_name = "PATH")]
    input: String,
    /// The format of the input [default: by suffix]
    #[arg(long, value_name = "csv|ndjson")]
    format: Option<Format>,
    /// The character between CSV columns, `tab`, or `blank` for one or more spaces and tabs
    /// [default: a tab for .tsv, else a comma]
    #[arg(long, value_name = "CHAR")]
    delimiter: Option<Delimiter>,
    /// The encoding of the input, such as latin1, windows-1252, gbk or utf-16le
    /// [default: utf-8]
    #[arg(long, value_name = "NAME")]
    encoding: Option<Encoding>,
    /// Cut lines of text into columns: each named group of this regular expression is a column, and
    /// a line that does not match is a dead letter
    #[arg(long, value_name = "REGEX")]
    columns: Option<Columns>,
    /// The CSV column, or the dotted path of the JSON value, whose hash chooses the partition of a
    /// record [default: that of the depot]
    #[arg(long, value_name = "FIELD", value_parser = NonEmptyStringValueParser::new())]
    key: Option<String>,
    /// The number of partitions, if the depot is new [default: 8]
    #[arg(long, value_name = "N", value_parser = partitions())]
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
    /// The name of this appender: a record that it sends again is not appended again
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// The number of records that are appended and acknowledged together
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000,
        value_parser = clap::value_parser!(u64).range(1..=MAX_BATCH_RECORDS)
    )]
    batch: u64,
    /// Print a line of JSON for each acknowledgement, with the number of records appended so far.
    /// If the reader of these lines ends, the rest is appended all the same
    #[arg(long)]
    json: bool,
}

impl Append {
    pub(super) fn run(&self) -> Result<(), Ending> {
        let sources = resolve(&self.input).map_err(Ending::input)?;
        for source in &sources {
            self.check_format(source)?;
        }
        let places = Places {
            input: Some(&self.input),
            sources: &sources,
            data_dir: Some(&self.which.dir),
            stdout: self.json,
            ..Places::default()
        };
        places.check().map_err(Ending::input)?;
        if self.id.is_some() && sources.len() > 1 {
            // The records of an id are told from each other by their number alone.
            return Err(Ending::input(format!(
                "--id goes with one file, but `{}` is {}: append each file with its own id",
                self.input,
                sources.len()
            )));
        }
        let name = &self.which.name;
        let stopped = Arc::new(AtomicBool::new(false));
        let how = How {
            format: self.format,
            delimiter: self.delimiter,
            encoding: self.encoding,
            columns: self.columns.clone(),
        };
        let look_into = |key: &str| Input::new(sources, how, key, &stopped);
        let (appender, input) = if let Some(key) = &self.key {
            // What is refused leaves no depot behind, whose key would be fixed.
            let input = look_into(key)?;
            (self.begin()?, input)
        } else {
            let appender = self.begin()?;
            let input = look_into(appender.key())?;
            (appender, input)
        };
        let mut appending = Appending {
            there: appender.appended(),
            seen: 0,
            bad: 0,
            batch: Vec::new(),
            bytes: 0,
            since: Instant::now(),
            says: self.json,
            options: self,
            appender,
        };
        stop_at_signals(&stopped).map_err(Ending::input)?;
        let is_stream = input.is_stream();
        let ended = appending.take_all(&input.start()?, is_stream, &stopped);
        let ended = ended.inspect_err(|_| appending.tell_how_far())?;
        let (seen, bad, there) = (
            appending.seen,
            appending.bad,
            appending.there.min(appending.seen),
        );
        let new = records_are(seen - there);
        let stopped = if ended {
            ""
        } else {
            "stopped before the end of the input: "
        };
        let mut said = format!("{stopped}{new} appended to the depot `{name}`");
        if there > 0 {
            said.push_str(&format!(", {there} were there"));
        }
        if bad > 0 {
            said.push_str(&format!(", {bad} cannot be read"));
        }
        tracing::info!("{said}");
        if bad.saturating_mul(10) > seen + bad {
            let all = seen + bad;
            tracing::warn!(
                "a large share of the input was lost: {bad} of {all} records cannot be read; the \
                 first ones are logged above"
            );
        }
        Ok(())
    }

    fn begin(&self) -> Result<DepotAppender, Ending> {
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
            ..AppendTo::depot(&self.which.name)
        });
        match appender {
            Err(DataDirError::Store(none @ StoreError::NotADataDirectory { .. }))
                if self.key.is_none() =>
            {
                let what = format!("{none}; to make a new depot, name its key with --key");
                Err(Ending::input(what))
            }
            appender => Ok(appender?),
        }
    }

    /// The input does not begin with what its id has appended.
    fn other_input(&self, error: &DataDirError) -> Ending {
        let input = &self.input;
        Ending::input(format!(
            "{error}: `{input}` is another input, or was changed, or is read with another \
             --format or --delimiter. Nothing was appended; give it its own --id to append all of \
             it"
        ))
    }

    /// Plain text has no fields.
    fn check_format(&self, source: &Source) -> Result<(), Ending> {
        let name = source.name();
        match self.format.unwrap_or_else(|| Format::from_name(&name)) {
            Format::Text if self.columns.is_none() => Err(Ending::input(format!(
                "`{name}` would be read as plain text, but a depot takes records with fields: \
                 give --format csv, --format ndjson or --columns"
            ))),
            _ => Ok(()),
        }
    }
}

/// Records on their way into a depot.
struct Appending<'o> {
    options: &'o Append,
    appender: DepotAppender,
    /// How many were there before.
    there: u64,
    /// How many have been read.
    seen: u64,
    /// How many of the input are no records.
    bad: u64,
    batch: Vec<(String, String)>,
    bytes: usize,
    /// When the first one of the batch came.
    since: Instant,
    /// Whether what is acknowledged is to be said, and somebody still listens.
    says: bool,
}

/// A stop lets what was read be appended; a second one does not wait for that.
fn stop_at_signals(stopped: &Arc<AtomicBool>) -> io::Result<()> {
    let stopped = Arc::clone(stopped);
    squall::run::at_stop_signals(move || {
        if stopped.swap(true, Ordering::SeqCst) {
            tracing::warn!("stopped at once: some records that were read may not be appended");
            std::process::exit(1);
        }
        tracing::info!("stopping");
    })
}

impl Appending<'_> {
    /// Appends what is read, until its end or a stop; says whether it was the end.
    fn take_all(
        &mut self,
        read: &Receiver<Item>,
        is_stream: bool,
        stopped: &AtomicBool,
    ) -> Result<bool, Ending> {
        loop {
            let is_stopped = stopped.load(Ordering::SeqCst);
            let wait = if is_stream && !is_stopped && !self.batch.is_empty() {
                LONGEST_WAIT.saturating_sub(self.since.elapsed())
            } else {
                LONGEST_WAIT
            };
            match read.recv_timeout(wait) {
                Ok(Item::Record { key, record }) => self.take(key, record)?,
                Ok(Item::Bad(what)) => self.refuse(&what),
                Ok(Item::End(end)) => {
                    if end.is_ok() {
                        let ended = self.appender.end();
                        ended.map_err(|error| self.options.other_input(&error))?;
                    }
                    self.flush()?;
                    // Where it is stopped, that is why reading has ended.
                    let stopped = stopped.load(Ordering::SeqCst) && end.is_err();
                    return if stopped {
                        Ok(false)
                    } else {
                        end.map(|()| true)
                    };
                }
                Err(RecvTimeoutError::Timeout) => {
                    if is_stream || is_stopped {
                        self.flush()?;
                    }
                    if is_stopped {
                        return Ok(false);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(Ending::input(
                        "the thread that reads the input has panicked",
                    ));
                }
            }
        }
    }

    fn take(&mut self, key: String, record: String) -> Result<(), Ending> {
        self.seen += 1;
        let is_there = self.appender.is_there(&key, &record);
        if is_there.map_err(|error| self.options.other_input(&error))? {
            return Ok(());
        }
        if self.batch.is_empty() {
            self.since = Instant::now();
        }
        self.bytes += key.len() + record.len();
        self.batch.push((key, record));
        let full = self.batch.len() as u64 >= self.options.batch || self.bytes >= FULL_BATCH_BYTES;
        if full { self.flush() } else { Ok(()) }
    }

    fn refuse(&mut self, what: &str) {
        self.bad += 1;
        if self.bad <= MAX_TOLD {
            tracing::warn!("{what}");
        }
    }

    /// Where it breaks off: what is certainly there.
    fn tell_how_far(&self) {
        let appended = self.appender.appended() - self.there;
        if appended > 0 {
            let records_are = records_are(appended);
            let again = match &self.options.id {
                Some(_) => "the same command appends the rest",
                None => "the same command appends them again; with --id it would go on after them",
            };
            tracing::warn!("{records_are} acknowledged before it broke off: {again}");
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

//! Writes tuples as lines of JSON.

mod target;

#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::paths::one_spelling;
use crate::context::{Context, Epoch};
use crate::error::{BoxError, Fatal, Result};
use crate::sink::Sink;
use crate::state::{States, Value};
use crate::text::Shown;
use crate::tuple::{DeadLetter, Tuple};
use target::DurableFile;

pub use target::OutputError;

/// Writes each tuple as one line of JSON to a file or to standard output; at each epoch
/// what was written becomes visible.
///
/// With a data directory a file gets each line exactly once: lines are written when they are
/// committed, and what was written is stored with the next commit. After a failure the run
/// goes on with the file as it is, which must not be shorter than what is stored
/// ([`OutputError`]); it never becomes shorter than what was committed and written. What was
/// changed in it by others is not seen. Another path is a new file, made or emptied. Standard
/// output, and a pipe or device, gets each line at least once: those of the latest commit may come again after a
/// failure.
///
/// ```
/// use squall::{connectors::JsonLines, testing::SinkTest, tuple::DeadLetter};
///
/// let path = std::env::temp_dir().join(format!("squall-doc-{}.ndjson", std::process::id()));
/// let letter = DeadLetter {
///     source: "words.csv".into(),
///     line: Some(3),
///     reason: "4 columns instead of 2".into(),
///     tuple: None,
/// };
/// SinkTest::new(JsonLines::file(&path)).send(letter).run()?;
/// assert_eq!(
///     std::fs::read_to_string(&path)?,
///     "{\"source\":\"words.csv\",\"line\":3,\"reason\":\"4 columns instead of 2\"}\n"
/// );
/// std::fs::remove_file(path)?;
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct JsonLines<T> {
    target: Target,
    output: Output,
    /// What was written and not handed over.
    encoded: Vec<u8>,
    /// The file that the length is of.
    path: Value<String>,
    /// How many bytes of the file were delivered.
    length: Value<u64>,
    tuple: PhantomData<fn(&T)>,
}

#[derive(Debug)]
enum Target {
    Stdout,
    File(PathBuf),
}

/// Where lines go.
enum Output {
    /// The sink was not prepared.
    Unopened,
    /// At once; to a file or to standard output.
    Direct(Box<dyn Write + Send>),
    /// When they are committed, to what cannot be looked at: standard output, a device.
    Committed(Box<dyn Write + Send>),
    /// When they are committed, to a file.
    File(DurableFile),
}

/// The sink of dead letters: [`JsonLines`] with one dead letter a line.
///
/// ```
/// use squall::connectors::DeadLetterFile;
/// use squall::testing::{Events, TopologyTest};
/// use squall::{Topology, Word, bolts::Map};
///
/// let path = std::env::temp_dir().join(format!("squall-dead-{}.ndjson", std::process::id()));
/// let topology = Topology::named("dead-letters");
/// let events = Events::now(["1", "x"].map(|word| Word { word: word.into() }));
/// let words = topology.spout("words", move || events.clone());
/// let number = |word: &Word| { word.word.parse::<u64>()?; Ok(word.clone()) };
/// topology.bolt("numbers", move || Map::new(number)).global_grouping(&words);
/// let file = path.clone();
/// topology.dead_letter_sink("dead-letters", move || DeadLetterFile::file(&file));
///
/// let summary = TopologyTest::new(topology).run()?;
/// assert_eq!(summary.stats.dead_letters(), 1);
/// let written = std::fs::read_to_string(&path)?;
/// assert!(written.starts_with(r#"{"source":"numbers[0]","line":null,"reason":"invalid digit"#));
/// std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type DeadLetterFile = JsonLines<DeadLetter>;

impl<T> JsonLines<T> {
    /// Writes to standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self::to(Target::Stdout)
    }

    /// Writes to a file, which is made or emptied when the topology starts, unless the run
    /// goes on with what a data directory has.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::to(Target::File(path.as_ref().to_owned()))
    }

    fn to(target: Target) -> Self {
        Self {
            target,
            output: Output::Unopened,
            encoded: Vec::new(),
            path: Value::default(),
            length: Value::default(),
            tuple: PhantomData,
        }
    }

    fn named(&self, error: &io::Error) -> io::Error {
        let name = match &self.target {
            Target::Stdout => "standard output".to_owned(),
            Target::File(path) => Shown(path.display()).to_string(),
        };
        io::Error::new(error.kind(), format!("cannot write to {name}: {error}"))
    }

    /// The error as the runtime is to see it: who reads standard output and has gone does
    /// not come back.
    fn failed(&self, error: &io::Error) -> BoxError {
        let gone = error.kind() == io::ErrorKind::BrokenPipe;
        let named = self.named(error);
        if gone && matches!(self.target, Target::Stdout) {
            Fatal::new(named).into()
        } else {
            named.into()
        }
    }

    /// Opens the file, with what was delivered into it.
    fn go_on(&mut self, path: &Path, context: &Context) -> Result<DurableFile> {
        let name = one_spelling(path);
        if context.resumed_from.is_some() && *self.path == name {
            return Ok(DurableFile::go_on(path, *self.length, context)?);
        }
        let file = DurableFile::new(path).map_err(|error| self.named(&error))?;
        *self.path = name;
        *self.length = 0;
        Ok(file)
    }
}

/// A pipe, a terminal, `/dev/null`: what is there and is no file.
fn is_device(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

impl<T: Tuple + Serialize> Sink for JsonLines<T> {
    type Input = T;

    fn prepare(&mut self, context: &Context) -> Result {
        if context.parallelism > 1 {
            let tasks = context.parallelism;
            return Err(format!("{tasks} tasks would write over each other: give it one").into());
        }
        self.output = match (&self.target, context.durable) {
            (Target::Stdout, true) => Output::Committed(Box::new(io::stdout())),
            (Target::Stdout, false) => Output::Direct(Box::new(BufWriter::new(io::stdout()))),
            (Target::File(path), true) if is_device(path) => {
                let opened = std::fs::OpenOptions::new().write(true).open(path);
                let device = opened.map_err(|error| self.named(&error))?;
                Output::Committed(Box::new(device))
            }
            (Target::File(path), true) => {
                let path = path.clone();
                Output::File(self.go_on(&path, context)?)
            }
            (Target::File(path), false) => {
                let file = std::fs::File::create(path).map_err(|error| self.named(&error))?;
                Output::Direct(Box::new(BufWriter::new(file)))
            }
        };
        Ok(())
    }

    fn write(&mut self, tuples: &[T]) -> Result {
        let into: &mut dyn Write = match &mut self.output {
            Output::Unopened => return Err("the sink was not prepared".into()),
            Output::Direct(output) => output,
            Output::Committed(_) | Output::File(_) => &mut self.encoded,
        };
        for tuple in tuples {
            let written = serde_json::to_writer(&mut *into, tuple)
                .map_err(io::Error::from)
                .and_then(|()| into.write_all(b"\n"));
            if let Err(error) = written {
                return Err(self.failed(&error));
            }
        }
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        let encoded = std::mem::take(&mut self.encoded);
        Ok(Some(encoded).filter(|encoded| !encoded.is_empty()))
    }

    fn waiting_bytes(&self) -> usize {
        self.encoded.len()
    }

    fn deliver(&mut self, outbox: &[u8], _: Option<u64>) -> Result {
        let delivered = match &mut self.output {
            Output::Unopened => return Err("the sink was not prepared".into()),
            Output::Direct(output) | Output::Committed(output) => output.write_all(outbox),
            Output::File(file) => {
                let delivered = file.deliver(outbox);
                if delivered.is_ok() {
                    *self.length = file.length();
                }
                delivered
            }
        };
        delivered.map_err(|error| self.failed(&error))
    }

    fn flush(&mut self, epoch: &Epoch) -> Result {
        let flushed = match &mut self.output {
            Output::Unopened => Ok(()),
            Output::Direct(output) | Output::Committed(output) => output.flush(),
            Output::File(file) => file.flush(epoch.number),
        };
        flushed.map_err(|error| self.failed(&error))
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("path", &mut self.path);
        states.keep("length", &mut self.length);
    }
}

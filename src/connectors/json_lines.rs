//! Writes tuples as lines of JSON.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::sink::Sink;
use crate::tuple::{DeadLetter, Tuple};

/// Writes each tuple as one line of JSON to a file or to standard output; at each epoch
/// what was written becomes visible.
///
/// ```
/// use squall::{DeadLetter, connectors::JsonLines, testing::SinkTest};
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
    output: Option<Box<dyn Write + Send>>,
    tuple: PhantomData<fn(&T)>,
}

#[derive(Debug)]
enum Target {
    Stdout,
    File(PathBuf),
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

    /// Writes to a file, which is made or emptied when the topology starts.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::to(Target::File(path.as_ref().to_owned()))
    }

    fn to(target: Target) -> Self {
        Self {
            target,
            output: None,
            tuple: PhantomData,
        }
    }

    fn named(&self, error: &io::Error) -> io::Error {
        let name = match &self.target {
            Target::Stdout => "standard output".to_owned(),
            Target::File(path) => path.display().to_string(),
        };
        io::Error::new(error.kind(), format!("cannot write to {name}: {error}"))
    }
}

impl<T: Tuple + Serialize> Sink for JsonLines<T> {
    type Input = T;

    fn prepare(&mut self, context: &Context) -> Result {
        if context.parallelism > 1 {
            let tasks = context.parallelism;
            return Err(format!("{tasks} tasks would write over each other: give it one").into());
        }
        let output: Box<dyn Write + Send> = match &self.target {
            Target::Stdout => Box::new(io::stdout()),
            Target::File(path) => Box::new(File::create(path).map_err(|error| self.named(&error))?),
        };
        self.output = Some(Box::new(BufWriter::new(output)));
        Ok(())
    }

    fn write(&mut self, tuples: &[T]) -> Result {
        let Some(output) = &mut self.output else {
            return Err("the sink was not prepared".into());
        };
        for tuple in tuples {
            let written = serde_json::to_writer(&mut *output, tuple)
                .map_err(io::Error::from)
                .and_then(|()| output.write_all(b"\n"));
            written.map_err(|error| match &self.target {
                Target::Stdout => io::Error::new(
                    error.kind(),
                    format!("cannot write to standard output: {error}"),
                ),
                Target::File(path) => io::Error::new(
                    error.kind(),
                    format!("cannot write to {}: {error}", path.display()),
                ),
            })?;
        }
        Ok(())
    }

    fn flush(&mut self, _: &Epoch) -> Result {
        let flushed = self.output.as_mut().map_or(Ok(()), Write::flush);
        Ok(flushed.map_err(|error| self.named(&error))?)
    }
}

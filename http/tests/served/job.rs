//! A run with everything that is counted.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use squall::bolts::{Rank, RollingCount};
use squall::connectors::JsonLines;
use squall::connectors::files::{FieldSelector, Files};
use squall::run::Running;
use squall::{
    Context, DataDir, Next, Ranking, RunOptions, Sink, Spout, SpoutOut, Text, Topology, Word,
    millis, secs,
};
use tempfile::TempDir;

use crate::Result;

/// How many rows the file has, a tenth of a second apart.
pub const ROWS: u64 = 20_000;
/// Of these every so manieth is too late, or has no time.
pub const LATE_EVERY: u64 = 1_000;
pub const WRONG_EVERY: u64 = 500;

/// What the spout of the feed says of the splits that it has not read.
pub const LAG: [(&str, u64); 2] = [("0", 12), ("orders/\"1\"\\\n", 7)];

/// Why the sink waits.
pub const AWAY: &str = "the target at \"203.0.113.1\" is away";

/// A folder with the input, the data directory and the output.
pub struct Job {
    folder: TempDir,
    /// Whether the target of the feed's sink is away.
    pub away: Arc<AtomicBool>,
    /// Whether the feed ends.
    pub ends: Arc<AtomicBool>,
}

impl Job {
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut rows = "time,word\n".to_owned();
        for row in 0..ROWS {
            let time = 1_700_000_000_000 + row * 100;
            match row + 1 {
                row if row % LATE_EVERY == 0 => writeln!(rows, "{},late", time - 600_000)?,
                row if row % WRONG_EVERY == 0 => writeln!(rows, "noon,wrong")?,
                _ => writeln!(rows, "{time},w{}", row % 7)?,
            }
        }
        std::fs::write(folder.path().join("rows.csv"), rows)?;
        Ok(Self {
            folder,
            away: Arc::default(),
            ends: Arc::new(AtomicBool::new(true)),
        })
    }

    fn topology(&self) -> Result<Topology> {
        let path = self.folder.path().join("rows.csv");
        let word = FieldSelector::named("word");
        let files = Files::at(&path.to_string_lossy())?
            .fields([word.clone()])
            .event_time("time", "unix-ms".parse()?);
        let topology = Topology::named("said \"aloud\"");
        let words = topology.spout("words", move || {
            let word = word.clone();
            files.decode::<Word, _>(move |record, out| {
                let word = Text::from(&*record.field(&word)?.ok_or("no word")?);
                out.emit(Word { word });
                Ok(())
            })
        });
        let counts = topology
            .keyed("counts", || RollingCount::over(secs(60)).every(secs(20)))
            .parallelism(2)
            .fields_grouping(&words, Word::WORD);
        let ranks = topology
            .bolt("ranks", || Rank::top(3))
            .global_grouping(&counts);
        let output = self.folder.path().join("counts.ndjson");
        topology
            .sink("file", move || JsonLines::<Ranking<Text>>::file(&output))
            .global_grouping(&ranks);
        let ends = Arc::clone(&self.ends);
        let feed = topology.spout("feed", move || Feed {
            ends: Arc::clone(&ends),
            left: 100,
        });
        let away = Arc::clone(&self.away);
        topology
            .sink("target", move || Target {
                away: Arc::clone(&away),
                context: None,
                waiting: 0,
            })
            .shuffle_grouping(&feed);
        Ok(topology)
    }

    pub fn start(&self) -> Result<Running> {
        let options = RunOptions {
            signals: false,
            epoch: millis(20),
            commit: millis(50),
            data_dir: Some(DataDir::at(self.folder.path().join("data"))),
            ..RunOptions::default()
        };
        Ok(self.topology()?.start(options)?)
    }
}

/// Emits a few words, and ends when it is told to.
struct Feed {
    ends: Arc<AtomicBool>,
    left: usize,
}

impl Spout for Feed {
    type Output = Word;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Word>) -> squall::Result {
        for (split, records) in LAG {
            context.status.set_lag(split, records);
        }
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<Word>) -> squall::Result<Next> {
        // At once: a cut has all of them before it, or none.
        for _ in 0..std::mem::take(&mut self.left) {
            out.emit(Word { word: "fed".into() });
        }
        if self.ends.load(Ordering::Relaxed) {
            return Ok(Next::End);
        }
        Ok(Next::After(millis(5)))
    }
}

/// A sink by the outbox, with 10 bytes for each word, whose target may be away.
struct Target {
    away: Arc<AtomicBool>,
    context: Option<Context>,
    waiting: usize,
}

impl Sink for Target {
    type Input = Word;

    fn prepare(&mut self, context: &Context) -> squall::Result {
        self.context = Some(context.clone());
        Ok(())
    }

    fn write(&mut self, words: &[Word]) -> squall::Result {
        self.waiting += 10 * words.len();
        Ok(())
    }

    fn outbox(&mut self) -> squall::Result<Option<Vec<u8>>> {
        Ok(Some(vec![0; std::mem::take(&mut self.waiting)]))
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting
    }

    fn deliver(&mut self, _: &[u8], _: Option<u64>) -> squall::Result {
        let context = self.context.as_ref().ok_or("not prepared")?;
        while self.away.load(Ordering::Relaxed) {
            context.status.waits(AWAY);
            thread::park_timeout(Duration::from_millis(5));
        }
        context.status.goes_on();
        Ok(())
    }
}

/// A sink whose target is always there.
pub fn nowhere() -> impl Sink<Input = Word> {
    Target {
        away: Arc::default(),
        context: None,
        waiting: 0,
    }
}

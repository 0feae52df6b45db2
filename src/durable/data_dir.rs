//! A data directory as the setting of a run, and as what there is to look into.

use std::path::{Path, PathBuf};

use super::contents::Contents;
use super::error::DataDirError;
use super::inspect::Inspection;
use super::layout;
use super::protocol::{Line, Question, answer};
use super::view::Row;
use super::views::Views;
use crate::store::{Batch, Store, StoreError};

/// Where a topology keeps its state: a directory, or memory.
///
/// It can be looked into: where a run has the directory open, that run answers, as of its
/// last commit (on Unix; elsewhere the directory is in use).
///
/// ```
/// use squall::testing::{Collected, Events, TopologyTest};
/// use squall::{DataDir, RunOptions, Topology, Word};
///
/// let topology = Topology::named("words");
/// let words = Events::now(["a", "b", "a"].map(|word| Word { word: word.into() }));
/// let words = topology.spout("words", move || words.clone());
/// Collected::of(&topology, "collected", &words);
///
/// let data_dir = DataDir::in_memory()?;
/// let options = RunOptions { data_dir: Some(data_dir.clone()), ..RunOptions::default() };
/// TopologyTest::new(topology).options(options).run()?;
///
/// let inspection = data_dir.inspect()?;
/// assert_eq!(inspection.topology.as_deref(), Some("words"));
/// assert_eq!(inspection.components[0].id, "words");
///
/// data_dir.reset(None)?;
/// assert_eq!(data_dir.inspect()?.commit, None);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct DataDir(Place);

#[derive(Clone, Debug)]
enum Place {
    At(PathBuf),
    Memory(Store),
}

impl DataDir {
    /// A directory, which is made where there is none. One process uses it at a time.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self(Place::At(path.as_ref().to_owned()))
    }

    /// Memory: runs with clones of it go on from each other, and one run from its own
    /// failures. For tests, and where what is lost with the process may be lost.
    ///
    /// # Errors
    /// None that is known of.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self(Place::Memory(Store::in_memory()?)))
    }

    /// The directory; none in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Place::At(path) => Some(path),
            Place::Memory(_) => None,
        }
    }

    /// Opens it, and makes it where there is none.
    pub(crate) fn open(&self) -> Result<Store, StoreError> {
        match &self.0 {
            Place::At(path) => Store::open(path),
            Place::Memory(store) => Ok(store.clone()),
        }
    }

    /// Opens what is there, and makes nothing.
    pub(super) fn open_existing(&self) -> Result<Store, StoreError> {
        match &self.0 {
            Place::At(path) => Store::open_existing(path),
            Place::Memory(store) => Ok(store.clone()),
        }
    }

    /// What is in it, in short: whose state, as of when, how much of each component, how far
    /// the spouts have come, what is still to be delivered, and which tuples nobody can
    /// process. All that is stored is read, and compared with its checksums.
    ///
    /// # Errors
    /// Where it is no data directory, is damaged, or its holder cannot be asked.
    pub fn inspect(&self) -> Result<Inspection, DataDirError> {
        let lines = self.ask(&Question::Inspect {})?;
        let inspection = lines.into_iter().find_map(|line| match line {
            Line::Inspection(inspection) => Some(*inspection),
            _ => None,
        });
        inspection.ok_or(DataDirError::Ended)
    }

    /// The entries of a table, in the order of their keys: numbers by size, text by its
    /// bytes.
    ///
    /// A table is named as `component.state`, by its component where that has one state, or
    /// by its own name where no other has it. `key` leaves one key, compared as text or as
    /// JSON: `storm`, `7`, `["storm", 7]`.
    ///
    /// # Errors
    /// As [`DataDir::inspect`], and where there is no such table.
    pub fn view(&self, table: &str, key: Option<&str>) -> Result<Vec<Row>, DataDirError> {
        let lines = self.ask(&Question::View {
            table: table.to_owned(),
            key: key.map(str::to_owned),
        })?;
        let rows = lines.into_iter().filter_map(|line| match line {
            Line::Row(row) => Some(row),
            _ => None,
        });
        Ok(rows.collect())
    }

    /// Copies everything as of the last commit into a new data directory, also while a run
    /// goes on, which does not wait for it. `to` is empty or absent; nothing is left of it
    /// where the copy fails.
    ///
    /// # Errors
    /// As [`DataDir::inspect`]; where `to` holds anything or cannot be written, and where
    /// the run ends meanwhile.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<(), DataDirError> {
        let to = to.as_ref();
        let absolute = std::path::absolute(to).map_err(|source| StoreError::Io {
            path: to.to_owned(),
            doing: "write",
            source,
        })?;
        self.ask(&Question::Backup { to: absolute }).map(drop)
    }

    /// Gives up what is stored: of one component its state, what it has still to deliver,
    /// and its quarantine, or all of everything. The directory stays, and so does its size.
    ///
    /// Everything else stays as it is, the positions of the spouts included. A bolt that is
    /// reset begins with nothing and sees only what comes from now on; a spout that is reset
    /// reads its input again, and bolts that are not count it twice.
    ///
    /// # Errors
    /// Where a run has the directory open ([`StoreError::InUse`] names it), where there is
    /// no such component, and where it cannot be written. Memory must not be in use either,
    /// which nobody checks.
    pub fn reset(&self, component: Option<&str>) -> Result<(), DataDirError> {
        let store = self.open_existing()?;
        let mut batch = Batch::default();
        let Some(asked) = component else {
            batch.delete_range(Vec::new(), layout::after(&[u8::MAX]));
            return Ok(store.commit(batch)?);
        };
        let reader = store.read()?;
        let contents = Contents::new(&reader, store.dir(), &|| false);
        let components = contents.components()?;
        if !components.contains_key(asked) {
            return Err(DataDirError::UnknownComponent {
                asked: asked.to_owned(),
                components: components.into_keys().collect(),
            });
        }
        for prefix in [
            layout::component_states(asked),
            layout::component_outbox(asked),
            layout::component_culprits(asked),
        ] {
            let end = layout::after(&prefix);
            batch.delete_range(prefix, end);
        }
        if let Some(mut manifest) = contents.manifest()? {
            manifest.components.remove(asked);
            let text = serde_json::to_vec(&manifest);
            let text = text.map_err(|error| contents.failed(error.into()))?;
            batch.put(layout::MANIFEST.to_vec(), text);
        }
        drop(reader);
        Ok(store.commit(batch)?)
    }

    /// Its state for programs, with types. While a run has a directory open, only the
    /// process of the run can read it so: [`Running::views`](crate::Running::views).
    ///
    /// A directory is open, and so in use, until the last clone of the views and what was
    /// read from them is gone.
    ///
    /// # Errors
    /// Where it is no data directory, is in use, or cannot be read.
    pub fn views(&self) -> Result<Views, DataDirError> {
        Ok(Views::open(self.open_existing()?))
    }

    /// Answers from the store, or lets whoever has it answer.
    fn ask(&self, question: &Question) -> Result<Vec<Line>, DataDirError> {
        match self.open_existing() {
            Ok(store) => {
                if matches!(question, Question::Inspect {}) {
                    store.read()?.verify()?;
                }
                answer(&store, question, &|| false)
            }
            Err(in_use @ StoreError::InUse { .. }) => self.ask_holder(in_use, question),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(unix)]
    fn ask_holder(
        &self,
        in_use: StoreError,
        question: &Question,
    ) -> Result<Vec<Line>, DataDirError> {
        use super::socket::{NotAnswered, ask};
        let Some(dir) = self.path() else {
            return Err(in_use.into());
        };
        ask(dir, question).map_err(|error| match error {
            NotAnswered::Refused(error) => error,
            NotAnswered::Cut(why) => DataDirError::NoAnswer { in_use, why },
        })
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self)] // elsewhere it tells where the holder is
    fn ask_holder(&self, in_use: StoreError, _: &Question) -> Result<Vec<Line>, DataDirError> {
        Err(in_use.into())
    }
}

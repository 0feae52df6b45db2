//! A data directory as the setting of a run, and as what there is to look into.

use std::path::{Path, PathBuf};
#[cfg(unix)]
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::DataDirError;
use super::inspection::Contents;
use super::inspection::Inspection;
use super::inspection::Row;
use super::inspection::{Rows, Sorter};
use super::layout;
use super::socket::{Line, Question, answer};
use super::views::Views;
use crate::depot::{Depot, DepotError, Dropped, Retention};
use crate::error::BoxError;
use crate::store::{Batch, PartialBackup, Store, StoreError};

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
    /// In memory, or a directory that is open.
    Open(Opened),
}

/// A store that is kept open; its fields are dropped in this order.
#[derive(Clone, Debug)]
struct Opened {
    /// Answers others, who cannot open the directory meanwhile; none in memory.
    #[cfg(unix)]
    _socket: Option<Arc<super::socket::Socket>>,
    store: Store,
}

/// Somebody who has a directory and answers nobody has it for a moment: a run that begins or ends,
/// somebody who looks into it. So long others wait for that.
const MOMENT: Duration = Duration::from_secs(2);

/// And look so often whether it is over.
const PAUSE: Duration = Duration::from_millis(10);

/// Tries again for a [`MOMENT`], as long as the error is such a one.
pub(super) fn patiently<T, E>(
    attempt: impl FnMut() -> Result<T, E>,
    passes: impl Fn(&E) -> bool,
) -> Result<T, E> {
    patiently_for(MOMENT, attempt, passes)
}

/// Tries again for so long.
pub(super) fn patiently_for<T, E>(
    span: Duration,
    mut attempt: impl FnMut() -> Result<T, E>,
    passes: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let begun = Instant::now();
    loop {
        match attempt() {
            Err(error) if passes(&error) && begun.elapsed() < span => {
                std::thread::park_timeout(PAUSE);
            }
            done => return done,
        }
    }
}

/// Opens a directory, and waits for those who have it for a moment.
fn waiting(
    path: &Path,
    open: impl FnMut() -> Result<Store, StoreError>,
) -> Result<Store, StoreError> {
    #[cfg(unix)]
    let is_moment = || !super::socket::answers(path);
    #[cfg(not(unix))]
    let is_moment = || {
        let _ = path;
        true
    };
    patiently(open, |error| {
        matches!(error, StoreError::InUse { .. }) && is_moment()
    })
}

/// Opens a copy that was just made. A process that forked while it was made holds its lock for a moment
/// more, until the child has become another program.
fn open_copy(at: &Path) -> Result<Store, StoreError> {
    const TRIES: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(10);
    for _ in 1..TRIES {
        match Store::open_partial(at) {
            Err(StoreError::InUse { .. }) => std::thread::park_timeout(PAUSE),
            opened => return opened,
        }
    }
    Store::open_partial(at)
}

impl DataDir {
    /// A directory, which is made where there is none. One process uses it at a time; one that
    /// has it for a moment, to look into it, is waited for.
    pub fn at(path: impl AsRef<Path>) -> Self {
        Self(Place::At(path.as_ref().to_owned()))
    }

    /// Memory: runs with clones of it go on from each other, and one run from its own
    /// failures. For tests, and where what is lost with the process may be lost.
    ///
    /// # Errors
    /// None that is known of.
    pub fn in_memory() -> Result<Self, StoreError> {
        Ok(Self(Place::Open(Opened {
            store: Store::in_memory()?,
            #[cfg(unix)]
            _socket: None,
        })))
    }

    /// A directory, which is made where there is none, and which is in use from now on until
    /// the last clone of this and what was opened of it is dropped. A run with a clone, and
    /// depots that it reads, use it together; others look into it, and append to its depots,
    /// through this process.
    ///
    /// # Errors
    /// Where somebody else has it open, and where it is not a data directory or is damaged.
    pub fn opened(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let store = waiting(path, || Store::open(path))?;
        Ok(Self(Place::Open(Opened {
            #[cfg(unix)]
            _socket: super::socket::Socket::open(&store),
            store,
        })))
    }

    /// The directory; none in memory.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Place::At(path) => Some(path),
            Place::Open(opened) => opened.store.dir(),
        }
    }

    /// A store that a test has opened.
    #[cfg(test)]
    pub(crate) fn over(store: Store) -> Self {
        Self(Place::Open(Opened {
            #[cfg(unix)]
            _socket: None,
            store,
        }))
    }

    /// Opens it, and makes it where there is none.
    pub(crate) fn open(&self) -> Result<Store, StoreError> {
        match &self.0 {
            Place::At(path) => waiting(path, || Store::open(path)),
            Place::Open(opened) => Ok(opened.store.clone()),
        }
    }

    /// Opens what is there, and makes nothing.
    pub(super) fn open_existing(&self) -> Result<Store, StoreError> {
        match &self.0 {
            Place::At(path) => waiting(path, || Store::open_existing(path)),
            Place::Open(opened) => Ok(opened.store.clone()),
        }
    }

    /// What is in it, in short: whose state, as of when, how much of each component, how far
    /// the spouts have come, what is still to be delivered, and which tuples nobody can
    /// process. All that is stored is read, and compared with its checksums.
    ///
    /// # Errors
    /// Where it is not a data directory, is damaged, or its holder cannot be asked.
    pub fn inspect(&self) -> Result<Inspection, DataDirError> {
        let lines = self.ask_all(&Question::Inspect {})?;
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
        self.rows(table, key, None)?.collect()
    }

    /// As [`DataDir::view`], row by row, for tables of any size: rows that do not fit into memory
    /// wait in a temporary file. With a limit, only the first rows.
    ///
    /// All rows are as of one commit, also while a run goes on; a slow reader does not hold it up.
    /// It keeps that commit on disk until they are in the temporary file, for at most ten minutes.
    ///
    /// # Errors
    /// As [`DataDir::view`], and where the temporary file cannot be written.
    pub fn rows(
        &self,
        table: &str,
        key: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Rows, DataDirError> {
        let question = Question::View {
            table: table.to_owned(),
            key: key.map(str::to_owned),
            limit,
        };
        let rows = self.ask(
            &question,
            || Sorter::new(limit),
            |rows, line| match line {
                Line::Row(row) => rows.push(row),
                _ => Ok(()),
            },
        )?;
        rows.finish()
    }

    /// Copies everything as of the last commit into a new data directory, also while a run goes on,
    /// without holding it up. `to` must be empty or absent. The copy gets its name when it is
    /// complete; if the copy fails, nothing is left of it. An incomplete copy that a killed process
    /// leaves is refused when it is opened.
    ///
    /// # Errors
    /// As [`DataDir::inspect`]; where `to` holds anything, lies within this directory, or cannot
    /// be written, and where the run ends meanwhile.
    pub fn backup(&self, to: impl AsRef<Path>) -> Result<(), DataDirError> {
        self.backup_with(to, |_| Ok(()))
    }

    /// As [`DataDir::backup`]; what belongs to the copy besides, `more` writes into it before it is
    /// whole. It is given the copy, and its path at that time is its [`path`](DataDir::path).
    ///
    /// # Errors
    /// As [`DataDir::backup`], and where `more` fails.
    pub fn backup_with(
        &self,
        to: impl AsRef<Path>,
        more: impl FnOnce(&DataDir) -> Result<(), BoxError>,
    ) -> Result<(), DataDirError> {
        let partial = PartialBackup::begin(to.as_ref(), self.path())?;
        let at = partial.path();
        self.ask_all(&Question::Backup { to: at.to_owned() })?;
        let store = open_copy(at)?;
        // What a run on the copy sends is not what a run on this one sends.
        let mut batch = Batch::default();
        batch.delete(layout::IDENTITY.to_vec());
        store.commit(batch)?;
        let copy = Self(Place::Open(Opened {
            #[cfg(unix)]
            _socket: None,
            store,
        }));
        more(&copy).map_err(|cause| DataDirError::Backup { cause })?;
        drop(copy);
        Ok(partial.finish()?)
    }

    /// Gives up what is stored: of one component its state, what that means, what it has still to
    /// deliver, and its quarantine, or all of everything but the depots. The directory stays, and so does
    /// its size.
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
            batch.delete_range(layout::AFTER_DEPOTS.to_vec(), layout::after(&[u8::MAX]));
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

    /// A depot that is in it. The directory is in use until the depot is dropped; to have one
    /// that is used by a run too, open it by [`DataDir::opened`].
    ///
    /// # Errors
    /// Where there is none of this name, and where the directory cannot be opened or read.
    pub fn depot(&self, name: &str) -> Result<Depot, DepotError> {
        Depot::open(&self.open_existing()?, name)
    }

    /// As [`DataDir::depot`], and makes the depot where there is none: of so many partitions,
    /// [`PARTITIONS`](crate::depot::PARTITIONS) mostly, to which records are dealt by the field `key`,
    /// for those who append. Both are fixed for its life.
    ///
    /// # Errors
    /// As [`DataDir::depot`], where there is one of this name with other partitions or another
    /// key, and where there can be none such.
    pub fn make_depot(&self, name: &str, partitions: u16, key: &str) -> Result<Depot, DepotError> {
        Depot::make(&self.open()?, name, partitions, key)
    }

    /// Drops the oldest records of a depot, as [`Depot::retain`] does; through the process that
    /// has the directory, where there is one. With `always` they are dropped from now on too, as
    /// by [`Depot::keep`].
    ///
    /// # Errors
    /// As [`DataDir::inspect`], and where there is no such depot.
    pub fn retain_depot(
        &self,
        depot: &str,
        keep: Retention,
        force: bool,
        always: bool,
    ) -> Result<Dropped, DataDirError> {
        let lines = self.ask_all(&Question::Retain {
            depot: depot.to_owned(),
            keep,
            force,
            always,
        })?;
        let dropped = lines.into_iter().find_map(|line| match line {
            Line::Dropped(dropped) => Some(dropped),
            _ => None,
        });
        dropped.ok_or(DataDirError::Ended)
    }

    /// Forgets a reader of a depot, as [`Depot::forget`] does; through the process that has the
    /// directory, where there is one.
    ///
    /// # Errors
    /// As [`DataDir::retain_depot`].
    pub fn forget_reader(&self, depot: &str, reader: &str) -> Result<bool, DataDirError> {
        let lines = self.ask_all(&Question::Forget {
            depot: depot.to_owned(),
            reader: reader.to_owned(),
        })?;
        Ok(lines.contains(&Line::Forgotten {}))
    }

    /// Gives up a depot with all of its records. Topologies that read it end with an error where
    /// one of this name is made again, and are to be reset.
    ///
    /// # Errors
    /// As [`DataDir::reset`], and where there is no such depot.
    pub fn delete_depot(&self, name: &str) -> Result<(), DataDirError> {
        let store = self.open_existing()?;
        drop(Depot::open(&store, name)?);
        let (from, to) = crate::depot::layout::whole(name);
        let mut batch = Batch::default();
        batch.delete_range(from, to);
        Ok(store.commit(batch)?)
    }

    /// Its state for programs, with types. While a run has a directory open, only the
    /// process of the run can read it so: [`Running::views`](crate::run::Running::views).
    ///
    /// A directory is open, and so in use, until the last clone of the views and what was
    /// read from them is gone.
    ///
    /// # Errors
    /// Where it is not a data directory, is in use, or cannot be read.
    pub fn views(&self) -> Result<Views, DataDirError> {
        Ok(Views::open(self.open_existing()?))
    }

    /// Answers from the store, or lets whoever has it answer.
    fn ask_all(&self, question: &Question) -> Result<Vec<Line>, DataDirError> {
        self.ask(question, Vec::new, |lines, line| {
            lines.push(line);
            Ok(())
        })
    }

    /// As [`DataDir::ask_all`]; takes the lines in as they come.
    fn ask<T>(
        &self,
        question: &Question,
        begin: impl Fn() -> T,
        take: impl Fn(&mut T, Line) -> Result<(), DataDirError>,
    ) -> Result<T, DataDirError> {
        let attempt = || {
            let mut taken = begin();
            self.ask_now(question, &mut |line| take(&mut taken, line))?;
            Ok(taken)
        };
        patiently(attempt, |error: &DataDirError| {
            error.passes_undone() || (error.passes() && !question.acts())
        })
    }

    fn ask_now(
        &self,
        question: &Question,
        hear: &mut dyn FnMut(Line) -> Result<(), DataDirError>,
    ) -> Result<(), DataDirError> {
        let store = match &self.0 {
            Place::At(path) => Store::open_existing(path),
            Place::Open(opened) => Ok(opened.store.clone()),
        };
        match store {
            Ok(store) => {
                if matches!(question, Question::Inspect {}) {
                    store.read()?.verify()?;
                }
                answer(&store, question, &|| false, hear)
            }
            Err(in_use @ StoreError::InUse { .. }) => self.ask_holder(in_use, question, hear),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(unix)]
    fn ask_holder(
        &self,
        in_use: StoreError,
        question: &Question,
        hear: &mut dyn FnMut(Line) -> Result<(), DataDirError>,
    ) -> Result<(), DataDirError> {
        use super::socket::ask;
        let Some(dir) = self.path() else {
            return Err(in_use.into());
        };
        ask(dir, question, hear).map_err(|error| error.with(in_use))
    }

    #[cfg(not(unix))]
    #[allow(clippy::unused_self)] // elsewhere it tells where the holder is
    fn ask_holder(
        &self,
        in_use: StoreError,
        _: &Question,
        _: &mut dyn FnMut(Line) -> Result<(), DataDirError>,
    ) -> Result<(), DataDirError> {
        Err(in_use.into())
    }
}

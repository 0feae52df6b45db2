//! Keyed state: what a bolt, spout or sink keeps and gets back after a failure.
//!
//! A component declares what it keeps ([`States::keep`]); the runtime loads it before
//! `prepare`, and at every commit takes what has changed since the last one. There is no
//! snapshot code to write. The kinds of state:
//!
//! | kind | what it is |
//! |---|---|
//! | [`Table`] | a value for each key |
//! | [`Tables`] | a table for each of several sections, such as windows |
//! | [`Value`] | one value for a task |
//!
//! What is stored of a state is divided into *units*. State by key, in a component whose
//! inputs are all grouped by fields, has one unit for each [shard](crate::key::shard_of), so it
//! moves with its shard when the parallelism changes. All other state has one unit for each
//! task. A unit is stored as one whole *image* and the *changes* after it; when the changes
//! outweigh the image, the next commit stores a new image in their place.
//!
//! Everything is encoded as `MessagePack`, structs as maps with the names of their fields: a
//! field that was added with `#[serde(default)]` reads as its default.

mod changes;
mod codec;
mod described;
mod key_index;
mod ledger;
mod stored;
mod table;
mod tables;
mod telling;
mod value;

pub use changes::Changes;
pub(crate) use codec::take;
pub(crate) use described::described;
pub use key_index::KeyIndex;
pub(crate) use ledger::Ledger;
pub(crate) use stored::{AnyEntry, entries};
pub use stored::{Entry, StoredUnit};
pub use table::Table;
pub use tables::Tables;
pub use value::Value;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::meaning::Meaning;

use crate::error::Result;
use crate::time::Timestamp;
use telling::Telling;

/// What a component keeps, to be declared in its `state` method.
///
/// ```
/// use squall::{Bolt, Out, Result, States, Table, Text, Tuple, testing::BoltTest};
///
/// #[derive(Tuple, Clone, Debug)]
/// struct Purchase { user: Text, cents: u64 }
///
/// #[derive(Default)]
/// struct Totals { totals: Table<Text, u64> }
/// impl Bolt for Totals {
///     type Input = Purchase;
///     type Output = ();
///     fn execute(&mut self, purchase: &Purchase, _: &mut Out<()>) -> Result {
///         *self.totals.entry(&purchase.user) += purchase.cents;
///         Ok(())
///     }
///     fn state(&mut self, states: &mut States<'_>) {
///         states.keep("totals", &mut self.totals);
///     }
/// }
/// # BoltTest::new(Totals::default()).send(Purchase { user: "a".into(), cents: 1 }).run()?;
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct States<'v> {
    visit: &'v mut dyn FnMut(&str, &mut dyn State) -> Result,
    failed: Result,
}

impl States<'_> {
    /// Declares a state under a name that is unique in the component and stays the same
    /// from version to version of the program.
    pub fn keep(&mut self, name: &str, state: &mut dyn State) {
        if self.failed.is_ok() {
            self.failed = (self.visit)(name, state);
        }
    }

    /// As [`States::keep`], with a notification. At each commit, `told` gets the state and returns
    /// a function, which is called when that state is on disk, and not if the commit fails. So a
    /// connector can acknowledge a position to its source: the run never goes back behind it.
    ///
    /// The function runs on the thread that commits, and the next commit waits for it: it should
    /// store or send the position, and return.
    ///
    /// ```
    /// use squall::testing::spout_contract;
    /// use squall::{Next, Result, Spout, SpoutOut, States, Value, Word};
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use std::sync::Arc;
    ///
    /// /// Three words; the server learns how many of them are committed.
    /// struct Words { next: Value<u64>, acknowledged: Arc<AtomicU64> }
    ///
    /// impl Spout for Words {
    ///     type Output = Word;
    ///     fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
    ///         if *self.next == 3 {
    ///             return Ok(Next::End);
    ///         }
    ///         out.emit(Word { word: self.next.to_string().into() });
    ///         *self.next += 1;
    ///         Ok(Next::More)
    ///     }
    ///     fn state(&mut self, states: &mut States<'_>) {
    ///         let server = &self.acknowledged;
    ///         states.keep_and_tell("next", &mut self.next, |next| {
    ///             let (next, server) = (**next, Arc::clone(server));
    ///             move || server.store(next, Ordering::Release)
    ///         });
    ///     }
    /// }
    ///
    /// let acknowledged = Arc::default();
    /// let words = || Words { next: Value::new(0), acknowledged: Arc::clone(&acknowledged) };
    /// spout_contract(words, &[1])?;
    /// assert_eq!(acknowledged.load(Ordering::Acquire), 3);
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    pub fn keep_and_tell<S, T>(
        &mut self,
        name: &str,
        state: &mut S,
        told: impl FnMut(&S) -> T + Send,
    ) where
        S: State,
        T: FnOnce() + Send + 'static,
    {
        self.keep(name, &mut Telling { state, told });
    }

    /// Calls `visit` for every state that `declare` keeps, up to its first error.
    pub(crate) fn visit(
        mut visit: impl FnMut(&str, &mut dyn State) -> Result,
        declare: impl FnOnce(&mut States<'_>),
    ) -> Result {
        let mut states = States {
            visit: &mut visit,
            failed: Ok(()),
        };
        declare(&mut states);
        states.failed
    }
}

/// A kind of state: those of this crate, and those of bolts whose state is laid out for speed.
pub trait State: Send {
    /// What it is; stored state of another shape is refused.
    fn shape(&self) -> Shape;

    /// Begins to note what changes. Without a store nothing is noted.
    fn track(&mut self);

    /// Writes what has changed since the last call; whole units where
    /// [`Changes::is_whole`] asks for it.
    ///
    /// # Errors
    /// Where a key or value cannot be encoded.
    fn save(&mut self, changes: &mut Changes) -> Result;

    /// Takes in what is stored of one unit.
    ///
    /// # Errors
    /// Where a key or value cannot be decoded, or units cannot be merged.
    fn load(&mut self, unit: &StoredUnit<'_>) -> Result;

    /// All units were loaded.
    ///
    /// # Errors
    /// Where they do not fit together.
    fn loaded(&mut self) -> Result {
        Ok(())
    }

    /// Forgets what was not written for its time to live; called at every epoch.
    fn expire(&mut self, now: Timestamp) {
        let _ = now;
    }
}

/// What a state is: stored beside it, and compared before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// The kind, as `table`, with what belongs to it, as the slide of a window.
    pub kind: String,
    /// What serde reads a key as, such as `text`, `u64` or `struct`; empty where there are none. The
    /// names of types are not stored, so that they may change.
    pub key: String,
    /// What serde reads a value as.
    pub value: String,
    /// Whether each entry belongs to the shard of its key.
    pub by_key: bool,
    /// What happens to the units of tasks when the parallelism changes.
    pub tasks: AcrossTasks,
}

impl fmt::Display for Shape {
    /// `a table of text to u64`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind, key, value, ..
        } = self;
        if key.is_empty() {
            write!(f, "a {kind} of {value}")
        } else {
            write!(f, "a {kind} of {key} to {value}")
        }
    }
}

/// What happens to state by task when the number of tasks changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AcrossTasks {
    /// Nothing can be done: another parallelism is refused.
    Fixed,
    /// The tasks' units are merged, each into one task.
    Merged,
    /// The tasks' units are merged into one, which every task gets.
    Shared,
}

#[cfg(test)]
pub(crate) mod tests;

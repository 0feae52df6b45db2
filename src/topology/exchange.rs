//! How tuples get to their reader: sent, combined before they are sent, or not sent at all.

use serde::{Deserialize, Serialize};

/// How the tuples of an input get from their emitter to its reader. It changes no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exchange {
    /// In batches, from task to task.
    #[default]
    Sent,
    /// In batches of tuples that their emitter has put together where they have the same key
    /// and pane (a combiner): fewer are sent, and fewer are to be looked up by the reader.
    Combined,
    /// Not at all: the reader's task runs where the emitter's task of the same number runs, on
    /// the same thread, and reads it alone (a chain).
    Chained,
}

impl Exchange {
    /// Whether it is nothing special.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        *self == Self::Sent
    }
}

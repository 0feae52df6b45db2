//! What is to be appended to.

use serde::{Deserialize, Serialize};

use crate::depot::Acknowledge;

/// What is to be appended to, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppendTo {
    /// The depot.
    pub depot: String,
    /// The field by which its records are dealt to partitions; that of the depot where it is not
    /// given. Where it is, a depot that is not there is made.
    pub key: Option<String>,
    /// Of how many partitions one is made, by default [`PARTITIONS`](crate::depot::PARTITIONS), and one
    /// that is there must be, by default as many as it has.
    pub partitions: Option<u16>,
    /// Who appends, so that it can go on after a crash without appending anything twice.
    pub id: Option<String>,
    /// When it is acknowledged.
    pub acknowledge: Acknowledge,
}

impl AppendTo {
    /// To a depot that is there, acknowledged when it is on disk.
    #[must_use]
    pub fn depot(name: &str) -> Self {
        Self {
            depot: name.to_owned(),
            key: None,
            partitions: None,
            id: None,
            acknowledge: Acknowledge::Appended,
        }
    }
}

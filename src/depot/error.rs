//! What can go wrong with a depot.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::store::StoreError;

/// Why a depot could not be opened, appended to or read.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DepotError {
    /// The store cannot be opened, read or written. Of an append: nothing of it is there,
    /// unless the operating system has failed in the last sync.
    #[error("{0}")]
    Store(Arc<StoreError>),
    /// There is no depot of this name.
    #[error(
        "unknown depot `{asked}`: {are}; `squall depot make` makes one",
        are = if known.is_empty() { "there is none".to_owned() } else { format!("known are {}", known.join(", ")) }
    )]
    Unknown {
        /// What was asked for.
        asked: String,
        /// All depots of the directory.
        known: Vec<String>,
    },
    /// The depot is there already, and is another one.
    #[error(
        "the depot `{depot}` exists already, with {found} partitions by `{found_key}` instead of \
         {asked} by `{asked_key}`, which cannot be changed; `squall depot delete` deletes it with \
         all of its records"
    )]
    Exists {
        /// The depot.
        depot: String,
        /// How many partitions it has.
        found: u16,
        /// The field by which it is partitioned.
        found_key: String,
        /// How many partitions were asked for.
        asked: u16,
        /// The field that was asked for.
        asked_key: String,
    },
    /// No depot can be made so.
    #[error("{0}")]
    Impossible(String),
    /// A record is longer than a depot takes.
    #[error("a record of {bytes} bytes is too long for a depot, which takes at most {most}")]
    TooLong {
        /// The length of the record.
        bytes: usize,
        /// The most that a depot takes.
        most: usize,
    },
    /// An append was to be acknowledged when it is processed, and nobody reads.
    #[error(
        "no durable topology reads the depot `{depot}` now{have}, so no record can be \
         acknowledged as processed: start a topology that reads it, or ask for `appended`",
        have = if known.is_empty() {
            String::new()
        } else {
            format!(" ({} did before)", known.join(" and "))
        }
    )]
    NobodyReads {
        /// The depot.
        depot: String,
        /// Who has read it so before, and was not forgotten.
        known: Vec<String>,
    },
    /// What was appended was not processed in time. It is there, and will be processed.
    #[error(
        "the records are appended to the depot `{depot}`, but within {} s they were not \
         processed by {}",
        patience.as_secs_f64(),
        readers.join(" and ")
    )]
    NotProcessed {
        /// The depot.
        depot: String,
        /// Those that have not committed them.
        readers: Vec<String>,
        /// How long was waited.
        patience: Duration,
    },
    /// A reader's next record is gone.
    #[error(
        "partition {partition} of the depot `{depot}` begins at offset {first}, but the reader \
         goes on at {position}: the records between were dropped; reset the reader to start again"
    )]
    Dropped {
        /// The depot.
        depot: String,
        /// The partition.
        partition: u16,
        /// Where the reader is.
        position: u64,
        /// The first offset that is kept.
        first: u64,
    },
    /// A reader has read more than there is.
    #[error(
        "partition {partition} of the depot `{depot}` ends at offset {end}, but the reader goes \
         on at {position}: this is another depot than the one that was read, or an older copy of \
         it"
    )]
    Ahead {
        /// The depot.
        depot: String,
        /// The partition.
        partition: u16,
        /// Where the reader is.
        position: u64,
        /// The end of the partition.
        end: u64,
    },
    /// The depot is another one than the reader has read.
    #[error(
        "the depot `{depot}` is not the depot that was read so far, which was another one or was \
         deleted; give a new data directory, or reset the reader to start again"
    )]
    AnotherDepot {
        /// The depot.
        depot: String,
    },
    /// A topology that goes on began to read the depot elsewhere than is asked for now.
    #[error(
        "the topology began to read the depot `{depot}` from the {stored}, and is now told to \
         begin from the {found}: leave this option out to go on; or give another data directory; \
         or delete all state with `squall reset` to start again"
    )]
    BegunElsewhere {
        /// The depot.
        depot: String,
        /// Where it began: `end`, `beginning` or `positions`.
        stored: String,
        /// Where it is asked to.
        found: &'static str,
    },
    /// Positions were given for another number of partitions.
    #[error("the depot `{depot}` has {partitions} partitions, but {given} positions were given")]
    Positions {
        /// The depot.
        depot: String,
        /// How many partitions it has.
        partitions: u16,
        /// How many positions were given.
        given: usize,
    },
    /// A reader cannot be forgotten while it reads.
    #[error("`{reader}` reads the depot `{depot}` now: stop its topology before you forget it")]
    ReadsNow {
        /// The depot.
        depot: String,
        /// The reader.
        reader: String,
    },
    /// Two readers go by one name.
    #[error(
        "two readers of the depot `{depot}` have the name `{reader}`, and one would lose the \
         records that the other has read: give one another name with `reader`"
    )]
    TwoReaders {
        /// The depot.
        depot: String,
        /// The name.
        reader: String,
    },
    /// An appender with an id has left out records.
    #[error(
        "`{id}` has appended {appended} records to the depot `{depot}`, but goes on with number \
         {from}: the records between would be lost"
    )]
    Gap {
        /// The depot.
        depot: String,
        /// The appender.
        id: String,
        /// How many records it has appended.
        appended: u64,
        /// How many it says that it has appended.
        from: u64,
    },
    /// What an appender with an id repeats is not what it has appended.
    #[error(
        "`{id}` has appended {appended} records to the depot `{depot}`, but its input now \
         {differs}",
        differs = if found < appended {
            format!("has {found}")
        } else {
            "begins with other records".to_owned()
        }
    )]
    OtherRecords {
        /// The depot.
        depot: String,
        /// The appender.
        id: String,
        /// How many records it has appended.
        appended: u64,
        /// How many it has come with now, of which that many are compared at most.
        found: u64,
    },
    /// Nobody waits any more for the acknowledgement.
    #[error("the process that has the depot `{depot}` open is ending")]
    Ended {
        /// The depot.
        depot: String,
    },
    /// What is stored of the depot is not as it was written.
    #[error("the depot `{depot}` is damaged: {what}")]
    Damaged {
        /// The depot.
        depot: String,
        /// What is wrong with it.
        what: String,
    },
    /// A later version of squall wrote the depot.
    #[error("the depot `{depot}` has format {found}, and this squall knows formats up to {known}")]
    NewerFormat {
        /// The depot.
        depot: String,
        /// The format of the depot.
        found: u32,
        /// The newest format that this version reads.
        known: u32,
    },
    /// The thread that writes cannot be started.
    #[error("the depot's thread cannot be started: {0}")]
    Thread(Arc<io::Error>),
}

impl DepotError {
    /// Whether asking otherwise, or at another time, helps. Everything else is a failure.
    #[must_use]
    pub fn is_wrong_use(&self) -> bool {
        match self {
            Self::Store(error) => error.is_wrong_use(),
            Self::Damaged { .. }
            | Self::Thread(_)
            | Self::Ended { .. }
            | Self::NotProcessed { .. } => false,
            _ => true,
        }
    }
}

impl From<StoreError> for DepotError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}

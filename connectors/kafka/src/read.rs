//! Which topic is to be read, and how.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use squall::Timestamp;

use crate::cluster::Kafka;
use crate::error::ReadError;

/// How a topic is to be read; made by [`Kafka::read`]. Cheap to clone: a factory clones it for
/// each task.
///
/// Partition `p` is read by task `p % parallelism`, so a topic with fewer partitions than the spout
/// has tasks leaves some of them without work. How far each partition was read is state: a run with
/// a data directory goes on from its last commit. What is said here is where a *new* topology
/// begins; one that began elsewhere is refused where that is said. Partitions that are added to the
/// topic while it is read are found within half a minute, and are read from their first record.
///
/// Only what is committed is read (`read_committed`).
#[derive(Clone, Debug)]
pub struct ReadTopic {
    pub(crate) kafka: Kafka,
    pub(crate) topic: Arc<str>,
    /// None where nothing was said.
    pub(crate) begins: Option<Begins>,
    pub(crate) until_end: bool,
    pub(crate) lateness: Duration,
    pub(crate) message_time: bool,
    pub(crate) group: Option<Arc<str>>,
    pub(crate) partitions_every: Duration,
    /// Where the partitions ended when the run began. Shared by its tasks, also when it is
    /// restored, so that all mean the same moment: it is of one run.
    ends: Arc<Mutex<BTreeMap<i32, i64>>>,
}

/// Where a new topology begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Begins {
    #[default]
    Earliest,
    Latest,
    At(Timestamp),
}

impl fmt::Display for Begins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Earliest => f.write_str("the beginning"),
            Self::Latest => f.write_str("the end"),
            Self::At(time) => time.fmt(f),
        }
    }
}

impl Kafka {
    /// To read a topic: by default a new topology begins with the first record that is kept.
    pub fn read(&self, topic: impl AsRef<str>) -> ReadTopic {
        ReadTopic {
            kafka: self.clone(),
            topic: topic.as_ref().into(),
            begins: None,
            until_end: false,
            lateness: Duration::ZERO,
            message_time: false,
            group: None,
            partitions_every: Duration::from_secs(30),
            ends: Arc::default(),
        }
    }
}

impl ReadTopic {
    /// A new topology begins with the first record that is kept. It does so unless something else is
    /// said.
    #[must_use]
    pub fn from_earliest(mut self) -> Self {
        self.begins = Some(Begins::Earliest);
        self
    }

    /// A new topology begins where the partitions end when it is first connected; the next runs go
    /// on from there.
    #[must_use]
    pub fn from_latest(mut self) -> Self {
        self.begins = Some(Begins::Latest);
        self
    }

    /// A new topology begins in each partition with the first record whose timestamp is this or
    /// greater; at its end where there is none.
    #[must_use]
    pub fn from_timestamp(mut self, time: Timestamp) -> Self {
        self.begins = Some(Begins::At(time));
        self
    }

    /// Reads to the ends that are found at the start, and then ends, as a file does.
    #[must_use]
    pub fn until_end(mut self) -> Self {
        self.until_end = true;
        self
    }

    /// The allowed lateness: how much older a record may be than the newest record before it in its
    /// partition. Zero by default.
    #[must_use]
    pub fn lateness(mut self, lateness: Duration) -> Self {
        self.lateness = lateness;
        self
    }

    /// The event time of what is emitted is the timestamp of the message: when it was produced, or
    /// with `message.timestamp.type=LogAppendTime` when the broker took it.
    #[must_use]
    pub fn message_time(mut self) -> Self {
        self.message_time = true;
        self
    }

    /// Tells this consumer group how far the topic was read, each time that is committed, so that
    /// tools which look at groups see it. The spout itself goes by its own state.
    #[must_use]
    pub fn group(mut self, group: &str) -> Self {
        self.group = Some(group.into());
        self
    }

    /// How often partitions are looked for that were added to the topic; 30 s unless it is said.
    #[must_use]
    pub fn partitions_every(mut self, interval: Duration) -> Self {
        self.partitions_every = interval;
        self
    }

    /// The topic's name.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What an earlier run has read is not asked for again, so one that began elsewhere would answer
    /// another question. `stored` is where it began; none of a new topology.
    pub(crate) fn check_begun(&self, stored: Option<Begins>) -> Result<(), ReadError> {
        match (self.begins, stored) {
            (Some(found), Some(stored)) if found != stored => Err(ReadError::BegunElsewhere {
                topic: self.topic.to_string(),
                stored: stored.to_string(),
                found: found.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Where a partition ended when the run began; `found` where this task is the first to ask.
    pub(crate) fn end(&self, partition: i32, found: i64) -> i64 {
        // It is whole at every moment, so a panic elsewhere does not matter.
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        *ends.entry(partition).or_insert(found)
    }
}

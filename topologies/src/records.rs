//! Records, from wherever they come: one spout for files, depots and topics.

use std::time::Duration;

use squall::connectors::files::{Decoder, Record};
use squall::connectors::{DepotSpout, FileSpout, Files, ReadDepot};
use squall::state::Meaning;
use squall::stream::{StreamPlan, Streams};
use squall::time::TimeDomain;
use squall::{Context, Next, Out, Result, Spout, SpoutOut, States};
#[cfg(feature = "kafka")]
use squall_kafka::KafkaSpout;

#[cfg(feature = "kafka")]
use crate::kafka::{RecordDecoder, TopicRecords};

/// Where records come from.
#[derive(Clone, Debug)]
pub enum Records {
    /// Files that were looked into.
    Files(Files),
    /// A depot.
    Depot(ReadDepot),
    /// A topic of Kafka.
    #[cfg(feature = "kafka")]
    Topic(TopicRecords),
}

impl Records {
    /// The files, where they are.
    #[must_use]
    pub fn files(&self) -> Option<&Files> {
        match self {
            Self::Files(files) => Some(files),
            Self::Depot(_) => None,
            #[cfg(feature = "kafka")]
            Self::Topic(_) => None,
        }
    }

    /// The spout that emits what `decode` makes of each record.
    pub fn decode<S, F>(&self, decode: F) -> RecordSpout<S, F>
    where
        S: Streams,
        F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
    {
        match self {
            Self::Files(files) => RecordSpout::Files(Box::new(files.decode(decode))),
            Self::Depot(depot) => RecordSpout::Depot(Box::new(depot.decode(decode))),
            #[cfg(feature = "kafka")]
            Self::Topic(records) => RecordSpout::Topic(Box::new(records.decode(decode))),
        }
    }
}

/// A spout over [`Records`].
pub enum RecordSpout<S: Streams, F> {
    /// Over files.
    Files(Box<FileSpout<S, Decoder<F>>>),
    /// Over a depot.
    Depot(Box<DepotSpout<S, F>>),
    /// Over a topic of Kafka.
    #[cfg(feature = "kafka")]
    Topic(Box<KafkaSpout<S, RecordDecoder<F>>>),
}

/// Calls the same of whichever it is.
macro_rules! of {
    ($spout:expr, $it:ident => $call:expr) => {
        match $spout {
            RecordSpout::Files($it) => $call,
            RecordSpout::Depot($it) => $call,
            #[cfg(feature = "kafka")]
            RecordSpout::Topic($it) => $call,
        }
    };
}

impl<S, F> Spout for RecordSpout<S, F>
where
    S: Streams,
    F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
{
    type Output = S;

    fn open(&mut self, context: &Context, out: &mut SpoutOut<S>) -> Result {
        of!(self, spout => spout.open(context, out))
    }

    #[inline]
    fn next(&mut self, out: &mut SpoutOut<S>) -> Result<Next> {
        of!(self, spout => spout.next(out))
    }

    fn state(&mut self, states: &mut States<'_>) {
        of!(self, spout => spout.state(states));
    }

    fn meaning(&self) -> Meaning {
        of!(self, spout => spout.meaning())
    }

    fn domain(&self) -> TimeDomain {
        of!(self, spout => spout.domain())
    }

    fn lateness(&self) -> Duration {
        of!(self, spout => spout.lateness())
    }

    fn waits(&self) -> bool {
        of!(self, spout => spout.waits())
    }

    fn streams(&self) -> Vec<StreamPlan> {
        of!(self, spout => spout.streams())
    }
}

//! What tasks say to each other.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::batch::AnyBatch;
use crate::context::Epoch;
use crate::spout::Progress;
use crate::store::Batch;
use crate::time::Timestamp;

/// The number of a task, counted over the whole topology.
pub(crate) type TaskId = usize;

/// What travels in band from a task to a reader.
pub(crate) enum Message {
    /// Tuples, and the sender's watermark after them.
    Batch(Box<dyn AnyBatch>, Timestamp),
    /// The sender's watermark alone.
    Watermark(Timestamp),
    /// A cut, and the sender's watermark at it.
    Epoch(Epoch, Timestamp),
}

impl Message {
    pub(crate) fn tuples(&self) -> usize {
        match self {
            Self::Batch(batch, _) => batch.tuples(),
            Self::Watermark(_) | Self::Epoch(..) => 0,
        }
    }

    /// The sender's watermark after it.
    pub(crate) fn watermark(&self) -> Timestamp {
        let (Self::Batch(_, watermark) | Self::Watermark(watermark) | Self::Epoch(_, watermark)) =
            self;
        *watermark
    }
}

/// What a task can be given.
pub(crate) enum TaskInput {
    /// A message on one of the task's input channels.
    Deliver { channel: usize, message: Message },
    /// A reader has taken tuples: the sender may send as many again.
    Credit {
        /// The sender's output channel.
        channel: usize,
        /// How many tuples were taken.
        tuples: usize,
        /// How many tuples may be on their way at once from now on.
        window: usize,
        /// The emptied batch, to be filled again.
        buffer: Box<dyn AnyBatch>,
    },
    /// A reader has taken a watermark that came alone: the next one may be sent.
    Told {
        /// The sender's output channel.
        channel: usize,
    },
    /// To spouts: put this cut into the output.
    Cut {
        epoch: Epoch,
        /// The watermark that the spout follows while it is idle.
        floor: Option<Timestamp>,
    },
    /// To spouts: input may be at hand. Who wakes the task sets this, and sends no more until it is
    /// unset.
    Wake(Arc<AtomicBool>),
    /// To sinks: the epoch with this number is committed, deliver it.
    Committed(u64),
}

/// What a task tells the coordinator.
#[derive(Debug)]
pub(crate) enum Report {
    /// The task has passed the epoch with this number.
    Passed(u64),
    /// The spout has come so far; before each epoch that it passes, and before its end.
    Progress(Progress),
    /// The spout's input has ended.
    InputEnded {
        /// For good: windows close.
        closes: bool,
    },
    /// What is to be committed of the epoch with this number, which the task has passed.
    Saved(u64, Batch),
    /// A sink holds much that waits for the next commit.
    Full,
    /// A sink has delivered a committed epoch.
    Delivered(u64),
    /// What is to be committed after the last delivery.
    Settled(Batch),
    /// The task has passed the last epoch and everything it had to say is sent.
    Finished,
}

/// What a task asks its driver to deliver.
pub(crate) enum Outgoing {
    To(TaskId, TaskInput),
    Report(Report),
}

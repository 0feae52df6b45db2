//! What a task does, and what it has in common with the other tasks.

use std::sync::Arc;
use std::time::Duration;

use super::clock::Clock;
use super::losses::LossWatch;
use super::rate::RateLimit;
use crate::clients::Clients;
use crate::operator::{AnyBolt, AnySpout};

/// What a task does.
pub(crate) enum Work {
    Spout {
        spout: Box<dyn AnySpout>,
        /// Set where the spout's tuples per second are limited.
        limit: Option<Arc<RateLimit>>,
    },
    Bolt(Box<dyn AnyBolt>),
}

/// What tasks of one topology have in common.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    /// How long tuples may wait for others before their batch is sent.
    pub(crate) linger: Duration,
    /// How many tuples a spout emits at most before it looks at its messages.
    pub(crate) batch_tuples: usize,
    /// The slides of all windows of the topology, in milliseconds: when a watermark passes
    /// a multiple of one, readers are told at once.
    pub(crate) slides: Arc<[i64]>,
    /// Set where what is lost has a limit.
    pub(crate) limits: Option<Arc<LossWatch>>,
    /// Goes with the last task.
    pub(crate) clients: Arc<Clients>,
}

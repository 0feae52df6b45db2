//! How long epochs and commits took, over all restarts of a run.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::histogram::Histogram;
use super::metrics::Percentiles;

/// What is measured of epochs and commits. The run keeps it, and each of its coordinators adds to it,
/// a few times a second: hence the lock.
#[derive(Debug, Default)]
pub(crate) struct Timings(Mutex<Measured>);

#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) latencies: Percentiles,
    pub(crate) latency: Histogram,
    pub(crate) commit_times: Percentiles,
    pub(crate) commit_time: Histogram,
    pub(crate) commit_size: Histogram,
    pub(crate) commit_bytes: u64,
    /// How often the run was restored.
    pub(crate) restarts: u64,
}

impl Default for Measured {
    fn default() -> Self {
        Self {
            latencies: Percentiles::default(),
            latency: Histogram::of_durations(),
            commit_times: Percentiles::default(),
            commit_time: Histogram::of_durations(),
            commit_size: Histogram::of_bytes(),
            commit_bytes: 0,
            restarts: 0,
        }
    }
}

impl Timings {
    /// Every task has passed an epoch, so long after its cut.
    pub(crate) fn note_epoch(&self, latency: Duration) {
        self.with(|measured| {
            measured.latencies.add(latency);
            measured.latency.add_duration(latency);
        });
    }

    /// The store has written a commit.
    pub(crate) fn note_commit(&self, took: Duration, bytes: usize) {
        self.with(|measured| {
            measured.commit_times.add(took);
            measured.commit_time.add_duration(took);
            measured.commit_size.add_bytes(bytes);
            measured.commit_bytes += bytes as u64;
        });
    }

    /// The run was restored.
    pub(crate) fn note_restart(&self) {
        self.with(|measured| measured.restarts += 1);
    }

    pub(crate) fn with<T>(&self, does: impl FnOnce(&mut Measured) -> T) -> T {
        // It is right at every moment, so a panic elsewhere does not matter.
        does(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

//! Who coordinates a run at present, and what is known of the run where nobody does.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use ractor::ActorRef;

use super::actors::CoordinatorMessage;
use super::report::{RunError, Summary};
use super::stats::RunStats;
use super::supervisor::with_sources;

/// A coordinator that does not answer within this time has too much to do, or is gone.
const ANSWER: Duration = Duration::from_secs(1);

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "name", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// It runs, or is stopping.
    Running,
    /// It has failed, and is being restored from its last commit.
    Restoring {
        /// Why it failed.
        error: String,
    },
    /// It has ended.
    Ended {
        /// Why; none where it ended well.
        error: Option<String>,
    },
}

/// How a run stands, and what it has done.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[non_exhaustive]
pub struct Seen {
    /// How it stands.
    pub phase: Phase,
    /// What it has done: now while it runs; afterwards, and while it is being restored, what it
    /// had done at that moment.
    pub stats: RunStats,
}

/// Shared by the user of a run, by those who watch it, by the signals and by the thread of the run,
/// hence the lock.
#[derive(Clone)]
pub(super) struct Control(Arc<Mutex<Controlled>>);

struct Controlled {
    /// None while the run is being restored, and after its end.
    coordinator: Option<ActorRef<CoordinatorMessage>>,
    /// How often a stop was asked for.
    stops: u32,
    phase: Phase,
    /// The latest that is known.
    stats: RunStats,
}

impl Control {
    /// Of a run that begins with these statistics.
    pub(super) fn new(stats: RunStats) -> Self {
        Self(Arc::new(Mutex::new(Controlled {
            coordinator: None,
            stops: 0,
            phase: Phase::Running,
            stats,
        })))
    }

    fn with<T>(&self, change: impl FnOnce(&mut Controlled) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Asks for a graceful stop, and the second time for one at once.
    pub(super) fn stop(&self) {
        self.with(|controlled| {
            controlled.stops += 1;
            if let Some(coordinator) = &controlled.coordinator {
                // Where it is gone the run has ended already.
                let _ = coordinator.cast(CoordinatorMessage::Stop);
            }
        });
    }

    pub(super) fn stops(&self) -> u32 {
        self.with(|controlled| controlled.stops)
    }

    /// Another coordinator is there; it hears of the stops before its time.
    pub(super) fn pass_to(&self, coordinator: ActorRef<CoordinatorMessage>) {
        self.with(|controlled| {
            for _ in 0..controlled.stops {
                let _ = coordinator.cast(CoordinatorMessage::Stop);
            }
            controlled.coordinator = Some(coordinator);
            controlled.phase = Phase::Running;
        });
    }

    /// The coordinator is gone, and has left these statistics.
    pub(super) fn left(&self, stats: Option<RunStats>) {
        self.with(|controlled| {
            controlled.coordinator = None;
            if let Some(stats) = stats {
                controlled.stats = stats;
            }
        });
    }

    /// The run has failed, and is going to be restored.
    pub(super) fn restores(&self, error: &RunError) {
        let error = with_sources(error);
        self.with(|controlled| controlled.phase = Phase::Restoring { error });
    }

    /// The run has ended.
    pub(super) fn end(&self, result: &Result<Summary, RunError>) {
        let error = result.as_ref().err().map(with_sources);
        self.with(|controlled| {
            controlled.coordinator = None;
            controlled.phase = Phase::Ended { error };
            if let Ok(summary) = result {
                controlled.stats.clone_from(&summary.stats);
            }
        });
    }

    /// What the coordinator says; none where there is none.
    pub(super) fn ask(&self) -> Option<RunStats> {
        let (reply, stats) = mpsc::sync_channel(1);
        let coordinator = self.with(|controlled| controlled.coordinator.clone())?;
        coordinator.cast(CoordinatorMessage::Stats(reply)).ok()?;
        stats.recv_timeout(ANSWER).ok()
    }

    /// What the coordinator says, or what is known otherwise.
    pub(super) fn see(&self) -> Seen {
        let said = self.ask();
        self.with(|controlled| {
            // What a coordinator has said before it went is older than what it has left.
            if let (Some(said), Some(_)) = (said, &controlled.coordinator) {
                controlled.stats = said;
            }
            Seen {
                phase: controlled.phase.clone(),
                stats: controlled.stats.clone(),
            }
        })
    }
}

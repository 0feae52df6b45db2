//! An actor on a thread of its own, and its timer.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ractor::{Actor, ActorRef};

use crate::runtime::report::RunError;

/// The one timer of an actor.
pub(super) struct Timer {
    at: Duration,
    running: tokio::task::AbortHandle,
}

impl Timer {
    /// Sets the timer to a time, unless it is set to an earlier one.
    pub(super) fn set(
        timer: &mut Option<Self>,
        at: Duration,
        start: impl FnOnce() -> tokio::task::AbortHandle,
    ) {
        if timer.as_ref().is_some_and(|timer| timer.at <= at) {
            return;
        }
        let running = start();
        if let Some(later) = timer.replace(Self { at, running }) {
            later.running.abort();
        }
    }
}

/// Runs one actor on this thread until it stops.
fn run_actor<A: Actor>(
    actor: A,
    arguments: A::Arguments,
    started: &mpsc::SyncSender<Option<ActorRef<A::Msg>>>,
) {
    // Timers alone: a thread that waits is woken by less.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let Ok(runtime) = runtime else {
        let _ = started.send(None);
        return;
    };
    runtime.block_on(async {
        match Actor::spawn(None, actor, arguments).await {
            Ok((reference, handle)) => {
                let _ = started.send(Some(reference));
                // The actor's own failures have been reported by its handler.
                let _ = handle.await;
            }
            Err(_) => drop(started.send(None)),
        }
    });
}

pub(super) fn spawn_actor<A: Actor>(
    name: String,
    actor: A,
    arguments: A::Arguments,
) -> Result<ActorRef<A::Msg>, RunError> {
    let (started, starts) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name(name)
        .spawn(move || run_actor(actor, arguments, &started))
        .map_err(RunError::Thread)?;
    let reference = starts.recv().ok().flatten();
    reference.ok_or_else(|| RunError::Thread(std::io::Error::other("no runtime for an actor")))
}

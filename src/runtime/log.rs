//! What the runtime writes to the log.

use crate::batch::{AnyBatch, Batch};
use crate::text::Shown;
use crate::tuple::DeadLetter;

/// How many dead letters that nobody reads each task logs; the rest is counted only.
const LOGGED: u64 = 10;

/// Logs dead letters that nobody reads; `before` is how many the task had earlier.
pub(super) fn dead_letters(batch: &mut dyn AnyBatch, before: u64) {
    let Some(batch) = batch.as_any().downcast_ref::<Batch<DeadLetter>>() else {
        return;
    };
    for (number, letter) in (before + 1..).zip(&batch.tuples) {
        if number > LOGGED {
            return;
        }
        let DeadLetter { source, reason, .. } = letter;
        let line = letter
            .line
            .map(|line| format!(":{line}"))
            .unwrap_or_default();
        let (source, reason) = (Shown(source), Shown(reason));
        tracing::warn!("dead letter from {source}{line}: {reason}");
        if number == LOGGED {
            tracing::warn!("further dead letters of this task are counted, not logged");
        }
    }
}

//! What the runtime writes to the log.

use crate::batch::{AnyBatch, Batch};
use crate::tuple::DeadLetter;

/// Dead letters that nobody reads.
pub(super) fn dead_letters(batch: &mut dyn AnyBatch) {
    let Some(batch) = batch.as_any().downcast_ref::<Batch<DeadLetter>>() else {
        return;
    };
    for letter in &batch.tuples {
        let DeadLetter { source, reason, .. } = letter;
        let line = letter
            .line
            .map(|line| format!(":{line}"))
            .unwrap_or_default();
        tracing::warn!("dead letter from {source}{line}: {reason}");
    }
}

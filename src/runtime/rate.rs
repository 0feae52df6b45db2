//! A limit on the tuples per second of a spout, over all of its tasks together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The generic cell rate algorithm: one number says when the next tuple is due.
///
/// The tasks of a spout share it, so that the whole rate is used where only some of them
/// have input. The atomic is that sharing: two tasks that pass at the same moment are both
/// charged, so the average holds.
#[derive(Debug)]
pub(crate) struct RateLimit {
    nanos_per_tuple: f64,
    due_nanos: AtomicU64,
}

/// Unused time that may be caught up on.
const BURST: Duration = Duration::from_millis(10);

impl RateLimit {
    /// At most `rate` tuples per second; above zero.
    pub(crate) fn per_second(rate: f64) -> Self {
        Self {
            nanos_per_tuple: 1e9 / rate,
            due_nanos: AtomicU64::new(0),
        }
    }

    /// How many tuples may be emitted now; where none, when the next one is due.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    pub(crate) fn allowance(&self, now: Duration) -> Result<usize, Duration> {
        let due = Duration::from_nanos(self.due_nanos.load(Ordering::Relaxed));
        if due > now {
            return Err(due);
        }
        let unused = now.saturating_sub(due).min(BURST).as_nanos() as f64;
        Ok(1_usize.saturating_add((unused / self.nanos_per_tuple) as usize))
    }

    /// Notes that `tuples` were emitted.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss
    )]
    pub(crate) fn charge(&self, tuples: usize, now: Duration) {
        let earliest = now.saturating_sub(BURST).as_nanos() as u64;
        let cost = (tuples as f64 * self.nanos_per_tuple) as u64;
        let charge = |due: u64| Some(due.max(earliest).saturating_add(cost));
        // The closure always gives a value, so the update cannot fail.
        let _ = self
            .due_nanos
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, charge);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_holds_whatever_the_portions() {
        let limit = RateLimit::per_second(1_000.0);
        let (mut now, mut emitted) = (Duration::ZERO, 0);
        while now < Duration::from_secs(2) {
            match limit.allowance(now) {
                Ok(_) => {
                    emitted += 7;
                    limit.charge(7, now);
                }
                Err(due) => now = due,
            }
        }
        assert!((1_990..=2_020).contains(&emitted), "{emitted}");
    }
}

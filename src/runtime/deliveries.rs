//! How far behind the cuts each sink has delivered.

use std::collections::VecDeque;
use std::time::Duration;

/// So many cuts are remembered that some sink has not delivered. Where a target is away for long,
/// every second one is forgotten, but never the oldest.
const MAX_CUTS: usize = 1_024;

/// The cuts that not all sinks have delivered, with their times.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    cuts: VecDeque<(u64, Duration)>,
}

impl Deliveries {
    /// An epoch was cut.
    pub(super) fn cut(&mut self, epoch: u64, at: Duration) {
        if self.cuts.len() >= MAX_CUTS {
            let mut keeps = false;
            self.cuts.retain(|_| {
                keeps = !keeps;
                keeps
            });
        }
        self.cuts.push_back((epoch, at));
    }

    /// All sinks have delivered what was cut until this epoch.
    pub(super) fn delivered(&mut self, epoch: u64) {
        while self.cuts.pop_front_if(|(cut, _)| *cut <= epoch).is_some() {}
    }

    /// How long ago the oldest epoch was cut that a sink has not delivered, which has delivered all
    /// until this one.
    pub(super) fn delay(&self, delivered: u64, now: Duration) -> Duration {
        let mut cuts = self.cuts.iter();
        let oldest = cuts.find(|(cut, _)| *cut > delivered);
        oldest.map_or(Duration::ZERO, |(_, at)| now.saturating_sub(*at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::secs;

    #[test]
    fn a_delay_is_that_of_the_oldest_cut_that_is_not_delivered() {
        let mut deliveries = Deliveries::default();
        assert_eq!(deliveries.delay(0, secs(9)), secs(0), "nothing was cut");
        for epoch in 1..=3 {
            deliveries.cut(epoch, secs(epoch));
        }
        let delays = [0, 1, 3].map(|delivered| deliveries.delay(delivered, secs(10)));
        assert_eq!(delays, [secs(9), secs(8), secs(0)]);
        deliveries.delivered(2);
        assert_eq!(deliveries.delay(2, secs(10)), secs(7));
    }

    #[test]
    fn a_target_that_is_away_for_days_takes_no_memory_and_keeps_its_delay() {
        let mut deliveries = Deliveries::default();
        let days = 3 * 86_400;
        for epoch in 1..=days {
            deliveries.cut(epoch, secs(epoch));
        }
        assert!(deliveries.cuts.len() <= MAX_CUTS);
        assert_eq!(deliveries.delay(0, secs(days)), secs(days - 1));
    }
}

//! Counts tuples before they are sent.

mod counts;

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::edge::Combining;
use crate::batch::{Batch, Combined};
use crate::key::KeyValue;
use crate::time::Timestamp;
use counts::{AT_ONCE, Counts};

/// As many as a count can hold.
const MAX_TUPLES: u64 = u32::MAX as u64;

/// Fewer tuples say nothing about whether it pays.
const TELLING_TUPLES: u64 = 1_024;

/// With fewer tuples than so many for each key combining costs more than it saves.
const PAYS_FROM: u64 = 2;

/// Where it did not pay so often in a row, it is left for so many tuples.
const TRIALS: u32 = 4;
const PAUSE_TUPLES: u64 = 1 << 20;

/// The counts of the keys that were sent to one reader in one pane, since the last flush.
///
/// What Trident calls a `CombinerAggregator`, for counts.
pub(super) struct Combiner<K> {
    combining: Combining,
    counts: Counts<K>,
    /// The times of the pane; none before the first tuple.
    pane: RangeInclusive<Timestamp>,
    /// The greatest time of a tuple.
    latest: Timestamp,
    tuples: u64,
    trial: Trial,
}

/// Whether combining pays, as far as that was tried.
#[derive(Default)]
pub(super) struct Trial {
    /// How often in a row it did not pay.
    failed: u32,
    /// So many tuples are sent as they are.
    pause: u64,
}

impl Trial {
    /// Whether the next tuples are sent as they are.
    pub(super) fn rests(&mut self, tuples: usize) -> bool {
        let rests = self.pause > 0;
        self.pause = self.pause.saturating_sub(tuples as u64);
        rests
    }

    /// So many tuples have become so many.
    pub(super) fn judge(&mut self, tuples: u64, keys: usize) {
        if tuples < TELLING_TUPLES {
            return;
        }
        if tuples >= PAYS_FROM * keys as u64 {
            self.failed = 0;
            return;
        }
        self.failed += 1;
        if self.failed >= TRIALS {
            self.failed = 0;
            self.pause = PAUSE_TUPLES;
        }
    }
}

/// The times of the pane that a time falls into; none where it belongs to no pane.
pub(super) fn pane_of(time: Timestamp, combining: Combining) -> Option<RangeInclusive<Timestamp>> {
    if time == Timestamp::MIN || time == Timestamp::MAX {
        return None;
    }
    Some(match combining.pane_ms {
        Some(length) => {
            let first = time.millis().div_euclid(length).saturating_mul(length);
            let first = Timestamp::from_millis(first);
            first..=first.forward(length - 1)
        }
        None => Timestamp::MIN..=Timestamp::MAX,
    })
}

const NO_TIMES: RangeInclusive<Timestamp> = Timestamp::MAX..=Timestamp::MIN;

impl<K: KeyValue> Combiner<K> {
    /// For a reader with so many tasks.
    pub(super) fn new(combining: Combining, tasks: usize) -> Self {
        Self {
            combining,
            counts: Counts::new(tasks),
            pane: NO_TIMES,
            latest: Timestamp::MIN,
            tuples: 0,
            trial: Trial::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tuples == 0
    }

    /// Whether it takes the next tuples at all.
    pub(super) fn rests(&mut self, tuples: usize) -> bool {
        self.trial.rests(tuples)
    }

    /// Whether a time lies in the pane at hand.
    #[inline]
    pub(super) fn is_at(&self, time: Timestamp) -> bool {
        self.pane.contains(&time)
    }

    /// Goes on to the pane of this time; says whether there is one. What was counted before
    /// must have been taken out.
    pub(super) fn go_to(&mut self, time: Timestamp) -> bool {
        debug_assert!(self.is_empty(), "two panes are not mixed");
        let Some(pane) = pane_of(time, self.combining) else {
            return false;
        };
        self.pane = pane;
        true
    }

    /// How many more tuples it takes before it must be emptied.
    pub(super) fn room(&self) -> usize {
        let of_tuples = MAX_TUPLES.saturating_sub(self.tuples);
        let of_tuples = usize::try_from(of_tuples).unwrap_or(usize::MAX);
        self.counts.room().min(of_tuples)
    }

    /// Counts tuples of the pane at hand, `latest` the greatest of their times.
    pub(super) fn add_all<'t, T>(
        &mut self,
        tuples: &'t [T],
        key: impl Fn(&'t T) -> Cow<'t, K>,
        latest: Timestamp,
    ) where
        K: 't,
    {
        let mut hashes = [0; AT_ONCE];
        for tuples in tuples.chunks(AT_ONCE) {
            let hashes = &mut hashes[..tuples.len()];
            hash_all(hashes, tuples, &key);
            self.counts.add_all(hashes, tuples.iter().map(&key));
        }
        self.tuples += tuples.len() as u64;
        self.latest = self.latest.max(latest);
    }

    /// What was counted is taken out next: the time to send it with.
    pub(super) fn end(&mut self) -> Timestamp {
        if !self.combining.always {
            self.trial.judge(self.tuples, self.counts.len());
        }
        self.tuples = 0;
        std::mem::replace(&mut self.latest, Timestamp::MIN)
    }

    /// Takes at most so many keys of a task of the reader out into a batch, without a time; gives
    /// how many that were, and how many tuples they stand for.
    pub(super) fn take(
        &mut self,
        task: usize,
        most: usize,
        batch: &mut Batch<Combined<K>>,
    ) -> (usize, u64) {
        self.counts.take(task, most, batch)
    }
}

/// The routing hashes of the keys of tuples.
// Not inlined: see `counts`.
#[inline(never)]
fn hash_all<'t, K: KeyValue, T>(
    hashes: &mut [u64],
    tuples: &'t [T],
    key: &impl Fn(&'t T) -> Cow<'t, K>,
) {
    for (hash, tuple) in hashes.iter_mut().zip(tuples) {
        *hash = match key(tuple) {
            Cow::Borrowed(key) => key.route_hash(),
            Cow::Owned(key) => key.route_hash(),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMBINING: Combining = Combining {
        pane_ms: Some(10),
        always: false,
    };

    const TASKS: usize = 3;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn add(combiner: &mut Combiner<u64>, keys: &[u64], time: i64) {
        combiner.add_all(keys, Cow::Borrowed, at(time));
    }

    fn drained(combiner: &mut Combiner<u64>) -> Vec<(u64, u64, i64)> {
        let (mut drained, time) = (Vec::new(), combiner.end().millis());
        for task in 0..TASKS {
            let mut batch = Batch::default();
            // One by one.
            while combiner.take(task, 1, &mut batch).0 > 0 {}
            let taken = batch.tuples.into_iter();
            drained.extend(taken.map(|Combined { key, count }| (key, count, time)));
        }
        drained.sort_unstable();
        drained
    }

    #[test]
    fn tuples_of_a_key_become_their_number() {
        let mut combiner = Combiner::new(COMBINING, TASKS);
        assert!(!combiner.is_at(at(14)));
        assert!(combiner.go_to(at(14)));
        assert!(combiner.is_at(at(10)) && combiner.is_at(at(19)) && !combiner.is_at(at(20)));
        add(&mut combiner, &[7, 8, 7], 12);
        add(&mut combiner, &[7], 11);
        assert_eq!(drained(&mut combiner), [(7, 3, 12), (8, 1, 12)]);
        assert!(combiner.is_empty());
        assert_eq!(drained(&mut combiner), []);
        assert!(!combiner.go_to(Timestamp::MIN) && !combiner.go_to(Timestamp::MAX));
    }

    #[test]
    fn where_it_does_not_pay_it_rests() {
        let different: Vec<u64> = (0..2_000).collect();
        let mut combiner = Combiner::new(COMBINING, TASKS);
        let always = Combining {
            always: true,
            ..COMBINING
        };
        let mut always = Combiner::new(always, TASKS);
        for _ in 0..TRIALS {
            for combiner in [&mut combiner, &mut always] {
                assert!(!combiner.rests(2_000));
                add(combiner, &different, 0);
                assert_eq!(drained(combiner).len(), 2_000);
            }
        }
        assert!(!always.rests(1_000));
        assert!(combiner.rests(1 << 20));
        assert!(!combiner.rests(1), "it is tried again");
    }
}

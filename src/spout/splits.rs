//! The times of a spout's splits: what is late, and how far the watermark has come.

use std::time::Duration;

use crate::time::Timestamp;

/// A split of a spout's input; made by [`SpoutOut::open_split`](crate::SpoutOut::open_split).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitId(usize);

/// How far a spout has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) watermark: Timestamp,
    /// Nothing is coming at present: the watermark may follow those of the other spouts.
    pub(crate) idle: bool,
}

#[derive(Clone, Copy, Debug)]
struct Split {
    greatest: Timestamp,
    read: bool,
    idle: bool,
}

/// All splits of one spout task.
#[derive(Debug)]
pub(crate) struct Splits {
    lateness_ms: i64,
    splits: Vec<Option<Split>>,
    open: usize,
    watermark: Timestamp,
}

impl Splits {
    pub(crate) fn new(lateness: Duration) -> Self {
        Self {
            lateness_ms: i64::try_from(lateness.as_millis()).unwrap_or(i64::MAX),
            splits: Vec::new(),
            open: 0,
            watermark: Timestamp::MIN,
        }
    }

    pub(crate) fn open(&mut self, first: Option<Timestamp>) -> SplitId {
        self.splits.push(Some(Split {
            greatest: first.unwrap_or(Timestamp::MIN),
            read: false,
            idle: false,
        }));
        self.open += 1;
        SplitId(self.splits.len() - 1)
    }

    /// Notes a record's time; says whether the record is late: below the greatest earlier
    /// time of its own split minus the allowed lateness.
    #[inline]
    pub(crate) fn record(&mut self, id: SplitId, time: Timestamp) -> bool {
        let Some(split) = &mut self.splits[id.0] else {
            return true;
        };
        split.idle = false;
        let late = split.read && time < split.greatest.back(self.lateness_ms);
        if split.read {
            split.greatest = split.greatest.max(time);
        } else {
            split.read = true;
            split.greatest = time;
        }
        late
    }

    pub(crate) fn close(&mut self, id: SplitId) {
        if self.open == 1 {
            // How far the last one came is what idle spouts may follow.
            self.progress();
        }
        if self.splits[id.0].take().is_some() {
            self.open -= 1;
        }
    }

    pub(crate) fn idle(&mut self, id: SplitId) {
        if let Some(split) = &mut self.splits[id.0] {
            split.idle = true;
        }
    }

    /// The other spouts have come so far: where all splits are idle, the watermark follows.
    pub(crate) fn follow(&mut self, floor: Timestamp) {
        if self.all_idle() {
            self.watermark = self.watermark.max(floor);
        }
    }

    fn all_idle(&self) -> bool {
        self.open > 0 && self.splits.iter().flatten().all(|split| split.idle)
    }

    /// The least watermark of the splits that are open and not idle, never less than
    /// before.
    ///
    /// Closed splits do not make an end: the spout says that itself.
    pub(crate) fn progress(&mut self) -> Progress {
        let lateness_ms = self.lateness_ms;
        let active = self.splits.iter().flatten().filter(|split| !split.idle);
        if let Some(least) = active.map(|split| split.greatest.back(lateness_ms)).min() {
            self.watermark = self.watermark.max(least);
        }
        Progress {
            watermark: self.watermark,
            idle: self.all_idle(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn late_is_decided_within_a_split() {
        let mut splits = Splits::new(Duration::from_millis(5));
        let (a, b) = (splits.open(None), splits.open(None));
        assert!(!splits.record(a, at(100)));
        assert!(
            !splits.record(b, at(1)),
            "another split's times do not count"
        );
        assert!(!splits.record(a, at(95)));
        assert!(splits.record(a, at(94)));
        assert_eq!(splits.progress().watermark, at(-4));
    }

    #[test]
    fn an_unread_split_holds_the_watermark_at_its_first_record() {
        let mut splits = Splits::new(Duration::ZERO);
        let a = splits.open(Some(at(10)));
        let b = splits.open(Some(at(50)));
        splits.record(a, at(10));
        splits.record(a, at(90));
        assert_eq!(splits.progress().watermark, at(50));
        splits.close(a);
        splits.record(b, at(50));
        splits.record(b, at(95));
        assert_eq!(splits.progress().watermark, at(95));
    }

    #[test]
    fn an_idle_spout_follows_the_others() {
        let mut splits = Splits::new(Duration::ZERO);
        let split = splits.open(None);
        splits.follow(at(7));
        assert_eq!(splits.progress().watermark, Timestamp::MIN, "not idle");
        splits.idle(split);
        splits.follow(at(7));
        let progress = splits.progress();
        assert_eq!((progress.watermark, progress.idle), (at(7), true));
    }

    #[test]
    fn an_idle_split_is_left_out_until_its_next_record() {
        let mut splits = Splits::new(Duration::ZERO);
        let (a, b) = (splits.open(None), splits.open(None));
        splits.record(a, at(10));
        splits.record(b, at(20));
        assert_eq!(splits.progress().watermark, at(10));
        splits.idle(a);
        assert_eq!(splits.progress().watermark, at(20));
        splits.idle(b);
        assert!(splits.progress().idle);
        splits.record(a, at(15));
        let progress = splits.progress();
        assert_eq!(
            (progress.watermark, progress.idle),
            (at(20), false),
            "never goes back"
        );
    }
}

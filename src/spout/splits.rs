//! The times of a spout's splits: what is late, and how far the watermark has come.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::state::{AcrossTasks, Changes, Entry, Shape, State, StoredUnit};
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

#[derive(Debug)]
struct Split {
    name: String,
    greatest: Timestamp,
    read: bool,
    /// Since the last commit.
    changed: bool,
    /// Its time in [`Splits::order`]; none where it is idle.
    listed: Option<Timestamp>,
    /// Something was read of it since the order was brought up, so that it is not idle.
    touched: bool,
}

/// What is stored of a split: the greatest time that was read of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stored {
    greatest: Timestamp,
}

/// The name under which the spout's own watermark is stored. No split has it: those of
/// users begin with another character.
const WATERMARK: &str = "\u{0}watermark";

/// All splits of one spout task.
#[derive(Debug)]
pub(crate) struct Splits {
    lateness_ms: i64,
    splits: Vec<Option<Split>>,
    open: usize,
    /// The splits that are open and not idle, by their greatest times as they were when the order
    /// was brought up: with tens of thousands of splits the least one is not searched for.
    order: BTreeSet<(Timestamp, usize)>,
    /// Those whose times have changed since.
    touched: Vec<usize>,
    watermark: Timestamp,
    /// The splits that are not open, as they are stored.
    closed: BTreeMap<String, Stored>,
    /// Those of them that have changed since the last commit.
    newly_closed: Vec<String>,
    /// Also where nothing is known yet: with another number of tasks that holds for all.
    watermark_saved: Option<Timestamp>,
    tracked: bool,
}

impl Splits {
    pub(crate) fn new(lateness: Duration) -> Self {
        Self {
            lateness_ms: i64::try_from(lateness.as_millis()).unwrap_or(i64::MAX),
            splits: Vec::new(),
            open: 0,
            order: BTreeSet::new(),
            touched: Vec::new(),
            watermark: Timestamp::MIN,
            closed: BTreeMap::new(),
            newly_closed: Vec::new(),
            watermark_saved: None,
            tracked: false,
        }
    }

    pub(crate) fn open(&mut self, name: &str, first: Option<Timestamp>) -> SplitId {
        let before = self.closed.remove(name);
        let greatest = before.map(|stored| stored.greatest).or(first);
        let greatest = greatest.unwrap_or(Timestamp::MIN);
        self.order.insert((greatest, self.splits.len()));
        self.splits.push(Some(Split {
            name: name.to_owned(),
            greatest,
            read: before.is_some(),
            changed: false,
            listed: Some(greatest),
            touched: false,
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
        split.changed = true;
        if !split.touched {
            split.touched = true;
            self.touched.push(id.0);
        }
        let late = split.read && time < split.greatest.back(self.lateness_ms);
        if split.read {
            split.greatest = split.greatest.max(time);
        } else {
            split.read = true;
            split.greatest = time;
        }
        late
    }

    /// By how much a time is before the greatest of the split, in milliseconds.
    pub(crate) fn behind_ms(&self, id: SplitId, time: Timestamp) -> u64 {
        let split = self.splits.get(id.0).and_then(Option::as_ref);
        let behind = split.map(|split| split.greatest.millis().saturating_sub(time.millis()));
        behind.and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0)
    }

    pub(crate) fn close(&mut self, id: SplitId) {
        if self.open == 1 {
            // How far the last one came is what idle spouts may follow.
            self.progress();
        }
        if let Some(split) = self.splits[id.0].take() {
            self.open -= 1;
            if let Some(listed) = split.listed {
                self.order.remove(&(listed, id.0));
            }
            if self.tracked && split.read {
                let greatest = split.greatest;
                self.newly_closed.push(split.name.clone());
                self.closed.insert(split.name, Stored { greatest });
            }
        }
    }

    pub(crate) fn idle(&mut self, id: SplitId) {
        if let Some(split) = &mut self.splits[id.0] {
            split.touched = false;
            if let Some(listed) = split.listed.take() {
                self.order.remove(&(listed, id.0));
            }
        }
    }

    /// Something may come of a split that was idle: it holds the watermark again.
    pub(crate) fn expect(&mut self, id: SplitId) {
        if let Some(split) = &mut self.splits[id.0]
            && split.listed.is_none()
            && !split.touched
        {
            split.listed = Some(split.greatest);
            self.order.insert((split.greatest, id.0));
        }
    }

    /// Brings the order up to what was read.
    fn bring_up(&mut self) {
        for id in self.touched.drain(..) {
            let Some(split) = &mut self.splits[id] else {
                continue;
            };
            let touched = std::mem::take(&mut split.touched);
            if !touched || split.listed == Some(split.greatest) {
                continue;
            }
            if let Some(listed) = split.listed.replace(split.greatest) {
                self.order.remove(&(listed, id));
            }
            self.order.insert((split.greatest, id));
        }
    }

    /// The other spouts have come so far: where all splits are idle, the watermark follows.
    pub(crate) fn follow(&mut self, floor: Timestamp) {
        self.bring_up();
        if self.all_idle() {
            self.watermark = self.watermark.max(floor);
        }
    }

    fn all_idle(&self) -> bool {
        self.open > 0 && self.order.is_empty()
    }

    /// The least watermark of the splits that are open and not idle, never less than
    /// before.
    ///
    /// Closed splits do not make an end: the spout says that itself.
    pub(crate) fn progress(&mut self) -> Progress {
        self.bring_up();
        if let Some((greatest, _)) = self.order.first() {
            self.watermark = self.watermark.max(greatest.back(self.lateness_ms));
        }
        Progress {
            watermark: self.watermark,
            idle: self.all_idle(),
        }
    }
}

impl State for Splits {
    fn shape(&self) -> Shape {
        Shape {
            kind: "record of times of splits".to_owned(),
            key: "String".to_owned(),
            value: "Timestamp".to_owned(),
            by_key: false,
            tasks: AcrossTasks::Shared,
        }
    }

    fn track(&mut self) {
        self.tracked = true;
    }

    fn save(&mut self, changes: &mut Changes) -> Result {
        let whole = changes.is_whole(0);
        if whole {
            for (name, stored) in &self.closed {
                changes.put(0, name, stored)?;
            }
        } else {
            for name in &self.newly_closed {
                if let Some(stored) = self.closed.get(name) {
                    changes.put(0, name, stored)?;
                }
            }
        }
        self.newly_closed.clear();
        for split in self.splits.iter_mut().flatten() {
            if (std::mem::take(&mut split.changed) || whole) && split.read {
                let greatest = split.greatest;
                changes.put(0, &split.name, &Stored { greatest })?;
            }
        }
        if whole || self.watermark_saved != Some(self.watermark) {
            self.watermark_saved = Some(self.watermark);
            let greatest = self.watermark;
            changes.put(0, WATERMARK, &Stored { greatest })?;
        }
        Ok(())
    }

    fn load(&mut self, unit: &StoredUnit<'_>) -> Result {
        let mut watermark = None;
        unit.each(|entry: Entry<(), String, Stored>| {
            if let Entry::Put(_, name, stored) = entry {
                if name == WATERMARK {
                    watermark = Some(stored.greatest);
                } else {
                    let known = self.closed.entry(name).or_insert(stored);
                    known.greatest = known.greatest.max(stored.greatest);
                }
            }
            Ok(())
        })?;
        if let Some(watermark) = watermark {
            // The task that was furthest behind says what is late for all.
            self.watermark = if unit.merges() {
                self.watermark.min(watermark)
            } else {
                watermark
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What a look at all splits gives, the order gives without one.
        #[test]
        fn the_least_of_all_splits_is_known_whatever_happens_to_them(
            steps in prop::collection::vec((0_u8..8, any::<usize>(), 0_i64..90), 1..200),
        ) {
            let mut splits = Splits::new(Duration::from_millis(5));
            let (mut ids, mut quiet) = (Vec::new(), BTreeSet::new());
            let mut watermark = Timestamp::MIN;
            for (step, which, time) in steps {
                let id = (!ids.is_empty()).then(|| ids[which % ids.len()]);
                match (step, id) {
                    (0, _) | (_, None) => {
                        let first = (time % 3 > 0).then(|| at(time));
                        ids.push(splits.open(&ids.len().to_string(), first));
                    }
                    (1, Some(id)) => {
                        splits.idle(id);
                        quiet.insert(id.0);
                    }
                    (2, Some(id)) if splits.open > 1 => splits.close(id),
                    (3, Some(id)) => {
                        splits.expect(id);
                        quiet.remove(&id.0);
                    }
                    (_, Some(id)) => {
                        splits.record(id, at(time));
                        quiet.remove(&id.0);
                    }
                }
                let open = || (0..).zip(&splits.splits).filter_map(|(id, split)| {
                    Some((id, split.as_ref()?.greatest))
                });
                let active = open().filter(|(id, _)| !quiet.contains(id));
                let least = active.map(|(_, greatest)| greatest.back(5)).min();
                let idle = open().count() > 0 && least.is_none();
                if step > 5 {
                    watermark = watermark.max(least.unwrap_or(Timestamp::MIN));
                    if idle && step == 7 {
                        splits.follow(at(time));
                        watermark = watermark.max(at(time));
                    }
                    let progress = splits.progress();
                    prop_assert_eq!((progress.watermark, progress.idle), (watermark, idle));
                }
            }
        }
    }

    /// Each look at how far a spout has come went through all splits that it ever had.
    #[test]
    fn files_that_are_read_one_after_the_other_are_not_looked_at_again() {
        let mut splits = Splits::new(Duration::ZERO);
        let ids: Vec<_> = (0..1_000)
            .map(|n| splits.open(&n.to_string(), Some(at(n))))
            .collect();
        for (n, id) in (0..).zip(ids) {
            for millis in 0..3 {
                splits.record(id, at(n + millis * 10_000));
                assert_eq!(splits.touched.len(), 1);
                splits.progress();
                assert!(splits.touched.is_empty());
            }
            splits.close(id);
            let left = 999 - usize::try_from(n).unwrap();
            assert_eq!((splits.order.len(), splits.open), (left, left));
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn late_is_decided_within_a_split() {
        let mut splits = Splits::new(Duration::from_millis(5));
        let (a, b) = (splits.open("1", None), splits.open("2", None));
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
        let a = splits.open("3", Some(at(10)));
        let b = splits.open("4", Some(at(50)));
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
        let split = splits.open("5", None);
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
        let (a, b) = (splits.open("6", None), splits.open("7", None));
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

//! The times of a spout's splits: what is late, and how far the watermark has come.

use std::collections::BTreeMap;
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
    idle: bool,
    /// Since the last commit.
    changed: bool,
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
        self.splits.push(Some(Split {
            name: name.to_owned(),
            greatest: greatest.unwrap_or(Timestamp::MIN),
            read: before.is_some(),
            idle: false,
            changed: false,
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
        split.changed = true;
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
        if let Some(split) = self.splits[id.0].take() {
            self.open -= 1;
            if self.tracked && split.read {
                let greatest = split.greatest;
                self.newly_closed.push(split.name.clone());
                self.closed.insert(split.name, Stored { greatest });
            }
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
    use super::*;

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

//! A batch: the tuples of one message, of one type, with their times.

use std::any::Any;

use crate::time::Timestamp;

/// Tuples of one type with what is known of each beside its fields.
#[derive(Debug)]
pub struct Batch<T> {
    pub tuples: Vec<T>,
    pub columns: Columns,
}

/// Times and marks of a batch's tuples.
///
/// Neighbours mostly share a time, by processing time all do, so times are kept as runs.
#[derive(Debug, Default)]
pub struct Columns {
    runs: Vec<Run>,
    /// Empty, or one receiving task for each tuple up to the last addressed one.
    targets: Vec<u32>,
}

/// Neighbouring tuples of one time.
#[derive(Clone, Copy, Debug)]
struct Run {
    time: Timestamp,
    late: bool,
    /// The position of the first one.
    start: u32,
}

/// The mark of a tuple that was not emitted to a task by name.
const NO_TARGET: u32 = u32::MAX;

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self {
            tuples: Vec::new(),
            columns: Columns::default(),
        }
    }
}

impl<T> Batch<T> {
    #[inline]
    pub fn push(&mut self, tuple: T, time: Timestamp, late: bool) {
        let run = self.columns.runs.last();
        if run.is_none_or(|run| run.time != time || run.late != late) {
            self.columns.runs.push(Run {
                time,
                late,
                start: position(self.tuples.len()),
            });
        }
        self.tuples.push(tuple);
    }

    /// Addresses the tuple that was pushed last to one task of the readers.
    pub fn address(&mut self, task: usize) {
        let targets = &mut self.columns.targets;
        targets.resize(self.tuples.len() - 1, NO_TARGET);
        targets.push(position(task).min(NO_TARGET - 1));
    }

    pub fn clear(&mut self) {
        self.tuples.clear();
        self.columns.clear();
    }
}

impl Columns {
    /// The runs of a batch of this many tuples, in order: how many tuples each has, their
    /// time, and whether they are late.
    pub fn runs(&self, tuples: usize) -> impl Iterator<Item = (usize, Timestamp, bool)> {
        let ends = self.runs.iter().skip(1).map(|run| run.start as usize);
        let ends = ends.chain(std::iter::once(tuples));
        let runs = self.runs.iter().zip(ends);
        runs.map(|(run, end)| (end - run.start as usize, run.time, run.late))
    }

    /// The task that the emitter named.
    #[inline]
    pub fn target(&self, index: usize) -> Option<usize> {
        let target = *self.targets.get(index)?;
        (target != NO_TARGET).then_some(target as usize)
    }

    /// Forgets everything after the tuples have been moved out.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.targets.clear();
    }
}

fn position(index: usize) -> u32 {
    // 2^32 tuples of one byte do not fit the batches that tasks exchange.
    u32::try_from(index).unwrap_or(NO_TARGET)
}

/// A batch whose tuple type is known to sender and receiver alone.
pub trait AnyBatch: Any + Send {
    fn tuples(&self) -> usize;
    fn clear_all(&mut self);
    fn as_any(&mut self) -> &mut dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: Send + 'static> AnyBatch for Batch<T> {
    fn tuples(&self) -> usize {
        self.tuples.len()
    }

    fn clear_all(&mut self) {
        self.clear();
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(batch: &Batch<char>) -> Vec<(usize, i64, bool)> {
        let runs = batch.columns.runs(batch.tuples.len());
        runs.map(|(tuples, time, late)| (tuples, time.millis(), late))
            .collect()
    }

    #[test]
    fn neighbours_of_one_time_are_one_run() {
        let mut batch = Batch::default();
        for (tuple, time, late) in [
            ('a', 1, false),
            ('b', 1, false),
            ('c', 2, false),
            ('d', 1, true),
        ] {
            batch.push(tuple, Timestamp::from_millis(time), late);
        }
        assert_eq!(runs(&batch), [(2, 1, false), (1, 2, false), (1, 1, true)]);
        batch.clear();
        assert_eq!(runs(&batch), []);
        batch.push('e', Timestamp::from_millis(1), true);
        assert_eq!(runs(&batch), [(1, 1, true)]);
    }

    #[test]
    fn an_address_belongs_to_the_tuple_pushed_last() {
        let mut batch = Batch::default();
        for tuple in ['a', 'b', 'c', 'd'] {
            batch.push(tuple, Timestamp::MIN, false);
            if tuple == 'c' {
                batch.address(3);
            }
        }
        let targets: Vec<_> = (0..4).map(|index| batch.columns.target(index)).collect();
        assert_eq!(targets, [None, None, Some(3), None]);
    }
}

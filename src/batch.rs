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
/// The time column exists only where the times differ. Late tuples and directly addressed
/// ones are the exception; both are kept as columns that stay empty in their absence.
#[derive(Debug)]
pub struct Columns {
    /// The time of every tuple while `times` is empty.
    time: Timestamp,
    /// Empty, or one time for each tuple.
    times: Vec<Timestamp>,
    /// The positions of late tuples, ascending.
    late: Vec<u32>,
    /// Empty, or one receiving task for each tuple up to the last addressed one.
    targets: Vec<u32>,
}

/// The mark of a tuple that was not emitted to a task by name.
const NO_TARGET: u32 = u32::MAX;

impl<T> Default for Batch<T> {
    fn default() -> Self {
        Self {
            tuples: Vec::new(),
            columns: Columns {
                time: Timestamp::MIN,
                times: Vec::new(),
                late: Vec::new(),
                targets: Vec::new(),
            },
        }
    }
}

impl<T> Batch<T> {
    #[inline]
    pub fn push(&mut self, tuple: T, time: Timestamp) {
        let columns = &mut self.columns;
        if columns.times.is_empty() {
            if self.tuples.is_empty() {
                columns.time = time;
            } else if columns.time != time {
                columns.spread(self.tuples.len());
                columns.times.push(time);
            }
        } else {
            columns.times.push(time);
        }
        self.tuples.push(tuple);
    }

    /// Marks the tuple that was pushed last as late.
    #[cold]
    pub fn mark_late(&mut self) {
        self.columns.late.push(position(self.tuples.len() - 1));
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
    /// Writes the common time out as a column.
    #[cold]
    fn spread(&mut self, tuples: usize) {
        self.times.resize(tuples, self.time);
    }

    #[inline]
    pub fn time(&self, index: usize) -> Timestamp {
        self.times.get(index).copied().unwrap_or(self.time)
    }

    #[inline]
    pub fn has_late(&self) -> bool {
        !self.late.is_empty()
    }

    #[inline]
    pub fn is_late(&self, index: usize) -> bool {
        self.has_late() && self.finds_late(index)
    }

    #[cold]
    fn finds_late(&self, index: usize) -> bool {
        self.late.binary_search(&position(index)).is_ok()
    }

    /// The task that the emitter named.
    #[inline]
    pub fn target(&self, index: usize) -> Option<usize> {
        let target = *self.targets.get(index)?;
        (target != NO_TARGET).then_some(target as usize)
    }

    /// Forgets everything after the tuples have been moved out.
    pub fn clear(&mut self) {
        self.times.clear();
        self.late.clear();
        self.targets.clear();
    }
}

fn position(index: usize) -> u32 {
    // 2^32 tuples of one byte do not fit the batches that tasks exchange; the mark of the
    // impossible rest is harmless.
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

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_common_time_needs_no_column() {
        let mut batch = Batch::default();
        for tuple in 0..4 {
            batch.push(tuple, at(5));
        }
        assert!(batch.columns.times.is_empty());
        assert_eq!(batch.columns.time(3), at(5));
    }

    #[test]
    fn a_second_time_spreads_the_first() {
        let mut batch = Batch::default();
        batch.push('a', at(1));
        batch.push('b', at(1));
        batch.push('c', at(2));
        batch.push('d', at(1));
        let times: Vec<_> = (0..4).map(|i| batch.columns.time(i).millis()).collect();
        assert_eq!(times, [1, 1, 2, 1]);
        batch.clear();
        batch.push('e', at(9));
        assert_eq!(batch.columns.time(0), at(9));
    }

    #[test]
    fn marks_belong_to_the_tuple_pushed_last() {
        let mut batch = Batch::default();
        batch.push('a', at(1));
        batch.push('b', at(1));
        batch.mark_late();
        batch.push('c', at(1));
        batch.address(3);
        batch.push('d', at(1));
        assert!(!batch.columns.is_late(0) && batch.columns.is_late(1) && !batch.columns.is_late(2));
        assert_eq!(batch.columns.target(2), Some(3));
        assert_eq!(
            [batch.columns.target(0), batch.columns.target(3)],
            [None; 2]
        );
    }
}

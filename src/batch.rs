//! A batch: the tuples of one message, of one type, with their times.

use std::any::Any;
use std::cell::Cell;

use crate::key::KeyHash;
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
    /// Empty, or the hash of each tuple's key.
    pub hashes: Vec<KeyHash>,
    /// How many tuples were combined into those that are here; 0 where none were.
    pub combined: usize,
}

/// Tuples of one key and one pane, as one.
#[derive(Clone, Debug)]
pub struct Combined<K> {
    pub key: K,
    pub count: u64,
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
    // Forced: it runs twice for every tuple, and is called from several places, where the
    // compiler leaves it a call.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub fn push(&mut self, tuple: T, time: Timestamp, late: bool) {
        let run = self.columns.runs.last();
        if run.is_none_or(|run| run.time != time || run.late != late) {
            self.begin_run(time, late);
        }
        self.tuples.push(tuple);
    }

    /// Pushes tuples of one time; gives how many they were.
    #[inline]
    pub fn extend(
        &mut self,
        tuples: impl IntoIterator<Item = T>,
        time: Timestamp,
        late: bool,
    ) -> usize {
        let before = self.tuples.len();
        self.tuples.extend(tuples);
        self.time_from(before, time, late);
        self.tuples.len() - before
    }

    #[cold]
    fn begin_run(&mut self, time: Timestamp, late: bool) {
        self.columns.begin_run(self.tuples.len(), time, late);
    }

    /// The tuples from the `first` on, which were put to the others without a time, have this
    /// one.
    #[inline]
    pub fn time_from(&mut self, first: usize, time: Timestamp, late: bool) {
        let run = self.columns.runs.last();
        if first < self.tuples.len() && run.is_none_or(|run| run.time != time || run.late != late) {
            self.columns.begin_run(first, time, late);
        }
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

/// Tuples that came together, in order; see [`Bolt::execute_many`](crate::Bolt::execute_many).
///
/// ```
/// use squall::{Bolt, Epoch, Out, Result, Word, testing::BoltTest, bolt::Neighbours};
///
/// /// Emits at the end how many letters there were.
/// struct Letters(usize);
/// impl Bolt for Letters {
///     type Input = Word;
///     type Output = Word;
///     fn execute_many(&mut self, words: &Neighbours<'_, Word>) -> usize {
///         self.0 += words.all().iter().map(|word| word.word.len()).sum::<usize>();
///         words.all().len()
///     }
///     fn execute(&mut self, word: &Word, _: &mut Out<Word>) -> Result {
///         self.0 += word.word.len();
///         Ok(())
///     }
///     fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Word>) -> Result {
///         if epoch.last {
///             out.emit(Word { word: self.0.to_string().into() });
///         }
///         Ok(())
///     }
/// }
///
/// let words = ["a", "storm"].map(|word| Word { word: word.into() });
/// let [one, other] = words;
/// let out = BoltTest::new(Letters(0)).send(one).send(other).last_epoch().run()?;
/// assert_eq!(out.emitted(), [Word { word: "6".into() }]);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Debug)]
pub struct Neighbours<'b, T> {
    pub(crate) tuples: &'b [T],
    pub(crate) hashes: &'b [KeyHash],
    columns: &'b Columns,
    first: usize,
    /// Tuples with a time before it are late.
    watermark: Timestamp,
    /// The position in the batch of the tuple that user code has in hand.
    pub(crate) cursor: &'b Cell<Option<usize>>,
}

impl<'b, T> Neighbours<'b, T> {
    /// All tuples of a batch from the `first` on.
    pub(crate) fn from(
        batch: &'b Batch<T>,
        first: usize,
        watermark: Timestamp,
        cursor: &'b Cell<Option<usize>>,
    ) -> Self {
        let columns = &batch.columns;
        Self {
            tuples: &batch.tuples[first..],
            hashes: columns.hashes.get(first..).unwrap_or_default(),
            columns,
            first,
            watermark,
            cursor,
        }
    }

    /// All of them, to be looked at.
    #[inline]
    #[must_use]
    pub fn all(&self) -> &'b [T] {
        self.tuples
    }

    /// The tuple at a position, to be worked on: where that panics, it is said to be the one that
    /// the panic belongs to.
    ///
    /// # Panics
    /// Where there is no such tuple.
    #[inline]
    #[must_use]
    pub fn take(&self, position: usize) -> &'b T {
        self.cursor.set(Some(self.first + position));
        &self.tuples[position]
    }

    /// How many in a row have the same time, the time, and whether they are late.
    pub(crate) fn times(&self) -> impl Iterator<Item = (usize, Timestamp, bool)> {
        let end = self.first + self.tuples.len();
        let runs = self.columns.runs_from(self.first, end);
        runs.map(|(count, time, late)| (count, time, late || time < self.watermark))
    }
}

impl Columns {
    fn begin_run(&mut self, first: usize, time: Timestamp, late: bool) {
        let start = position(first);
        self.runs.push(Run { time, late, start });
    }

    /// The runs of a batch of this many tuples, in order: how many tuples each has, their
    /// time, and whether they are late.
    pub fn runs(&self, tuples: usize) -> impl Iterator<Item = (usize, Timestamp, bool)> {
        let ends = self.runs.iter().skip(1).map(|run| run.start as usize);
        let ends = ends.chain(std::iter::once(tuples));
        let runs = self.runs.iter().zip(ends);
        runs.map(|(run, end)| (end - run.start as usize, run.time, run.late))
    }

    /// The runs of the tuples between two positions; the first may be the rest of a run.
    pub fn runs_from(
        &self,
        first: usize,
        end: usize,
    ) -> impl Iterator<Item = (usize, Timestamp, bool)> {
        let after = self.runs.partition_point(|run| run.start as usize <= first);
        let runs = &self.runs[after.saturating_sub(1)..];
        let ends = runs.iter().skip(1).map(|run| run.start as usize);
        let ends = ends.chain(std::iter::once(end));
        let runs = runs.iter().zip(ends);
        let runs = runs.take_while(move |(run, _)| (run.start as usize) < end);
        runs.map(move |(run, run_end)| {
            let tuples = run_end.min(end) - first.max(run.start as usize);
            (tuples, run.time, run.late)
        })
    }

    /// The task that the emitter named.
    #[inline]
    pub fn target(&self, index: usize) -> Option<usize> {
        let target = *self.targets.get(index)?;
        (target != NO_TARGET).then_some(target as usize)
    }

    /// Takes out what belongs to the first tuples.
    fn split_first(&mut self, tuples: usize) -> Self {
        let after = self
            .runs
            .partition_point(|run| (run.start as usize) < tuples);
        let mut rest = self.runs.split_off(after);
        if let Some(last) = self.runs.last()
            && rest.first().is_none_or(|run| run.start as usize > tuples)
        {
            rest.insert(0, Run { start: 0, ..*last });
        }
        let by = position(tuples);
        for run in &mut rest {
            run.start = run.start.saturating_sub(by);
        }
        let of = |all: usize| tuples.min(all);
        Self {
            runs: std::mem::replace(&mut self.runs, rest),
            targets: self.targets.drain(..of(self.targets.len())).collect(),
            hashes: self.hashes.drain(..of(self.hashes.len())).collect(),
            combined: 0,
        }
    }

    /// Forgets everything after the tuples have been moved out.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.targets.clear();
        self.hashes.clear();
        self.combined = 0;
    }
}

fn position(index: usize) -> u32 {
    // 2^32 tuples of one byte do not fit the batches that tasks exchange.
    u32::try_from(index).unwrap_or(NO_TARGET)
}

/// A batch whose tuple type is known to sender and receiver alone.
pub trait AnyBatch: Any + Send {
    fn tuples(&self) -> usize;
    /// How many tuples they stand for: more, where some were combined.
    fn stands_for(&self) -> usize;
    fn clear_all(&mut self);
    /// Clears it, and gives its memory back too.
    fn let_go(&mut self);
    /// Takes out the first tuples, fewer than there are; none where they cannot be parted,
    /// since it is known of all together how many were combined into them.
    fn split_first(&mut self, tuples: usize) -> Option<Box<dyn AnyBatch>>;
    fn as_any(&mut self) -> &mut dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: Send + 'static> AnyBatch for Batch<T> {
    fn tuples(&self) -> usize {
        self.tuples.len()
    }

    fn stands_for(&self) -> usize {
        match self.columns.combined {
            0 => self.tuples.len(),
            combined => combined,
        }
    }

    fn clear_all(&mut self) {
        self.clear();
    }

    fn let_go(&mut self) {
        *self = Self::default();
    }

    fn split_first(&mut self, tuples: usize) -> Option<Box<dyn AnyBatch>> {
        if self.columns.combined > 0 || tuples >= self.tuples.len() {
            return None;
        }
        Some(Box::new(Self {
            tuples: self.tuples.drain(..tuples).collect(),
            columns: self.columns.split_first(tuples),
        }))
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
        assert_eq!(batch.extend([], Timestamp::from_millis(9), false), 0);
        assert_eq!(batch.extend(['e', 'f'], Timestamp::from_millis(1), true), 2);
        assert_eq!(runs(&batch), [(2, 1, false), (1, 2, false), (3, 1, true)]);
        batch.clear();
        assert_eq!(runs(&batch), []);
        batch.push('e', Timestamp::from_millis(1), true);
        assert_eq!(runs(&batch), [(1, 1, true)]);
        batch.time_from(1, Timestamp::from_millis(2), false);
        assert_eq!(runs(&batch), [(1, 1, true)]);
        batch.tuples.extend(['f', 'g']);
        batch.time_from(1, Timestamp::from_millis(2), false);
        assert_eq!(runs(&batch), [(1, 1, true), (2, 2, false)]);
    }

    #[test]
    fn runs_can_be_read_between_any_tuples() {
        let mut batch = Batch::default();
        for (tuple, time) in [1, 1, 1, 2, 3, 3].into_iter().enumerate() {
            batch.push(tuple, Timestamp::from_millis(time), false);
        }
        let between = |first: usize, end: usize| {
            let runs = batch.columns.runs_from(first, end);
            runs.map(|(tuples, time, _)| (tuples, time.millis()))
                .collect::<Vec<_>>()
        };
        assert_eq!(between(0, 6), [(3, 1), (1, 2), (2, 3)]);
        assert_eq!(between(2, 6), [(1, 1), (1, 2), (2, 3)]);
        assert_eq!(between(3, 6), [(1, 2), (2, 3)]);
        assert_eq!(between(5, 6), [(1, 3)]);
        assert_eq!(between(1, 2), [(1, 1)]);
        assert_eq!(between(2, 5), [(1, 1), (1, 2), (1, 3)]);
    }

    #[test]
    fn a_batch_can_be_parted_between_any_tuples() {
        let times = [1, 1, 1, 2, 3, 3];
        for first in 1..times.len() {
            let mut batch = Batch::default();
            for (tuple, time) in times.into_iter().enumerate() {
                batch.push(tuple, Timestamp::from_millis(time), time == 2);
                batch.columns.hashes.push(KeyHash::of(&tuple));
            }
            let mut part = batch.split_first(first).unwrap();
            let part = part.as_any().downcast_mut::<Batch<usize>>().unwrap();
            let mut tuple = 0;
            for part in [part, &mut batch] {
                let runs = part.columns.runs(part.tuples.len());
                let runs: Vec<_> = runs
                    .flat_map(|(count, time, late)| std::iter::repeat_n((time, late), count))
                    .collect();
                assert_eq!(runs.len(), part.tuples.len());
                for ((time, late), (at, hash)) in runs
                    .into_iter()
                    .zip(part.tuples.iter().zip(&part.columns.hashes))
                {
                    assert_eq!((*at, *hash), (tuple, KeyHash::of(&tuple)));
                    assert_eq!((time.millis(), late), (times[tuple], times[tuple] == 2));
                    tuple += 1;
                }
            }
            assert_eq!(tuple, times.len());
            assert!(batch.split_first(times.len() - first).is_none());
        }
        let mut batch = Batch::default();
        assert_eq!(batch.extend(['a', 'b'], Timestamp::MIN, false), 2);
        batch.columns.combined = 5;
        assert!(
            batch.split_first(1).is_none(),
            "it stands for five together"
        );
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

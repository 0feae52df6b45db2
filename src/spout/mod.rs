//! Spouts: where tuples enter the topology.

mod splits;

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use crate::context::Context;
use crate::error::Result;
use crate::meaning::Meaning;
use crate::state::States;
use crate::stream::{DEFAULT_STREAM, Out, StreamAt, StreamPlan, Streams};
use crate::text::excerpt;
use crate::time::{TimeDomain, Timestamp};

pub use splits::SplitId;
pub(crate) use splits::{Progress, Splits};

/// Reads the outside world and emits tuples.
///
/// `next` emits what is at hand and returns; it must not wait. A spout that has nothing returns
/// [`Next::Idle`], and a thread or future of its own wakes its task with [`Context::waker`]. Epochs
/// and a stop pass meanwhile.
///
/// Its tasks are aligned by event time: with windows downstream, a task that is 2 to 1,000 slides
/// ahead of another pauses for a millisecond, so that few windows are open at once.
///
/// ```
/// use squall::{Next, Result, Spout, SpoutOut, Tuple, testing::SpoutTest};
///
/// #[derive(Tuple, Clone, Debug, PartialEq)]
/// struct Number { value: u64 }
///
/// struct UpTo(u64, u64);
/// impl Spout for UpTo {
///     type Output = Number;
///     fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
///         if self.0 == self.1 {
///             return Ok(Next::End);
///         }
///         out.emit(Number { value: self.0 });
///         self.0 += 1;
///         Ok(Next::More)
///     }
/// }
///
/// let emitted = SpoutTest::new(UpTo(0, 2)).run()?;
/// assert_eq!(emitted, [Number { value: 0 }, Number { value: 1 }]);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a spout",
    label = "this is wired as a spout",
    note = "add a bolt with `topology.bolt(..)`, a keyed bolt with `topology.keyed(..)`, a sink with `topology.sink(..)`, or implement `Spout` for `{Self}`"
)]
pub trait Spout: Send + 'static {
    /// What it emits: a tuple type, or several for several streams.
    type Output: Streams;

    /// Called once before the first [`Spout::next`].
    ///
    /// # Errors
    /// End the topology before it starts.
    fn open(&mut self, context: &Context, out: &mut SpoutOut<Self::Output>) -> Result {
        let _ = (context, out);
        Ok(())
    }

    /// Emits a few tuples and returns; called again and again. The smaller the portion,
    /// the closer a rate limit is kept.
    ///
    /// # Errors
    /// End the topology.
    fn next(&mut self, out: &mut SpoutOut<Self::Output>) -> Result<Next>;

    /// What the spout keeps over a failure, as [`Bolt::state`](crate::Bolt::state): its
    /// position. It is stored with what was emitted before it, and loaded before
    /// [`Spout::open`]. Each task is given what all tasks have stored: a table by partition
    /// or file lets these move between tasks, and a task drops those that it does not read.
    fn state(&mut self, states: &mut States<'_>) {
        let _ = states;
    }

    /// The meaning of its tuples, as [`Bolt::meaning`](crate::Bolt::meaning): what it reads, and
    /// how.
    fn meaning(&self) -> Meaning {
        Meaning::none()
    }

    /// Whether its tuples carry times of their own ([`SpoutOut::record_at`]).
    fn domain(&self) -> TimeDomain {
        TimeDomain::Processing
    }

    /// The allowed lateness by event time: how much older a record may be than the newest record
    /// before it in the same split.
    fn lateness(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether [`Spout::next`] may wait, which it should not. If it does, each of its tasks has its
    /// own thread, so that it holds up no other task. See
    /// [`RunOptions::threads`](crate::RunOptions::threads).
    fn waits(&self) -> bool {
        false
    }

    /// The output streams, the main one first: as many as [`Spout::Output`] has. Asked, as
    /// [`Spout::waits`], of a spout that the factory has made for the plan and that is not opened.
    fn streams(&self) -> Vec<StreamPlan> {
        Self::Output::named(&[DEFAULT_STREAM])
    }
}

/// What happens after one [`Spout::next`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask again at once.
    More,
    /// There is nothing to emit now: ask again when the waker is called.
    Idle,
    /// There is nothing to emit now: ask again after this time, or when the waker is called.
    After(Duration),
    /// The input has ended for now: the run may end, but windows stay open, and a later run
    /// goes on from the position.
    Pause,
    /// The input has ended.
    End,
}

/// [`Out`] for spouts: it also knows the splits of the input and their times.
pub struct SpoutOut<S: Streams> {
    out: Out<S>,
    domain: TimeDomain,
    pub(crate) splits: Splits,
    /// The split of a spout that opens none itself.
    whole: Option<SplitId>,
    /// Split and time of the record in hand: neighbours mostly share them, and what holds
    /// for the one holds for the other.
    hand: Option<(SplitId, Timestamp)>,
    /// How many records were read, as far as the spout says.
    pub(crate) records: u64,
}

impl<S: Streams> SpoutOut<S> {
    pub(crate) fn new(domain: TimeDomain, lateness: Duration) -> Self {
        Self {
            out: Out::default(),
            domain,
            splits: Splits::new(lateness),
            whole: None,
            hand: None,
            records: 0,
        }
    }

    /// Adds a split: a file or partition whose times are looked at on their own. Under the
    /// same name a later run goes on with its times.
    ///
    /// `first` is the time of its first record where it is known before it is read; it
    /// holds the watermark back until the split is read, so that splits that overlap in
    /// time can be read one after the other. Without it nothing is known of the split, and
    /// no window closes before its first record.
    pub fn open_split(&mut self, name: &str, first: Option<Timestamp>) -> SplitId {
        self.splits.open(name, first)
    }

    /// A record of a split with this time is in hand: what is emitted next carries the
    /// time, and is marked late where the record is late.
    #[inline]
    pub fn record_at(&mut self, split: SplitId, time: Timestamp) {
        if self.hand == Some((split, time)) {
            return;
        }
        if self.domain == TimeDomain::Processing {
            let fault = "a spout gives its tuples times, but its `domain` is \
                         `TimeDomain::Processing`: return `TimeDomain::Event`";
            self.out.fault.get_or_insert_with(|| fault.to_owned());
        }
        let late = self.splits.record(split, time);
        self.hand = Some((split, time));
        self.out.time = time;
        self.out.late = late || time < self.out.watermark;
    }

    /// A fault where a spout by event time emits without a record's time in hand.
    pub(crate) fn check_time(&mut self) {
        if self.domain == TimeDomain::Event && self.out.time == Timestamp::MIN {
            let fault = "a spout by event time emitted a tuple without a time: call `emit_at`, or \
                         `record_at` before `emit`";
            self.out.fault.get_or_insert_with(|| fault.to_owned());
        }
    }

    /// Emits a tuple with a time of its own; for spouts whose input is one split.
    #[inline]
    pub fn emit_at(&mut self, tuple: S::Item, time: Timestamp)
    where
        S: StreamAt<0>,
    {
        let split = self.whole();
        self.record_at(split, time);
        self.out.emit(tuple);
    }

    /// Emits tuples, of which `runs` says how many in a row have which time; for spouts whose
    /// input is one split, and that have many records or a column of times at hand. Quicker than
    /// tuple by tuple, the more so the longer the runs are.
    ///
    /// Runs of more or fewer tuples than there are end the topology with that cause.
    ///
    /// ```
    /// use squall::{
    ///     Next,
    ///     Result,
    ///     Spout,
    ///     SpoutOut,
    ///     Timestamp,
    ///     Word,
    ///     testing::SpoutTest,
    ///     time::TimeDomain,
    /// };
    ///
    /// /// Reads everything at once.
    /// struct Block(&'static str, Vec<(usize, Timestamp)>);
    /// impl Spout for Block {
    ///     type Output = Word;
    ///     fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
    ///         let words = self.0.split(' ').map(|word| Word { word: word.into() });
    ///         out.emit_runs(words, self.1.drain(..));
    ///         Ok(Next::End)
    ///     }
    ///     fn domain(&self) -> TimeDomain {
    ///         TimeDomain::Event
    ///     }
    /// }
    ///
    /// let [first, second] = [10, 11].map(Timestamp::from_millis);
    /// let words = SpoutTest::new(Block("storm bolt spout", vec![(2, first), (1, second)])).run()?;
    /// assert_eq!(words.len(), 3);
    /// let error = SpoutTest::new(Block("storm bolt spout", vec![(2, first)])).run();
    /// assert!(error.is_err_and(|error| error.to_string().contains("3 tuples with runs of 2")));
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    #[inline]
    pub fn emit_runs(
        &mut self,
        tuples: impl IntoIterator<Item = S::Item>,
        runs: impl IntoIterator<Item = (usize, Timestamp)>,
    ) where
        S: StreamAt<0>,
    {
        let split = self.whole();
        let staged = &mut S::batch(&mut self.out.staged).tuples;
        let before = staged.len();
        staged.extend(tuples);
        let emitted = staged.len() - before;
        self.out.emitted += emitted;
        let mut timed: usize = 0;
        for (tuples, time) in runs {
            if tuples == 0 {
                continue;
            }
            self.record_at(split, time);
            if timed < emitted {
                let late = self.out.late;
                S::batch(&mut self.out.staged).time_from(before + timed, time, late);
            }
            timed = timed.saturating_add(tuples);
        }
        if timed != emitted {
            self.mistimed(emitted, timed);
        }
    }

    #[cold]
    fn mistimed(&mut self, emitted: usize, timed: usize) {
        self.out.fault.get_or_insert_with(|| {
            format!(
                "a spout emitted {emitted} tuples with runs of {timed}: give the time of each tuple"
            )
        });
    }

    /// So many records of the input were read since it was said last, whatever became of them:
    /// what a run has lost is told as a share of them. Without it each tuple counts as a record.
    #[inline]
    pub fn read(&mut self, records: usize) {
        self.records += records as u64;
    }

    /// Tells of the record in hand, where it [is late](Out::is_late): of the first one `example`
    /// gives source, line and content, which are shown where the run tells of what it has lost.
    pub fn tell_late(
        &mut self,
        split: SplitId,
        example: impl FnOnce() -> (String, Option<u64>, String),
    ) {
        let behind_ms = self.splits.behind_ms(split, self.out.time);
        self.out.note_late(Some(behind_ms), || {
            let (source, line, content) = example();
            (source, line, excerpt(&content))
        });
    }

    /// The split was read to its end; it holds no watermark back any more.
    pub fn close_split(&mut self, split: SplitId) {
        self.hand = None;
        self.splits.close(split);
    }

    /// Nothing comes at present: the watermark follows those of the other spouts until the
    /// next record. For spouts whose input is one split; see [`SpoutOut::idle_split`].
    pub fn idle(&mut self) {
        let split = self.whole();
        self.idle_split(split);
    }

    /// The split of a spout that never opened one.
    fn whole(&mut self) -> SplitId {
        match self.whole {
            Some(split) => split,
            None => *self.whole.insert(self.splits.open("", None)),
        }
    }

    /// Nothing comes from this split at present: it is left out of the watermark until its
    /// next record. A record that is older than the watermark by then is late.
    pub fn idle_split(&mut self, split: SplitId) {
        self.hand = None;
        self.splits.idle(split);
    }

    /// Records may come of this split, though none is at hand: where it was idle, it holds the
    /// watermark again, at the greatest time that was read of it. For connections that break: what
    /// their source has got meanwhile is not known, so no window may close before it.
    pub fn expect_split(&mut self, split: SplitId) {
        self.splits.expect(split);
    }
}

impl<S: Streams> Deref for SpoutOut<S> {
    type Target = Out<S>;
    #[inline]
    fn deref(&self) -> &Out<S> {
        &self.out
    }
}

impl<S: Streams> DerefMut for SpoutOut<S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Out<S> {
        &mut self.out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Text, Word};

    fn out(watermark: i64) -> SpoutOut<Word> {
        let mut out = SpoutOut::new(TimeDomain::Event, Duration::from_millis(3));
        out.out.watermark = Timestamp::from_millis(watermark);
        out
    }

    fn word(number: usize) -> Word {
        let word = Text::from(number.to_string());
        Word { word }
    }

    type Emitted = (Vec<Word>, Vec<(usize, Timestamp, bool)>, usize);

    fn emitted(out: &SpoutOut<Word>) -> Emitted {
        let (staged, all) = (&out.out.staged, out.out.emitted);
        let runs = staged.columns.runs(staged.tuples.len());
        (staged.tuples.clone(), runs.collect(), all)
    }

    proptest! {
        #[test]
        fn runs_are_tuples_with_their_times(
            blocks in prop::collection::vec(prop::collection::vec((0_usize..4, 0_i64..12), 0..8), 0..4),
            watermark in 0_i64..6,
        ) {
            let (mut one_by_one, mut in_runs) = (out(watermark), out(watermark));
            for block in blocks {
                let runs = block.into_iter();
                let runs: Vec<_> = runs.map(|(count, ms)| (count, Timestamp::from_millis(ms))).collect();
                let words: usize = runs.iter().map(|(count, _)| count).sum();
                let times = runs.iter().flat_map(|(count, time)| std::iter::repeat_n(*time, *count));
                for (number, time) in times.enumerate() {
                    one_by_one.emit_at(word(number), time);
                }
                in_runs.emit_runs((0..words).map(word), runs);
                prop_assert_eq!(emitted(&one_by_one), emitted(&in_runs));
                prop_assert_eq!(one_by_one.splits.progress(), in_runs.splits.progress());
            }
            prop_assert_eq!(in_runs.out.fault, None);
        }
    }

    #[test]
    fn runs_of_other_than_all_tuples_are_a_fault() {
        for runs in [[2, 0], [2, 2], [usize::MAX, 9]] {
            let mut out = out(0);
            out.emit_runs((0..3).map(word), runs.map(|count| (count, Timestamp::MAX)));
            let fault = out.out.fault.unwrap_or_default();
            assert!(fault.contains("3 tuples with runs of"), "{fault}");
        }
    }
}

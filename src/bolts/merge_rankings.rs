//! Merges the rankings of shards into one.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::author::Author;
use super::pending::Pending;
use crate::bolt::Bolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::ranking::{Origin, Ranking, check_places, top_of};
use crate::state::{States, Table, Value};
use crate::stream::Out;
use crate::time::{TimeDomain, Timestamp, Window, WindowShape};

/// The rankings of one window, by the task that made them.
type Parts<K> = Table<Origin, Vec<(K, u64)>>;

/// The last window that was emitted; by processing time the last slide that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Last {
    end: Timestamp,
    empty: bool,
}

/// Merges rankings of shards, or of other mergers, into one for each window.
///
/// A window is merged when the watermark passes its end, that is, when every shard has sent its
/// ranking of it: windows never mix. Any number of levels gives the same result as one, if no two
/// mergers of a level read the same shard: group the rankings by [`Ranking::ORIGIN`] into a level
/// of several mergers, and all into the last.
///
/// - By processing time there is a ranking at every slide, empty or not; of the slides
///   between two runs at most the first one.
/// - By event time the first is for the first window that holds something and the last for
///   the last one; a gap gives one empty ranking, just before the next one that is not.
/// - Running totals: the latest ranking of each shard holds until it sends another. In a run
///   that goes on with another number of tasks upstream, those of the tasks of before are
///   dropped, and the tasks that there are send theirs as they stand ([`Window::STANDING`]).
///   Of several mergers of one level, each hands on what that changes, and with more places than
///   before all that it has; a merger that is the only one of its component has no news by it, so
///   the last one emits nothing.
///
/// ```
/// use squall::{
///     Ranking,
///     Text,
///     Timestamp,
///     bolts::MergeRankings,
///     testing::BoltTest,
///     time::Window,
/// };
///
/// let at = Timestamp::from_millis;
/// let window = Window { start: at(0), end: at(10) };
/// let ranking = |origin: &str, entries: &[(&str, u64)]| Ranking {
///     window,
///     origin: origin.into(),
///     entries: entries.iter().map(|(key, count)| (Text::from(*key), *count)).collect(),
/// };
/// let out = BoltTest::new(MergeRankings::top(2))
///     .send_at(ranking("a", &[("mike", 6), ("golda", 5)]), at(9))
///     .send_at(ranking("b", &[("nathan", 7)]), at(9))
///     .watermark(at(10))
///     .run()?;
/// let merged = &out.emitted()[0].entries;
/// assert_eq!(*merged, [(Text::from("nathan"), 7), (Text::from("mike"), 6)]);
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Debug)]
pub struct MergeRankings<K> {
    places: usize,
    logged: bool,
    author: Author,
    domain: TimeDomain,
    shape: Option<WindowShape>,
    pending: Pending<Origin, Vec<(K, u64)>>,
    /// The latest ranking of running totals of each shard.
    totals: Parts<K>,
    /// Tasks of a parallelism that was, which windows that are not merged still know.
    gone: Vec<Origin>,
    /// What the readers have of the totals, where these have changed without a window.
    sent: Option<Vec<(K, u64)>>,
    /// How many places the readers know the totals by: 0 where nothing was sent.
    sent_places: Value<usize>,
    last: Value<Option<Last>>,
    /// The run goes on after an interruption, and has not come to its own beginning.
    resuming: bool,
    /// When the run began, by its clock.
    began: Timestamp,
}

impl<K: KeyValue> MergeRankings<K> {
    /// Rankings of this many places; 0 is refused when the topology starts.
    #[must_use]
    pub fn top(places: usize) -> Self {
        Self {
            places,
            logged: false,
            author: Author::new(),
            domain: TimeDomain::Processing,
            shape: None,
            pending: Pending::new(),
            totals: Parts::new(),
            gone: Vec::new(),
            sent: None,
            sent_places: Value::new(0).shared(|one, other| *one.min(other)),
            last: Value::new(None).shared(|one, other| *one.max(other)),
            resuming: false,
            began: Timestamp::MIN,
        }
    }

    /// Logs every ranking too, one line each, at level info: for the last merger.
    #[must_use]
    pub fn logged(mut self) -> Self {
        self.logged = true;
        self
    }

    fn emit(
        &mut self,
        window: Window,
        parts: &Parts<K>,
        time: Timestamp,
        out: &mut Out<Ranking<K>>,
    ) {
        let entries = if window.is_running_total() {
            let (gone, there): (Vec<_>, Vec<_>) = parts
                .iter()
                .partition(|(origin, _)| self.gone.contains(origin));
            for (origin, entries) in there {
                self.totals.insert(origin.clone(), entries.clone());
            }
            merge(self.places, self.totals.iter().chain(gone))
        } else {
            merge(self.places, parts.iter())
        };
        if window.end != Timestamp::MAX {
            *self.last = Some(Last {
                end: window.end,
                empty: entries.is_empty(),
            });
        }
        let ranking = self.author.ranking(window, entries);
        if self.logged {
            tracing::info!("Rankings: {ranking} in {window}");
        }
        out.emit_at(ranking, time);
    }

    /// Drops the totals of tasks that are no more; those that there are send theirs.
    fn drop_gone(&mut self, context: &Context) {
        let is_gone = |origin: &Origin| {
            context.tasks_of(&origin.component) != usize::try_from(origin.tasks).ok()
        };
        let pending = self.pending.keys().filter(|origin| is_gone(origin));
        self.gone = pending.cloned().collect();
        if self.totals.iter().any(|(origin, _)| is_gone(origin)) {
            self.note_sent();
            self.totals.retain(|origin, _| !is_gone(origin));
        }
    }

    /// Notes what the readers have of the totals, before these change without a window.
    fn note_sent(&mut self) {
        // What the only task has stays the same as a whole, whoever sends it.
        if self.sent.is_none() && !self.author.is_alone() {
            self.sent = Some(merge(self.places, self.totals.iter()));
        }
    }

    /// The totals as they stand, where the readers have others.
    fn emit_standing(&mut self, out: &mut Out<Ranking<K>>) {
        let Some(sent) = self.sent.take() else {
            return;
        };
        let entries = merge(self.places, self.totals.iter());
        if entries != sent {
            out.emit(self.author.ranking(Window::STANDING, entries));
        }
    }

    /// Emits the empty rankings before a window that holds something.
    fn emit_empty_until(&mut self, window: Window, out: &mut Out<Ranking<K>>) {
        let Some(slide) = self.shape.and_then(WindowShape::slide_ms) else {
            return;
        };
        if window.is_running_total() {
            return;
        }
        if self.domain == TimeDomain::Processing && !self.resuming {
            self.emit_slides(window.end.back(slide), out);
        } else {
            self.emit_one_empty(window.end.back(slide), window.last_moment(), out);
        }
    }

    /// Of the slides after the last ranking emits the first one, where that ranking was not
    /// empty and the slide ends at `until` or before.
    fn emit_one_empty(&mut self, until: Timestamp, time: Timestamp, out: &mut Out<Ranking<K>>) {
        let slide = self.shape.and_then(WindowShape::slide_ms);
        let (Some(Last { end, empty: false }), Some(slide)) = (*self.last, slide) else {
            return;
        };
        let end = end.forward(slide);
        if end <= until {
            self.emit(self.window_ending(end), &Parts::new(), time, out);
        }
    }

    /// By processing time: emits a ranking for every slide up to `watermark` that has none.
    fn emit_slides(&mut self, watermark: Timestamp, out: &mut Out<Ranking<K>>) {
        let Some(slide) = self.shape.and_then(WindowShape::slide_ms) else {
            return;
        };
        let until = watermark.millis().div_euclid(slide).saturating_mul(slide);
        let until = Timestamp::from_millis(until);
        let Some(last) = *self.last else {
            // The first slide is the one after the start.
            *self.last = Some(Last {
                end: until,
                empty: true,
            });
            // The run before has ranked nothing: there is nothing to go on with.
            self.resuming = false;
            return;
        };
        if self.resuming {
            self.resume_at(until, out);
            return;
        }
        let mut end = last.end.forward(slide);
        while end <= until {
            let window = self.window_ending(end);
            self.emit(window, &Parts::new(), window.last_moment(), out);
            end = end.forward(slide);
        }
    }

    /// The end of the next slide that gets a ranking, whatever is in it, where that is before
    /// `until`; by processing time.
    fn next_slide(&self, until: Timestamp) -> Option<Timestamp> {
        let slide = self.shape.and_then(WindowShape::slide_ms)?;
        let each = self.domain == TimeDomain::Processing && !self.resuming;
        let last = (*self.last).filter(|_| each && until != Timestamp::MAX)?;
        let end = last.end.forward(slide);
        (end < until).then_some(end)
    }

    /// Whether a watermark is that of windows which the run before has left open, and that
    /// close one after the other before those of this run.
    fn is_before_the_run(&self, watermark: Timestamp) -> bool {
        self.resuming && watermark < self.began
    }

    /// Goes on with the slide after `until`: nothing ran during most of those before it.
    fn resume_at(&mut self, until: Timestamp, out: &mut Out<Ranking<K>>) {
        if self.last.is_some_and(|last| last.end > until) {
            return;
        }
        self.emit_one_empty(until, until.back(1), out);
        if self.last.is_some_and(|last| last.end < until) {
            *self.last = Some(Last {
                end: until,
                empty: true,
            });
        }
        self.resuming = false;
    }

    fn window_ending(&self, end: Timestamp) -> Window {
        self.shape
            .map_or(Window::ALL, |shape| shape.window_ending(end))
    }

    /// The ranking over everything, once: at the end of the input, or when the run stops.
    fn emit_final(&mut self, out: &mut Out<Ranking<K>>) {
        let over_all = self.shape.is_some_and(|shape| shape.panes().is_none());
        let wanted = over_all || !self.totals.is_empty();
        if let Some(parts) = self.pending.take_final(wanted) {
            self.emit(Window::ALL, &parts, Timestamp::MAX, out);
        }
    }
}

/// The best of several rankings. Shards hold different keys; where one comes twice all the
/// same, its greatest count holds.
fn merge<'p, K: KeyValue>(
    places: usize,
    parts: impl Iterator<Item = (&'p Origin, &'p Vec<(K, u64)>)>,
) -> Vec<(K, u64)> {
    let mut counts: HashMap<&K, u64, ahash::RandomState> = HashMap::default();
    for (key, count) in parts.flat_map(|(_, entries)| entries) {
        let greatest = counts.entry(key).or_insert(0);
        *greatest = (*greatest).max(*count);
    }
    top_of(places, counts.into_iter())
}

impl<K: KeyValue> Bolt for MergeRankings<K> {
    type Input = Ranking<K>;
    type Output = Ranking<K>;

    fn waits(&self) -> bool {
        false
    }

    fn acts_on_epochs(&self) -> bool {
        false
    }

    fn prepare(&mut self, context: &Context) -> Result {
        check_places(self.places)?;
        self.domain = context.domain;
        self.shape = context.window;
        let resumed = context.resumed_from.is_some();
        self.resuming = context.interrupted;
        self.began = context.began;
        let changed = self.author.prepare(context);
        let known = *self.sent_places;
        let more = resumed && !self.author.is_alone() && self.places > known;
        if known != self.places {
            *self.sent_places = self.places;
        }
        if changed {
            // The readers drop what tasks of another parallelism have sent.
            self.sent = Some(Vec::new());
        } else if more {
            // They keep it, and know fewer places of it.
            self.sent = Some(merge(known, self.totals.iter()));
        }
        if resumed {
            self.drop_gone(context);
        }
        Ok(())
    }

    fn execute(&mut self, tuple: &Ranking<K>, out: &mut Out<Ranking<K>>) -> Result {
        if tuple.window == Window::STANDING {
            self.note_sent();
            self.totals
                .insert(tuple.origin.clone(), tuple.entries.clone());
            return Ok(());
        }
        // Where nothing is in a window each merger finds out for itself.
        if tuple.entries.is_empty() && !tuple.window.is_running_total() {
            return Ok(());
        }
        let parts = self.pending.of(tuple.window, out.watermark())?;
        parts.insert(tuple.origin.clone(), tuple.entries.clone());
        Ok(())
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Ranking<K>>) -> Result {
        self.emit_standing(out);
        while let Some((window, parts)) = self.pending.next_closed(watermark) {
            self.emit_empty_until(window, out);
            self.emit(window, &parts, window.last_moment(), out);
        }
        if watermark == Timestamp::MAX {
            self.emit_final(out);
        } else if self.domain == TimeDomain::Processing && !self.is_before_the_run(watermark) {
            self.emit_slides(watermark, out);
        }
        Ok(())
    }

    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        let next = self.pending.next_close(until).into_iter();
        next.chain(self.next_slide(until)).min()
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Ranking<K>>) -> Result {
        self.emit_standing(out);
        if epoch.closes {
            self.emit_final(out);
        }
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.author.state(states);
        self.pending.state(states);
        states.keep("totals", &mut self.totals);
        states.keep("places", &mut self.sent_places);
        states.keep("last", &mut self.last);
    }

    fn open_windows(&self) -> usize {
        self.pending.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::BoltTest;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn ranking(origin: u32, end: i64, entries: &[(char, u64)]) -> Ranking<char> {
        Ranking {
            window: Window {
                start: at(end - 10),
                end: at(end),
            },
            origin: origin.to_string().as_str().into(),
            entries: entries.to_vec(),
        }
    }

    #[test]
    fn b_f_a_merged_with_c_d_e_is_f_to_a() {
        let ranks = |keys: [char; 3]| {
            let entries = keys.map(|key| (key, u64::from(key) - u64::from('A') + 1));
            ranking(u32::from(keys[0]), 10, &entries)
        };
        let out = BoltTest::new(MergeRankings::top(6))
            .send_at(ranks(['B', 'F', 'A']), at(9))
            .send_at(ranks(['C', 'D', 'E']), at(9))
            .watermark(at(10))
            .run()
            .unwrap();
        let keys: Vec<_> = out.emitted()[0]
            .entries
            .iter()
            .map(|(key, _)| *key)
            .collect();
        assert_eq!(keys, ['F', 'E', 'D', 'C', 'B', 'A']);
    }

    #[test]
    fn a_gap_emits_one_empty_ranking_and_then_nothing() {
        let tumbling = WindowShape::sliding(crate::millis(10), crate::millis(10)).unwrap();
        let out = BoltTest::new(MergeRankings::top(3))
            .windows(TimeDomain::Event, tumbling)
            .send_at(ranking(0, 10, &[('a', 1)]), at(9))
            .watermark(at(5_000))
            .send_at(ranking(0, 9_000, &[('b', 1)]), at(8_999))
            .watermark(Timestamp::MAX)
            .run()
            .unwrap();
        let rankings: Vec<_> = out
            .emitted()
            .iter()
            .map(|r| (r.window.end.millis(), r.entries.len()))
            .collect();
        assert_eq!(rankings, [(10, 1), (20, 0), (9_000, 1)]);
    }

    #[test]
    fn a_quiet_stream_by_processing_time_still_ranks_on_the_timer() {
        let sliding = WindowShape::sliding(crate::millis(20), crate::millis(10)).unwrap();
        let out = BoltTest::new(MergeRankings::top(3))
            .windows(TimeDomain::Processing, sliding)
            .watermark(at(1_003))
            .send_at(ranking(0, 1_010, &[('a', 1)]), at(1_009))
            .watermark(at(1_012))
            .watermark(at(1_035))
            .run()
            .unwrap();
        let rankings: Vec<_> = out
            .emitted()
            .iter()
            .map(|r| (r.window.end.millis(), r.entries.len()))
            .collect();
        assert_eq!(rankings, [(1_010, 1), (1_020, 0), (1_030, 0)]);
    }

    #[test]
    fn rankings_of_different_moments_never_mix() {
        let out = BoltTest::new(MergeRankings::top(3))
            .send_at(ranking(0, 10, &[('a', 9)]), at(9))
            .send_at(ranking(0, 20, &[('a', 1)]), at(19))
            .send_at(ranking(1, 10, &[('b', 2)]), at(19))
            .watermark(at(20))
            .run()
            .unwrap();
        assert_eq!(out.emitted()[0].entries, [('a', 9), ('b', 2)]);
        assert_eq!(out.emitted()[1].entries, [('a', 1)]);
    }
}

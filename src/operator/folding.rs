//! Aggregates tuples before they are sent: a combiner for bolts that aggregate.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::bolt::typed;
use super::combiner::{Trial, pane_of};
use super::edge::{AnyEdge, Buffers, Combining, Outlet};
use super::keyed::WithKey;
use super::keyed_edge::KeyedEdge;
use super::{Executes, MAX_STAGED, Properties, refused};
use crate::aggregate::Aggregator;
use crate::batch::{AnyBatch, Batch, Columns, Neighbours};
use crate::bolt::{AggregatingBolt, KeyedBolt};
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::{GivenTo, Key, KeyHash, KeyValue, shard_of, task_of_shard};
use crate::meaning::Meaning;
use crate::state::States;
use crate::stream::Out;
use crate::time::{Timestamp, WindowShape};
use crate::tuple::Tuple;

/// What the tuples of a key and a pane are together.
#[derive(Clone, Debug)]
struct Folded<K, P> {
    key: K,
    partial: P,
}

/// How many keys are held before they are sent.
const MAX_KEYS: usize = 4_096;

/// How many tuples are, since partials can grow with them: sketches of so many values take a
/// few hundred KiB together.
const MAX_TUPLES: u64 = 1 << 16;

/// The partials of the keys that were sent to one reader in one pane, since the last flush.
struct Folder<K, A: Aggregator> {
    aggregator: A,
    combining: Combining,
    /// With the number of tuples in each.
    held: HashMap<K, (A::Partial, usize), ahash::RandomState>,
    /// The times of the pane; none before the first tuple.
    pane: RangeInclusive<Timestamp>,
    /// The greatest time of a tuple.
    latest: Timestamp,
    tuples: u64,
    trial: Trial,
}

impl<K: KeyValue, A: Aggregator> Folder<K, A> {
    fn new(aggregator: A, combining: Combining) -> Self {
        Self {
            aggregator,
            combining,
            held: HashMap::default(),
            pane: Timestamp::MAX..=Timestamp::MIN,
            latest: Timestamp::MIN,
            tuples: 0,
            trial: Trial::default(),
        }
    }

    /// Goes on to the pane of this time; says whether there is one. What was held before must
    /// have been taken out.
    fn go_to(&mut self, time: Timestamp) -> bool {
        debug_assert!(self.held.is_empty(), "two panes are not mixed");
        let pane = pane_of(time, self.combining);
        pane.is_some_and(|pane| {
            self.pane = pane;
            true
        })
    }

    fn is_full(&self) -> bool {
        self.held.len() >= MAX_KEYS || self.tuples >= MAX_TUPLES
    }

    /// Takes a tuple of the pane at hand in; says whether it could be.
    fn add(&mut self, key: &K, tuple: &A::Input, time: Timestamp) -> bool {
        if let Some((partial, tuples)) = self.held.get_mut(key) {
            if self.aggregator.add(partial, tuple).is_err() {
                return false;
            }
            *tuples += 1;
        } else {
            let mut partial = self.aggregator.empty();
            if self.aggregator.add(&mut partial, tuple).is_err() {
                return false;
            }
            self.held.insert(key.clone(), (partial, 1));
        }
        self.tuples += 1;
        self.latest = self.latest.max(time);
        true
    }

    /// Takes out what is held, each key with its partial and the number of its tuples, and the
    /// time to send it with.
    fn drain(&mut self, mut each: impl FnMut(K, A::Partial, usize, Timestamp)) {
        if !self.combining.always {
            self.trial.judge(self.tuples, self.held.len());
        }
        for (key, (partial, tuples)) in self.held.drain() {
            each(key, partial, tuples, self.latest);
        }
        self.latest = Timestamp::MIN;
        self.tuples = 0;
    }
}

/// A fields grouping into a bolt that aggregates: what a [`KeyedEdge`] does for counts, for any
/// aggregation. Nothing of a pane stays behind when the reader is told of a later watermark.
pub(crate) struct FoldingEdge<T: Tuple, K: Key<T>, A: Aggregator> {
    key: K,
    aggregator: A,
    /// For tuples that are sent as they are.
    plain: KeyedEdge<T, K>,
    folder: Option<Folder<K::Value, A>>,
    folded: Buffers<Folded<K::Value, A::Partial>>,
}

impl<T: Tuple, K: Key<T>, A: Aggregator<Input = T>> FoldingEdge<T, K, A> {
    pub(crate) fn new(key: K, aggregator: A) -> Self {
        Self {
            plain: KeyedEdge::new(key.clone()),
            key,
            aggregator,
            folder: None,
            folded: Buffers::new(),
        }
    }

    /// Aggregates the tuples that can be, and sends the others as they are.
    fn fold_all(&mut self, tuples: &[T], columns: &Columns, outlet: &mut dyn Outlet) {
        let mut first = 0;
        for (count, time, late) in columns.runs(tuples.len()) {
            let run = first..first + count;
            first = run.end;
            if late || !self.goes_to(time, outlet) {
                self.send(tuples, run, columns, outlet);
                continue;
            }
            for position in run {
                if self.folder.as_ref().is_some_and(Folder::is_full) {
                    self.drain(outlet);
                }
                let tuple = &tuples[position];
                let folder = self.folder.as_mut();
                if !folder.is_some_and(|f| f.add(&*self.key.value(tuple), tuple, time)) {
                    self.send(tuples, position..position + 1, columns, outlet);
                }
            }
        }
    }

    /// Goes on to the pane of this time; says whether there is one.
    fn goes_to(&mut self, time: Timestamp, outlet: &mut dyn Outlet) -> bool {
        if self.folder.as_ref().is_some_and(|f| f.pane.contains(&time)) {
            return true;
        }
        self.drain(outlet);
        self.folder
            .as_mut()
            .is_some_and(|folder| folder.go_to(time))
    }

    /// Sends tuples as they are.
    fn send(
        &mut self,
        tuples: &[T],
        positions: std::ops::Range<usize>,
        columns: &Columns,
        outlet: &mut dyn Outlet,
    ) {
        self.send_folded(outlet);
        let first = positions.start;
        let some = tuples[positions].iter().cloned();
        self.plain.route_all(some, first, columns, outlet);
    }

    /// Takes out what was aggregated, into the open batches.
    fn drain(&mut self, outlet: &mut dyn Outlet) {
        let Some(folder) = self.folder.as_mut().filter(|f| !f.held.is_empty()) else {
            return;
        };
        let (folded, tasks) = (&mut self.folded, self.plain.buffers.tasks());
        folder.drain(|key, partial, tuples, time| {
            let hash = key.route_hash();
            let task = task_of_shard(shard_of(hash), tasks);
            let batch = folded.open(task, outlet);
            batch.columns.hashes.push(KeyHash::of_route(hash));
            batch.columns.combined += tuples;
            batch.push(Folded { key, partial }, time, false);
            folded.send_before_if_full(task, outlet);
        });
    }

    /// Sends all that was aggregated.
    fn send_folded(&mut self, outlet: &mut dyn Outlet) {
        self.drain(outlet);
        self.folded.flush_before(outlet);
    }

    /// Whether nothing that was aggregated waits to be sent.
    fn has_sent(&self) -> bool {
        self.folder.as_ref().is_none_or(|f| f.held.is_empty()) && self.folded.is_empty()
    }
}

impl<T: Tuple, K: Key<T>, A: Aggregator<Input = T>> AnyEdge for FoldingEdge<T, K, A> {
    fn connect(&mut self, first_channel: usize, tasks: usize, sender: usize) {
        self.plain.connect(first_channel, tasks, sender);
        self.folded.connect(first_channel, tasks);
    }

    fn combine(&mut self, combining: Combining) {
        self.folder = Some(Folder::new(self.aggregator.clone(), combining));
    }

    fn route(&mut self, staged: &mut dyn AnyBatch, take: bool, outlet: &mut dyn Outlet) -> Result {
        let Batch { tuples, columns } = typed::<T>(staged, "an edge")?;
        let rests = match &mut self.folder {
            Some(folder) => folder.trial.rests(tuples.len()),
            None => true,
        };
        if rests {
            self.send_folded(outlet);
            return self.plain.route(staged, take, outlet);
        }
        self.plain.buffers.read_limits(outlet);
        self.folded.read_limits(outlet);
        self.fold_all(tuples, columns, outlet);
        if take {
            tuples.clear();
            columns.clear();
        }
        Ok(())
    }

    fn flush(&mut self, outlet: &mut dyn Outlet) {
        self.send_folded(outlet);
        self.plain.flush(outlet);
    }

    fn flush_to_idle(&mut self, outlet: &mut dyn Outlet) {
        if self.has_sent() {
            self.plain.flush_to_idle(outlet);
        } else if self.plain.buffers.are_idle(outlet) {
            self.flush(outlet);
        }
    }

    fn is_empty(&self) -> bool {
        self.has_sent() && self.plain.is_empty()
    }
}

/// An [`AggregatingBolt`] with the key of its fields grouping, which takes tuples and partials.
pub struct WithPartials<B, T, K> {
    keyed: WithKey<B, T, K>,
    /// The task, which dead letters name.
    name: String,
}

impl<B, T, K> WithPartials<B, T, K> {
    pub(crate) fn new(bolt: B, key: K) -> Self {
        Self {
            keyed: WithKey::new(bolt, key),
            name: String::new(),
        }
    }
}

type PartialOf<B, T> = <<B as AggregatingBolt<T>>::Aggregator as Aggregator>::Partial;

impl<T, K, B> Executes for WithPartials<B, T, K>
where
    T: Tuple,
    K: Key<T>,
    B: AggregatingBolt<T>,
    K::Value: GivenTo<B, B::Key>,
{
    type Input = T;
    type Output = <B as KeyedBolt<T>>::Output;

    fn properties(&self) -> Properties {
        Properties {
            combines: true,
            ..self.keyed.properties()
        }
    }

    fn prepare(&mut self, context: &Context) -> Result {
        self.name = context.name();
        self.keyed.prepare(context)
    }

    #[inline]
    fn execute_many(&mut self, tuples: &Neighbours<'_, T>) -> usize {
        self.keyed.execute_many(tuples)
    }

    fn execute_combined(
        &mut self,
        batch: &mut dyn AnyBatch,
        first: usize,
        out: &mut Out<Self::Output>,
    ) -> Result<Option<usize>> {
        let batch = batch.as_any();
        let batch = batch.downcast_ref::<Batch<Folded<B::Key, PartialOf<B, T>>>>();
        let Some(batch) = batch else {
            return Ok(None);
        };
        let (mut position, full) = (first, out.emitted + MAX_STAGED);
        for (count, time, late) in batch.columns.runs_from(first, batch.tuples.len()) {
            out.time = time;
            out.late = late || time < out.watermark;
            if out.late {
                return Err("tuples that were aggregated for a bolt came late".into());
            }
            for folded in &batch.tuples[position..position + count] {
                if out.emitted >= full {
                    out.key_hash = None;
                    return Ok(Some(position));
                }
                out.key_hash = batch.columns.hashes.get(position).copied();
                position += 1;
                let Folded { key, partial } = folded;
                if let Err(error) = self.keyed.bolt().execute_partial(key, partial, out) {
                    out.refuse(error, |error| refused(&self.name, folded, error))?;
                }
            }
        }
        out.key_hash = None;
        Ok(Some(position))
    }

    #[inline]
    fn execute(&mut self, tuple: &T, out: &mut Out<Self::Output>) -> Result {
        self.keyed.execute(tuple, out)
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Self::Output>) -> Result {
        self.keyed.on_watermark(watermark, out)
    }

    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        self.keyed.next_close(until)
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Self::Output>) -> Result {
        self.keyed.on_epoch(epoch, out)
    }

    fn meaning(&self) -> Meaning {
        self.keyed.meaning()
    }

    fn window(&self) -> Option<WindowShape> {
        self.keyed.window()
    }

    fn open_windows(&self) -> usize {
        self.keyed.open_windows()
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.keyed.state(states);
    }
}

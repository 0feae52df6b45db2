//! The edge into a keyed bolt.

use std::ops::Range;

use super::bolt::typed;
use super::combiner::Combiner;
use super::edge::{AnyEdge, Buffers, Combining, Outlet};
use crate::batch::{AnyBatch, Batch, Columns, Combined};
use crate::error::Result;
use crate::key::{Key, KeyHash, shard_of, task_of_shard};
use crate::time::Timestamp;
use crate::tuple::Tuple;

/// A fields grouping into a bolt that is keyed by the same key: equal keys go to the same task,
/// by shard, and the hash of each key goes with its tuple.
///
/// Where the bolt takes combined tuples, those of a key and a pane can be counted here and
/// sent as one. Nothing of a pane stays behind when the reader is told of a later watermark:
/// every message with one comes after a flush.
pub(crate) struct KeyedEdge<T, K: Key<T>>
where
    T: Tuple,
{
    key: K,
    pub(super) buffers: Buffers<T>,
    combiner: Option<Combiner<K::Value>>,
    combined: Buffers<Combined<K::Value>>,
}

impl<T: Tuple, K: Key<T>> KeyedEdge<T, K> {
    pub(crate) fn new(key: K) -> Self {
        Self {
            key,
            buffers: Buffers::new(),
            combiner: None,
            combined: Buffers::new(),
        }
    }

    /// Sends tuples as they are; `first` is the position of the first one.
    pub(super) fn route_all(
        &mut self,
        tuples: impl ExactSizeIterator<Item = T>,
        first: usize,
        columns: &Columns,
        outlet: &mut dyn Outlet,
    ) {
        let tasks = self.buffers.tasks();
        let runs = columns.runs_from(first, first + tuples.len());
        let mut tuples = tuples;
        for (count, time, late) in runs {
            for tuple in tuples.by_ref().take(count) {
                let hash = self.key.route_hash(&tuple);
                let task = task_of_shard(shard_of(hash), tasks);
                let batch = self.buffers.open(task, outlet);
                batch.columns.hashes.push(KeyHash::of_route(hash));
                batch.push(tuple, time, late);
                self.buffers.send_if_full(task, outlet);
            }
        }
    }

    /// Combines the tuples that can be, and sends the others as they are.
    fn combine_all(&mut self, tuples: &[T], columns: &Columns, outlet: &mut dyn Outlet) {
        let mut first = 0;
        while let Some((count, time, late)) = columns.runs_from(first, tuples.len()).next()
            && first < tuples.len()
        {
            let at_hand = self.combiner.as_ref().is_some_and(|c| c.is_at(time));
            if !late && !at_hand {
                self.drain(outlet);
            }
            let Some(combiner) = &mut self.combiner else {
                return;
            };
            if late || !(at_hand || combiner.go_to(time)) {
                self.send_combined(outlet);
                let some = tuples[first..first + count].iter().cloned();
                self.route_all(some, first, columns, outlet);
                first += count;
                continue;
            }
            let runs = columns.runs_from(first, tuples.len());
            let in_pane = runs.take_while(|(_, time, late)| !late && combiner.is_at(*time));
            let (mut end, mut latest) = (first, time);
            for (count, time, _) in in_pane {
                end += count;
                latest = latest.max(time);
            }
            self.combine_some(tuples, first..end, latest, outlet);
            first = end;
        }
    }

    /// Combines tuples of the pane at hand.
    fn combine_some(
        &mut self,
        tuples: &[T],
        mut positions: Range<usize>,
        latest: Timestamp,
        outlet: &mut dyn Outlet,
    ) {
        while !positions.is_empty() {
            if self.combiner.as_ref().is_some_and(|c| c.room() == 0) {
                self.drain(outlet);
            }
            let Some(combiner) = &mut self.combiner else {
                return;
            };
            let end = positions.end.min(positions.start + combiner.room());
            let some = &tuples[positions.start..end];
            combiner.add_all(some, |tuple| self.key.value(tuple), latest);
            positions.start = end;
        }
    }

    /// Takes out what was combined, into the open batches.
    fn drain(&mut self, outlet: &mut dyn Outlet) {
        let Some(combiner) = self.combiner.as_mut().filter(|c| !c.is_empty()) else {
            return;
        };
        let time = combiner.end();
        for task in 0..self.combined.tasks() {
            loop {
                let (batch, room) = self.combined.open_before(task, outlet);
                let first = batch.tuples.len();
                let (taken, stand_for) = combiner.take(task, room, batch);
                batch.time_from(first, time, false);
                // As many as were staged, which is counted in the same type.
                batch.columns.combined += usize::try_from(stand_for).unwrap_or(usize::MAX);
                if taken < room {
                    break;
                }
            }
        }
    }

    /// Sends all that was combined.
    fn send_combined(&mut self, outlet: &mut dyn Outlet) {
        self.drain(outlet);
        self.combined.flush_before(outlet);
    }
}

impl<T: Tuple, K: Key<T>> AnyEdge for KeyedEdge<T, K> {
    fn connect(&mut self, first_channel: usize, tasks: usize, _: usize) {
        self.buffers.connect(first_channel, tasks);
        self.combined.connect(first_channel, tasks);
    }

    fn combine(&mut self, combining: Combining) {
        self.combiner = Some(Combiner::new(combining, self.combined.tasks()));
    }

    fn route(&mut self, staged: &mut dyn AnyBatch, take: bool, outlet: &mut dyn Outlet) -> Result {
        let Batch { tuples, columns } = typed::<T>(staged, "an edge")?;
        self.buffers.read_limits(outlet);
        let combines = self.combiner.as_mut().map(|c| !c.rests(tuples.len()));
        if combines == Some(true) {
            self.combined.read_limits(outlet);
            self.combine_all(tuples, columns, outlet);
            if take {
                tuples.clear();
                columns.clear();
            }
            return Ok(());
        }
        if combines.is_some() {
            self.send_combined(outlet);
        }
        if take {
            self.route_all(tuples.drain(..), 0, columns, outlet);
            columns.clear();
        } else {
            self.route_all(tuples.iter().cloned(), 0, columns, outlet);
        }
        Ok(())
    }

    fn flush(&mut self, outlet: &mut dyn Outlet) {
        self.send_combined(outlet);
        self.buffers.flush(outlet);
    }

    fn flush_to_idle(&mut self, outlet: &mut dyn Outlet) {
        if self.combiner.as_ref().is_none_or(Combiner::is_empty) && self.combined.is_empty() {
            self.buffers.flush_to_idle(outlet);
        } else if self.buffers.are_idle(outlet) {
            self.flush(outlet);
        }
    }

    fn is_empty(&self) -> bool {
        self.combiner.as_ref().is_none_or(Combiner::is_empty)
            && self.combined.is_empty()
            && self.buffers.is_empty()
    }
}

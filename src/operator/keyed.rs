//! A [`KeyedBolt`] with the key of its fields grouping.

use std::borrow::Cow;
use std::cell::Cell;
use std::marker::PhantomData;

use super::{Executes, Properties};
use crate::batch::{AnyBatch, Batch, Combined, Neighbours};
use crate::bolt::{KeyedBolt, KeyedTuples};
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::{GivenTo, Key, KeyHash, KeyValue};
use crate::meaning::Meaning;
use crate::state::States;
use crate::stream::Out;
use crate::time::{Timestamp, WindowShape};
use crate::tuple::Tuple;

/// A keyed bolt and its key; only the test kit and the builder make one.
pub struct WithKey<B, T, K> {
    bolt: B,
    key: K,
    tuple: PhantomData<fn(&T)>,
}

impl<B, T, K> WithKey<B, T, K> {
    pub(crate) fn new(bolt: B, key: K) -> Self {
        Self {
            bolt,
            key,
            tuple: PhantomData,
        }
    }

    pub(super) fn bolt(&mut self) -> &mut B {
        &mut self.bolt
    }
}

/// Neighbouring tuples with the key of their fields grouping.
struct KeyedNeighbours<'n, B, T, K> {
    tuples: &'n Neighbours<'n, T>,
    key: &'n K,
    bolt: PhantomData<fn(&B)>,
}

impl<B, T, K> KeyedTuples<B::Key> for KeyedNeighbours<'_, B, T, K>
where
    T: Tuple,
    K: Key<T>,
    B: KeyedBolt<T>,
    K::Value: GivenTo<B, B::Key>,
{
    fn hashes(&self) -> &[KeyHash] {
        self.tuples.hashes
    }

    #[inline]
    fn key(&self, position: usize) -> Cow<'_, B::Key> {
        match self.key.value(self.tuples.take(position)) {
            Cow::Borrowed(key) => Cow::Borrowed(key.given()),
            Cow::Owned(key) => Cow::Owned(key.given().clone()),
        }
    }

    #[inline]
    fn count(&self, _: usize) -> u64 {
        1
    }

    fn times(&self) -> impl Iterator<Item = (usize, Timestamp, bool)> {
        self.tuples.times()
    }
}

impl<K: KeyValue> KeyedTuples<K> for Neighbours<'_, Combined<K>> {
    fn hashes(&self) -> &[KeyHash] {
        self.hashes
    }

    #[inline]
    fn key(&self, position: usize) -> Cow<'_, K> {
        Cow::Borrowed(&self.tuples[position].key)
    }

    #[inline]
    fn count(&self, position: usize) -> u64 {
        self.tuples[position].count
    }

    fn times(&self) -> impl Iterator<Item = (usize, Timestamp, bool)> {
        self.times()
    }
}

impl<T, K, B> Executes for WithKey<B, T, K>
where
    T: Tuple,
    K: Key<T>,
    B: KeyedBolt<T>,
    K::Value: GivenTo<B, B::Key>,
{
    type Input = T;
    type Output = B::Output;

    fn properties(&self) -> Properties {
        Properties {
            streams: self.bolt.streams(),
            light: false,
            waits: self.bolt.waits(),
            combines: self.bolt.combines(),
            key_field: self.bolt.key_field().map(str::to_owned),
        }
    }

    fn prepare(&mut self, context: &Context) -> Result {
        self.bolt.prepare(context)
    }

    #[inline]
    fn execute_many(&mut self, tuples: &Neighbours<'_, T>) -> usize {
        if tuples.hashes.is_empty() {
            return 0;
        }
        let keyed = KeyedNeighbours::<B, T, K> {
            tuples,
            key: &self.key,
            bolt: PhantomData,
        };
        self.bolt.execute_many(&keyed)
    }

    fn execute_combined(
        &mut self,
        batch: &mut dyn AnyBatch,
        first: usize,
        out: &mut Out<B::Output>,
    ) -> Result<Option<usize>> {
        let batch = batch.as_any().downcast_ref::<Batch<Combined<B::Key>>>();
        let Some(batch) = batch else {
            return Ok(None);
        };
        let (mut position, cursor) = (first, Cell::new(None));
        while position < batch.tuples.len() {
            let tuples = Neighbours::from(batch, position, out.watermark, &cursor);
            match self.bolt.execute_many(&tuples) {
                0 => return Err("a bolt did not take tuples that were combined for it".into()),
                taken => position += taken,
            }
        }
        Ok(Some(position))
    }

    #[inline]
    fn execute(&mut self, tuple: &T, out: &mut Out<B::Output>) -> Result {
        let key = self.key.value(tuple);
        let key = GivenTo::<B, B::Key>::given(&*key);
        if out.key_hash.is_none() {
            out.key_hash = Some(KeyHash::of(key));
        }
        self.bolt.execute(key, tuple, out)
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<B::Output>) -> Result {
        self.bolt.on_watermark(watermark, out)
    }

    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        self.bolt.next_close(until)
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<B::Output>) -> Result {
        self.bolt.on_epoch(epoch, out)
    }

    fn meaning(&self) -> Meaning {
        self.bolt.meaning()
    }

    fn window(&self) -> Option<WindowShape> {
        self.bolt.window()
    }

    fn open_windows(&self) -> usize {
        self.bolt.open_windows()
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.bolt.state(states);
    }
}

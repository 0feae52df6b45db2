//! A [`KeyedBolt`] with the key of its fields grouping, as a bolt.

use std::marker::PhantomData;

use crate::bolt::{Bolt, KeyedBolt};
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::{GivenTo, Key};
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
}

impl<T, K, B> Bolt for WithKey<B, T, K>
where
    T: Tuple,
    K: Key<T>,
    B: KeyedBolt<T>,
    K::Value: GivenTo<B, B::Key>,
{
    type Input = T;
    type Output = B::Output;

    fn prepare(&mut self, context: &Context) -> Result {
        self.bolt.prepare(context)
    }

    #[inline]
    fn execute(&mut self, tuple: &T, out: &mut Out<B::Output>) -> Result {
        let key = self.key.value(tuple);
        self.bolt
            .execute(GivenTo::<B, B::Key>::given(&*key), tuple, out)
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<B::Output>) -> Result {
        self.bolt.on_watermark(watermark, out)
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<B::Output>) -> Result {
        self.bolt.on_epoch(epoch, out)
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

    fn streams() -> Vec<&'static str> {
        B::streams()
    }
}

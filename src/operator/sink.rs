//! The operator around a [`Sink`].

use super::{AnyBolt, Staged, bolt::typed};
use crate::batch::AnyBatch;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::sink::Sink;
use crate::time::{Timestamp, WindowShape};

pub(crate) struct SinkOperator<S: Sink> {
    sink: S,
    name: String,
}

impl<S: Sink> SinkOperator<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self {
            sink,
            name: String::new(),
        }
    }
}

impl<S: Sink> Staged for SinkOperator<S> {
    fn streams(&self) -> usize {
        0
    }

    fn staged(&mut self, _: usize) -> Option<&mut dyn AnyBatch> {
        None
    }

    fn take_late(&mut self) -> u64 {
        0
    }
}

impl<S: Sink> AnyBolt for SinkOperator<S> {
    fn prepare(&mut self, context: &Context) -> Result {
        self.name = context.name();
        self.sink.prepare(context)
    }

    fn execute(&mut self, batch: &mut dyn AnyBatch) -> Result {
        self.sink
            .write(&typed::<S::Input>(batch, &self.name)?.tuples)
    }

    fn on_watermark(&mut self, _: Timestamp) -> Result {
        Ok(())
    }

    fn on_epoch(&mut self, epoch: &Epoch) -> Result {
        self.sink.flush(epoch)
    }

    fn window(&self) -> Option<WindowShape> {
        None
    }

    fn open_windows(&self) -> usize {
        0
    }
}

//! The operator around a [`Sink`]: it delivers directly, or by an outbox.

use std::collections::VecDeque;
use std::sync::Arc;

use super::{AnyBolt, Outbox, Properties, Staged, bolt::typed};
use crate::batch::AnyBatch;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::meaning::Meaning;
use crate::sink::Sink;
use crate::state::States;
use crate::stream::{LateSeen, LetterContent};
use crate::time::{Timestamp, WindowShape};

pub(crate) struct SinkOperator<S: Sink> {
    sink: S,
    context: Option<Context>,
    name: String,
    /// What is committed, or about to be, and was not delivered. Bounded by the commits on
    /// their way: the next one begins when the one before it was delivered.
    undelivered: VecDeque<(Epoch, Arc<Vec<u8>>)>,
}

/// Where more bytes wait to be handed over, the next commit comes at once, and until the one
/// before it is delivered the sink is given no tuples.
const MAX_WAITING_BYTES: usize = 16 << 20;

impl<S: Sink> SinkOperator<S> {
    pub(crate) fn new(sink: S) -> Self {
        Self {
            sink,
            context: None,
            name: String::new(),
            undelivered: VecDeque::new(),
        }
    }

    fn is_durable(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.durable)
    }

    fn fault_point(&self, name: &str) -> Result {
        self.context
            .as_ref()
            .map_or(Ok(()), |context| context.fault_point(name))
    }

    /// Delivers what was written, where nothing is going to be committed.
    fn deliver_now(&mut self) -> Result {
        if let Some(outbox) = self.sink.outbox()? {
            self.sink.deliver(&outbox, None)?;
        }
        Ok(())
    }
}

impl<S: Sink> Staged for SinkOperator<S> {
    fn streams(&self) -> usize {
        0
    }

    fn staged(&mut self, _: usize) -> Option<&mut dyn AnyBatch> {
        None
    }

    fn take_late(&mut self) -> (u64, Option<Box<LateSeen>>) {
        (0, None)
    }

    fn take_contents(&mut self) -> Vec<LetterContent> {
        Vec::new()
    }
}

impl<S: Sink> AnyBolt for SinkOperator<S> {
    fn properties(&self) -> Properties {
        Properties {
            streams: Vec::new(),
            light: false,
            waits: true,
            combines: false,
            key_field: None,
        }
    }

    fn prepare(&mut self, context: &Context) -> Result {
        self.name = context.name();
        self.context = Some(context.clone());
        self.sink.prepare(context)
    }

    fn execute(&mut self, batch: &mut dyn AnyBatch) -> Result<bool> {
        self.sink
            .write(&typed::<S::Input>(batch, &self.name)?.tuples)?;
        if !self.is_durable() {
            self.deliver_now()?;
        }
        Ok(true)
    }

    fn on_watermark(&mut self, _: Timestamp) -> Result {
        Ok(())
    }

    fn next_close(&self, _: Timestamp) -> Option<Timestamp> {
        None
    }

    fn on_epoch(&mut self, epoch: &Epoch) -> Result {
        if self.is_durable() {
            // It is flushed when the epoch is committed.
            Ok(())
        } else {
            self.sink.flush(epoch)
        }
    }

    fn meaning(&self) -> Meaning {
        self.sink.meaning()
    }

    fn window(&self) -> Option<WindowShape> {
        None
    }

    fn open_windows(&self) -> usize {
        0
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.sink.state(states);
    }

    fn outbox(&mut self) -> Option<&mut dyn Outbox> {
        Some(self)
    }
}

impl<S: Sink> Outbox for SinkOperator<S> {
    fn hand_over(&mut self, epoch: &Epoch) -> Result<Arc<Vec<u8>>> {
        // It can be large: the commit and the delivery share it.
        let outbox = Arc::new(self.sink.outbox()?.unwrap_or_default());
        self.undelivered.push_back((*epoch, Arc::clone(&outbox)));
        Ok(outbox)
    }

    fn is_full(&self) -> bool {
        self.sink.waiting_bytes() > MAX_WAITING_BYTES
    }

    fn pending_bytes(&self) -> usize {
        let undelivered = self.undelivered.iter().map(|(_, outbox)| outbox.len());
        self.sink.waiting_bytes() + undelivered.sum::<usize>()
    }

    fn put_back(&mut self, epoch: Epoch, outbox: Vec<u8>) {
        self.undelivered.push_back((epoch, Arc::new(outbox)));
    }

    fn deliver(&mut self, committed: u64) -> Result<Option<u64>> {
        let mut delivered = None;
        while let Some((epoch, outbox)) = self
            .undelivered
            .pop_front_if(|(epoch, _)| epoch.number <= committed)
        {
            self.fault_point("deliver")?;
            if !outbox.is_empty() {
                self.sink.deliver(&outbox, Some(epoch.number))?;
            }
            self.sink.flush(&epoch)?;
            self.fault_point("delivered")?;
            delivered = Some(epoch.number);
        }
        Ok(delivered)
    }
}

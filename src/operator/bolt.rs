//! The operator around a [`Bolt`], keyed or not.

use std::cell::Cell;
use std::ops::Range;

use super::{AnyBolt, MAX_STAGED, Properties, Quarantine, Staged, refused};
use crate::batch::{AnyBatch, Batch, Neighbours};
use crate::bolt::Bolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::meaning::Meaning;
use crate::state::States;
use crate::stream::{LateSeen, LetterContent, Out, Streams};
use crate::time::{Timestamp, WindowShape};
use crate::tuple::Tuple;

/// What an operator drives: a bolt, or one that is given the key of its fields grouping.
pub trait Executes: Send + 'static {
    type Input: Tuple;
    type Output: Streams;

    fn properties(&self) -> Properties;

    fn prepare(&mut self, context: &Context) -> Result;

    fn execute_many(&mut self, tuples: &Neighbours<'_, Self::Input>) -> usize;

    /// As `execute_many`, for tuples that were combined, from the one at position `first` on: gives
    /// the position at which it is to go on, after the last one where all were taken; none where
    /// the batch is none of such.
    fn execute_combined(
        &mut self,
        batch: &mut dyn AnyBatch,
        first: usize,
        out: &mut Out<Self::Output>,
    ) -> Result<Option<usize>>;

    fn execute(&mut self, tuple: &Self::Input, out: &mut Out<Self::Output>) -> Result;

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Self::Output>) -> Result;

    fn next_close(&self, until: Timestamp) -> Option<Timestamp>;

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Self::Output>) -> Result;

    fn meaning(&self) -> Meaning;

    fn window(&self) -> Option<WindowShape>;

    fn open_windows(&self) -> usize;

    fn state(&mut self, states: &mut States<'_>);
}

impl<B: Bolt> Executes for B {
    type Input = B::Input;
    type Output = B::Output;

    fn properties(&self) -> Properties {
        Properties {
            streams: self.streams(),
            light: self.is_light(),
            waits: self.waits(),
            combines: false,
            key_field: None,
        }
    }

    fn prepare(&mut self, context: &Context) -> Result {
        Bolt::prepare(self, context)
    }

    #[inline]
    fn execute_many(&mut self, tuples: &Neighbours<'_, B::Input>) -> usize {
        Bolt::execute_many(self, tuples)
    }

    #[inline]
    fn execute_combined(
        &mut self,
        _: &mut dyn AnyBatch,
        _: usize,
        _: &mut Out<B::Output>,
    ) -> Result<Option<usize>> {
        Ok(None)
    }

    #[inline]
    fn execute(&mut self, tuple: &B::Input, out: &mut Out<B::Output>) -> Result {
        Bolt::execute(self, tuple, out)
    }

    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<B::Output>) -> Result {
        Bolt::on_watermark(self, watermark, out)
    }

    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        Bolt::next_close(self, until)
    }

    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<B::Output>) -> Result {
        Bolt::on_epoch(self, epoch, out)
    }

    fn meaning(&self) -> Meaning {
        Bolt::meaning(self)
    }

    fn window(&self) -> Option<WindowShape> {
        Bolt::window(self)
    }

    fn open_windows(&self) -> usize {
        Bolt::open_windows(self)
    }

    fn state(&mut self, states: &mut States<'_>) {
        Bolt::state(self, states);
    }
}

pub(crate) struct PlainOperator<B: Executes> {
    bolt: B,
    out: Out<B::Output>,
    name: String,
    /// The position in the batch in hand at which it goes on.
    position: usize,
    /// The position in its batch of the tuple that user code has in hand.
    cursor: Cell<Option<usize>>,
    quarantine: Option<Quarantine>,
}

impl<B: Executes> PlainOperator<B> {
    pub(crate) fn new(bolt: B) -> Self {
        Self {
            bolt,
            out: Out::default(),
            name: String::new(),
            position: 0,
            cursor: Cell::new(None),
            quarantine: None,
        }
    }

    /// What was staged, for the test kit.
    pub(crate) fn into_out(self) -> Out<B::Output> {
        self.out
    }

    /// Takes tuples of one time, one after the other, until it has emitted as many as `full`
    /// since it began; gives the position after the last one that it has taken.
    #[inline]
    fn execute_each(
        &mut self,
        batch: &Batch<B::Input>,
        positions: Range<usize>,
        full: usize,
    ) -> Result<usize> {
        let end = positions.end;
        for position in positions {
            if self.out.emitted >= full {
                return Ok(position);
            }
            let tuple = &batch.tuples[position];
            if let Some(quarantine) = &self.quarantine
                && let Some(message) = quarantine.get(&format!("{tuple:?}"))
            {
                let error = format!("panicked: {message}").into();
                let letter = refused(&self.name, tuple, &error);
                self.out.dead_letter(letter);
                continue;
            }
            self.cursor.set(Some(position));
            self.out.key_hash = batch.columns.hashes.get(position).copied();
            if let Err(error) = self.bolt.execute(tuple, &mut self.out) {
                let name = &self.name;
                self.out
                    .refuse(error, |error| refused(name, tuple, error))?;
            }
        }
        Ok(end)
    }

    /// The tuples of the batch in hand were taken up to a position: says whether these are all.
    fn goes_on_at(&mut self, position: usize, end: usize) -> Result<bool> {
        self.check()?;
        let all = position >= end;
        self.position = if all { 0 } else { position };
        Ok(all)
    }

    /// An error where user code broke a promise through `Out`.
    fn check(&mut self) -> Result {
        self.out
            .fault
            .take()
            .map_or(Ok(()), |fault| Err(fault.into()))
    }
}

/// The staged output of an [`Out`].
impl<B: Executes> Staged for PlainOperator<B> {
    fn streams(&self) -> usize {
        B::Output::COUNT
    }

    fn staged(&mut self, stream: usize) -> Option<&mut dyn AnyBatch> {
        self.out.staged(stream)
    }

    fn take_late(&mut self) -> (u64, Option<Box<LateSeen>>) {
        let late_tuples = std::mem::take(&mut self.out.late_tuples);
        (late_tuples, self.out.late_seen.take())
    }

    fn take_contents(&mut self) -> Vec<LetterContent> {
        std::mem::take(&mut self.out.contents)
    }
}

impl<S: Streams> Out<S> {
    /// The staged tuples of a stream; the dead letters after the last one.
    pub(crate) fn staged(&mut self, stream: usize) -> Option<&mut dyn AnyBatch> {
        if stream == S::COUNT {
            Some(&mut self.dead_letters)
        } else {
            S::staged(&mut self.staged, stream)
        }
    }
}

impl<B: Executes> AnyBolt for PlainOperator<B> {
    fn properties(&self) -> Properties {
        self.bolt.properties()
    }

    fn prepare(&mut self, context: &Context) -> Result {
        self.name = context.name();
        self.bolt.prepare(context)
    }

    fn execute(&mut self, batch: &mut dyn AnyBatch) -> Result<bool> {
        let (mut position, end) = (std::mem::take(&mut self.position), batch.tuples());
        let full = self.out.emitted + MAX_STAGED;
        let combined = self.bolt.execute_combined(batch, position, &mut self.out)?;
        if let Some(next) = combined {
            return self.goes_on_at(next, end);
        }
        let batch = typed::<B::Input>(batch, &self.name)?;
        while position < end && self.out.emitted < full {
            if self.quarantine.is_none() {
                let neighbours =
                    Neighbours::from(batch, position, self.out.watermark, &self.cursor);
                position += self.bolt.execute_many(&neighbours);
            }
            let runs = batch.columns.runs_from(position, end);
            if let Some((tuples, time, late)) = runs.into_iter().next() {
                self.out.time = time;
                self.out.late = late || time < self.out.watermark;
                position = self.execute_each(batch, position..position + tuples, full)?;
            }
        }
        self.cursor.set(None);
        self.out.key_hash = None;
        self.goes_on_at(position, end)
    }

    fn on_watermark(&mut self, watermark: Timestamp) -> Result {
        self.out.time = self.out.watermark;
        self.out.late = false;
        self.bolt.on_watermark(watermark, &mut self.out)?;
        self.out.watermark = watermark;
        self.check()
    }

    fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        self.bolt.next_close(until)
    }

    fn on_epoch(&mut self, epoch: &Epoch) -> Result {
        self.out.time = self.out.watermark;
        self.out.late = false;
        self.bolt.on_epoch(epoch, &mut self.out)?;
        self.check()
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

    fn in_hand(&self, batch: &mut dyn AnyBatch) -> Option<String> {
        let batch = typed::<B::Input>(batch, &self.name).ok()?;
        let tuple = batch.tuples.get(self.cursor.get()?)?;
        Some(format!("{tuple:?}"))
    }

    fn quarantine(&mut self, tuples: Quarantine) {
        self.quarantine = (!tuples.is_empty()).then_some(tuples);
    }
}

/// The batch as the type that the task takes.
pub(super) fn typed<'b, T: Send + 'static>(
    batch: &'b mut dyn AnyBatch,
    task: &str,
) -> Result<&'b mut Batch<T>> {
    batch.as_any().downcast_mut().ok_or_else(|| {
        // The builder wires streams to bolts by type, so this is a defect of squall.
        format!("{task} was sent a batch of another type than it takes").into()
    })
}

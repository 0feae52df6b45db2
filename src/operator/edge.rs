//! Edges: a wire from one sending task to all tasks of a reader.

use std::marker::PhantomData;

use super::bolt::typed;
use super::grouping::Choose;
use crate::batch::{AnyBatch, Batch, Columns};
use crate::error::Result;
use crate::time::Timestamp;
use crate::tuple::{FromTuple, Tuple};

/// What the edges of a task send through; the runtime's side of an edge.
pub(crate) trait Outlet {
    /// How many tuples a batch for this channel should hold at present, at least 1.
    fn limit(&self, channel: usize) -> usize;

    /// An emptied buffer that came back with a credit.
    fn recycled(&mut self, channel: usize) -> Option<Box<dyn AnyBatch>>;

    /// Hands a batch over.
    fn send(&mut self, channel: usize, batch: Box<dyn AnyBatch>);

    /// Whether the reader has taken all that was sent to it.
    fn is_idle(&self, channel: usize) -> bool;

    /// Hands over a batch that others of the same moment follow: it does not tell the reader
    /// of a new watermark.
    fn send_before(&mut self, channel: usize, batch: Box<dyn AnyBatch>);
}

/// How tuples are combined before they are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Combining {
    /// The length of a pane in milliseconds; none where all times are one pane.
    pub(crate) pane_ms: Option<i64>,
    /// Also where it does not pay.
    pub(crate) always: bool,
}

/// An edge with its types erased.
pub(crate) trait AnyEdge: Send {
    /// Called once: channels `first_channel..first_channel + tasks` lead to the reader's
    /// tasks in order; `sender` is the sending task's number.
    fn connect(&mut self, first_channel: usize, tasks: usize, sender: usize);

    /// Routes staged tuples and sends the batches that became full. The last edge of a
    /// stream may `take` the tuples, the others copy them.
    fn route(&mut self, staged: &mut dyn AnyBatch, take: bool, outlet: &mut dyn Outlet) -> Result;

    /// Sends what is buffered.
    fn flush(&mut self, outlet: &mut dyn Outlet);

    /// Sends what is buffered for readers that have nothing to do.
    fn flush_to_idle(&mut self, outlet: &mut dyn Outlet);

    /// Whether anything is buffered.
    fn is_empty(&self) -> bool;

    /// From now on combines tuples, where the reader takes such.
    fn combine(&mut self, combining: Combining) {
        let _ = combining;
    }
}

/// The open batches of an edge, one for each receiving task.
pub(super) struct Buffers<U> {
    first_channel: usize,
    open: Vec<Option<Box<Batch<U>>>>,
    limits: Vec<usize>,
}

impl<U: Send + 'static> Buffers<U> {
    pub(super) fn new() -> Self {
        Self {
            first_channel: 0,
            open: Vec::new(),
            limits: Vec::new(),
        }
    }

    pub(super) fn connect(&mut self, first_channel: usize, tasks: usize) {
        self.first_channel = first_channel;
        self.open.resize_with(tasks, || None);
        self.limits = vec![1; tasks];
    }

    /// How many receiving tasks there are.
    pub(super) fn tasks(&self) -> usize {
        self.open.len()
    }

    pub(super) fn read_limits(&mut self, outlet: &dyn Outlet) {
        for (task, limit) in self.limits.iter_mut().enumerate() {
            *limit = outlet.limit(self.first_channel + task);
        }
    }

    /// Puts a tuple into the open batch of a task; `true` where the batch was full and
    /// sent.
    // Forced: it runs for every tuple and is called from two places, where the compiler
    // leaves it a call.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn push(
        &mut self,
        task: usize,
        tuple: U,
        time: Timestamp,
        late: bool,
        outlet: &mut dyn Outlet,
    ) -> bool {
        self.open(task, outlet).push(tuple, time, late);
        self.send_if_full(task, outlet)
    }

    /// The open batch of a task.
    // Forced: see above.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn open(&mut self, task: usize, outlet: &mut dyn Outlet) -> &mut Batch<U> {
        match &mut self.open[task] {
            Some(batch) => batch,
            none => none.insert(renewed(self.first_channel + task, outlet)),
        }
    }

    /// Sends the open batch of a task where it is full; says whether it was.
    // Forced: see above.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn send_if_full(&mut self, task: usize, outlet: &mut dyn Outlet) -> bool {
        let full = self.is_full(task);
        if full {
            self.send(task, outlet);
        }
        full
    }

    // Forced: see above.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn is_full(&self, task: usize) -> bool {
        let batch = self.open[task].as_ref();
        batch.is_some_and(|batch| batch.tuples.len() >= self.limits[task])
    }

    /// The same for a batch that others of the same moment follow; see
    /// [`Outlet::send_before`].
    #[inline]
    pub(super) fn send_before_if_full(&mut self, task: usize, outlet: &mut dyn Outlet) {
        if self.is_full(task) {
            self.send_before(task, outlet);
        }
    }

    /// The open batch of a task, and how many more tuples it takes, at least 1: a full one is
    /// sent before; see [`Outlet::send_before`].
    #[inline]
    pub(super) fn open_before(
        &mut self,
        task: usize,
        outlet: &mut dyn Outlet,
    ) -> (&mut Batch<U>, usize) {
        self.send_before_if_full(task, outlet);
        let limit = self.limits[task];
        let batch = self.open(task, outlet);
        let room = limit - batch.tuples.len();
        (batch, room)
    }

    #[cold]
    fn send_before(&mut self, task: usize, outlet: &mut dyn Outlet) {
        if let Some(batch) = self.open[task].take_if(|batch| !batch.tuples.is_empty()) {
            outlet.send_before(self.first_channel + task, batch);
            self.limits[task] = outlet.limit(self.first_channel + task);
        }
    }

    /// Sends all open batches as ones that others of the same moment follow.
    pub(super) fn flush_before(&mut self, outlet: &mut dyn Outlet) {
        for task in 0..self.open.len() {
            self.send_before(task, outlet);
        }
    }

    #[cold]
    fn send(&mut self, task: usize, outlet: &mut dyn Outlet) {
        if let Some(batch) = self.open[task].take_if(|batch| !batch.tuples.is_empty()) {
            outlet.send(self.first_channel + task, batch);
            // Where it waits, what follows waits in full batches.
            self.limits[task] = outlet.limit(self.first_channel + task);
        }
    }

    pub(super) fn flush(&mut self, outlet: &mut dyn Outlet) {
        for task in 0..self.open.len() {
            self.send(task, outlet);
        }
    }

    pub(super) fn flush_to_idle(&mut self, outlet: &mut dyn Outlet) {
        for task in 0..self.open.len() {
            if outlet.is_idle(self.first_channel + task) {
                self.send(task, outlet);
            }
        }
    }

    /// Whether no reader has anything to do.
    pub(super) fn are_idle(&self, outlet: &dyn Outlet) -> bool {
        let tasks = 0..self.open.len();
        let mut channels = tasks.map(|task| self.first_channel + task);
        channels.all(|channel| outlet.is_idle(channel))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.open
            .iter()
            .flatten()
            .all(|batch| batch.tuples.is_empty())
    }
}

/// An empty batch for a channel, recycled where there is one.
#[cold]
#[allow(clippy::unnecessary_box_returns)] // batches travel boxed, and come back so
fn renewed<U: Send + 'static>(channel: usize, outlet: &mut dyn Outlet) -> Box<Batch<U>> {
    let recycled = outlet.recycled(channel);
    let recycled = recycled.and_then(|buffer| buffer.into_any().downcast().ok());
    recycled.unwrap_or_default()
}

/// Routes tuples of type `A` to a reader that takes `U`, each to one task.
pub(crate) struct Edge<A, U, C> {
    choose: C,
    buffers: Buffers<U>,
    tuple: PhantomData<fn(A)>,
}

impl<A: Tuple, U: FromTuple<A>, C: Choose<A>> Edge<A, U, C> {
    pub(crate) fn new(choose: C) -> Self {
        Self {
            choose,
            buffers: Buffers::new(),
            tuple: PhantomData,
        }
    }

    #[inline]
    fn route_all(
        &mut self,
        tuples: impl ExactSizeIterator<Item = A>,
        columns: &Columns,
        outlet: &mut dyn Outlet,
    ) -> Result {
        let runs = columns.runs(tuples.len());
        let mut tuples = tuples.enumerate();
        for (count, time, late) in runs {
            for (index, tuple) in tuples.by_ref().take(count) {
                let task = self.choose.choose(&tuple, columns.target(index))?;
                let tuple = U::from_tuple(tuple);
                if self.buffers.push(task, tuple, time, late, outlet) {
                    self.choose.sent();
                }
            }
        }
        Ok(())
    }
}

impl<A: Tuple, U: FromTuple<A>, C: Choose<A>> AnyEdge for Edge<A, U, C> {
    fn connect(&mut self, first_channel: usize, tasks: usize, sender: usize) {
        self.buffers.connect(first_channel, tasks);
        self.choose.connect(tasks, sender);
    }

    fn route(&mut self, staged: &mut dyn AnyBatch, take: bool, outlet: &mut dyn Outlet) -> Result {
        let Batch { tuples, columns } = typed::<A>(staged, "an edge")?;
        self.buffers.read_limits(outlet);
        if take {
            self.route_all(tuples.drain(..), columns, outlet)?;
            columns.clear();
        } else {
            self.route_all(tuples.iter().cloned(), columns, outlet)?;
        }
        Ok(())
    }

    fn flush(&mut self, outlet: &mut dyn Outlet) {
        self.buffers.flush(outlet);
        self.choose.sent();
    }

    fn flush_to_idle(&mut self, outlet: &mut dyn Outlet) {
        self.buffers.flush_to_idle(outlet);
        self.choose.sent();
    }

    fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }
}

/// Routes a copy of each tuple to every task of the reader (all grouping).
pub(crate) struct Broadcast<A, U> {
    buffers: Buffers<U>,
    tuple: PhantomData<fn(A)>,
}

impl<A: Tuple, U: FromTuple<A>> Broadcast<A, U> {
    pub(crate) fn new() -> Self {
        Self {
            buffers: Buffers::new(),
            tuple: PhantomData,
        }
    }
}

impl<A: Tuple, U: FromTuple<A>> AnyEdge for Broadcast<A, U> {
    fn connect(&mut self, first_channel: usize, tasks: usize, _: usize) {
        self.buffers.connect(first_channel, tasks);
    }

    fn route(&mut self, staged: &mut dyn AnyBatch, take: bool, outlet: &mut dyn Outlet) -> Result {
        let staged = typed::<A>(staged, "an edge")?;
        self.buffers.read_limits(outlet);
        let mut tuples = staged.tuples.iter();
        for (count, time, late) in staged.columns.runs(staged.tuples.len()) {
            for tuple in tuples.by_ref().take(count) {
                for task in 0..self.buffers.open.len() {
                    let tuple = U::from_tuple(tuple.clone());
                    self.buffers.push(task, tuple, time, late, outlet);
                }
            }
        }
        if take {
            staged.clear();
        }
        Ok(())
    }

    fn flush(&mut self, outlet: &mut dyn Outlet) {
        self.buffers.flush(outlet);
    }

    fn flush_to_idle(&mut self, outlet: &mut dyn Outlet) {
        self.buffers.flush_to_idle(outlet);
    }

    fn is_empty(&self) -> bool {
        self.buffers.is_empty()
    }
}

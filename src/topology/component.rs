//! Handles of declared components: they are wired by groupings and read as streams.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use serde::Serialize;

use super::definition::{Input, Make};
use super::parts::Parts;
use super::plan::{Grouping, KeyPart, KeyPlan};
use crate::bolt::{AggregatingBolt, KeyedBolt};
use crate::key::{GivenTo, Key};
use crate::operator::{
    AnyBolt, AnyEdge, Broadcast, Choose, Custom, CustomGrouping, Direct, Edge, Fields, FoldingEdge,
    Global, KeyedEdge, LocalOrShuffle, PartialKey, PlainOperator, Shuffle, WithKey, WithPartials,
};
use crate::spout::Spout;
use crate::stream::{Port, StreamAt, Streams};
use crate::tuple::{DeadLetter, FromTuple, Tuple};

/// The input of a component that takes none: a spout.
#[derive(Debug)]
pub enum NoInput {}

/// A declared component: `C` is its type, `S` its output streams, `I` the tuples it takes.
pub struct Component<'t, C, S, I> {
    parts: &'t RefCell<Parts>,
    index: usize,
    types: PhantomData<fn(C, S, I)>,
}

/// One output stream of a component.
pub struct Stream<'t, T> {
    parts: &'t RefCell<Parts>,
    component: usize,
    position: usize,
    tuple: PhantomData<fn() -> T>,
}

/// What can be read: a stream, or a component for its main stream.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no stream to read",
    label = "this emits nothing",
    note = "read a component with an output, or one of its streams as `component.stream(..)`"
)]
pub trait AsStream {
    /// The tuples of the stream.
    type Item: Tuple;
    /// The stream itself.
    fn as_stream(&self) -> Stream<'_, Self::Item>;
}

impl<T: Tuple> AsStream for Stream<'_, T> {
    type Item = T;

    fn as_stream(&self) -> Stream<'_, T> {
        Stream { ..*self }
    }
}

#[diagnostic::do_not_recommend]
impl<C, S: StreamAt<0>, I> AsStream for Component<'_, C, S, I> {
    type Item = S::Item;

    fn as_stream(&self) -> Stream<'_, S::Item> {
        self.main_stream()
    }
}

impl<'t, C, S, I> Component<'t, C, S, I> {
    pub(super) fn new(parts: &'t RefCell<Parts>, index: usize) -> Self {
        Self {
            parts,
            index,
            types: PhantomData,
        }
    }

    pub(super) fn index(&self) -> usize {
        self.index
    }

    /// How many tasks run the component; 1 unless said.
    #[must_use = "keep the component to wire it"]
    pub fn parallelism(self, tasks: usize) -> Self {
        self.parts
            .borrow_mut()
            .change(self.index, |component| component.parallelism = tasks);
        self
    }

    /// States what the component's results mean, beside what it [says
    /// itself](crate::Bolt::meaning): for closures, and for settings that its code does not know.
    /// A data directory refuses a run that states something else; see [`Meaning`](crate::state::Meaning).
    ///
    /// ```
    /// use squall::bolts::FlatMap;
    /// use squall::testing::{Events, TopologyTest};
    /// use squall::{DataDir, RunOptions, Topology, Word};
    ///
    /// let longer_than = |least: usize, data_dir: &DataDir| {
    ///     let topology = Topology::named("words");
    ///     let words = Events::now(["storm", "a"].map(|word| Word { word: word.into() }));
    ///     let words = topology.spout("words", move || words.clone());
    ///     let longer = move |word: &Word| Some(word.clone()).filter(|word| word.word.len() > least);
    ///     topology
    ///         .bolt("longer", move || FlatMap::new(longer))
    ///         .meaning(&serde_json::json!({"least_bytes": least}))
    ///         .shuffle_grouping(&words);
    ///     let options = RunOptions { data_dir: Some(data_dir.clone()), ..RunOptions::default() };
    ///     TopologyTest::new(topology).options(options).run()
    /// };
    /// let data_dir = DataDir::in_memory()?;
    /// longer_than(2, &data_dir)?;
    /// longer_than(2, &data_dir)?;
    /// let refused = longer_than(3, &data_dir).unwrap_err().to_string();
    /// assert!(refused.contains("`longer`: least_bytes is 2 there, and 3 in this topology"));
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    #[must_use = "keep the component to wire it"]
    pub fn meaning(self, meaning: &(impl Serialize + ?Sized)) -> Self {
        self.parts.borrow_mut().state(self.index, meaning);
        self
    }
}

impl<'t, C, S: Streams, I> Component<'t, C, S, I> {
    /// One of the component's named streams.
    #[must_use]
    pub fn stream<const P: usize>(&self, _port: Port<C, P>) -> Stream<'t, S::Item>
    where
        S: StreamAt<P>,
    {
        Stream {
            parts: self.parts,
            component: self.index,
            position: P,
            tuple: PhantomData,
        }
    }

    /// The component's main stream, which the component itself can also be read as.
    #[must_use]
    pub fn main_stream(&self) -> Stream<'t, S::Item>
    where
        S: StreamAt<0>,
    {
        Stream {
            parts: self.parts,
            component: self.index,
            position: 0,
            tuple: PhantomData,
        }
    }

    /// The tuples and records that the component could not process.
    #[must_use]
    pub fn dead_letters(&self) -> Stream<'t, DeadLetter> {
        Stream {
            parts: self.parts,
            component: self.index,
            position: S::COUNT,
            tuple: PhantomData,
        }
    }
}

impl<C: Spout, S> Component<'_, C, S, NoInput> {
    /// Limits the spout to this many tuples per second over all of its tasks; values that
    /// are not above zero, or infinite, set no limit.
    #[must_use = "keep the component to wire it"]
    pub fn rate(self, tuples_per_second: f64) -> Self {
        let limited = tuples_per_second > 0.0 && tuples_per_second.is_finite();
        let rate = limited.then_some(tuples_per_second);
        self.parts
            .borrow_mut()
            .change(self.index, |component| component.rate = rate);
        self
    }
}

/// The wiring of bolts and sinks; each call adds an input.
impl<C, S, I> Component<'_, C, S, I> {
    /// Equal keys go to the same task.
    pub fn fields_grouping<A, K>(self, stream: &A, key: K) -> Self
    where
        A: AsStream,
        K: Key<A::Item>,
        I: FromTuple<A::Item>,
    {
        let plan = Grouping::Fields(key_plan(&key));
        self.wire(stream, plan, move || Fields::new(key.clone()))
    }

    /// Each key has two tasks to go to; the one that was sent less is taken (Nasir et al.,
    /// "The Power of Both Choices", 2015). Results per key must be merged downstream.
    pub fn partial_key_grouping<A, K>(self, stream: &A, key: K) -> Self
    where
        A: AsStream,
        K: Key<A::Item>,
        I: FromTuple<A::Item>,
    {
        let plan = Grouping::PartialKey(key_plan(&key));
        self.wire(stream, plan, move || PartialKey::new(key.clone()))
    }

    /// Everything goes to the first task.
    pub fn global_grouping<A>(self, stream: &A) -> Self
    where
        A: AsStream,
        I: FromTuple<A::Item>,
    {
        self.wire(stream, Grouping::Global, || Global)
    }

    /// Tuples are dealt to the tasks in turn.
    pub fn shuffle_grouping<A>(self, stream: &A) -> Self
    where
        A: AsStream,
        I: FromTuple<A::Item>,
    {
        self.wire(stream, Grouping::Shuffle, Shuffle::default)
    }

    /// Whole batches are dealt to the tasks in the sender's process in turn; in one process
    /// all tasks are.
    pub fn local_or_shuffle_grouping<A>(self, stream: &A) -> Self
    where
        A: AsStream,
        I: FromTuple<A::Item>,
    {
        self.wire(stream, Grouping::LocalOrShuffle, LocalOrShuffle::default)
    }

    /// Each tuple goes to the task that its emitter names by
    /// [`emit_direct`](crate::Out::emit_direct).
    pub fn direct_grouping<A>(self, stream: &A) -> Self
    where
        A: AsStream,
        I: FromTuple<A::Item>,
    {
        self.wire(stream, Grouping::Direct, Direct::default)
    }

    /// A grouping of one's own, `name`d in plans; `factory` is called once for each sending
    /// task.
    pub fn custom_grouping<A, G>(
        self,
        stream: &A,
        name: impl Into<String>,
        factory: impl Fn() -> G + Send + 'static,
    ) -> Self
    where
        A: AsStream,
        G: CustomGrouping<A::Item>,
        I: FromTuple<A::Item>,
    {
        self.wire(stream, Grouping::Custom(name.into()), move || {
            Custom::new(factory())
        })
    }

    /// Every task gets a copy of each tuple.
    pub fn all_grouping<A>(self, stream: &A) -> Self
    where
        A: AsStream,
        I: FromTuple<A::Item>,
    {
        self.wire_edge(stream, Grouping::All, || {
            Box::new(Broadcast::<A::Item, I>::new())
        })
    }

    fn wire<A, G>(
        self,
        stream: &A,
        grouping: Grouping,
        choose: impl Fn() -> G + Send + 'static,
    ) -> Self
    where
        A: AsStream,
        G: Choose<A::Item> + 'static,
        I: FromTuple<A::Item>,
    {
        self.wire_edge(stream, grouping, move || {
            Box::new(Edge::<A::Item, I, G>::new(choose()))
        })
    }

    fn wire_edge<A: AsStream>(
        self,
        stream: &A,
        grouping: Grouping,
        edge: impl Fn() -> Box<dyn AnyEdge> + Send + 'static,
    ) -> Self {
        let stream = stream.as_stream();
        let same = std::ptr::eq(stream.parts, self.parts);
        self.parts.borrow_mut().change(self.index, |component| {
            component.inputs.push(Input {
                source: same.then_some(stream.component),
                stream: stream.position,
                grouping,
                edge: Box::new(edge),
            });
        });
        self
    }
}

impl<C, S, T: Tuple> Component<'_, C, S, T> {
    /// The fields grouping of a bolt that is keyed by the same key.
    fn keyed_grouping<A, K>(self, stream: &A, key: &K, edge: &KeyedEdges) -> Self
    where
        A: AsStream<Item = T>,
        K: Key<T>,
    {
        let edge = Arc::clone(edge);
        self.wire_edge(stream, Grouping::Fields(key_plan(key)), move || edge())
    }
}

/// Makes the edges of a fields grouping into a keyed bolt.
type KeyedEdges = Arc<dyn Fn() -> Box<dyn AnyEdge> + Send + Sync>;

fn key_plan<T: Tuple>(key: &impl Key<T>) -> KeyPlan {
    let parts = key.parts().into_iter().map(|part| match part {
        Some(field) => KeyPart::Field(field.to_owned()),
        None => KeyPart::Closure,
    });
    KeyPlan {
        parts: parts.collect(),
    }
}

/// A keyed bolt that waits for its fields grouping.
#[must_use = "a keyed bolt needs a fields grouping"]
pub struct Keyed<'t, B> {
    parts: &'t RefCell<Parts>,
    index: usize,
    factory: Box<dyn Fn() -> B + Send>,
}

impl<'t, B: 'static> Keyed<'t, B> {
    pub(super) fn new(
        parts: &'t RefCell<Parts>,
        index: usize,
        factory: Box<dyn Fn() -> B + Send>,
    ) -> Self {
        Self {
            parts,
            index,
            factory,
        }
    }

    /// How many tasks run the bolt; 1 unless said.
    pub fn parallelism(self, tasks: usize) -> Self {
        self.parts
            .borrow_mut()
            .change(self.index, |component| component.parallelism = tasks);
        self
    }

    /// As [`Component::meaning`].
    pub fn meaning(self, meaning: &(impl Serialize + ?Sized)) -> Self {
        self.parts.borrow_mut().state(self.index, meaning);
        self
    }

    /// Reads a stream; equal keys go to the same task, and the bolt gets that key.
    pub fn fields_grouping<A, K>(self, stream: &A, key: K) -> Grouped<'t, B, A::Item, K>
    where
        A: AsStream,
        K: Key<A::Item>,
        B: KeyedBolt<A::Item>,
        K::Value: GivenTo<B, B::Key>,
    {
        let edge_key = key.clone();
        let edge: KeyedEdges = Arc::new(move || {
            let edge = KeyedEdge::<A::Item, K>::new(edge_key.clone());
            Box::new(edge)
        });
        self.wired(stream, key, edge, |bolt, key| {
            Box::new(PlainOperator::new(WithKey::new(bolt, key)))
        })
    }

    /// Reads a stream through such edges, as the operator that `make` makes.
    fn wired<A, K>(
        self,
        stream: &A,
        key: K,
        edge: KeyedEdges,
        make: fn(B, K) -> Box<dyn AnyBolt>,
    ) -> Grouped<'t, B, A::Item, K>
    where
        A: AsStream,
        K: Key<A::Item>,
        B: KeyedBolt<A::Item>,
    {
        let Self {
            parts,
            index,
            factory,
        } = self;
        let bolt_key = key.clone();
        parts.borrow_mut().change(index, |component| {
            component.outputs = B::Output::named(&[]);
            component.make = Make::Bolt(Box::new(move || make(factory(), bolt_key.clone())));
        });
        let reader = Component::<'t, B, B::Output, A::Item>::new(parts, index);
        Grouped {
            component: reader.keyed_grouping(stream, &key, &edge),
            key,
            edge,
        }
    }
}

/// A bolt that aggregates and waits for its fields grouping.
#[must_use = "a bolt that aggregates needs a fields grouping"]
pub struct Aggregating<'t, B> {
    keyed: Keyed<'t, B>,
}

impl<'t, B: 'static> Aggregating<'t, B> {
    pub(super) fn new(keyed: Keyed<'t, B>) -> Self {
        Self { keyed }
    }

    /// How many tasks run the bolt; 1 unless said.
    pub fn parallelism(self, tasks: usize) -> Self {
        Self::new(self.keyed.parallelism(tasks))
    }

    /// As [`Component::meaning`].
    pub fn meaning(self, meaning: &(impl Serialize + ?Sized)) -> Self {
        Self::new(self.keyed.meaning(meaning))
    }

    /// Reads a stream; equal keys go to the same task, and the bolt gets that key.
    pub fn fields_grouping<A, K>(self, stream: &A, key: K) -> Grouped<'t, B, A::Item, K>
    where
        A: AsStream,
        K: Key<A::Item>,
        B: AggregatingBolt<A::Item>,
        K::Value: GivenTo<B, B::Key>,
    {
        let aggregator = (self.keyed.factory)().aggregator();
        let edge_key = key.clone();
        let edge: KeyedEdges = Arc::new(move || {
            let edge = FoldingEdge::<A::Item, K, _>::new(edge_key.clone(), aggregator.clone());
            Box::new(edge)
        });
        self.keyed.wired(stream, key, edge, |bolt, key| {
            Box::new(PlainOperator::new(WithPartials::new(bolt, key)))
        })
    }
}

/// A keyed bolt with its fields grouping; reads as a [`Component`].
pub struct Grouped<'t, B: KeyedBolt<T>, T: Tuple, K> {
    component: Component<'t, B, B::Output, T>,
    key: K,
    edge: KeyedEdges,
}

impl<B: KeyedBolt<T>, T: Tuple, K: Key<T>> Grouped<'_, B, T, K> {
    /// Reads another stream of the same tuples by the same key.
    #[must_use = "keep the component to read it"]
    pub fn also<A: AsStream<Item = T>>(self, stream: &A) -> Self {
        let Self {
            component,
            key,
            edge,
        } = self;
        Self {
            component: component.keyed_grouping(stream, &key, &edge),
            key,
            edge,
        }
    }

    /// How many tasks run the bolt; 1 unless said.
    #[must_use = "keep the component to read it"]
    pub fn parallelism(self, tasks: usize) -> Self {
        let Self {
            component,
            key,
            edge,
        } = self;
        Self {
            component: component.parallelism(tasks),
            key,
            edge,
        }
    }
}

impl<B: KeyedBolt<T>, T: Tuple, K> Grouped<'_, B, T, K> {
    /// As [`Component::meaning`].
    #[must_use = "keep the component to read it"]
    pub fn meaning(self, meaning: &(impl Serialize + ?Sized)) -> Self {
        self.component
            .parts
            .borrow_mut()
            .state(self.component.index, meaning);
        self
    }
}

impl<'t, B: KeyedBolt<T>, T: Tuple, K> Deref for Grouped<'t, B, T, K> {
    type Target = Component<'t, B, B::Output, T>;

    fn deref(&self) -> &Self::Target {
        &self.component
    }
}

impl<B: KeyedBolt<T>, T: Tuple, K> AsStream for Grouped<'_, B, T, K>
where
    B::Output: StreamAt<0>,
{
    type Item = <B::Output as StreamAt<0>>::Item;

    fn as_stream(&self) -> Stream<'_, Self::Item> {
        self.component.as_stream()
    }
}

//! The typed builder: declares components and makes the plan and what runs it.

use std::cell::RefCell;

use super::component::{Aggregating, Component, Keyed, NoInput};
use super::definition::{Definition, Input, Make};
use super::mistake::PlanErrors;
use super::parts::Parts;
use super::physical::PhysicalPlan;
use super::plan::{ComponentKind, ComponentPlan, Grouping, InputPlan, Plan, StreamPlan};
use super::when::When;
use crate::bolt::Bolt;
use crate::operator::{Edge, Global, PlainOperator, SinkOperator, SpoutOperator};
use crate::sink::Sink;
use crate::spout::Spout;
use crate::stream::{Streams, short_type_name};
use crate::tuple::DeadLetter;

/// A topology being declared: spouts, bolts and sinks, wired by groupings.
///
/// Declaring never fails; mistakes are found together by [`Plan::check`], which every run
/// does first.
///
/// ```
/// use squall::bolts::{MergeRankings, Rank, RollingCount};
/// use squall::connectors::RandomWords;
/// use squall::{Count, Topology, Word, secs};
///
/// let topology = Topology::named("rolling-top-words");
/// let words = topology.spout("words", RandomWords::default).parallelism(5);
/// let counts = topology
///     .keyed("counts", || RollingCount::over(secs(60)).every(secs(2)))
///     .parallelism(4)
///     .fields_grouping(&words, Word::WORD);
/// let ranked = topology
///     .bolt("rankings", || Rank::top(10))
///     .parallelism(4)
///     .fields_grouping(&counts, Count::KEY);
/// topology.bolt("merged", || MergeRankings::top(10)).global_grouping(&ranked);
///
/// let plan = topology.plan();
/// assert_eq!(plan.check(), Ok(()));
/// assert_eq!(plan.component("counts").unwrap().parallelism, 4);
/// ```
pub struct Topology {
    name: String,
    parts: RefCell<Parts>,
}

impl Topology {
    /// A topology without components.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            parts: RefCell::default(),
        }
    }

    /// The topology's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When tuples are combined by key before they are sent to a bolt that takes such
    /// ([`KeyedBolt::combines`](crate::KeyedBolt::combines), and those that were added by
    /// [`Topology::aggregate`]). By default that is planned
    /// wherever it can be, and each sender leaves it while it finds too few equal keys.
    ///
    /// A run that goes on from what an earlier one has stored does without.
    pub fn combine(&self, when: When) {
        self.parts.borrow_mut().exchanges.combine = when;
    }

    /// When a bolt's tasks run on the threads of the tasks that they read. By default that is
    /// done wherever it can be, which is with as many tasks on both sides and one input: where
    /// the key stays (a count and its ranking), by shuffle or local-or-shuffle grouping into
    /// what [is light](crate::Bolt::is_light) (a filter or map), and from the only task of a
    /// bolt to the only task of another.
    pub fn chain(&self, when: When) {
        self.parts.borrow_mut().exchanges.chain = when;
    }

    /// Adds a spout; `factory` is called once for each task, and once for the plan.
    pub fn spout<S: Spout>(
        &self,
        id: impl Into<String>,
        factory: impl Fn() -> S + Send + 'static,
    ) -> Component<'_, S, S::Output, NoInput> {
        let make = Make::Spout(Box::new(move || Box::new(SpoutOperator::new(factory()))));
        let index = self.add(
            id,
            ComponentKind::Spout,
            short_type_name::<S>(),
            S::Output::named(&[]),
            make,
        );
        Component::new(&self.parts, index)
    }

    /// Adds a bolt; `factory` is called once for each task, and once for the plan.
    pub fn bolt<B: Bolt>(
        &self,
        id: impl Into<String>,
        factory: impl Fn() -> B + Send + 'static,
    ) -> Component<'_, B, B::Output, B::Input> {
        let make = Make::Bolt(Box::new(move || Box::new(PlainOperator::new(factory()))));
        let index = self.add(
            id,
            ComponentKind::Bolt,
            short_type_name::<B>(),
            B::Output::named(&[]),
            make,
        );
        Component::new(&self.parts, index)
    }

    /// Adds a keyed bolt, which gets its key from its fields grouping; `factory` is called
    /// once for each task, and once for the plan.
    pub fn keyed<B: 'static>(
        &self,
        id: impl Into<String>,
        factory: impl Fn() -> B + Send + 'static,
    ) -> Keyed<'_, B> {
        let implementation = short_type_name::<B>();
        let index = self.add(
            id,
            ComponentKind::Bolt,
            implementation,
            Vec::new(),
            Make::Unwired,
        );
        Keyed::new(&self.parts, index, Box::new(factory))
    }

    /// Adds a keyed bolt that aggregates, as [`Topology::keyed`] does, and lets its senders
    /// aggregate what they have of a key before they send it; see [`Topology::combine`].
    /// `factory` is called once for each task, once for the plan, and once more for what the senders
    /// aggregate by.
    ///
    /// Results are the same, but for values that leave their range: what the dead letters are
    /// told of then are the tuples that a sender had put together, and not the one at which the
    /// value did.
    ///
    /// ```
    /// use squall::aggregate::{Aggregator, LongMax};
    /// use squall::bolts::{Aggregate, Updated};
    /// use squall::testing::{Collected, Events, TopologyTest};
    /// use squall::{Text, Topology, Tuple};
    ///
    /// #[derive(Tuple, Clone, Debug)]
    /// struct Bid { item: Text, cents: i64 }
    ///
    /// let bids = [("vase", 900), ("lamp", 300), ("vase", 1_100)];
    /// let bids = bids.map(|(item, cents)| Bid { item: item.into(), cents });
    /// let topology = Topology::named("auction");
    /// let bids = topology.spout("bids", move || Events::now(bids.clone()));
    /// let highest = topology
    ///     .aggregate("highest", || Aggregate::of(LongMax.of(Bid::CENTS)))
    ///     .fields_grouping(&bids, Bid::ITEM);
    /// let highest = Collected::of(&topology, "collected", &highest);
    /// TopologyTest::new(topology).run()?;
    ///
    /// let last = highest.take().into_iter().rfind(|bid| bid.key == "vase");
    /// assert_eq!(last.map(|bid| bid.value), Some(Some(1_100)));
    /// # Ok::<(), squall::RunError>(())
    /// ```
    pub fn aggregate<B: 'static>(
        &self,
        id: impl Into<String>,
        factory: impl Fn() -> B + Send + 'static,
    ) -> Aggregating<'_, B> {
        Aggregating::new(self.keyed(id, factory))
    }

    /// Adds a sink; `factory` is called once for each task, and once for the plan.
    pub fn sink<S: Sink>(
        &self,
        id: impl Into<String>,
        factory: impl Fn() -> S + Send + 'static,
    ) -> Component<'_, S, (), S::Input> {
        let make = Make::Bolt(Box::new(move || Box::new(SinkOperator::new(factory()))));
        let index = self.add(
            id,
            ComponentKind::Sink,
            short_type_name::<S>(),
            Vec::new(),
            make,
        );
        Component::new(&self.parts, index)
    }

    /// Adds a sink that gets the dead letters of every spout and bolt, also of those that
    /// are declared later. Without one, dead letters are logged.
    pub fn dead_letter_sink<S: Sink<Input = DeadLetter>>(
        &self,
        id: impl Into<String>,
        factory: impl Fn() -> S + Send + 'static,
    ) {
        let index = self.sink(id, factory).index();
        self.parts.borrow_mut().dead_letter_sinks.push(index);
    }

    /// The plan as declared so far.
    #[must_use]
    pub fn plan(&self) -> Plan {
        self.wire_dead_letters();
        self.ask();
        let parts = self.parts.borrow();
        let exchanges = parts.exchanges;
        let components = parts.components.iter().map(|component| ComponentPlan {
            id: component.id.clone(),
            kind: component.kind,
            implementation: component.implementation.to_owned(),
            parallelism: component.parallelism,
            inputs: component
                .inputs
                .iter()
                .enumerate()
                .map(|(number, input)| InputPlan {
                    component: input.source.map_or_else(
                        || "a component of another topology".to_owned(),
                        |source| parts.components[source].id.clone(),
                    ),
                    stream: parts.stream_name(input),
                    grouping: input.grouping.clone(),
                    exchange: exchanges.of(&parts.components, component, number),
                })
                .collect(),
            outputs: component.outputs.clone(),
        });
        Plan {
            name: self.name.clone(),
            components: components.collect(),
        }
    }

    /// The plan as it runs in one process: tasks, channels, and threads, of which the tasks whose
    /// code never waits share so many ([`RunOptions::threads`](crate::RunOptions::threads)); one for
    /// each core where none is given.
    ///
    /// # Errors
    /// Mistakes in the plan.
    pub fn physical_plan(&self, threads: Option<usize>) -> Result<PhysicalPlan, PlanErrors> {
        let plan = self.plan();
        let order = plan.order()?;
        Ok(PhysicalPlan::of(
            &plan,
            &self.parts.borrow(),
            &order,
            threads,
        ))
    }

    /// What the runtime makes tasks of.
    pub(crate) fn into_parts(self) -> Parts {
        self.wire_dead_letters();
        self.ask();
        self.parts.into_inner()
    }

    /// Asks each component that was not asked yet what it is.
    fn ask(&self) {
        let components = &mut self.parts.borrow_mut().components;
        components.iter_mut().for_each(Definition::ask);
    }

    /// Wires the dead letters of the components that the sink does not read yet.
    fn wire_dead_letters(&self) {
        let parts = &mut *self.parts.borrow_mut();
        let sinks = parts.dead_letter_sinks.clone();
        let sources = 0..parts.components.len();
        for (sink, source) in sinks
            .into_iter()
            .flat_map(|sink| sources.clone().map(move |source| (sink, source)))
        {
            let component = &parts.components[source];
            let stream = component.outputs.len();
            let inputs = &parts.components[sink].inputs;
            let read = inputs.iter().any(|input| input.source == Some(source));
            if component.kind == ComponentKind::Sink || read {
                continue;
            }
            parts.components[sink].inputs.push(Input {
                source: Some(source),
                stream,
                grouping: Grouping::Global,
                edge: Box::new(|| Box::new(Edge::<DeadLetter, DeadLetter, _>::new(Global))),
            });
        }
    }

    fn add(
        &self,
        id: impl Into<String>,
        kind: ComponentKind,
        implementation: &'static str,
        outputs: Vec<StreamPlan>,
        make: Make,
    ) -> usize {
        let definition = Definition::new(id.into(), kind, implementation, outputs, make);
        let components = &mut self.parts.borrow_mut().components;
        components.push(definition);
        components.len() - 1
    }
}

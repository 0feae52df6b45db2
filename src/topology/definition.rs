//! A component as it was declared: its plan, its inputs, and the code that makes its tasks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::plan::{ComponentKind, Grouping, StreamPlan};
use crate::meaning::Meaning;
use crate::operator::{AnyBolt, AnyEdge, AnySpout, Properties};

/// One component: its plan, and how its tasks are made.
pub(crate) struct Definition {
    pub(crate) id: String,
    pub(crate) kind: ComponentKind,
    pub(crate) implementation: &'static str,
    pub(crate) parallelism: usize,
    pub(crate) outputs: Vec<StreamPlan>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) make: Make,
    /// What was stated of its results where it was added.
    pub(crate) stated: Meaning,
    /// Tuples per second over all tasks of a spout.
    pub(crate) rate: Option<f64>,
    /// What it says of itself; none before it was [asked](Definition::ask).
    properties: Option<Properties>,
}

impl Definition {
    /// One task of it, which reads nothing yet.
    pub(super) fn new(
        id: String,
        kind: ComponentKind,
        implementation: &'static str,
        outputs: Vec<StreamPlan>,
        make: Make,
    ) -> Self {
        Self {
            id,
            kind,
            implementation,
            parallelism: 1,
            outputs,
            inputs: Vec::new(),
            make,
            stated: Meaning::none(),
            rate: None,
            properties: None,
        }
    }

    /// Makes one of it, which says what it is. A factory that panics here panics again where a run
    /// makes its tasks, which tells of it.
    pub(super) fn ask(&mut self) {
        if self.properties.is_some() {
            return;
        }
        let make = &self.make;
        let asked = catch_unwind(AssertUnwindSafe(|| match make {
            Make::Spout(make) => Some(make().properties()),
            Make::Bolt(make) => Some(make().properties()),
            Make::Unwired => None,
        }));
        self.properties = asked.ok().flatten();
        if let Some(properties) = &mut self.properties {
            let said = properties.streams.drain(..);
            for (stream, said) in self.outputs.iter_mut().zip(said) {
                *stream = said;
            }
        }
    }

    fn says(&self, property: impl Fn(&Properties) -> bool) -> bool {
        self.properties.as_ref().is_some_and(property)
    }

    /// Whether it takes tuples that were combined.
    pub(super) fn combines(&self) -> bool {
        self.says(|properties| properties.combines)
    }

    /// Whether its work is so little that it needs no thread.
    pub(super) fn is_light(&self) -> bool {
        self.says(|properties| properties.light)
    }

    /// Whether its code may wait for something.
    pub(crate) fn waits(&self) -> bool {
        self.says(|properties| properties.waits)
    }

    /// Whether what it keeps by key lies in the shards of the keys: all that it reads is grouped by
    /// fields.
    pub(crate) fn is_by_shard(&self) -> bool {
        let mut groupings = self.inputs.iter().map(|input| &input.grouping);
        self.kind == ComponentKind::Bolt
            && groupings.all(|grouping| matches!(grouping, Grouping::Fields(_)))
    }

    /// The field of its main stream that holds the key by which it is grouped.
    pub(super) fn key_field(&self) -> Option<&str> {
        self.properties.as_ref()?.key_field.as_deref()
    }
}

type Factory<T> = Box<dyn Fn() -> T + Send>;

/// Makes the operators of a component's tasks.
pub(crate) enum Make {
    Spout(Factory<Box<dyn AnySpout>>),
    Bolt(Factory<Box<dyn AnyBolt>>),
    /// A keyed bolt without a fields grouping: the check refuses it for its missing input.
    Unwired,
}

/// One input of a component.
pub(crate) struct Input {
    /// None where the stream is one of another topology, which the check refuses.
    pub(crate) source: Option<usize>,
    /// The position of the stream; the dead letters come after the last.
    pub(crate) stream: usize,
    pub(crate) grouping: Grouping,
    pub(crate) edge: Factory<Box<dyn AnyEdge>>,
}

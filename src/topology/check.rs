//! The check of a plan before it runs: all its mistakes at once, so that one run mends them all.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
};

use super::{
    mistake::{PlanError, PlanErrors},
    plan::{
        ComponentKind, ComponentPlan, DEAD_LETTERS, Grouping, InputPlan, KeyPart, MAX_FIELDS_TASKS,
        Plan,
    },
};
use crate::text::nearest;

impl Plan {
    /// Finds every mistake that can be known before the topology runs.
    ///
    /// # Errors
    ///
    /// All mistakes at once, those of the whole first, then by component as declared. Any plan can
    /// be checked, however broken. Where several components share an id, inputs that name it are
    /// held against the first. For each input that lies on a cycle the shortest cycle through it
    /// is reported, each cycle once.
    ///
    /// ```
    /// use squall::topology::{
    ///     Exchange, ComponentKind, ComponentPlan, Grouping, InputPlan, Plan, PlanError,
    /// };
    ///
    /// let component = |id: &str, kind, inputs| ComponentPlan {
    ///     id: id.into(),
    ///     kind,
    ///     implementation: "Work".into(),
    ///     parallelism: 1,
    ///     inputs,
    ///     outputs: vec![],
    /// };
    /// let typo = InputPlan {
    ///     component: "wrods".into(),
    ///     stream: "default".into(),
    ///     grouping: Grouping::Shuffle,
    ///     exchange: Exchange::Sent,
    /// };
    /// let plan = Plan {
    ///     name: "print".into(),
    ///     components: vec![
    ///         component("words", ComponentKind::Spout, vec![]),
    ///         component("printed", ComponentKind::Sink, vec![typo]),
    ///     ],
    /// };
    ///
    /// let mistakes = plan.check().unwrap_err();
    /// assert_eq!(mistakes.errors[0], PlanError::UnreadSpout { component: "words".into() });
    /// assert_eq!(
    ///     mistakes.to_string(),
    ///     r#"topology "print" has 2 mistakes:
    ///   - nobody reads spout "words"; add a bolt or sink that does, or remove it
    ///   - "printed" reads "wrods", which is not a component; did you mean "words"?"#
    /// );
    /// ```
    pub fn check(&self) -> Result<(), PlanErrors> {
        let mut check = Check::of(self);
        check.whole();
        for (at, component) in self.components.iter().enumerate() {
            check.component(at, component);
            check.shape(component);
            check.inputs(component);
        }
        check.cycles();
        if check.errors.is_empty() {
            return Ok(());
        }
        Err(PlanErrors {
            topology: self.name.clone(),
            errors: check.errors,
        })
    }
}

/// A check under way.
struct Check<'a> {
    plan: &'a Plan,
    /// The components of each id, in the order of declaration.
    by_id: HashMap<&'a str, Vec<&'a ComponentPlan>>,
    /// The ids that some input reads a stream of, dead letters apart.
    read: HashSet<&'a str>,
    errors: Vec<PlanError>,
}

impl<'a> Check<'a> {
    fn of(plan: &'a Plan) -> Self {
        let mut by_id: HashMap<_, Vec<_>> = HashMap::new();
        let mut read = HashSet::new();
        for component in &plan.components {
            by_id
                .entry(component.id.as_str())
                .or_default()
                .push(component);
            let inputs = component.inputs.iter();
            let inputs = inputs.filter(|input| input.stream != DEAD_LETTERS);
            read.extend(inputs.map(|input| input.component.as_str()));
        }
        Self {
            plan,
            by_id,
            read,
            errors: Vec::new(),
        }
    }

    /// Is there anything, and anything that brings in tuples?
    fn whole(&mut self) {
        let components = &self.plan.components;
        if components.is_empty() {
            self.errors.push(PlanError::Empty);
        } else if components
            .iter()
            .all(|component| component.kind != ComponentKind::Spout)
        {
            self.errors.push(PlanError::NoSpout);
        }
    }

    /// Its id, its number of tasks and the names of its streams.
    fn component(&mut self, at: usize, component: &'a ComponentPlan) {
        let namesakes = &self.by_id[component.id.as_str()];
        if component.id.is_empty() {
            self.errors.push(PlanError::EmptyId {
                position: at + 1,
                implementation: component.implementation.clone(),
            });
        } else if namesakes.len() > 1 && std::ptr::eq(namesakes[0], component) {
            self.errors.push(PlanError::DuplicateId {
                component: component.id.clone(),
                count: namesakes.len(),
            });
        }

        let keyed = |input: &InputPlan| matches!(input.grouping, Grouping::Fields(_));
        if component.parallelism == 0 {
            self.errors.push(PlanError::ZeroParallelism {
                component: component.id.clone(),
            });
        } else if component.parallelism > MAX_FIELDS_TASKS && component.inputs.iter().any(keyed) {
            self.errors.push(PlanError::TooManyTasks {
                component: component.id.clone(),
                parallelism: component.parallelism,
            });
        }

        let streams = component.outputs.iter().map(|stream| &stream.name);
        for (stream, count) in counted(streams).filter(|&(_, count)| count > 1) {
            self.errors.push(PlanError::DuplicateStream {
                component: component.id.clone(),
                stream: stream.clone(),
                count,
            });
        }
    }

    /// Does it read and emit what its kind must and may?
    fn shape(&mut self, component: &ComponentPlan) {
        let id = || component.id.clone();
        match component.kind {
            ComponentKind::Spout if !component.inputs.is_empty() => {
                let inputs = component.inputs.iter().map(|input| &input.component);
                self.errors.push(PlanError::SpoutWithInputs {
                    component: id(),
                    inputs: counted(inputs).map(|(id, _)| id.clone()).collect(),
                });
            }
            ComponentKind::Bolt | ComponentKind::Sink if component.inputs.is_empty() => {
                self.errors.push(PlanError::MissingInput {
                    component: id(),
                    kind: component.kind,
                });
            }
            _ => {}
        }
        match component.kind {
            ComponentKind::Spout if !self.read.contains(component.id.as_str()) => {
                self.errors.push(PlanError::UnreadSpout { component: id() });
            }
            ComponentKind::Sink if !component.outputs.is_empty() => {
                let streams = component.outputs.iter().map(|stream| &stream.name);
                self.errors.push(PlanError::SinkWithOutputs {
                    component: id(),
                    streams: counted(streams).map(|(name, _)| name.clone()).collect(),
                });
            }
            _ => {}
        }
    }

    /// Does each input name a stream that exists, and fields that it has?
    fn inputs(&mut self, component: &ComponentPlan) {
        for (input, count) in counted(component.inputs.iter()) {
            if count > 1 {
                self.errors.push(PlanError::DuplicateInput {
                    component: component.id.clone(),
                    input: input.component.clone(),
                    stream: input.stream.clone(),
                    grouping: input.grouping.clone(),
                    count,
                });
            }
            if input.grouping.key().is_some_and(|key| key.parts.is_empty()) {
                self.errors.push(PlanError::EmptyKey {
                    component: component.id.clone(),
                    input: input.component.clone(),
                    stream: input.stream.clone(),
                });
            }
            match self.by_id.get(input.component.as_str()) {
                Some(emitters) => self.stream(component, input, emitters[0]),
                None => self.unknown_component(component, input),
            }
        }
    }

    fn unknown_component(&mut self, component: &ComponentPlan, input: &InputPlan) {
        let ids = self.plan.components.iter().map(|known| &known.id);
        let others = ids.filter(|&id| !id.is_empty() && *id != component.id);
        let known: Vec<String> = counted(others).map(|(id, _)| id.clone()).collect();
        self.errors.push(PlanError::UnknownComponent {
            component: component.id.clone(),
            input: input.component.clone(),
            nearest: nearest(&input.component, &known).map(str::to_owned),
            known,
        });
    }

    fn stream(&mut self, component: &ComponentPlan, input: &InputPlan, emitter: &ComponentPlan) {
        let Some(stream) = emitter.stream(&input.stream) else {
            let known = emitter.streams().map(|stream| &stream.name);
            self.errors.push(PlanError::UnknownStream {
                component: component.id.clone(),
                input: input.component.clone(),
                stream: input.stream.clone(),
                known: counted(known).map(|(name, _)| name.clone()).collect(),
            });
            return;
        };
        let parts = input.grouping.key().map_or(&[][..], |key| &key.parts);
        for (part, _) in counted(parts.iter()) {
            if let KeyPart::Field(field) = part
                && !stream.fields.contains(field)
            {
                self.errors.push(PlanError::UnknownField {
                    component: component.id.clone(),
                    input: input.component.clone(),
                    stream: input.stream.clone(),
                    tuple: stream.tuple.clone(),
                    field: field.clone(),
                    known: stream.fields.clone(),
                });
            }
        }
    }

    fn cycles(&mut self) {
        for cycle in self.plan.cycles() {
            let ids = cycle
                .into_iter()
                .map(|at| self.plan.components[at].id.clone());
            self.errors.push(PlanError::Cycle {
                path: ids.collect(),
            });
        }
    }
}

/// Each different item once, in the order of first sight, with how often it came.
fn counted<T: Copy + Eq + Hash>(
    items: impl Iterator<Item = T>,
) -> impl Iterator<Item = (T, usize)> {
    let mut place = HashMap::new();
    let mut counts: Vec<(T, usize)> = Vec::new();
    for item in items {
        let at = *place.entry(item).or_insert(counts.len());
        match counts.get_mut(at) {
            Some((_, count)) => *count += 1,
            None => counts.push((item, 1)),
        }
    }
    counts.into_iter()
}

#[cfg(test)]
mod tests;

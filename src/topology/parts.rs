//! What a topology has so far, while it is being declared.

use serde::Serialize;

use super::definition::{Definition, Input};
use super::exchanges::Exchanges;
use super::plan::DEAD_LETTERS;
use super::when::When;
use crate::meaning::Meaning;

/// What was declared so far.
#[derive(Default)]
pub(crate) struct Parts {
    pub(crate) components: Vec<Definition>,
    /// The sinks that read every component's dead letters.
    pub(super) dead_letter_sinks: Vec<usize>,
    pub(super) exchanges: Exchanges,
}

impl Parts {
    /// Whether tuples are combined also where it does not pay.
    pub(crate) fn combines_always(&self) -> bool {
        self.exchanges.combine == When::Always
    }

    /// The name of the stream that an input reads, as its component has named it.
    pub(super) fn stream_name(&self, input: &Input) -> String {
        let source = input.source.and_then(|source| self.components.get(source));
        let stream = source.and_then(|source| source.outputs.get(input.stream));
        stream.map_or_else(|| DEAD_LETTERS.to_owned(), |stream| stream.name.clone())
    }

    /// Takes in what is stated of a component's results.
    pub(super) fn state(&mut self, index: usize, meaning: &(impl Serialize + ?Sized)) {
        self.change(index, |component| {
            let before = std::mem::take(&mut component.stated);
            component.stated = before.and(Meaning::of(meaning));
        });
    }

    /// Changes what was declared of a component.
    pub(super) fn change<R>(
        &mut self,
        index: usize,
        change: impl FnOnce(&mut Definition) -> R,
    ) -> R {
        // Indices come from the builder, and components are never removed.
        change(&mut self.components[index])
    }
}

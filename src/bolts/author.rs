//! Who makes rankings, and whether that has changed since an earlier run.

use crate::context::Context;
use crate::key::KeyValue;
use crate::ranking::{Origin, Ranking, top_of};
use crate::state::{States, Table, Value};
use crate::time::Window;

/// The task that makes rankings. After a change of parallelism its readers know its totals
/// by tasks that are no more.
#[derive(Debug)]
pub(super) struct Author {
    origin: Origin,
    /// How many tasks the component has: 0 where nothing is known of an earlier run.
    tasks: Value<u32>,
}

impl Author {
    pub(super) fn new() -> Self {
        Self {
            origin: Origin::from(""),
            tasks: Value::new(0).shared(|one, other| *one.max(other)),
        }
    }

    pub(super) fn state(&mut self, states: &mut States<'_>) {
        states.keep("tasks", &mut self.tasks);
    }

    /// Says whether the run goes on from one with another number of tasks.
    pub(super) fn prepare(&mut self, context: &Context) -> bool {
        self.origin = Origin::from(context);
        let changed = *self.tasks != self.origin.tasks;
        if changed {
            *self.tasks = self.origin.tasks;
        }
        changed && context.resumed_from.is_some()
    }

    /// Whether the component has no other task.
    pub(super) fn is_alone(&self) -> bool {
        self.origin.tasks == 1
    }

    /// The ranking of the largest of these counts.
    pub(super) fn top<K: KeyValue>(
        &self,
        window: Window,
        places: usize,
        counts: &Table<K, u64>,
    ) -> Ranking<K> {
        let entries = counts.iter().map(|(key, count)| (key, *count));
        self.ranking(window, top_of(places, entries))
    }

    pub(super) fn ranking<K: KeyValue>(
        &self,
        window: Window,
        entries: Vec<(K, u64)>,
    ) -> Ranking<K> {
        Ranking {
            window,
            origin: self.origin.clone(),
            entries,
        }
    }
}

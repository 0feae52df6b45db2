//! Which way the tuples of each input take: where they are combined, and where tasks are chained.

use super::definition::Definition;
use super::exchange::Exchange;
use super::plan::{ComponentKind, Grouping, KeyPart};
use super::when::When;

/// What a topology says of the way of its tuples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Exchanges {
    pub(super) combine: When,
    pub(super) chain: When,
}

impl Exchanges {
    /// How an input's tuples get to `reader`.
    pub(super) fn of(
        self,
        components: &[Definition],
        reader: &Definition,
        input: usize,
    ) -> Exchange {
        let input = &reader.inputs[input];
        let Some(emitter) = input.source.and_then(|source| components.get(source)) else {
            return Exchange::Sent;
        };
        if self.chains(emitter, reader) {
            return Exchange::Chained;
        }
        let by_key = matches!(input.grouping, Grouping::Fields(_));
        if self.combine != When::Never && reader.combines() && by_key {
            return Exchange::Combined;
        }
        Exchange::Sent
    }

    /// Whether each of the reader's tasks can run where the emitter's task of the same number
    /// runs. Only with a single input: a chain that joins could wait for itself.
    fn chains(self, emitter: &Definition, reader: &Definition) -> bool {
        let [input] = reader.inputs.as_slice() else {
            return false;
        };
        if self.chain == When::Never
            || reader.kind != ComponentKind::Bolt
            || emitter.parallelism != reader.parallelism
        {
            return false;
        }
        match &input.grouping {
            // What has a key is in the task of that key already.
            Grouping::Fields(key) => match (emitter.key_field(), key.parts.as_slice()) {
                (Some(kept), [KeyPart::Field(field)]) => kept == field && input.stream == 0,
                _ => false,
            },
            // Any task will do. Work that is more than a filter's deserves a thread; and what
            // keeps something must not be at different moments in its tasks, which each follow
            // one spout then.
            Grouping::Shuffle | Grouping::LocalOrShuffle => reader.is_light(),
            // Of one task to one task.
            Grouping::Global => reader.parallelism == 1 && emitter.kind == ComponentKind::Bolt,
            _ => false,
        }
    }
}

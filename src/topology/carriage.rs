//! How tuples get to their reader: sent, combined before they are sent, or not sent at all.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::builder::Definition;
use super::plan::{ComponentKind, Grouping, KeyPart};

/// How the tuples of an input get from their emitter to its reader. It changes no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carriage {
    /// In batches, from task to task.
    #[default]
    Sent,
    /// In batches of tuples that their emitter has put together where they have the same key
    /// and pane (a combiner): fewer are sent, and fewer are to be looked up by the reader.
    Combined,
    /// Not at all: the reader's task runs where the emitter's task of the same number runs, on
    /// the same thread, and reads it alone (a chain).
    Chained,
}

impl Carriage {
    /// Whether it is nothing special.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        *self == Self::Sent
    }
}

/// When something is done that changes no result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum When {
    /// Where it pays.
    #[default]
    Pays,
    /// Wherever it can be done.
    Always,
    /// Never.
    Never,
}

/// There is no such word for when something is done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} does not say when; use pays, always or never")]
pub struct UnknownWhen(
    /// What was given.
    pub String,
);

/// Named `pays`, `always` or `never`.
impl FromStr for When {
    type Err = UnknownWhen;

    fn from_str(name: &str) -> Result<Self, UnknownWhen> {
        match name {
            "pays" => Ok(Self::Pays),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => Err(UnknownWhen(name.to_owned())),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pays => "pays",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

/// What a topology says of the way of its tuples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Carriages {
    pub(super) combine: When,
    pub(super) chain: When,
}

impl Carriages {
    /// How an input's tuples get to `reader`.
    pub(super) fn of(
        self,
        components: &[Definition],
        reader: &Definition,
        input: usize,
    ) -> Carriage {
        let input = &reader.inputs[input];
        let Some(emitter) = input.source.and_then(|source| components.get(source)) else {
            return Carriage::Sent;
        };
        if self.chains(emitter, reader) {
            return Carriage::Chained;
        }
        let by_key = matches!(input.grouping, Grouping::Fields(_));
        if self.combine != When::Never && reader.combines() && by_key {
            return Carriage::Combined;
        }
        Carriage::Sent
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_what_they_print() {
        for when in [When::Pays, When::Always, When::Never] {
            assert_eq!(when.to_string().parse(), Ok(when));
        }
        let error = "often".parse::<When>().unwrap_err().to_string();
        assert_eq!(
            error,
            r#""often" does not say when; use pays, always or never"#
        );
    }
}

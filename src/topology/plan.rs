//! A topology as plain data: its components, their streams, and who reads what by which grouping.
//!
//! A plan holds names only, no code, so it can be checked, drawn, stored and compared before
//! anything runs.

use std::{fmt, sync::LazyLock};

use serde::{Deserialize, Serialize};

use super::exchange::Exchange;

pub use crate::stream::{DEAD_LETTERS, DEFAULT_STREAM, StreamPlan};

// A lock only because building `String`s needs the heap: filled on first use, then read-only, so
// that `ComponentPlan::stream` can lend it out like a listed stream.
static DEAD_LETTERS_STREAM: LazyLock<StreamPlan> = LazyLock::new(|| StreamPlan {
    name: DEAD_LETTERS.to_owned(),
    tuple: "DeadLetter".to_owned(),
    fields: vec!["source".to_owned()],
});

/// The most tasks that a component may have when it receives a fields grouping: 256.
///
/// A fields grouping hashes each key to one of 256 shards and deals out whole shards, so a further
/// task would never get a tuple.
pub const MAX_FIELDS_TASKS: usize = 256;

/// A whole topology as data.
///
/// ```
/// use squall::topology::{
///     Exchange, ComponentKind, ComponentPlan, DEFAULT_STREAM, Grouping, InputPlan, KeyPlan, Plan,
///     StreamPlan,
/// };
///
/// let plan = Plan {
///     name: "word-count".into(),
///     components: vec![
///         ComponentPlan {
///             id: "words".into(),
///             kind: ComponentKind::Spout,
///             implementation: "RandomWords".into(),
///             parallelism: 5,
///             inputs: vec![],
///             outputs: vec![StreamPlan {
///                 name: DEFAULT_STREAM.into(),
///                 tuple: "Word".into(),
///                 fields: vec!["word".into()],
///             }],
///         },
///         ComponentPlan {
///             id: "counts".into(),
///             kind: ComponentKind::Sink,
///             implementation: "PrintCounts".into(),
///             parallelism: 4,
///             inputs: vec![InputPlan {
///                 component: "words".into(),
///                 stream: DEFAULT_STREAM.into(),
///                 grouping: Grouping::Fields(KeyPlan::fields(["word"])),
///                 exchange: Exchange::Sent,
///             }],
///             outputs: vec![],
///         },
///     ],
/// };
/// assert_eq!(plan.check(), Ok(()));
/// assert_eq!(plan.topological_order(), Some(vec![0, 1]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Plan {
    /// The topology's name, for people, logs and metrics.
    pub name: String,
    /// The components in the order in which they were declared.
    pub components: Vec<ComponentPlan>,
}

/// One spout, bolt or sink: what it is called, how many tasks it has, what it reads and emits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ComponentPlan {
    /// The name by which other components read this one; not empty, unique in the plan.
    pub id: String,
    /// Whether it makes tuples, turns them into others, or takes them out.
    pub kind: ComponentKind,
    /// The short name of the type that does the work, such as `RollingCount`; for people only.
    pub implementation: String,
    /// How many tasks run it; at least 1, and at most
    /// [`MAX_FIELDS_TASKS`] when it receives a fields grouping.
    pub parallelism: usize,
    /// The streams it reads; none for a spout, at least one for a bolt or sink.
    pub inputs: Vec<InputPlan>,
    /// The streams it emits, besides [`DEAD_LETTERS`]; none for a sink.
    pub outputs: Vec<StreamPlan>,
}

/// The role of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ComponentKind {
    /// Brings tuples into the topology; reads no stream.
    Spout,
    /// Reads streams and emits streams.
    Bolt,
    /// Takes tuples out of the topology; emits no stream, not even dead letters.
    Sink,
}

/// A stream that a component reads, and how its tuples are dealt out to the reader's tasks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InputPlan {
    /// The id of the component that emits the stream.
    pub component: String,
    /// The name of the stream.
    pub stream: String,
    /// Which task of the reader gets which tuple.
    pub grouping: Grouping,
    /// How it gets there.
    #[serde(default, skip_serializing_if = "Exchange::is_sent")]
    pub exchange: Exchange,
}

/// Which task of the reading component gets a tuple.
///
/// Displayed in the words of the drawings:
///
/// ```
/// use squall::topology::{Grouping, KeyPart, KeyPlan};
///
/// let word = KeyPlan::fields(["user", "word"]);
/// assert_eq!(Grouping::Fields(word).to_string(), "fields(user, word)");
/// let closure = KeyPlan { parts: vec![KeyPart::Closure] };
/// assert_eq!(Grouping::PartialKey(closure).to_string(), "partial-key(<closure>)");
/// assert_eq!(Grouping::Custom("Nearest".into()).to_string(), "custom(Nearest)");
/// assert_eq!(Grouping::LocalOrShuffle.to_string(), "local-or-shuffle");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// Equal keys go to the same task, so that one task sees all of a key.
    Fields(KeyPlan),
    /// Each key has two candidate tasks, and the less loaded of the two gets the tuple: a hot key
    /// is shared by two tasks, whose partial results the next component merges (Nasir et al. 2015,
    /// "The Power of Both Choices").
    PartialKey(KeyPlan),
    /// Every tuple goes to the lowest task.
    Global,
    /// Tuples are spread evenly over the tasks, whatever they hold.
    Shuffle,
    /// Every task gets a copy of every tuple.
    All,
    /// Spread evenly over those tasks that are in the emitter's own process; over all tasks when
    /// there are none.
    LocalOrShuffle,
    /// The emitter names the task.
    Direct,
    /// The user's own grouping, by its name.
    Custom(String),
}

/// The key of a fields or partial-key grouping: its parts, compared one after the other.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyPlan {
    /// The parts in the order in which they are hashed; a key needs at least one.
    pub parts: Vec<KeyPart>,
}

/// One part of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyPart {
    /// The field of that name, which the stream must have.
    Field(String),
    /// A function of the tuple, which a plan cannot look into.
    Closure,
}

impl Plan {
    /// The component of that id; the first declared, should a faulty plan have several.
    #[must_use]
    pub fn component(&self, id: &str) -> Option<&ComponentPlan> {
        self.components.iter().find(|component| component.id == id)
    }
}

impl ComponentPlan {
    /// The stream of that name: a listed one, or [`DEAD_LETTERS`], which spouts and bolts have
    /// without listing it (tuple `DeadLetter`, field `source`).
    #[must_use]
    pub fn stream(&self, name: &str) -> Option<&StreamPlan> {
        self.streams().find(|stream| stream.name == name)
    }

    /// Every stream that can be read: the listed ones, then [`DEAD_LETTERS`] of a spout or bolt
    /// unless that was listed too.
    pub fn streams(&self) -> impl Iterator<Item = &StreamPlan> {
        let listed = |name: &str| self.outputs.iter().any(|stream| stream.name == name);
        let implicit = self.kind != ComponentKind::Sink && !listed(DEAD_LETTERS);
        let implicit = implicit.then(|| &*DEAD_LETTERS_STREAM);
        self.outputs.iter().chain(implicit)
    }
}

impl KeyPlan {
    /// The key made of the fields of these names.
    pub fn fields<I>(names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let parts = names.into_iter().map(|name| KeyPart::Field(name.into()));
        Self {
            parts: parts.collect(),
        }
    }
}

impl Grouping {
    /// The key, of the groupings that have one.
    #[must_use]
    pub fn key(&self) -> Option<&KeyPlan> {
        match self {
            Self::Fields(key) | Self::PartialKey(key) => Some(key),
            Self::Global
            | Self::Shuffle
            | Self::All
            | Self::LocalOrShuffle
            | Self::Direct
            | Self::Custom(_) => None,
        }
    }

    /// The grouping in words, with every name in it passed through `escape`, because each drawing
    /// has to escape the user's names but not the words around them.
    pub(super) fn label(&self, escape: impl Fn(&str) -> String) -> String {
        let list = |key: &KeyPlan| {
            let parts: Vec<_> = key
                .parts
                .iter()
                .map(|part| match part {
                    KeyPart::Field(name) => escape(name),
                    KeyPart::Closure => escape("<closure>"),
                })
                .collect();
            parts.join(", ")
        };
        match self {
            Self::Fields(key) => format!("fields({})", list(key)),
            Self::PartialKey(key) => format!("partial-key({})", list(key)),
            Self::Global => "global".to_owned(),
            Self::Shuffle => "shuffle".to_owned(),
            Self::All => "all".to_owned(),
            Self::LocalOrShuffle => "local-or-shuffle".to_owned(),
            Self::Direct => "direct".to_owned(),
            Self::Custom(name) => format!("custom({})", escape(name)),
        }
    }
}

impl fmt::Display for Grouping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.label(str::to_owned))
    }
}

impl fmt::Display for ComponentKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Spout => "spout",
            Self::Bolt => "bolt",
            Self::Sink => "sink",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::samples::{bolt, sink, spout};

    #[test]
    fn spouts_and_bolts_have_dead_letters_and_sinks_do_not() {
        for component in [spout("words"), bolt("counts", [])] {
            let stream = component.stream(DEAD_LETTERS).unwrap();
            assert_eq!(stream.tuple, "DeadLetter");
            assert_eq!(stream.fields, ["source"]);
        }
        assert_eq!(sink("print", []).stream(DEAD_LETTERS), None);
    }

    #[test]
    fn listed_dead_letters_are_not_a_second_stream() {
        let mut component = spout("words");
        let implicit = component.stream(DEAD_LETTERS).unwrap().clone();
        component.outputs.push(implicit);
        let names: Vec<_> = component.streams().map(|stream| &stream.name).collect();
        assert_eq!(names, [DEFAULT_STREAM, DEAD_LETTERS]);
    }
}

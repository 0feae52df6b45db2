//! The mistakes a plan can have, each with its component and with what to do about it.

use std::fmt;

use super::plan::{ComponentKind, Grouping, MAX_FIELDS_TASKS};

/// All mistakes of one plan, as [`Plan::check`](super::Plan::check) found them; never empty there.
///
/// Displayed as a heading and one line for each mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanErrors {
    /// The name of the topology.
    pub topology: String,
    /// The mistakes: those of the whole first, then by component in the order of declaration, the
    /// cycles last.
    pub errors: Vec<PlanError>,
}

impl fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.errors.len();
        let plural = if count == 1 { "" } else { "s" };
        write!(
            f,
            "topology {:?} has {count} mistake{plural}:",
            self.topology
        )?;
        self.errors
            .iter()
            .try_for_each(|error| write!(f, "\n  - {error}"))
    }
}

impl std::error::Error for PlanErrors {}

/// One mistake in a plan.
///
/// `component` is always the id of the component at fault, `input` and `stream` name the stream
/// that it reads. A message is one line whatever the names hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The plan has no components at all.
    #[error("it has no components; add a spout and a bolt or sink that reads it")]
    Empty,

    /// There are components but none that brings in tuples.
    #[error("it has no spout, so no tuple would ever enter it; add one")]
    NoSpout,

    /// A component has no name to be read by.
    #[error("component {position} ({implementation:?}) has an empty id; name it")]
    EmptyId {
        /// Its place in the declaration, from 1.
        position: usize,
        /// Its type name, since it has no other.
        implementation: String,
    },

    /// Several components have one id; reported once for the id.
    #[error("{component:?} is the id of {count} components; give each an id of its own")]
    DuplicateId {
        /// The id.
        component: String,
        /// How many components have it, at least 2.
        count: usize,
    },

    /// A component has no task to run it.
    #[error("{component:?} has parallelism 0; give it at least 1 task")]
    ZeroParallelism {
        /// The component.
        component: String,
    },

    /// A component that receives a fields grouping has more tasks than there are shards of keys.
    #[error(
        "{component:?} has parallelism {parallelism}, but a fields grouping deals out \
         {MAX_FIELDS_TASKS} shards of keys; give it at most {MAX_FIELDS_TASKS} tasks"
    )]
    TooManyTasks {
        /// The receiving component.
        component: String,
        /// The parallelism that was asked for, above [`MAX_FIELDS_TASKS`].
        parallelism: usize,
    },

    /// A bolt or sink reads nothing.
    #[error("{kind} {component:?} reads no stream; give it an input")]
    MissingInput {
        /// The component.
        component: String,
        /// Bolt or sink.
        kind: ComponentKind,
    },

    /// A spout reads streams, which only bolts and sinks do.
    #[error("spout {component:?} reads {}; make it a bolt or remove its inputs", list(.inputs))]
    SpoutWithInputs {
        /// The spout.
        component: String,
        /// The ids of the components that it reads.
        inputs: Vec<String>,
    },

    /// A sink emits streams, which only spouts and bolts do.
    #[error("sink {component:?} emits {}; make it a bolt or remove its streams", list(.streams))]
    SinkWithOutputs {
        /// The sink.
        component: String,
        /// The names of the streams that it lists.
        streams: Vec<String>,
    },

    /// No component reads a spout; its dead letters do not count.
    #[error("nobody reads spout {component:?}; add a bolt or sink that does, or remove it")]
    UnreadSpout {
        /// The spout.
        component: String,
    },

    /// A component lists a stream more than once; reported once for the name.
    #[error("{component:?} emits {count} streams named {stream:?}; name each differently")]
    DuplicateStream {
        /// The emitting component.
        component: String,
        /// The name.
        stream: String,
        /// How many streams have it, at least 2.
        count: usize,
    },

    /// An input names a component that does not exist.
    #[error("{component:?} reads {input:?}, which is not a component; {}", hint(.nearest.as_ref(), .known))]
    UnknownComponent {
        /// The reading component.
        component: String,
        /// The id that it asks for.
        input: String,
        /// The other component's id that is spelled nearly so, if one is.
        nearest: Option<String>,
        /// The ids of all other components.
        known: Vec<String>,
    },

    /// An input names a stream that its component does not emit.
    #[error("{component:?} reads stream {stream:?} of {input:?}, which has {}", one_of(.known))]
    UnknownStream {
        /// The reading component.
        component: String,
        /// The component that it reads.
        input: String,
        /// The stream that it asks for.
        stream: String,
        /// The streams that `input` has.
        known: Vec<String>,
    },

    /// A component has the same input, with the same grouping, more than once, and would get every
    /// tuple more than once; reported once for the input.
    #[error(
        "{component:?} reads stream {stream:?} of {input:?} {count} times by {}; keep one of them",
        .grouping.label(plain)
    )]
    DuplicateInput {
        /// The reading component.
        component: String,
        /// The component that it reads.
        input: String,
        /// The stream that it reads.
        stream: String,
        /// By which grouping.
        grouping: Grouping,
        /// How many times, at least 2.
        count: usize,
    },

    /// A fields or partial-key grouping has a key without parts, which would make all tuples equal.
    #[error(
        "{component:?} groups stream {stream:?} of {input:?} by an empty key; \
         name a field, or use the global grouping to get all tuples in one task"
    )]
    EmptyKey {
        /// The reading component.
        component: String,
        /// The component that it reads.
        input: String,
        /// The stream that it reads.
        stream: String,
    },

    /// A key names a field that the stream does not have.
    #[error(
        "{component:?} groups stream {stream:?} of {input:?} by field {field:?}, \
         but its tuple {tuple:?} has {}", one_of(.known)
    )]
    UnknownField {
        /// The reading component.
        component: String,
        /// The component that it reads.
        input: String,
        /// The stream that it reads.
        stream: String,
        /// The stream's tuple type.
        tuple: String,
        /// The field that the key names.
        field: String,
        /// The fields that the tuple has.
        known: Vec<String>,
    },

    /// Components read each other in a circle, so that a tuple might never leave it.
    #[error("its streams run in a circle: {}; remove one of these inputs", circle(.path))]
    Cycle {
        /// The ids in the direction of the data, the first again at the end.
        path: Vec<String>,
    },
}

/// The text with line breaks and other control characters made visible, so that it stays one line.
pub(super) fn plain(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        // The two separators are line breaks to some viewers, but no control characters.
        if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

fn circle(path: &[String]) -> String {
    let path: Vec<_> = path.iter().map(|id| plain(id)).collect();
    path.join(" -> ")
}

fn list(names: &[String]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    names.join(", ")
}

fn one_of(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        format!("only {}", list(names))
    }
}

fn hint(nearest: Option<&String>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("did you mean {nearest:?}?"),
        None if known.is_empty() => "there is no other component".to_owned(),
        None => format!("the other components are {}", list(known)),
    }
}

//! Plans that the tests of this layer share.

use super::exchange::Exchange;
use super::plan::{
    ComponentKind, ComponentPlan, DEFAULT_STREAM, Grouping, InputPlan, KeyPlan, Plan, StreamPlan,
};

/// words -fields(word)-> counts -fields(key)-> rankings -global-> merged
pub(super) fn rolling_top_words() -> Plan {
    let named =
        |mut component: ComponentPlan, implementation: &str, tasks, tuple, fields: &[&str]| {
            component.implementation = implementation.to_owned();
            component.parallelism = tasks;
            component.outputs = vec![stream(DEFAULT_STREAM, tuple, fields)];
            component
        };
    let counts = bolt("counts", [input("words", fields(["word"]))]);
    let rankings = bolt("rankings", [input("counts", fields(["key"]))]);
    let merged = bolt("merged", [input("rankings", Grouping::Global)]);
    plan([
        named(spout("words"), "RandomWords", 5, "Word", &["word"]),
        named(counts, "RollingCount", 4, "Count", &["key", "count"]),
        named(rankings, "Rank", 4, "Ranking", &["entries"]),
        named(merged, "MergeRankings", 1, "Ranking", &["entries"]),
    ])
}

pub(super) fn plan(components: impl IntoIterator<Item = ComponentPlan>) -> Plan {
    Plan {
        name: "rolling-top-words".to_owned(),
        components: components.into_iter().collect(),
    }
}

pub(super) fn spout(id: &str) -> ComponentPlan {
    component(ComponentKind::Spout, id, [])
}

pub(super) fn bolt(id: &str, inputs: impl IntoIterator<Item = InputPlan>) -> ComponentPlan {
    component(ComponentKind::Bolt, id, inputs)
}

pub(super) fn sink(id: &str, inputs: impl IntoIterator<Item = InputPlan>) -> ComponentPlan {
    let component = component(ComponentKind::Sink, id, inputs);
    ComponentPlan {
        outputs: Vec::new(),
        ..component
    }
}

fn component(
    kind: ComponentKind,
    id: &str,
    inputs: impl IntoIterator<Item = InputPlan>,
) -> ComponentPlan {
    ComponentPlan {
        id: id.to_owned(),
        kind,
        implementation: "Work".to_owned(),
        parallelism: 1,
        inputs: inputs.into_iter().collect(),
        outputs: vec![stream(DEFAULT_STREAM, "Word", &["word"])],
    }
}

pub(super) fn stream(name: &str, tuple: &str, fields: &[&str]) -> StreamPlan {
    StreamPlan {
        name: name.to_owned(),
        tuple: tuple.to_owned(),
        fields: fields.iter().copied().map(str::to_owned).collect(),
    }
}

pub(super) fn input(component: &str, grouping: Grouping) -> InputPlan {
    input_of(component, DEFAULT_STREAM, grouping)
}

pub(super) fn input_of(component: &str, stream: &str, grouping: Grouping) -> InputPlan {
    InputPlan {
        exchange: Exchange::Sent,
        component: component.to_owned(),
        stream: stream.to_owned(),
        grouping,
    }
}

pub(super) fn fields<const N: usize>(names: [&str; N]) -> Grouping {
    Grouping::Fields(KeyPlan::fields(names))
}

use super::*;
use crate::topology::{
    plan::{DEFAULT_STREAM, KeyPlan},
    samples::{bolt, fields, input, input_of, plan, rolling_top_words, sink, spout, stream},
};

/// The mistakes of the plan of these components.
fn mistakes(components: impl IntoIterator<Item = ComponentPlan>) -> Vec<PlanError> {
    let Err(mistakes) = plan(components).check() else {
        return Vec::new();
    };
    assert!(!mistakes.errors.is_empty());
    let lines = mistakes.to_string().lines().count();
    assert_eq!(lines, 1 + mistakes.errors.len(), "{mistakes}");
    mistakes.errors
}

/// The only mistake of the plan of these components, and what it says.
fn mistake(components: impl IntoIterator<Item = ComponentPlan>) -> (PlanError, String) {
    let mut errors = mistakes(components);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    let error = errors.remove(0);
    let message = error.to_string();
    (error, message)
}

/// A bolt that reads `words` as a correct plan would.
fn reader(id: &str) -> ComponentPlan {
    bolt(id, [input("words", Grouping::Shuffle)])
}

fn s(text: &str) -> String {
    text.to_owned()
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

#[test]
fn a_correct_plan_has_no_mistakes() {
    assert_eq!(rolling_top_words().check(), Ok(()));
    let last = sink("printed", [input("counts", Grouping::Global)]);
    assert_eq!(mistakes([spout("words"), reader("counts"), last]), []);
}

#[test]
fn empty_topology() {
    let (error, message) = mistake([]);
    assert_eq!(error, PlanError::Empty);
    assert_eq!(
        message,
        "it has no components; add a spout and a bolt or sink that reads it"
    );
}

#[test]
fn no_spout() {
    // Without a spout a plan has some other mistake as well, since data must come from somewhere.
    let errors = mistakes([bolt("counts", [])]);
    let kind = ComponentKind::Bolt;
    let component = s("counts");
    assert_eq!(
        errors,
        [
            PlanError::NoSpout,
            PlanError::MissingInput { component, kind }
        ]
    );
    assert_eq!(
        errors[0].to_string(),
        "it has no spout, so no tuple would ever enter it; add one"
    );
}

#[test]
fn empty_id() {
    let (error, message) = mistake([spout("words"), reader("")]);
    let implementation = s("Work");
    assert_eq!(
        error,
        PlanError::EmptyId {
            position: 2,
            implementation
        }
    );
    assert_eq!(message, r#"component 2 ("Work") has an empty id; name it"#);
}

#[test]
fn duplicate_id_is_reported_once() {
    let (error, message) = mistake([spout("words"), reader("a"), reader("a"), reader("a")]);
    assert_eq!(
        error,
        PlanError::DuplicateId {
            component: s("a"),
            count: 3
        }
    );
    assert_eq!(
        message,
        r#""a" is the id of 3 components; give each an id of its own"#
    );
}

#[test]
fn zero_parallelism() {
    let mut idle = reader("counts");
    idle.parallelism = 0;
    let (error, message) = mistake([spout("words"), idle]);
    assert_eq!(
        error,
        PlanError::ZeroParallelism {
            component: s("counts")
        }
    );
    assert_eq!(
        message,
        r#""counts" has parallelism 0; give it at least 1 task"#
    );
}

#[test]
fn more_tasks_than_shards_under_a_fields_grouping() {
    let counts = |parallelism, grouping| ComponentPlan {
        parallelism,
        ..bolt("counts", [input("words", grouping)])
    };
    assert_eq!(
        mistakes([spout("words"), counts(256, fields(["word"]))]),
        []
    );
    assert_eq!(
        mistakes([spout("words"), counts(257, Grouping::Shuffle)]),
        []
    );
    let (error, message) = mistake([spout("words"), counts(257, fields(["word"]))]);
    assert_eq!(
        error,
        PlanError::TooManyTasks {
            component: s("counts"),
            parallelism: 257
        }
    );
    assert_eq!(
        message,
        "\"counts\" has parallelism 257, but a fields grouping deals out 256 shards of keys; \
         give it at most 256 tasks"
    );
}

#[test]
fn bolt_or_sink_without_input() {
    for (last, kind) in [(bolt("last", []), "bolt"), (sink("last", []), "sink")] {
        let (error, message) = mistake([spout("words"), reader("counts"), last.clone()]);
        assert_eq!(
            error,
            PlanError::MissingInput {
                component: s("last"),
                kind: last.kind
            }
        );
        assert_eq!(
            message,
            format!("{kind} \"last\" reads no stream; give it an input")
        );
    }
}

#[test]
fn spout_with_inputs() {
    let mut second = spout("second");
    second.inputs = vec![
        input("words", Grouping::Shuffle),
        input("words", Grouping::All),
    ];
    let (error, message) = mistake([
        spout("words"),
        second,
        bolt("counts", [input("second", Grouping::Shuffle)]),
    ]);
    let inputs = strings(["words"]);
    assert_eq!(
        error,
        PlanError::SpoutWithInputs {
            component: s("second"),
            inputs
        }
    );
    assert_eq!(
        message,
        r#"spout "second" reads "words"; make it a bolt or remove its inputs"#
    );
}

#[test]
fn sink_with_outputs() {
    let mut printed = sink("printed", [input("words", Grouping::Shuffle)]);
    printed.outputs = vec![stream("receipts", "Receipt", &[])];
    let (error, message) = mistake([spout("words"), printed]);
    let streams = strings(["receipts"]);
    assert_eq!(
        error,
        PlanError::SinkWithOutputs {
            component: s("printed"),
            streams
        }
    );
    assert_eq!(
        message,
        r#"sink "printed" emits "receipts"; make it a bolt or remove its streams"#
    );
}

#[test]
fn spout_that_nobody_reads_but_for_its_dead_letters() {
    let morgue = sink(
        "morgue",
        [input_of("noise", DEAD_LETTERS, fields(["source"]))],
    );
    let (error, message) = mistake([spout("words"), reader("counts"), spout("noise"), morgue]);
    assert_eq!(
        error,
        PlanError::UnreadSpout {
            component: s("noise")
        }
    );
    assert_eq!(
        message,
        r#"nobody reads spout "noise"; add a bolt or sink that does, or remove it"#
    );
}

#[test]
fn duplicate_stream() {
    let mut words = spout("words");
    words
        .outputs
        .extend([stream("late", "Word", &[]), stream("late", "Late", &[])]);
    let (error, message) = mistake([words, reader("counts")]);
    let (component, stream) = (s("words"), s("late"));
    assert_eq!(
        error,
        PlanError::DuplicateStream {
            component,
            stream,
            count: 2
        }
    );
    assert_eq!(
        message,
        r#""words" emits 2 streams named "late"; name each differently"#
    );
}

#[test]
fn unknown_component_with_a_near_name() {
    let typo = bolt("counts", [input("wrods", Grouping::Shuffle)]);
    let (error, message) = mistake([spout("words"), reader("other"), typo]);
    assert_eq!(
        error,
        PlanError::UnknownComponent {
            component: s("counts"),
            input: s("wrods"),
            nearest: Some(s("words")),
            known: strings(["words", "other"]),
        }
    );
    assert_eq!(
        message,
        r#""counts" reads "wrods", which is not a component; did you mean "words"?"#
    );
}

#[test]
fn unknown_component_unlike_any_name() {
    let lost = bolt("counts", [input("sentences", Grouping::Shuffle)]);
    let (_, message) = mistake([spout("words"), reader("other"), lost]);
    assert_eq!(
        message,
        "\"counts\" reads \"sentences\", which is not a component; \
         the other components are \"words\", \"other\""
    );
    let alone = mistakes([bolt("counts", [input("sentences", Grouping::Shuffle)])]);
    assert_eq!(
        alone[1].to_string(),
        "\"counts\" reads \"sentences\", which is not a component; there is no other component"
    );
}

#[test]
fn unknown_stream() {
    let counts = bolt("counts", [input_of("words", "late", Grouping::Shuffle)]);
    let (error, message) = mistake([spout("words"), counts]);
    assert_eq!(
        error,
        PlanError::UnknownStream {
            component: s("counts"),
            input: s("words"),
            stream: s("late"),
            known: strings([DEFAULT_STREAM, DEAD_LETTERS]),
        }
    );
    assert_eq!(
        message,
        r#""counts" reads stream "late" of "words", which has only "default", "dead-letters""#
    );
}

#[test]
fn streams_of_a_sink_are_unknown() {
    let printed = sink("printed", [input("words", Grouping::Shuffle)]);
    for stream in [DEFAULT_STREAM, DEAD_LETTERS] {
        let after = bolt("after", [input_of("printed", stream, Grouping::Shuffle)]);
        let (_, message) = mistake([spout("words"), printed.clone(), after]);
        let expected = format!("\"after\" reads stream {stream:?} of \"printed\", which has none");
        assert_eq!(message, expected);
    }
}

#[test]
fn same_input_twice() {
    let mut counts = reader("counts");
    counts.inputs.push(counts.inputs[0].clone());
    let (error, message) = mistake([spout("words"), counts.clone()]);
    assert_eq!(
        error,
        PlanError::DuplicateInput {
            component: s("counts"),
            input: s("words"),
            stream: s(DEFAULT_STREAM),
            grouping: Grouping::Shuffle,
            count: 2,
        }
    );
    assert_eq!(
        message,
        r#""counts" reads stream "default" of "words" 2 times by shuffle; keep one of them"#
    );
    counts.inputs[1].grouping = Grouping::All;
    assert_eq!(mistakes([spout("words"), counts]), []);
}

#[test]
fn empty_key() {
    for grouping in [Grouping::Fields, Grouping::PartialKey] {
        let counts = bolt(
            "counts",
            [input("words", grouping(KeyPlan { parts: vec![] }))],
        );
        let (error, message) = mistake([spout("words"), counts]);
        let (component, input, stream) = (s("counts"), s("words"), s(DEFAULT_STREAM));
        assert_eq!(
            error,
            PlanError::EmptyKey {
                component,
                input,
                stream
            }
        );
        assert_eq!(
            message,
            "\"counts\" groups stream \"default\" of \"words\" by an empty key; \
             name a field, or use the global grouping to get all tuples in one task"
        );
    }
}

#[test]
fn key_of_a_field_that_the_stream_lacks() {
    for grouping in [Grouping::Fields, Grouping::PartialKey] {
        let mut key = KeyPlan::fields(["word", "wrod", "wrod"]);
        key.parts.push(KeyPart::Closure);
        let counts = bolt("counts", [input("words", grouping(key))]);
        let (error, message) = mistake([spout("words"), counts]);
        assert_eq!(
            error,
            PlanError::UnknownField {
                component: s("counts"),
                input: s("words"),
                stream: s(DEFAULT_STREAM),
                tuple: s("Word"),
                field: s("wrod"),
                known: strings(["word"]),
            }
        );
        assert_eq!(
            message,
            "\"counts\" groups stream \"default\" of \"words\" by field \"wrod\", \
             but its tuple \"Word\" has only \"word\""
        );
    }
}

#[test]
fn cycle_is_named_once() {
    let looped = |id, from| bolt(id, [input(from, Grouping::Shuffle)]);
    let mut first = looped("a", "c");
    first.inputs.push(input("words", Grouping::Shuffle));
    let cycle = [spout("words"), looped("c", "b"), looped("b", "a"), first];
    let (error, message) = mistake(cycle);
    assert_eq!(
        error,
        PlanError::Cycle {
            path: strings(["c", "a", "b", "c"])
        }
    );
    assert_eq!(
        message,
        "its streams run in a circle: c -> a -> b -> c; remove one of these inputs"
    );
}

#[test]
fn component_that_reads_itself() {
    let mut counts = reader("counts");
    counts.inputs.push(input("counts", Grouping::Shuffle));
    let (error, _) = mistake([spout("words"), counts]);
    assert_eq!(
        error,
        PlanError::Cycle {
            path: strings(["counts", "counts"])
        }
    );
}

#[test]
fn every_mistake_of_a_plan_is_reported_at_once() {
    let mut words = spout("words");
    words.inputs = vec![input("b", Grouping::Shuffle)];
    words.outputs.push(stream(DEFAULT_STREAM, "Word", &[]));
    let twice = input("words", Grouping::PartialKey(KeyPlan { parts: vec![] }));
    let mut a = bolt("a", [twice.clone(), twice, input("b", fields(["nope"]))]);
    a.parallelism = 1_000;
    let mut b = bolt(
        "b",
        [
            input("a", Grouping::All),
            input_of("a", "late", Grouping::All),
        ],
    );
    b.parallelism = 0;
    let mut out = sink("out", [input("nowhere", Grouping::Direct)]);
    out.outputs = vec![stream(DEFAULT_STREAM, "Word", &[])];
    let plan = plan([words, a, b, out, bolt("out", []), spout(""), spout("x\ny")]);

    let mistakes = plan.check().unwrap_err();
    assert_eq!(
        mistakes.to_string(),
        r#"topology "rolling-top-words" has 17 mistakes:
  - "words" emits 2 streams named "default"; name each differently
  - spout "words" reads "b"; make it a bolt or remove its inputs
  - "a" has parallelism 1000, but a fields grouping deals out 256 shards of keys; give it at most 256 tasks
  - "a" reads stream "default" of "words" 2 times by partial-key(); keep one of them
  - "a" groups stream "default" of "words" by an empty key; name a field, or use the global grouping to get all tuples in one task
  - "a" groups stream "default" of "b" by field "nope", but its tuple "Word" has only "word"
  - "b" has parallelism 0; give it at least 1 task
  - "b" reads stream "late" of "a", which has only "default", "dead-letters"
  - "out" is the id of 2 components; give each an id of its own
  - sink "out" emits "default"; make it a bolt or remove its streams
  - "out" reads "nowhere", which is not a component; the other components are "words", "a", "b", "x\ny"
  - bolt "out" reads no stream; give it an input
  - component 6 ("Work") has an empty id; name it
  - nobody reads spout ""; add a bolt or sink that does, or remove it
  - nobody reads spout "x\ny"; add a bolt or sink that does, or remove it
  - its streams run in a circle: words -> a -> b -> words; remove one of these inputs
  - its streams run in a circle: a -> b -> a; remove one of these inputs"#
    );
}

/// Plans drawn from few names, so that ids collide, go missing and run in circles all the time.
#[test]
fn any_plan_can_be_checked() {
    let mut state = 1_u64;
    let mut below = |bound: usize| {
        // Knuth's MMIX generator; its upper bits are the good ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    let names = ["", "a", "b", "default", DEAD_LETTERS, "x\ny"];
    let mut correct = 0;
    for _ in 0..5_000 {
        let components: Vec<_> = (0..below(6))
            .map(|_| {
                let inputs: Vec<_> = (0..below(4))
                    .map(|_| {
                        let grouping = match below(4) {
                            0 => fields([names[below(6)], "word"]),
                            1 => Grouping::Fields(KeyPlan { parts: vec![] }),
                            _ => Grouping::Shuffle,
                        };
                        input_of(names[below(6)], names[3 + below(3)], grouping)
                    })
                    .collect();
                let id = names[below(6)];
                let mut component = match below(3) {
                    0 => spout(id),
                    1 => bolt(id, inputs),
                    _ => sink(id, inputs),
                };
                component.parallelism = [0, 1, 256, usize::MAX][below(4)];
                component
            })
            .collect();
        correct += usize::from(mistakes(components).is_empty());
    }
    assert!(correct < 5_000);
}

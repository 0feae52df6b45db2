use super::*;
use crate::topology::{
    plan::{DEAD_LETTERS, Grouping, KeyPart, KeyPlan},
    samples::{bolt, fields, input, input_of, plan, rolling_top_words, sink, spout},
};

/// Names that mean something to one of the languages we draw in.
const NASTY: [&str; 24] = [
    "end",
    "graph",
    "subgraph",
    "a \"b\" c",
    "a\\",
    "\\N",
    "[x](y)",
    "{x}",
    "a|b",
    "<b>x</b>",
    "&amp;",
    "#35;",
    "a;b",
    "1. one",
    "- one",
    "`x`",
    "_x_",
    "%% x",
    "",
    "  ",
    "two\nlines",
    "Wörter 🌩",
    "fa:fa-car",
    "$$x$$",
];

#[test]
fn text_of_the_rolling_top_words() {
    assert_eq!(
        rolling_top_words().to_text(),
        "\
topology rolling-top-words, 4 components

words: spout RandomWords ×5
  emits default: Word(word)

counts: bolt RollingCount ×4
  reads words by fields(word)
  emits default: Count(key, count)

rankings: bolt Rank ×4
  reads counts by fields(key)
  emits default: Ranking(entries)

merged: bolt MergeRankings ×1
  reads rankings by global
  emits default: Ranking(entries)
"
    );
}

#[test]
fn mermaid_of_the_rolling_top_words() {
    assert_eq!(
        rolling_top_words().to_mermaid(),
        r#"flowchart LR
  c0(["words<br/>RandomWords ×5"])
  c1["counts<br/>RollingCount ×4"]
  c2["rankings<br/>Rank ×4"]
  c3["merged<br/>MergeRankings ×1"]
  c0 -->|"fields(word)"| c1
  c1 -->|"fields(key)"| c2
  c2 -->|"global"| c3
"#
    );
}

#[test]
fn dot_of_the_rolling_top_words() {
    assert_eq!(
        rolling_top_words().to_dot(),
        r#"digraph "rolling-top-words" {
  rankdir=LR;
  c0 [shape=oval, label="words\nRandomWords ×5"];
  c1 [shape=box, label="counts\nRollingCount ×4"];
  c2 [shape=box, label="rankings\nRank ×4"];
  c3 [shape=box, label="merged\nMergeRankings ×1"];
  c0 -> c1 [label="fields(word)"];
  c1 -> c2 [label="fields(key)"];
  c2 -> c3 [label="global"];
}
"#
    );
}

#[test]
fn other_streams_than_the_main_one_are_named() {
    let plan = plan([
        spout("words"),
        sink("morgue", [input_of("words", DEAD_LETTERS, Grouping::All)]),
    ]);
    assert!(
        plan.to_text()
            .contains("\n  reads stream dead-letters of words by all\n")
    );
    assert!(
        plan.to_mermaid()
            .contains(r#"c0 -->|"dead-letters: all"| c1"#)
    );
    assert!(
        plan.to_dot()
            .contains(r#"c0 -> c1 [label="dead-letters: all"];"#)
    );
}

#[test]
fn a_component_that_is_read_but_missing_is_drawn_as_missing() {
    let plan = plan([bolt("counts", [input("wrods", fields(["word"]))])]);
    let mermaid = plan.to_mermaid();
    assert!(mermaid.contains(r#"c1{"wrods<br/>missing"}"#), "{mermaid}");
    assert!(
        mermaid.contains(r#"c1 -->|"fields(word)"| c0"#),
        "{mermaid}"
    );
    let dot = plan.to_dot();
    assert!(
        dot.contains(r#"c1 [shape=diamond, label="wrods\nmissing"];"#),
        "{dot}"
    );
}

#[test]
fn mermaid_shows_any_name_as_it_is() {
    assert_eq!(mermaid("rolling_top-words 2.0"), "rolling_top-words 2.0");
    assert_eq!(mermaid(r#"a "b""#), "a#32;#34;b#34;");
    assert_eq!(mermaid("1. _x_"), "1#46;#32;#95;x#95;");
    assert_eq!(mermaid(r"C:\new"), "C#58;#8288;#92;#8288;new");
    for name in NASTY {
        let label = mermaid(name);
        assert_eq!(from_entities(&label), plain(name));
        let marks = "\"<>&`*[]{}()|\\%:/\n";
        assert!(!label.contains(|c| marks.contains(c)), "{label}");
    }
}

/// What a reader sees of a label: `#34;` is a mark, a word joiner is nothing.
fn from_entities(label: &str) -> String {
    let mut parts = label.split('#');
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (code, rest) = part.split_once(';').unwrap();
        let mark = char::from_u32(code.parse().unwrap()).unwrap();
        text.extend((mark != '\u{2060}').then_some(mark));
        text += rest;
    }
    text
}

#[test]
fn dot_shows_any_name_as_it_is() {
    assert_eq!(dot(r#"a "b" \N &lt;"#), r#"a \"b\" \\N &amp;lt;"#);
    for name in NASTY {
        let label = dot(name).replace(r"\\", "").replace(r#"\""#, "");
        assert!(!label.contains(['"', '\\', '\n']), "{label}");
    }
}

#[test]
fn names_cannot_add_lines_to_a_drawing() {
    let component = |name: &str| {
        let key = vec![KeyPart::Field(name.to_owned()), KeyPart::Closure];
        let mut component = bolt(
            name,
            [
                input_of(name, name, Grouping::PartialKey(KeyPlan { parts: key })),
                input(name, Grouping::Custom(name.to_owned())),
            ],
        );
        component.implementation = name.to_owned();
        component.outputs[0].fields[0] = name.to_owned();
        component
    };
    let nasty = plan(NASTY.map(component));
    let tame = plan((0..NASTY.len()).map(|at| component(&format!("c{at}"))));
    for format in [
        PlanFormat::Text,
        PlanFormat::Mermaid,
        PlanFormat::Dot,
        PlanFormat::Json,
    ] {
        let (nasty, tame) = (nasty.draw(format), tame.draw(format));
        assert_eq!(nasty.lines().count(), tame.lines().count(), "{nasty}");
        assert!(nasty.ends_with('\n') && !nasty.ends_with("\n\n"));
    }
}

#[test]
fn json_gives_the_plan_back() {
    let key = KeyPlan {
        parts: vec![KeyPart::Closure, KeyPart::Field("word".to_owned())],
    };
    let groupings = [
        Grouping::Fields(key.clone()),
        Grouping::PartialKey(key),
        Grouping::Global,
        Grouping::Shuffle,
        Grouping::All,
        Grouping::LocalOrShuffle,
        Grouping::Direct,
        Grouping::Custom("Nearest".to_owned()),
    ];
    let inputs = groupings.map(|grouping| input("words", grouping));
    let nasty = NASTY.map(|id| sink(id, [input("counts", Grouping::Shuffle)]));
    let plan = plan(
        [spout("words"), bolt("counts", inputs)]
            .into_iter()
            .chain(nasty),
    );
    assert_eq!(serde_json::from_str::<Plan>(&plan.to_json()).unwrap(), plan);
}

#[test]
fn json_reads_like_the_other_drawings() {
    let plan = serde_json::to_value(rolling_top_words()).unwrap();
    assert_eq!(
        plan["components"][1]["inputs"][0],
        serde_json::json!({
            "component": "words",
            "stream": "default",
            "grouping": {"fields": [{"field": "word"}]},
        })
    );
    assert_eq!(plan["components"][0]["kind"], "spout");
    assert_eq!(plan["components"][3]["inputs"][0]["grouping"], "global");
}

#[test]
fn formats_are_read_as_they_are_written() {
    for format in [
        PlanFormat::Text,
        PlanFormat::Mermaid,
        PlanFormat::Dot,
        PlanFormat::Json,
    ] {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert_eq!(
        "".parse::<PlanFormat>(),
        Err(UnknownPlanFormat(String::new()))
    );
}

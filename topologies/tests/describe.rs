//! What the command says about the topologies it has.

mod common;

use common::{output, squall};

#[test]
fn the_topologies_are_listed_with_their_purpose() {
    let (stdout, _) = output(&mut squall(&["list"]));
    let lines = "\
rolling-top-words  The words, or values of a field (--split none), that occur most in a rolling window
top-users          The users who spent most, over everything so far
top-keys           The values of any field that occur most, or whose amounts have the largest sums, over everything so far
rollup             Events rolled up into a cube, which `squall query` reads
";
    assert_eq!(stdout, lines);
}

#[test]
fn mermaid_draws_four_components_with_parallelism_and_groupings() {
    let arguments = ["describe", "rolling-top-words", "--format", "mermaid"];
    let (stdout, stderr) = output(&mut squall(&arguments));
    assert_eq!(stderr, "");
    assert!(stdout.starts_with("flowchart"), "{stdout}");
    for part in [
        "words<br/>RandomWords ×5",
        "counts<br/>RollingCount ×4",
        "rankings<br/>Rank ×4",
        "merged<br/>MergeRankings ×1",
        r#"c0 -->|"fields(word), combined"| c1"#,
        r#"c1 -->|"fields(key), chained"| c2"#,
        r#"c2 -->|"global"| c3"#,
    ] {
        assert!(stdout.contains(part), "no {part} in {stdout}");
    }
    assert_eq!(stdout.matches("×").count(), 4);
    assert_eq!(stdout.matches("-->").count(), 3);
}

#[test]
fn top_users_are_drawn_with_one_task_that_ranks() {
    let arguments = ["describe", "top-users", "--counters", "3", "--json"];
    let (stdout, _) = output(&mut squall(&arguments));
    for part in [
        "purchases: spout RandomPurchases ×4",
        "totals: bolt Totals ×3",
        "reads purchases by fields(user)",
        "top: bolt TopTotals ×1",
        "reads totals by global",
        "json: sink",
    ] {
        assert!(stdout.contains(part), "no {part} in {stdout}");
    }
}

#[test]
fn a_level_of_mergers_and_a_sink_are_drawn_where_they_are_asked_for() {
    let arguments = ["describe", "rolling-top-words", "--mergers", "3", "--json"];
    let (stdout, _) = output(&mut squall(&arguments));
    assert!(
        stdout.contains("merging: bolt MergeRankings ×3"),
        "{stdout}"
    );
    assert!(stdout.contains("json: sink"), "{stdout}");
    assert!(stdout.contains("6 components"), "{stdout}");
}

#[test]
fn the_plan_is_also_there_for_programs() {
    let arguments = ["describe", "rolling-top-words", "--format", "json"];
    let (stdout, _) = output(&mut squall(&arguments));
    let plan: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(plan["components"].as_array().unwrap().len(), 4);
    let (dot, _) = output(&mut squall(&[
        "describe",
        "rolling-top-words",
        "--format",
        "dot",
    ]));
    assert!(dot.starts_with("digraph"), "{dot}");
}

#[test]
fn how_tuples_are_carried_can_be_said() {
    let lines = |when: &str| {
        let arguments = [
            "describe",
            "rolling-top-words",
            "--combine",
            when,
            "--chain",
            when,
        ];
        output(&mut squall(&arguments)).0
    };
    let (pays, never) = (lines("pays"), lines("never"));
    assert!(
        pays.contains("reads words by fields(word), combined by its sender\n"),
        "{pays}"
    );
    assert!(
        pays.contains("reads counts by fields(key), in its task\n"),
        "{pays}"
    );
    assert!(never.contains("reads words by fields(word)\n"), "{never}");
    assert!(never.contains("reads counts by fields(key)\n"), "{never}");
}

#[test]
fn tasks_shards_threads_and_channels_are_printed() {
    let arguments = ["describe", "rolling-top-words", "--physical"];
    let (stdout, stderr) = output(&mut squall(&arguments));
    assert_eq!(stderr, "");
    let heading = "topology rolling-top-words: 14 tasks, 28 channels, ";
    assert!(stdout.starts_with(heading), "{stdout}");
    for part in [
        "counts[1] (shards 64 to 127)",
        "words -> counts: 20 channels, fields(word), combined\n",
        "counts -> rankings: 4 channels, fields(key), chained\n",
        "rankings -> merged: 4 channels, global\n",
    ] {
        assert!(stdout.contains(part), "no {part} in {stdout}");
    }
    let threads = stdout.lines().filter(|line| line.starts_with("thread "));
    let tasks: usize = threads.map(|line| line.matches('[').count()).sum();
    assert_eq!(tasks, 14, "each task runs on one thread: {stdout}");
}

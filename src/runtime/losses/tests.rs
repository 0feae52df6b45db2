//! Losses are counted once, by reason, and judged against a limit.

use super::*;

fn kind(reason: &str) -> String {
    let mut kind = String::new();
    kind_of(reason, &mut kind);
    kind
}

#[test]
fn reasons_that_differ_in_their_values_are_of_one_kind() {
    let table = [
        (
            "the row has 12 columns, the header has 3",
            "the row has # columns, the header has #",
        ),
        ("`soon` is no time: \"a 1\"", "`…` is no time: \"…\""),
        ("a ` alone é 7", "a ` alone é #"),
        ("", ""),
    ];
    for (reason, expected) in table {
        assert_eq!(kind(reason), expected);
    }
    assert!(kind(&"x".repeat(1_000_000)).len() <= MAX_KIND_BYTES + 4);
}

fn watch(metrics: &Arc<Metrics>, limit: &str) -> LossWatch {
    let spout = Watched {
        component: "words".to_owned(),
        spout: true,
        tasks: vec![Arc::clone(metrics)],
    };
    LossWatch::new(vec![spout], limit.parse().ok(), None)
}

#[test]
fn a_limit_is_passed_by_one_more_and_a_share_is_judged_from_a_thousand_on() {
    let metrics = Arc::new(Metrics::default());
    let judged = |lost, read, limit: &str, at_end| {
        metrics.dead_letters.store(lost, Relaxed);
        metrics.records.store(read, Relaxed);
        watch(&metrics, limit).judge(at_end).is_some()
    };
    assert!(!judged(3, 10, "3", false));
    assert!(judged(4, 10, "3", false));
    assert!(judged(1, 10, "0", false));
    assert!(!judged(999, 999, "10%", false));
    assert!(judged(999, 999, "10%", true));
    assert!(!judged(100, 1_000, "10%", false));
    assert!(judged(101, 1_000, "10%", false));
    assert!(!judged(57, 10_000, "0.57%", true));
    assert!(!judged(1_000, 1_000, "100%", true));
    assert!(judged(1, 1_000_000, "0%", true));
}

#[test]
fn limits_read_back_as_what_they_print() {
    for text in ["0", "17", "0%", "2.5%", "0.0001%", "100%"] {
        let limit: LossLimit = text.parse().unwrap();
        assert_eq!(limit.to_string(), text);
    }
    for text in [
        "", "%", "-1", "+1", "1.5", "100.1%", "0.00001%", "-1%", "1e1%", "many", ".5%",
    ] {
        assert!(text.parse::<LossLimit>().is_err(), "{text}");
    }
}

fn letters(reasons: impl IntoIterator<Item = String>) -> Batch<DeadLetter> {
    let mut batch = Batch::default();
    for (line, reason) in (1..).zip(reasons) {
        let letter = DeadLetter {
            source: "a.csv".to_owned(),
            line: Some(line),
            reason,
            tuple: None,
        };
        batch.push(letter, crate::time::Timestamp::MIN, false);
    }
    batch
}

fn content((letter, beginning, records): (usize, &str, u64)) -> LetterContent {
    LetterContent {
        letter,
        beginning: beginning.to_owned(),
        records,
    }
}

#[test]
fn kinds_are_bounded_and_what_is_beyond_is_counted() {
    let metrics = Arc::new(Metrics::default());
    let word = |number: usize| char::from_u32(0x4e00 + u32::try_from(number).unwrap()).unwrap();
    let mut batch = letters((0..200).map(|number| format!("no {}", word(number))));
    dead_letters(
        &metrics,
        &mut batch,
        [(0, "one", 1), (2, "three", 5)].map(content).into(),
    );
    dead_letters(&metrics, &mut letters(["no 一".to_owned()]), Vec::new());
    let losses = watch(&metrics, "1").dead_letters();
    assert_eq!(losses.reasons.len(), MAX_KINDS);
    assert_eq!(losses.others, 200 - MAX_KINDS as u64);
    let [most, next] = [0, 1].map(|number: usize| {
        let reason = &losses.reasons[number];
        (reason.count, reason.example.content.as_str())
    });
    assert_eq!((most, next), ((5, "three"), (2, "one")));
    assert_eq!(metrics.lost_with_others.load(Relaxed), 4);
}

#[test]
fn what_is_done_again_after_a_failure_is_counted_once() {
    let metrics = Arc::new(Metrics::default());
    let lose = |count: usize| {
        Metrics::add(&metrics.dead_letters, count);
        let mut batch = letters((0..count).map(|_| "no".to_owned()));
        dead_letters(&metrics, &mut batch, Vec::new());
    };
    let counted = || {
        let losses = watch(&metrics, "1").dead_letters();
        (
            losses.count,
            losses.reasons.iter().map(|reason| reason.count).sum(),
        )
    };
    lose(2);
    metrics.commit_counts(5);
    lose(3);
    metrics.commit_counts(9);
    lose(1);
    metrics.restore_counts(9);
    assert_eq!(counted(), (5, 5));
    metrics.restore_counts(5);
    assert_eq!(counted(), (2, 2), "the commit of epoch 9 was not written");
    metrics.restore_counts(4);
    assert_eq!(counted(), (0, 0));
}

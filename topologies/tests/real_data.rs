//! Real data, against answers that were computed by another program.

mod common;

use common::{json, output, real_data, top_words, totals};
use serde_json::{Value, json};

/// Everything that is printed for all books.
fn books(more: &[&str]) -> Option<(String, Value)> {
    let (folder, answers) = real_data("classic-books")?;
    let input = folder.join("*.md").to_str().unwrap().to_owned();
    let mut command = top_words(&[
        "--input", &input, "--window", "all", "--top", "20", "--json",
    ]);
    let (stdout, _) = output(command.args(more));
    Some((stdout, answers))
}

fn last_ranking(stdout: &str) -> Value {
    json(stdout).pop().unwrap()["ranking"].take()
}

#[test]
fn the_words_of_all_books() {
    for (split, answer) in [
        ("ascii-words", "top20_words_ascii"),
        ("words", "top20_words_unicode"),
    ] {
        let Some((stdout, answers)) = books(&["--split", split]) else {
            return;
        };
        assert_eq!(last_ranking(&stdout), answers[answer], "{split}");
    }
}

/// Byte for byte: parallelism, levels of mergers and batches change nothing.
#[test]
fn the_words_of_all_books_however_they_are_counted() {
    let ways: [&[&str]; 6] = [
        &["--spouts", "5", "--counters", "4", "--rankers", "4"],
        &["--spouts", "1", "--counters", "1", "--rankers", "1"],
        &["--mergers", "2"],
        &[
            "--spouts",
            "2",
            "--counters",
            "3",
            "--rankers",
            "5",
            "--mergers",
            "3",
        ],
        &["--batch", "7"],
        &["--batch", "1", "--epoch", "20ms"],
    ];
    let mut first = None;
    for way in ways {
        let arguments = [&["--split", "ascii-words"], way].concat();
        let Some((stdout, _)) = books(&arguments) else {
            return;
        };
        assert_eq!(
            &stdout,
            first.get_or_insert_with(|| stdout.clone()),
            "{way:?}"
        );
    }
}

#[test]
fn the_words_of_seventy_minutes_of_tweets_by_their_own_time() {
    let Some((folder, answers)) = real_data("mayweather-tweets") else {
        return;
    };
    let input = folder.join("tweets.csv").to_str().unwrap().to_owned();
    let mut expected = Vec::new();
    for (start, ranking) in answers["tumbling_10m_top10_words"].as_object().unwrap() {
        expected.push((start.clone(), ranking.clone()));
    }
    for way in [
        &[][..],
        &["--spouts", "1", "--counters", "1", "--rankers", "1"],
        &["--mergers", "2", "--batch", "7"],
    ] {
        let mut command = top_words(&["--input", &input, "--field", "text", "--json"]);
        command.args(["--split", "ascii-words", "--time-field", "created_at"]);
        command.args([
            "--time-format",
            "%Y-%m-%d %H:%M:%S",
            "--window",
            "10m",
            "--top",
            "10",
        ]);
        let (stdout, _) = output(command.args(way));
        let rankings = json(&stdout).into_iter().map(|ranking| {
            let start = ranking["window_start"].as_str().unwrap();
            let start = start.trim_end_matches(":00Z").replace('T', " ");
            (start, ranking["ranking"].clone())
        });
        assert_eq!(rankings.collect::<Vec<_>>(), expected, "{way:?}");
    }
}

#[test]
fn who_edited_wikipedia_and_what_on_one_day() {
    let Some((folder, answers)) = real_data("wikiticker") else {
        return;
    };
    let input = folder.to_str().unwrap().to_owned();
    let input = format!("{input}/*.json.gz");
    for (field, answer) in [("user", "top20_users"), ("page", "top20_pages")] {
        let arguments = [
            "--input", &input, "--field", field, "--split", "none", "--top", "20",
        ];
        let mut command = top_words(&arguments);
        command.args(["--time-field", "time", "--window", "24h", "--json"]);
        let (stdout, _) = output(&mut command);
        let day = json!({
            "window_start": "2015-09-12T00:00:00Z",
            "window_end": "2015-09-13T00:00:00Z",
            "ranking": answers[answer],
        });
        assert_eq!(json(&stdout), [day], "{field}");

        let all = answers[answer].as_array().unwrap().iter();
        let all = all.map(|entry| format!("{} {}", entry[0].as_str().unwrap(), entry[1]));
        assert_eq!(
            totals(&arguments),
            all.collect::<Vec<_>>().join(", "),
            "{field}"
        );
    }
}

//! Rolling top words.

use crate::common::Folder;
use crate::table::{Job, Row, is_whole, lines, refused, same, same_in_the_end};

/// Read by semicolons it has the same columns, with other words.
const HEADER: &str = "x;time;word;,time,word,other,at\n";

/// A record a second; the words that are in the lead change.
fn records(seconds: std::ops::Range<u64>) -> String {
    let record = |second: u64| {
        let (word, other) = (second * second % 11, second % 5);
        let at = format!("1970-01-01T00:{:02}:{:02}Z", second / 60, second % 60);
        let time = second * 1_000;
        format!("x;{time};y{other};,{time},w{word} z,{other},{at}\n")
    };
    seconds.map(record).collect()
}

fn first(folder: &Folder, _: &str) {
    std::fs::create_dir_all(folder.path("in")).unwrap();
    std::fs::write(
        folder.path("in/a.csv"),
        HEADER.to_owned() + &records(0..130),
    )
    .unwrap();
}

fn second(folder: &Folder, _: &str) {
    std::fs::write(
        folder.path("in/a.csv"),
        HEADER.to_owned() + &records(0..400),
    )
    .unwrap();
}

/// The rankings of windows.
fn answer(printed: &str, data: &str) -> Vec<String> {
    let rankings = lines(printed, data).into_iter();
    rankings.map(|line| line.to_string()).collect()
}

const ALL: &str = "--window all --slide 20s";

const ROWS: &[Row] = &[
    same("--input", "", "--input {}/in"),
    same("--input", "", "--input {}/in/*.csv"),
    refused(
        "--input",
        "",
        "!--input !--field !--split !--time-field !--time-format --for 100ms",
        &["reads is \"files\"", "\"random words\""],
    ),
    refused(
        "--input",
        "!--input !--field !--split !--time-field !--time-format --for 300ms --epoch 10ms --slide 100ms --window 1s",
        "--input {}/in --field word",
        &["reads is \"random words\"", "\"files\""],
    ),
    same("--format", "", "--format csv"),
    refused(
        "--format",
        "--format text !--field !--time-field !--time-format --window all !--slide",
        "--format csv --field word",
        &["field is null", "\"word\""],
    ),
    refused("--format", "", "--format ndjson", &["as csv", "as ndjson"]),
    same("--delimiter", "", "--delimiter ,"),
    refused(
        "--delimiter",
        "",
        "--delimiter ;",
        &["a.csv", "delimiter `,`", "delimiter `;`"],
    ),
    same_in_the_end("--follow", "", "--follow --for 500ms"),
    same_in_the_end("--keep-open", "", "--keep-open"),
    refused("--field", "", "--field other", &["\"word\"", "\"other\""]),
    refused("--split", "", "--split words", &["\"none\"", "\"words\""]),
    same("--split", "--split words", "!--split"),
    refused(
        "--split",
        "--split ascii-words",
        "!--split",
        &["\"ascii-words\"", "\"words\""],
    ),
    refused(
        "--time-field",
        "",
        "--time-field at --time-format rfc3339",
        &["time_field is \"time\"", "\"at\""],
    ),
    refused(
        "--time-field",
        "",
        "!--time-field !--time-format",
        &["time_field is \"time\"", "null"],
    ),
    refused(
        "--time-format",
        "",
        "--time-format %s",
        &["time_format is \"unix-ms\"", "\"%s\""],
    ),
    refused(
        "--lateness",
        "",
        "--lateness 30s",
        &["lateness_ms is 0", "30000"],
    ),
    same("--idle", "", "--idle 1h"),
    refused(
        "--window",
        "",
        "--window 40s",
        &["window_ms is 60000", "40000"],
    ),
    refused(
        "--window",
        "",
        "--window all",
        &["window_ms is 60000", "null"],
    ),
    refused(
        "--slide",
        "",
        "--slide 30s",
        &["slide_ms is 20000", "30000"],
    ),
    refused("--slide", "", "!--slide", &["slide_ms is 20000", "60000"]),
    refused(
        "--slide",
        ALL,
        "--slide 40s",
        &["slide_ms is 20000", "40000"],
    ),
    refused("--slide", ALL, "!--slide", &["slide_ms is 20000", "null"]),
    same("--top", "--top 1", "--top 9"),
    same("--top", "--top 9", "--top 1"),
    same("--top", "--window all --slide 20s --top 1", "--top 9"),
    same("--top", "--window all --slide 20s --top 9", "--top 2"),
    same(
        "--top",
        "--window all --slide 20s --top 1 --mergers 2",
        "--top 9",
    ),
    same("--rate", "", "--rate 100000"),
    same("--spouts", "", "--spouts 2"),
    same("--counters", "", "--counters 3"),
    same("--rankers", "", "--rankers 1"),
    same("--rankers", ALL, "--rankers 3 --top 10"),
    same("--mergers", "", "--mergers 3"),
    same("--mergers", "--mergers 2", "--mergers 3"),
    refused("--mergers", "--mergers 2", "--mergers 1", &["`merging`"]),
    same("--combine", "", "--combine never"),
    same("--combine", "--combine never", "--combine always"),
    same("--chain", "", "--chain never"),
    same("--json", "", "!--json --out {}/out.ndjson"),
    same("--json", "!--json", "--json"),
    same("--out", "!--json --out {}/out.ndjson", "!--out --json"),
    same("--out", "--out {}/one.ndjson", "--out {}/other.ndjson"),
    same("--dead-letters", "", "--dead-letters {}/dead.ndjson"),
    same(
        "--dead-letters",
        "--dead-letters {}/dead.ndjson",
        "!--dead-letters",
    ),
    same_in_the_end("--for", "", "--for 50ms --rate 100"),
    same("--epoch", "", "--epoch 5ms"),
    same("--batch", "", "--batch 3"),
    same("--drain", "", "--drain 20s"),
    same("--data-dir", "", "--data-dir {}/other"),
    same("--commit", "", "--commit 10ms"),
    same("--restarts", "", "--restarts 3"),
    same("--stats", "", "--stats"),
    #[cfg(feature = "kafka")]
    refused(
        "--from",
        "",
        "--from end",
        &["--from is for depots and topics"],
    ),
    #[cfg(feature = "kafka")]
    refused(
        "--until-end",
        "",
        "--until-end",
        &["--until-end is for depots and topics"],
    ),
    #[cfg(feature = "kafka")]
    refused(
        "--connections",
        "",
        "--connections {}/none",
        &["cannot read", "/none`"],
    ),
    #[cfg(feature = "http")]
    same("--http", "", "--http 127.0.0.1:0"),
    #[cfg(feature = "http")]
    refused(
        "--http-token-file",
        "",
        "--http 127.0.0.1:0 --http-token-file {}/none",
        &["cannot read the token from", "/none`"],
    ),
    same("--encoding", "", "--encoding utf-8"),
    refused(
        "--encoding",
        "",
        "--encoding latin1",
        &["in utf-8", "in windows-1252"],
    ),
    refused(
        "--columns",
        "",
        r"--format text --columns ^x;(?<time>\d+);(?<word>\w+)",
        &["csv with the delimiter `,`", "text with the columns `^x;"],
    ),
    refused(
        "--columns",
        r"--format text --columns ^x;(?<time>\d+);(?<word>\w+)",
        r"--format text --columns ;,(?<time>\d+),(?<word>\w+)",
        &["text with the columns `^x;", "text with the columns `;,"],
    ),
    same("--max-late", "", "--max-late 1000000"),
    same("--max-dead-letters", "", "--max-dead-letters 1000000"),
];

#[test]
fn no_option_of_rolling_top_words_mixes_two_questions() {
    let command = &["run", "rolling-top-words"];
    is_whole(command, ROWS, &["--max-late", "--max-dead-letters"]);
    let job = Job {
        command,
        depot: None,
        given: "--input {}/in/a.csv --field word --split none --time-field time \
                --time-format unix-ms --window 60s --slide 20s --json",
        pause: "--keep-open",
        first: &first,
        second: &second,
        answer: &answer,
        whole: false,
    };
    job.check(ROWS);
}

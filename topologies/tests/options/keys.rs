//! Top keys.

use crate::table::{Job, Row, is_whole, refused, same, same_in_the_end};
use crate::users::{answer, first, second};

const ROWS: &[Row] = &[
    same("--input", "", "--input {}/in"),
    same("--format", "", "--format csv"),
    refused("--format", "", "--format ndjson", &["as csv", "as ndjson"]),
    same("--delimiter", "", "--delimiter ,"),
    refused(
        "--delimiter",
        "",
        "--delimiter ;",
        &["delimiter `,`", "delimiter `;`"],
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
        r"--format text --columns ;,(?<user>\w+),(?<cents>-?\d+)",
        &["csv with the delimiter `,`", "text with the columns `;,"],
    ),
    same_in_the_end("--follow", "", "--follow --for 500ms"),
    same_in_the_end("--keep-open", "", "--keep-open"),
    refused(
        "--key",
        "",
        "--key other",
        &["key is [\"user\"]", "[\"other\"]"],
    ),
    refused(
        "--amount",
        "",
        "--amount amount",
        &["amount is \"cents\"", "\"amount\""],
    ),
    refused(
        "--amount",
        "",
        "!--amount",
        &["amount is \"cents\"", "null"],
    ),
    refused(
        "--amount",
        "!--amount",
        "--amount cents",
        &["amount is null", "\"cents\""],
    ),
    refused("--cents", "", "--cents", &["cents is false", "true"]),
    refused(
        "--cents",
        "--cents",
        "!--cents",
        &["cents is true", "false"],
    ),
    same("--top", "--top 2", "--top 30"),
    same("--top", "--top 30", "--top 2"),
    same("--every", "", "--every 100ms"),
    same("--rate", "", "--rate 100000"),
    same("--spouts", "", "--spouts 2"),
    same("--counters", "", "--counters 7"),
    same("--json", "", "!--json --out {}/out.ndjson"),
    same("--out", "--out {}/one.ndjson", "--out {}/other.ndjson"),
    same("--dead-letters", "", "--dead-letters {}/dead.ndjson"),
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
    same("--max-late", "", "--max-late 1000000"),
    same("--max-dead-letters", "", "--max-dead-letters 1000000"),
];

#[test]
fn no_option_of_top_keys_mixes_two_questions() {
    let command = &["run", "top-keys"];
    is_whole(command, ROWS, &["--max-late", "--max-dead-letters"]);
    let job = Job {
        command,
        depot: None,
        given: "--input {}/in/a.csv --key user --amount cents --json",
        pause: "--keep-open",
        first: &first,
        second: &second,
        answer: &answer,
        whole: true,
    };
    job.check(ROWS);
}

//! Top users, of files and of a depot.

use std::ops::Range;

use crate::common::{Folder, output, squall};
use crate::table::{Job, Row, is_whole, lines, refused, same, same_in_the_end};

/// Read by semicolons it has the same columns, with other users.
const HEADER: &str = "x;user;cents;price;quantity;other;,user,cents,price,quantity,other,amount\n";

fn records(numbers: Range<u64>) -> String {
    let record = |number: u64| {
        let (user, other) = (number * number % 17, number % 5);
        let cents = if number.is_multiple_of(7) { -40 } else { 100 };
        format!("x;y{other};1;1;1;z;,u{user},{cents},{number}.5,2,o{other},3\n")
    };
    numbers.map(record).collect()
}

pub fn first(folder: &Folder, _: &str) {
    std::fs::create_dir_all(folder.path("in")).unwrap();
    std::fs::write(
        folder.path("in/a.csv"),
        HEADER.to_owned() + &records(0..200),
    )
    .unwrap();
}

pub fn second(folder: &Folder, _: &str) {
    std::fs::write(
        folder.path("in/a.csv"),
        HEADER.to_owned() + &records(0..700),
    )
    .unwrap();
}

/// The last ranking.
pub fn answer(printed: &str, data: &str) -> Vec<String> {
    let last = lines(printed, data).pop();
    let last = last.map(|line| line["ranking"].to_string());
    last.into_iter().collect()
}

const ROWS: &[Row] = &[
    same("--input", "", "--input {}/in"),
    refused(
        "--input",
        "",
        "!--input !--user-field !--cents-field --for 100ms",
        &["reads is \"files\"", "\"random purchases\""],
    ),
    same("--format", "", "--format csv"),
    refused("--format", "", "--format ndjson", &["as csv", "as ndjson"]),
    same("--delimiter", "", "--delimiter ,"),
    refused(
        "--delimiter",
        "",
        "--delimiter ;",
        &["delimiter `,`", "delimiter `;`"],
    ),
    same_in_the_end("--follow", "", "--follow --for 500ms"),
    same_in_the_end("--keep-open", "", "--keep-open"),
    refused(
        "--user-field",
        "",
        "--user-field other",
        &["user_field is \"user\"", "\"other\""],
    ),
    refused(
        "--cents-field",
        "",
        "--cents-field amount",
        &["cents_field is \"cents\"", "\"amount\""],
    ),
    refused(
        "--price-field",
        "",
        "!--cents-field --price-field price --quantity-field quantity",
        &[
            "cents_field is \"cents\"",
            "price_field is null",
            "\"price\"",
        ],
    ),
    refused(
        "--price-field",
        "!--cents-field --price-field price --quantity-field quantity",
        "--price-field cents",
        &["price_field is \"price\"", "\"cents\""],
    ),
    refused(
        "--quantity-field",
        "!--cents-field --price-field price --quantity-field quantity",
        "--quantity-field amount",
        &["quantity_field is \"quantity\"", "\"amount\""],
    ),
    refused(
        "--skip-negative",
        "",
        "--skip-negative",
        &["skip_negative is false", "true"],
    ),
    refused(
        "--skip-negative",
        "--skip-negative",
        "!--skip-negative",
        &["skip_negative is true", "false"],
    ),
    same("--top", "--top 2", "--top 30"),
    same("--top", "--top 30", "--top 2"),
    same(
        "--top",
        "--top 2 --skip-negative --mode monotonic",
        "--top 30",
    ),
    same("--every", "", "--every 100ms"),
    same("--every", "--every 100ms", "--every 1h"),
    same("--mode", "--skip-negative", "--mode monotonic"),
    same("--mode", "--mode monotonic", "--mode exact"),
    same("--rate", "", "--rate 100000"),
    same("--spouts", "", "--spouts 2"),
    same("--counters", "", "--counters 7"),
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
        r"--format text --columns ;,(?<user>\w+),(?<cents>-?\d+)",
        &["csv with the delimiter `,`", "text with the columns `;,"],
    ),
    same("--max-late", "", "--max-late 1000000"),
    same("--max-dead-letters", "", "--max-dead-letters 1000000"),
];

/// Those that a depot takes; the others are the same as with files.
const OF_A_DEPOT: &[Row] = &[
    refused(
        "--input",
        "",
        "!--depot !--from !--until-end --input {}/in.ndjson",
        &["reads is \"depot bought\"", "\"files\""],
    ),
    refused(
        "--depot",
        "",
        "--depot sold",
        &["reads is \"depot bought\"", "\"depot sold\""],
    ),
    refused(
        "--user-field",
        "",
        "--user-field other",
        &["user_field is \"user\"", "\"other\""],
    ),
    same_in_the_end("--from", "", "!--from"),
    refused(
        "--from",
        "",
        "--from end",
        &["from the beginning", "from the end"],
    ),
    refused(
        "--from",
        "!--from",
        "--from beginning",
        &["from the end", "from the beginning"],
    ),
    same_in_the_end("--until-end", "", "!--until-end --for 500ms"),
    same("--spouts", "", "--spouts 2"),
];

#[test]
fn no_option_of_top_users_mixes_two_questions() {
    let command = &["run", "top-users"];
    let of_a_depot = ["--depot", "--from", "--until-end"];
    let rows: Vec<Row> = ROWS.iter().chain(OF_A_DEPOT).copied().collect();
    assert!(
        of_a_depot
            .iter()
            .all(|option| rows.iter().any(|row| row.option == *option))
    );
    is_whole(command, &rows, &["--max-late", "--max-dead-letters"]);
    let job = Job {
        command,
        depot: None,
        given: "--input {}/in/a.csv --user-field user --cents-field cents --json",
        pause: "--keep-open",
        first: &first,
        second: &second,
        answer: &answer,
        whole: true,
    };
    job.check(ROWS);
}

/// Appends these purchases to two depots.
fn append(folder: &Folder, data: &str, numbers: Range<u64>) {
    let record = |number: u64| {
        let (user, other) = (number * number % 17, number % 5);
        format!("{{\"user\":\"u{user}\",\"cents\":{number},\"other\":\"o{other}\"}}\n")
    };
    let records: String = numbers.map(record).collect();
    let input = folder.path("in.ndjson");
    std::fs::write(&input, records).unwrap();
    for depot in ["bought", "sold"] {
        let mut append = squall(&["depot", "append", data, depot, "--input", &input]);
        output(append.args(["--key", "user", "--partitions", "3"]));
    }
}

#[test]
fn no_option_of_a_depot_mixes_two_questions() {
    let job = Job {
        command: &["run", "top-users"],
        depot: None,
        given: "--depot bought --from beginning --until-end --user-field user \
                --cents-field cents --json",
        pause: "",
        first: &|folder, data| append(folder, data, 0..100),
        second: &|folder, data| append(folder, data, 100..400),
        answer: &answer,
        whole: true,
    };
    job.check(OF_A_DEPOT);
}

//! `squall run top-users`: what is read, what is shown, and what survives.

mod common;

use std::io::Write;

use common::{Folder, Session, json, output, squall};
use serde_json::{Value, json};

/// `squall run top-users` with these arguments, to be run to its end.
fn top_users(arguments: &[&str]) -> assert_cmd::Command {
    let mut command = squall(&["run", "top-users"]);
    command.args(arguments);
    command
}

/// The last ranking that was printed, and what was logged.
fn ranking(arguments: &[&str]) -> (Value, String) {
    let mut command = top_users(&["--json"]);
    let (stdout, logged) = output(command.args(arguments));
    (json(&stdout).pop().unwrap()["ranking"].take(), logged)
}

const PRODUCT: [&str; 6] = [
    "--user-field",
    "user",
    "--price-field",
    "price",
    "--quantity-field",
    "quantity",
];

#[test]
fn price_times_quantity_is_summed_by_user() {
    let rows = "\
id,user,price,quantity
1,17850.0,2.55,6
2,,9.99,100
3,13047,1.005,1
4,17850,2.55,-2
5,17850.00,0.004,1
6,12583.0,3.75,-1
";
    let folder = Folder::with(&[("a.csv", rows.as_bytes())]);
    let input = folder.path("a.csv");
    let all = [&["--input", &input][..], &PRODUCT].concat();
    assert_eq!(ranking(&all).0, json!([["17850", 1_020], ["13047", 101]]));
    let gross = [&all[..], &["--skip-negative"]].concat();
    assert_eq!(ranking(&gross).0, json!([["17850", 1_530], ["13047", 101]]));
    let first = [&all[..], &["--top", "1"]].concat();
    assert_eq!(ranking(&first).0, json!([["17850", 1_020]]));
    // More places than there can ever be users.
    let any = [&all[..], &["--top", "18446744073709551615"]].concat();
    assert_eq!(ranking(&any).0, json!([["17850", 1_020], ["13047", 101]]));
}

#[test]
fn a_field_that_no_record_has_is_told_once() {
    let lines = "{\"user\":\"a\",\"cents\":1}\n{\"user\":null,\"cents\":2}\n".repeat(3);
    let folder = Folder::with(&[("a.ndjson", lines.as_bytes())]);
    let input = folder.path("a.ndjson");
    let run = |user| {
        ranking(&[
            "--input",
            &input,
            "--user-field",
            user,
            "--cents-field",
            "cents",
        ])
    };
    let (wrong, logged) = run("usr");
    assert_eq!(wrong, json!([]));
    let told = "no record has the field `usr` (nearest: `user`)";
    assert_eq!(logged.matches(told).count(), 1, "{logged}");
    // Null is no user: what such records spend is left out, and the log says so.
    let (right, logged) = run("user");
    assert_eq!(right, json!([["a", 3]]));
    assert!(!logged.contains("has the field"), "{logged}");
    let told = "3 records have no `user`, the first of them at ";
    assert_eq!(logged.matches(told).count(), 1, "{logged}");
}

#[test]
fn json_lines_columns_and_standard_input_give_the_same_ranking() {
    let folder = Folder::with(&[
        (
            "a.ndjson",
            b"{\"who\":{\"id\":7},\"cents\":300}\n{\"who\":{\"id\":\"x\"},\"cents\":\"20\"}\n{\"who\":null,\"cents\":1}\n",
        ),
        ("a.tsv", b"who.id\tcents\n7\t300\nx\t20\n\t1\n"),
    ]);
    let fields = ["--user-field", "who.id", "--cents-field", "cents"];
    let expected = json!([["7", 300], ["x", 20]]);
    for name in ["a.ndjson", "a.tsv", "a.*"] {
        let input = folder.path(name);
        let (found, _) = ranking(&[&["--input", &input][..], &fields].concat());
        let twice = json!([["7", 600], ["x", 40]]);
        assert_eq!(
            found,
            if name == "a.*" {
                twice
            } else {
                expected.clone()
            },
            "{name}"
        );
    }
    let mut stdin = top_users(&["--json", "--input", "-", "--format", "csv"]);
    stdin.args(["--delimiter", ";"]).args(fields);
    let (stdout, logged) = output(stdin.write_stdin("cents;who.id\n300;7\n20;x"));
    let line = r#"{"window_start":null,"window_end":null,"ranking":[["7",300],["x",20]]}"#;
    assert_eq!(stdout.lines().last(), Some(line));
    assert!(logged.contains("Rankings: [7 300, x 20]"), "{logged}");
}

#[test]
fn a_bad_number_is_a_dead_letter_with_its_file_and_line() {
    let rows = "user,price,quantity\na,1,1\na,one,1\n,one,1\na,2,\na,92233720368547759,1\na,1,1\n";
    let folder = Folder::with(&[("a.csv", rows.as_bytes())]);
    let (input, letters) = (folder.path("a.csv"), folder.path("letters"));
    let arguments = [
        &["--input", &input, "--dead-letters", &letters][..],
        &PRODUCT,
    ]
    .concat();
    let (found, logged) = ranking(&arguments);
    assert_eq!(found, json!([["a", 200]]));
    assert!(logged.contains("3 dead letters"), "{logged}");
    let letters = json(&folder.read("letters"));
    let expected = [
        (3, "`price`: \"one\" is not a decimal number"),
        (5, "`quantity` is empty"),
        (
            6,
            "price times quantity: 92233720368547759 has too many digits",
        ),
    ];
    assert_eq!(letters.len(), expected.len());
    for (letter, (line, reason)) in letters.iter().zip(expected) {
        assert_eq!(letter["line"], line, "{letter}");
        assert!(
            letter["source"].as_str().unwrap().ends_with("a.csv"),
            "{letter}"
        );
        assert!(
            letter["reason"].as_str().unwrap().contains(reason),
            "{letter}"
        );
    }
}

/// What would leave 64 bits is refused where it is summed, with the key and both numbers.
#[test]
fn a_total_that_would_overflow_is_a_dead_letter_that_names_the_user() {
    let rows = "user,cents\nann,9223372036854775807\nbob,5\nann,1\n";
    let folder = Folder::with(&[("a.csv", rows.as_bytes())]);
    let (input, letters) = (folder.path("a.csv"), folder.path("letters"));
    let (found, _) = ranking(&[
        "--input",
        &input,
        "--user-field",
        "user",
        "--cents-field",
        "cents",
        "--dead-letters",
        &letters,
    ]);
    assert_eq!(found, json!([["ann", i64::MAX], ["bob", 5]]));
    let letter = &json(&folder.read("letters"))[0];
    let reason = letter["reason"].as_str().unwrap();
    for part in ["ann", "9223372036854775807", "and 1 more"] {
        assert!(reason.contains(part), "{letter}");
    }
}

#[test]
fn without_an_input_purchases_are_made_at_random() {
    let (found, logged) = ranking(&["--for", "500ms", "--rate", "2000", "--top", "3"]);
    let entries = found.as_array().unwrap();
    assert_eq!(entries.len(), 3, "{logged}");
    assert!(
        entries[0][0].as_str().unwrap().starts_with("user-"),
        "{found}"
    );
    assert!(logged.contains("Rankings: [user-"), "{logged}");
}

#[test]
fn the_log_shows_the_first_places_of_a_long_ranking() {
    let rows: String = (0..30)
        .map(|user| format!("u{user},{}\n", 100 - user))
        .collect();
    let folder = Folder::with(&[("a.csv", format!("user,cents\n{rows}").as_bytes())]);
    let input = folder.path("a.csv");
    let fields = ["--user-field", "user", "--cents-field", "cents"];
    let (found, logged) = ranking(&[&["--input", &input][..], &fields].concat());
    assert_eq!(found.as_array().unwrap().len(), 30);
    assert!(logged.contains("u19 81] and 10 more"), "{logged}");
}

#[test]
fn a_file_that_grows_is_ranked_again_on_the_timer() {
    let folder = Folder::with(&[("a.csv", b"user,cents\nann,300\n")]);
    let input = folder.path("a.csv");
    let mut arguments = vec!["--input", &input, "--follow", "--json", "--every", "100ms"];
    arguments.extend(["--user-field", "user", "--cents-field", "cents"]);
    let mut session = Session::running("top-users", &arguments);
    let ranked = |session: &mut Session, wanted: Value| {
        while json(&session.line())[0]["ranking"] != wanted {}
    };
    ranked(&mut session, json!([["ann", 300]]));
    let file = std::fs::OpenOptions::new().append(true).open(&input);
    file.unwrap().write_all(b"bob,500\n").unwrap();
    ranked(&mut session, json!([["bob", 500], ["ann", 300]]));
    session.interrupt();
    let (status, logged) = session.end();
    assert!(status.success(), "{logged}");
    assert!(!logged.contains("left open"), "{logged}");
}

#[test]
fn totals_and_ranking_are_views() {
    let folder = Folder::with(&[("a.csv", b"user,cents\nann,300\nbob,-5\neve,400\n")]);
    let (input, data) = (folder.path("a.csv"), folder.path("data"));
    let mut arguments = vec!["--input", &input, "--data-dir", &data];
    arguments.extend(["--user-field", "user", "--cents-field", "cents"]);
    assert_eq!(ranking(&arguments).0, json!([["eve", 400], ["ann", 300]]));
    let view = |table: &[&str]| output(squall(&["view", &data]).args(table)).0;
    assert_eq!(view(&["totals.totals"]), "ann  300\nbob  -5\neve  400\n");
    let user = json(&view(&["totals", "--key", "bob", "--json"]));
    assert_eq!(user, [json!({"key": "bob", "value": -5})]);
    let top = json(&view(&["top.top", "--json"]));
    assert_eq!(top, [json!({"value": [["eve", 400], ["ann", 300]]})]);
    // A run that finds nothing new shows what is there.
    assert_eq!(ranking(&arguments).0, json!([["eve", 400], ["ann", 300]]));
}

/// Is refused with status 2 and one message, which has these parts.
fn refused(arguments: &[&str], parts: &[&str]) {
    let output = top_users(arguments).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    for part in parts {
        assert!(
            stderr.contains(part),
            "{arguments:?}: no {part:?} in: {stderr}"
        );
    }
}

#[test]
fn wrong_use_is_answered_with_what_to_do() {
    let folder = Folder::with(&[
        ("a.csv", b"id,user,price,quantity\n"),
        ("a.txt", b"a b\n"),
        ("a.ndjson", b"{}\n"),
        ("empty.csv", b""),
    ]);
    let empty = folder.path("empty.csv");
    let nothing = folder.path("*.nothing");
    let [csv, text, ndjson, data] =
        ["a.csv", "a.txt", "a.ndjson", "data"].map(|name| folder.path(name));
    let (csv, text, ndjson, data) = (&*csv, &*text, &*ndjson, &*data);
    let user = ["--user-field", "user"];
    let price = ["--price-field", "price"];
    let quantity = ["--quantity-field", "quantity"];
    let columns = "`id`, `user`, `price`, `quantity`";
    let table: &[(&[&[&str]], &[&str])] = &[
        (&[&["--top", "0"]], &["--top", "it is 0"]),
        (&[&["--every", "0s"]], &["--every", "it is 0"]),
        (
            &[&["--every", "1500us"]],
            &["--every", "whole milliseconds"],
        ),
        (
            &[&["--mode", "fast"]],
            &["--mode", "fast", "exact", "monotonic"],
        ),
        (&[&["--counters", "257"]], &["--counters", "1 to 256"]),
        (&[&user], &["--input"]),
        (&[&["--skip-negative"]], &["--input"]),
        (&[&["--input", csv]], &["a.csv", "--user-field", columns]),
        (
            &[&["--input", csv], &user],
            &["a.csv", "--cents-field", "--price-field", columns],
        ),
        (&[&["--input", csv], &user, &price], &["--quantity-field"]),
        (&[&["--input", csv], &user, &quantity], &["--price-field"]),
        (
            &[
                &["--input", csv],
                &user,
                &price,
                &quantity,
                &["--cents-field", "id"],
            ],
            &["--cents-field", "cannot be used with"],
        ),
        (
            &[&["--input", csv], &user, &["--cents-field", "cent"]],
            &["a.csv", "`cent`", columns],
        ),
        (&[&["--input", ndjson]], &["a.ndjson", "--user-field"]),
        (&[&["--input", &empty]], &["--user-field"]),
        (
            &[&["--input", &nothing, "--follow"], &user],
            &["--cents-field", "--price-field"],
        ),
        (
            &[&["--input", text]],
            &["a.txt", "plain text", "no fields", "--format"],
        ),
        (
            &[&["--input", text], &user],
            &["a.txt", "`user`", "plain text"],
        ),
        (
            &[&["--input", csv, "--keep-open"], &user, &price, &quantity],
            &["--keep-open", "--data-dir"],
        ),
        (
            &[
                &["--input", "-", "--format", "csv", "--data-dir", data],
                &user,
                &price,
                &quantity,
            ],
            &["standard input", "--data-dir"],
        ),
        (
            &[&["--input", csv, "--out", csv], &user, &price, &quantity],
            &["--out", "read as input"],
        ),
        (
            &[&["--input", "none.csv"], &user],
            &["none.csv", "no such file"],
        ),
    ];
    for (arguments, parts) in table {
        refused(&arguments.concat(), parts);
    }
}

/// What is appended to a depot is ranked as its file is; a later run goes on from there.
#[test]
fn a_depot_is_ranked_as_its_file_is() {
    let folder = Folder::with(&[
        ("one.csv", b"user,cents\nann,300\nbob,200\nann,50\n"),
        ("two.csv", b"user,cents\nbob,200\n,7\n"),
    ]);
    let [one, two, data] = ["one.csv", "two.csv", "data"].map(|name| folder.path(name));
    let append = |input: &str| {
        let arguments = [
            "depot",
            "append",
            &data,
            "purchases",
            "--input",
            input,
            "--format",
            "csv",
            "--key",
            "user",
        ];
        output(&mut squall(&arguments));
    };
    let ranking = |more: &[&str]| {
        let mut command = squall(&["run", "top-users", "--json", "--data-dir", &data]);
        command.args(["--depot", "purchases", "--until-end"]);
        command.args(["--user-field", "user", "--cents-field", "cents"]);
        let (stdout, _) = output(command.args(more));
        json(&stdout).pop().unwrap()["ranking"].take()
    };
    append(&one);
    assert_eq!(
        ranking(&["--from", "beginning"]),
        json!([["ann", 350], ["bob", 200]])
    );
    append(&two);
    assert_eq!(ranking(&[]), json!([["bob", 400], ["ann", 350]]));
}

#[test]
fn a_depot_that_cannot_be_read_is_refused() {
    let folder = Folder::with(&[]);
    let data = folder.path("data");
    let refused = |more: &[&str], part: &str| {
        let mut command = squall(&["run", "top-users", "--depot", "purchases"]);
        let output = command.args(more).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part), "{part}: {said}");
    };
    let fields = ["--user-field", "user", "--cents-field", "cents"];
    refused(&fields, "--data-dir");
    let dir = ["--data-dir", &data];
    refused(&[&dir[..], &fields].concat(), "does not exist");
    std::fs::create_dir(&data).unwrap();
    refused(&dir, "--user-field");
    refused(
        &[&dir[..], &["--user-field", "user"]].concat(),
        "--cents-field",
    );
    refused(&[&dir[..], &fields].concat(), "`purchases`");
}

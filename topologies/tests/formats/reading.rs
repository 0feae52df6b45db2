//! Line ends, words, encodings and packing.

use serde_json::Value;

use crate::common::{Folder, counts, json, output, squall, top_words, totals};
use crate::{by_time, gzip, rolled, run, users, words};

#[test]
fn lines_end_with_either_character_or_both_in_every_format() {
    let table = [
        ("a.txt", "a\nb\nb\n", &[][..], "b 2, a 1"),
        (
            "a.csv",
            "w,v\na,1\n\"b\",2\n\nb,3",
            &["--field", "w"],
            "b 2, a 1",
        ),
        (
            "a.tsv",
            "w\tv\na\t1\nb\t2\nb\t3\n",
            &["--field", "w"],
            "b 2, a 1",
        ),
        (
            "a.ndjson",
            "{\"w\":\"a\"}\n\n{\"w\":\"b\"}\n{\"w\":\"b\"}",
            &["--field", "w"],
            "b 2, a 1",
        ),
    ];
    for (name, text, options, expected) in table {
        let mut mixed = String::new();
        for (number, line) in text.split('\n').enumerate() {
            mixed.push_str(line);
            mixed.push_str(["\r", "\r\n", "\n"][number % 3]);
        }
        for text in [text.replace('\n', "\r"), text.replace('\n', "\r\n"), mixed] {
            for mark in ["", "\u{feff}"] {
                let bytes = format!("{mark}{text}").into_bytes();
                let (found, told) = words(name, &bytes, options);
                assert_eq!(found, expected, "{name} {text:?}: {told}");
            }
            let packed = gzip(text.as_bytes());
            assert_eq!(words(&format!("{name}.gz"), &packed, options).0, expected);
        }
    }
    let csv = b"user,cents,day\rann,500,mon\rbob,600,tue\r";
    assert_eq!(users("a.csv", csv, &[]), "bob 600, ann 500");
    let rows = rolled(
        &by_time("auto"),
        ("a.csv", b"t,d\r2020,a\r2020,b\r"),
        &["--by", "d"],
    );
    assert_eq!(rows.unwrap().len(), 2);
}

#[test]
fn a_durable_run_goes_on_behind_a_return_as_behind_a_line_feed() {
    for line_end in ["\r", "\r\n", "\n"] {
        let folder = Folder::with(&[("a.csv", b"")]);
        let mut text = format!("w{line_end}");
        let (input, data) = (folder.path("a.csv"), folder.path("data"));
        let mut all = String::new();
        for word in ["a", "b", "b", "c"] {
            text.push_str(&format!("{word}{line_end}"));
            // The next row tells that a return was no half of a line end.
            std::fs::write(&input, format!("{text}x")).unwrap();
            let arguments = [
                "--input",
                &input,
                "--field",
                "w",
                "--data-dir",
                &data,
                "--keep-open",
            ];
            let window = ["--window", "all", "--slide", "1000d", "--json"];
            output(&mut top_words(&[&arguments[..], &window].concat()));
            let (stdout, _) = output(&mut squall(&["view", &data, "counts", "--json"]));
            all = stdout;
        }
        let mut found: Vec<String> = json(&all)
            .iter()
            .map(|row| row["key"].to_string())
            .collect();
        found.sort();
        assert_eq!(found.join(" "), "\"a\" \"b\" \"c\"", "{line_end:?}");
    }
}

#[test]
fn a_word_is_a_run_of_letters_numbers_and_marks() {
    let text = "हिन्दी विकिपीडिया हिन्दी\nข้อส ข้อส\ncafe\u{301}s café\nمُحَمَّد\nİstanbul İZMİR\n";
    let folder = Folder::with(&[("a.txt", text.as_bytes())]);
    let found = totals(&["--input", &folder.path("a.txt")]);
    assert_eq!(
        found,
        "ข้อส 2, हिन्दी 2, cafe\u{301}s 1, café 1, i\u{307}stanbul 1, i\u{307}zmi\u{307}r 1, مُحَمَّد 1, विकिपीडिया 1"
            .replace("ข้อส 2, हिन्दी 2", "हिन्दी 2, ข้อส 2")
    );
}

/// Every command that reads files, and standard input of those that can.
fn refused_by_all(name: &str, bytes: &[u8], options: &[&str], told: &str) {
    let spec = by_time("auto");
    let folder = Folder::with(&[(name, bytes), ("spec.json", spec.as_bytes())]);
    let (file, spec, data) = (
        folder.path(name),
        folder.path("spec.json"),
        folder.path("data"),
    );
    for input in [&*file, "-"] {
        let read = ["--input", input, "--format", "csv"];
        let words = ["run", "rolling-top-words", "--field", "w"];
        let users = [
            "run",
            "top-users",
            "--user-field",
            "w",
            "--cents-field",
            "v",
        ];
        let append = ["depot", "append", &data, "d", "--key", "w"];
        let rollup = ["run", "rollup", "--spec", &spec, "--data-dir", &data];
        for command in [&words[..], &users, &append, &rollup] {
            if input == "-" && command == rollup {
                continue;
            }
            let (stdout, stderr, status) = run(&[command, &read, options].concat(), bytes);
            assert_eq!((status, &*stdout), (2, ""), "{command:?} {input}: {stderr}");
            assert!(stderr.contains(told), "{command:?} {input}: {stderr}");
        }
    }
    let text = [
        "run",
        "rolling-top-words",
        "--format",
        "text",
        "--input",
        &file,
    ];
    let (_, stderr, status) = run(&[&text[..], options].concat(), b"");
    assert_eq!(status, 2, "{stderr}");
    assert!(stderr.contains(told), "{stderr}");
    assert!(
        !std::path::Path::new(&data).exists(),
        "nothing was to be made"
    );
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn what_is_no_text_in_utf8_is_told_before_anything_runs() {
    let zstd = b"\x28\xb5\x2f\xfd\x04\x00";
    refused_by_all(
        "a.csv",
        &utf16("\u{feff}w,v\na,1\n"),
        &[],
        "give --encoding utf-16le",
    );
    refused_by_all(
        "a.csv.gz",
        &gzip(&utf16("w,v\na,1\n")),
        &[],
        "looks like UTF-16",
    );
    refused_by_all(
        "a.csv.zst",
        zstd,
        &[],
        "looks like zstd: unpack it first, or pack it with gzip",
    );
    refused_by_all("a.csv.zip", b"PK\x03\x04....", &[], "looks like zip");
    let latin = ["--encoding", "latin1"];
    refused_by_all("a.csv.xz", b"\xfd7zXZ\0\0", &latin, "looks like xz");
}

#[test]
fn utf16_is_read_where_its_encoding_is_given() {
    let le = ["--encoding", "utf-16le"];
    for text in [
        "w,v\r\nčaj,1\n\"č\naj\",2\nčaj,3\n",
        "\u{feff}w,v\rčaj,1\r\"č\naj\",2\rčaj,3\r",
    ] {
        let field = [&["--field", "w"], &le[..]].concat();
        for (name, bytes) in [("a.csv", utf16(text)), ("a.csv.gz", gzip(&utf16(text)))] {
            assert_eq!(words(name, &bytes, &field).0, "čaj 2, č\naj 1");
        }
    }
    assert_eq!(words("a.txt", &utf16("😀\nčaj\nčaj"), &le).0, "čaj 2, 😀 1");
    // A durable run goes on at the same place.
    let folder = Folder::with(&[("a.txt", b"")]);
    let (input, data) = (folder.path("a.txt"), folder.path("data"));
    let mut bytes = utf16("\u{feff}");
    for text in ["a\n😀\r\n", "č\nb", "b\n", "č\n"] {
        bytes.extend(utf16(text));
        std::fs::write(&input, &bytes).unwrap();
        let arguments = [
            "--input",
            &input,
            "--data-dir",
            &data,
            "--keep-open",
            "--split",
            "none",
        ];
        output(&mut top_words(
            &[&arguments[..], &le, &["--window", "all"]].concat(),
        ));
    }
    let (stdout, _) = output(&mut squall(&["view", &data, "counts"]));
    let mut lines: Vec<&str> = stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 4, "{stdout}");
    assert!(stdout.contains("bb"), "{stdout}");
}

#[test]
fn only_the_columns_that_are_asked_for_are_decoded() {
    let csv = b"user,note,cents\nann,caf\xe9,5\ncaf\xe9,x,6\n";
    let options = ["--dead-letters"];
    let folder = Folder::with(&[("a.csv", csv)]);
    let dead = folder.path("dead");
    assert_eq!(users("a.csv", csv, &[options[0], &dead]), "ann 5");
    let dead = json(&folder.read("dead"));
    assert_eq!((dead.len(), &dead[0]["line"]), (1, &Value::from(3)));
    assert_eq!(
        dead[0]["reason"],
        "`user` is not valid UTF-8 after its first 3 bytes: name the encoding of the input, such \
         as --encoding latin1"
    );
    for label in ["latin1", "iso-8859-1", "Windows-1252"] {
        let found = users("a.csv", csv, &["--encoding", label]);
        assert_eq!(found, "café 6, ann 5", "{label}");
    }
    let line = b"{\"w\":\"a\",\"note\":\"caf\xe9\"}\n";
    assert_eq!(words("a.ndjson", line, &["--field", "w"]).0, "a 1");
    let (_, stderr, status) = run(
        &[
            "run",
            "top-users",
            "--input",
            &folder.path("a.csv"),
            "--user-field",
            "user",
        ],
        b"",
    );
    assert_eq!(status, 2, "{stderr}");
    // A depot and an archive keep all of a record.
    let data = folder.path("data");
    let append = [
        "depot",
        "append",
        &data,
        "d",
        "--key",
        "cents",
        "--input",
        &folder.path("a.csv"),
    ];
    let (_, stderr, _) = run(&append, b"");
    assert!(
        stderr.contains("a.csv:2: the record is not valid UTF-8"),
        "{stderr}"
    );
    let (_, stderr, status) = run(&[&append[..], &["--encoding", "latin1"]].concat(), b"");
    assert!(
        status == 0 && stderr.contains("2 records are appended"),
        "{stderr}"
    );
}

#[test]
fn lines_have_columns_by_the_groups_of_a_regular_expression() {
    let log = concat!(
        "10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.0\" 200 2326\n",
        "10.0.0.2 - - [10/Oct/2000:13:55:37 -0700] \"GET /b HTTP/1.0\" 404 7\n",
        "restarted\n",
        "10.0.0.1 - - [10/Oct/2000:13:56:40 -0700] \"POST /a HTTP/1.0\" 200 1\n",
    );
    let columns = r#"^\S+ \S+ \S+ \[(?<time>[^\]]+)\] "(?<method>\S+) (?<path>\S+)"#;
    let options = ["--format", "text", "--columns", columns, "--field", "path"];
    let (found, logged) = words("a.txt", log.as_bytes(), &options[2..]);
    assert_eq!(found, "/a 2, /b 1");
    assert!(logged.contains("does not match"), "{logged}");

    // By the time of the log.
    let folder = Folder::with(&[("access.log", log.as_bytes())]);
    let input = folder.path("access.log");
    let windows = [
        "--split", "none", "--window", "1m", "--json", "--input", &input,
    ];
    let time = [
        "--time-field",
        "time",
        "--time-format",
        "%d/%b/%Y:%H:%M:%S %z",
    ];
    let (stdout, _) = output(&mut top_words(&[&windows[..], &options, &time].concat()));
    let found: Vec<String> = json(&stdout).iter().map(counts).collect();
    assert_eq!(found, ["/a 1, /b 1", "/a 1"]);

    let refused = |options: &[&str], told: &str| {
        let read = ["run", "rolling-top-words", "--input", &input];
        let (_, stderr, status) = run(&[&read[..], options].concat(), b"");
        assert!(status == 2 && stderr.contains(told), "{stderr}");
    };
    refused(&["--columns", columns], "`time`, `method`, `path`");
    refused(&["--columns", columns, "--field", "user"], "`user`");
    refused(&["--columns", r"\S+"], "no named group");
    refused(&["--columns", "("], "not a regular expression");
    refused(&["--columns", columns, "--format", "csv"], "--format text");
}

#[test]
fn columns_may_stand_between_blanks() {
    let table = b"\n  user   cents\nann \t  5\n bob 7  \n\nann 1\n";
    let blank = ["--delimiter", "blank"];
    assert_eq!(users("a.csv", table, &blank), "bob 7, ann 6");
    let blank = ["--format", "csv", "--delimiter", "blank"];
    assert_eq!(users("a.txt", table, &blank), "bob 7, ann 6");
}

#[test]
fn zeros_behind_a_gzip_are_passed_over() {
    let line = b"{\"w\":\"a\"}\n";
    let two = [gzip(line), gzip(line)].concat();
    for zeros in [1, 512, 100_000] {
        let padded = [&two[..], &vec![0; zeros]].concat();
        assert_eq!(words("a.ndjson.gz", &padded, &["--field", "w"]).0, "a 2");
    }
    let folder = Folder::with(&[("a.txt.gz", &[&two[..], b"more"].concat())]);
    let (_, stderr, status) = run(
        &[
            "run",
            "rolling-top-words",
            "--input",
            &folder.path("a.txt.gz"),
        ],
        b"",
    );
    assert_eq!(status, 1);
    assert!(stderr.contains("something else follows it"), "{stderr}");
}

//! What `squall depot append` appends, and what it refuses.
#![cfg(unix)]

mod common;

use common::{Folder, Session, output, squall};
use squall::DataDir;

/// How many records are in the depot `said`.
fn records(dir: &str) -> u64 {
    DataDir::at(dir).depot("said").unwrap().records()
}

#[test]
fn a_refused_append_makes_no_depot() {
    let folder = Folder::with(&[
        ("a.csv", b"user,said\nann,a\n".as_slice()),
        ("b.csv", b"said\na\n".as_slice()),
    ]);
    let (both, csv) = (folder.path(""), folder.path("b.csv"));
    let elsewhere = Folder::with(&[]);
    let dir = elsewhere.path("data");
    for (input, wanted) in [
        (&*both, "b.csv`: there is no"),
        (&csv, "no column"),
        ("-", "stdin"),
    ] {
        let arguments = ["--input", input, "--format", "csv", "--key", "user"];
        let mut command = squall(&["depot", "append", &dir, "said"]);
        let output = command.args(arguments).write_stdin("said\na\n").output();
        let output = output.unwrap();
        let logged = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{input}: {logged}");
        assert!(logged.contains(wanted), "{input}: {logged}");
        assert!(!std::fs::exists(&dir).unwrap(), "{input}");
    }
    for (name, more, wanted) in [
        ("said", vec![], "name its key with --key"),
        ("", vec!["--key", "said"], "1 to 255 bytes"),
    ] {
        let mut command = squall(&["depot", "append", &dir, name, "--input", &csv]);
        let output = command.args(more).output().unwrap();
        let logged = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{logged}");
        assert!(logged.contains(wanted), "{logged}");
        assert!(!std::fs::exists(&dir).unwrap(), "{name}");
    }
    // Of a folder nothing is appended where one file has not the depot's key.
    output(&mut squall(&[
        "depot", "make", &dir, "said", "--key", "user",
    ]));
    let mut command = squall(&["depot", "append", &dir, "said", "--input", &both]);
    assert_eq!(command.output().unwrap().status.code(), Some(2));
    assert_eq!(records(&dir), 0);
}

#[test]
fn what_comes_on_standard_input_is_appended_before_its_end_and_before_a_stop() {
    let folder = Folder::with(&[]);
    let dir = folder.path("data");
    let mut session = Session::of(&[
        "depot", "append", &dir, "said", "--input", "-", "--format", "csv", "--key", "user",
        "--json",
    ]);
    session.write("user,cents\nann,1\n");
    assert_eq!(session.line(), "{\"appended\":1}");
    // The last row has no end yet: more digits may follow.
    session.write("bob,2\neve,3\nkim,4");
    session.interrupt();
    let (status, logged) = session.end();
    assert!(status.success(), "{logged}");
    assert!(
        logged.contains("stopped before the end of the input: 3 records are appended"),
        "{logged}"
    );
    assert_eq!(records(&dir), 3);
}

#[test]
fn an_input_that_does_not_begin_with_what_its_id_has_appended_is_refused() {
    let folder = Folder::with(&[
        ("p.csv", b"user,said\nann,a\nbob,b\n".as_slice()),
        ("other.csv", b"user,said\neve,a\nbob,b\nann,c\n".as_slice()),
        ("short.csv", b"user,said\nann,a\n".as_slice()),
        ("grown.csv", b"user,said\nann,a\nbob,b\neve,c\n".as_slice()),
    ]);
    let dir = folder.path("data");
    let append = |input: &str| {
        let mut command = squall(&["depot", "append", &dir, "said", "--key", "user"]);
        command.args(["--id", "shop", "--input", &folder.path(input)]);
        command
    };
    output(&mut append("p.csv"));
    for (input, wanted) in [
        ("other.csv", "begins with other records"),
        ("short.csv", "now has 1: "),
    ] {
        let refused = append(input).output().unwrap();
        let logged = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{input}: {logged}");
        for wanted in [wanted, input, "`shop` has appended 2 records", "--id"] {
            assert!(logged.contains(wanted), "{input}: {logged}");
        }
        assert_eq!(records(&dir), 2);
    }
    output(&mut append("grown.csv"));
    assert_eq!(records(&dir), 3);
}

#[test]
fn a_record_without_the_key_is_told_once() {
    let records = b"{\"user\":\"ann\"}\n{\"usr\":\"bob\"}\n{}\n".as_slice();
    let folder = Folder::with(&[("a.ndjson", records)]);
    let (dir, input) = (folder.path("data"), folder.path("a.ndjson"));
    let mut append = squall(&["depot", "append", &dir, "said", "--key", "user"]);
    let (_, logged) = output(append.args(["--input", &input]));
    assert!(
        logged.contains("a.ndjson:2: the record has no value in `user`"),
        "{logged}"
    );
    assert_eq!(logged.matches("no value in").count(), 1, "{logged}");
}

/// Waits until the depot has so many records, asked through whoever has it.
fn wait_for_records(dir: &str, wanted: u64) {
    loop {
        let depots = DataDir::at(dir).inspect().unwrap().depots;
        if depots
            .first()
            .is_some_and(|depot| depot.records() >= wanted)
        {
            return;
        }
        std::thread::yield_now();
    }
}

#[test]
fn those_that_append_through_another_process_survive_that_it_is_killed() {
    for id in [&["--id", "other"][..], &[]] {
        let folder = Folder::with(&[]);
        let dir = folder.path("data");
        let append = [
            "depot", "append", &dir, "said", "--input", "-", "--format", "csv", "--key", "user",
        ];
        let mut owner = Session::of(&append);
        owner.write("user,cents\nann,1\n");
        let more = [&append[..], &["--json"], id].concat();
        while !std::fs::exists(folder.path("data/socket")).unwrap() {
            std::thread::yield_now();
        }
        wait_for_records(&dir, 1);
        let mut other = Session::of(&more);
        other.write("user,cents\nbob,1\n");
        assert_eq!(other.line(), "{\"appended\":1}");
        owner.kill();
        // It has nobody to append through any more.
        other.write("bob,2\nbob,3\n");
        wait_for_records(&dir, 4);
        // Now it has the directory, and others append through it.
        let csv = Folder::with(&[("eve.csv", b"user,cents\neve,1\n")]);
        let input = csv.path("eve.csv");
        output(&mut squall(&[
            "depot", "append", &dir, "said", "--input", &input,
        ]));
        drop(other.stdin.take());
        let (status, logged) = other.end();
        assert!(status.success(), "{logged}");
        assert!(logged.contains("3 records are appended"), "{logged}");
        assert_eq!(records(&dir), 5, "{id:?}");
    }
}

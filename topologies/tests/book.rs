//! The commands of README and book, as they are printed, on input that they may be for.

#![cfg(unix)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use common::Folder;

/// A name that a document leaves to its reader, and what the test takes for it.
const LEFT_OPEN: [(&str, &str); 2] = [("DIR", "dir"), ("DATA", "data")];

const TWEETS: &str =
    "created_at,text\n2026-01-01 00:00:00,the storm\n2026-01-01 00:11:00,the squall\n";
const SALES: &str = "time,product,user,cents,country,price\n\
                     2026-01-01T00:00:00Z,vase,ann,900,FR,9.00\n2026-01-01T01:00:00Z,cup,bob,200,DE,2.00\n";
const POSTS: &str = "{\"tags\":[\"rust\",\"streams\"]}\n";

/// The files that the commands of a document are about; none of a document without commands.
fn input(document: &str) -> Vec<(&'static str, &'static str)> {
    match document {
        "README.md" => vec![("books/a.md", "a storm\n"), ("tweets.csv", TWEETS)],
        "docs/depots.md" => vec![("purchases.csv", "user,cents\nann,500\nbob,200\n")],
        "docs/files.md" => vec![
            (
                "events.ndjson",
                "{\"payload\":{\"commits\":[{\"message\":\"a fix\"},{\"message\":\"a test\"}]}}\n",
            ),
            ("posts.ndjson", POSTS),
            (
                "access.log",
                "::1 - - [10/Oct/2026:13:55:36 +0200] \"GET /storm HTTP/1.1\" 200 7\n",
            ),
        ],
        "docs/operating.md" => vec![("tweets.csv", TWEETS)],
        "docs/recipes.md" => vec![
            ("sales.csv", SALES),
            (
                "spec.json",
                r#"{"timestampSpec":{"column":"time"},"dimensionsSpec":{"dimensions":["user"]},
                    "metricsSpec":[{"type":"count","name":"views"}],
                    "granularitySpec":{"queryGranularity":"day"}}"#,
            ),
        ],
        "docs/jobs/rolling-top-words.md" => vec![
            ("books/a.md", "a storm\n"),
            ("tweets.csv", TWEETS),
            (
                "edits.json",
                "{\"user\":\"ann\",\"time\":\"2026-01-01T00:00:00Z\"}\n",
            ),
        ],
        "docs/jobs/rollup.md" => vec![(
            "events.ndjson",
            "{\"timestamp\":\"2015-03-05T10:20:00Z\",\"publisher\":\"csfd.cz\",\"campaignId\":\"7\",\
             \"price\":1.5,\"userId\":\"ann\"}\n",
        )],
        "docs/jobs/top-keys.md" => vec![
            (
                "access.csv",
                "status,path,bytes\n200,/storm,7\n404,/gust,1\n",
            ),
            ("logs/a.csv", "status\n200\n404\n"),
            ("sales.csv", SALES),
            ("posts.ndjson", POSTS),
        ],
        "docs/jobs/top-users.md" => vec![(
            "retail/a.csv",
            "CustomerID,UnitPrice,Quantity\n14646,2.55,6\n12345,1.00,1\n",
        )],
        _ => Vec::new(),
    }
}

/// What is done before the commands of a document: what it says in words.
fn before(document: &str) -> &'static [&'static str] {
    match document {
        "docs/recipes.md" => {
            &["squall run rollup --spec spec.json --input sales.csv --data-dir data"]
        }
        "docs/jobs/rolling-top-words.md" => &["gzip -k edits.json"],
        "docs/jobs/rollup.md" => &["cp spec.json other.json"],
        _ => &[],
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// README and the pages of the book, by their paths below the root.
fn documents() -> Vec<String> {
    let mut found = vec!["README.md".to_owned()];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path.to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// The blocks of this kind in a document.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    // What stands between two fences is in a block, what is behind the second one is not.
    let parts = text.split("\n```").skip(1).step_by(2);
    let of_kind = parts.filter_map(|part| part.split_once('\n').filter(|(of, _)| *of == kind));
    of_kind.map(|(_, block)| format!("{block}\n")).collect()
}

/// The commands of the blocks that are about `squall` alone.
fn commands(text: &str) -> Vec<String> {
    let blocks = blocks(text, "sh").into_iter();
    let ours = blocks.filter(|block| block.lines().any(|line| line.starts_with("squall ")));
    let mut commands = Vec::new();
    for block in ours {
        let whole = block.replace("\\\n", " ");
        commands.extend(
            whole
                .lines()
                .filter(|line| !line.is_empty())
                .map(str::to_owned),
        );
    }
    commands
}

/// As it is run: names that are left open have one, and what has no end stops after a second.
fn as_run(command: &str) -> String {
    let words = command.split(' ').map(|word| {
        let open = LEFT_OPEN.iter().find(|(name, _)| *name == word);
        open.map_or(word, |(_, taken)| taken)
    });
    let command = words.collect::<Vec<_>>().join(" ");
    let ends = ["--input", "--for"]
        .iter()
        .any(|option| command.contains(option));
    match command.split_once('#') {
        _ if ends || !command.starts_with("squall run ") => command,
        Some((run, about)) => format!("{run} --for 1s #{about}"),
        None => format!("{command} --for 1s"),
    }
}

#[test]
fn the_commands_of_readme_and_book_do_what_they_say() {
    let binary = assert_cmd::cargo::cargo_bin!("squall");
    let path = format!(
        "{}:{}",
        binary.parent().unwrap().display(),
        std::env::var("PATH").unwrap_or_default()
    );
    let mut all = 0;
    for document in documents() {
        let text = fs::read_to_string(root().join(&document)).unwrap();
        let commands = commands(&text);
        if commands.is_empty() {
            continue;
        }
        let folder = Folder::with(&[]);
        let files = input(&document);
        assert!(
            !files.is_empty(),
            "{document} has commands: say here what they are run on"
        );
        for (name, content) in files {
            let path = PathBuf::from(folder.path(name));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        if let Some(spec) = blocks(&text, "json").first() {
            fs::write(folder.path("spec.json"), spec).unwrap();
        }
        let before = before(&document).iter().map(ToString::to_string);
        for command in before.chain(commands) {
            let run = as_run(&command);
            let done = Command::new("timeout")
                .args(["60", "sh", "-euc", &run])
                .env("PATH", &path)
                .env("HOME", folder.path(""))
                .current_dir(folder.path(""))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let told = String::from_utf8_lossy(&done.stderr);
            assert!(
                done.status.success(),
                "{document}: `{run}`: {}\n{told}",
                done.status
            );
            assert!(
                !told.contains("WARN"),
                "{document}: `{run}` has to be warned of something:\n{told}"
            );
            all += 1;
        }
    }
    // All are found: there are more of them.
    assert!(all >= 30, "{all}");
}

//! The book and the other Markdown files: links, and the length of the README.

use std::path::Path;

use crate::sources::{check, files};

const MAX_README_LINES: usize = 150;

/// Where the links of a Markdown file lead that are no addresses, with the lines they are in.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).flat_map(|(number, line)| {
        let after = line.split("](").skip(1);
        let targets = after.filter_map(|rest| rest.split([')', '#']).next());
        let targets = targets.filter(|target| !target.is_empty() && !target.contains("://"));
        targets.map(move |target| (number, target))
    })
}

/// Links that lead nowhere, and a README that is longer than somebody new reads.
fn prose(path: &str, text: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let folder = folder.parent().unwrap_or(Path::new("."));
    let mut wrong: Vec<String> = links(text)
        .filter(|(_, target)| !folder.join(target).exists())
        .map(|(number, target)| format!("{path}:{number}: nothing is at {target}"))
        .collect();
    let lines = text.lines().count();
    if path == "README.md" && lines > MAX_README_LINES {
        wrong.push(format!(
            "{path}: {lines} lines, {MAX_README_LINES} at most: the rest belongs into docs/"
        ));
    }
    wrong
}

#[test]
fn links_of_the_book_lead_somewhere() {
    let mut files = files(".");
    files.retain(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "md"));
    assert!(files.len() > 10, "README and book were found");
    check(&files, prose);
    let wrong = prose("docs/a.md", "[a](SUMMARY.md)\n[b](nowhere.md#part)\n");
    assert_eq!(wrong, ["docs/a.md:2: nothing is at nowhere.md"]);
}

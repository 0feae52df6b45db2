//! The files of the project, and what of them is code.

use std::fs;
use std::path::{Path, PathBuf};

/// The lines of code outside of comments and tests, with their numbers from 1.
pub fn code(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut in_tests = false;
    let mut test_follows = false;
    for (number, line) in (1..).zip(text.lines()) {
        if in_tests {
            in_tests = line != "}";
            continue;
        }
        if std::mem::take(&mut test_follows) {
            in_tests = line.starts_with("mod ") && line.ends_with('{');
            continue;
        }
        test_follows = line == "#[cfg(test)]" || line.starts_with("#[cfg(all(test,");
        if !test_follows && !line.trim_start().starts_with("//") {
            lines.push((number, line));
        }
    }
    lines
}

/// Whether a file is compiled for tests and fuzz targets alone, by this project's names for them.
pub fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let names = ["tests.rs", "samples.rs", "fuzzing.rs"];
    names.contains(&name) || path.contains("/tests/")
}

pub fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Every file below a folder of the project, with its path from the project's root.
pub fn files(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the project's folders can be read") {
            let path = entry.expect("the project's folders can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // The last two are what fuzz targets have come upon.
            if ["target", ".git", "corpus", "found"].contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path
                    .strip_prefix(root)
                    .expect("it was found below the root");
                found.push((path.to_string_lossy().replace('\\', "/"), text));
            }
        }
    }
    found
}

pub fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = files(folder);
    files.retain(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "rs"));
    assert!(!files.is_empty(), "{folder} has no sources");
    files
}

pub fn check(files: &[(String, String)], rule: fn(&str, &str) -> Vec<String>) {
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| rule(path, text))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

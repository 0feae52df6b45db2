//! The layout of the sources, checked: what a reader may rely on without reading it all.
//!
//! | file | idea |
//! |---|---|
//! | `errors` | errors of public functions are types |
//! | `layers` | the layers of the library: which module may use which |
//! | `rooms` | the modules of a folder import each other in no circle |
//! | `prose` | links of the book, and the length of the README |
//! | `sources` | the files, and what of them is code |

mod errors;
mod layers;
mod prose;
mod rooms;
mod sources;

use sources::{check, code, files, is_name, is_test, sources};

const MAX_LINES: usize = 600;

/// Paths of somebody's own machine. (Written in two so that this file has none.)
const FOREIGN: &[&str] = &[concat!("/wo", "rk/"), concat!("/tmp/", "bash")];

// --- the rules ---

/// `unwrap` and `expect` need a comment that says why they cannot fail: on the line or
/// among the three before it.
fn unproven(path: &str, text: &str) -> Vec<String> {
    if is_test(path) {
        return Vec::new();
    }
    let all: Vec<&str> = text.lines().collect();
    let unproven = code(text).into_iter().filter(|(number, line)| {
        let fails = line.contains(".unwrap()") || line.contains(".expect(");
        let from = number.saturating_sub(4);
        fails && !all[from..*number].iter().any(|line| line.contains("// "))
    });
    let wrong = unproven.map(|(number, _)| {
        format!("{path}:{number}: `unwrap` or `expect` without a comment that it cannot fail")
    });
    wrong.collect()
}

fn too_long(path: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let wrong = (lines > MAX_LINES).then(|| format!("{path}: {lines} lines, {MAX_LINES} at most"));
    wrong.into_iter().collect()
}

fn foreign(path: &str, text: &str) -> Vec<String> {
    let found = FOREIGN.iter().filter(|word| text.contains(**word));
    found.map(|word| format!("{path}: names {word}")).collect()
}

/// Unsafe code and missing documentation are forbidden by the lints of the workspace.
fn without_lints(path: &str, manifest: &str) -> Vec<String> {
    let inherits = manifest.contains("[lints]\nworkspace = true");
    let wrong = (!inherits).then(|| format!("{path}: needs `[lints]` with `workspace = true`"));
    wrong.into_iter().collect()
}

/// What a registry shows of a crate; one that is not published needs a description alone.
fn without_metadata(path: &str, manifest: &str) -> Vec<String> {
    let has = |field: &str| manifest.lines().any(|line| line.starts_with(field));
    let needed: &[&str] = if has("publish = false") {
        &["description"]
    } else {
        &[
            "description",
            "license",
            "readme",
            "keywords",
            "categories",
            "rust-version",
        ]
    };
    let missing = needed.iter().filter(|field| !has(field));
    missing
        .map(|field| format!("{path}: says no `{field}`"))
        .collect()
}

#[test]
fn what_cannot_fail_says_why() {
    for folder in [
        "src",
        "macros/src",
        "cube/src",
        "connectors/kafka/src",
        "connectors/postgres/src",
        "connectors/redis/src",
        "http/src",
        "topologies/src",
        "xtask/src",
    ] {
        check(&sources(folder), unproven);
    }
}

/// Safe code, but for the files that say why.
fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    let lines = code(text).into_iter();
    // (Written in two so that this file has none.)
    let word = concat!("un", "safe");
    let lines = lines.filter(|(_, line)| {
        let mut words = line.split(|c: char| !is_name(c));
        words.any(|w| w == word || w == concat!("un", "safe_code"))
    });
    if ["src/text/repr.rs", "connectors/kafka/src/native.rs"].contains(&path) {
        return Vec::new();
    }
    lines
        .filter(|(_, line)| !line.starts_with("#![forbid(") && !line.starts_with("#![deny("))
        .map(|(number, _)| format!("{path}:{number}: {word} code"))
        .collect()
}

#[test]
fn code_is_safe() {
    for folder in [
        "src",
        "macros",
        "cube",
        "connectors",
        "http",
        "topologies",
        "testbed",
        "examples",
        "benches",
        "xtask",
        "fuzz",
    ] {
        check(&sources(folder), unsafe_code);
    }
    let wrong = unsafe_code("src/key.rs", concat!("//! A.\n\nun", "safe { f() }\n"));
    assert_eq!(wrong.len(), 1);
}

#[test]
fn files_fit_into_a_head() {
    check(&sources("."), too_long);
}

#[test]
fn nothing_names_the_machine_that_it_was_made_on() {
    check(&files("."), foreign);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let mut manifests = files(".");
    manifests.retain(|(path, _)| path.ends_with("Cargo.toml"));
    assert!(
        manifests.len() >= 5,
        "the crates of the workspace are found"
    );
    check(&manifests, without_lints);
    let (_, root) = manifests
        .iter()
        .find(|(path, _)| path == "Cargo.toml")
        .expect("the root");
    for lint in ["unsafe_code = \"deny\"", "missing_docs = \"deny\""] {
        assert!(root.contains(lint), "{lint}");
    }
}

#[test]
fn every_crate_says_what_it_is() {
    let mut manifests = files(".");
    manifests.retain(|(path, _)| path.ends_with("Cargo.toml"));
    check(&manifests, without_metadata);
    let wrong = without_metadata("a/Cargo.toml", "[package]\npublish = false\n");
    assert_eq!(wrong, ["a/Cargo.toml: says no `description`"]);
}

// --- the rules themselves ---

#[test]
fn an_unproven_unwrap_is_found() {
    let of = |text: &str| unproven("src/a.rs", text).len();
    assert_eq!(of("let a = b.unwrap();"), 1);
    assert_eq!(of("let a = b.expect(\"is there\");"), 1);
    assert_eq!(of("// It was put there above.\nlet a = b.unwrap();"), 0);
    assert_eq!(of("let a = b.unwrap(); // It was put there above."), 0);
    assert_eq!(of("let a = b.unwrap_or(1);\n/// let a = b.unwrap();"), 0);
    assert_eq!(of("#[cfg(test)]\nmod tests {\n    b.unwrap();\n}"), 0);
}

#[test]
fn the_other_rules_find_what_they_are_for() {
    assert_eq!(too_long("a.rs", &"\n".repeat(MAX_LINES)).len(), 0);
    assert_eq!(too_long("a.rs", &"\n".repeat(MAX_LINES + 1)).len(), 1);
    assert_eq!(foreign("a.md", &format!("cd {}x", FOREIGN[0])).len(), 1);
    assert_eq!(
        without_lints("Cargo.toml", "[package]\nname = \"a\"").len(),
        1
    );
}

//! Errors of public functions are types, which a caller can match on.

use super::sources::{check, code, is_test, sources};

/// Public functions, and conversions, whose error is a text.
fn untyped(path: &str, text: &str) -> Vec<String> {
    if is_test(path) {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let mut lines = code(text).into_iter();
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        let is_text = if is_public_function(line) {
            let mut signature = line.to_owned();
            while !signature.contains(['{', ';']) {
                let Some((_, more)) = lines.next() else { break };
                signature.push_str(more.trim());
            }
            error_of(&signature).is_some_and(is_text)
        } else {
            let error = ["type Err =", "type Error ="];
            let mut error = error.iter().filter_map(|name| line.strip_prefix(name));
            error.any(|error| is_text(error.trim_end_matches(';')))
        };
        if is_text {
            wrong.push(format!(
                "{path}:{number}: its error is a text: give it a type"
            ));
        }
    }
    wrong
}

fn is_public_function(line: &str) -> bool {
    let Some(rest) = line.strip_prefix("pub ") else {
        return false;
    };
    let mut words = rest.split(' ');
    let word = words.find(|word| !["const", "async"].contains(word));
    word == Some("fn")
}

fn is_text(error: &str) -> bool {
    ["String", "&str", "&'static str"].contains(&error.trim())
}

/// The second argument of the `Result` that a signature ends with.
fn error_of(signature: &str) -> Option<&str> {
    let (_, result) = signature.rsplit_once("-> ")?;
    let arguments = result.strip_prefix("Result<")?;
    let mut depth = 0_usize;
    let mut from = None;
    for (at, letter) in arguments.char_indices() {
        match letter {
            '<' | '(' | '[' => depth += 1,
            '>' if depth == 0 => return arguments.get(from?..at).map(|e| e.trim_end_matches(',')),
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 && from.is_none() => from = Some(at + 1),
            _ => {}
        }
    }
    None
}

#[test]
fn errors_of_public_functions_are_types() {
    let folders = [
        "src",
        "macros/src",
        "cube/src",
        "connectors/kafka/src",
        "connectors/postgres/src",
        "connectors/redis/src",
        "http/src",
        "topologies/src",
        "examples",
        "benches",
    ];
    for folder in folders {
        check(&sources(folder), untyped);
    }
}

#[test]
fn an_error_that_is_a_text_is_found() {
    let of = |text: &str| untyped("src/a.rs", text).len();
    assert_eq!(of("pub fn a(text: &str) -> Result<u64, String> {"), 1);
    assert_eq!(of("    pub const fn a() -> Result<u64, &'static str> {"), 1);
    assert_eq!(
        of("pub fn a() -> Result<Vec<(String, i64)>, String>\nwhere\n    T: A,\n{"),
        1
    );
    assert_eq!(
        of("pub fn a(\n    text: &str,\n) -> Result<\n    u64,\n    String,\n> {"),
        1
    );
    assert_eq!(of("    type Err = String;"), 1);
    assert_eq!(
        of("pub fn a() -> Result<BTreeMap<u64, String>, Wrong> {"),
        0
    );
    assert_eq!(of("pub fn a() -> Result<String> {"), 0);
    assert_eq!(of("pub(crate) fn a() -> Result<u64, String> {"), 0);
    assert_eq!(of("fn a() -> Result<u64, String> {"), 0);
    assert_eq!(of("/// pub fn a() -> Result<u64, String> {"), 0);
    assert_eq!(of("    type Err = Wrong;"), 0);
}

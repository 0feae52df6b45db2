//! The layout of the sources, checked: what a reader may rely on without reading it all.
//!
//! The layers of the library, lowest first. A module uses modules of lower layers and its own
//! submodules, never its equals, so each layer can be understood without those above it.
//! Documentation and tests may use everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LAYERS: &[&[&str]] = &[
    // Values without a meaning of their own for topologies.
    &[
        "decimal", "error", "meaning", "nearest", "private", "text", "time", "varint",
    ],
    // Failing on purpose.
    &["fault"],
    // What travels, and what is known of the task that has it; what is kept on disk.
    &["context", "store", "tuple"],
    // How tuples are grouped.
    &["key"],
    // How many values become one, in parts.
    &["aggregate"],
    // Many of them at once.
    &["batch"],
    // What they are emitted into.
    &["stream"],
    // What is kept over a failure, as user code declares it.
    &["state"],
    // A log on disk, which several topologies may read.
    &["depot"],
    // The tuples between a count and its ranking, which the ready bolts share.
    &["ranking"],
    // What users implement.
    &["bolt", "sink", "spout"],
    // What squall has implemented of that already.
    &["bolts", "connectors"],
    // What of it is stored, and where in a data directory.
    &["durable"],
    // User code with its types erased; groupings as code.
    &["operator"],
    // The builder and the plan.
    &["topology"],
    // Tasks, the exchange, epochs, the drivers.
    &["runtime"],
    // Drives operators and tasks for tests of users.
    &["testing"],
];

/// Ready parts see what parts of a user's see: lower layers, but not these.
const HIDDEN_FROM_READY_PARTS: &[&str] = &["batch"];

const MOST_LINES: usize = 600;

const MOST_README_LINES: usize = 150;

/// Paths of somebody's own machine. (Written in two so that this file has none.)
const FOREIGN: &[&str] = &[concat!("/wo", "rk/"), concat!("/tmp/", "bash")];

// --- the rules ---

/// The lines of code outside of comments and tests, with their numbers from 1.
fn code(text: &str) -> Vec<(usize, &str)> {
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
fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let names = ["tests.rs", "samples.rs", "fuzzing.rs"];
    names.contains(&name) || path.contains("/tests/")
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The modules of the crate that a line names: `crate::a::B` and, from within, `super::a::B`.
/// A name of the crate's root counts as the module `lib`.
fn named_modules(line: &str, depth: usize) -> Vec<String> {
    let mut named = Vec::new();
    for root in ["crate::", "squall::", "super::"] {
        for (at, _) in line.match_indices(root) {
            let before = &line[..at];
            if before.ends_with(is_name) || before.ends_with("::") {
                continue;
            }
            let mut rest = &line[at + root.len()..];
            let mut up = usize::from(root == "super::");
            while let Some(further) = rest.strip_prefix("super::") {
                rest = further;
                up += 1;
            }
            if root == "super::" && up < depth {
                continue;
            }
            let name: String = rest.chars().take_while(|c| is_name(*c)).collect();
            let is_layer = LAYERS.iter().any(|layer| layer.contains(&&*name));
            let is_path = rest[name.len()..].starts_with("::");
            let module = name.starts_with(|c: char| c.is_lowercase()) && (is_path || is_layer);
            named.push(if module { name } else { "lib".to_owned() });
        }
    }
    named
}

/// What is wrong with the imports of a file of the library; `path` is below `src/`.
fn imports(path: &str, text: &str) -> Vec<String> {
    let bare = path.trim_end_matches(".rs");
    let module = bare.split('/').next().unwrap_or(bare);
    let mut wrong = Vec::new();
    if module == "lib" || is_test(path) {
        return wrong;
    }
    let layer_of = |module: &str| LAYERS.iter().position(|layer| layer.contains(&module));
    let Some(layer) = layer_of(module) else {
        return vec![format!(
            "src/{path}: `{module}` is in no layer: put it into the table"
        )];
    };
    let depth = path.split('/').filter(|part| *part != "mod.rs").count();
    for (line, code) in code(text) {
        for named in named_modules(code, depth) {
            let place = format!("src/{path}:{line}: `{module}`");
            let ready = module == "bolts" || module == "connectors";
            if named == module {
                continue;
            }
            if layer_of(&named).is_none_or(|named| named >= layer) {
                wrong.push(format!("{place} uses `{named}`, which is not below it"));
            } else if ready && HIDDEN_FROM_READY_PARTS.contains(&named.as_str()) {
                wrong.push(format!("{place} uses `{named}`, which users do not see"));
            }
        }
        let names_ractor = code.split(|c| !is_name(c)).any(|word| word == "ractor");
        if names_ractor && module != "runtime" {
            wrong.push(format!("src/{path}:{line}: only the runtime names ractor"));
        }
    }
    wrong
}

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
    let wrong =
        (lines > MOST_LINES).then(|| format!("{path}: {lines} lines, {MOST_LINES} at most"));
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
    if path == "README.md" && lines > MOST_README_LINES {
        wrong.push(format!(
            "{path}: {lines} lines, {MOST_README_LINES} at most: the rest belongs into docs/"
        ));
    }
    wrong
}

// --- the files ---

/// Every file below a folder of the project, with its path from the project's root.
fn files(folder: &str) -> Vec<(String, String)> {
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

fn sources(folder: &str) -> Vec<(String, String)> {
    let mut files = files(folder);
    files.retain(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "rs"));
    assert!(!files.is_empty(), "{folder} has no sources");
    files
}

fn check(files: &[(String, String)], rule: fn(&str, &str) -> Vec<String>) {
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|(path, text)| rule(path, text))
        .collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn imports_go_down() {
    check(&sources("src"), |path, text| {
        imports(path.trim_start_matches("src/"), text)
    });
}

/// Folders below `src/` whose modules import each other in no circle.
const ROOMS: &[&str] = &[
    "aggregate",
    "bolts",
    "depot",
    "durable",
    "operator",
    "runtime",
    "spout",
    "state",
    "store",
    "testing",
];

/// The modules of a room that a file of it imports; `depth` is how many folders it is below.
fn neighbours(room: &str, depth: usize, text: &str) -> BTreeSet<String> {
    let code: String = code(text)
        .into_iter()
        .map(|(_, line)| line.to_owned() + "\n")
        .collect();
    let up = "super::".repeat(depth + 1);
    let mut found = BTreeSet::new();
    for root in [format!("crate::{room}::"), up] {
        for (at, _) in code.match_indices(&root) {
            let before = &code[..at];
            if before.ends_with(is_name) || before.ends_with("::") {
                continue;
            }
            let rest = &code[at + root.len()..];
            let Some(group) = rest.strip_prefix('{') else {
                found.extend(rest.split(|c| !is_name(c)).next().map(str::to_owned));
                continue;
            };
            // What stands in further braces belongs to the module before them.
            let (mut open, mut name) = (1, String::new());
            for c in group.chars() {
                open += i32::from(c == '{') - i32::from(c == '}');
                match c {
                    _ if open == 0 => break,
                    ',' if open == 1 => found.extend([std::mem::take(&mut name)]),
                    _ => name.push(c),
                }
            }
            found.extend([name]);
        }
    }
    let first = |name: String| {
        let name = name.trim();
        name.split(|c| !is_name(c)).next().map(str::to_owned)
    };
    found.into_iter().filter_map(first).collect()
}

/// The modules of a room that are in a circle of imports.
fn in_circles(room: &str, files: &[(String, String)]) -> BTreeSet<String> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files {
        let Some(path) = path.strip_prefix(&format!("{room}/")) else {
            continue;
        };
        let path = path.trim_end_matches(".rs");
        let path = path.trim_end_matches("/mod");
        let module = path.split('/').next().unwrap_or_default().to_owned();
        if module == "mod" || is_test(&format!("{path}.rs")) {
            continue;
        }
        let depth = path.matches('/').count();
        imports
            .entry(module)
            .or_default()
            .extend(neighbours(room, depth, text));
    }
    let mut reached = imports.clone();
    loop {
        let before = reached.clone();
        for further in reached.values_mut() {
            let next: Vec<_> = further
                .iter()
                .filter_map(|to| before.get(to))
                .flatten()
                .collect();
            further.extend(next.into_iter().cloned());
        }
        if reached == before {
            break;
        }
    }
    let alone = |module: &String| imports[module].contains(module) && imports[module].len() == 1;
    let circles = reached
        .iter()
        .filter(|(module, reached)| reached.contains(*module));
    circles
        .map(|(module, _)| module.clone())
        .filter(|module| !alone(module))
        .collect()
}

#[test]
fn rooms_have_no_circle_of_imports() {
    let sources = sources("src");
    for room in ROOMS {
        let circles = in_circles(room, &sources);
        assert!(
            circles.is_empty(),
            "`src/{room}` has a circle of {circles:?}"
        );
    }
}

#[test]
fn a_circle_of_imports_is_found() {
    let file = |path: &str, text: &str| (format!("room/{path}"), text.to_owned());
    let files = [
        file("mod.rs", "mod a;"),
        file("a.rs", "use super::{b::B,\n    c};\n"),
        file("b.rs", "use super::c::C;\n"),
        file(
            "b/inner.rs",
            "fn f() { crate::room::d::g(); super::super::c::h() }\n",
        ),
        file("c.rs", "// super::a::A\nuse super::d::D;\n"),
        file("d.rs", "use std::fmt;\n"),
    ];
    assert!(in_circles("room", &files).is_empty());
    let back = file("d/inner.rs", "use super::super::b::B;\n");
    let files = [&files[..], &[back]].concat();
    let circle = in_circles("room", &files);
    assert!(circle.iter().eq(["b", "c", "d"]), "{circle:?}");
}

#[test]
fn what_cannot_fail_says_why() {
    for folder in [
        "src",
        "macros/src",
        "cube/src",
        "topologies/src",
        "xtask/src",
    ] {
        check(&sources(folder), unproven);
    }
}

/// Safe code, but for one file that says why.
fn unsafe_code(path: &str, text: &str) -> Vec<String> {
    let lines = code(text).into_iter();
    // (Written in two so that this file has none.)
    let word = concat!("un", "safe");
    let lines = lines.filter(|(_, line)| {
        let mut words = line.split(|c: char| !is_name(c));
        words.any(|w| w == word || w == concat!("un", "safe_code"))
    });
    if path == "src/text/repr.rs" {
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
        "topologies",
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
fn links_of_the_book_lead_somewhere() {
    let mut files = files(".");
    files.retain(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "md"));
    assert!(files.len() > 10, "README and book were found");
    check(&files, prose);
    let wrong = prose("docs/a.md", "[a](SUMMARY.md)\n[b](nowhere.md#part)\n");
    assert_eq!(wrong, ["docs/a.md:2: nothing is at nowhere.md"]);
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
fn an_import_that_goes_up_is_found() {
    let up = [
        ("bolt.rs", "use crate::topology::Topology;"),
        ("bolt.rs", "use crate::sink::Sink;"),
        (
            "bolt.rs",
            "pub(crate) fn f(plan: &crate::topology::Plan) {}",
        ),
        ("bolt.rs", "use super::runtime::Task;"),
        ("bolt.rs", "use crate::Topology;"),
        ("bolt.rs", "use crate::{stream, tuple};"),
        ("operator/mod.rs", "use super::runtime::Task;"),
        ("operator/edge.rs", "use super::super::runtime::Task;"),
        ("bolts/rank.rs", "    use crate::operator::Edge;"),
        ("bolts/rank.rs", "use crate::batch::Batch;"),
        ("connectors/files/spout.rs", "use squall::Text;"),
        ("topology/plan.rs", "use ractor::Actor;"),
        ("runtime/task.rs", "use crate::testing::BoltTest;"),
        ("unknown.rs", ""),
    ];
    for (path, line) in up {
        let text = format!("//! A module.\n\n{line}\n");
        assert_eq!(imports(path, &text).len(), 1, "{path}: {line}");
    }
}

#[test]
fn an_import_that_goes_down_passes() {
    let down = [
        ("lib.rs", "pub use topology::Topology;"),
        ("bolt.rs", "use crate::tuple::Tuple;"),
        ("operator/edge.rs", "use super::grouping::Choose;"),
        ("operator/edge.rs", "use crate::operator::grouping::Choose;"),
        (
            "connectors/files/json.rs",
            "use super::super::random_words::FIVE;",
        ),
        ("runtime/actors.rs", "use ractor::Actor;"),
        ("bolt.rs", "//! See [`crate::topology::Topology`]."),
        (
            "bolt.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::testing::BoltTest;\n}",
        ),
        ("topology/tests.rs", "use crate::testing::BoltTest;"),
    ];
    for (path, text) in down {
        assert_eq!(imports(path, text), [""; 0], "{path}: {text}");
    }
}

#[test]
fn code_after_the_tests_is_read_again() {
    let text = "#[cfg(test)]\nmod tests {\n    fn f() {}\n}\nuse crate::runtime::Task;\n";
    assert_eq!(imports("bolt.rs", text).len(), 1);
}

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
    assert_eq!(too_long("a.rs", &"\n".repeat(MOST_LINES)).len(), 0);
    assert_eq!(too_long("a.rs", &"\n".repeat(MOST_LINES + 1)).len(), 1);
    assert_eq!(foreign("a.md", &format!("cd {}x", FOREIGN[0])).len(), 1);
    assert_eq!(
        without_lints("Cargo.toml", "[package]\nname = \"a\"").len(),
        1
    );
}

//! The layers of the library, lowest first. A module uses modules of lower layers and its own
//! submodules, never its equals, so each layer can be understood without those above it.
//! Documentation and tests may use everything.

use crate::sources::{check, code, is_name, is_test, sources};

const LAYERS: &[&[&str]] = &[
    // Values without a meaning of their own for topologies.
    &[
        "decimal", "error", "meaning", "private", "text", "time", "varint",
    ],
    // Failing on purpose; the runtime of asynchronous clients; what tasks wait for outside.
    &["clients", "fault", "status"],
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
    // What squall has implemented of that already, and what others may implement it with.
    &["asynchronous", "bolts", "connectors"],
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

#[test]
fn imports_go_down() {
    check(&sources("src"), |path, text| {
        imports(path.trim_start_matches("src/"), text)
    });
}

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
        ("runtime/actors/task_actor.rs", "use ractor::Actor;"),
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

//! Rooms: each folder of sources is one, and its modules import each other in no circle. So each
//! module can be understood without those that use it. Tests may import everything.
//!
//! The root of a room (`mod.rs`, or the file that is named after the folder) is not one of its
//! modules: it may use all of them, and they may use what it declares itself.

use std::collections::{BTreeMap, BTreeSet};

use crate::sources::{code, is_name, is_test, sources};

/// The sources of the crates; each folder below is a room, too.
const CRATES: &[&str] = &[
    "src",
    "macros/src",
    "cube/src",
    "connectors/kafka/src",
    "connectors/postgres/src",
    "connectors/redis/src",
    "http/src",
    "topologies/src",
    "xtask/src",
];

struct Room<'r> {
    /// From the project's root.
    folder: &'r str,
    /// How the paths of its modules begin in the code: `crate::topology::`.
    path: String,
    /// What its root takes from its modules, by name, each with the module: to import the name
    /// from the root is to import the module.
    shown: BTreeMap<String, String>,
}

impl<'r> Room<'r> {
    fn of(folder: &'r str, files: &[(String, String)]) -> Self {
        let mut crates = CRATES.iter();
        let inside = crates.find_map(|source| folder.strip_prefix(source));
        let inside = inside.unwrap_or(folder).replace('/', "::");
        let roots = ["/lib.rs", "/main.rs", "/mod.rs", ".rs"];
        let roots = roots.map(|end| format!("{folder}{end}"));
        let roots = files.iter().filter(|(path, _)| roots.contains(path));
        Self {
            folder,
            path: format!("crate{inside}::"),
            shown: roots.flat_map(|(_, text)| shown(text)).collect(),
        }
    }

    /// The modules that a file imports; `depth` is how many folders it is below the room.
    fn neighbours(&self, depth: usize, text: &str) -> BTreeSet<String> {
        let code = joined(text);
        let mut found = BTreeSet::new();
        for root in [&self.path, &"super::".repeat(depth + 1)] {
            for (at, _) in code.match_indices(root) {
                let before = &code[..at];
                if before.ends_with(is_name) || before.ends_with("::") {
                    continue;
                }
                let names = leaves(&code[at + root.len()..]);
                found.extend(names.into_iter().map(|(first, _)| first));
            }
        }
        let module = |name: String| self.shown.get(&name).cloned().unwrap_or(name);
        found.into_iter().map(module).collect()
    }

    /// Its modules, each with those that it imports.
    fn imports(&self, files: &[(String, String)]) -> BTreeMap<String, BTreeSet<String>> {
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (path, text) in files {
            let inside = path.strip_prefix(self.folder);
            let Some(inside) = inside.and_then(|path| path.strip_prefix('/')) else {
                continue;
            };
            let inside = inside.trim_end_matches(".rs");
            let inside = inside.trim_end_matches("/mod");
            let module = inside.split('/').next().unwrap_or_default().to_owned();
            if ["lib", "main", "mod"].contains(&&*module) || is_test(path) {
                continue;
            }
            let depth = inside.matches('/').count();
            let neighbours = self.neighbours(depth, text);
            imports.entry(module).or_default().extend(neighbours);
        }
        for (module, imported) in &mut imports {
            imported.remove(module);
        }
        imports
    }

    /// The modules that are in a circle of imports.
    fn in_circles(&self, files: &[(String, String)]) -> BTreeSet<String> {
        let mut reached = self.imports(files);
        loop {
            let before = reached.clone();
            for further in reached.values_mut() {
                let next = further.iter().filter_map(|to| before.get(to)).flatten();
                let next: Vec<_> = next.cloned().collect();
                further.extend(next);
            }
            if reached == before {
                break;
            }
        }
        reached.retain(|module, reached| reached.contains(module));
        reached.into_keys().collect()
    }
}

/// The code of a file as one text.
fn joined(text: &str) -> String {
    let lines = code(text).into_iter();
    lines.map(|(_, line)| line.to_owned() + "\n").collect()
}

/// The names that a path leads to, each with the first part of the path: `a::{B, c::D as E}` has
/// `(a, B)` and `(a, E)`, and `{a::B, c}` has `(a, B)` and `(c, c)`.
fn leaves(path: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let name = |text: &str| -> String { text.chars().take_while(|c| is_name(*c)).collect() };
    let Some(group) = path.strip_prefix('{') else {
        let first = name(path);
        let rest = &path[first.len()..];
        if let Some(rest) = rest.strip_prefix("::") {
            let inner = leaves(rest).into_iter();
            found.extend(inner.map(|(_, leaf)| (first.clone(), leaf)));
        } else {
            let renamed = rest.trim_start().strip_prefix("as ").map(name);
            found.push((first.clone(), renamed.unwrap_or(first)));
        }
        return found;
    };
    let (mut open, mut part) = (1, String::new());
    for c in group.chars() {
        open += i32::from(c == '{') - i32::from(c == '}');
        match c {
            ',' if open == 1 => found.extend(leaves(std::mem::take(&mut part).trim())),
            _ if open == 0 => break,
            _ => part.push(c),
        }
    }
    if !part.trim().is_empty() {
        found.extend(leaves(part.trim()));
    }
    found
}

/// What the root of a room takes by `use`, each name with the module that it comes from.
fn shown(root: &str) -> BTreeMap<String, String> {
    let code = joined(root);
    let uses = code.split(';').filter_map(|statement| {
        let (before, path) = statement.split_once("use ")?;
        let seen_by = ["", "pub", "pub(crate)", "pub(super)"];
        seen_by.contains(&before.trim()).then_some(path)
    });
    let names = uses.flat_map(leaves);
    names.map(|(module, name)| (name, module)).collect()
}

/// All rooms that files are in.
fn rooms(files: &[(String, String)]) -> BTreeSet<&str> {
    let mut rooms = BTreeSet::new();
    for (path, _) in files.iter().filter(|(path, _)| !is_test(path)) {
        let mut path = path.as_str();
        while let Some((folder, _)) = path.rsplit_once('/') {
            let of_a_crate = CRATES.iter().any(|source| folder.starts_with(source));
            rooms.extend(of_a_crate.then_some(folder));
            path = folder;
        }
    }
    rooms
}

#[test]
fn rooms_have_no_circle_of_imports() {
    let mut files = Vec::new();
    for source in CRATES {
        files.extend(sources(source));
    }
    let rooms = rooms(&files);
    for known in ["src/topology", "src/connectors/files", "cube/src/segments"] {
        assert!(rooms.contains(known), "{known}");
    }
    let wrong = rooms.into_iter().filter_map(|folder| {
        let circle = Room::of(folder, &files).in_circles(&files);
        (!circle.is_empty()).then(|| format!("{folder} has a circle of {circle:?}"))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn a_circle_of_imports_is_found() {
    let file = |path: &str, text: &str| (format!("src/room/{path}"), text.to_owned());
    let files = [
        file("mod.rs", "mod a;\npub use b::{B, inner::{I, J as K}};\n"),
        file("a.rs", "use super::{b::B,\n    c};\n"),
        file("b.rs", "use super::c::C;\n"),
        file(
            "b/inner.rs",
            "fn f() { crate::room::d::g(); super::super::c::h() }\n",
        ),
        file("c.rs", "// super::a::A\nuse super::d::D;\n"),
        file("d.rs", "use std::fmt;\n"),
    ];
    let circle = |more: &str| {
        let files = [&files[..], &[file("d/more.rs", more)]].concat();
        let room = Room::of("src/room", &files);
        room.in_circles(&files).into_iter().collect::<Vec<_>>()
    };
    assert_eq!(circle("use super::D;\n"), [""; 0]);
    for back in ["b::B", "{D, b}", "B", "K", "{D, I as L}"] {
        let back = format!("use super::super::{back};\n");
        assert_eq!(circle(&back), ["b", "c", "d"], "{back}");
    }
    assert_eq!(circle("use crate::room::a::A;\n"), ["a", "b", "c", "d"]);
}

#[test]
fn a_crate_is_a_room_of_its_own() {
    let file = |path: &str, text: &str| (format!("cube/src/{path}"), text.to_owned());
    let files = [
        file("lib.rs", "mod a;\nmod b;\npub use a::A;\n"),
        file("a.rs", "use crate::b::inner::I;\n"),
        file("b/inner.rs", "use crate::A;\n"),
    ];
    assert!(rooms(&files).into_iter().eq(["cube/src", "cube/src/b"]));
    let circle = Room::of("cube/src", &files).in_circles(&files);
    assert!(circle.iter().eq(["a", "b"]), "{circle:?}");
    assert!(Room::of("cube/src/b", &files).in_circles(&files).is_empty());
}

//! What the tables have in common.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::common::{Folder, json, output, squall};

/// What comes of a change.
#[derive(Clone, Copy)]
pub enum Then {
    /// The run is refused with status 2; the message has all of these.
    Refused(&'static [&'static str]),
    /// The run goes on, and its answer is that of one run over everything.
    Same,
    /// The same, once a further run without the change has come to the end of the input.
    SameInTheEnd,
}

/// One change.
#[derive(Clone, Copy)]
pub struct Row {
    /// The option that it is about.
    pub option: &'static str,
    /// What the first run is given beside what all are given, as [`changed`] reads it.
    pub was: &'static str,
    /// What the second run is given beside what the first one was.
    pub now: &'static str,
    pub then: Then,
}

pub const fn refused(
    option: &'static str,
    was: &'static str,
    now: &'static str,
    parts: &'static [&'static str],
) -> Row {
    Row {
        option,
        was,
        now,
        then: Then::Refused(parts),
    }
}

pub const fn same(option: &'static str, was: &'static str, now: &'static str) -> Row {
    Row {
        option,
        was,
        now,
        then: Then::Same,
    }
}

pub const fn same_in_the_end(option: &'static str, was: &'static str, now: &'static str) -> Row {
    Row {
        option,
        was,
        now,
        then: Then::SameInTheEnd,
    }
}

/// Options with their values; none for those that take none.
pub type Options = Vec<(String, Option<String>)>;

/// Options as they are written: `--top 3 --json`. Those that are there are replaced, `!--top`
/// takes one out, and an underscore in a value stands for a space.
pub fn changed(options: &Options, change: &str) -> Options {
    let mut options = options.clone();
    for word in change.split_whitespace() {
        let (word, out) = match word.strip_prefix('!') {
            Some(option) => (option, true),
            None => (word, false),
        };
        if word.starts_with("--") {
            options.retain(|(option, _)| option != word);
            if !out {
                options.push((word.to_owned(), None));
            }
        } else if let Some((_, value)) = options.last_mut() {
            *value = Some(word.replace('_', " "));
        }
    }
    options
}

/// As the command takes them, with `{}` for the folder that everything is in, and `{data}` for the
/// data directory.
fn arguments(options: &Options, folder: &Folder, data: &str) -> Vec<String> {
    let root = folder.path("");
    let within = |value: &String| {
        let value = value.replace("{}", root.trim_end_matches('/'));
        value.replace("{data}", data)
    };
    let words = options.iter().flat_map(|(option, value)| {
        std::iter::once(option.clone()).chain(value.iter().map(within))
    });
    words.collect()
}

/// The options that the help of a command lists.
pub fn listed(command: &[&str]) -> BTreeSet<String> {
    let (help, _) = output(squall(command).arg("--help"));
    let options = help.lines().filter_map(|line| {
        let line = line.trim_start();
        let line = line.strip_prefix("-h, ").unwrap_or(line);
        let option = line.split([' ', '=']).next()?;
        option.starts_with("--").then(|| option.to_owned())
    });
    options.filter(|option| option != "--help").collect()
}

/// Every option of the command has a row, and every row is about one of them, but for those that
/// a build may lack.
pub fn is_whole(command: &[&str], rows: &[Row], optional: &[&str]) {
    let listed = listed(command);
    assert!(listed.len() > 5, "{listed:?}");
    let rows: BTreeSet<_> = rows.iter().map(|row| row.option.to_owned()).collect();
    let missing: Vec<_> = listed.difference(&rows).collect();
    assert!(
        missing.is_empty(),
        "nothing says what comes of a change of {missing:?} of {command:?}: add a row"
    );
    let unknown = rows.difference(&listed);
    let unknown: Vec<_> = unknown
        .filter(|row| !optional.contains(&row.as_str()))
        .collect();
    assert!(unknown.is_empty(), "{command:?} has no {unknown:?}");
}

/// Copies what is in a folder, with the folders in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (entry, to) = (entry.unwrap(), to.to_owned());
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// How a job is run and asked.
pub struct Job<'j> {
    /// `run top-users`.
    pub command: &'j [&'j str],
    /// The depot that it is about, where the data directory is no option.
    pub depot: Option<&'j str>,
    /// What every run is given.
    pub given: &'j str,
    /// What a run of files that leaves the rest for later is given.
    pub pause: &'j str,
    /// Makes what is there before the first run, in a data directory of this path.
    pub first: &'j dyn Fn(&Folder, &str),
    /// Adds the rest of the input: to the folder, and to a data directory of this path.
    pub second: &'j dyn Fn(&Folder, &str),
    /// What came of a run: from what it has printed, and the data directory.
    pub answer: &'j dyn Fn(&str, &str) -> Vec<String>,
    /// Whether that is about everything so far; else it is what is new.
    pub whole: bool,
}

/// What was printed or else written into `out.ndjson` beside a data directory, which is the last
/// to ask for it.
pub fn lines(printed: &str, data: &str) -> Vec<Value> {
    let out = Path::new(data).parent().unwrap().join("out.ndjson");
    let written = std::fs::read_to_string(&out).unwrap_or_default();
    let _ = std::fs::remove_file(out);
    json(if printed.is_empty() {
        &written
    } else {
        printed
    })
}

impl Job<'_> {
    fn run(&self, folder: &Folder, options: &Options, data: &str) -> (i32, String, String) {
        let mut command = squall(self.command);
        match self.depot {
            Some(depot) => _ = command.args([data, depot]),
            None if options.iter().all(|(option, _)| option != "--data-dir") => {
                command.args(["--data-dir", data]);
            }
            None => {}
        }
        let ran = command
            .args(arguments(options, folder, data))
            .output()
            .unwrap();
        let [printed, said] =
            [ran.stdout, ran.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        assert!(!said.contains("panicked at"), "{said}");
        (ran.status.code().unwrap(), printed, said)
    }

    /// As [`Job::run`], which goes well.
    fn runs(&self, folder: &Folder, options: &Options, data: &str) -> Vec<String> {
        let (status, printed, said) = self.run(folder, options, data);
        assert_eq!(status, 0, "{options:?}: {said}");
        (self.answer)(&printed, data)
    }

    /// Goes through the rows.
    pub fn check(&self, rows: &[Row]) {
        let given = changed(&Options::new(), self.given);
        let mut ways: Vec<&str> = rows.iter().map(|row| row.was).collect();
        ways.sort_unstable();
        ways.dedup();
        for was in ways {
            let folder = Folder::with(&[]);
            let base = folder.path("base");
            let before = changed(&given, was);
            (self.first)(&folder, &base);
            let reads_files = before.iter().any(|(option, _)| option == "--input");
            let pause = if reads_files { self.pause } else { "" };
            self.runs(&folder, &changed(&before, pause), &base);
            (self.second)(&folder, &base);
            let rows = rows.iter().filter(|row| row.was == was);
            for (number, row) in rows.enumerate() {
                let data = folder.path(&format!("data-{number}"));
                copy(Path::new(&base), Path::new(&data));
                self.check_row(&folder, row, &before, &data);
            }
        }
    }

    fn check_row(&self, folder: &Folder, row: &Row, before: &Options, data: &str) {
        let Row {
            option, was, now, ..
        } = row;
        let about = format!("{option}: `{was}`, then `{now}`");
        let after = changed(before, now);
        let fresh = |options: &Options| {
            let data = format!("{data}-fresh");
            (self.first)(folder, &data);
            (self.second)(folder, &data);
            self.runs(folder, &changed(options, "!--data-dir"), &data)
        };
        match row.then {
            Then::Refused(parts) => {
                let (status, printed, said) = self.run(folder, &after, data);
                assert_eq!(status, 2, "{about}: {printed}{said}");
                for part in parts {
                    assert!(said.contains(part), "{about}: no {part} in {said}");
                }
            }
            Then::Same => {
                let found = self.runs(folder, &after, data);
                ends_as(&found, &fresh(&after), &about);
            }
            Then::SameInTheEnd => {
                let mut found = self.runs(folder, &after, data);
                if self.whole {
                    found.clear();
                }
                found.extend(self.runs(folder, before, data));
                ends_as(&found, &fresh(before), &about);
            }
        }
    }
}

/// What came of the second run is the end of what comes of one run over everything.
fn ends_as(found: &[String], wanted: &[String], about: &str) {
    assert!(!found.is_empty(), "{about}: nothing came of it");
    assert!(
        wanted.ends_with(found),
        "{about}: {found:#?}, not {wanted:#?}"
    );
}

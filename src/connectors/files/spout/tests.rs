//! Files over several runs: what was read is not read again, and nothing is left out.

mod following;
mod identity;
mod rotation;
mod runs;

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::super::TimeFormat;
use super::*;
use crate::Word;
use crate::fault::Faults;
use crate::state::{Changes, State, StoredUnit};

/// A folder with files, and what a store would have of the tasks.
struct World {
    folder: tempfile::TempDir,
    /// For each task the positions and the times of its splits.
    stored: Vec<[Vec<Vec<u8>>; 2]>,
}

/// A running task. Everything emitted is `line@text`.
struct Task<S: Spout> {
    spout: S,
    out: SpoutOut<S::Output>,
    seen: Vec<String>,
    last: Next,
}

fn context(task: usize, parallelism: usize, durable: bool) -> Context {
    Context {
        component: "lines".to_owned(),
        task,
        parallelism,
        durable,
        ..Context::of_test()
    }
}

type Plain = fn(&Record, &mut Out<Word>) -> Result;

#[allow(clippy::unnecessary_wraps)] // it stands for one that can fail
fn decode(record: &Record, out: &mut Out<Word>) -> Result {
    let word = format!("{}@{}", record.line(), record.text());
    out.emit(Word { word: word.into() });
    Ok(())
}

fn save(state: &mut dyn State) -> Vec<Vec<u8>> {
    let mut changes = Changes::new(1, crate::Timestamp::from_millis(0), |_| true, |_| false);
    state.save(&mut changes).unwrap();
    changes.into_units().collect()
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            stored: Vec::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn append(&self, name: &str, content: &str) {
        let file = fs::OpenOptions::new().append(true).open(self.path(name));
        file.unwrap().write_all(content.as_bytes()).unwrap();
    }

    fn at(&self, name: &str) -> Files {
        Files::at(self.path(name).to_str().unwrap()).unwrap()
    }

    /// A task that goes on with what all tasks have stored.
    fn task(
        &self,
        files: &Files,
        (task, parallelism): (usize, usize),
    ) -> Result<Task<FileSpout<Word, Decoder<Plain>>>> {
        self.open(files, &context(task, parallelism, true))
    }

    fn open(
        &self,
        files: &Files,
        context: &Context,
    ) -> Result<Task<FileSpout<Word, Decoder<Plain>>>> {
        let mut spout = files.decode(decode as Plain);
        let mut out = SpoutOut::new(spout.domain(), spout.lateness());
        for (number, [positions, splits]) in self.stored.iter().enumerate() {
            let merges = number > 0;
            spout.positions.load(&StoredUnit::new(positions, merges))?;
            out.splits.load(&StoredUnit::new(splits, merges))?;
        }
        let track = |_: &str, state: &mut dyn State| {
            state.track();
            Ok(())
        };
        States::visit(track, |states| spout.state(states))?;
        out.splits.track();
        spout.open(context, &mut out)?;
        Ok(Task {
            spout,
            out,
            seen: Vec::new(),
            last: Next::More,
        })
    }

    /// Runs all tasks to their end and stores; gives what they emitted, in order of tasks.
    fn run(&mut self, files: &Files, parallelism: usize) -> Result<Vec<String>> {
        let mut stored = Vec::new();
        let mut seen = Vec::new();
        for task in 0..parallelism {
            let mut task = self.task(files, (task, parallelism))?;
            task.run()?;
            stored.push(task.save());
            seen.append(&mut task.seen);
        }
        self.stored = stored;
        Ok(seen)
    }

    /// Reads the file with a restart after every so many records.
    fn in_portions(&mut self, files: &Files, records: usize) -> Vec<String> {
        let mut seen = Vec::new();
        for _ in 0..1_000 {
            let mut task = self.task(files, (0, 1)).unwrap();
            while task.seen.len() < records && task.step().unwrap() {}
            self.stored = vec![task.save()];
            seen.extend_from_slice(&task.seen);
            if task.last != Next::More {
                return seen;
            }
        }
        panic!("the input does not end");
    }
}

impl<S: Spout<Output = Word>> Task<S> {
    /// Asks once; says whether there may be more at once.
    fn step(&mut self) -> Result<bool> {
        self.last = self.spout.next(&mut self.out)?;
        let tuples = self.out.staged.tuples.drain(..);
        self.seen.extend(tuples.map(|word| word.word.to_string()));
        let letters = self.out.dead_letters.tuples.drain(..);
        let bad = |letter: DeadLetter| format!("{}@BAD", letter.line.unwrap());
        self.seen.extend(letters.map(bad));
        Ok(self.last == Next::More)
    }

    fn run(&mut self) -> Result {
        let mut steps = 0;
        while self.step()? {
            steps += 1;
            assert!(steps < 100_000, "there is no end to it");
        }
        Ok(())
    }

    /// What has come since the last call.
    fn more(&mut self) -> Vec<String> {
        self.run().unwrap();
        std::mem::take(&mut self.seen)
    }

    /// What has come after about a second in which nothing else happened.
    fn after_a_while(&mut self) -> Vec<String> {
        let looks = 0..12;
        looks.flat_map(|_| self.more()).collect()
    }

    fn save(&mut self) -> [Vec<Vec<u8>>; 2] {
        let mut positions = Vec::new();
        let keep = |_: &str, state: &mut dyn State| {
            positions = save(state);
            Ok(())
        };
        States::visit(keep, |states| self.spout.state(states)).unwrap();
        [positions, save(&mut self.out.splits)]
    }

    fn watermark(&mut self) -> i64 {
        self.out.splits.progress().watermark.millis()
    }
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Of every format, with all that makes positions difficult.
const INPUTS: [(&str, &str); 4] = [
    (
        "a.txt",
        "\u{feff}one\r\n\ntwo\n\n\nthree\r\nlast without an end",
    ),
    (
        "a.csv",
        "\u{feff}\r\na,b\r\n1,\"x\r\n\r\ny\"\r\n\r\n2,\"\"\"\n,\"\r\n3\r\n\n\n4,\u{feff}\n5,6",
    ),
    (
        "a.ndjson",
        "\n{\"a\":1}\r\n\r\n  \n[1]\n{\"a\"\n{}\n\n{\"b\":2}",
    ),
    ("a.tsv", "a\tb\n\n\n1\t2\n\"\n\"\t4\n"),
];

#[test]
fn a_restart_at_any_record_loses_and_repeats_nothing() {
    for (name, content) in INPUTS {
        for packed in [false, true] {
            let (name, bytes) = if packed {
                (format!("{name}.gz"), gzip(content.as_bytes()))
            } else {
                (name.to_owned(), content.as_bytes().to_vec())
            };
            let mut world = World::new();
            world.write(&name, bytes);
            let files = world.at(&name);
            let expected = world.in_portions(&files, usize::MAX);
            assert!(expected.len() >= 2, "{name}: {expected:?}");
            for records in 1..=3 {
                world.stored.clear();
                assert_eq!(world.in_portions(&files, records), expected, "{name}");
                assert_eq!(world.run(&files, 1).unwrap(), [""; 0], "{name}");
            }
        }
    }
}

#[test]
fn a_file_that_was_appended_to_goes_on_with_its_line_numbers() {
    let mut world = World::new();
    world.write("a.csv", "h,i\n1,\"x\ny\"\n");
    let files = world.at("a.csv");
    assert_eq!(world.run(&files, 1).unwrap(), ["2@1,\"x\ny\""]);
    world.append("a.csv", "2,z\n3\n");
    assert_eq!(world.run(&files, 1).unwrap(), ["4@2,z", "5@BAD"]);
    assert_eq!(world.run(&files, 1).unwrap(), [""; 0]);
}

#[test]
fn a_file_goes_by_what_was_read_of_it_and_not_by_its_name() {
    let mut world = World::new();
    world.write("a.txt", "a\n");
    let files = world.at("a.txt");
    assert_eq!(world.run(&files, 1).unwrap(), ["1@a"]);
    fs::create_dir(world.path("sub")).unwrap();
    let files = world.at("sub/../a.txt");
    assert_eq!(world.run(&files, 1).unwrap(), [""; 0]);
    fs::rename(world.path("a.txt"), world.path("b.txt")).unwrap();
    world.append("b.txt", "b\n");
    let files = world.at("b.txt");
    assert_eq!(world.run(&files, 1).unwrap(), ["2@b"]);
    fs::copy(world.path("b.txt"), world.path("c.txt")).unwrap();
    let files = world.at("*.txt");
    assert_eq!(world.run(&files, 2).unwrap(), ["1@a", "2@b"], "a copy");
}

#[cfg(unix)]
#[test]
fn a_file_that_two_names_lead_to_is_read_once() {
    let mut world = World::new();
    world.write("2024.log", "a\n");
    std::os::unix::fs::symlink(world.path("2024.log"), world.path("latest")).unwrap();
    let files = world.at("");
    assert_eq!(world.run(&files, 2).unwrap(), ["1@a"]);
}

fn refused(change: impl FnOnce(&World), content: impl AsRef<[u8]>) -> String {
    let mut world = World::new();
    world.write("a.txt", content);
    let files = world.at("a.txt");
    world.run(&files, 1).unwrap();
    change(&world);
    let error = world.run(&files, 1).unwrap_err().to_string();
    let name = world.path("a.txt").display().to_string();
    assert!(
        error.contains("delete the state of `lines` with `squall reset`"),
        "{error}"
    );
    error.replace(&name, "FILE")
}

#[test]
fn a_file_that_has_become_shorter_is_refused() {
    let error = refused(|world| world.write("a.txt", "a\n"), "a\nb\n");
    let start = "`FILE` was read up to byte 4, but now it has only 2: restore it; or follow";
    assert!(error.starts_with(start), "{error}");
}

#[test]
fn a_file_that_was_replaced_is_refused_where_its_beginning_or_its_end_differs() {
    let long = "0123456\n".repeat(10_000);
    let first = format!("x{}", &long[1..]);
    let error = refused(|world| world.write("a.txt", &first), &long);
    let start = "`FILE` was read up to byte 80000, but the content before that has changed";
    assert!(error.starts_with(start), "{error}");
    let last = format!("{}x\nmore\n", &long[..long.len() - 2]);
    let error = refused(|world| world.write("a.txt", &last), &long);
    assert!(error.starts_with(start), "{error}");
    let error = refused(|world| world.write("a.txt", "b\na\n"), "a\n");
    assert!(error.contains("changed (the hashes"), "{error}");
}

#[test]
fn a_gzip_file_goes_on_with_the_members_that_were_appended_to_it() {
    for (part, packed) in [("b", gzip(b"c\nd\n")), ("b\nc", gzip(b"\nd\n"))] {
        let mut world = World::new();
        let first = gzip(format!("a\n{part}\n").as_bytes());
        world.write("a.gz", &first);
        let files = world.at("a.gz");
        let lines = world.run(&files, 1).unwrap().len();
        let more = [&first[..], &packed].concat();
        world.write("a.gz", &more);
        let seen = world.run(&files, 1).unwrap();
        assert_eq!(seen.last().unwrap(), &format!("{}@d", lines + 2));
        assert_eq!(world.run(&files, 1).unwrap(), [""; 0]);
        world.write("a.gz", &more[..more.len() - 3]);
        assert!(world.run(&files, 1).is_err());
    }
}

#[test]
fn a_file_that_was_refused_is_refused_at_the_start_and_not_at_its_turn() {
    let mut world = World::new();
    world.write("a", "a\n");
    world.write("b", "b\nc\n");
    let files = world.at("");
    world.run(&files, 1).unwrap();
    world.append("a", "more\n");
    world.write("b", "b\n");
    assert!(world.task(&files, (0, 1)).is_err());
}

#[test]
fn a_last_line_without_an_end_counts_unless_the_input_may_grow() {
    let mut world = World::new();
    world.write("a.txt", "a\nbe");
    let files = world.at("a.txt");
    assert_eq!(world.run(&files, 1).unwrap(), ["1@a", "2@be"]);
    world.append("a.txt", "tter\n");
    assert_eq!(world.run(&files, 1).unwrap(), ["2@tter"], "it was taken");

    world.stored.clear();
    world.write("a.txt", "a\nbe");
    let files = world.at("a.txt").keep_open();
    assert_eq!(world.run(&files, 1).unwrap(), ["1@a"]);
    assert_eq!(world.run(&files, 1).unwrap(), [""; 0]);
    world.append("a.txt", "tter");
    assert_eq!(world.run(&files, 1).unwrap(), [""; 0]);
    world.append("a.txt", "\n");
    assert_eq!(world.run(&files, 1).unwrap(), ["2@better"]);
}

#[test]
fn a_header_or_a_row_that_is_not_complete_is_left_to_the_next_run() {
    let content = "\u{feff}\na,\"b\nb\"\n1,\"x\n\ny\"\n\n2,z\n";
    for cut in 0..content.len() {
        let mut world = World::new();
        let (before, after) = content.as_bytes().split_at(cut);
        world.write("a.csv", before);
        let files = world.at("a.csv").keep_open();
        let mut seen = world.run(&files, 1).unwrap();
        world.write("a.csv", [before, after].concat());
        seen.append(&mut world.run(&files, 1).unwrap());
        assert_eq!(seen, ["4@1,\"x\n\ny\"", "8@2,z"], "{cut}");
    }
}

#[test]
fn a_run_that_keeps_open_pauses_with_its_splits_open() {
    let mut world = World::new();
    world.write("a.csv", "t\n10\n90\n");
    world.write("b.csv", "t\n50\n");
    let files = world.at("").event_time("t", TimeFormat::UnixMs);
    let mut task = world.task(&files, (0, 1)).unwrap();
    task.run().unwrap();
    assert_eq!(task.last, Next::End);
    assert_eq!(task.out.splits.progress().watermark.millis(), 50);

    let files = files.keep_open();
    let mut task = world.task(&files, (0, 1)).unwrap();
    task.run().unwrap();
    assert_eq!((task.last, task.watermark()), (Next::Pause, 50));
    world.stored = vec![task.save()];
    world.append("b.csv", "95\n60\n");
    let mut task = world.task(&files, (0, 1)).unwrap();
    assert_eq!(task.watermark(), 50, "the times are those of before");
    task.run().unwrap();
    assert_eq!(task.seen, ["3@95", "4@60"]);
    assert_eq!(task.watermark(), 90);
}

#[test]
fn positions_of_files_that_are_not_read_are_kept_by_one_task() {
    let mut world = World::new();
    for name in ["a", "b", "c", "d", "e"] {
        world.write(name, format!("{name}\n"));
    }
    let all = world.at("");
    assert_eq!(world.run(&all, 3).unwrap().len(), 5);
    let one = world.at("a");
    for parallelism in [2, 4, 1] {
        assert_eq!(world.run(&one, parallelism).unwrap(), [""; 0]);
        let mut kept = 0;
        for task in 0..parallelism {
            let task = world.task(&one, (task, parallelism)).unwrap();
            kept += task.spout.positions.len();
        }
        assert_eq!(kept, 5);
    }
    assert_eq!(world.run(&all, 2).unwrap(), [""; 0]);
}

#[test]
fn streams_are_refused_with_a_data_directory() {
    let world = World::new();
    let files = Files::of(vec![Source::Stdin]);
    let error = world.task(&files, (0, 1)).err().unwrap().to_string();
    assert!(
        error.starts_with("standard input is a stream, which cannot be read again"),
        "{error}"
    );
    assert!(error.contains("write it to a file"), "{error}");
    #[cfg(unix)]
    {
        let files = Files::at("/dev/null").unwrap();
        let error = world.task(&files, (0, 1)).err().unwrap().to_string();
        assert!(error.starts_with("`/dev/null` is a stream"), "{error}");
    }
    assert!(world.open(&files, &context(0, 1, false)).is_ok());
}

#[test]
fn skipped_bytes_are_counted_as_read() {
    let mut world = World::new();
    world.write("a.csv", format!("h\n{}", "1\n".repeat(60_000)));
    world.write("b.gz", gzip(b"b\n"));
    world.write("c.csv", "h\n1\n");
    let files = world.at("");
    let mut task = world.task(&files, (0, 1)).unwrap();
    while task.seen.len() < 50_000 {
        task.step().unwrap();
    }
    world.stored = vec![task.save()];
    let files = world.at("");
    let mut task = world.task(&files, (0, 1)).unwrap();
    assert_eq!(files.progress().bytes(), 100_002);
    task.run().unwrap();
    assert_eq!(Some(files.progress().bytes()), files.bytes());
    world.stored = vec![task.save()];
    let files = world.at("");
    assert_eq!(world.run(&files, 1).unwrap(), [""; 0]);
    assert_eq!(Some(files.progress().bytes()), files.bytes());
}

#[test]
fn without_a_data_directory_nothing_is_kept() {
    let world = World::new();
    world.write("a", "a\n");
    let mut task = world.open(&world.at("a"), &context(0, 1, false)).unwrap();
    assert_eq!(task.more(), ["1@a"]);
    task.save();
    assert!(task.spout.positions.is_empty());
}

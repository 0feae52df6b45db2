//! Logs that are rotated and files that are copied in while they are read, or while no run is.

use std::collections::BTreeMap;

use super::super::super::FieldSelector;
use super::*;

/// One task that follows, or, where it is told to, goes on in a new run.
pub(super) struct Follower {
    pub(super) world: World,
    input: &'static str,
    pub(super) task: Option<Task<FileSpout<Word, Decoder<Plain>>>>,
}

impl Follower {
    pub(super) fn of(world: World, input: &'static str) -> Self {
        let mut follower = Self {
            world,
            input,
            task: None,
        };
        follower.start();
        follower
    }

    pub(super) fn start(&mut self) {
        let path = self.world.path(self.input);
        let files = Files::following(path.to_str().unwrap()).unwrap();
        self.task = Some(self.world.task(&files, (0, 1)).unwrap());
    }

    pub(super) fn stop(&mut self) {
        if let Some(mut task) = self.task.take() {
            self.world.stored = vec![task.save()];
        }
    }

    pub(super) fn more(&mut self) -> Vec<String> {
        self.task.as_mut().unwrap().more()
    }

    pub(super) fn warned(&self) -> u32 {
        self.task.as_ref().unwrap().spout.warned
    }

    /// What comes after the change, which is made while the run goes on, or while there is none.
    pub(super) fn after(&mut self, stopped: bool, change: impl FnOnce(&World)) -> Vec<String> {
        if stopped {
            self.stop();
            change(&self.world);
            self.start();
        } else {
            change(&self.world);
        }
        let task = self.task.as_mut().unwrap();
        task.after_a_while()
    }
}

pub(super) fn log(content: &str) -> World {
    let world = World::new();
    world.write("log", content);
    world
}

pub(super) fn rename(world: &World, from: &str, to: &str) {
    fs::rename(world.path(from), world.path(to)).unwrap();
}

/// The log as it is, its folder, and all of its names.
pub(super) const INPUTS_OF_LOG: [&str; 3] = ["log", "", "log*"];

#[test]
fn a_log_that_is_renamed_is_read_to_its_end_and_then_the_new_one() {
    for input in INPUTS_OF_LOG {
        for stopped in [false, true] {
            let mut follower = Follower::of(log("a\n"), input);
            assert_eq!(follower.more(), ["1@a"]);
            let seen = follower.after(stopped, |world| {
                world.append("log", "b\n");
                rename(world, "log", "log.1");
                world.append("log.1", "c\nd");
                world.write("log", "x\ny\n");
            });
            assert_eq!(seen, ["2@b", "3@c", "1@x", "2@y"], "{input} {stopped}");
            let seen = follower.after(stopped, |world| {
                world.append("log.1", "\n");
                world.append("log", "z\n");
            });
            assert_eq!(sorted(seen), ["3@z", "4@d"], "{input} {stopped}");
            let seen = follower.after(stopped, |world| {
                world.append("log", "zz\n");
                rename(world, "log.1", "log.2");
                rename(world, "log", "log.1");
                world.write("log", "new\n");
            });
            assert_eq!(sorted(seen), ["1@new", "4@zz"], "{input} {stopped}");
        }
    }
}

pub(super) fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[test]
fn a_log_that_is_copied_and_emptied_is_read_on_in_the_copy_and_then_from_its_start() {
    for input in INPUTS_OF_LOG {
        for stopped in [false, true] {
            let mut follower = Follower::of(log("a\nb\n"), input);
            assert_eq!(follower.more(), ["1@a", "2@b"]);
            let seen = follower.after(stopped, |world| {
                world.append("log", "c\n");
                fs::copy(world.path("log"), world.path("log.1")).unwrap();
                world.write("log", "x\n");
            });
            assert_eq!(seen, ["3@c", "1@x"], "{input} {stopped}");
            // Longer at once than it was.
            let seen = follower.after(stopped, |world| {
                rename(world, "log.1", "log.2");
                fs::copy(world.path("log"), world.path("log.1")).unwrap();
                world.write("log", "longer\nthan\nbefore\n");
            });
            let wanted = ["1@longer", "2@than", "3@before"];
            assert_eq!(seen, wanted, "{input} {stopped}");
        }
    }
}

#[test]
fn a_log_that_is_emptied_between_two_records_is_read_on_in_its_copy() {
    for input in INPUTS_OF_LOG {
        for stopped in [false, true] {
            for (before, read) in [("", 1), ("", 2), ("0\n00\n", 1), ("0\n00\n", 2)] {
                for content in ["x\n", "longer\nthan\nall\nof\nthat\nbefore\n"] {
                    let mut follower = Follower::of(log(before), input);
                    let mut wanted = follower.more();
                    follower.world.append("log", "a\nb\nc\n");
                    let seen = wanted.len();
                    let task = follower.task.as_mut().unwrap();
                    task.seen = std::mem::take(&mut wanted);
                    while task.seen.len() < seen + read {
                        task.step().unwrap();
                    }
                    let mut all = std::mem::take(&mut task.seen);
                    let after = follower.after(stopped, |world| {
                        world.append("log", "d\n");
                        fs::copy(world.path("log"), world.path("log.1")).unwrap();
                        world.write("log", content);
                    });
                    all.extend(after);
                    let text = format!("{before}a\nb\nc\nd\n");
                    let lines = |text: &str| -> Vec<String> {
                        let lines = text.lines().enumerate();
                        lines
                            .map(|(at, line)| format!("{}@{line}", at + 1))
                            .collect()
                    };
                    let wanted = sorted([lines(&text), lines(content)].concat());
                    assert_eq!(sorted(all), wanted, "{input} {stopped} {before:?} {read}");
                }
            }
        }
    }
}

#[test]
fn a_long_log_that_is_emptied_while_it_is_read_is_not_mixed_with_the_next_one() {
    let lines = |name: &str, many: usize| -> Vec<String> {
        (0..many).map(|line| format!("{name} {line}")).collect()
    };
    let seen = |lines: &[String]| -> Vec<String> {
        let lines = lines.iter().enumerate();
        lines
            .map(|(at, line)| format!("{}@{line}", at + 1))
            .collect()
    };
    let (first, second) = (lines("old", 40_000), lines("another", 60_000));
    for stopped in [false, true] {
        let mut follower = Follower::of(log(&(first.join("\n") + "\n")), "");
        let task = follower.task.as_mut().unwrap();
        while task.seen.len() < 10_000 {
            task.step().unwrap();
        }
        let mut all = std::mem::take(&mut task.seen);
        all.extend(follower.after(stopped, |world| {
            fs::copy(world.path("log"), world.path("log.1")).unwrap();
            world.write("log", second.join("\n") + "\n");
        }));
        let wanted = [seen(&first), seen(&second)].concat();
        assert!(sorted(all) == sorted(wanted), "{stopped}");
    }
}

#[test]
fn logs_that_are_renamed_while_a_run_begins_are_found() {
    const LOGS: u32 = 20;
    let world = World::new();
    for number in 1..=LOGS {
        world.write(&format!("log.{number}"), format!("a{number}\nb{number}\n"));
    }
    let mut follower = Follower::of(world, "");
    assert_eq!(follower.more().len(), 2 * LOGS as usize);
    follower.stop();
    let folder = follower.world.folder.path().to_owned();
    let rotates = std::thread::spawn(move || {
        for times in 0..1_000 {
            for number in (1..=LOGS).rev() {
                let path = |number| folder.join(format!("log.{number}"));
                fs::rename(path(number + times), path(number + times + 1)).unwrap();
            }
            // Another one in the place of the first.
            fs::write(folder.join(format!("log.{}", times + 1)), "x\n").unwrap();
            fs::remove_file(folder.join(format!("log.{}", times + 1))).unwrap();
        }
    });
    while !rotates.is_finished() {
        follower.start();
        let seen = follower.more();
        let again: Vec<_> = seen.iter().filter(|line| !line.ends_with("@x")).collect();
        assert!(again.is_empty(), "{again:?}");
    }
    rotates.join().unwrap();
    follower.start();
    assert!(follower.more().is_empty());
}

#[test]
fn a_log_that_is_emptied_without_a_copy_goes_on_from_its_start() {
    for input in INPUTS_OF_LOG {
        for stopped in [false, true] {
            for content in ["x\n", "longer\nthan\nbefore\n"] {
                let mut follower = Follower::of(log("a\nb\n"), input);
                assert_eq!(follower.more(), ["1@a", "2@b"]);
                let seen = follower.after(stopped, |world| world.write("log", content));
                let lines = content.lines().enumerate();
                let wanted: Vec<String> = lines
                    .map(|(line, text)| format!("{}@{text}", line + 1))
                    .collect();
                assert_eq!(seen, wanted, "{input} {stopped}");
            }
        }
    }
}

#[test]
fn a_rotated_log_that_is_packed_afterwards_is_not_read_again() {
    for input in INPUTS_OF_LOG {
        for stopped in [false, true] {
            let mut follower = Follower::of(log("a\nb\n"), input);
            assert_eq!(follower.more(), ["1@a", "2@b"]);
            let pack = |world: &World, name: &str| {
                let content = fs::read(world.path(name)).unwrap();
                world.write(&format!("{name}.gz"), gzip(&content));
                fs::remove_file(world.path(name)).unwrap();
            };
            let seen = follower.after(stopped, |world| {
                world.append("log", "c\n");
                rename(world, "log", "log.1");
                world.write("log", "x\n");
            });
            assert_eq!(seen, ["3@c", "1@x"], "{input} {stopped}");
            let seen = follower.after(stopped, |world| pack(world, "log.1"));
            assert_eq!(seen, [""; 0], "{input} {stopped}");
            let seen = follower.after(stopped, |world| {
                rename(world, "log.1.gz", "log.2.gz");
                world.append("log", "y\n");
                rename(world, "log", "log.1");
                world.write("log", "z\n");
                pack(world, "log.1");
            });
            assert_eq!(seen, ["2@y", "1@z"], "{input} {stopped}");
        }
    }
}

#[test]
fn several_rotations_between_two_looks_lose_nothing() {
    for input in INPUTS_OF_LOG {
        for stopped in [false, true] {
            let mut follower = Follower::of(log("a\n"), input);
            assert_eq!(follower.more(), ["1@a"]);
            let seen = follower.after(stopped, |world| {
                world.write("log.4", "old, and not of the input\n");
                world.append("log", "b\n");
                rename(world, "log", "log.3");
                world.write("log.2", "c\n");
                world.write("log.1.gz", gzip(b"d\n"));
                world.write("log", "e\n");
            });
            let mut wanted = vec!["1@c", "1@d", "1@e", "2@b"];
            if input != "log" {
                wanted.insert(3, "1@old, and not of the input");
            }
            assert_eq!(sorted(seen), wanted, "{input} {stopped}");
        }
    }
}

#[test]
fn a_run_that_does_not_follow_goes_on_over_a_rotation_too() {
    for input in INPUTS_OF_LOG {
        for parallelism in [1, 3] {
            let mut world = log("a\n");
            let run = |world: &mut World| sorted(world.run(&world.at(input), parallelism).unwrap());
            assert_eq!(run(&mut world), ["1@a"]);
            world.append("log", "b\n");
            rename(&world, "log", "log.1");
            world.write("log", "x\n");
            assert_eq!(run(&mut world), ["1@x", "2@b"], "{input}");
            assert_eq!(run(&mut world), [""; 0], "{input}");
            world.write("log.1.gz", gzip(b"a\nb\n"));
            fs::remove_file(world.path("log.1")).unwrap();
            fs::copy(world.path("log"), world.path("log.1")).unwrap();
            world.write("log", "y\n");
            assert_eq!(run(&mut world), ["1@y"], "{input}");
        }
    }
}

#[test]
fn a_file_that_gets_its_name_when_it_is_complete_is_read_once() {
    for stopped in [false, true] {
        let world = World::new();
        world.write("new.tmp", "a\nb");
        let mut follower = Follower::of(world, "");
        assert_eq!(follower.more(), ["1@a"]);
        let seen = follower.after(stopped, |world| {
            world.append("new.tmp", "\n");
            rename(world, "new.tmp", "new");
        });
        assert_eq!(seen, ["2@b"], "{stopped}");
        let seen = follower.after(stopped, |world| {
            fs::hard_link(world.path("new"), world.path("other")).unwrap();
        });
        assert_eq!(seen, [""; 0], "{stopped}");
        let seen = follower.after(stopped, |world| {
            fs::remove_file(world.path("new")).unwrap();
            world.append("other", "c\n");
        });
        assert_eq!(seen, ["3@c"], "{stopped}");
    }
}

#[test]
fn a_copy_beside_what_was_read_is_held_back_and_then_read_as_a_file_of_its_own() {
    let mut follower = Follower::of(log("a\nb\n"), "");
    assert_eq!(follower.more(), ["1@a", "2@b"]);
    follower.world.write("copy", "a\n");
    assert_eq!(follower.more(), [""; 0]);
    follower.world.append("copy", "b\n");
    assert_eq!(follower.more(), [""; 0]);
    assert_eq!(follower.after(false, |_| {}), ["1@a", "2@b"]);
    // Another file that begins alike is told apart at once.
    follower.world.write("other", "a\nc\n");
    assert_eq!(follower.more(), ["1@a", "2@c"]);
}

#[test]
fn a_gzip_file_that_is_copied_in_slowly_is_read_once() {
    let members = [&b"a\nb\nc"[..], b"", b"c\nd\ne"].map(gzip);
    let bytes = members.concat();
    for chunk in [1, 7, bytes.len()] {
        for stopped in [false, true] {
            let mut follower = Follower::of(World::new(), "");
            let mut seen = Vec::new();
            for until in (0..=bytes.len()).step_by(chunk) {
                let change = |world: &World| world.write("z.gz", &bytes[..until]);
                if stopped {
                    follower.stop();
                    change(&follower.world);
                    follower.start();
                } else {
                    change(&follower.world);
                }
                seen.append(&mut follower.more());
            }
            let wanted = ["1@a", "2@b", "3@cc", "4@d", "5@e"];
            seen.append(&mut follower.after(stopped, |world| world.write("z.gz", &bytes)));
            assert_eq!(seen, wanted, "{chunk} {stopped}");
            // It grows by a member, and is renamed.
            let more = [&bytes[..], &gzip(b"f\n")].concat();
            let grown = follower.after(stopped, |world| world.write("z.gz", &more));
            assert_eq!(grown, ["5@f"], "{chunk} {stopped}");
            let seen = follower.after(stopped, |world| rename(world, "z.gz", "z2.gz"));
            assert_eq!(seen, [""; 0], "{chunk} {stopped}");
            follower.stop();
            let files = follower.world.at("");
            assert_eq!(follower.world.run(&files, 2).unwrap(), [""; 0]);
        }
    }
}

#[test]
fn a_large_gzip_file_is_read_on_from_the_member_in_which_it_was_left() {
    let lines = |range: std::ops::Range<u32>| {
        let lines: Vec<String> = range.map(|line| format!("line {line}\n")).collect();
        lines.concat()
    };
    let mut world = World::new();
    let first = gzip(lines(0..20_000).as_bytes());
    world.write("a.gz", &first);
    let files = world.at("a.gz");
    assert_eq!(world.run(&files, 1).unwrap().len(), 20_000);
    let members: Vec<u8> = (2..40)
        .flat_map(|part| gzip(lines(part * 10_000..(part + 1) * 10_000).as_bytes()))
        .collect();
    world.write("a.gz", [&first[..], &members].concat());
    let seen = world.in_portions(&files, 90_001);
    assert_eq!(seen.len(), 380_000);
    assert_eq!(seen[0], "20001@line 20000");
    assert_eq!(seen[379_999], "400000@line 399999");
    let (_, position) = {
        let task = world.task(&files, (0, 1)).unwrap();
        let position = task.spout.positions.iter().next().unwrap();
        (position.0.clone(), position.1.clone())
    };
    let member = position.packed.unwrap().member;
    assert!(member.packed > first.len() as u64, "{member:?}");
    assert!(position.ended);
}

#[test]
fn a_header_that_is_not_whole_is_waited_for() {
    let world = World::new();
    let files = Files::following(world.path("").to_str().unwrap()).unwrap();
    let files = files.fields([FieldSelector::named("b")]);
    for (name, packed) in [("a.csv", false), ("a.csv.gz", true)] {
        let mut task = world.open(&files, &context(0, 1, false)).unwrap();
        let text = b"a,\"b\"\n1,2\n";
        let whole = if packed { gzip(text) } else { text.to_vec() };
        for until in 0..=whole.len() {
            world.write(name, &whole[..until]);
            assert!(files.clone().check().is_ok(), "{name} {until}");
            task.run().unwrap();
        }
        assert_eq!(task.more(), ["2@1,2"]);
        fs::remove_file(world.path(name)).unwrap();
    }
}

#[test]
fn a_file_that_is_text_by_its_name_is_left_out_where_fields_are_read() {
    let world = World::new();
    let files = Files::following(world.path("").to_str().unwrap()).unwrap();
    let files = files.fields([FieldSelector::named("a")]);
    let mut task = world.open(&files, &context(0, 1, false)).unwrap();
    world.write("new.csv.part", "a\n1\n");
    assert_eq!(task.more(), [""; 0]);
    rename(&world, "new.csv.part", "new.csv");
    assert_eq!(task.more(), ["2@1"]);
}

/// Lines are written, logs rotated in all ways, copies and packed files made, and runs stopped and
/// started with other numbers of tasks, at random: each whole line is read once.
#[test]
fn whatever_happens_to_a_log_each_of_its_lines_is_read_once() {
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut world = World::new();
        world.write("log", "line 0\n");
        let input = *random.choice(&INPUTS_OF_LOG).unwrap();
        let (mut written, mut seen) = (1, Vec::new());
        for round in 0..8 {
            let path = world.path(input);
            let files = Files::following(path.to_str().unwrap()).unwrap();
            let parallelism = random.usize(1..4);
            let tasks = (0..parallelism).map(|task| world.task(&files, (task, parallelism)));
            let mut tasks: Vec<_> = tasks.collect::<Result<_>>().unwrap();
            // Of a log by its name alone something must have been read to know it again.
            for step in 0..random.usize(1..8) {
                if random.bool() || round + step == 0 {
                    for task in &mut tasks {
                        seen.extend(task.more());
                    }
                }
                world.happens(&mut random, &mut written);
            }
            if random.bool() {
                for task in &mut tasks {
                    seen.extend(task.after_a_while());
                }
            }
            world.stored = tasks.iter_mut().map(Task::save).collect();
            world.happens(&mut random, &mut written);
        }
        world.append("log", "\n");
        let files = Files::following(world.path(input).to_str().unwrap()).unwrap();
        let mut task = world.task(&files, (0, 1)).unwrap();
        seen.extend(task.after_a_while());
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for line in &seen {
            let (_, text) = line.split_once('@').unwrap();
            *counts.entry(text).or_default() += u32::from(!text.is_empty());
        }
        let wrong: Vec<String> = (0..written)
            .map(|line| format!("line {line}"))
            .filter(|line| counts.get(&**line) != Some(&1))
            .map(|line| format!("{line}: {:?}", counts.get(&*line)))
            .collect();
        assert!(wrong.is_empty(), "seed {seed}, {input}: {wrong:?}");
    }
}

impl World {
    /// Something happens to a log: it grows or is rotated, or what was rotated is packed.
    fn happens(&self, random: &mut fastrand::Rng, written: &mut u32) {
        let shift = |ending: &str| {
            for number in (1..20).rev() {
                let name = |number: u32| self.path(&format!("log.{number}{ending}"));
                if name(number).exists() {
                    fs::rename(name(number), name(number + 1)).unwrap();
                }
            }
        };
        match random.u32(..8) {
            0..=3 => {
                let (lines, part) = (random.u32(1..4), random.bool());
                let mut text: String = (*written..*written + lines)
                    .map(|line| format!("line {line}\n"))
                    .collect();
                *written += lines;
                if part {
                    let cut = random.usize(1..text.len());
                    self.append("log", &text[..cut]);
                    text.drain(..cut);
                }
                self.append("log", &text);
            }
            4 | 5 => {
                // An empty log is not rotated.
                if fs::metadata(self.path("log")).unwrap().len() > 0 {
                    shift("");
                    shift(".gz");
                    fs::rename(self.path("log"), self.path("log.1")).unwrap();
                    self.write("log", "");
                }
            }
            6 => {
                if fs::metadata(self.path("log")).unwrap().len() > 0 {
                    shift("");
                    shift(".gz");
                    fs::copy(self.path("log"), self.path("log.1")).unwrap();
                    self.write("log", "");
                }
            }
            _ => {
                let name = format!("log.{}", random.u32(1..3));
                if let Ok(content) = fs::read(self.path(&name)) {
                    self.write(&format!("{name}.gz"), gzip(&content));
                    fs::remove_file(self.path(&name)).unwrap();
                }
            }
        }
    }
}

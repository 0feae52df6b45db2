//! Files that grow and appear while they are read.

use std::fs;
use std::time::Duration;

use super::super::super::{FieldSelector, TimeFormat};
use super::*;
use crate::key::hash_bytes;

#[test]
fn a_file_that_grows_is_followed_line_by_line() {
    let world = World::new();
    world.write("a.csv", "");
    let files = world.at("a.csv").follow();
    let mut task = world.open(&files, &context(0, 1, false)).unwrap();
    let mut grown = Vec::new();
    let content = "\u{feff}h,i\r\n1,\"x\ny\"\r\n\n2,z\n3,unfinished";
    for part in content.as_bytes().chunks(1) {
        grown.extend_from_slice(part);
        world.write("a.csv", &grown);
        task.run().unwrap();
        assert_eq!(task.last, Next::After(LOOK_INTERVAL));
    }
    assert_eq!(task.seen, ["2@1,\"x\ny\"", "5@2,z"]);
    assert_eq!(files.progress().bytes(), grown.len() as u64);
}

#[test]
fn a_long_record_that_grows_is_read_when_its_end_comes() {
    let world = World::new();
    world.write("a.txt", "a\n");
    let files = world.at("a.txt").follow();
    let mut task = world.open(&files, &context(0, 1, false)).unwrap();
    assert_eq!(task.more(), ["1@a"]);
    let part = "x".repeat(50_000);
    for _ in 0..4 {
        world.append("a.txt", &part);
        assert_eq!(task.more(), [""; 0]);
    }
    world.append("a.txt", "\nb\n");
    assert_eq!(
        task.more(),
        [format!("2@{}", part.repeat(4)), "3@b".to_owned()]
    );
}

#[test]
fn new_files_are_picked_up_by_one_task_each() {
    let mut world = World::new();
    let files = Files::following(world.path("").to_str().unwrap()).unwrap();
    let open = |world: &World| [0, 1].map(|task| world.task(&files, (task, 2)).unwrap());
    let mut tasks = open(&world);
    for task in &mut tasks {
        assert_eq!(task.more(), [""; 0]);
    }
    let more = |tasks: &mut [Task<FileSpout<Word, Decoder<Plain>>>; 2]| {
        let mut seen: Vec<String> = tasks.iter_mut().flat_map(Task::more).collect();
        seen.sort();
        seen
    };
    // Which task has a file depends on its first line: three for each of the two.
    let owned_by = |task: usize| {
        let owns = |name: &String| owner(hash_bytes(format!("{name}1\n").as_bytes()), 2) == task;
        let names = ('a'..='z').flat_map(|a| ('a'..='z').map(move |b| format!("{a}{b}")));
        names.filter(owns).take(3).collect::<Vec<_>>()
    };
    let mut names: Vec<String> = [0, 1].map(owned_by).concat();
    names.sort();
    for name in &names {
        world.write(name, format!("{name}1\n{name}"));
    }
    let lines = |number: usize| {
        let line = |name: &String| format!("{number}@{name}{number}");
        names.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(more(&mut tasks), lines(1));
    for name in &names {
        world.append(name, "2\n");
    }
    assert_eq!(more(&mut tasks), lines(2));
    world.write("g.gz", gzip(b"g1\ng2"));
    assert_eq!(more(&mut tasks), ["1@g1"]);
    let last: Vec<String> = tasks.iter_mut().flat_map(Task::after_a_while).collect();
    assert_eq!(last, ["2@g2"]);
    let read = tasks.each_ref().map(|task| task.spout.inputs.len());
    assert_eq!(read.iter().sum::<usize>(), 7);
    assert!(read.iter().all(|inputs| *inputs >= 3));

    world.stored = tasks.iter_mut().map(Task::save).collect();
    let mut tasks = open(&world);
    assert_eq!(more(&mut tasks), [""; 0]);
    world.append(&names[0], "x\n");
    assert_eq!(more(&mut tasks), ["3@x"]);
}

#[test]
fn a_followed_file_that_is_gone_is_read_on_when_it_is_there_again() {
    let world = World::new();
    world.write("a", "a\nb\n");
    world.write("b", "c\n");
    let files = world.at("").follow();
    let mut task = world.open(&files, &context(0, 1, false)).unwrap();
    assert_eq!(task.more(), ["1@a", "2@b", "1@c"]);
    fs::rename(world.path("b"), world.path(".b")).unwrap();
    assert_eq!(task.more(), [""; 0]);
    assert_eq!(task.spout.inputs.len(), 1);
    fs::rename(world.path(".b"), world.path("b")).unwrap();
    world.append("b", "d\n");
    assert_eq!(task.more(), ["2@d"]);
}

#[test]
fn a_waiting_file_holds_the_watermark_unless_it_may_fall_silent() {
    let world = World::new();
    world.write("a.csv", "t\n10\n");
    world.write("b.csv", "t\n50\n");
    let files = world.at("").event_time("t", TimeFormat::UnixMs).follow();
    let mut task = world.open(&files, &context(0, 1, false)).unwrap();
    task.run().unwrap();
    assert_eq!(task.watermark(), 10);

    let files = files.idle_after(Duration::ZERO);
    let mut task = world.open(&files, &context(0, 1, false)).unwrap();
    task.run().unwrap();
    assert!(task.out.splits.progress().idle);
    world.append("b.csv", "70\n");
    while task.seen.len() < 3 {
        task.step().unwrap();
    }
    assert_eq!(task.watermark(), 70);
    assert!(!task.out.splits.progress().idle);
}

#[test]
fn following_many_files_does_not_hold_them_open() {
    let world = World::new();
    for number in 0..200 {
        world.write(&format!("{number}"), "a\nb");
    }
    let files = world.at("").follow();
    let mut task = world.open(&files, &context(0, 1, false)).unwrap();
    assert_eq!(task.more().len(), 200);
    let open = |task: &Task<FileSpout<Word, Decoder<Plain>>>| {
        let inputs = task.spout.inputs.iter();
        inputs.filter(|input| input.from.is_some()).count()
    };
    task.run().unwrap();
    assert!(open(&task) <= 64, "{} are open", open(&task));
    for number in 0..200 {
        world.append(&format!("{number}"), "\n");
    }
    assert_eq!(task.more().len(), 200);
}

#[test]
fn a_new_file_without_the_fields_is_refused() {
    let world = World::new();
    let files = Files::following(world.path("").to_str().unwrap()).unwrap();
    let files = files.fields([FieldSelector::named("text")]);
    let mut task = world.open(&files, &context(0, 1, false)).unwrap();
    task.run().unwrap();
    world.write("a.csv", "x,y\n1,2\n");
    let error = task.run().unwrap_err().to_string();
    assert!(error.contains("there is no column `text`"), "{error}");
}

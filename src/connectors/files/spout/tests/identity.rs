//! Which file is which, where several begin alike or have the same content, and where one is gone.

use std::time::Duration;

use super::super::super::Format;
use super::rotation::{Follower, INPUTS_OF_LOG, log, rename, sorted};
use super::*;

/// Four logs that begin alike, each after the other: in `runs` so many new ones are found. The
/// newest one is `log`, and it grows after a run.
fn logs_that_begin_alike(
    (format, same): (Format, bool),
    runs: [usize; 2],
    rotate: impl Fn(&World, usize),
) {
    let text = |day: usize| format!("day {}", if same { 0 } else { day });
    let inputs = [("log*", 1), ("log*", 2), ("", 3), ("", 4), ("log", 1)];
    // By the name of the log alone only the latest one is found, and it must differ.
    let inputs = inputs
        .into_iter()
        .filter(|(input, _)| *input != "log" || (runs == [1, 1] && !same));
    for (input, parallelism) in inputs {
        let mut world = World::new();
        let mut seen = Vec::new();
        let mut day = 0;
        for new in runs {
            for _ in 0..new {
                if day > 0 {
                    rotate(&world, day);
                }
                day += 1;
                world.write("log", format!("alike\nalike\n{}\n", text(day)));
            }
            let files = world.at(input).format(format);
            seen.extend(world.run(&files, parallelism).unwrap());
            world.append("log", "more\n");
        }
        let files = world.at(input).format(format);
        seen.extend(world.run(&files, parallelism).unwrap());
        seen.retain(|line| !line.ends_with("alike"));
        let mut wanted: Vec<String> = (1..=day).map(|day| format!("3@{}", text(day))).collect();
        wanted.extend(["4@more", "4@more"].map(str::to_owned));
        let about = format!("{format:?}, {same}, {runs:?}, `{input}`, {parallelism} tasks");
        assert_eq!(sorted(seen), wanted, "{about}");
    }
}

#[test]
fn a_run_that_does_not_follow_tells_logs_apart_that_begin_alike() {
    let numbered = |world: &World, day: usize| {
        for number in (1..day).rev() {
            let name = |number: usize| format!("log.{number}");
            rename(world, &name(number), &name(number + 1));
        }
        rename(world, "log", "log.1");
    };
    let dated = |world: &World, day: usize| rename(world, "log", &format!("log-2026010{day}"));
    let logs = [
        (Format::Text, false),
        (Format::Text, true),
        (Format::Csv, false),
        (Format::Csv, true),
    ];
    for logs in logs {
        for runs in [[1, 1], [1, 3], [2, 1], [3, 2]] {
            logs_that_begin_alike(logs, runs, numbered);
            logs_that_begin_alike(logs, runs, dated);
        }
    }
}

/// Makes `to` of what `from` holds, under another number, and takes `from` away.
fn replace(world: &World, from: &str, to: &str, keeps_time: bool, packs: bool) {
    let content = fs::read(world.path(from)).unwrap();
    let modified = fs::metadata(world.path(from)).unwrap().modified().unwrap();
    world.write(to, if packs { gzip(&content) } else { content });
    let file = fs::File::options().write(true).open(world.path(to));
    let later = modified + Duration::from_mins(1);
    let time = if keeps_time { modified } else { later };
    file.unwrap().set_modified(time).unwrap();
    fs::remove_file(world.path(from)).unwrap();
}

#[test]
fn a_new_file_of_the_content_of_one_that_is_gone_is_read() {
    for packed in 0..=3 {
        let mut world = World::new();
        world.write("monday", "a\n");
        let files = world.at("");
        assert_eq!(world.run(&files, 1).unwrap(), ["1@a"]);
        replace(&world, "monday", "tuesday", false, packed == 1);
        let files = world.at("");
        let mut task = world.task(&files, (0, 1)).unwrap();
        assert_eq!(
            (task.more(), task.spout.warned),
            (vec!["1@a".to_owned()], 1)
        );
        world.stored = vec![task.save()];
        assert_eq!(world.run(&files, 2).unwrap(), [""; 0]);
        // A file that is moved or packed keeps its time, and one that is rotated its name.
        replace(&world, "tuesday", "wednesday", true, packed == 2);
        let files = world.at("");
        assert_eq!(world.run(&files, 1).unwrap(), [""; 0]);
        replace(&world, "wednesday", "wednesday.1", false, packed == 3);
        let files = world.at("");
        assert_eq!(world.run(&files, 1).unwrap(), [""; 0]);

        let mut follower = Follower::of(world, "");
        let seen = follower.after(false, |world| {
            replace(world, "wednesday.1", "thursday", false, false);
        });
        assert_eq!(seen, ["1@a"]);
    }
}

#[test]
fn a_log_that_was_read_before_its_first_line_was_whole_is_read_on_by_one_task() {
    let rotate = |world: &World| {
        rename(world, "log", "log.1");
        world.write("log", "new\n");
    };
    for input in INPUTS_OF_LOG {
        for followed in [false, true] {
            for tasks in 1..=4 {
                let mut world = log("line");
                let files = world.at(input);
                assert_eq!(world.run(&files, tasks).unwrap(), ["1@line"]);
                let path = world.path(input);
                let files = Files::following(path.to_str().unwrap()).unwrap();
                let mut seen = Vec::new();
                if !followed {
                    world.append("log", " one\ntwo\n");
                    rotate(&world);
                }
                let open = |world: &World, tasks| -> Vec<_> {
                    let tasks = (0..tasks).map(|task| world.task(&files, (task, tasks)));
                    tasks.collect::<Result<_>>().unwrap()
                };
                let mut running = open(&world, tasks);
                let mut more = |running: &mut [Task<FileSpout<Word, Decoder<Plain>>>]| {
                    seen.extend(running.iter_mut().flat_map(Task::after_a_while));
                };
                if followed {
                    more(&mut running);
                    world.append("log", " one\ntwo\n");
                    more(&mut running);
                    rotate(&world);
                }
                more(&mut running);
                world.append("log.1", "three\n");
                more(&mut running);
                world.stored = running.iter_mut().map(Task::save).collect();
                rename(&world, "log.1", "log.2");
                rename(&world, "log", "log.1");
                world.write("log", "newer\n");
                world.append("log.2", "four\n");
                more(&mut open(&world, 5 - tasks));
                let wanted = ["1@ one", "1@new", "1@newer", "2@two", "3@three", "4@four"];
                assert_eq!(sorted(seen), wanted, "`{input}` {followed} {tasks}");
            }
        }
    }
}

#[test]
fn a_file_that_is_gone_is_told_unless_all_of_it_was_read() {
    for (content, told) in [("a\nb\n", 0), ("a\nb\npart", 1)] {
        // It is deleted while it is followed.
        let mut follower = Follower::of(log(content), "");
        assert_eq!(follower.more(), ["1@a", "2@b"]);
        let seen = follower.after(false, |world| fs::remove_file(world.path("log")).unwrap());
        assert_eq!((seen, follower.warned()), (Vec::new(), told));

        // It was rotated, and then taken away or replaced.
        for replaced in [false, true] {
            for input in ["log", ""] {
                let mut follower = Follower::of(log(content), input);
                assert_eq!(follower.more(), ["1@a", "2@b"]);
                let seen = follower.after(true, |world| {
                    rename(world, "log", "log.1");
                    world.write("log", "x\n");
                });
                assert_eq!(seen, ["1@x"]);
                follower.stop();
                fs::remove_file(follower.world.path("log.1")).unwrap();
                if replaced {
                    rename(&follower.world, "log", "log.1");
                    follower.world.write("log", "y\n");
                }
                let about = format!("{content:?} {input} {replaced}");
                let files = follower.world.at(input);
                let mut task = follower.world.task(&files, (0, 1)).unwrap();
                task.run().unwrap();
                assert_eq!(task.spout.warned, told, "{about}");
                follower.start();
                assert_eq!(follower.warned(), told, "{about}");
            }
        }
    }
    // Nothing was read of it.
    let mut follower = Follower::of(log("a\n"), "");
    let seen = follower.after(false, |world| fs::remove_file(world.path("log")).unwrap());
    assert_eq!((seen, follower.warned()), (Vec::new(), 1));
}

#[test]
fn a_file_that_waited_to_be_a_copy_and_is_written_anew_is_read_once() {
    let world = World::new();
    world.write("log.gz", gzip(b"a\nb\nc\n"));
    let mut follower = Follower::of(world, "");
    assert_eq!(follower.more(), ["1@a", "2@b", "3@c"]);
    // It may become what it was.
    follower.world.write("log.gz", gzip(b"a\n"));
    assert!(follower.more().is_empty());
    follower.world.write("log.gz", gzip(b"x\ny\n"));
    assert_eq!(
        follower.task.as_mut().unwrap().after_a_while(),
        ["1@x", "2@y"]
    );
}

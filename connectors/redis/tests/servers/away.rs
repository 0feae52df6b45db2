//! A Redis that cannot take anything for a while: the run waits, says why, and loses nothing.

use std::net::TcpListener;
use std::sync::atomic::Ordering;

use squall::testing::SinkTest;
use squall::{
    DataDir, Next, Result, RunOptions, Sink, Spout, SpoutOut, States, Text, Topology, Tuple, Value,
    millis, secs,
};
use squall_redis::{RedisSink, Server};
use squall_testbed::Redis;

use crate::{
    Quiet, Score, Seen, Watched, ask, connect, keys, last_scores, on, scores, server, template,
    wait_until,
};

/// Until it is told.
const END: u64 = u64::MAX;

#[test]
fn a_redis_that_is_killed_and_started_again_has_all_in_the_end() -> Result {
    let mut redis = Redis::start()?;
    let at = redis.at();
    let folder = tempfile::tempdir()?;
    let data_dir = DataDir::at(folder.path().join("data"));
    let (running, seen) = scores(&server(&at), "kill:", END, on(&data_dir))?;
    for _ in 0..2 {
        wait_until("some are there", || {
            keys(&at, "kill:").is_ok_and(|keys| !keys.is_empty())
        });
        redis.kill();
        seen.wait_for("cannot be reached");
        assert!(!running.ends_within(millis(200)), "it waits");
        redis.start_again()?;
    }
    let end = seen.finish(running)?;
    assert_eq!(keys(&at, "kill:")?, last_scores("kill:", end));
    Ok(())
}

#[test]
fn a_run_that_fails_while_its_redis_is_away_is_restored() -> Result {
    let mut redis = Redis::start()?;
    let at = redis.at();
    let data_dir = DataDir::in_memory()?;
    let (running, seen) = scores(&server(&at), "restored:", END, on(&data_dir))?;
    wait_until("some are there", || {
        keys(&at, "restored:").is_ok_and(|keys| !keys.is_empty())
    });
    redis.kill();
    seen.wait_for("cannot be reached");
    seen.flow.fails.store(true, Ordering::Release);
    wait_until("it is restored", || seen.tasks.lock().unwrap().len() == 2);
    redis.start_again()?;
    // The status of the task that is gone says what it said last.
    seen.tasks.lock().unwrap().remove(0);
    let end = seen.finish(running)?;
    assert_eq!(keys(&at, "restored:")?, last_scores("restored:", end));
    Ok(())
}

#[test]
fn a_run_begins_before_its_redis_does() -> Result {
    let mut redis = Redis::start()?;
    let at = redis.at();
    redis.stop()?;
    let data_dir = DataDir::in_memory()?;
    let (running, seen) = scores(&server(&at), "late:", END, on(&data_dir))?;
    seen.wait_for("cannot be reached");
    redis.start_again()?;
    let end = seen.finish(running)?;
    assert_eq!(keys(&at, "late:")?, last_scores("late:", end));
    Ok(())
}

#[test]
fn a_redis_that_is_back_is_seen_while_there_is_nothing_to_deliver() -> Result {
    let mut redis = Redis::start()?;
    let to = server(&redis.at());
    redis.stop()?;
    let topology = Topology::named("quiet");
    let quiet = topology.spout("quiet", || Quiet);
    let seen = Seen::default();
    let watched = seen.clone();
    topology
        .sink("redis", move || Watched {
            sink: RedisSink::<Score>::new(&to, &template("quiet:{player}")),
            seen: watched.clone(),
        })
        .global_grouping(&quiet);
    let running = topology.start(on(&DataDir::in_memory()?))?;
    seen.wait_for("cannot be reached");
    redis.start_again()?;
    wait_until("it is seen", || seen.waits_for().is_none());
    running.stop();
    running.wait()?;
    Ok(())
}

#[derive(Tuple, Clone, Debug, serde::Serialize)]
struct Page {
    number: u64,
    text: Text,
}

/// Pages of a kilobyte, as fast as they are taken.
struct Pages {
    next: Value<u64>,
    end: u64,
}

impl Spout for Pages {
    type Output = Page;
    fn next(&mut self, out: &mut SpoutOut<Page>) -> Result<Next> {
        if *self.next == self.end {
            return Ok(Next::End);
        }
        let number = *self.next;
        *self.next += 1;
        let text = "x".repeat(1_000).into();
        out.emit(Page { number, text });
        Ok(Next::More)
    }
    fn state(&mut self, states: &mut States<'_>) {
        states.keep("next", &mut self.next);
    }
}

#[test]
fn what_waits_in_memory_is_bounded_while_redis_is_away() -> Result {
    const PAGES: u64 = 60_000;
    const MAX_WAITING: usize = 16 << 20;
    let mut redis = Redis::start()?;
    let at = redis.at();
    let to = server(&at);
    redis.stop()?;
    let topology = Topology::named("pages");
    let pages = topology.spout("pages", || Pages {
        next: Value::default(),
        end: PAGES,
    });
    let seen = Seen::default();
    let watched = seen.clone();
    topology
        .sink("redis", move || Watched {
            sink: RedisSink::<Page>::new(&to, &template("page:{number}")),
            seen: watched.clone(),
        })
        .global_grouping(&pages);
    let options = RunOptions {
        credit_tuples: Some(1_024),
        ..on(&DataDir::in_memory()?)
    };
    let running = topology.start(options)?;
    seen.wait_for("cannot be reached");
    wait_until("some wait", || seen.most_waiting() > 0);
    // Time enough for all pages, if they were taken.
    assert!(!running.ends_within(secs(3)), "the run is held back");
    redis.start_again()?;
    running.wait()?;
    let most = seen.most_waiting();
    // What was on its way when it was full comes yet: some batches of 1,024 pages.
    assert!(most < MAX_WAITING + (6 << 20), "{most} bytes have waited");
    let pages: u64 = ask(&mut connect(&at), "DBSIZE")?;
    assert_eq!(pages, PAGES);
    Ok(())
}

#[test]
fn without_a_data_directory_a_run_waits_too() -> Result {
    let mut redis = Redis::start()?;
    let at = redis.at();
    let options = RunOptions {
        signals: false,
        ..RunOptions::default()
    };
    let (running, seen) = scores(&server(&at), "memory:", END, options)?;
    wait_until("some are there", || {
        keys(&at, "memory:").is_ok_and(|keys| !keys.is_empty())
    });
    redis.kill();
    seen.wait_for("cannot be reached");
    redis.start_again()?;
    let end = seen.finish(running)?;
    assert_eq!(keys(&at, "memory:")?, last_scores("memory:", end));
    Ok(())
}

/// Makes a Redis refuse, waits until the run says why, and lets it go on.
fn refuses_for_a_while(refuse: &[&str], why: &str, admit: &[&str]) -> Result {
    let redis = Redis::start()?;
    let at = redis.at();
    let data_dir = DataDir::in_memory()?;
    let (running, seen) = scores(&server(&at), "refused:", END, on(&data_dir))?;
    wait_until("some are there", || {
        keys(&at, "refused:").is_ok_and(|keys| !keys.is_empty())
    });
    let mut connection = connect(&at);
    for words in refuse {
        ask::<()>(&mut connection, words)?;
    }
    seen.wait_for(why);
    assert!(!running.ends_within(millis(200)), "it waits");
    for words in admit {
        ask::<()>(&mut connection, words)?;
    }
    let end = seen.finish(running)?;
    assert_eq!(keys(&at, "refused:")?, last_scores("refused:", end));
    Ok(())
}

#[test]
fn a_full_redis_is_waited_for() -> Result {
    refuses_for_a_while(
        &["CONFIG SET maxmemory 1"],
        "is full: OOM",
        &["CONFIG SET maxmemory 0"],
    )
}

#[test]
fn a_replica_is_waited_for_until_it_is_a_master() -> Result {
    // Nobody is at this port.
    refuses_for_a_while(
        &["REPLICAOF 127.0.0.1 1"],
        "is read-only: READONLY",
        &["REPLICAOF NO ONE"],
    )
}

#[test]
fn a_master_with_too_few_replicas_is_waited_for() -> Result {
    refuses_for_a_while(
        &["CONFIG SET min-replicas-to-write 1"],
        "has too few replicas",
        &["CONFIG SET min-replicas-to-write 0"],
    )
}

#[test]
fn a_password_that_changes_while_a_run_goes_on_is_waited_for() -> Result {
    // Who is connected stays; so all are sent away.
    refuses_for_a_while(
        &[
            "CONFIG SET requirepass changed",
            "CLIENT KILL TYPE normal SKIPME yes",
        ],
        "refuses the login: NOAUTH",
        &["CONFIG SET requirepass "],
    )
}

#[test]
fn a_permission_that_is_taken_and_given_back_is_waited_for() -> Result {
    refuses_for_a_while(
        &["ACL SETUSER default -set"],
        "may not run SET",
        &["ACL SETUSER default +set"],
    )
}

#[test]
fn a_redis_that_hangs_is_given_up_and_asked_again() -> Result {
    let redis = Redis::start()?;
    let at = redis.at();
    let data_dir = DataDir::in_memory()?;
    let (running, seen) = scores(&server(&at), "hang:", END, on(&data_dir))?;
    wait_until("some are there", || {
        keys(&at, "hang:").is_ok_and(|keys| !keys.is_empty())
    });
    redis.pause()?;
    seen.wait_for("does not answer");
    redis.go_on()?;
    let end = seen.finish(running)?;
    assert_eq!(keys(&at, "hang:")?, last_scores("hang:", end));
    Ok(())
}

#[test]
fn a_server_that_says_nothing_does_not_hold_up_the_start() -> Result {
    // It takes connections, and answers none.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let to = Server::at(&format!("redis://{}", silent.local_addr()?))?;
    let began = std::time::Instant::now();
    let data_dir = DataDir::in_memory()?;
    let (running, seen) = scores(&to, "silent:", END, on(&data_dir))?;
    assert!(began.elapsed() < secs(60), "it begins");
    seen.wait_for("does not answer within");
    running.stop();
    running.stop();
    assert!(running.wait().is_err(), "it could not deliver");
    Ok(())
}

#[test]
fn what_waits_in_memory_is_counted_and_only_the_last_of_each_key_waits() -> Result {
    let nobody = Server::at("redis://127.0.0.1:1")?;
    let mut sink = RedisSink::new(&nobody, &template("{player}"));
    let score = |player, points| Score { player, points };
    sink.write(&[score(1, 1), score(2, 2)])?;
    let two = sink.waiting_bytes();
    assert!(two > 60, "{two}");
    for _ in 0..1_000 {
        sink.write(&[score(1, 5), score(2, 6)])?;
    }
    assert_eq!(sink.waiting_bytes(), two);
    for player in 0..100_000 {
        sink.write(&[score(player, 1)])?;
    }
    assert!(sink.waiting_bytes() > 100_000 * 100);
    assert!(sink.outbox()?.is_some_and(|outbox| outbox.len() < 5 << 20));
    assert_eq!(sink.waiting_bytes(), 0);
    assert_eq!(sink.outbox()?, None);
    let sink = RedisSink::new(&nobody, &template("{user}"));
    let error = SinkTest::new(sink).send(score(1, 1)).run();
    let error = error.err().ok_or("it is taken")?.to_string();
    assert!(
        error.contains("`user`") && error.contains("player, points"),
        "{error}"
    );
    Ok(())
}

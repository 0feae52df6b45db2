//! What readers see of rankings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use squall::testing::{Events, SinkTest};
use squall::{Ranking, Result, RunOptions, Topology};
use squall_redis::{RankingSink, list_key};
use squall_testbed::shared;

use crate::contract::ranking;
use crate::{ask, connect, server};

/// A ranking in which every count is the same, so that half of one shows. It is longer than what Redis
/// reads at once, so that other clients have their turn within.
const MEMBERS: u64 = 2_000;

fn uniform(number: u64) -> Ranking<String> {
    let members = (0..MEMBERS + number % 7).map(|member| (format!("member{member:04}"), number));
    ranking(&members.collect::<Vec<_>>())
}

#[test]
fn a_reader_never_sees_half_of_a_ranking() -> Result {
    let at = shared::redis()?;
    let done = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (at, done) = (at.clone(), Arc::clone(&done));
        move || -> Result<u64, String> {
            let mut connection = connect(&at);
            let list = list_key("whole").map_err(|error| error.to_string())?;
            let (mut seen, mut last) = (0, 0);
            loop {
                let is_last = done.load(Ordering::Acquire);
                let both: (Vec<(String, u64)>, Vec<String>) = redis::pipe()
                    .atomic()
                    .cmd("ZRANGE")
                    .arg(&["whole", "0", "-1", "WITHSCORES"])
                    .cmd("LRANGE")
                    .arg(&[&list, "0", "-1"])
                    .query(&mut connection)
                    .map_err(|error| error.to_string())?;
                let (set, listed) = both;
                let number = set.first().map_or(0, |(_, count)| *count);
                let expected = uniform(number).entries;
                let names: Vec<String> = expected.iter().map(|(name, _)| name.clone()).collect();
                if number.max(last) > 0 && (set != expected || listed != names) {
                    return Err(format!(
                        "half of ranking {number}: {} members, {} listed",
                        set.len(),
                        listed.len()
                    ));
                }
                seen += u64::from(number != last);
                last = number;
                if is_last {
                    return Ok(seen);
                }
            }
        }
    });
    let topology = Topology::named("rankings");
    let rankings = Events::now((1..=500).map(uniform));
    let rankings = topology.spout("rankings", move || rankings.clone());
    let to = server(&at);
    topology
        .sink("redis", move || RankingSink::sorted_set(&to, "whole"))
        .global_grouping(&rankings);
    // Batches of a few, so that many rankings are delivered.
    let run = topology.run(RunOptions {
        batch_tuples: 2,
        signals: false,
        ..RunOptions::default()
    });
    done.store(true, Ordering::Release);
    let seen = reader.join().unwrap()?;
    run?;
    assert!(seen >= 10, "the reader saw {seen} rankings");
    let length: u64 = ask(&mut connect(&at), "ZCARD whole")?;
    assert_eq!(length, MEMBERS + 500 % 7);
    Ok(())
}

#[test]
fn equal_counts_are_listed_in_squalls_order() -> Result {
    let at = shared::redis()?;
    let sink = RankingSink::sorted_set(&server(&at), "ties");
    let entries = [("c", 5), ("a", 3), ("b", 3), ("ä", 3)];
    SinkTest::new(sink).send(ranking(&entries)).run()?;
    let mut connection = connect(&at);
    let list: Vec<String> = ask(&mut connection, "LRANGE {ties}:list 0 -1")?;
    assert_eq!(list, ["c", "a", "b", "ä"]);
    let set: Vec<String> = ask(&mut connection, "ZREVRANGE ties 0 -1")?;
    assert_eq!(
        set,
        ["c", "ä", "b", "a"],
        "equal scores by member, descending"
    );
    Ok(())
}

#[test]
fn an_empty_ranking_leaves_no_keys_and_a_long_one_is_whole() -> Result {
    let at = shared::redis()?;
    let send = |entries: &[(u64, u64)]| {
        let sink = RankingSink::sorted_set(&server(&at), "length");
        SinkTest::new(sink).send(ranking(entries)).run()
    };
    let many: Vec<(u64, u64)> = (0..2_345).map(|member| (member, 9_999 - member)).collect();
    send(&many)?;
    let mut connection = connect(&at);
    let list: Vec<u64> = ask(&mut connection, "LRANGE {length}:list 0 -1")?;
    assert!(list.into_iter().eq(0..2_345));
    let set: u64 = ask(&mut connection, "ZCARD length")?;
    assert_eq!(set, 2_345);
    send(&[])?;
    let left: u64 = ask(&mut connection, "EXISTS length {length}:list")?;
    assert_eq!(left, 0);
    Ok(())
}

#[test]
fn a_key_of_another_type_is_replaced() -> Result {
    let at = shared::redis()?;
    let mut connection = connect(&at);
    ask::<()>(&mut connection, "SET typed text")?;
    ask::<()>(&mut connection, "SET {typed}:list text")?;
    let sink = RankingSink::sorted_set(&server(&at), "typed");
    SinkTest::new(sink).send(ranking(&[("a", 1)])).run()?;
    let count: u64 = ask(&mut connection, "ZSCORE typed a")?;
    assert_eq!(count, 1);
    Ok(())
}

#[test]
fn a_count_above_2_to_53_ends_a_sorted_set_and_is_exact_in_a_hash() -> Result {
    let at = shared::redis()?;
    let count = (1 << 53) + 1;
    let sink = RankingSink::sorted_set(&server(&at), "great");
    let sent = SinkTest::new(sink).send(ranking(&[("a", count)])).run();
    let error = sent.err().ok_or("it is taken")?;
    assert!(error.is::<squall::error::Fatal>(), "{error}");
    assert!(error.to_string().contains("9007199254740993"), "{error}");
    let sink = RankingSink::hash(&server(&at), "great");
    SinkTest::new(sink).send(ranking(&[("a", count)])).run()?;
    let found: u64 = ask(&mut connect(&at), "HGET great a")?;
    assert_eq!(found, count);
    let sink = RankingSink::sorted_set(&server(&at), "greatest");
    SinkTest::new(sink)
        .send(ranking(&[("a", count - 1)]))
        .run()?;
    let found: u64 = ask(&mut connect(&at), "ZSCORE greatest a")?;
    assert_eq!(found, count - 1);
    Ok(())
}

#[test]
fn several_tasks_would_replace_each_others_ranking() -> Result {
    let at = shared::redis()?;
    let topology = Topology::named("two");
    let rankings = Events::now([ranking(&[("a", 1)])]);
    let rankings = topology.spout("rankings", move || rankings.clone());
    topology
        .sink("redis", move || {
            RankingSink::sorted_set(&server(&at), "two")
        })
        .parallelism(2)
        .shuffle_grouping(&rankings);
    let ran = topology.run(RunOptions {
        signals: false,
        ..RunOptions::default()
    });
    let error = ran.err().ok_or("it runs")?.to_string();
    assert!(
        error.contains("2 tasks") && error.contains("`two`"),
        "{error}"
    );
    Ok(())
}

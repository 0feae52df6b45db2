//! What readers see of rankings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use squall::testing::{Events, SinkTest};
use squall::{Ranking, Result, RunOptions, Topology};
use squall_postgres::RankingSink;
use squall_testbed::shared;

use crate::contract::ranking;
use crate::{Db, server, unique};

/// A ranking in which every count is the same, so that half of one shows.
fn uniform(number: u64) -> Ranking<String> {
    let members = (0..30 + number % 7).map(|member| (format!("m{member:02}"), number));
    ranking(&members.collect::<Vec<_>>())
}

#[test]
fn a_reader_never_sees_half_of_a_ranking_and_never_waits() -> Result {
    let at = shared::postgres()?;
    let table = unique("whole");
    let sink = RankingSink::new(&server(&at), &table);
    SinkTest::new(sink).send(uniform(1)).run()?;
    let done = Arc::new(AtomicBool::new(false));
    let reader = thread::spawn({
        let (at, done, table) = (at.clone(), Arc::clone(&done), table.clone());
        move || -> Result<u64, String> {
            let told = |error: squall::BoxError| error.to_string();
            let db = Db::of(&at).map_err(told)?;
            // A reader that had to wait for a lock would fail.
            db.ask("SET lock_timeout = 1").map_err(told)?;
            let (mut seen, mut last) = (0, 0);
            loop {
                let is_last = done.load(Ordering::Acquire);
                let query = format!("SELECT place, key, count FROM {table} ORDER BY place");
                let rows = db.ask(&query).map_err(told)?;
                let count = rows.first().and_then(|row| row.rsplit(' ').next());
                let number = count.and_then(|count| count.parse().ok()).unwrap_or(0);
                let entries = uniform(number).entries.into_iter().enumerate();
                let expected =
                    entries.map(|(at, (key, count))| format!("{} {key} {count}", at + 1));
                if number == 0 || !rows.iter().cloned().eq(expected) {
                    return Err(format!("half of ranking {number}: {rows:?}"));
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
    let rankings = Events::now((1..=1_000).map(uniform));
    let rankings = topology.spout("rankings", move || rankings.clone());
    let (to, of) = (server(&at), table.clone());
    topology
        .sink("postgres", move || RankingSink::new(&to, &of))
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
    let rows = Db::of(&at)?.ask(&format!("SELECT count(*) FROM {table}"))?;
    assert_eq!(rows, [(30 + 1_000 % 7).to_string()]);
    Ok(())
}

#[test]
fn places_are_in_squalls_order_and_keys_of_any_type_are_texts() -> Result {
    let at = shared::postgres()?;
    let (table, db) = (unique("ties"), Db::of(&at)?);
    let sink = RankingSink::new(&server(&at), &table);
    let entries = [("c", 5), ("a", 3), ("b", 3)];
    SinkTest::new(sink).send(ranking(&entries)).run()?;
    let select = format!("SELECT place, key, count FROM {table} ORDER BY place");
    assert_eq!(db.ask(&select)?, ["1 c 5", "2 a 3", "3 b 3"]);
    let sink = RankingSink::new(&server(&at), &table);
    let entries = [((7_u64, "x"), 2)];
    SinkTest::new(sink).send(ranking(&entries)).run()?;
    assert_eq!(db.ask(&select)?, ["1 [7, \"x\"] 2"]);
    let sink = RankingSink::<u64>::new(&server(&at), &table);
    SinkTest::new(sink).send(ranking(&[])).run()?;
    assert!(db.ask(&select)?.is_empty());
    Ok(())
}

#[test]
fn a_count_that_a_column_cannot_hold_is_refused_and_numeric_holds_all() -> Result {
    let at = shared::postgres()?;
    let (table, db) = (unique("great"), Db::of(&at)?);
    let send = || {
        let sink = RankingSink::new(&server(&at), &table);
        SinkTest::new(sink).send(ranking(&[("a", u64::MAX)])).run()
    };
    let error = send().err().ok_or("it is taken")?;
    assert!(error.is::<squall::error::Fatal>(), "{error}");
    assert!(error.to_string().contains("out of range"), "{error}");
    db.ask(&format!("ALTER TABLE {table} ALTER count TYPE numeric"))?;
    send()?;
    assert_eq!(
        db.ask(&format!("SELECT count FROM {table}"))?,
        [u64::MAX.to_string()]
    );
    Ok(())
}

#[test]
fn several_tasks_would_replace_each_others_ranking() -> Result {
    let at = shared::postgres()?;
    let topology = Topology::named("two");
    let rankings = Events::now([ranking(&[("a", 1)])]);
    let rankings = topology.spout("rankings", move || rankings.clone());
    topology
        .sink("postgres", move || RankingSink::new(&server(&at), "two"))
        .parallelism(2)
        .shuffle_grouping(&rankings);
    let ran = topology.run(RunOptions {
        signals: false,
        ..RunOptions::default()
    });
    let error = ran.err().ok_or("it runs")?.to_string();
    assert!(
        error.contains("2 tasks") && error.contains("two"),
        "{error}"
    );
    Ok(())
}

//! A PostgreSQL that cannot take anything for a while: the run waits, says why, and what it has in the
//! end it has exactly once.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Instant;

use squall::{DataDir, Result, Sink, Topology, millis, secs};
use squall_postgres::{PostgresSink, Server};
use squall_testbed::postgres::{PASSWORD, USER};
use squall_testbed::{Postgres, shared};

use crate::{
    Adds, Db, PLAYERS, Quiet, Seen, adding, check_sums, on, points, score, server, wait_until,
};

/// Until it is told.
const END: u64 = u64::MAX;

fn has_some(db: &Db, table: &str) {
    wait_until("some are there", || {
        let some = db.ask(&format!("SELECT 1 FROM {table} LIMIT 1"));
        some.is_ok_and(|some| !some.is_empty())
    });
}

#[test]
fn a_postgres_that_is_killed_and_started_again_has_all_exactly_once() -> Result {
    let mut postgres = Postgres::start()?;
    let at = postgres.at();
    let mut db = Db::of(&at)?;
    let table = adding(&db, "killed")?;
    let folder = tempfile::tempdir()?;
    let data_dir = DataDir::at(folder.path().join("data"));
    let (running, seen) = points(&server(&at), &table, END, 2, on(&data_dir))?;
    for in_good_order in [false, true] {
        has_some(&db, &table);
        if in_good_order {
            postgres.stop()?;
        } else {
            postgres.kill();
        }
        wait_until("it waits", || seen.waits_for().is_some());
        assert!(!running.ends_within(millis(200)), "it waits");
        postgres.start_again()?;
        db = Db::of(&at)?;
    }
    let end = seen.finish(running)?;
    check_sums(&db, &table, end)
}

#[test]
fn a_run_begins_before_its_postgres_does() -> Result {
    let mut postgres = Postgres::start()?;
    let at = postgres.at();
    let table = adding(&Db::of(&at)?, "late")?;
    postgres.stop()?;
    let (running, seen) = points(&server(&at), &table, END, 1, on(&DataDir::in_memory()?))?;
    seen.wait_for("cannot be reached");
    postgres.start_again()?;
    let end = seen.finish(running)?;
    check_sums(&Db::of(&at)?, &table, end)
}

#[test]
fn a_postgres_that_is_back_is_seen_while_there_is_nothing_to_deliver() -> Result {
    let mut postgres = Postgres::start()?;
    let to = server(&postgres.at());
    postgres.stop()?;
    let topology = Topology::named("quiet");
    let quiet = topology.spout("quiet", || Quiet);
    let seen = Seen::default();
    let watched = seen.clone();
    topology
        .sink("postgres", move || Adds {
            sink: PostgresSink::new(&to, "quiet", ["player"]),
            sums: BTreeMap::new(),
            seen: watched.clone(),
        })
        .global_grouping(&quiet);
    let running = topology.start(on(&DataDir::in_memory()?))?;
    seen.wait_for("cannot be reached");
    postgres.start_again()?;
    wait_until("it is seen", || seen.waits_for().is_none());
    running.stop();
    running.wait()?;
    Ok(())
}

#[test]
fn a_server_that_says_nothing_does_not_hold_up_the_start() -> Result {
    // It takes connections, and answers none.
    let silent = TcpListener::bind("127.0.0.1:0")?;
    let to = Server::at(&format!("postgres://{USER}@{}/x", silent.local_addr()?))?;
    let to = to.password(PASSWORD);
    let began = Instant::now();
    let (running, seen) = points(&to, "silent", END, 1, on(&DataDir::in_memory()?))?;
    assert!(began.elapsed() < secs(60), "it begins");
    seen.wait_for("does not answer within");
    running.stop();
    running.stop();
    assert!(running.wait().is_err(), "it could not deliver");
    Ok(())
}

#[test]
fn a_lock_that_somebody_holds_is_said_and_waited_for() -> Result {
    let at = shared::postgres()?;
    let (db, other) = (Db::of(&at)?, Db::of(&at)?);
    let table = adding(&db, "locked")?;
    let (running, seen) = points(&server(&at), &table, END, 1, on(&DataDir::in_memory()?))?;
    has_some(&db, &table);
    other.ask(&format!("BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE"))?;
    seen.wait_for("has a lock that somebody else holds");
    assert!(!running.ends_within(millis(200)), "it waits");
    other.ask("COMMIT")?;
    let end = seen.finish(running)?;
    check_sums(&db, &table, end)
}

#[test]
fn a_login_that_is_taken_away_and_given_back_is_waited_for() -> Result {
    let at = shared::postgres()?;
    let db = Db::of(&at)?;
    let table = adding(&db, "login")?;
    let user = crate::unique("guest");
    db.ask(&format!(
        "CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'a'; SELECT 1"
    ))?;
    let to = server(&at).user(&user).password("a");
    let (running, seen) = points(&to, &table, END, 1, on(&DataDir::in_memory()?))?;
    has_some(&db, &table);
    let send_away =
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'");
    db.ask(&format!("ALTER ROLE {user} PASSWORD 'b'; {send_away}"))?;
    seen.wait_for("refuses the login");
    db.ask(&format!("ALTER ROLE {user} PASSWORD 'a'"))?;
    let end = seen.finish(running)?;
    check_sums(&db, &table, end)
}

#[test]
fn a_read_only_database_is_waited_for() -> Result {
    let at = shared::postgres()?;
    let db = Db::of(&at)?;
    let table = adding(&db, "readonly")?;
    let user = crate::unique("reader");
    db.ask(&format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD 'a'"))?;
    let to = server(&at).user(&user).password("a");
    let (running, seen) = points(&to, &table, END, 1, on(&DataDir::in_memory()?))?;
    has_some(&db, &table);
    db.ask(&format!(
        "ALTER ROLE {user} SET default_transaction_read_only = on; \
         SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{user}'"
    ))?;
    seen.wait_for("is read-only");
    db.ask(&format!(
        "ALTER ROLE {user} RESET default_transaction_read_only"
    ))?;
    let end = seen.finish(running)?;
    check_sums(&db, &table, end)
}

/// Whoever delivers the output of a task that is gone must not take it for its own: of one epoch, some
/// tasks have delivered theirs, and one has not.
#[test]
fn fewer_tasks_deliver_what_one_of_more_has_left_exactly_once() -> Result {
    let at = shared::postgres()?;
    let (db, other) = (Db::of(&at)?, Db::of(&at)?);
    let table = adding(&db, "tasks")?;
    let folder = tempfile::tempdir()?;
    let data_dir = DataDir::at(folder.path().join("data"));
    let (running, _) = points(&server(&at), &table, PLAYERS, 1, on(&data_dir))?;
    running.wait()?;
    for player in 0..3 {
        let end = (player + 1) * 2_000;
        let lock = format!("SELECT FROM {table} WHERE player = {player} FOR UPDATE");
        other.ask(&format!("BEGIN; {lock}"))?;
        let (running, seen) = points(&server(&at), &table, end, 3, on(&data_dir))?;
        // The other two tasks have delivered long before.
        seen.wait_for("has a lock that somebody else holds");
        running.stop();
        running.stop();
        assert!(running.wait().is_err(), "it ends before all is delivered");
        let (running, seen) = points(&server(&at), &table, end, 1, on(&data_dir))?;
        // By now nobody is left of the run before.
        seen.wait_for("has a lock that somebody else holds");
        other.ask("COMMIT")?;
        running.wait()?;
        check_sums(&db, &table, end)?;
    }
    Ok(())
}

#[test]
fn what_waits_in_memory_is_counted_and_only_the_last_of_each_key_waits() -> Result {
    let nobody = Server::at(&format!("postgres://{USER}@127.0.0.1:1/x"))?.password(PASSWORD);
    let mut sink = PostgresSink::new(&nobody, "t", ["player"]);
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
    assert_eq!((sink.waiting_bytes(), sink.outbox()?), (0, None));
    Ok(())
}

//! The contract that all sinks keep, with a PostgreSQL as the target.

use squall::ranking::Origin;
use squall::testing::sink_contract;
use squall::time::Window;
use squall::{Ranking, Result, Timestamp};
use squall_postgres::{PostgresSink, RankingSink};
use squall_testbed::shared;

use crate::{Db, Score, adding, score, server, unique};

fn epochs() -> Vec<Vec<Score>> {
    vec![
        vec![score(1, 5), score(2, 7), score(1, 6)],
        vec![],
        vec![score(2, 0), score(3, 9)],
        vec![score(1, 0), score(1, 8)],
    ]
}

#[test]
fn rows_have_their_last_values_wherever_a_sink_is_killed() -> Result {
    let at = shared::postgres()?;
    let (server, db) = (server(&at), Db::of(&at)?);
    let rows = sink_contract(
        || {
            let table = unique("rows");
            // Made as the sink makes it; readers come before it has any rows.
            let make = format!("CREATE TABLE {table} (player bigint PRIMARY KEY, points bigint)");
            db.ask(&make)?;
            Ok(table)
        },
        |table| {
            let sink = PostgresSink::new(&server, table, ["player"]);
            sink.gone(|score: &Score| score.points == 0)
        },
        |table| {
            db.ask(&format!(
                "SELECT player, points FROM {table} ORDER BY player"
            ))
        },
        &epochs(),
    )?;
    assert_eq!(rows, ["1 8", "3 9"]);
    Ok(())
}

#[test]
fn changes_are_applied_exactly_once_wherever_a_sink_is_killed() -> Result {
    let at = shared::postgres()?;
    let (server, db) = (server(&at), Db::of(&at)?);
    let epochs = [
        vec![score(1, 5), score(2, 7)],
        vec![],
        vec![score(2, 1), score(3, 9)],
        vec![score(1, 100)],
    ];
    let rows = sink_contract(
        || adding(&db, "adding"),
        |table| PostgresSink::new(&server, table, ["player"]),
        |table| {
            db.ask(&format!(
                "SELECT player, points FROM {table} ORDER BY player"
            ))
        },
        &epochs,
    )?;
    assert_eq!(rows, ["1 105", "2 8", "3 9"]);
    Ok(())
}

pub(crate) fn ranking<K: Clone>(entries: &[(K, u64)]) -> Ranking<K> {
    Ranking {
        window: Window {
            start: Timestamp::MIN,
            end: Timestamp::from_millis(1_503_792_000_500),
        },
        origin: Origin::from("test"),
        entries: entries.to_vec(),
    }
}

#[test]
fn a_ranking_is_the_last_one_wherever_a_sink_is_killed() -> Result {
    let at = shared::postgres()?;
    let (server, db) = (server(&at), Db::of(&at)?);
    let epochs = [
        vec![
            ranking(&[("a", 2), ("b", 1)]),
            ranking(&[("b", 3), ("a", 2)]),
        ],
        vec![],
        vec![ranking(&[("c", 3), ("b", 3)])],
        vec![ranking(&[("a", 4)]), ranking(&[("d", 9), ("a", 1)])],
    ];
    let rows = sink_contract(
        || Ok(unique("ranking")),
        |table| RankingSink::new(&server, table),
        |table| {
            db.ask(&format!(
                "SELECT place, key, count, window_start, \
                 to_char(window_end AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS') \
                 FROM {table} ORDER BY place"
            ))
        },
        &epochs,
    )?;
    let expected = [
        "1 d 9 null 2017-08-27T00:00:00.500",
        "2 a 1 null 2017-08-27T00:00:00.500",
    ];
    assert_eq!(rows, expected);
    Ok(())
}

//! The contract that all sinks keep, with a Redis as the target.

use std::cell::Cell;
use std::collections::BTreeMap;

use squall::ranking::Origin;
use squall::testing::{SinkTest, sink_contract};
use squall::time::Window;
use squall::{Ranking, Result};
use squall_redis::{RankingSink, RedisSink, list_key};
use squall_testbed::shared;

use crate::{Score, ask, connect, keys, server, template};

fn score(player: u64, points: u64) -> Score {
    Score { player, points }
}

fn epochs() -> Vec<Vec<Score>> {
    vec![
        vec![score(1, 5), score(2, 7), score(1, 6)],
        vec![],
        vec![score(2, 0), score(3, 9)],
        vec![score(1, 0), score(1, 8)],
    ]
}

/// A prefix of keys that no other call gets.
fn new_prefix(of: &'static str) -> impl FnMut() -> Result<String> {
    let number = Cell::new(0);
    move || {
        number.set(number.get() + 1);
        Ok(format!("{of}:{}:{}:", std::process::id(), number.get()))
    }
}

#[test]
fn keys_have_their_last_values_wherever_a_sink_is_killed() -> Result {
    let at = shared::redis()?;
    let server = server(&at);
    let content = sink_contract(
        new_prefix("keys"),
        |prefix| {
            let key = template(&format!("{prefix}{{player}}"));
            let points = template("{points}");
            let sink = RedisSink::new(&server, &key).value(&points);
            sink.gone(|score: &Score| score.points == 0)
        },
        |prefix| {
            let keys = keys(&at, prefix)?.into_iter();
            let bare = keys.map(|(key, value)| (key.trim_start_matches(prefix).to_owned(), value));
            Ok(bare.collect::<BTreeMap<_, _>>())
        },
        &epochs(),
    )?;
    let expected = [("1", "8"), ("3", "9")];
    assert!(
        content
            .iter()
            .map(|(key, value)| (&**key, &**value))
            .eq(expected),
        "{content:?}"
    );
    Ok(())
}

#[test]
fn a_value_is_the_tuple_as_json_where_none_is_given() -> Result {
    let at = shared::redis()?;
    let key = template("json:{{{player}}}");
    let sink = RedisSink::new(&server(&at), &key);
    SinkTest::new(sink).send(score(7, u64::MAX)).run()?;
    let found = keys(&at, "json:")?;
    let value = r#"{"player":7,"points":18446744073709551615}"#;
    assert_eq!(found, [("json:{7}".to_owned(), value.to_owned())].into());
    Ok(())
}

pub(crate) fn ranking<K: Clone>(entries: &[(K, u64)]) -> Ranking<K> {
    Ranking {
        window: Window::ALL,
        origin: Origin::from("test"),
        entries: entries.to_vec(),
    }
}

#[test]
fn a_ranking_is_the_last_one_wherever_a_sink_is_killed() -> Result {
    let at = shared::redis()?;
    let server = server(&at);
    let epochs = [
        vec![
            ranking(&[("a", 2), ("b", 1)]),
            ranking(&[("b", 3), ("a", 2)]),
        ],
        vec![],
        vec![ranking(&[("c", 3), ("b", 3)])],
        vec![
            ranking(&[("a", 4), ("c", 3), ("d", 3)]),
            ranking(&[("d", 9)]),
        ],
    ];
    let set = sink_contract(
        new_prefix("set"),
        |key| RankingSink::sorted_set(&server, key),
        |key| {
            let mut connection = connect(&at);
            let set: Vec<(String, f64)> =
                ask(&mut connection, &format!("ZRANGE {key} 0 -1 WITHSCORES"))?;
            let list: Vec<String> =
                ask(&mut connection, &format!("LRANGE {} 0 -1", list_key(key)?))?;
            Ok((set, list))
        },
        &epochs,
    )?;
    assert_eq!(set, (vec![("d".to_owned(), 9.0)], vec!["d".to_owned()]));
    let hash = sink_contract(
        new_prefix("hash"),
        |key| RankingSink::hash(&server, key),
        |key| {
            let hash: BTreeMap<String, u64> = ask(&mut connect(&at), &format!("HGETALL {key}"))?;
            Ok(hash)
        },
        &epochs,
    )?;
    assert_eq!(hash, [("d".to_owned(), 9)].into());
    Ok(())
}

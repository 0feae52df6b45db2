//! A Redis in cluster mode.

use squall::testing::SinkTest;
use squall::{DataDir, Result};
use squall_redis::{RankingSink, Server};
use squall_testbed::Redis;

use crate::contract::ranking;
use crate::{ask, connect, keys, last_scores, on, scores, url, wait_until};

/// A cluster of one server that has all slots.
fn cluster() -> Result<Redis> {
    let redis = Redis::start_with(&["cluster-enabled", "yes"])?;
    let mut connection = connect(&redis.at());
    ask::<()>(&mut connection, "CLUSTER ADDSLOTSRANGE 0 16383")?;
    wait_until("the cluster is ready", || {
        ask::<String>(&mut connection, "CLUSTER INFO")
            .is_ok_and(|info| info.contains("cluster_state:ok"))
    });
    Ok(redis)
}

#[test]
fn a_cluster_takes_keys_of_all_slots_and_rankings_of_one() -> Result {
    let redis = cluster()?;
    let at = redis.at();
    let server = Server::cluster([url(&at)])?;
    let data_dir = DataDir::in_memory()?;
    let (running, _) = scores(&server, "cluster:", 1_000, on(&data_dir))?;
    running.wait()?;
    assert_eq!(keys(&at, "cluster:")?, last_scores("cluster:", 1_000));

    let sink = RankingSink::sorted_set(&server, "top");
    SinkTest::new(sink)
        .send(ranking(&[("a", 3), ("b", 3)]))
        .run()?;
    let mut connection = connect(&at);
    let list: Vec<String> = ask(&mut connection, "LRANGE {top}:list 0 -1")?;
    assert_eq!(list, ["a", "b"]);
    let slots = ["top", "{top}:list"].map(|key| {
        ask::<u64>(&mut connection, &format!("CLUSTER KEYSLOT {key}")).unwrap_or_default()
    });
    assert_eq!(slots[0], slots[1]);
    Ok(())
}

#[test]
fn a_cluster_that_is_killed_is_waited_for() -> Result {
    let mut redis = cluster()?;
    let at = redis.at();
    let server = Server::cluster([url(&at)])?;
    let data_dir = DataDir::in_memory()?;
    let (running, seen) = scores(&server, "killed:", u64::MAX, on(&data_dir))?;
    wait_until("some are there", || {
        keys(&at, "killed:").is_ok_and(|keys| !keys.is_empty())
    });
    redis.kill();
    wait_until("it waits", || seen.waits_for().is_some());
    redis.start_again()?;
    let end = seen.finish(running)?;
    assert_eq!(keys(&at, "killed:")?, last_scores("killed:", end));
    Ok(())
}

//! Topics of a real broker as sinks.

mod support;

use squall::testing::sink_contract;
use squall::{Result, Text, Tuple};
use squall_kafka::Kafka;

use support::{Broker, name};

#[derive(Tuple, Clone, Debug, PartialEq, serde::Serialize)]
struct Total {
    user: Text,
    cents: u64,
}

fn total(user: &str, cents: u64) -> Total {
    let user = user.into();
    Total { user, cents }
}

#[test]
fn a_topic_has_each_tuple_once_wherever_its_sink_is_killed() -> Result {
    let broker = Broker::shared()?;
    let kafka = Kafka::at(&broker.address);
    let epochs = [vec![total("a", 1), total("b", 2)], vec![total("a", 3)]];
    let target = || {
        let topic = name("written");
        broker.make(&topic, 1)?;
        Ok(topic)
    };
    let values = sink_contract(
        target,
        |topic| {
            kafka
                .write(topic)
                .key(|total: &Total, key| key.extend(total.user.bytes()))
        },
        |topic| Ok(broker.committed(topic)?.remove(0)),
        &epochs,
    )?;
    let wanted = [("a", 1), ("b", 2), ("a", 3)];
    let wanted = wanted.map(|(user, cents)| format!(r#"{{"user":"{user}","cents":{cents}}}"#));
    assert_eq!(values, wanted);
    Ok(())
}

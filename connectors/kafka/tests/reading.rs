//! Topics of a real broker as spouts.

mod support;

use std::path::Path;

use rdkafka::producer::{BaseRecord, Producer as _};
use squall::testing::spout_contract;
use squall::{Out, Result, Text, Timestamp, Tuple, Word};
use squall_kafka::{Kafka, Message, ReadTopic};

use support::{Broker, PATIENCE, name, run, run_with};

fn words(message: &Message<'_>, out: &mut Out<Word>) -> Result {
    out.emit(Word {
        word: message.text()?.into(),
    });
    Ok(())
}

/// The words that a run on a data directory emits.
fn run_in(dir: &Path, read: &ReadTopic) -> Result<Vec<Word>> {
    let read = read.clone();
    Ok(run_with(Some(dir), move || read.decode(words))?.0)
}

fn texts(words: &[Word]) -> Vec<&str> {
    let mut texts: Vec<_> = words.iter().map(|word| word.word.as_str()).collect();
    texts.sort_unstable();
    texts
}

#[test]
fn a_topic_is_read_once_wherever_its_spout_is_killed() -> Result {
    let broker = Broker::shared()?;
    let topic = name("read-once");
    broker.make(&topic, 3)?;
    broker.fill(&topic, 0, &[("a", 1), ("b", 2)])?;
    broker.fill(&topic, 2, &[("c", 1)])?;
    // Behind the last record of a partition there are marks, which are no records.
    let producer = broker.transactional()?;
    for value in ["aborted", "d"] {
        producer.begin_transaction()?;
        let record: BaseRecord<'_, [u8], str> = BaseRecord::to(&topic);
        let sent = producer.send(record.payload(value).partition(1));
        sent.map_err(|(error, _)| error)?;
        if value == "d" {
            producer.commit_transaction(PATIENCE)?;
        } else {
            producer.flush(PATIENCE)?;
            producer.abort_transaction(PATIENCE)?;
        }
    }
    let read = Kafka::at(&broker.address).read(&topic).until_end();
    let read = spout_contract(|| read.decode(words), &[1, 2])?;
    assert_eq!(texts(&read), ["a", "b", "c", "d"]);
    Ok(())
}

#[derive(Tuple, Clone, Debug, PartialEq, serde::Deserialize)]
struct Visit {
    page: Text,
    millis: i64,
}

#[test]
fn messages_have_values_keys_headers_and_places() -> Result {
    let broker = Broker::shared()?;
    let topic = name("messages");
    broker.make(&topic, 1)?;
    let visit = r#"{"page":"/a","millis":7,"more":[1]}"#;
    broker.fill(&topic, 0, &[(visit, 1_000), ("no json", 2_000)])?;
    let read = Kafka::at(&broker.address).read(&topic).until_end();
    let visits = read.clone();
    let (visits, summary) = run(move || visits.json::<Visit>())?;
    let page = "/a".into();
    assert_eq!(visits, [Visit { page, millis: 7 }]);
    let refused = &summary.stats.refused.reasons[0].example;
    assert_eq!(refused.source, format!("topic {topic}, partition 0"));
    assert_eq!((refused.line, &*refused.content), (Some(1), "no json"));
    let (places, _) = run(move || {
        read.decode(|message: &Message<'_>, out: &mut Out<Word>| {
            let (key, header) = (message.key(), message.header("trace"));
            assert_eq!((key, header, message.headers().count()), (None, None, 0));
            let (partition, offset) = (message.partition(), message.offset());
            let word = format!("{partition} {offset} {}", message.timestamp()?.millis());
            out.emit(Word { word: word.into() });
            Ok(())
        })
    })?;
    assert_eq!(texts(&places), ["0 0 1000", "0 1 2000"]);
    Ok(())
}

#[test]
fn a_new_topology_begins_where_it_is_told_and_goes_on_where_it_was() -> Result {
    let broker = Broker::shared()?;
    let topic = name("begins");
    broker.make(&topic, 2)?;
    broker.fill(&topic, 0, &[("a", 1_000), ("b", 2_000), ("c", 3_000)])?;
    broker.fill(&topic, 1, &[("d", 1_500)])?;
    let kafka = Kafka::at(&broker.address);
    let read = || kafka.read(&topic).until_end();
    let at = |millis| read().from_timestamp(Timestamp::from_millis(millis));
    let begins = [
        (read(), vec!["a", "b", "c", "d"]),
        (read().from_latest(), vec![]),
        (at(2_000), vec!["b", "c"]),
        (at(1_001), vec!["b", "c", "d"]),
        (at(9_000), vec![]),
    ];
    let mut dirs = Vec::new();
    for (read, first) in &begins {
        let dir = tempfile::tempdir()?;
        assert_eq!(texts(&run_in(dir.path(), read)?), *first);
        dirs.push(dir);
    }
    broker.fill(&topic, 1, &[("e", 1)])?;
    for (read, dir) in begins.iter().map(|(read, _)| read).zip(&dirs) {
        // Each run has ends of its own; where it begins is asked only of a new one.
        let read = kafka.read(read.topic()).until_end();
        assert_eq!(texts(&run_in(dir.path(), &read)?), ["e"]);
        let elsewhere = read.from_timestamp(Timestamp::from_millis(7));
        let error = run_in(dir.path(), &elsewhere).unwrap_err().to_string();
        assert!(error.contains("began to read the topic"), "{error}");
    }
    Ok(())
}

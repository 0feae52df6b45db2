//! A topic read and written by squall, beside bare clients of the same library.
//!
//! `cargo bench -p squall-kafka --bench throughput -- [EVENTS] [ROUNDS]` starts a broker, fills a
//! topic, and takes turns. Reading: events of four fields, decoded and counted by key. Writing: the
//! same events in transactions, as many a second.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};
use squall::bolts::Totals;
use squall::testing::Collected;
use squall::{
    DataDir, Next, Result, RunOptions, Spout, SpoutOut, Text, Topology, Tuple, Value, millis,
};
use squall_kafka::Kafka;

const PARTITIONS: i32 = 4;
const USERS: u64 = 1_000;
const COMMIT: Duration = millis(100);
const PATIENCE: Duration = Duration::from_mins(1);

/// What a user has done on a page.
#[derive(Tuple, Clone, Debug, Serialize, Deserialize)]
struct Event {
    time: Text,
    user: Text,
    page: Text,
    event: Text,
}

/// The same for a program that has no texts of squall's.
#[derive(Deserialize)]
struct Plain {
    #[allow(dead_code)]
    time: String,
    user: String,
    #[allow(dead_code)]
    page: String,
    #[allow(dead_code)]
    event: String,
}

fn event(number: u64) -> Event {
    // A sequence without a pattern that a cache would see.
    let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let events = ["click", "scroll", "submit", "download", "focus"];
    Event {
        time: format!("2026-01-01 00:{:02}:{:02}", number / 60 % 60, number % 60).into(),
        user: format!("user{}@example.com", random % USERS).into(),
        page: format!("https://www.example.com/page/{}", random % 100).into(),
        event: events[usize::try_from(random % 5).unwrap_or(0)].into(),
    }
}

fn main() -> Result {
    let words: Vec<u64> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    let events = words.first().copied().unwrap_or(2_000_000);
    let rounds = words.get(1).copied().unwrap_or(5);
    let server = squall_testbed::Kafka::start()?;
    let brokers = server.at().address;
    make(&brokers, "events", PARTITIONS)?;
    fill(&brokers, events)?;
    let (mut reading, mut writing) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let (bare, squall) = (read_bare(&brokers, events)?, read_squall(&brokers, events)?);
        reading.push(squall / bare);
        println!(
            "round {round}: read bare {bare:.0}/s, squall {squall:.0}/s, ratio {:.2}",
            squall / bare
        );
        let (topic, other) = (format!("bare-{round}"), format!("squall-{round}"));
        make(&brokers, &topic, PARTITIONS)?;
        make(&brokers, &other, PARTITIONS)?;
        let bare = write_bare(&brokers, &topic, events / 2)?;
        let squall = write_squall(&brokers, &other, events / 2)?;
        writing.push(squall / bare);
        println!(
            "round {round}: write bare {bare:.0}/s, squall {squall:.0}/s, ratio {:.2}",
            squall / bare
        );
    }
    println!(
        "ratio squall/bare-consumer {:.2} (median of {rounds})",
        median(&mut reading)
    );
    println!(
        "ratio squall/bare-producer {:.2} (median of {rounds})",
        median(&mut writing)
    );
    Ok(())
}

fn median(ratios: &mut [f64]) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios.get(ratios.len() / 2).copied().unwrap_or(f64::NAN)
}

#[allow(clippy::cast_precision_loss)]
fn per_second(events: u64, began: Instant) -> f64 {
    events as f64 / began.elapsed().as_secs_f64()
}

fn make(brokers: &str, topic: &str, partitions: i32) -> Result {
    let mut config = ClientConfig::new();
    let admin: AdminClient<DefaultClientContext> =
        config.set("bootstrap.servers", brokers).create()?;
    let new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build()?;
    let options = AdminOptions::new();
    let made = runtime.block_on(admin.create_topics([&new], &options))?;
    for made in made {
        made.map_err(|(topic, code)| format!("{topic}: {code}"))?;
    }
    Ok(())
}

fn fill(brokers: &str, events: u64) -> Result {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "20");
    let producer: BaseProducer = config.create()?;
    for number in 0..events {
        let value = serde_json::to_vec(&event(number))?;
        let partition = i32::try_from(number % 4)?;
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to("events");
        let mut record = record.payload(&value).partition(partition);
        while let Err((error, again)) = producer.send(record) {
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            producer.poll(millis(10));
            record = again;
        }
    }
    producer.flush(PATIENCE)?;
    Ok(())
}

fn read_bare(brokers: &str, events: u64) -> Result<f64> {
    let began = Instant::now();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("group.id", "bare");
    config.set("isolation.level", "read_committed");
    config.set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create()?;
    let mut assigned = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assigned.add_partition_offset("events", partition, Offset::Beginning)?;
    }
    consumer.assign(&assigned)?;
    let mut counts: HashMap<String, u64> = HashMap::new();
    let mut read = 0;
    while read < events {
        match consumer.poll(millis(100)) {
            Some(Ok(message)) => {
                let event: Plain = serde_json::from_slice(message.payload().unwrap_or_default())?;
                *counts.entry(event.user).or_default() += 1;
                read += 1;
            }
            Some(Err(KafkaError::PartitionEOF(_))) | None => {}
            Some(Err(error)) => return Err(error.into()),
        }
    }
    let speed = per_second(events, began);
    assert_eq!(counts.values().sum::<u64>(), events);
    Ok(speed)
}

fn options() -> RunOptions {
    RunOptions {
        signals: false,
        ..RunOptions::default()
    }
}

fn read_squall(brokers: &str, events: u64) -> Result<f64> {
    let began = Instant::now();
    let topology = Topology::named("read");
    let read = Kafka::at(brokers).read("events").until_end();
    let read = topology.spout("events", move || read.json::<Event>());
    let counts = topology
        .keyed("counts", || Totals::of(|_: &Event| 1).top(1))
        .fields_grouping(&read, Event::USER);
    let collected = Collected::of(&topology, "collected", &counts);
    let summary = topology.run(options())?;
    let speed = per_second(events, began);
    assert_eq!(summary.stats.tuples, events);
    assert!(!collected.take().is_empty());
    Ok(speed)
}

fn write_bare(brokers: &str, topic: &str, events: u64) -> Result<f64> {
    let began = Instant::now();
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", brokers)
        .set("linger.ms", "5");
    config.set("transactional.id", topic);
    let producer: ThreadedProducer<_> = config.create()?;
    producer.init_transactions(PATIENCE)?;
    let mut number = 0;
    while number < events {
        let cut = Instant::now() + COMMIT;
        producer.begin_transaction()?;
        while number < events && (number % 64 > 0 || Instant::now() < cut) {
            let event = event(number);
            let value = serde_json::to_vec(&event)?;
            let record: BaseRecord<'_, str, [u8]> = BaseRecord::to(topic);
            let mut record = record.payload(&value).key(event.user.as_str());
            while let Err((error, again)) = producer.send(record) {
                if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                    return Err(error.into());
                }
                producer.poll(millis(1));
                record = again;
            }
            number += 1;
        }
        while producer.in_flight_count() > 0 {
            producer.poll(millis(1));
        }
        producer.commit_transaction(PATIENCE)?;
    }
    Ok(per_second(events, began))
}

/// Emits events.
struct Events(Value<u64>, u64);

impl Spout for Events {
    type Output = Event;

    fn next(&mut self, out: &mut SpoutOut<Event>) -> Result<Next> {
        for _ in 0..64 {
            if *self.0 == self.1 {
                return Ok(Next::End);
            }
            out.emit(event(*self.0));
            *self.0 += 1;
        }
        Ok(Next::More)
    }

    fn state(&mut self, states: &mut squall::States<'_>) {
        states.keep("next", &mut self.0);
    }
}

fn write_squall(brokers: &str, topic: &str, events: u64) -> Result<f64> {
    let began = Instant::now();
    let dir = tempfile::tempdir()?;
    let topology = Topology::named("write");
    let made = topology.spout("events", move || Events(Value::new(0), events));
    let (kafka, topic) = (Kafka::at(brokers), topic.to_owned());
    let sink = topology.sink("out", move || {
        let key = |event: &Event, key: &mut Vec<u8>| key.extend(event.user.bytes());
        kafka.write::<Event>(&topic).key(key)
    });
    sink.global_grouping(&made);
    let summary = topology.run(RunOptions {
        data_dir: Some(DataDir::at(dir.path())),
        commit: COMMIT,
        ..options()
    })?;
    assert_eq!(summary.stats.tuples, events);
    Ok(per_second(events, began))
}

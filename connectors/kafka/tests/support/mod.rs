//! Topics of the shared broker, filled and read with clients of their own.
#![allow(dead_code, reason = "each test uses some of it")]

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Message as _;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{Offset, TopicPartitionList};
use squall::stream::{StreamAt, Streams};
use squall::testing::Collected;
use squall::{DataDir, Result, RunOptions, Spout, Summary, Topology, Tuple};

/// A loaded machine takes a minute for what takes a second.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until `ready` gives something.
pub fn wait<T>(what: &str, mut ready: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let began = Instant::now();
    loop {
        if let Some(ready) = ready()? {
            return Ok(ready);
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("{what}: it did not come within {PATIENCE:?}").into());
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A name that no other test has.
pub fn name(of: &str) -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let number = NAMES.fetch_add(1, Ordering::Relaxed);
    format!("{of}-{}-{number}", std::process::id())
}

/// What a spout emits until its input ends, and the dead letters, as a topology of one task.
pub fn run<S: Spout<Output = T>, T: Tuple + StreamAt<0, Item = T> + Streams>(
    spout: impl Fn() -> S + Send + Sync + 'static,
) -> Result<(Vec<T>, Summary)> {
    run_with(None, spout)
}

/// The same on a data directory.
pub fn run_with<S: Spout<Output = T>, T: Tuple + StreamAt<0, Item = T> + Streams>(
    dir: Option<&Path>,
    spout: impl Fn() -> S + Send + Sync + 'static,
) -> Result<(Vec<T>, Summary)> {
    let topology = Topology::named("read");
    let read = topology.spout("read", spout);
    let collected = Collected::of(&topology, "collected", &read);
    let options = RunOptions {
        signals: false,
        data_dir: dir.map(DataDir::at),
        ..RunOptions::default()
    };
    let summary = topology.run(options)?;
    Ok((collected.take(), summary))
}

/// What is asked of a broker in tests.
pub struct Broker {
    pub address: String,
    admin: AdminClient<DefaultClientContext>,
    producer: BaseProducer,
    /// Of what is committed.
    reader: BaseConsumer,
}

impl Broker {
    /// At this address.
    pub fn at(address: &str) -> Result<Self> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", address);
        let admin = config.create()?;
        let mut producer = config.clone();
        producer.set("linger.ms", "1");
        producer.set("topic.metadata.refresh.interval.ms", "500");
        config.set("group.id", "test");
        config.set("isolation.level", "read_committed");
        config.set("enable.partition.eof", "true");
        config.set("enable.auto.commit", "false");
        config.set("fetch.wait.max.ms", "10");
        Ok(Self {
            address: address.to_owned(),
            admin,
            producer: producer.create()?,
            reader: config.create()?,
        })
    }

    /// The one that all tests share.
    pub fn shared() -> Result<Self> {
        Self::at(&squall_testbed::shared::kafka()?.address)
    }

    fn settled<F: Future>(future: F) -> Result<F::Output> {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        Ok(runtime.enable_all().build()?.block_on(future))
    }

    /// Makes a topic that keeps all, however old its records say that they are.
    pub fn make(&self, topic: &str, partitions: i32) -> Result {
        self.make_with(topic, partitions, &[("retention.ms", "-1")])
    }

    pub fn make_with(&self, topic: &str, partitions: i32, options: &[(&str, &str)]) -> Result {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (name, value) in options {
            new = new.set(name, value);
        }
        let made = self.admin.create_topics([&new], &AdminOptions::new());
        for made in Self::settled(made)?? {
            made.map_err(|(topic, code)| format!("cannot make {topic}: {code}"))?;
        }
        Ok(())
    }

    pub fn delete(&self, topic: &str) -> Result {
        let deleted = self.admin.delete_topics(&[topic], &AdminOptions::new());
        for deleted in Self::settled(deleted)?? {
            deleted.map_err(|(topic, code)| format!("cannot delete {topic}: {code}"))?;
        }
        Ok(())
    }

    /// Deletes what is before an offset, as retention does.
    pub fn delete_before(&self, topic: &str, partition: i32, offset: i64) -> Result {
        let mut before = TopicPartitionList::new();
        before.add_partition_offset(topic, partition, Offset::Offset(offset))?;
        let deleted = self.admin.delete_records(&before, &AdminOptions::new());
        Self::settled(deleted)??;
        Ok(())
    }

    /// More partitions.
    pub fn grow(&self, topic: &str, partitions: usize) -> Result {
        let new = rdkafka::admin::NewPartitions::new(topic, partitions);
        let grown = self.admin.create_partitions([&new], &AdminOptions::new());
        for grown in Self::settled(grown)?? {
            grown.map_err(|(topic, code)| format!("cannot grow {topic}: {code}"))?;
        }
        Ok(())
    }

    /// Writes values to a partition, each with a time.
    pub fn fill(&self, topic: &str, partition: i32, values: &[(&str, i64)]) -> Result {
        for (value, time) in values {
            let record: BaseRecord<'_, [u8], str> = BaseRecord::to(topic);
            let mut record = record.payload(*value).partition(partition).timestamp(*time);
            while let Err((error, again)) = self.producer.send(record) {
                // A partition that was just made is not known at once.
                let passes = [
                    RDKafkaErrorCode::QueueFull,
                    RDKafkaErrorCode::UnknownPartition,
                ];
                if !error
                    .rdkafka_error_code()
                    .is_some_and(|code| passes.contains(&code))
                {
                    return Err(error.into());
                }
                self.producer.poll(Duration::from_millis(10));
                record = again;
            }
        }
        self.producer.flush(PATIENCE)?;
        Ok(())
    }

    /// A producer of transactions.
    pub fn transactional(&self) -> Result<BaseProducer> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address);
        config.set("transactional.id", name("test"));
        let producer: BaseProducer = config.create()?;
        producer.init_transactions(PATIENCE)?;
        Ok(producer)
    }

    /// All values that a reader of what is committed finds now, by partition.
    pub fn committed(&self, topic: &str) -> Result<Vec<Vec<String>>> {
        let metadata = self.reader.fetch_metadata(Some(topic), PATIENCE)?;
        let partitions = metadata.topics()[0].partitions().len();
        let mut assigned = TopicPartitionList::new();
        for partition in 0..partitions {
            let partition = i32::try_from(partition)?;
            assigned.add_partition_offset(topic, partition, Offset::Beginning)?;
        }
        self.reader.assign(&assigned)?;
        let mut values = vec![Vec::new(); partitions];
        let mut left = partitions;
        let began = Instant::now();
        while left > 0 {
            match self.reader.poll(Duration::from_millis(100)) {
                Some(Err(KafkaError::PartitionEOF(_))) => left -= 1,
                Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => {
                    return Err(error.into());
                }
                // It may be a broker that is being started again.
                None | Some(Err(_)) => {}
                Some(Ok(message)) => {
                    let value = message.payload().unwrap_or_default();
                    let partition = usize::try_from(message.partition())?;
                    values[partition].push(String::from_utf8_lossy(value).into_owned());
                }
            }
            if began.elapsed() > PATIENCE {
                return Err("the topic could not be read".into());
            }
        }
        self.reader.unassign()?;
        Ok(values)
    }
}

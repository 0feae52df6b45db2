//! A producer, and the position up to which it has delivered.
//!
//! The position of a sink's task is the committed offset of a consumer group of its own: the number
//! of the epoch that was delivered last, with the identity of the data directory that delivered it.
//! It is committed in the same transaction as the records of the epoch. So whoever comes after a
//! crash learns from the cluster what was delivered, however the crash fell.

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use rdkafka::{Offset, TopicPartitionList};

use squall::run::Status;

use super::records::Records;
use crate::cluster::Kafka;
use crate::error::WriteError;
use crate::heard::{Heard, Trouble};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a broker that is to be reached is waited for at once.
const CONNECTS: Duration = Duration::from_secs(5);

/// A topic is known to all brokers so long after it was made.
const IS_KNOWN: Duration = Duration::from_secs(3);

/// A transaction takes at most this long; the broker ends a longer one.
const TRANSACTION: Duration = Duration::from_mins(1);

/// The status is looked at so often while records are on their way.
const LOOK: Duration = Duration::from_millis(100);

/// The position of a sink's task stands at this partition of its topic, which every topic has.
const PARTITION: i32 = 0;

/// Where a lane leads, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Route {
    pub(super) kafka: Kafka,
    pub(super) topic: String,
    /// The id of the sink, with its task: the transactional id, and the group of the position.
    pub(super) id: String,
    /// The number of the data directory; none in a run without one, which writes without
    /// transactions.
    pub(super) identity: Option<u64>,
    /// The epoch that the directory had committed when the run began.
    pub(super) committed: Option<u64>,
    /// A number of this run, which stands beside the epochs that it delivers: what it finds above what
    /// was committed when it began is its own, or of a copy of the directory.
    pub(super) run: u64,
    pub(super) status: Status,
}

/// A way to a topic.
pub(super) struct Lane {
    route: Route,
    open: Option<Open>,
}

/// What a lane is made of while it is connected.
struct Open {
    producer: ThreadedProducer<Heard>,
    /// The group of the position, of which nobody is a member.
    group: ConsumerGroupMetadata,
    /// The epoch that was delivered last.
    delivered: Option<i64>,
}

/// Why something was not delivered.
pub(super) enum Failure {
    /// It may be another time.
    Yet(String),
    Never(Box<WriteError>),
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self::Never(Box::new(error))
    }
}

impl Lane {
    pub(super) fn new(route: Route) -> Self {
        Self { route, open: None }
    }

    /// Connects, fences a producer of the same id, and learns what was delivered. It blocks.
    pub(super) fn connect(&mut self) -> Result<(), Failure> {
        if self.open.is_some() {
            return Ok(());
        }
        self.find_topic()?;
        if self.route.identity.is_some() {
            // Before another run is fenced that has the right to write.
            let reader = self.route.reader("read_uncommitted")?;
            self.route.position(&reader)?;
        }
        let reader = self.route.reader("read_committed")?;
        let producer = self.route.producer()?;
        let mut delivered = None;
        if self.route.identity.is_some() {
            let begun = producer.init_transactions(PATIENCE);
            begun.map_err(|error| self.route.yet(&error, producer.context()))?;
            delivered = self.route.position(&reader)?;
        }
        let group = reader.group_metadata();
        let group = group.ok_or_else(|| Failure::Yet("the group is not known".to_owned()))?;
        self.open = Some(Open {
            producer,
            group,
            delivered,
        });
        Ok(())
    }

    /// Delivers records, where they were not. It blocks. After an error nothing is known of the
    /// producer, so the next try makes another one, which ends the transaction of this one.
    pub(super) fn deliver(&mut self, records: &[u8], epoch: Option<u64>) -> Result<(), Failure> {
        self.connect()?;
        let Some(mut open) = self.open.take() else {
            return Err(Failure::Yet("it is not connected".to_owned()));
        };
        match (epoch, self.route.identity) {
            (Some(epoch), Some(identity)) => {
                let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
                if open.delivered.is_none_or(|delivered| delivered < epoch) {
                    self.route.transact(&open, records, epoch, identity)?;
                    open.delivered = Some(epoch);
                }
            }
            _ => self.route.send(&open.producer, records, true)?,
        }
        self.open = Some(open);
        Ok(())
    }

    /// Whether the topic is there, and we may connect.
    fn find_topic(&self) -> Result<(), Failure> {
        let Route { kafka, topic, .. } = &self.route;
        let client = self.route.client()?;
        let began = Instant::now();
        loop {
            let asked = client.fetch_metadata(Some(topic), Duration::from_secs(1));
            // Only who polls a client hears its errors.
            while client.poll(Duration::ZERO).is_some() {}
            let code = match asked {
                Ok(metadata) => {
                    let about = metadata.topics().iter().find(|it| it.name() == topic);
                    match about.and_then(rdkafka::metadata::MetadataTopic::error) {
                        None => return Ok(()),
                        Some(error) => RDKafkaErrorCode::from(error),
                    }
                }
                Err(error) => {
                    let trouble = client.context().take_trouble();
                    if let Some(refusal) = trouble.filter(Trouble::is_refusal) {
                        return Err(Failure::from(WriteError::Refused {
                            brokers: kafka.brokers().to_owned(),
                            reason: refusal.reason,
                        }));
                    }
                    if began.elapsed() >= CONNECTS {
                        return Err(self.route.yet(&error, client.context()));
                    }
                    continue;
                }
            };
            match code {
                // One that was just made is not known to all brokers.
                RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic
                    if began.elapsed() < IS_KNOWN =>
                {
                    std::thread::park_timeout(LOOK);
                }
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::InvalidTopic
                | RDKafkaErrorCode::TopicAuthorizationFailed => {
                    return Err(Failure::from(WriteError::NoTopic {
                        topic: topic.clone(),
                        brokers: kafka.brokers().to_owned(),
                    }));
                }
                code => {
                    return Err(Failure::Yet(format!(
                        "Kafka at `{}`: the topic `{topic}` cannot be written now: {code}",
                        kafka.brokers()
                    )));
                }
            }
        }
    }
}

impl Route {
    /// One transaction: the records of an epoch, and its number.
    fn transact(
        &self,
        open: &Open,
        records: &[u8],
        epoch: i64,
        identity: u64,
    ) -> Result<(), Failure> {
        let Open {
            producer, group, ..
        } = open;
        let heard = producer.context();
        let failed = |error: KafkaError| self.yet(&error, heard);
        producer.begin_transaction().map_err(failed)?;
        self.send(producer, records, false)?;
        let mut position = TopicPartitionList::new();
        let offset = Offset::Offset(epoch);
        let mut element = position.add_partition(&self.topic, PARTITION);
        element.set_offset(offset).map_err(failed)?;
        element.set_metadata(mark(identity, self.run));
        let sent = producer.send_offsets_to_transaction(&position, group, PATIENCE);
        sent.map_err(failed)?;
        // The library waits in steps of 100 ms where records are on their way.
        self.drain(producer)?;
        producer.commit_transaction(TRANSACTION).map_err(failed)
    }

    /// Sends records; waits until they have arrived, where nothing else tells that.
    fn send(
        &self,
        producer: &ThreadedProducer<Heard>,
        records: &[u8],
        waits: bool,
    ) -> Result<(), Failure> {
        producer.context().take_undelivered();
        for record in Records::read(records) {
            let record = record.map_err(|at| WriteError::Damaged {
                sink: self.id.clone(),
                at,
            })?;
            let mut sent: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.topic);
            sent.partition = record.partition;
            sent.key = record.key;
            sent.payload = record.value;
            while let Err((error, again)) = producer.send(sent) {
                match error.rdkafka_error_code() {
                    // The others go first.
                    Some(RDKafkaErrorCode::QueueFull) => {
                        producer.poll(LOOK);
                        self.tell_trouble(producer);
                    }
                    Some(RDKafkaErrorCode::MessageSizeTooLarge) => {
                        let (key, value) = (record.key, record.value);
                        return Err(Failure::from(WriteError::TooLarge {
                            topic: self.topic.clone(),
                            bytes: key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len),
                        }));
                    }
                    _ => return Err(self.yet(&error, producer.context())),
                }
                sent = again;
            }
        }
        if waits {
            self.drain(producer)?;
        }
        Ok(())
    }

    /// Waits until nothing is on its way. A record that cannot be delivered ends the wait, too: the
    /// library gives it up after the time of a transaction.
    fn drain(&self, producer: &ThreadedProducer<Heard>) -> Result<(), Failure> {
        let mut looked = Instant::now();
        while producer.in_flight_count() > 0 {
            producer.poll(Duration::from_millis(1));
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                self.tell_trouble(producer);
            }
        }
        match producer.context().take_undelivered() {
            None => Ok(()),
            Some(RDKafkaErrorCode::MessageSizeTooLarge) => Err(WriteError::TooLargeForTopic {
                topic: self.topic.clone(),
            }
            .into()),
            Some(code @ (RDKafkaErrorCode::InvalidRecord | RDKafkaErrorCode::UnknownPartition)) => {
                Err(WriteError::Client {
                    topic: self.topic.clone(),
                    reason: code.to_string(),
                }
                .into())
            }
            Some(code) => {
                let error = KafkaError::MessageProduction(code);
                Err(self.yet(&error, producer.context()))
            }
        }
    }

    fn tell_trouble(&self, producer: &ThreadedProducer<Heard>) {
        if let Some(trouble) = producer.context().take_trouble() {
            let brokers = self.kafka.brokers();
            let reason = trouble.reason;
            self.status.waits(format!("Kafka at `{brokers}`: {reason}"));
        }
    }

    /// What was delivered, where it is of this data directory.
    fn position(&self, reader: &BaseConsumer<Heard>) -> Result<Option<i64>, Failure> {
        let mut asked = TopicPartitionList::new();
        asked.add_partition(&self.topic, PARTITION);
        let answer = reader.committed_offsets(asked, PATIENCE);
        let answer = answer.map_err(|error| self.yet(&error, reader.context()))?;
        let elements = answer.elements();
        let Some(element) = elements.first() else {
            return Ok(None);
        };
        element
            .error()
            .map_err(|error| self.yet(&error, reader.context()))?;
        let Offset::Offset(delivered) = element.offset() else {
            return Ok(None);
        };
        let own = self.identity.unwrap_or_default();
        let found = element.metadata();
        let (sink, topic, group) = (self.id.clone(), self.topic.clone(), self.id.clone());
        let Some((identity, run)) = read_mark(found) else {
            let found = found.to_owned();
            return Err(WriteError::NotAPosition {
                topic,
                group,
                found,
            }
            .into());
        };
        let directory = |identity: u64| format!("{identity:016x}");
        if identity != own {
            return Err(WriteError::OtherDirectory {
                sink,
                topic,
                group,
                delivered,
                found: directory(identity),
                own: directory(own),
            }
            .into());
        }
        let committed = self.committed.unwrap_or(0);
        let is_known = i64::try_from(committed).is_ok_and(|committed| delivered <= committed);
        if !is_known && run != self.run {
            return Err(WriteError::OlderCopy {
                sink,
                topic,
                group,
                delivered,
                own: directory(own),
                committed,
            }
            .into());
        }
        Ok(Some(delivered))
    }

    /// A client that is a member of no group, which is quicker to close.
    fn client(&self) -> Result<BaseConsumer<Heard>, Failure> {
        let config = self
            .kafka
            .client(&[], &[("allow.auto.create.topics", "false")]);
        let heard = Heard::of(self.kafka.brokers());
        config
            .create_with_context(heard)
            .map_err(|error| wrong_options(&error))
    }

    fn reader(&self, isolation: &str) -> Result<BaseConsumer<Heard>, Failure> {
        let config = self.kafka.client(
            &[("reconnect.backoff.max.ms", "2000")],
            &[
                ("group.id", &self.id),
                ("enable.auto.commit", "false"),
                ("isolation.level", isolation),
                ("allow.auto.create.topics", "false"),
            ],
        );
        let heard = Heard::of(self.kafka.brokers());
        config
            .create_with_context(heard)
            .map_err(|error| wrong_options(&error))
    }

    fn producer(&self) -> Result<ThreadedProducer<Heard>, Failure> {
        let transaction_ms = TRANSACTION.as_millis().to_string();
        let mut fixed = vec![
            ("enable.idempotence", "true"),
            ("allow.auto.create.topics", "false"),
            ("message.timeout.ms", &*transaction_ms),
            // Of the same keys the Java client makes the same partitions.
            ("partitioner", "murmur2_random"),
        ];
        if self.identity.is_some() {
            fixed.push(("transactional.id", &self.id));
            fixed.push(("transaction.timeout.ms", &transaction_ms));
        }
        let config = self.kafka.client(
            &[
                ("linger.ms", "5"),
                ("queue.buffering.max.kbytes", "65536"),
                ("reconnect.backoff.max.ms", "2000"),
            ],
            &fixed,
        );
        let heard = Heard::of(self.kafka.brokers());
        config
            .create_with_context(heard)
            .map_err(|error| wrong_options(&error))
    }

    /// Another try may go better; says what went wrong.
    fn yet(&self, error: &KafkaError, heard: &Heard) -> Failure {
        let brokers = self.kafka.brokers();
        let reason = heard.last_reason();
        let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
        Failure::Yet(format!("Kafka at `{brokers}`: {error}{reason}"))
    }
}

/// What stands beside the offset of a position.
const MARK: &str = "squall data directory ";

/// Between the directory and the run.
const RUN: &str = ", run ";

fn mark(identity: u64, run: u64) -> String {
    format!("{MARK}{identity:016x}{RUN}{run:016x}")
}

/// The directory and the run.
fn read_mark(mark: &str) -> Option<(u64, u64)> {
    let (identity, run) = mark.strip_prefix(MARK)?.split_once(RUN)?;
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    Some((number(identity)?, number(run)?))
}

fn wrong_options(error: &KafkaError) -> Failure {
    let reason = error.to_string();
    WriteError::Options { reason }.into()
}

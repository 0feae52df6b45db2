//! A topic as a spout: messages become tuples, and how far each partition was read is state.

mod partitions;

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

use squall::error::Fatal;
use squall::state::Meaning;
use squall::stream::{StreamAt, Streams};
use squall::time::TimeDomain;
use squall::tuple::DeadLetter;
use squall::{Context, Next, Out, Result, Spout, SpoutOut, States, Table, Timestamp, Tuple, Value};

use crate::decode::{Decode, Decoder, Json, MessageOut, TimedDecoder, TimedJson, content, place};
use crate::error::ReadError;
use crate::find::{Finder, Found};
use crate::heard::{Heard, Trouble};
use crate::message::Message;
use crate::native;
use crate::read::{Begins, ReadTopic};
use partitions::{Looked, Partition, Partitions};

/// A spout over a topic; made by [`ReadTopic::decode`] and its like.
///
/// A partition of which the broker has said that nothing follows is *idle*: it does not hold back
/// the watermark until its next message. A partition whose broker is away, refuses, or is slow is
/// not: what has come to it meanwhile is not known, so no window closes before it. The run goes on
/// waiting, says for what, and ends only where waiting does not help: a topic that was deleted or
/// made anew, records that retention has deleted before they were read.
pub struct KafkaSpout<S: Streams, D> {
    topic: ReadTopic,
    decode: D,
    /// The offset of the next record by partition.
    positions: Table<i32, i64>,
    /// What the topic was when a task first read it.
    began: Value<Began>,
    client: Option<Client>,
    partitions: Partitions,
    /// The message in hand is the last one of its partition that is to be read.
    ended: bool,
    output: PhantomData<fn() -> S>,
}

/// What a topic was at the first start.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Began {
    /// Its id; empty where the cluster gives none.
    id: String,
    /// How many partitions it had: those that it has got since are read from their first record. None
    /// before it was found.
    partitions: usize,
    /// Where the topology began to read it.
    begins: Begins,
}

impl Began {
    fn is_new(&self) -> bool {
        self.partitions == 0
    }
}

/// What reads the topic.
struct Client {
    consumer: Arc<BaseConsumer<Heard>>,
    context: Context,
    findings: Receiver<Result<Found, ReadError>>,
    look: Arc<Notify>,
    gone: Arc<AtomicBool>,
    /// The finder has found something, or the client has said something.
    news: Arc<AtomicBool>,
    /// Whether the topic was found since the spout was opened.
    found: bool,
    /// Something is odd: nothing is read before it is known what the topic is.
    checks: Option<Check>,
}

/// What is odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// The topic may not be there, or be another one.
    Topic,
    /// The broker does not have an offset that was asked for.
    Offsets,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::Relaxed);
        self.look.notify_one();
    }
}

/// What the spout states of what it reads.
#[derive(Serialize)]
struct Reads {
    reads: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'static str>,
    /// Of event times.
    #[serde(skip_serializing_if = "Option::is_none")]
    lateness_ms: Option<u128>,
}

impl ReadTopic {
    /// The spout that emits what `decode` makes of each message; an error of `decode` sends the
    /// message to the dead letters, with topic, partition and offset.
    #[must_use]
    pub fn decode<S, F>(&self, decode: F) -> KafkaSpout<S, Decoder<F>>
    where
        S: Streams,
        F: FnMut(&Message<'_>, &mut Out<S>) -> Result + Send + 'static,
    {
        KafkaSpout::new(self.clone(), Decoder(decode))
    }

    /// As [`ReadTopic::decode`], where each tuple is given its event time:
    /// `out.at(time).emit(tuple)`.
    #[must_use]
    pub fn decode_at<S, F>(&self, decode: F) -> KafkaSpout<S, TimedDecoder<F>>
    where
        S: Streams,
        F: FnMut(&Message<'_>, &mut MessageOut<'_, S>) -> Result + Send + 'static,
    {
        KafkaSpout::new(self.clone(), TimedDecoder(decode))
    }

    /// The spout with a decoder of another kind: one that has state, or that gives times only
    /// sometimes.
    #[must_use]
    pub fn decoded_by<S: Streams, D: Decode<S>>(&self, decoder: D) -> KafkaSpout<S, D> {
        KafkaSpout::new(self.clone(), decoder)
    }

    /// The spout that reads each message as a tuple in JSON.
    #[must_use]
    pub fn json<T>(&self) -> KafkaSpout<T, Json<T>>
    where
        T: Tuple + DeserializeOwned + Streams + StreamAt<0, Item = T>,
    {
        KafkaSpout::new(self.clone(), Json(PhantomData))
    }

    /// As [`ReadTopic::json`], by the event time that `time` takes of each tuple.
    #[must_use]
    pub fn json_at<T, F>(&self, time: F) -> KafkaSpout<T, TimedJson<T, F>>
    where
        T: Tuple + DeserializeOwned + Streams + StreamAt<0, Item = T>,
        F: FnMut(&T) -> Timestamp + Send + 'static,
    {
        KafkaSpout::new(self.clone(), TimedJson(time, PhantomData))
    }
}

impl<S, D> KafkaSpout<S, D>
where
    S: Streams,
    D: Decode<S>,
{
    fn new(topic: ReadTopic, decode: D) -> Self {
        Self {
            topic,
            decode,
            // Two tasks have the same partition only where one of them had it later.
            positions: Table::new().merged(|kept, other| *kept = (*kept).max(other)),
            began: Value::new(Began::default()).shared(|one, other| match (one, other) {
                (one, other) if one.is_new() => other.clone(),
                (one, other) if other.is_new() => one.clone(),
                (one, other) => one.min(other).clone(),
            }),
            client: None,
            partitions: Partitions::default(),
            ended: false,
            output: PhantomData,
        }
    }

    fn consumer(&self, context: &Context) -> Result<BaseConsumer<Heard>, ReadError> {
        let kafka = &self.topic.kafka;
        let config = kafka.client(
            &[
                ("queued.max.messages.kbytes", "16384"),
                ("reconnect.backoff.max.ms", "2000"),
                // The end of a partition is found when a fetch without records is answered.
                ("fetch.wait.max.ms", "100"),
                ("fetch.error.backoff.ms", "100"),
            ],
            &[
                ("group.id", self.topic.group.as_deref().unwrap_or("squall")),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                ("enable.partition.eof", "true"),
                ("auto.offset.reset", "error"),
                ("isolation.level", "read_committed"),
                ("allow.auto.create.topics", "false"),
                ("statistics.interval.ms", "250"),
            ],
        );
        let consumer = config.create_with_context(Heard::of(kafka.brokers()));
        let mut consumer: BaseConsumer<Heard> =
            consumer.map_err(|error: KafkaError| ReadError::Options {
                reason: error.to_string(),
            })?;
        native::separate(consumer.client());
        let waker = context.waker.clone();
        consumer.set_nonempty_callback(move || waker.wake_by_ref());
        Ok(consumer)
    }

    /// Looks at all but messages: what was found of the topic, what the client says of its brokers.
    fn look(&mut self, out: &mut SpoutOut<S>) -> Result {
        let client = self.client.as_mut().ok_or(NOT_OPENED)?;
        match client.findings.try_recv() {
            Ok(Ok(found)) => return self.take_found(&found, out),
            Ok(Err(error)) => return Err(Fatal::new(self.now_gone(error)).into()),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                return Err("the search for the topic has ended".into());
            }
        }
        let heard = client.consumer.context();
        if let Some(refusal) = heard.take_trouble().filter(Trouble::is_refusal)
            && !client.found
        {
            let brokers = heard.brokers().to_owned();
            let reason = refusal.reason;
            return Err(Fatal::new(ReadError::Refused { brokers, reason }).into());
        }
        if let Some(statistics) = heard.take_statistics()
            && client.found
        {
            let (topic, context) = (&self.topic.topic, &client.context);
            let looked = self.partitions.look(topic, &statistics, context, out);
            let Looked { trouble, anew } = looked.map_err(|error| client.failed(&error))?;
            if let Some(trouble) = trouble {
                let brokers = heard.brokers();
                let reason = heard.last_reason();
                let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
                let status = &client.context.status;
                status.waits(format!("Kafka at `{brokers}`: {trouble}{reason}"));
            } else {
                heard.forget_reason();
                client.context.status.goes_on();
            }
            if anew.count() > 0 {
                let sought = client.consumer.seek_partitions(anew, Duration::ZERO);
                sought.map_err(|error| client.failed(&error))?;
            }
        }
        Ok(())
    }

    /// A topic that was there is not missing by mistake.
    fn now_gone(&self, error: ReadError) -> ReadError {
        match error {
            ReadError::NoTopic { topic, brokers } if !self.began.is_new() => {
                ReadError::Deleted { topic, brokers }
            }
            error => error,
        }
    }

    /// Begins to read what is new in the topic, where it is the one that was read before.
    fn take_found(&mut self, found: &Found, out: &mut SpoutOut<S>) -> Result {
        let client = self.client.as_mut().ok_or(NOT_OPENED)?;
        client.context.status.goes_on();
        let checks = client.checks.take();
        let first = !std::mem::replace(&mut client.found, true);
        let component = &client.context.component;
        let topic = &self.topic;
        if self.began.is_new() {
            *self.began = Began {
                id: found.id.clone(),
                partitions: found.partitions,
                begins: topic.begins.unwrap_or_default(),
            };
        } else if ![&found.id, &self.began.id].contains(&&String::new())
            && found.id != self.began.id
        {
            return Err(Fatal::new(ReadError::MadeAnew {
                topic: topic.topic.to_string(),
                component: component.clone(),
                stored: self.began.id.clone(),
                found: found.id.clone(),
            })
            .into());
        }
        if checks == Some(Check::Offsets) {
            self.partitions
                .check(found, &topic.topic, component)
                .map_err(Fatal::new)?;
        }
        let mut changed = checks == Some(Check::Offsets);
        if first {
            let gone = self.positions.iter().map(|(number, _)| *number);
            let gone = gone.filter(|number| !found.mine.contains_key(number)).min();
            if let Some(partition) = gone {
                return Err(Fatal::new(ReadError::PartitionGone {
                    topic: topic.topic.to_string(),
                    partition,
                    component: component.clone(),
                    found: found.partitions,
                })
                .into());
            }
        }
        for (&number, &bounds) in &found.mine {
            if self.partitions.has(number) {
                continue;
            }
            let is_new = usize::try_from(number).is_ok_and(|at| at >= self.began.partitions);
            let begins = if is_new { bounds.first } else { bounds.begins };
            let position = self.positions.get(&number).copied();
            let partition = Partition::open(
                number,
                position,
                begins,
                topic.until_end.then(|| topic.end(number, bounds.end)),
                out,
            );
            if position.is_some() {
                partition
                    .check(bounds, &topic.topic, component)
                    .map_err(Fatal::new)?;
            }
            self.partitions.add(partition);
            changed = true;
        }
        if self.partitions.is_empty() {
            // Others read, and nothing is to be waited for here.
            out.idle();
        }
        self.partitions.close_read(out);
        if changed {
            let assigned = self.partitions.assignment(&topic.topic);
            let assigned = assigned.and_then(|partitions| client.consumer.assign(&partitions));
            assigned.map_err(|error| client.failed(&error))?;
        }
        Ok(())
    }

    /// Emits what a message has.
    fn take(&mut self, message: &Message<'_>, out: &mut SpoutOut<S>) -> Result {
        let (number, offset) = (message.partition(), message.offset());
        let Some(partition) = self.partitions.get(number) else {
            return Ok(());
        };
        if !partition.takes(offset) {
            self.partitions.close_read(out);
            return Ok(());
        }
        let split = partition.split;
        if partition.is_at_its_end() {
            self.ended = true;
        }
        out.read(1);
        let mut into = MessageOut {
            out: &mut *out,
            split,
            message,
        };
        let timed = if self.topic.message_time {
            message.timestamp().map(|time| _ = into.at(time))
        } else {
            Ok(())
        };
        let decoded = match timed {
            Ok(()) => self.decode.decode(message, into),
            Err(error) => Err(error.into()),
        };
        if std::mem::take(&mut self.ended) {
            self.partitions.close_read(out);
        }
        if let Err(error) = decoded {
            out.refuse_record(error, &content(message), |error| {
                let (source, offset) = place(message);
                DeadLetter {
                    source,
                    line: Some(offset),
                    reason: error.to_string(),
                    tuple: None,
                }
            })?;
        }
        Ok(())
    }

    /// What an error of the client means.
    fn on_error(&mut self, error: &KafkaError, out: &mut SpoutOut<S>) -> Result {
        let client = self.client.as_mut().ok_or(NOT_OPENED)?;
        match error {
            KafkaError::PartitionEOF(number) => {
                let end = client.consumer.context().take_end();
                let end = end.ok_or("librdkafka does not say where the partition ends")?;
                if let Some(partition) = self.partitions.get(*number) {
                    partition.found_end(end);
                }
                self.partitions.close_read(out);
                return Ok(());
            }
            KafkaError::MessageConsumptionFatal(_) => return Err(client.failed(error)),
            _ => {}
        }
        if let Some(
            code @ (RDKafkaErrorCode::NotImplemented
            | RDKafkaErrorCode::BadCompression
            | RDKafkaErrorCode::BadMessage
            | RDKafkaErrorCode::MessageSizeTooLarge),
        ) = error.rdkafka_error_code()
        {
            // It is asked for again and again, and does not change.
            let (topic, component) = (self.topic.topic.to_string(), &client.context.component);
            let reason = client.consumer.context().last_reason();
            return Err(Fatal::new(ReadError::Unreadable {
                topic,
                component: component.clone(),
                reason: reason.unwrap_or_else(|| code.to_string()),
            })
            .into());
        }
        client.checks = match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset) => Some(Check::Offsets),
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::UnknownPartition
                | RDKafkaErrorCode::UnknownTopicId,
            ) => client.checks.or(Some(Check::Topic)),
            _ => client.checks,
        };
        if client.checks.is_some() {
            client.look.notify_one();
            self.partitions.doubt(out);
        }
        self.look(out)
    }
}

impl Client {
    /// The client cannot go on. A durable run is restored with another one.
    fn failed(&self, error: &KafkaError) -> squall::BoxError {
        let reason = match self.consumer.context().last_reason() {
            Some(reason) => format!("{error}: {reason}"),
            None => error.to_string(),
        };
        let component = self.context.component.clone();
        ReadError::Client { component, reason }.into()
    }
}

const NOT_OPENED: &str = "the spout was not opened";

impl<S, D> Spout for KafkaSpout<S, D>
where
    S: Streams,
    D: Decode<S>,
{
    type Output = S;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<S>) -> Result {
        if self.decode.gives_times() && self.topic.message_time {
            return Err(
                "the times of the messages are given twice, by the decoder and by \
                 `message_time`: give them once"
                    .into(),
            );
        }
        let begun = (!self.began.is_new()).then_some(self.began.begins);
        self.topic.check_begun(begun)?;
        let (task, tasks) = (context.task, context.parallelism);
        self.positions
            .retain(|number, _| usize::try_from(*number).is_ok_and(|at| at % tasks == task));
        let consumer = Arc::new(self.consumer(context)?);
        let (tell, findings) = channel();
        let (look, gone) = (Arc::<Notify>::default(), Arc::<AtomicBool>::default());
        let news = Arc::<AtomicBool>::default();
        let finder = Finder {
            consumer: Arc::clone(&consumer),
            topic: Arc::clone(&self.topic.topic),
            begins: begun.or(self.topic.begins).unwrap_or_default(),
            is_known: begun.is_some(),
            until_end: self.topic.until_end,
            every: self.topic.partitions_every,
            task,
            tasks,
            status: context.status.clone(),
            waker: context.waker.clone(),
            look: Arc::clone(&look),
            gone: Arc::clone(&gone),
            news: Arc::clone(&news),
            tell,
        };
        // It ends with the client.
        context.runtime()?.spawn(finder.run());
        self.client = Some(Client {
            consumer,
            context: context.clone(),
            findings,
            look,
            gone,
            news,
            found: false,
            checks: None,
        });
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<S>) -> Result<Next> {
        let client = self.client.as_ref().ok_or(NOT_OPENED)?;
        if client.checks.is_some() && !client.news.load(Ordering::Relaxed) {
            // What the topic is will be said by a finding, which wakes this task.
            return Ok(Next::Idle);
        }
        if client.found && self.topic.until_end && self.partitions.are_read() {
            return Ok(Next::End);
        }
        let consumer = Arc::clone(&client.consumer);
        if client.news.swap(false, Ordering::Acquire) {
            // It may tell that a partition is not idle, of which a message is next.
            self.look(out)?;
            return Ok(Next::More);
        }
        let said = consumer.context().said();
        match consumer.poll(Duration::ZERO) {
            Some(Ok(message)) => {
                self.take(&Message(message), out)?;
                Ok(Next::More)
            }
            Some(Err(error)) => {
                self.on_error(&error, out)?;
                Ok(Next::More)
            }
            // The client has told its context something, and a message may be behind that.
            None if consumer.context().said() != said => Ok(Next::More),
            None => Ok(Next::Idle),
        }
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.partitions.note(&mut self.positions);
        let client = self.client.as_ref().filter(|_| self.topic.group.is_some());
        let consumer = client.map(|client| Arc::clone(&client.consumer));
        let topic = &self.topic.topic;
        states.keep_and_tell("positions", &mut self.positions, |positions| {
            let tell = consumer.as_ref().map(|consumer| {
                let mut read = TopicPartitionList::new();
                for (number, next) in positions.iter() {
                    let next = rdkafka::Offset::Offset(*next);
                    // An offset is never negative, which is all that is refused.
                    let _ = read.add_partition_offset(topic, *number, next);
                }
                (Arc::clone(consumer), read)
            });
            move || {
                if let Some((consumer, read)) = tell {
                    // The group is for who looks on: the next commit tells it anew.
                    let _ = consumer.commit(&read, CommitMode::Async);
                }
            }
        });
        states.keep("topic", &mut self.began);
    }

    fn meaning(&self) -> Meaning {
        Meaning::of(&Reads {
            reads: format!("Kafka topic {}", self.topic.topic),
            time: self.topic.message_time.then_some("of the message"),
            lateness_ms: (self.domain() == TimeDomain::Event)
                .then_some(self.topic.lateness.as_millis()),
        })
    }

    fn domain(&self) -> TimeDomain {
        if self.decode.gives_times() || self.topic.message_time {
            TimeDomain::Event
        } else {
            TimeDomain::Processing
        }
    }

    fn lateness(&self) -> Duration {
        self.topic.lateness
    }
}

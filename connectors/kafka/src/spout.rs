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
use tokio::task::JoinHandle;

use squall::error::Fatal;
use squall::state::Meaning;
use squall::stream::{StreamAt, Streams};
use squall::time::TimeDomain;
use squall::tuple::DeadLetter;
use squall::{Context, Next, Out, Result, Spout, SpoutOut, States, Table, Timestamp, Tuple, Value};

use crate::decode::{Decode, Decoder, Json, MessageOut, TimedDecoder, TimedJson, content, place};
use crate::error::ReadError;
use crate::find::{Finder, Found};
use crate::heard::Heard;
use crate::message::Message;
use crate::read::ReadTopic;
use partitions::{Partition, Partitions};

/// After so many messages the spout looks at what else its client has to say.
const MESSAGES_AT_ONCE: u32 = 1_024;

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
    /// Messages until the next look at other things.
    until_look: u32,
    output: PhantomData<fn() -> S>,
}

/// What a topic was at the first start.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Began {
    /// Its id; empty before it was found.
    id: String,
    /// How many partitions it had: those that it has got since are read from their first record.
    partitions: usize,
    /// Where the topology began to read it.
    begins: String,
}

/// What reads the topic.
struct Client {
    consumer: Arc<BaseConsumer<Heard>>,
    context: Context,
    findings: Receiver<Result<Found, ReadError>>,
    look: Arc<Notify>,
    gone: Arc<AtomicBool>,
    finder: JoinHandle<()>,
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
        self.finder.abort();
    }
}

/// What the spout states of what it reads.
#[derive(Serialize)]
struct Reads {
    reads: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'static str>,
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
                (Began { begins, .. }, other) if begins.is_empty() => other.clone(),
                (one, Began { begins, .. }) if begins.is_empty() => one.clone(),
                (one, other) => one.min(other).clone(),
            }),
            client: None,
            partitions: Partitions::default(),
            until_look: MESSAGES_AT_ONCE,
            output: PhantomData,
        }
    }

    fn consumer(&self, context: &Context) -> Result<BaseConsumer<Heard>, ReadError> {
        let kafka = &self.topic.kafka;
        let config = kafka.client(
            &[
                ("queued.max.messages.kbytes", "16384"),
                ("reconnect.backoff.max.ms", "2000"),
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
        let waker = context.waker.clone();
        consumer.set_nonempty_callback(move || waker.wake_by_ref());
        Ok(consumer)
    }

    /// Looks at all but messages: what was found of the topic, what the client says of its brokers.
    fn look(&mut self, out: &mut SpoutOut<S>) -> Result {
        self.until_look = MESSAGES_AT_ONCE;
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
        if let Some(trouble) = heard.take_trouble()
            && !client.found
        {
            if trouble.is_refusal() {
                let brokers = heard.brokers().to_owned();
                let reason = trouble.reason;
                return Err(Fatal::new(ReadError::Refused { brokers, reason }).into());
            }
            client.context.status.waits(format!(
                "the Kafka brokers at `{}` do not answer: {}",
                heard.brokers(),
                trouble.reason
            ));
        }
        if let Some(statistics) = heard.take_statistics()
            && client.found
        {
            let topic = &self.topic.topic;
            let trouble = self
                .partitions
                .look(topic, &statistics, &client.context, out);
            match trouble {
                Some(trouble) => {
                    let brokers = heard.brokers();
                    let reason = heard.last_reason();
                    let reason = reason.map_or(String::new(), |reason| format!(" ({reason})"));
                    let status = &client.context.status;
                    status.waits(format!("Kafka at `{brokers}`: {trouble}{reason}"));
                }
                None => {
                    heard.forget_reason();
                    client.context.status.goes_on();
                }
            }
            if self.partitions.are_back() {
                let assigned = self.partitions.assignment(topic);
                let assigned = assigned.and_then(|all| client.consumer.assign(&all));
                assigned.map_err(|error| client.failed(&error))?;
            }
        }
        Ok(())
    }

    /// A topic that was there is not missing by mistake.
    fn now_gone(&self, error: ReadError) -> ReadError {
        match error {
            ReadError::NoTopic { topic, brokers } if !self.began.begins.is_empty() => {
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
        if self.began.begins.is_empty() {
            *self.began = Began {
                id: found.id.clone(),
                partitions: found.partitions,
                begins: topic.begins.unwrap_or_default().to_string(),
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
            let partition = Partition::open(
                number,
                self.positions.get(&number).copied(),
                begins,
                topic.until_end.then(|| topic.end(number, bounds.end)),
                out,
            );
            partition
                .check(bounds, &topic.topic, component)
                .map_err(Fatal::new)?;
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
        }
        self.look(out)
    }
}

impl Client {
    /// The client cannot go on, and another one would not either.
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
        self.topic.check_begun(&self.began.begins)?;
        let (task, tasks) = (context.task, context.parallelism);
        self.positions
            .retain(|number, _| usize::try_from(*number).is_ok_and(|at| at % tasks == task));
        let consumer = Arc::new(self.consumer(context)?);
        let (tell, findings) = channel();
        let (look, gone) = (Arc::<Notify>::default(), Arc::<AtomicBool>::default());
        let finder = Finder {
            consumer: Arc::clone(&consumer),
            topic: Arc::clone(&self.topic.topic),
            begins: self.topic.begins.unwrap_or_default(),
            until_end: self.topic.until_end,
            every: self.topic.partitions_every,
            task,
            tasks,
            status: context.status.clone(),
            waker: context.waker.clone(),
            look: Arc::clone(&look),
            gone: Arc::clone(&gone),
            tell,
        };
        self.client = Some(Client {
            consumer,
            context: context.clone(),
            findings,
            look,
            gone,
            finder: context.runtime()?.spawn(finder.run()),
            found: false,
            checks: None,
        });
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<S>) -> Result<Next> {
        let client = self.client.as_ref().ok_or(NOT_OPENED)?;
        if client.checks.is_some() {
            // What the topic is will be said by a finding, which wakes this task.
            self.look(out)?;
            let checks = |client: &Client| client.checks.is_some();
            let waits = self.client.as_ref().is_some_and(checks);
            return Ok(if waits { Next::Idle } else { Next::More });
        }
        if client.found && self.topic.until_end && self.partitions.are_read() {
            return Ok(Next::End);
        }
        let consumer = Arc::clone(&client.consumer);
        let said = consumer.context().said();
        match consumer.poll(Duration::ZERO) {
            Some(Ok(message)) => {
                self.take(&Message(message), out)?;
                self.until_look -= 1;
                if self.until_look == 0 {
                    self.look(out)?;
                }
                Ok(Next::More)
            }
            Some(Err(error)) => {
                self.on_error(&error, out)?;
                Ok(Next::More)
            }
            None => {
                self.look(out)?;
                // The client may have said something instead of giving a message that is there.
                if consumer.context().said() != said {
                    return Ok(Next::More);
                }
                self.partitions.settle(out);
                Ok(Next::Idle)
            }
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

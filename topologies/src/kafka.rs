//! Topics of Kafka as options: `kafka://HOST:PORT/TOPIC`.

use std::sync::Arc;

use squall::connectors::files::{EventTime, Record};
use squall::stream::Streams;
use squall::{Out, Result};
use squall_kafka::decode::{Decode, MessageOut};
use squall_kafka::{Kafka, KafkaSpout, Message, ReadTopic};

use crate::connections::Connections;
use crate::position::{From, Position};
use crate::wrong::WrongUse;

/// How a topic is named.
pub(crate) const SCHEME: &str = "kafka://";

/// A topic, and the cluster that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicAt {
    /// The cluster.
    pub kafka: Kafka,
    /// The topic.
    pub topic: String,
}

impl TopicAt {
    /// What an option names.
    ///
    /// # Errors
    /// Where there is no topic, or a password stands in it, which is not told.
    pub fn parse(
        option: &'static str,
        text: &str,
        connections: &Connections,
    ) -> Result<Self, WrongUse> {
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        if rest.contains('@') {
            return Err(WrongUse::SecretInAddress {
                option,
                property: "kafka.sasl.password",
                variable: "SQUALL_KAFKA_SASL_PASSWORD",
            });
        }
        let wrong = || WrongUse::Address {
            option,
            given: text.to_owned(),
            expected: "kafka://HOST:PORT/TOPIC, with several brokers separated by commas",
        };
        let (brokers, topic) = rest.split_once('/').ok_or_else(wrong)?;
        if brokers.is_empty() || topic.is_empty() || topic.contains(['/', '?', '#']) {
            return Err(wrong());
        }
        let mut kafka = Kafka::at(brokers);
        for (name, value) in connections.of("kafka") {
            kafka = kafka.option(name, value)?;
        }
        let topic = topic.to_owned();
        Ok(Self { kafka, topic })
    }

    /// To be read as records.
    #[must_use]
    pub fn read(&self, position: &Position) -> TopicRecords {
        let read = self.kafka.read(&self.topic);
        let read = match position.from {
            None => read,
            Some(From::Beginning) => read.from_earliest(),
            Some(From::End) => read.from_latest(),
            Some(From::Time(time)) => read.from_timestamp(time),
        };
        let topic = if position.until_end {
            read.until_end()
        } else {
            read
        };
        TopicRecords { topic, time: None }
    }
}

/// The messages of a topic as records: an object of JSON has fields, everything else is text.
#[derive(Clone, Debug)]
pub struct TopicRecords {
    /// The topic.
    pub topic: ReadTopic,
    /// Where the time of a record is; none for the time of reading.
    pub time: Option<EventTime>,
}

impl TopicRecords {
    /// The spout that emits what `decode` makes of each record.
    pub fn decode<S, F>(&self, decode: F) -> KafkaSpout<S, RecordDecoder<F>>
    where
        S: Streams,
        F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
    {
        self.topic.decoded_by(RecordDecoder {
            decode,
            time: self.time.clone(),
            record: Record::new(),
            sources: Vec::new(),
        })
    }
}

/// Makes a record of each message.
pub struct RecordDecoder<F> {
    decode: F,
    time: Option<EventTime>,
    record: Record,
    /// What the records of each partition name as their source.
    sources: Vec<Option<Arc<str>>>,
}

impl<F> RecordDecoder<F> {
    fn source(&mut self, message: &Message<'_>) -> Arc<str> {
        let at = usize::try_from(message.partition()).unwrap_or(0);
        if self.sources.len() <= at {
            self.sources.resize(at + 1, None);
        }
        let source = self.sources[at].get_or_insert_with(|| {
            let (topic, partition) = (message.topic(), message.partition());
            format!("topic {topic}, partition {partition}").into()
        });
        Arc::clone(source)
    }
}

impl<S, F> Decode<S> for RecordDecoder<F>
where
    S: Streams,
    F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
{
    fn gives_times(&self) -> bool {
        self.time.is_some()
    }

    fn decode(&mut self, message: &Message<'_>, mut out: MessageOut<'_, S>) -> Result {
        let source = self.source(message);
        let offset = u64::try_from(message.offset()).unwrap_or(0);
        self.record.fill(message.text()?, &source, offset);
        match &self.time {
            Some(time) => {
                let time = time.of(&self.record)?;
                (self.decode)(&self.record, out.at(time))
            }
            None => (self.decode)(&self.record, out.untimed()),
        }
    }
}

//! What a client says of its brokers: errors, and how far each partition is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, NoCustomPartitioner, ProducerContext};
use serde::Deserialize;

/// Takes what a client says. Its callbacks run where the client is polled.
#[derive(Debug)]
pub(crate) struct Heard {
    brokers: String,
    news: Mutex<News>,
    /// How often the client has said something that is not a message. An atomic, since clients call
    /// back from several threads; nothing is ordered by it.
    said: AtomicU64,
}

#[derive(Debug, Default)]
struct News {
    trouble: Option<Trouble>,
    statistics: Option<Statistics>,
    undelivered: Option<RDKafkaErrorCode>,
    /// What the latest error of a connection was.
    reason: Option<String>,
    end: Option<i64>,
}

/// The end of a partition, in what librdkafka says with the event of it, which has it in no other way.
fn end_in(reason: &str) -> Option<i64> {
    let (_, rest) = reason.split_once("at offset ")?;
    let end = rest.find(|c: char| !c.is_ascii_digit());
    rest[..end.unwrap_or(rest.len())].parse().ok()
}

/// An error of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) reason: String,
}

impl Trouble {
    /// Whether the brokers have answered, and refuse us.
    pub(crate) fn is_refusal(&self) -> bool {
        match self.code {
            RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnsupportedSASLMechanism => true,
            // A connection that ends in its handshake says SSL, too.
            RDKafkaErrorCode::SSL => self.reason.contains("verify failed"),
            _ => false,
        }
    }
}

/// What is used of librdkafka's statistics; see its `STATISTICS.md`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Statistics {
    brokers: BTreeMap<String, BrokerStatistics>,
    topics: BTreeMap<String, TopicStatistics>,
}

#[derive(Clone, Debug, Deserialize)]
struct BrokerStatistics {
    nodeid: i32,
    nodename: String,
    state: String,
    /// Requests that are not answered.
    waitresp_cnt: i64,
    /// Microseconds since something came last.
    rxidle: i64,
}

#[derive(Clone, Debug, Deserialize)]
struct TopicStatistics {
    partitions: BTreeMap<i32, PartitionStatistics>,
}

/// How far a partition is, as of the latest answer of its broker.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PartitionStatistics {
    broker: i32,
    /// The end, transactions that are open included. It and the next are below zero where the latest
    /// fetch was refused.
    pub(crate) hi_offset: i64,
    /// The end for who reads what is committed.
    pub(crate) ls_offset: i64,
}

/// Brokers answer a request for records within half a second, with records or without; one that owes
/// an answer and has said nothing for so long, in microseconds, is away or slow. (One that is asked
/// for nothing, since enough waits to be taken, says nothing either.)
const MAX_SILENCE_US: i64 = 2_000_000;

impl Statistics {
    pub(crate) fn partition(&self, topic: &str, partition: i32) -> Option<&PartitionStatistics> {
        self.topics.get(topic)?.partitions.get(&partition)
    }

    /// What is wrong with the broker of a partition; none where it answers.
    pub(crate) fn trouble_of(&self, partition: &PartitionStatistics) -> Option<String> {
        let mut brokers = self.brokers.values();
        match brokers.find(|broker| broker.nodeid == partition.broker && partition.broker >= 0) {
            None => Some("no broker leads it".to_owned()),
            Some(BrokerStatistics {
                state, nodename, ..
            }) if state != "UP" => Some(format!("its broker {nodename} is away")),
            Some(BrokerStatistics {
                waitresp_cnt,
                rxidle,
                nodename,
                ..
            }) if *waitresp_cnt > 0 && !(0..MAX_SILENCE_US).contains(rxidle) => {
                Some(format!("its broker {nodename} does not answer"))
            }
            Some(_) => None,
        }
    }
}

impl Heard {
    /// Of a client of these brokers.
    pub(crate) fn of(brokers: &str) -> Self {
        Self {
            brokers: brokers.to_owned(),
            news: Mutex::default(),
            said: AtomicU64::new(0),
        }
    }

    /// The addresses that the client was given.
    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// How often the client has said something.
    pub(crate) fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }

    fn says(&self) {
        self.said.fetch_add(1, Ordering::Relaxed);
    }

    /// The connections are well.
    pub(crate) fn forget_reason(&self) {
        self.with(|news| news.reason = None);
    }

    /// What the latest error of a connection was.
    pub(crate) fn last_reason(&self) -> Option<String> {
        self.with(|news| news.reason.clone())
    }

    /// The latest error of a connection, once.
    pub(crate) fn take_trouble(&self) -> Option<Trouble> {
        self.with(|news| news.trouble.take())
    }

    /// The latest statistics, once.
    pub(crate) fn take_statistics(&self) -> Option<Statistics> {
        self.with(|news| news.statistics.take())
    }

    /// The end that was found last, once.
    pub(crate) fn take_end(&self) -> Option<i64> {
        self.with(|news| news.end.take())
    }

    /// The first reason why a record was not delivered since it was asked last.
    pub(crate) fn take_undelivered(&self) -> Option<RDKafkaErrorCode> {
        self.with(|news| news.undelivered.take())
    }

    fn with<T>(&self, does: impl FnOnce(&mut News) -> T) -> T {
        // It is whole at every moment, so a panic elsewhere does not matter.
        does(&mut self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Heard {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        // What matters comes as an error, too, and is told as what a task waits for.
        tracing::debug!(target: "librdkafka", "{level:?} {facility}: {message}");
    }

    fn stats_raw(&self, statistics: &[u8]) {
        match serde_json::from_slice(statistics) {
            Ok(statistics) => self.with(|news| news.statistics = Some(statistics)),
            Err(error) => tracing::debug!("cannot read the statistics of librdkafka: {error}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else {
            return;
        };
        if code == RDKafkaErrorCode::PartitionEOF {
            self.with(|news| news.end = end_in(reason));
            return;
        }
        self.with(|news| {
            // That all brokers are down says less than why one is.
            if code != RDKafkaErrorCode::AllBrokersDown || news.trouble.is_none() {
                let reason = reason.to_owned();
                news.reason = Some(reason.clone());
                news.trouble = Some(Trouble { code, reason });
            }
        });
    }
}

impl ConsumerContext for Heard {
    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        self.says();
        if let Err(error) = result {
            tracing::debug!("the consumer group was not told how far the topic is read: {error}");
        }
    }
}

impl ProducerContext<NoCustomPartitioner> for Heard {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            let code = error.rdkafka_error_code();
            self.with(|news| {
                if news.undelivered.is_none() {
                    news.undelivered = code.or(Some(RDKafkaErrorCode::Fail));
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_partition_is_in_the_words_of_its_event() {
        let reason = "Fetch from broker 1 reached end of partition at offset 41 (HighwaterMark 43)";
        assert_eq!(end_in(reason), Some(41));
        assert_eq!(end_in("Broker: No more messages"), None);
    }
}

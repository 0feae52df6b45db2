//! Finds the partitions of a topic, where they begin and end, and whether it still is that topic.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::task::Waker;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};
use tokio::sync::Notify;

use squall::run::Status;

use crate::error::ReadError;
use crate::heard::Heard;
use crate::native;
use crate::read::Begins;

/// How long one question to a broker may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pauses between questions that nobody answers: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A topic that is not there is asked for so often: one that was just made is not known to all
/// brokers, and a broker that has just begun may not know those that were there before.
const UNKNOWN_TRIES: u32 = 6;
const UNKNOWN_TRIES_OF_KNOWN: u32 = 30;
const UNKNOWN_PAUSE: Duration = Duration::from_millis(500);

/// What a client says waits so long at most.
const SERVES: Duration = Duration::from_millis(50);

/// What was found of the topic.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Its id; empty where the cluster gives none.
    pub(crate) id: String,
    /// How many partitions it has.
    pub(crate) partitions: usize,
    /// Those of the task.
    pub(crate) mine: BTreeMap<i32, Bounds>,
}

/// Where a partition begins and ends, and where a new topology begins in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) first: i64,
    pub(crate) end: i64,
    pub(crate) begins: i64,
}

/// What finds it.
pub(crate) struct Finder {
    pub(crate) consumer: Arc<BaseConsumer<Heard>>,
    pub(crate) topic: Arc<str>,
    pub(crate) begins: Begins,
    pub(crate) until_end: bool,
    /// New partitions are looked for so often.
    pub(crate) every: Duration,
    pub(crate) task: usize,
    pub(crate) tasks: usize,
    pub(crate) status: Status,
    pub(crate) waker: Waker,
    /// Called for when something is odd.
    pub(crate) look: Arc<Notify>,
    /// Set by the spout when it is gone.
    pub(crate) gone: Arc<AtomicBool>,
    /// Set where the spout is to look at something.
    pub(crate) news: Arc<AtomicBool>,
    /// An earlier run has read the topic.
    pub(crate) is_known: bool,
    pub(crate) tell: Sender<Result<Found, ReadError>>,
}

/// Why nothing was found.
enum NotFound {
    /// It may be another time.
    Yet(String),
    Never(ReadError),
}

impl Finder {
    /// Finds the topic, and looks again for new partitions; ends with the spout, or with an error.
    /// Meanwhile it takes what the client says of its brokers.
    pub(crate) async fn run(self) {
        let finder = Arc::new(self);
        let serves = Arc::clone(&finder);
        tokio::select! {
            () = Arc::clone(&finder).finds() => {}
            () = serves.serves() => {}
        }
        // A consumer that closes waits, and nobody waits on the thread of all clients.
        tokio::task::spawn_blocking(move || {
            native::rejoin(finder.consumer.client());
            drop(finder);
        });
    }

    /// Gives the spout what its client says; ends with it.
    async fn serves(self: Arc<Self>) {
        while !self.gone.load(Ordering::Relaxed) {
            if native::serve(self.consumer.client()) {
                self.wake();
            }
            tokio::time::sleep(SERVES).await;
        }
    }

    async fn finds(self: Arc<Self>) {
        let (mut pause, mut unknown, mut found_once) = (FIRST_PAUSE, 0, false);
        while !self.gone.load(Ordering::Relaxed) {
            let asks = Arc::clone(&self);
            let found = tokio::task::spawn_blocking(move || asks.find()).await;
            let tries = if self.is_known || found_once {
                UNKNOWN_TRIES_OF_KNOWN
            } else {
                UNKNOWN_TRIES
            };
            let wait = match found {
                Ok(Ok(found)) => {
                    (pause, unknown, found_once) = (FIRST_PAUSE, 0, true);
                    self.send(Ok(found));
                    Some(self.every).filter(|_| !self.until_end)
                }
                Ok(Err(NotFound::Never(error @ ReadError::NoTopic { .. }))) if unknown < tries => {
                    unknown += 1;
                    self.status.waits(error.to_string());
                    Some(UNKNOWN_PAUSE)
                }
                Ok(Err(NotFound::Never(error))) => {
                    self.send(Err(error));
                    // The spout ends the run.
                    return std::future::pending().await;
                }
                Ok(Err(NotFound::Yet(reason))) => {
                    if !found_once {
                        // Later the spout says what is wrong, by what its client says.
                        self.status.waits(reason);
                    }
                    let now = pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    Some(now)
                }
                // The runtime ends.
                Err(_) => return,
            };
            let called = self.look.notified();
            match wait {
                Some(wait) => _ = tokio::time::timeout(wait, called).await,
                None => called.await,
            }
        }
    }

    fn send(&self, found: Result<Found, ReadError>) {
        // Where the spout is gone nobody wants to know.
        let _ = self.tell.send(found);
        self.wake();
    }

    fn wake(&self) {
        self.news.store(true, Ordering::Release);
        self.waker.wake_by_ref();
    }

    /// What the brokers say now.
    fn find(&self) -> Result<Found, NotFound> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), PATIENCE);
        let metadata = metadata.map_err(|error| self.yet(&error))?;
        let about = metadata
            .topics()
            .iter()
            .find(|it| it.name() == &*self.topic);
        let about = about.ok_or_else(|| NotFound::Never(self.no_topic()))?;
        if let Some(error) = about.error() {
            return Err(self.of_topic(error.into()));
        }
        let id = native::topic_id(self.consumer.client(), &self.topic, PATIENCE);
        let id = id.map_err(|code| self.of_topic(code))?;
        let partitions = about.partitions().len();
        let mine = (0..partitions).filter(|number| number % self.tasks == self.task);
        let mine: Vec<i32> = mine
            .filter_map(|number| i32::try_from(number).ok())
            .collect();
        let mut bounds = BTreeMap::new();
        for number in mine {
            let asked = self
                .consumer
                .fetch_watermarks(&self.topic, number, PATIENCE);
            let (first, end) = asked.map_err(|error| self.yet(&error))?;
            let begins = match self.begins {
                Begins::Latest => end,
                Begins::Earliest | Begins::At(_) => first,
            };
            bounds.insert(number, Bounds { first, end, begins });
        }
        if let Begins::At(time) = self.begins {
            self.begin_at(time.millis(), &mut bounds)?;
        }
        Ok(Found {
            id,
            partitions,
            mine: bounds,
        })
    }

    /// Asks where the first records of a time are.
    fn begin_at(&self, millis: i64, bounds: &mut BTreeMap<i32, Bounds>) -> Result<(), NotFound> {
        if bounds.is_empty() {
            return Ok(());
        }
        let mut asked = TopicPartitionList::new();
        for number in bounds.keys() {
            let added = asked.add_partition_offset(&self.topic, *number, Offset::Offset(millis));
            added.map_err(|error| self.yet(&error))?;
        }
        let found = self.consumer.offsets_for_times(asked, PATIENCE);
        for element in found.map_err(|error| self.yet(&error))?.elements() {
            element.error().map_err(|error| self.yet(&error))?;
            if let Some(bounds) = bounds.get_mut(&element.partition()) {
                bounds.begins = match element.offset() {
                    Offset::Offset(offset) => offset,
                    _ => bounds.end,
                };
            }
        }
        Ok(())
    }

    fn no_topic(&self) -> ReadError {
        ReadError::NoTopic {
            topic: self.topic.to_string(),
            brokers: self.brokers(),
        }
    }

    fn brokers(&self) -> String {
        self.consumer.context().brokers().to_owned()
    }

    /// What an error about the topic means.
    fn of_topic(&self, code: RDKafkaErrorCode) -> NotFound {
        match code {
            RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::InvalidTopic => NotFound::Never(self.no_topic()),
            RDKafkaErrorCode::TopicAuthorizationFailed => NotFound::Never(ReadError::Forbidden {
                topic: self.topic.to_string(),
                brokers: self.brokers(),
            }),
            code => NotFound::Yet(format!(
                "the Kafka brokers at `{}` do not say what the topic `{}` is: {code}",
                self.brokers(),
                self.topic
            )),
        }
    }

    /// What an error of a question means.
    fn yet(&self, error: &KafkaError) -> NotFound {
        if let Some(
            code @ (RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            | RDKafkaErrorCode::TopicAuthorizationFailed),
        ) = error.rdkafka_error_code()
        {
            return self.of_topic(code);
        }
        let brokers = self.brokers();
        let why = self.consumer.context().last_reason();
        let why = why.unwrap_or_else(|| error.to_string());
        NotFound::Yet(format!(
            "the Kafka brokers at `{brokers}` do not answer: {why}"
        ))
    }
}

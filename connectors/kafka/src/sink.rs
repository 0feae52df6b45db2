//! A topic as a sink: tuples become records, and a commit is a transaction.

mod encode;
mod lane;
pub(crate) mod records;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tokio::task::JoinHandle;

use squall::error::Fatal;
use squall::run::Status;
use squall::{Context, Result, Sink, Tuple};

use crate::cluster::Kafka;
use crate::error::WriteError;
use lane::{Failure, Lane, Route};
use records::Records;

pub use encode::{Encode, KeyAndValue, ToRecords};

/// The pauses between tries: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A sink over a topic; made by [`Kafka::write`] and [`Kafka::write_records`].
///
/// With a data directory it delivers exactly once: what belongs to a commit is sent in one
/// transaction, together with the number of its epoch, which is the committed offset of a consumer
/// group of the sink. A `read_committed` consumer sees all of a commit or nothing. The transactional
/// id fences a second run that writes under the same id. Without a data directory there are no
/// transactions, and records may come again when brokers fail.
///
/// While the brokers are away or refuse, the sink waits and says for what; the run holds back, and
/// nothing is lost. A broker that cannot be reached when the run starts is waited for, too; a wrong
/// password or a topic that is not there is an error.
///
/// The position carries the identity of the data directory, which a reset or a restored backup
/// renews: such a directory would send other output under epochs that the topic has already, so it
/// is refused with both sides named ([`WriteError::OtherDirectory`]).
///
/// A group that nobody uses keeps its offsets for a week by default (`offsets.retention.minutes`): a
/// run that crashes during a delivery, and is started again after that, may send one commit twice.
pub struct KafkaSink<T, E = KeyAndValue<T>> {
    kafka: Kafka,
    topic: String,
    id: Option<String>,
    encode: E,
    records: Records,
    context: Option<Context>,
    /// By the task that has encoded what is sent: after a change of the parallelism a task delivers
    /// for another one.
    lanes: BTreeMap<u16, Lane>,
    /// The task's own lane, while it is being connected.
    connecting: Option<JoinHandle<Result<Lane>>>,
    run: u64,
    tuple: PhantomData<fn(&T)>,
}

/// The task that has encoded an outbox stands before its records.
const HEAD_BYTES: usize = 2;

impl Kafka {
    /// To write tuples to a topic, each as JSON without a key.
    pub fn write<T: Tuple + Serialize>(&self, topic: impl Into<String>) -> KafkaSink<T> {
        KafkaSink::new(self, topic.into(), KeyAndValue::json())
    }

    /// To write the records that `encode` makes of each tuple, none or several, with partitions and
    /// tombstones where they are wanted; an error ends the run.
    pub fn write_records<T, F>(
        &self,
        topic: impl Into<String>,
        encode: F,
    ) -> KafkaSink<T, ToRecords<F>>
    where
        T: Tuple,
        F: FnMut(&T, &mut Records) -> Result + Send + 'static,
    {
        KafkaSink::new(self, topic.into(), ToRecords(encode))
    }
}

impl<T: Tuple> KafkaSink<T> {
    /// Writes the key of each record: equal keys go to the same partition, the one that the Java
    /// client would choose.
    #[must_use]
    pub fn key(mut self, key: impl FnMut(&T, &mut Vec<u8>) + Send + 'static) -> Self {
        self.encode.key = Some(Box::new(key));
        self
    }

    /// Writes the value of each record, in place of JSON; an error ends the run.
    #[must_use]
    pub fn value(mut self, value: impl FnMut(&T, &mut Vec<u8>) -> Result + Send + 'static) -> Self {
        self.encode.value = Box::new(value);
        self
    }
}

impl<T: Tuple, E: Encode<T>> KafkaSink<T, E> {
    fn new(kafka: &Kafka, topic: String, encode: E) -> Self {
        Self {
            kafka: kafka.clone(),
            topic,
            id: None,
            encode,
            records: Records::new(),
            context: None,
            lanes: BTreeMap::new(),
            connecting: None,
            run: fastrand::u64(..),
            tuple: PhantomData,
        }
    }

    /// The id of the sink, by which the cluster knows it: its transactional id, and the group of its
    /// position, each followed by the number of the task. By default
    /// `squall/TOPOLOGY/COMPONENT/TOPIC`. Two runs do not write under one id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// The lane of a task.
    fn lane(&self, context: &Context, task: u16) -> Lane {
        let id = self.id.clone().unwrap_or_else(|| {
            let Context {
                topology,
                component,
                ..
            } = context;
            format!("squall/{topology}/{component}/{}", self.topic)
        });
        Lane::new(Route {
            kafka: self.kafka.clone(),
            topic: self.topic.clone(),
            id: format!("{id}/{task}"),
            identity: context.identity.filter(|_| context.durable),
            committed: context.resumed_from,
            run: self.run,
            status: context.status.clone(),
        })
    }

    /// The task's own lane, where it is connected by now.
    fn take_connected(&mut self, context: &Context) -> Result {
        if let Some(connecting) = self.connecting.take() {
            let lane = context.block_on(connecting)???;
            self.lanes.insert(u16::try_from(context.task)?, lane);
        }
        Ok(())
    }
}

/// What a lane does on a thread where it may block; gives it back.
async fn with<R: Send + 'static>(
    mut lane: Lane,
    does: impl FnOnce(&mut Lane) -> R + Send + 'static,
) -> Result<(Lane, R)> {
    let done = tokio::task::spawn_blocking(move || {
        let result = does(&mut lane);
        (lane, result)
    });
    Ok(done.await?)
}

/// Tries until it is done, or cannot be.
async fn insist(
    mut lane: Lane,
    status: &Status,
    does: impl Fn(&mut Lane) -> Result<(), Failure> + Clone + Send + 'static,
) -> Result<Lane> {
    let mut pause = FIRST_PAUSE;
    loop {
        let tried;
        (lane, tried) = with(lane, does.clone()).await?;
        match tried {
            Ok(()) => {
                status.goes_on();
                return Ok(lane);
            }
            // It may be refused or missing for a while.
            Err(Failure::Never(error))
                if matches!(
                    *error,
                    WriteError::Refused { .. } | WriteError::NoTopic { .. }
                ) =>
            {
                status.waits(error.to_string());
            }
            Err(Failure::Never(error)) => return Err(Fatal::new(*error).into()),
            Err(Failure::Yet(reason)) => status.waits(reason),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

const NOT_PREPARED: &str = "the sink was not prepared";

impl<T: Tuple, E: Encode<T>> Sink for KafkaSink<T, E> {
    type Input = T;

    fn prepare(&mut self, context: &Context) -> Result {
        self.context = Some(context.clone());
        let task = u16::try_from(context.task)?;
        let lane = self.lane(context, task);
        let (lane, connected) = context.block_on(with(lane, Lane::connect))??;
        match connected {
            Ok(()) => _ = self.lanes.insert(task, lane),
            Err(Failure::Yet(reason)) => {
                context.status.waits(reason);
                let status = context.status.clone();
                let connects = async move { insist(lane, &status, Lane::connect).await };
                self.connecting = Some(context.runtime()?.spawn(connects));
            }
            Err(Failure::Never(error)) => return Err(Fatal::new(*error).into()),
        }
        Ok(())
    }

    fn write(&mut self, tuples: &[T]) -> Result {
        for tuple in tuples {
            self.encode.encode(tuple, &mut self.records)?;
        }
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        if self.records.is_empty() {
            return Ok(None);
        }
        let context = self.context.as_ref().ok_or(NOT_PREPARED)?;
        let mut outbox = u16::try_from(context.task)?.to_le_bytes().to_vec();
        outbox.append(&mut self.records.take());
        Ok(Some(outbox))
    }

    fn waiting_bytes(&self) -> usize {
        self.records.as_bytes().len()
    }

    fn deliver(&mut self, outbox: &[u8], epoch: Option<u64>) -> Result {
        let context = self.context.clone().ok_or(NOT_PREPARED)?;
        self.take_connected(&context)?;
        let Some((task, records)) = outbox.split_first_chunk::<HEAD_BYTES>() else {
            let sink = context.name();
            return Err(Fatal::new(WriteError::Damaged { sink, at: 0 }).into());
        };
        let task = u16::from_le_bytes(*task);
        let lane = match self.lanes.remove(&task) {
            Some(lane) => lane,
            None => self.lane(&context, task),
        };
        let (records, status) = (Arc::new(records.to_vec()), context.status.clone());
        let delivers = move |lane: &mut Lane| lane.deliver(&records, epoch);
        let delivered = async move { insist(lane, &status, delivers).await };
        let lane = context.block_on(delivered)??;
        self.lanes.insert(task, lane);
        Ok(())
    }
}

impl<T, E> fmt::Debug for KafkaSink<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("kafka", &self.kafka)
            .field("topic", &self.topic)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

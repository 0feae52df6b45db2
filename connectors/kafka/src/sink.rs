//! A topic as a sink: tuples become records, and a commit is a transaction.

mod lane;
pub(crate) mod records;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use squall::error::Fatal;
use squall::{BoxError, Context, Result, Sink, Tuple};

use crate::cluster::Kafka;
use crate::error::WriteError;
use lane::{Failure, Lane, Route};
use records::Records;

/// The pauses between tries: the first, and the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A sink over a topic; made by [`Kafka::write`].
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
pub struct KafkaSink<T> {
    kafka: Kafka,
    topic: String,
    id: Option<String>,
    encode: Encode<T>,
    records: Records,
    context: Option<Context>,
    /// By the task that has encoded what is sent: after a change of the parallelism a task delivers
    /// for another one.
    lanes: BTreeMap<u16, Lane>,
}

type WriteKey<T> = Box<dyn FnMut(&T, &mut Vec<u8>) + Send>;
type WriteValue<T> = Box<dyn FnMut(&T, &mut Vec<u8>) -> Result + Send>;
type WriteRecords<T> = Box<dyn FnMut(&T, &mut Records) -> Result + Send>;

/// What makes records of a tuple.
enum Encode<T> {
    Pair(Option<WriteKey<T>>, WriteValue<T>),
    Records(WriteRecords<T>),
}

/// The task that has encoded an outbox stands before its records.
const HEAD_BYTES: usize = 2;

impl Kafka {
    /// To write tuples to a topic, each as JSON without a key.
    pub fn write<T: Tuple + Serialize>(&self, topic: impl Into<String>) -> KafkaSink<T> {
        let value = |tuple: &T, into: &mut Vec<u8>| Ok(serde_json::to_writer(into, tuple)?);
        KafkaSink {
            kafka: self.clone(),
            topic: topic.into(),
            id: None,
            encode: Encode::Pair(None, Box::new(value)),
            records: Records::new(),
            context: None,
            lanes: BTreeMap::new(),
        }
    }
}

impl<T: Tuple> KafkaSink<T> {
    /// Writes the key of each record: equal keys go to the same partition, the one that the Java
    /// client would choose.
    #[must_use]
    pub fn key(mut self, key: impl FnMut(&T, &mut Vec<u8>) + Send + 'static) -> Self {
        if let Encode::Pair(own, _) = &mut self.encode {
            *own = Some(Box::new(key));
        }
        self
    }

    /// Writes the value of each record, in place of JSON; an error ends the run.
    #[must_use]
    pub fn value(mut self, value: impl FnMut(&T, &mut Vec<u8>) -> Result + Send + 'static) -> Self {
        self.encode = match self.encode {
            Encode::Pair(key, _) => Encode::Pair(key, Box::new(value)),
            Encode::Records(_) => Encode::Pair(None, Box::new(value)),
        };
        self
    }

    /// The records of each tuple, none or several, with partitions and tombstones where they are
    /// wanted, in place of [`KafkaSink::key`] and [`KafkaSink::value`]; an error ends the run.
    #[must_use]
    pub fn records(
        mut self,
        records: impl FnMut(&T, &mut Records) -> Result + Send + 'static,
    ) -> Self {
        self.encode = Encode::Records(Box::new(records));
        self
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
            status: context.status.clone(),
        })
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

const NOT_PREPARED: &str = "the sink was not prepared";

impl<T: Tuple> Sink for KafkaSink<T> {
    type Input = T;

    fn prepare(&mut self, context: &Context) -> Result {
        self.context = Some(context.clone());
        let task = u16::try_from(context.task)?;
        let lane = self.lane(context, task);
        let (lane, connected) = context.block_on(with(lane, Lane::connect))??;
        self.lanes.insert(task, lane);
        match connected {
            Ok(()) => Ok(()),
            Err(Failure::Yet(reason)) => {
                context.status.waits(reason);
                Ok(())
            }
            Err(Failure::Never(error)) => Err(Fatal::new(*error).into()),
        }
    }

    fn write(&mut self, tuples: &[T]) -> Result {
        for tuple in tuples {
            match &mut self.encode {
                Encode::Pair(key, value) => {
                    let key = |into: &mut Vec<u8>| {
                        if let Some(key) = key {
                            key(tuple, into);
                        }
                        key.is_some()
                    };
                    let value = |into: &mut Vec<u8>| value(tuple, into);
                    self.records.push_with::<BoxError>(key, value)?;
                }
                Encode::Records(records) => records(tuple, &mut self.records)?,
            }
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
        let Some((task, records)) = outbox.split_first_chunk::<HEAD_BYTES>() else {
            let sink = context.name();
            return Err(Fatal::new(WriteError::Damaged { sink, at: 0 }).into());
        };
        let task = u16::from_le_bytes(*task);
        let mut lane = match self.lanes.remove(&task) {
            Some(lane) => lane,
            None => self.lane(&context, task),
        };
        let (records, status) = (
            std::sync::Arc::new(records.to_vec()),
            context.status.clone(),
        );
        let delivered = context.block_on(async move {
            let mut pause = FIRST_PAUSE;
            loop {
                let sends = std::sync::Arc::clone(&records);
                let tried;
                (lane, tried) = with(lane, move |lane| lane.deliver(&sends, epoch)).await?;
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
        })?;
        let lane: Result<Lane> = delivered;
        self.lanes.insert(task, lane?);
        Ok(())
    }
}

impl<T> fmt::Debug for KafkaSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSink")
            .field("kafka", &self.kafka)
            .field("topic", &self.topic)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

//! The partitions that a task reads, and how far it is in each.

use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use squall::spout::SplitId;
use squall::stream::Streams;
use squall::{Context, SpoutOut, Table};

use crate::error::ReadError;
use crate::find::{Bounds, Found};
use crate::heard::Statistics;

/// How it stands with the fetches of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetch {
    /// None was answered.
    Begins,
    /// One was.
    Answered,
    /// One was, and its broker was away since the end was found, so that is to be found anew: the event
    /// of an end comes once.
    Stale,
}

/// One partition.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) split: SplitId,
    number: i32,
    /// The offset of the next record.
    next: i64,
    /// Nothing is read from here on.
    until: i64,
    /// All of it was read, where it is read to an end.
    is_read: bool,
    /// The end that its broker has found, where nothing has followed. It comes in the order of the
    /// messages, so all before it was taken.
    end: Option<i64>,
    fetch: Fetch,
    /// It does not hold back the watermark.
    idle: bool,
}

impl Partition {
    /// One that is going to be read from `position`, or from where a new topology begins.
    pub(super) fn open<S: Streams>(
        number: i32,
        position: Option<i64>,
        begins: i64,
        until: Option<i64>,
        out: &mut SpoutOut<S>,
    ) -> Self {
        Self {
            split: out.open_split(&number.to_string(), None),
            number,
            next: position.unwrap_or(begins),
            until: until.unwrap_or(i64::MAX),
            is_read: false,
            end: None,
            fetch: Fetch::Begins,
            idle: false,
        }
    }

    /// Whether a record is to be taken, which has come now.
    pub(super) fn takes(&mut self, offset: i64) -> bool {
        if self.is_read || offset < self.next {
            return false;
        }
        (self.end, self.idle) = (None, false);
        if offset >= self.until {
            self.next = self.until.max(self.next);
            return false;
        }
        self.next = offset + 1;
        true
    }

    /// Whether all was taken that is to be read.
    pub(super) fn is_at_its_end(&self) -> bool {
        self.next >= self.until
    }

    /// The broker says that nothing follows what has come. What lies before the end and did not come
    /// are marks of transactions, and records that were aborted.
    pub(super) fn found_end(&mut self, end: i64) {
        self.next = self.next.max(end);
        self.end = Some(end);
    }

    /// What was found of its end may not hold any more.
    fn doubt(&mut self) {
        if self.end.take().is_some() {
            self.fetch = Fetch::Stale;
        }
    }

    /// Whether the broker has what is to be read next.
    pub(super) fn check(
        &self,
        bounds: Bounds,
        topic: &str,
        component: &str,
    ) -> Result<(), ReadError> {
        let (topic, component) = (topic.to_owned(), component.to_owned());
        let (partition, expected) = (self.number, self.next);
        if expected < bounds.first {
            return Err(ReadError::BelowStart {
                topic,
                partition,
                component,
                expected,
                found: bounds.first,
            });
        }
        if expected > bounds.end {
            return Err(ReadError::BeyondEnd {
                topic,
                partition,
                component,
                expected,
                found: bounds.end,
            });
        }
        Ok(())
    }
}

/// What is to be done after a look.
#[derive(Default)]
pub(super) struct Looked {
    /// What is wrong with a broker.
    pub(super) trouble: Option<String>,
    /// The partitions whose brokers are back, which are to be fetched anew from these offsets.
    pub(super) anew: TopicPartitionList,
}

/// All that a task reads, by number.
#[derive(Debug, Default)]
pub(super) struct Partitions {
    by_number: Vec<Option<Partition>>,
    count: usize,
    /// How many of them are not read to their ends.
    unread: usize,
}

impl Partitions {
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether all are read to their ends.
    pub(super) fn are_read(&self) -> bool {
        self.unread == 0
    }

    pub(super) fn has(&self, number: i32) -> bool {
        let at = usize::try_from(number).ok();
        at.and_then(|at| self.by_number.get(at))
            .is_some_and(Option::is_some)
    }

    #[inline]
    pub(super) fn get(&mut self, number: i32) -> Option<&mut Partition> {
        self.by_number
            .get_mut(usize::try_from(number).ok()?)?
            .as_mut()
    }

    pub(super) fn add(&mut self, partition: Partition) {
        let at = usize::try_from(partition.number).unwrap_or(0);
        if self.by_number.len() <= at {
            self.by_number.resize_with(at + 1, || None);
        }
        self.by_number[at] = Some(partition);
        self.count += 1;
        self.unread += 1;
    }

    /// Closes those that are read to the ends that were found at the start.
    pub(super) fn close_read<S: Streams>(&mut self, out: &mut SpoutOut<S>) {
        for partition in self.by_number.iter_mut().flatten() {
            let ends = partition.until < i64::MAX;
            if ends && partition.next >= partition.until && !partition.is_read {
                partition.is_read = true;
                out.close_split(partition.split);
                self.unread -= 1;
            }
        }
    }

    /// What is to be fetched.
    pub(super) fn assignment(&mut self, topic: &str) -> Result<TopicPartitionList, KafkaError> {
        let mut assigned = TopicPartitionList::new();
        for partition in self.by_number.iter_mut().flatten().filter(|it| !it.is_read) {
            // It is fetched anew from here, and its end is found anew.
            (partition.end, partition.fetch) = (None, Fetch::Begins);
            let next = Offset::Offset(partition.next);
            assigned.add_partition_offset(topic, partition.number, next)?;
        }
        Ok(assigned)
    }

    /// Whether the broker has what is to be read next of all.
    pub(super) fn check(
        &self,
        found: &Found,
        topic: &str,
        component: &str,
    ) -> Result<(), ReadError> {
        for partition in self.by_number.iter().flatten().filter(|it| !it.is_read) {
            match found.mine.get(&partition.number) {
                Some(bounds) => partition.check(*bounds, topic, component)?,
                None => {
                    return Err(ReadError::PartitionGone {
                        topic: topic.to_owned(),
                        partition: partition.number,
                        component: component.to_owned(),
                        found: found.partitions,
                    });
                }
            }
        }
        Ok(())
    }

    /// Which partitions are idle by what the client says of their brokers, and how much there is to be
    /// read.
    ///
    /// A partition is idle whose end was found, where the latest fetch has found nothing behind it and
    /// no transaction open. The end comes in the order of the messages, so all before it was taken;
    /// the statistics overtake messages, so they know of those that wait.
    pub(super) fn look<S: Streams>(
        &mut self,
        topic: &str,
        statistics: &Statistics,
        context: &Context,
        out: &mut SpoutOut<S>,
    ) -> Result<Looked, KafkaError> {
        let mut looked = Looked::default();
        for partition in self.by_number.iter_mut().flatten() {
            let number = partition.number;
            if partition.is_read {
                context.status.set_lag(&number.to_string(), 0);
                continue;
            }
            let known = statistics.partition(topic, number);
            let answered = known.filter(|known| known.ls_offset >= 0);
            let wrong = match (known, answered) {
                (None, _) => Some("nothing is known of it yet".to_owned()),
                (_, None) if partition.fetch != Fetch::Begins => {
                    Some("its broker refuses it".to_owned())
                }
                (Some(known), _) => statistics.trouble_of(known),
            };
            if partition.fetch == Fetch::Begins && answered.is_some() {
                partition.fetch = Fetch::Answered;
            }
            if let Some(wrong) = wrong {
                partition.doubt();
                looked.trouble.get_or_insert_with(|| {
                    format!("partition {number} of the topic `{topic}`: {wrong}")
                });
            } else if partition.fetch == Fetch::Stale {
                partition.fetch = Fetch::Answered;
                let next = Offset::Offset(partition.next);
                looked.anew.add_partition_offset(topic, number, next)?;
            }
            let idle = partition.end.is_some_and(|end| {
                answered.is_some_and(|known| (known.ls_offset, known.hi_offset) == (end, end))
            });
            if idle && !partition.idle {
                out.idle_split(partition.split);
            } else if partition.idle && !idle {
                out.expect_split(partition.split);
            }
            partition.idle = idle;
            if let Some(known) = answered {
                let end = known.ls_offset.min(partition.until);
                let lag = u64::try_from(end - partition.next).unwrap_or(0);
                context.status.set_lag(&number.to_string(), lag);
            }
        }
        Ok(looked)
    }

    /// Nothing is known any more of what follows: no partition is idle.
    pub(super) fn doubt<S: Streams>(&mut self, out: &mut SpoutOut<S>) {
        for partition in self.by_number.iter_mut().flatten() {
            partition.doubt();
            if std::mem::take(&mut partition.idle) {
                out.expect_split(partition.split);
            }
        }
    }

    /// Notes how far each was read.
    pub(super) fn note(&self, positions: &mut Table<i32, i64>) {
        for partition in self.by_number.iter().flatten() {
            if positions.get(&partition.number) != Some(&partition.next) {
                positions.insert(partition.number, partition.next);
            }
        }
    }
}

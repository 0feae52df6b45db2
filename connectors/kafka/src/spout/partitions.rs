//! The partitions that a task reads, and how far it is in each.

use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use squall::spout::SplitId;
use squall::stream::Streams;
use squall::{Context, SpoutOut, Table};

use crate::error::ReadError;
use crate::find::{Bounds, Found};
use crate::heard::{End, Statistics};

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
    end: Option<End>,
    /// By the latest statistics its broker answers, and no transaction is open.
    is_well: bool,
    /// Its broker was away when the end was known, so that is to be found anew.
    is_stale: bool,
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
            is_well: false,
            is_stale: false,
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

    /// The broker says that nothing follows what has come. What lies before the end and did not come
    /// are marks of transactions, and records that were aborted.
    pub(super) fn found_end(&mut self, end: End) {
        self.next = self.next.max(end.offset);
        self.end = Some(end);
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
            // Behind the last record there may be marks of transactions, which are no records: then
            // only the broker can tell that nothing follows.
            let read = partition.next >= partition.until || partition.end.is_some();
            if ends && read && !partition.is_read {
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
            (partition.end, partition.is_stale) = (None, false);
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

    /// Which partitions are well by what the client says of their brokers, and how much there is to be
    /// read. What it says comes before messages that wait, so it makes no partition idle; but one
    /// whose broker is away is not idle any more. Gives what is wrong with a broker.
    pub(super) fn look<S: Streams>(
        &mut self,
        topic: &str,
        statistics: &Statistics,
        context: &Context,
        out: &mut SpoutOut<S>,
    ) -> Option<String> {
        let mut trouble = None;
        for partition in self.by_number.iter_mut().flatten().filter(|it| !it.is_read) {
            let number = partition.number;
            let known = statistics.partition(topic, number);
            let wrong = match known {
                None => Some("nothing is known of it yet".to_owned()),
                Some(known) => statistics.trouble_of(known),
            };
            if wrong.is_some() && partition.end.take().is_some() {
                partition.is_stale = true;
            }
            partition.is_well = wrong.is_none() && known.is_some_and(|known| !known.is_open());
            if partition.idle && !partition.is_well {
                partition.idle = false;
                out.expect_split(partition.split);
            }
            if let Some(known) = known {
                let end = known.ls_offset.min(partition.until);
                let lag = u64::try_from(end - partition.next).unwrap_or(0);
                context.status.set_lag(&number.to_string(), lag);
            }
            if let (Some(wrong), None) = (wrong, &trouble) {
                trouble = Some(format!(
                    "partition {number} of the topic `{topic}`: {wrong}"
                ));
            }
        }
        trouble
    }

    /// Whether the brokers are back that were away when an end was known. Nothing tells that it still
    /// is the end, but to fetch anew.
    pub(super) fn are_back(&self) -> bool {
        let mut unread = self.by_number.iter().flatten().filter(|it| !it.is_read);
        unread.any(|partition| partition.is_stale && partition.is_well)
    }

    /// No message waits: the partitions at their ends are idle.
    pub(super) fn settle<S: Streams>(&mut self, out: &mut SpoutOut<S>) {
        for partition in self.by_number.iter_mut().flatten().filter(|it| !it.is_read) {
            let ended = partition.end.is_some_and(|end| end.offset == end.high);
            if ended && partition.is_well && !partition.idle {
                partition.idle = true;
                out.idle_split(partition.split);
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

//! A [`Depot`] as a spout: records become tuples, and how far each partition was read is state.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use super::files::{FieldSelector, FieldWatch, Record};
use crate::context::Context;
use crate::depot::{Block, Depot, DepotError, DepotReader};
use crate::error::{BoxError, Fatal, Result};
use crate::meaning::Meaning;
use crate::spout::{Next, Spout, SpoutOut};
use crate::state::{States, Table, Value};
use crate::stream::{Out, Streams};
use crate::tuple::DeadLetter;

/// How a depot is to be read; made by [`Depot::read`]. Cheap to clone: a factory clones it for
/// each task.
///
/// A task reads a contiguous range of the partitions, each in order, one block after the other.
/// With a data directory the spout keeps how far each partition was read, and goes on from there
/// after a failure and in the next run: what is said here is where a *new* topology begins. One
/// that began elsewhere is refused where that is said, and goes on where nothing is. The directory
/// may be that of the depot or another one.
#[derive(Clone, Debug)]
pub struct ReadDepot {
    depot: Depot,
    from: From,
    until_end: bool,
    reader: Option<Arc<str>>,
    watch: FieldWatch,
    /// Where the depot ended when the first spout was opened. Shared by the tasks of a run, also
    /// when it is restored, so that all mean the same moment.
    ends: Arc<Mutex<Option<Vec<u64>>>>,
}

/// Where a new topology begins.
#[derive(Clone, Debug)]
enum From {
    /// Nothing was said: at the end.
    Unsaid,
    End,
    Beginning,
    Positions(Vec<u64>),
}

impl Depot {
    /// To be read by a topology: unless told otherwise a new one begins at the end, which is
    /// where the depot ends when its first spout is opened.
    pub fn read(&self) -> ReadDepot {
        ReadDepot {
            depot: self.clone(),
            from: From::Unsaid,
            until_end: false,
            reader: None,
            watch: FieldWatch::default(),
            ends: Arc::default(),
        }
    }
}

impl ReadDepot {
    /// A new topology begins where the depot ends when its first spout is opened, and one that
    /// began elsewhere is refused.
    #[must_use]
    pub fn from_end(mut self) -> Self {
        self.from = From::End;
        self
    }

    /// A new topology begins with the first record that is kept.
    #[must_use]
    pub fn from_beginning(mut self) -> Self {
        self.from = From::Beginning;
        self
    }

    /// A new topology begins at these offsets, one for each partition.
    #[must_use]
    pub fn from_positions(mut self, offsets: impl IntoIterator<Item = u64>) -> Self {
        self.from = From::Positions(offsets.into_iter().collect());
        self
    }

    /// Reads to where the depot ends when the first spout is opened, instead of waiting for
    /// more: the run may end there, windows stay open, and a later run goes on.
    #[must_use]
    pub fn until_end(mut self) -> Self {
        self.until_end = true;
        self
    }

    /// The fields that are going to be read: it is told where no record has one
    /// ([`ReadDepot::field_watch`]).
    #[must_use]
    pub fn fields(mut self, fields: impl IntoIterator<Item = FieldSelector>) -> Self {
        self.watch = FieldWatch::over(fields);
        self
    }

    /// Says which of the fields no record has had so far; as
    /// [`Files::field_watch`](super::Files::field_watch).
    #[must_use]
    pub fn field_watch(&self) -> FieldWatch {
        self.watch.clone()
    }

    /// The name by which the depot knows the reader; by default the id of the component. Two
    /// topologies that read one depot need two names. It is not empty and has no zero byte.
    #[must_use]
    pub fn reader(mut self, name: &str) -> Self {
        self.reader = Some(name.into());
        self
    }

    /// The depot.
    pub fn depot(&self) -> &Depot {
        &self.depot
    }

    /// The spout that emits what `decode` makes of each record; an error of `decode` sends the
    /// record to the dead letters. It is as that of [`Files::decode`](super::Files::decode): a
    /// record that is an object of JSON has its fields.
    #[must_use]
    pub fn decode<S, F>(&self, decode: F) -> DepotSpout<S, F>
    where
        S: Streams,
        F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
    {
        DepotSpout {
            depot: self.clone(),
            decode,
            // Two tasks have the same partition only where one of them had it later.
            positions: Table::new().merged(|kept, other| *kept = (*kept).max(other)),
            reader: None,
            read: Table::new().merged(|kept, other| *kept = other),
            began: Value::new(String::new()).shared(|one, other| one.max(other).clone()),
            partitions: Vec::new(),
            at: 0,
            block: Block::default(),
            durable: false,
            place: (0, 1),
            record: Record::new(),
            output: std::marker::PhantomData,
        }
    }

    fn ends(&self) -> Vec<u64> {
        // It is whole at every moment, so a panic elsewhere does not matter.
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends.get_or_insert_with(|| self.depot.ends()).clone()
    }

    /// Where a new topology begins, in a word; none where nothing was said.
    fn begins(&self) -> Option<&'static str> {
        match &self.from {
            From::Unsaid => None,
            From::End => Some("end"),
            From::Beginning => Some("beginning"),
            From::Positions(_) => Some("positions"),
        }
    }

    /// Notes where a new topology begins. What an earlier run has read is not asked for again,
    /// so one that began elsewhere would answer another question.
    fn check_begun(&self, began: &mut Value<String>) -> Result<(), DepotError> {
        let begins = self.begins();
        if began.is_empty() {
            begins.unwrap_or("end").clone_into(began);
            return Ok(());
        }
        match begins {
            Some(found) if **began != *found => Err(DepotError::BegunElsewhere {
                depot: self.depot.name().to_owned(),
                stored: began.to_string(),
                found,
            }),
            _ => Ok(()),
        }
    }

    /// Where a new topology begins, by partition.
    fn starts(&self) -> Result<Vec<u64>, DepotError> {
        match &self.from {
            From::Unsaid | From::End => Ok(self.ends()),
            From::Beginning => Ok(self.depot.firsts()),
            From::Positions(positions) => {
                let partitions = self.depot.partitions();
                if positions.len() == usize::from(partitions) {
                    return Ok(positions.clone());
                }
                Err(DepotError::Positions {
                    depot: self.depot.name().to_owned(),
                    partitions,
                    given: positions.len(),
                })
            }
        }
    }
}

/// A spout over a [`Depot`]; made by [`ReadDepot::decode`].
pub struct DepotSpout<S, F> {
    depot: ReadDepot,
    decode: F,
    /// The offsets by partition.
    positions: Table<u16, u64>,
    /// Set while the depot is read.
    reader: Option<DepotReader>,
    /// The id of the depot that the positions are of, by partition as they are.
    read: Table<u16, u64>,
    /// Where the topology began.
    began: Value<String>,
    /// What this task reads.
    partitions: Vec<Partition>,
    /// The one of them that is being read.
    at: usize,
    /// What is left of its block.
    block: Block,
    /// Whether what is made of the records is committed.
    durable: bool,
    /// The number of the task, and how many there are.
    place: (usize, usize),
    record: Record,
    output: std::marker::PhantomData<fn() -> S>,
}

/// What the spout states of what it reads.
#[derive(Serialize)]
struct Reads {
    reads: String,
}

struct Partition {
    number: u16,
    /// The offset of the next record.
    next: u64,
    /// Nothing is read from here on.
    until: u64,
    /// What dead letters name.
    source: Arc<str>,
}

/// The task that reads a partition: each has a contiguous range.
fn task_of(partition: u16, partitions: u16, tasks: usize) -> usize {
    usize::from(partition) * tasks / usize::from(partitions)
}

impl<S, F> DepotSpout<S, F>
where
    S: Streams,
    F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
{
    /// Finds the next block, from the partition after the one in hand on; says whether there is
    /// one.
    fn find_block(&mut self) -> Result<bool> {
        self.tell_read();
        for _ in 0..self.partitions.len() {
            self.at = (self.at + 1) % self.partitions.len();
            let Partition {
                number,
                next,
                until,
                ..
            } = self.partitions[self.at];
            if next >= until {
                continue;
            }
            let block = self.depot.depot.block(number, next);
            // What was dropped does not come again.
            let block = block.map_err(|error| -> BoxError {
                if error.is_wrong_use() {
                    Fatal::new(error).into()
                } else {
                    error.into()
                }
            });
            if let Some(block) = block? {
                self.block = block;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// All that is there was read.
    fn at_end(&self) -> Next {
        if !self.depot.until_end {
            return Next::Idle;
        }
        let (task, tasks) = self.place;
        self.depot.watch.end(task, tasks);
        Next::Pause
    }

    /// What a run that keeps nothing has read is not needed any more.
    fn tell_read(&self) {
        if let (false, Some(reader)) = (self.durable, &self.reader) {
            let read: Vec<_> = self
                .partitions
                .iter()
                .map(|at| (at.number, at.next))
                .collect();
            reader.read(&read);
        }
    }
}

impl<S, F> Spout for DepotSpout<S, F>
where
    S: Streams,
    F: FnMut(&Record, &mut Out<S>) -> Result + Send + 'static,
{
    type Output = S;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<S>) -> Result {
        self.depot.check_begun(&mut self.began)?;
        let depot = &self.depot.depot;
        let (partitions, ends, starts) =
            (depot.partitions(), self.depot.ends(), self.depot.starts()?);
        let is_mine = |at: u16| task_of(at, partitions, context.parallelism) == context.task;
        self.positions
            .retain(|at, _| *at < partitions && is_mine(*at));
        self.read.retain(|at, _| *at < partitions && is_mine(*at));
        for number in (0..partitions).filter(|at| is_mine(*at)) {
            let index = usize::from(number);
            // Every partition has a position from the first commit on, so that a later run goes
            // on from there, whatever is appended meanwhile.
            let known = self.positions.get(&number).copied();
            let next = known.unwrap_or(starts[index]);
            self.positions.insert(number, next);
            match self.read.get(&number) {
                Some(id) if *id != depot.id() => {
                    let depot = depot.name().to_owned();
                    return Err(DepotError::AnotherDepot { depot }.into());
                }
                Some(_) => {}
                None => _ = self.read.insert(number, depot.id()),
            }
            // Where the next record is not to be had, that is known before anything runs.
            depot.block(number, next)?;
            self.partitions.push(Partition {
                number,
                next,
                until: if self.depot.until_end {
                    ends[index]
                } else {
                    u64::MAX
                },
                source: format!("depot {}, partition {number}", depot.name()).into(),
            });
        }
        let positions: Vec<_> = self
            .partitions
            .iter()
            .map(|at| (at.number, at.next))
            .collect();
        let name = self.depot.reader.as_deref().unwrap_or(&context.component);
        let waker = context.waker.clone();
        let reader = depot.begin_reading(name, context.durable, &positions, waker)?;
        self.reader = Some(reader);
        self.durable = context.durable;
        self.place = (context.task, context.parallelism);
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<S>) -> Result<Next> {
        let Some(partition) = self.partitions.get_mut(self.at) else {
            return Ok(self.at_end());
        };
        let record = match self.block.next() {
            Ok(record) => record.filter(|_| partition.next < partition.until),
            Err(broken) => return Err(self.depot.depot.broken(partition.number, broken).into()),
        };
        let Some((offset, record)) = record else {
            return Ok(if self.find_block()? {
                Next::More
            } else {
                self.at_end()
            });
        };
        out.read(1);
        self.record.fill(record, &partition.source, offset);
        partition.next = offset + 1;
        self.depot.watch.look(&self.record);
        if let Err(error) = (self.decode)(&self.record, out) {
            out.refuse_record(error, self.record.text(), |error| DeadLetter {
                source: self.record.source().to_string(),
                line: Some(self.record.line()),
                reason: error.to_string(),
                tuple: None,
            })?;
        }
        Ok(Next::More)
    }

    fn state(&mut self, states: &mut States<'_>) {
        for Partition { number, next, .. } in &self.partitions {
            if self.positions.get(number) != Some(next) {
                self.positions.insert(*number, *next);
            }
        }
        let reader = &self.reader;
        states.keep_and_tell("positions", &mut self.positions, |positions| {
            let positions = positions.iter().map(|(at, to)| (*at, *to)).collect();
            let tell = reader.as_ref().map(|reader| reader.committed(positions));
            move || {
                if let Some(tell) = tell {
                    tell();
                }
            }
        });
        states.keep("depot", &mut self.read);
        states.keep("began", &mut self.began);
    }

    fn meaning(&self) -> Meaning {
        let depot = self.depot.depot.name();
        Meaning::of(&Reads {
            reads: format!("depot {depot}"),
        })
    }
}

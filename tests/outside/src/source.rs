//! A queue whose records are kept until they are acknowledged, and the spout that reads it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use squall::{Context, Next, Result, Spout, SpoutOut, States, Table};

use crate::Reading;

/// Partitions of readings. What is acknowledged of each is noted in a file.
#[derive(Debug)]
pub struct Queue {
    partitions: Vec<Vec<Reading>>,
    notes: PathBuf,
}

impl Queue {
    /// A queue of these partitions, which notes in a folder what is acknowledged.
    pub fn new(partitions: Vec<Vec<Reading>>, notes: &Path) -> Self {
        Self {
            partitions,
            notes: notes.to_owned(),
        }
    }

    fn note(&self, partition: usize, next: usize) {
        // It is written by one thread, that which commits.
        let _ = fs::write(self.notes.join(partition.to_string()), next.to_string());
    }

    /// How many records of a partition are acknowledged.
    ///
    /// # Errors
    /// Where the note cannot be read.
    pub fn acknowledged(&self, partition: usize) -> Result<usize> {
        match fs::read_to_string(self.notes.join(partition.to_string())) {
            Ok(next) => Ok(next.parse()?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

/// Reads a queue: each task every n-th partition.
pub struct QueueSpout {
    queue: Arc<Queue>,
    /// The next record by partition.
    next: Table<usize, usize>,
    mine: Vec<usize>,
}

impl QueueSpout {
    /// Reads this queue from where it was committed.
    #[must_use]
    pub fn new(queue: &Arc<Queue>) -> Self {
        Self {
            queue: Arc::clone(queue),
            next: Table::new(),
            mine: Vec::new(),
        }
    }
}

impl Spout for QueueSpout {
    type Output = Reading;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Reading>) -> Result {
        let partitions = 0..self.queue.partitions.len();
        let mine = |partition: &usize| partition % context.parallelism == context.task;
        self.mine = partitions.filter(mine).collect();
        self.next.retain(|partition, _| mine(partition));
        for &partition in &self.mine {
            let next = self.next.get(&partition).copied().unwrap_or(0);
            if next < self.queue.acknowledged(partition)? {
                return Err(format!("partition {partition} has dropped record {next}").into());
            }
        }
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<Reading>) -> Result<Next> {
        for &partition in &self.mine {
            let next = self.next.get(&partition).copied().unwrap_or(0);
            if let Some(reading) = self.queue.partitions[partition].get(next) {
                out.emit(reading.clone());
                self.next.insert(partition, next + 1);
                return Ok(Next::More);
            }
        }
        Ok(Next::End)
    }

    fn state(&mut self, states: &mut States<'_>) {
        let queue = &self.queue;
        states.keep_and_tell("next", &mut self.next, |next| {
            let queue = Arc::clone(queue);
            let next: Vec<(usize, usize)> = next.iter().map(|(at, next)| (*at, *next)).collect();
            move || {
                for (partition, next) in next {
                    queue.note(partition, next);
                }
            }
        });
    }
}

//! Groupings: which of the receiving tasks gets a tuple.

use std::marker::PhantomData;

use crate::error::Result;
use crate::key::{Key, shard_of, task_of_shard};
use crate::tuple::Tuple;

/// Chooses the receiving task of each tuple of one sending task.
pub(crate) trait Choose<T>: Send {
    /// Called once: how many tasks there are to choose from, and the sender's number.
    fn connect(&mut self, tasks: usize, sender: usize) {
        let _ = (tasks, sender);
    }

    /// The receiving task, `0..tasks`. `target` is the task that the emitter named.
    fn choose(&mut self, tuple: &T, target: Option<usize>) -> Result<usize>;

    /// A batch was sent; groupings that keep batches whole go to the next task.
    fn sent(&mut self) {}
}

/// Equal keys go to the same task, by shard.
pub(crate) struct Fields<K> {
    key: K,
    tasks: usize,
}

impl<K> Fields<K> {
    pub(crate) fn new(key: K) -> Self {
        Self { key, tasks: 1 }
    }
}

impl<T: Tuple, K: Key<T>> Choose<T> for Fields<K> {
    fn connect(&mut self, tasks: usize, _: usize) {
        self.tasks = tasks;
    }

    #[inline]
    fn choose(&mut self, tuple: &T, _: Option<usize>) -> Result<usize> {
        if self.tasks == 1 {
            return Ok(0);
        }
        let shard = shard_of(self.key.route_hash(tuple));
        Ok(task_of_shard(shard, self.tasks))
    }
}

/// Each key has two candidate tasks; the one that this sender has sent less to is taken.
///
/// Nasir et al., "The Power of Both Choices", ICDE 2015: a hot key is shared by two tasks,
/// so the results per key must be merged downstream.
pub(crate) struct PartialKey<K> {
    key: K,
    sent: Vec<u64>,
}

impl<K> PartialKey<K> {
    pub(crate) fn new(key: K) -> Self {
        Self {
            key,
            sent: Vec::new(),
        }
    }
}

impl<T: Tuple, K: Key<T>> Choose<T> for PartialKey<K> {
    fn connect(&mut self, tasks: usize, _: usize) {
        self.sent = vec![0; tasks];
    }

    fn choose(&mut self, tuple: &T, _: Option<usize>) -> Result<usize> {
        let tasks = self.sent.len();
        let hash = self.key.route_hash(tuple);
        let first = task_of_shard(shard_of(hash), tasks);
        // The second candidate comes from other bits of the hash and is never the first,
        // where there is another.
        let other = (hash & 0xffff_ffff) as usize % tasks.max(2).saturating_sub(1);
        let second = (first + 1 + other) % tasks;
        let task = if self.sent[second] < self.sent[first] {
            second
        } else {
            first
        };
        self.sent[task] += 1;
        Ok(task)
    }
}

/// Everything goes to the first task.
pub(crate) struct Global;

impl<T> Choose<T> for Global {
    #[inline]
    fn choose(&mut self, _: &T, _: Option<usize>) -> Result<usize> {
        Ok(0)
    }
}

/// Tuples are dealt to the tasks in turn; senders begin at different tasks.
#[derive(Default)]
pub(crate) struct Shuffle {
    next: usize,
    tasks: usize,
}

impl<T> Choose<T> for Shuffle {
    fn connect(&mut self, tasks: usize, sender: usize) {
        self.tasks = tasks;
        self.next = sender % tasks;
    }

    #[inline]
    fn choose(&mut self, _: &T, _: Option<usize>) -> Result<usize> {
        let task = self.next;
        self.next = if task + 1 == self.tasks { 0 } else { task + 1 };
        Ok(task)
    }
}

/// Whole batches are dealt to the tasks of this process in turn; in one process all are.
#[derive(Default)]
pub(crate) struct LocalOrShuffle {
    next: usize,
    tasks: usize,
}

impl<T> Choose<T> for LocalOrShuffle {
    fn connect(&mut self, tasks: usize, sender: usize) {
        self.tasks = tasks;
        self.next = sender % tasks;
    }

    #[inline]
    fn choose(&mut self, _: &T, _: Option<usize>) -> Result<usize> {
        Ok(self.next)
    }

    fn sent(&mut self) {
        self.next = (self.next + 1) % self.tasks;
    }
}

/// The emitter names the task.
#[derive(Default)]
pub(crate) struct Direct {
    tasks: usize,
}

impl<T> Choose<T> for Direct {
    fn connect(&mut self, tasks: usize, _: usize) {
        self.tasks = tasks;
    }

    fn choose(&mut self, _: &T, target: Option<usize>) -> Result<usize> {
        match target {
            Some(task) if task < self.tasks => Ok(task),
            Some(task) => Err(format!(
                "a tuple was emitted to task {task} of a bolt with {} tasks",
                self.tasks
            )
            .into()),
            None => Err(
                "a stream that is read by direct grouping needs `emit_direct`, which \
                         names the task; `emit` was called"
                    .into(),
            ),
        }
    }
}

/// A grouping of the user's own: which task gets a tuple.
///
/// Closures `FnMut(&T, usize) -> usize` are groupings too.
pub trait CustomGrouping<T: Tuple>: Send + 'static {
    /// The receiving task, `0..tasks`; anything else ends the topology with an error.
    fn choose(&mut self, tuple: &T, tasks: usize) -> usize;
}

impl<T: Tuple, F: FnMut(&T, usize) -> usize + Send + 'static> CustomGrouping<T> for F {
    fn choose(&mut self, tuple: &T, tasks: usize) -> usize {
        self(tuple, tasks)
    }
}

pub(crate) struct Custom<T, G> {
    grouping: G,
    tasks: usize,
    tuple: PhantomData<fn(&T)>,
}

impl<T, G> Custom<T, G> {
    pub(crate) fn new(grouping: G) -> Self {
        Self {
            grouping,
            tasks: 1,
            tuple: PhantomData,
        }
    }
}

impl<T: Tuple, G: CustomGrouping<T>> Choose<T> for Custom<T, G> {
    fn connect(&mut self, tasks: usize, _: usize) {
        self.tasks = tasks;
    }

    fn choose(&mut self, tuple: &T, _: Option<usize>) -> Result<usize> {
        let task = self.grouping.choose(tuple, self.tasks);
        if task < self.tasks {
            Ok(task)
        } else {
            let tasks = self.tasks;
            Err(format!(
                "a custom grouping chose task {task} of {tasks}: give 0 to {}",
                tasks - 1
            )
            .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::Word;

    #[test]
    fn a_hot_key_is_shared_by_two_tasks_and_no_more() {
        let mut grouping = PartialKey::new(Word::WORD);
        Choose::<Word>::connect(&mut grouping, 5, 0);
        let hot = Word {
            word: "storm".into(),
        };
        let mut tuples = [0; 5];
        for _ in 0..100 {
            tuples[grouping.choose(&hot, None).unwrap()] += 1;
        }
        tuples.sort_unstable();
        assert_eq!(tuples, [0, 0, 0, 50, 50]);
    }
}

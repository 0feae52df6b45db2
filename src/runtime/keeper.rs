//! A task's side of durability: what it keeps is loaded before it begins, and what has
//! changed of it is saved at every commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::context::Epoch;
use crate::durable::layout;
use crate::error::{Fatal, Result};
use crate::key::{SHARDS, shards_of_task, task_of_shard};
use crate::state::{Changes, Ledger, Shape, State, StoredUnit};
use crate::store::Batch;

/// What is stored of one task.
pub(crate) struct Keeper {
    component: String,
    task: usize,
    tasks: usize,
    /// State by key belongs to the shards of the keys.
    by_shard: bool,
    states: BTreeMap<String, Kept>,
    /// The tasks, of this run and of the one before, whose outboxes this one delivers.
    outboxes: Vec<u16>,
    /// The epoch whose delivery is to be recorded with the next commit.
    delivered: Option<u64>,
    /// Of a sink: much waits for the next commit.
    pub(super) full: bool,
}

/// What is stored of one unit, in the order of the epochs that it was saved at: an image, and changes.
#[derive(Default)]
pub(super) struct InEpochs {
    pub(super) epochs: Vec<u64>,
    pub(super) values: Vec<Vec<u8>>,
}

/// What is known of one state.
struct Kept {
    ledger: Ledger,
    /// What the units wrote to the latest commit, to be written over at the next one.
    written: Vec<Arc<Vec<u8>>>,
}

/// A state of a grouped bolt has a key that belongs to another task.
#[derive(Debug, thiserror::Error)]
#[error(
    "a mistake in {component}: its tuples are grouped by one key, but its state `{state}` is \
     keyed by another. Task {task} has written a key of shard {shard}, whose tuples go to task \
     {owner}, so two tasks would each have a part of the value of that key. Group the tuples by \
     the key of `{state}`, or key `{state}` by the key of the grouping; if a bolt needs both \
     keys, make two bolts of it, or use a global grouping"
)]
struct WrongKey {
    component: String,
    state: String,
    shard: usize,
    owner: usize,
    task: usize,
}

/// A buffer of more bytes is let go of where the latest commit has filled less than a
/// quarter of it.
const SMALL: usize = 1 << 16;

impl Kept {
    /// The buffers of the latest commit; new ones where that is still being written.
    fn buffers(&mut self) -> impl Iterator<Item = Vec<u8>> + use<> {
        std::mem::take(&mut self.written).into_iter().map(|bytes| {
            Arc::try_unwrap(bytes)
                .ok()
                .filter(|bytes| bytes.capacity() <= SMALL.max(bytes.len() * 4))
                .unwrap_or_default()
        })
    }
}

impl Keeper {
    pub(crate) fn new(component: &str, task: usize, tasks: usize, by_shard: bool) -> Self {
        Self {
            component: component.to_owned(),
            task,
            tasks,
            by_shard,
            states: BTreeMap::new(),
            outboxes: vec![number(task)],
            delivered: None,
            full: false,
        }
    }

    /// Whether a state of this shape is divided by shards.
    fn is_by_shard(&self, shape: &Shape) -> bool {
        self.by_shard && shape.by_key
    }

    fn kept(&mut self, name: &str, shape: &Shape) -> &mut Kept {
        let units = if self.is_by_shard(shape) { SHARDS } else { 1 };
        let kept = self.states.entry(name.to_owned());
        kept.or_insert_with(|| Kept {
            ledger: Ledger::new(units),
            written: Vec::new(),
        })
    }

    /// Takes in one stored unit of a state.
    pub(crate) fn load(
        &mut self,
        name: &str,
        state: &mut dyn State,
        unit: u16,
        stored: &InEpochs,
        merges: bool,
    ) -> Result {
        state.load(&StoredUnit::new(&stored.values, merges))?;
        let unit = usize::from(unit);
        let shape = state.shape();
        let by_shard = self.is_by_shard(&shape);
        if by_shard || unit == self.task {
            let sizes = stored.values.iter().map(Vec::len);
            let entries = stored.epochs.iter().copied().zip(sizes);
            let ledger = &mut self.kept(name, &shape).ledger;
            ledger.loaded(if by_shard { unit } else { 0 }, entries);
        }
        // Else it is another task's, who writes it: this one shares what is in it.
        Ok(())
    }

    /// What is stored of the state lies under other units than it will.
    pub(crate) fn store_anew(&mut self, name: &str, shape: &Shape) {
        self.kept(name, shape).ledger.store_anew();
    }

    /// The task delivers what another one was to deliver in the run before.
    pub(crate) fn takes_outbox_of(&mut self, task: u16) {
        if !self.outboxes.contains(&task) {
            self.outboxes.push(task);
        }
    }

    /// This epoch and those before it were delivered.
    pub(crate) fn delivered(&mut self, epoch: u64) {
        self.delivered = Some(epoch);
    }

    /// Adds what has changed of a state since it was saved last.
    pub(crate) fn save(
        &mut self,
        name: &str,
        state: &mut dyn State,
        epoch: &Epoch,
        batch: &mut Batch,
    ) -> Result {
        let shape = state.shape();
        let by_shard = self.is_by_shard(&shape);
        let shards = shards_of_task(self.task, self.tasks);
        let (component, task) = (self.component.clone(), self.task);
        let kept = self.kept(name, &shape);
        let buffers = kept.buffers();
        let ledger = &mut kept.ledger;
        let mut whole = ledger.whole();
        if by_shard {
            for (unit, whole) in whole.iter_mut().enumerate() {
                *whole = *whole && shards.contains(&unit);
            }
        }
        let mut changes = Changes::new(
            ledger.units(),
            epoch.time,
            |unit| whole[unit],
            |unit| ledger.is_stored(unit),
        )
        .into_buffers(buffers);
        state.save(&mut changes)?;
        for tell in changes.take_committed() {
            batch.when_committed(tell);
        }
        for (unit, bytes) in changes.into_units().map(Arc::new).enumerate() {
            kept.written.push(Arc::clone(&bytes));
            if bytes.is_empty() && !whole[unit] {
                continue;
            }
            if by_shard && !shards.contains(&unit) {
                return Err(Fatal::new(WrongKey {
                    component: self.component.clone(),
                    state: name.to_owned(),
                    shard: unit,
                    owner: task_of_shard(unit, self.tasks),
                    task: self.task,
                })
                .into());
            }
            let number = number(if by_shard { unit } else { task });
            let key = |epoch| layout::unit(&component, name, number, epoch);
            // Entry by entry, and not as a range: a store that is a compacted log has no ranges.
            for replaced in ledger.saved(unit, whole[unit], epoch.number, bytes.len()) {
                batch.delete(key(replaced));
            }
            if !bytes.is_empty() {
                batch.put(key(epoch.number), bytes);
            }
        }
        Ok(())
    }

    /// Adds what is to be delivered, and takes out what was.
    pub(crate) fn save_outbox(
        &mut self,
        outbox: Option<(&Epoch, Arc<Vec<u8>>)>,
        batch: &mut Batch,
    ) {
        let component = &self.component;
        if let Some(delivered) = self.delivered.take() {
            for task in &self.outboxes {
                batch.delete_range(
                    layout::outbox(component, *task, 0),
                    layout::outbox(component, *task, delivered.saturating_add(1)),
                );
            }
        }
        if let Some((epoch, bytes)) = outbox
            && !bytes.is_empty()
        {
            let key = layout::outbox(component, number(self.task), epoch.number);
            batch.put(key, bytes);
        }
    }
}

/// Tasks and shards are counted in two bytes; a component has 256 tasks at most where they
/// are keyed, and never so many threads elsewhere.
fn number(unit: usize) -> u16 {
    u16::try_from(unit).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Value;
    use crate::store::Store;
    use crate::time::Timestamp;

    /// What is stored, by unit.
    fn stored(store: &Store) -> BTreeMap<u16, InEpochs> {
        let mut units: BTreeMap<u16, InEpochs> = BTreeMap::new();
        let reader = store.read().unwrap();
        let read = reader.prefix(&layout::state("bolt", "value"), &mut |key, value| {
            let key = layout::read_unit(key)?;
            let unit = units.entry(key.unit).or_default();
            unit.epochs.push(key.epoch);
            unit.values.push(value.to_vec());
            Ok(())
        });
        read.unwrap();
        units
    }

    /// Each task is given the units of all; the ledger noted those that came last, so that the next
    /// image deleted entries of another unit, and left its own.
    #[test]
    fn tasks_that_share_a_state_replace_their_own_entries_over_restarts() {
        let store = Store::in_memory().unwrap();
        let mut number = 0;
        for life in 0..12 {
            let units = stored(&store);
            let tasks = (0..2).map(|task| {
                let mut keeper = Keeper::new("bolt", task, 2, false);
                let mut value = Value::new(0_u64).shared(|one, other| *one.max(other));
                for (place, (unit, stored)) in units.iter().enumerate() {
                    let loaded = keeper.load("value", &mut value, *unit, stored, place > 0);
                    loaded.unwrap();
                }
                State::track(&mut value);
                (keeper, value)
            });
            let mut tasks: Vec<(Keeper, Value<u64>)> = tasks.collect();
            assert!(tasks.iter().all(|(_, value)| **value == number));
            for _ in 0..30 + life {
                number += 1;
                let epoch = Epoch {
                    number,
                    time: Timestamp::from_millis(0),
                    last: false,
                    closes: false,
                    commit: true,
                };
                // The one changes three times as often as the other.
                let (keeper, value) = &mut tasks[usize::from(number % 4 == 0)];
                **value = number;
                let mut batch = Batch::default();
                keeper.save("value", value, &epoch, &mut batch).unwrap();
                store.commit(batch).unwrap();
            }
            for (unit, stored) in stored(&store) {
                let entries = stored.epochs.len();
                assert!(entries < 10, "life {life}, unit {unit}: {entries} entries");
            }
        }
    }
}

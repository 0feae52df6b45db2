//! A store in memory that treats states as a run with a data directory does.

use std::collections::BTreeMap;

use super::super::{AcrossTasks, Changes, Ledger, Shape, State, States, StoredUnit};
use crate::key::{SHARDS, task_of_shard};
use crate::time::Timestamp;

/// What the tasks of one component have stored.
pub(crate) struct Store {
    commits: u64,
    /// Whether the component's inputs are grouped by fields.
    keyed: bool,
    states: BTreeMap<String, Stored>,
}

struct Stored {
    shape: Shape,
    /// Of each unit its image and the changes after it, by the number of the commit.
    units: Vec<BTreeMap<u64, Vec<u8>>>,
    /// Of each task.
    ledgers: Vec<Ledger>,
    /// The units of other tasks hold until the next save.
    anew: bool,
}

impl Stored {
    fn by_shard(&self, keyed: bool) -> bool {
        keyed && self.shape.by_key
    }
}

impl Store {
    pub(crate) fn new(keyed: bool) -> Self {
        Self {
            commits: 0,
            keyed,
            states: BTreeMap::new(),
        }
    }

    /// A commit: saves what every task keeps. Units are written whole where the ledger
    /// says so, and where `whole` does.
    pub(crate) fn save<C>(
        &mut self,
        tasks: &mut [C],
        declare: impl Fn(&mut C, &mut States<'_>),
        now: Timestamp,
        mut whole: impl FnMut() -> bool,
    ) {
        let count = tasks.len();
        self.commits += 1;
        for stored in self.states.values_mut() {
            if std::mem::take(&mut stored.anew) {
                stored.units = vec![BTreeMap::new(); count];
            }
        }
        for (task, component) in tasks.iter_mut().enumerate() {
            let visit = |name: &str, state: &mut dyn State| {
                self.save_state(name, state, (task, count), now, &mut whole);
                Ok(())
            };
            States::visit(visit, |states| declare(component, states)).unwrap();
        }
    }

    fn save_state(
        &mut self,
        name: &str,
        state: &mut dyn State,
        (task, tasks): (usize, usize),
        now: Timestamp,
        whole: &mut dyn FnMut() -> bool,
    ) {
        state.expire(now);
        let keyed = self.keyed;
        let shape = state.shape();
        let stored = self.states.entry(name.to_owned()).or_insert_with(|| {
            let by_shard = keyed && shape.by_key;
            let ledger = || Ledger::new(if by_shard { SHARDS } else { 1 });
            Stored {
                shape: shape.clone(),
                units: vec![BTreeMap::new(); if by_shard { SHARDS } else { tasks }],
                ledgers: (0..tasks).map(|_| ledger()).collect(),
                anew: false,
            }
        });
        assert_eq!(stored.shape, shape);
        let by_shard = stored.by_shard(keyed);
        let ledger = &mut stored.ledgers[task];
        let due: Vec<bool> = ledger.whole().iter().map(|due| *due || whole()).collect();
        let is_stored = |unit: usize| ledger.is_stored(unit);
        let mut changes = Changes::new(ledger.units(), now, |unit| due[unit], is_stored);
        state.save(&mut changes).unwrap();
        for (unit, bytes) in changes.into_units().enumerate() {
            let at = if by_shard { unit } else { task };
            if by_shard && task_of_shard(unit, tasks) != task {
                assert!(bytes.is_empty(), "an entry of another task's shard");
                continue;
            }
            for replaced in ledger.saved(unit, due[unit], self.commits, bytes.len()) {
                stored.units[at].remove(&replaced);
            }
            assert!(!due[unit] || stored.units[at].is_empty(), "an image is all");
            if !bytes.is_empty() {
                stored.units[at].insert(self.commits, bytes);
            }
        }
    }

    /// New tasks with what is stored, which may be more or fewer than there were.
    pub(crate) fn load<C>(
        &mut self,
        tasks: usize,
        make: impl Fn() -> C,
        declare: impl Fn(&mut C, &mut States<'_>),
    ) -> Vec<C> {
        let mut components: Vec<C> = (0..tasks).map(|_| make()).collect();
        for (task, component) in components.iter_mut().enumerate() {
            let load = |name: &str, state: &mut dyn State| {
                if let Some(stored) = self.states.get(name) {
                    assert_eq!(stored.shape, state.shape());
                    stored.load(state, (task, tasks), self.keyed);
                }
                state.loaded()
            };
            States::visit(load, |states| declare(component, states)).unwrap();
            let track = |_: &str, state: &mut dyn State| {
                state.track();
                Ok(())
            };
            States::visit(track, |states| declare(component, states)).unwrap();
        }
        for stored in self.states.values_mut() {
            let by_shard = stored.by_shard(self.keyed);
            stored.anew |= !by_shard && stored.units.len() != tasks;
            let units = &stored.units;
            let anew = stored.anew;
            let ledger = |task: usize| {
                let mut ledger = Ledger::new(if by_shard { SHARDS } else { 1 });
                if anew {
                    ledger.store_anew();
                    return ledger;
                }
                for unit in 0..ledger.units() {
                    let values = &units[if by_shard { unit } else { task }];
                    let own = !by_shard || task_of_shard(unit, tasks) == task;
                    if own {
                        let sizes = values.iter().map(|(commit, bytes)| (*commit, bytes.len()));
                        ledger.loaded(unit, sizes);
                    }
                }
                ledger
            };
            stored.ledgers = (0..tasks).map(ledger).collect();
        }
        components
    }
}

impl Stored {
    fn load(&self, state: &mut dyn State, (task, tasks): (usize, usize), keyed: bool) {
        let by_shard = self.by_shard(keyed);
        let before = self.units.len();
        let mut merges = false;
        for (unit, values) in self.units.iter().enumerate() {
            let mine = match self.shape.tasks {
                _ if by_shard => task_of_shard(unit, tasks) == task,
                AcrossTasks::Shared => true,
                AcrossTasks::Merged => unit % tasks == task,
                AcrossTasks::Fixed => {
                    assert_eq!(before, tasks, "this parallelism is refused");
                    unit == task
                }
            };
            if mine && !values.is_empty() {
                let values: Vec<Vec<u8>> = values.values().cloned().collect();
                state.load(&StoredUnit::new(&values, merges)).unwrap();
                merges = !by_shard;
            }
        }
    }
}

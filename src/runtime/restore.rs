//! What a durable run begins with: whether the stored state is this topology's, and its way
//! back into the tasks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::ended;
use super::keeper::{InEpochs, Keeper};
use super::message::TaskId;
use super::report::RunError;
use super::task::Task;
use crate::context::Epoch;
use crate::durable::layout::{self, Culprit};
use crate::durable::{Commit, KeptComponent, Manifest, Misfit, MisfitOf};
use crate::error::{BoxError, Result};
use crate::key::task_of_shard;
use crate::meaning::Meaning;
use crate::operator::Quarantine;
use crate::state::{AcrossTasks, Shape, State};
use crate::store::{Batch, Reader, Store, StoreError};
use crate::time::Timestamp;
use crate::topology::{ComponentKind, Definition};

/// What a run goes on from.
pub(crate) struct Restored {
    /// None where it begins.
    pub(crate) commit: Option<Commit>,
    /// What the first commit changes before all else.
    pub(crate) first: Batch,
}

/// Loads what is stored into the tasks, which keep their state from now on.
pub(crate) fn restore(
    store: &Store,
    name: &str,
    components: &[Definition],
    first_task: &[TaskId],
    tasks: &mut [Task],
) -> Result<Restored, RunError> {
    let reader = store.read()?;
    let before: Option<Manifest> = json(&reader, layout::MANIFEST)?;
    let commit: Option<Commit> = json(&reader, layout::COMMIT)?;
    let mut manifest = Manifest {
        topology: name.to_owned(),
        components: BTreeMap::new(),
    };
    for (component, first) in components.iter().zip(first_task) {
        let states = shapes(&mut tasks[*first])?;
        let kept = kept(component, states, meaning(component, &tasks[*first])?);
        if !kept.states.is_empty() || !kept.whole_meaning().is_none() {
            manifest.components.insert(component.id.clone(), kept);
        }
    }
    let mut first = Batch::default();
    if let Some(before) = &before {
        let dir = store.dir().map_or_else(
            || "the store in memory".to_owned(),
            |dir| dir.display().to_string(),
        );
        let units = |component: &str, state: &str| {
            read_units(&reader, component, state).map_or(usize::MAX, |units| units.len())
        };
        manifest.follows(before, &dir, units)?;
        check_outboxes(&reader, &dir, components)?;
        // What sinks have delivered stays known, for a run that has them again.
        for (id, stored) in before.components.iter().filter(|(_, stored)| stored.sink) {
            let components = &mut manifest.components;
            components
                .entry(id.clone())
                .or_insert_with(|| stored.clone());
        }
    }
    if let Some(commit) = &commit {
        tracing::info!(
            "going on from epoch {}, cut at {}",
            commit.epoch,
            commit.time
        );
    }
    let text =
        serde_json::to_vec(&manifest).map_err(|error| RunError::Commit(error.to_string()))?;
    first.put(layout::MANIFEST.to_vec(), text);

    for (component, first_task) in components.iter().zip(first_task) {
        let tasks = &mut tasks[*first_task..*first_task + component.parallelism];
        let known = manifest.components.get(&component.id);
        let stored = before
            .as_ref()
            .and_then(|before| before.components.get(&component.id));
        let mut of_component = Component {
            definition: component,
            reader: &reader,
            keepers: Vec::new(),
            tasks,
            commit,
        };
        of_component.make_keepers(known);
        if let (Some(known), Some(stored)) = (known, stored) {
            of_component.load(known, stored, &mut first)?;
        }
        of_component.take_outboxes()?;
        of_component.set_quarantine()?;
        of_component.hand_out()?;
    }
    Ok(Restored { commit, first })
}

/// What a component keeps, by name; its first task tells.
fn shapes(task: &mut Task) -> Result<BTreeMap<String, Shape>, RunError> {
    let mut shapes = BTreeMap::new();
    let name = task.context.name();
    let shape = |state: &str, kept: &mut dyn State| {
        let Some(_) = shapes.insert(state.to_owned(), kept.shape()) else {
            return Ok(());
        };
        Err(format!("it keeps two states under the name `{state}`").into())
    };
    guarded(
        || name.clone(),
        STATE,
        || task.states(shape),
        |task, cause| RunError::Start { task, cause },
    )?;
    Ok(shapes)
}

/// What the code of a component says that its results mean; its first task tells.
fn meaning(component: &Definition, task: &Task) -> Result<Meaning, RunError> {
    let name = task.context.name();
    let mut meaning = Meaning::none();
    let ask = || {
        meaning = task.meaning();
        match meaning.fault().or(component.stated.fault()) {
            Some(why) => Err(format!("its meaning cannot be kept as JSON: {why}").into()),
            None => Ok(()),
        }
    };
    guarded(
        || name.clone(),
        "`meaning`",
        ask,
        |task, cause| RunError::Start { task, cause },
    )?;
    Ok(meaning)
}

fn kept(
    component: &Definition,
    states: BTreeMap<String, Shape>,
    meaning: Meaning,
) -> KeptComponent {
    let groupings = component.inputs.iter().map(|input| &input.grouping);
    let grouped_by: BTreeSet<String> = groupings.map(ToString::to_string).collect();
    KeptComponent {
        tasks: component.parallelism,
        grouped_by: grouped_by.into_iter().collect(),
        by_shard: component.is_by_shard(),
        sink: component.kind == ComponentKind::Sink,
        states,
        meaning,
        stated: component.stated.clone(),
    }
}

/// No sink is gone that has something to deliver.
fn check_outboxes(reader: &Reader, dir: &str, components: &[Definition]) -> Result<(), RunError> {
    let mut gone = BTreeSet::new();
    let done = reader.prefix(b"o", &mut |key, _| {
        let known = components
            .iter()
            .any(|component| key.starts_with(&layout::component_outbox(&component.id)));
        if !known {
            gone.insert(layout::read_component(key)?);
        }
        Ok(())
    });
    done.map_err(failed)?;
    if gone.is_empty() {
        return Ok(());
    }
    let mistakes = gone.into_iter().map(|component| MisfitOf::Gone {
        component,
        state: None,
    });
    Err(RunError::Misfit(Misfit {
        dir: dir.to_owned(),
        mistakes: mistakes.collect(),
    }))
}

fn json<T: serde::de::DeserializeOwned>(
    reader: &Reader,
    key: &[u8],
) -> Result<Option<T>, RunError> {
    let Some(bytes) = reader.get(key)? else {
        return Ok(None);
    };
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| {
        let key = String::from_utf8_lossy(key);
        RunError::Commit(format!(
            "the record `{key}` of the store cannot be read: {error}"
        ))
    })
}

/// An error while reading, which is mostly one of the store.
fn failed(error: BoxError) -> RunError {
    match error.downcast::<StoreError>() {
        Ok(error) => RunError::Store(*error),
        Err(error) => RunError::Commit(error.to_string()),
    }
}

type Units = BTreeMap<u16, InEpochs>;

/// Everything that is stored of a state, by unit.
fn read_units(reader: &Reader, component: &str, state: &str) -> Result<Units, RunError> {
    let mut units = Units::new();
    let done = reader.prefix(&layout::state(component, state), &mut |key, value| {
        let key = layout::read_unit(key)?;
        let unit: &mut InEpochs = units.entry(key.unit).or_default();
        unit.epochs.push(key.epoch);
        unit.values.push(value.to_vec());
        Ok(())
    });
    done.map_err(failed)?;
    Ok(units)
}

/// What user code declares its state by.
const STATE: &str = "`state`";

/// As [`ended::guarded`]; an error becomes what `error` makes of it.
fn guarded(
    task: impl Fn() -> String,
    place: &str,
    call: impl FnOnce() -> Result,
    error: impl FnOnce(String, BoxError) -> RunError,
) -> Result<(), RunError> {
    ended::guarded(&task, place, call)?.map_err(|cause| error(task(), cause))
}

/// One component on its way back.
struct Component<'r> {
    definition: &'r Definition,
    reader: &'r Reader,
    keepers: Vec<Keeper>,
    tasks: &'r mut [Task],
    commit: Option<Commit>,
}

impl Component<'_> {
    fn make_keepers(&mut self, known: Option<&KeptComponent>) {
        let by_shard = known.is_some_and(|known| known.by_shard);
        let (id, tasks) = (&self.definition.id, self.tasks.len());
        self.keepers = (0..tasks)
            .map(|task| Keeper::new(id, task, tasks, by_shard))
            .collect();
    }

    fn load(
        &mut self,
        known: &KeptComponent,
        stored: &KeptComponent,
        first: &mut Batch,
    ) -> Result<(), RunError> {
        for task in self.tasks.iter() {
            guarded(
                || task.context.name(),
                "the runtime",
                || task.context.fault_point("restore"),
                |task, cause| RunError::Failed { task, cause },
            )?;
        }
        for (name, shape) in &known.states {
            if !stored.states.contains_key(name) {
                continue;
            }
            if known.by_shard && shape.by_key {
                self.load_by_shard(name)?;
            } else {
                let moves = self.load_by_task(name, shape, stored.tasks)?;
                if moves {
                    let prefix = layout::state(&self.definition.id, name);
                    first.delete_range(prefix.clone(), layout::after(&prefix));
                    for keeper in &mut self.keepers {
                        keeper.store_anew(name, shape);
                    }
                }
            }
        }
        Ok(())
    }

    fn load_by_shard(&mut self, name: &str) -> Result<(), RunError> {
        let prefix = layout::state(&self.definition.id, name);
        // One unit at a time: together they may be as large as memory.
        let mut unit: Option<u16> = None;
        let mut stored = InEpochs::default();
        let mut error = None;
        let reader = self.reader;
        let done = reader.prefix(&prefix, &mut |key, value| {
            let key = layout::read_unit(key)?;
            if let Some(before) = unit.filter(|before| *before != key.unit) {
                let of_unit = std::mem::take(&mut stored);
                if let Err(failed) =
                    self.load_unit(name, self.task_of(before), before, &of_unit, false)
                {
                    error = Some(failed);
                    return Err("stopped".into());
                }
            }
            unit = Some(key.unit);
            stored.epochs.push(key.epoch);
            stored.values.push(value.to_vec());
            Ok(())
        });
        if let Some(error) = error {
            return Err(error);
        }
        done.map_err(failed)?;
        if let Some(unit) = unit {
            self.load_unit(name, self.task_of(unit), unit, &stored, false)?;
        }
        Ok(())
    }

    fn task_of(&self, shard: u16) -> usize {
        task_of_shard(usize::from(shard), self.tasks.len())
    }

    /// Loads the units of tasks; says whether they move.
    fn load_by_task(
        &mut self,
        name: &str,
        shape: &Shape,
        tasks_before: usize,
    ) -> Result<bool, RunError> {
        let units = read_units(self.reader, &self.definition.id, name)?;
        let tasks = self.tasks.len();
        let spout = self.definition.kind == ComponentKind::Spout;
        let shared = shape.tasks == AcrossTasks::Shared;
        if !spout && !shared && tasks == tasks_before {
            for (unit, stored) in &units {
                self.load_unit(name, usize::from(*unit), *unit, stored, false)?;
            }
            return Ok(false);
        }
        let to_all = spout || shared;
        let mut loaded = vec![false; tasks];
        for (unit, stored) in &units {
            let into = if to_all {
                0..tasks
            } else {
                let task = usize::from(*unit) % tasks;
                task..task + 1
            };
            for task in into {
                let merges = std::mem::replace(&mut loaded[task], true);
                self.load_unit(name, task, *unit, stored, merges)?;
            }
        }
        Ok(spout || tasks != tasks_before)
    }

    fn load_unit(
        &mut self,
        name: &str,
        task: usize,
        unit: u16,
        stored: &InEpochs,
        merges: bool,
    ) -> Result<(), RunError> {
        let (Some(into), Some(keeper)) = (self.tasks.get_mut(task), self.keepers.get_mut(task))
        else {
            return Ok(());
        };
        let task = into.context.name();
        let load = || {
            into.states(|state, kept| {
                if state == name {
                    keeper.load(name, kept, unit, stored, merges)
                } else {
                    Ok(())
                }
            })
        };
        guarded(
            || task.clone(),
            STATE,
            load,
            |task, cause| RunError::Restore {
                task,
                state: name.to_owned(),
                cause,
            },
        )
    }

    /// Gives every task what is to be delivered by it.
    fn take_outboxes(&mut self) -> Result<(), RunError> {
        let prefix = layout::component_outbox(&self.definition.id);
        let mut entries: BTreeMap<(u64, u16), Vec<u8>> = BTreeMap::new();
        let done = self.reader.prefix(&prefix, &mut |key, value| {
            let (task, epoch) = layout::read_outbox(key)?;
            entries.insert((epoch, task), value.to_vec());
            Ok(())
        });
        done.map_err(failed)?;
        let time = self.commit.map_or(Timestamp::MIN, |commit| commit.time);
        for ((number, before), bytes) in entries {
            let task = usize::from(before) % self.tasks.len();
            let epoch = Epoch {
                number,
                time,
                last: false,
                closes: false,
                commit: true,
            };
            self.keepers[task].takes_outbox_of(before);
            if let Some(outbox) = self.tasks[task].outbox() {
                outbox.put_back(epoch, bytes);
            }
        }
        Ok(())
    }

    /// Tells the bolts which tuples they are not to see again.
    fn set_quarantine(&mut self) -> Result<(), RunError> {
        let prefix = layout::component_culprits(&self.definition.id);
        let mut tuples = BTreeMap::new();
        let done = self.reader.prefix(&prefix, &mut |key, value| {
            let culprit: Culprit = serde_json::from_slice(value)?;
            if culprit.panics >= layout::PANICS {
                let tuple = String::from_utf8_lossy(&key[prefix.len()..]);
                tuples.insert(tuple.into_owned(), culprit.message);
            }
            Ok(())
        });
        done.map_err(failed)?;
        let tuples: Quarantine = Arc::new(tuples);
        for task in self.tasks.iter_mut() {
            task.quarantine(&tuples);
        }
        Ok(())
    }

    /// Every task keeps its own from now on.
    fn hand_out(self) -> Result<(), RunError> {
        for (task, keeper) in self.tasks.iter_mut().zip(self.keepers) {
            let name = task.context.name();
            let mut at = String::new();
            let keep = || {
                task.states(|state, kept: &mut dyn State| {
                    state.clone_into(&mut at);
                    kept.loaded()
                })?;
                task.keep(keeper)
            };
            let kept = ended::guarded(|| name.clone(), STATE, keep)?;
            task.context.resumed_from = self.commit.map(|commit| commit.epoch);
            // One process runs all tasks: where it goes on, none has run.
            task.context.interrupted = self.commit.is_some();
            task.saving.committed = self.commit.map_or(0, |commit| commit.epoch);
            task.passed = task.saving.committed;
            task.metrics.restore_counts(task.saving.committed);
            kept.map_err(|cause| RunError::Restore {
                task: name,
                state: at,
                cause,
            })?;
        }
        Ok(())
    }
}

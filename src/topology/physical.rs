//! A plan as it runs: tasks, the channels between them, and the threads that they run on.

use std::fmt::{self, Write as _};
use std::ops::Range;
use std::thread;

use serde::Serialize;

use super::definition::Definition;
use super::exchange::Exchange;
use super::mistake::plain;
use super::parts::Parts;
use super::plan::{Grouping, Plan};
use crate::key::shards_of_task;

/// What a topology is while it runs in one process: its tasks, which shards of the keys each holds,
/// the channels between them, and the threads.
///
/// The runtime makes its tasks from it, so what is printed is what runs.
///
/// ```
/// use squall::bolts::{Rank, RollingCount};
/// use squall::connectors::RandomWords;
/// use squall::{Count, Topology, Word, secs};
///
/// let topology = Topology::named("top-words");
/// let words = topology.spout("words", RandomWords::default);
/// let counts = topology
///     .keyed("counts", || RollingCount::over(secs(60)).every(secs(2)))
///     .parallelism(2)
///     .fields_grouping(&words, Word::WORD);
/// topology.bolt("rankings", || Rank::top(10)).parallelism(2).fields_grouping(&counts, Count::KEY);
///
/// assert_eq!(topology.physical_plan(Some(2))?.to_string(), "\
/// topology top-words: 5 tasks, 4 channels, 2 threads
///
/// thread 0: words[0], counts[1] (shards 128 to 255), rankings[1] (shards 128 to 255)
/// thread 1: counts[0] (shards 0 to 127), rankings[0] (shards 0 to 127)
///
/// words -> counts: 2 channels, fields(word), combined
/// counts -> rankings: 2 channels, fields(key), chained
/// ");
/// # Ok::<(), squall::topology::PlanErrors>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PhysicalPlan {
    /// The topology's name.
    pub topology: String,
    /// All tasks: those of the component that was declared first come first.
    pub tasks: Vec<PhysicalTask>,
    /// The inputs of all components, in the order of their readers.
    pub inputs: Vec<PhysicalInput>,
    /// The tasks of each thread, as positions in `tasks`, each before those that read it.
    pub threads: Vec<Vec<usize>>,
}

/// One task of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PhysicalTask {
    /// The position of the component in the plan.
    pub component: usize,
    /// The task as people name it: `counts[2]`.
    pub name: String,
    /// The shards whose keys it holds: of a bolt whose inputs are all grouped by fields.
    pub shards: Option<Range<usize>>,
}

/// An input: the channels from the tasks of a component to those of its reader.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PhysicalInput {
    /// The tasks that send, as positions in [`PhysicalPlan::tasks`].
    pub senders: Range<usize>,
    /// The tasks that read.
    pub readers: Range<usize>,
    /// The name of the stream.
    pub stream: String,
    /// Which reader gets which tuple.
    pub grouping: Grouping,
    /// How it gets there.
    pub exchange: Exchange,
    /// The position of the stream among those of the sender, the dead letters last.
    #[serde(skip)]
    pub(crate) stream_at: usize,
    /// The position of the reader in the plan, and of the input among its inputs.
    #[serde(skip)]
    pub(crate) input: (usize, usize),
}

impl PhysicalInput {
    /// The tasks that one of the senders sends to: in a chain there is only the one of the same
    /// number. None where it is no sender.
    #[must_use]
    pub fn readers_of(&self, sender: usize) -> Range<usize> {
        if !self.senders.contains(&sender) {
            0..0
        } else if self.exchange == Exchange::Chained {
            let reader = self.readers.start + (sender - self.senders.start);
            reader..reader + 1
        } else {
            self.readers.clone()
        }
    }

    /// How many channels there are.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.senders
            .clone()
            .map(|sender| self.readers_of(sender).len())
            .sum()
    }
}

impl PhysicalPlan {
    /// Of a plan that was checked, whose components have this topological order.
    pub(crate) fn of(plan: &Plan, parts: &Parts, order: &[usize], threads: Option<usize>) -> Self {
        let components = &parts.components;
        let mut tasks = Vec::new();
        let mut tasks_of = Vec::new();
        for (number, component) in components.iter().enumerate() {
            let first = tasks.len();
            tasks.extend((0..component.parallelism).map(|task| {
                PhysicalTask {
                    component: number,
                    name: format!("{}[{task}]", component.id),
                    shards: component
                        .is_by_shard()
                        .then(|| shards_of_task(task, component.parallelism)),
                }
            }));
            tasks_of.push(first..tasks.len());
        }
        let inputs = components
            .iter()
            .enumerate()
            .flat_map(|(reader, component)| {
                let tasks_of = &tasks_of;
                component
                    .inputs
                    .iter()
                    .enumerate()
                    .filter_map(move |(place, input)| {
                        let planned = &plan.components[reader].inputs[place];
                        Some(PhysicalInput {
                            // The check refuses streams of other topologies.
                            senders: tasks_of[input.source?].clone(),
                            readers: tasks_of[reader].clone(),
                            stream: planned.stream.clone(),
                            stream_at: input.stream,
                            grouping: planned.grouping.clone(),
                            exchange: planned.exchange,
                            input: (reader, place),
                        })
                    })
            });
        let inputs: Vec<PhysicalInput> = inputs.collect();
        let chains = chains(components, order, &tasks_of, &inputs);
        Self {
            topology: plan.name.clone(),
            threads: on_threads(chains, threads.unwrap_or_else(cores)),
            tasks,
            inputs,
        }
    }

    /// The tasks of a component, as positions in [`PhysicalPlan::tasks`].
    pub(crate) fn tasks_of(&self, component: usize) -> Range<usize> {
        let first = self
            .tasks
            .partition_point(|task| task.component < component);
        let end = self
            .tasks
            .partition_point(|task| task.component <= component);
        first..end
    }
}

impl fmt::Display for PhysicalPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let channels: usize = self.inputs.iter().map(PhysicalInput::channels).sum();
        let counted = |count: usize, what: &str| {
            format!("{count} {what}{}", if count == 1 { "" } else { "s" })
        };
        let (tasks, channels) = (
            counted(self.tasks.len(), "task"),
            counted(channels, "channel"),
        );
        let threads = counted(self.threads.len(), "thread");
        writeln!(
            f,
            "topology {}: {tasks}, {channels}, {threads}",
            plain(&self.topology)
        )?;
        writeln!(f)?;
        for (number, thread) in self.threads.iter().enumerate() {
            let named = thread.iter().map(|task| self.tasks[*task].to_string());
            writeln!(
                f,
                "thread {number}: {}",
                named.collect::<Vec<_>>().join(", ")
            )?;
        }
        writeln!(f)?;
        for input in &self.inputs {
            let component = |tasks: &Range<usize>| {
                let name = &self.tasks[tasks.start].name;
                plain(
                    name.rsplit_once('[')
                        .map_or(name.as_str(), |(component, _)| component),
                )
            };
            let (sender, reader) = (component(&input.senders), component(&input.readers));
            let mut line = format!(
                "{sender} -> {reader}: {}",
                counted(input.channels(), "channel")
            );
            if input.stream_at != 0 {
                write!(line, ", stream {}", plain(&input.stream))?;
            }
            write!(line, ", {}", input.grouping.label(plain))?;
            match input.exchange {
                Exchange::Sent => {}
                Exchange::Combined => line.push_str(", combined"),
                Exchange::Chained => line.push_str(", chained"),
            }
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PhysicalTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&plain(&self.name))?;
        match &self.shards {
            Some(shards) if shards.len() == 1 => write!(f, " (shard {})", shards.start),
            Some(shards) => write!(f, " (shards {} to {})", shards.start, shards.end - 1),
            None => Ok(()),
        }
    }
}

/// How many cores there are for this process.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Tasks that read each other on one thread.
#[derive(Default)]
struct Chain {
    /// Each with the position of its component in topological order.
    tasks: Vec<(usize, usize)>,
    /// Whether the code of one of them may wait.
    waits: bool,
}

/// All tasks, in chains.
fn chains(
    components: &[Definition],
    order: &[usize],
    tasks_of: &[Range<usize>],
    inputs: &[PhysicalInput],
) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut chain_of = vec![0; tasks_of.last().map_or(0, |tasks| tasks.end)];
    for (position, &number) in order.iter().enumerate() {
        let chained = inputs
            .iter()
            .find(|input| input.input.0 == number && input.exchange == Exchange::Chained);
        for (task, id) in tasks_of[number].clone().enumerate() {
            chain_of[id] = match chained {
                Some(input) => chain_of[input.senders.start + task],
                None => chains.len(),
            };
            if chain_of[id] == chains.len() {
                chains.push(Chain::default());
            }
            let chain = &mut chains[chain_of[id]];
            chain.tasks.push((position, id));
            chain.waits |= components[number].waits();
        }
    }
    chains
}

/// The tasks of each thread, each before those that read it: a chain, or some of the chains whose
/// code never waits, where there are more of these than threads for them.
fn on_threads(chains: Vec<Chain>, shared: usize) -> Vec<Vec<usize>> {
    let (waiting, others): (Vec<Chain>, Vec<Chain>) =
        chains.into_iter().partition(|chain| chain.waits);
    let mut threads: Vec<Chain> = Vec::new();
    for (number, chain) in others.into_iter().enumerate() {
        match threads.get_mut(number % shared.max(1)) {
            Some(thread) => thread.tasks.extend(chain.tasks),
            None => threads.push(chain),
        }
    }
    for thread in &mut threads {
        thread.tasks.sort_unstable();
    }
    let threads = waiting.into_iter().chain(threads);
    let threads = threads.map(|thread| thread.tasks.into_iter().map(|(_, id)| id).collect());
    threads.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bolts::{Filter, MergeRankings, Rank, RollingCount};
    use crate::connectors::RandomWords;
    use crate::topology::When;
    use crate::{Count, Topology, Word, secs};

    fn topology(tasks: usize) -> Topology {
        let topology = Topology::named("words");
        let words = topology.spout("words", RandomWords::default).parallelism(2);
        let long = topology
            .bolt("long", || Filter::new(|word: &Word| word.word.len() > 3))
            .parallelism(2)
            .local_or_shuffle_grouping(&words);
        let counts = topology
            .keyed("counts", || RollingCount::over(secs(60)).every(secs(2)))
            .parallelism(tasks)
            .fields_grouping(&long, Word::WORD);
        let ranked = topology
            .bolt("rankings", || Rank::top(10))
            .parallelism(tasks)
            .fields_grouping(&counts, Count::KEY);
        topology
            .bolt("merged", || MergeRankings::top(10))
            .global_grouping(&ranked);
        topology
    }

    #[test]
    fn every_task_runs_on_one_thread_after_those_that_it_reads_there() {
        for (tasks, threads) in [(1, 1), (3, 2), (256, 7)] {
            let plan = topology(tasks).physical_plan(Some(threads)).unwrap();
            let mut placed: Vec<usize> = plan.threads.concat();
            for thread in &plan.threads {
                for input in &plan.inputs {
                    for sender in input.senders.clone() {
                        for reader in input.readers_of(sender) {
                            let place = |task| thread.iter().position(|other| *other == task);
                            if let (Some(sender), Some(reader)) = (place(sender), place(reader)) {
                                assert!(sender < reader, "{plan}");
                            }
                        }
                    }
                }
            }
            placed.sort_unstable();
            assert_eq!(placed, (0..plan.tasks.len()).collect::<Vec<_>>());
            // A filter's closure may wait, so each of the two chains with one has its own.
            assert_eq!(plan.threads.len(), 2 + threads);
        }
    }

    #[test]
    fn the_shards_of_a_component_are_dealt_to_its_tasks() {
        for tasks in [1, 3, 200, 256] {
            let plan = topology(tasks).physical_plan(None).unwrap();
            let of = |component: usize| {
                let tasks = &plan.tasks[plan.tasks_of(component)];
                tasks.iter().map(|task| task.shards.clone())
            };
            assert!(
                of(0)
                    .chain(of(1))
                    .chain(of(4))
                    .all(|shards| shards.is_none())
            );
            let dealt = of(2).flat_map(|shards| shards.unwrap());
            assert!(dealt.eq(0..256));
        }
    }

    #[test]
    fn tasks_that_are_not_chained_send_to_all_readers() {
        let topology = topology(3);
        topology.chain(When::Never);
        let plan = topology.physical_plan(None).unwrap();
        let channels: Vec<usize> = plan.inputs.iter().map(PhysicalInput::channels).collect();
        assert_eq!(channels, [4, 6, 9, 3]);
        topology.chain(When::Pays);
        let plan = topology.physical_plan(None).unwrap();
        let channels: Vec<usize> = plan.inputs.iter().map(PhysicalInput::channels).collect();
        assert_eq!(channels, [2, 6, 3, 3]);
    }
}

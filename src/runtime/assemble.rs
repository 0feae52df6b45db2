//! Makes the tasks of a topology and connects their channels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::thread;

use super::channels::{Channels, FIRST_WINDOW};
use super::commits::Commits;
use super::committer::Committer;
use super::coordinator::{Coordinator, SpoutTies, Watched};
use super::ended::guarded;
use super::inputs::Inputs;
use super::losses::{LossWatch, Watched as Losing};
use super::message::TaskId;
use super::program::Program;
use super::rate::RateLimit;
use super::report::RunError;
use super::restore::restore;
use super::task::Task;
use super::window::CreditWindow;
use super::work::{Shared, Work};
use crate::context::Context;
use crate::operator::{AnyEdge, Combining};
use crate::time::{TimeDomain, WindowShape};
use crate::topology::{Carriage, ComponentKind, Definition, Grouping, Make, Plan};

/// A way from one task to another: the sender's output channel, the reader's input channel.
#[derive(Clone, Copy)]
struct End {
    task: TaskId,
    channel: usize,
}

/// What is wired to one task so far.
#[derive(Default)]
struct Wiring {
    readers: Vec<End>,
    senders: Vec<End>,
    edges: Vec<Vec<Box<dyn AnyEdge>>>,
}

/// A topology ready to be driven.
pub(crate) struct Assembly {
    pub(crate) tasks: Vec<Task>,
    /// The tasks of each thread, each before those that read it.
    pub(crate) threads: Vec<Vec<TaskId>>,
    pub(crate) coordinator: Coordinator,
    pub(crate) committer: Option<Committer>,
}

impl Program {
    /// Makes every task, with what is stored of it, and lets its user code get ready.
    pub(crate) fn assemble(&self, waker: impl Fn(TaskId) -> Waker) -> Result<Assembly, RunError> {
        // Code of users is guarded where it is called; what is left is named by the topology.
        let name = || self.plan.name.clone();
        let mut assembly = guarded(name, "its making", || assemble(self, waker))??;
        prepare(&mut assembly.tasks)?;
        Ok(assembly)
    }
}

/// Lets the user code of every task get ready.
fn prepare(tasks: &mut [Task]) -> Result<(), RunError> {
    for task in tasks {
        let name = task.context.name();
        let place = if task.is_spout() {
            "`open`"
        } else {
            "`prepare`"
        };
        if let Err(cause) = guarded(|| name.clone(), place, || task.prepare())? {
            return Err(RunError::Start { task: name, cause });
        }
    }
    Ok(())
}

/// Makes every task, connects them, and loads what is stored of them; `waker` gives each
/// task its own.
fn assemble(program: &Program, waker: impl Fn(TaskId) -> Waker) -> Result<Assembly, RunError> {
    let Program {
        plan, order, store, ..
    } = program;
    let components = &program.parts.components;
    let first_task = first_tasks(components);
    let (mut tasks, component_of) = make_tasks(program, &first_task, waker)?;
    let slides = spread_times(plan, order, &first_task, &mut tasks)?;
    if !slides.is_empty() {
        // Nothing else of a topology goes by the clock. It is whole at every moment.
        let ahead = program.clock_was_ahead.lock();
        if let Some(told) = ahead.unwrap_or_else(PoisonError::into_inner).take() {
            tracing::warn!("{told}");
        }
    }
    introduce(plan, &component_of, &mut tasks);
    let ties = spout_ties(plan, order, |number| tasks[first_task[number]].domain());
    let mut commits = None;
    let mut committer = None;
    let mut anew = true;
    if let Some(store) = store {
        let restored = restore(store, &plan.name, components, &first_task, &mut tasks)?;
        anew = restored.commit.is_none();
        let sinks = tasks.iter_mut().filter_map(Task::outbox).count();
        let epoch = restored.commit.map_or(0, |commit| commit.epoch);
        let now = program.clock.elapsed();
        commits = Some(Commits::new(program.options.commit, epoch, now, sinks));
        committer = Some(Committer::new(
            store.clone(),
            program.bell.clone(),
            program.faults.clone(),
            restored.first,
        ));
    }
    if anew {
        combine(program, &first_task, &mut tasks);
    }
    let watched = tasks
        .iter()
        .zip(component_of)
        .map(|(task, component)| Watched {
            name: task.context.name(),
            component,
            spout: ties[component].clone(),
            metrics: Arc::clone(&task.metrics),
        });
    let watched = watched.collect();
    let names = components
        .iter()
        .map(|component| component.id.clone())
        .collect();
    let coordinator = Coordinator::new(
        (watched, names),
        program.clock.clone(),
        program.options.clone(),
        slides,
        commits,
        losses(program, &first_task),
    );
    Ok(Assembly {
        threads: threads(program, &first_task, tasks.len()),
        tasks,
        coordinator,
        committer,
    })
}

/// The tasks of all components, connected, with the number of each one's component.
fn make_tasks(
    program: &Program,
    first_task: &[TaskId],
    waker: impl Fn(TaskId) -> Waker,
) -> Result<(Vec<Task>, Vec<usize>), RunError> {
    let Program {
        plan,
        options,
        clock,
        faults,
        metrics,
        ..
    } = program;
    let components = &program.parts.components;
    let mut wirings = wire(plan, components, first_task)?;

    let shared = Shared {
        clock: clock.clone(),
        linger: options.linger,
        batch_tuples: options.batch_tuples,
        slides: Arc::default(),
        clients: Arc::default(),
        limits: Some(losses(program, first_task)).filter(|losses| losses.has_limits()),
    };
    let tasks_of: BTreeMap<_, _> = components
        .iter()
        .map(|component| (component.id.clone(), component.parallelism))
        .collect();
    let tasks_of = Arc::new(tasks_of);
    let began = clock.now();
    let mut tasks = Vec::new();
    let mut component_of = Vec::new();
    for (number, component) in components.iter().enumerate() {
        let limit = component
            .rate
            .map(|rate| Arc::new(RateLimit::per_second(rate)));
        for task in 0..component.parallelism {
            let id = first_task[number] + task;
            let wiring = std::mem::take(&mut wirings[id]);
            let context = Context {
                component: component.id.clone(),
                task,
                parallelism: component.parallelism,
                domain: TimeDomain::Processing,
                window: None,
                durable: false,
                resumed_from: None,
                life: program.life,
                waker: waker(id),
                began,
                faults: faults.clone(),
                runtime: shared.clients.runtime(),
                tasks_of: Arc::clone(&tasks_of),
            };
            let ends = |ends: Vec<End>| ends.into_iter().map(|end| (end.task, end.channel));
            let first_window = options.credit_tuples.unwrap_or(FIRST_WINDOW);
            let credit = match options.credit_tuples {
                Some(tuples) => CreditWindow::Fixed(tuples),
                None => CreditWindow::measured(options.batch_tuples),
            };
            let name = context.name();
            let work = guarded(|| name, "its factory", || work(component, limit.clone()))?;
            let mut task = Task::new(
                (id, context),
                work,
                Inputs::new(ends(wiring.senders)),
                wiring.edges,
                Channels::new(ends(wiring.readers), options.batch_tuples, first_window),
                credit,
                shared.clone(),
            );
            task.metrics = Arc::clone(&metrics[id]);
            if shared.limits.is_some() {
                task.stop_at_losses();
            }
            tasks.push(task);
            component_of.push(number);
        }
    }
    Ok((tasks, component_of))
}

/// Sees what the tasks of all components lose.
fn losses(program: &Program, first_task: &[TaskId]) -> Arc<LossWatch> {
    let components = program.parts.components.iter().zip(first_task);
    let losing = components.map(|(component, first)| Losing {
        component: component.id.clone(),
        spout: component.kind == ComponentKind::Spout,
        tasks: program.metrics[*first..*first + component.parallelism].to_vec(),
    });
    let options = &program.options;
    let (max_dead_letters, max_late) = (options.max_dead_letters, options.max_late);
    Arc::new(LossWatch::new(losing.collect(), max_dead_letters, max_late))
}

/// The number of each component's first task.
fn first_tasks(components: &[Definition]) -> Vec<TaskId> {
    let mut next = 0;
    let firsts = components.iter().map(|component| {
        let first = next;
        next += component.parallelism;
        first
    });
    firsts.collect()
}

fn work(component: &Definition, limit: Option<Arc<RateLimit>>) -> Work {
    match &component.make {
        Make::Spout(make) => Work::Spout {
            spout: make(),
            limit,
        },
        Make::Bolt(make) => Work::Bolt(make()),
        Make::Unwired => unreachable!("the check refuses a keyed bolt without a grouping"),
    }
}

/// Connects every task of a component to every task of its readers.
fn wire(
    plan: &Plan,
    components: &[Definition],
    first_task: &[TaskId],
) -> Result<Vec<Wiring>, RunError> {
    let count = components
        .iter()
        .map(|component| component.parallelism)
        .sum();
    let mut wirings: Vec<Wiring> = Vec::new();
    wirings.resize_with(count, Wiring::default);
    for (number, component) in components.iter().enumerate() {
        for task in 0..component.parallelism {
            let streams = component.outputs.len() + 1;
            wirings[first_task[number] + task]
                .edges
                .resize_with(streams, Vec::new);
        }
    }
    for (number, component) in components.iter().enumerate() {
        for (place, input) in component.inputs.iter().enumerate() {
            // The check refuses streams of other topologies.
            let Some(source) = input.source else { continue };
            for sender_task in 0..components[source].parallelism {
                let sender = first_task[source] + sender_task;
                let reader = || component.id.clone();
                let mut edge = guarded(reader, "the factory of its grouping", || (input.edge)())?;
                // In a chain there is only the task of the same number to send to.
                let chained = plan.components[number].inputs[place].carriage == Carriage::Chained;
                let (reader_tasks, as_sender) = if chained {
                    (sender_task..sender_task + 1, 0)
                } else {
                    (0..component.parallelism, sender_task)
                };
                let first = wirings[sender].readers.len();
                edge.connect(first, reader_tasks.len(), as_sender);
                wirings[sender].edges[input.stream].push(edge);
                for reader_task in reader_tasks {
                    let reader = first_task[number] + reader_task;
                    let out = wirings[sender].readers.len();
                    let into = wirings[reader].senders.len();
                    wirings[sender].readers.push(End {
                        task: reader,
                        channel: into,
                    });
                    wirings[reader].senders.push(End {
                        task: sender,
                        channel: out,
                    });
                }
            }
        }
    }
    Ok(wirings)
}

/// Lets senders combine what the plan says. Not in a run that goes on from an earlier one: what
/// a failure is tried again with is every tuple by itself, so that the culprit is known; and
/// panes that the earlier run has closed are known to the reader alone.
fn combine(program: &Program, first_task: &[TaskId], tasks: &mut [Task]) {
    let always = program.parts.combines_always();
    // How many edges each stream has so far, in the order in which they were wired.
    let mut edges: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (number, component) in program.parts.components.iter().enumerate() {
        for (place, input) in component.inputs.iter().enumerate() {
            let Some(source) = input.source else { continue };
            let edge = edges.entry((source, input.stream)).or_default();
            if program.plan.components[number].inputs[place].carriage == Carriage::Combined {
                let window = tasks[first_task[number]].windows();
                let pane_ms = window.and_then(WindowShape::slide_ms);
                let combining = Combining { pane_ms, always };
                let senders = program.parts.components[source].parallelism;
                for sender in tasks.iter_mut().skip(first_task[source]).take(senders) {
                    sender.combine(input.stream, *edge, combining);
                }
            }
            *edge += 1;
        }
    }
}

/// The tasks of each thread, each before those that read it: a chain, or some of the chains whose
/// code never waits, where there are more of these than threads for them.
fn threads(program: &Program, first_task: &[TaskId], tasks: usize) -> Vec<Vec<TaskId>> {
    let shared = program.options.threads.unwrap_or_else(cores);
    let chains = chains(program, first_task, tasks);
    let (waiting, others): (Vec<Chain>, Vec<Chain>) =
        chains.into_iter().partition(|chain| chain.waits);
    let mut threads: Vec<Chain> = Vec::new();
    for (number, chain) in others.into_iter().enumerate() {
        match threads.get_mut(number % shared) {
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

/// How many cores there are for this process.
fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Tasks that read each other on one thread.
#[derive(Default)]
struct Chain {
    /// Each with the position of its component in topological order.
    tasks: Vec<(usize, TaskId)>,
    /// Whether the code of one of them may wait.
    waits: bool,
}

/// All tasks, in chains.
fn chains(program: &Program, first_task: &[TaskId], tasks: usize) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut chain_of = vec![0; tasks];
    for (position, &number) in program.order.iter().enumerate() {
        let component = &program.parts.components[number];
        let inputs = program.plan.components[number].inputs.iter();
        let chained = inputs
            .zip(&component.inputs)
            .find_map(|(plan, input)| input.source.filter(|_| plan.carriage == Carriage::Chained));
        for task in 0..component.parallelism {
            let id = first_task[number] + task;
            chain_of[id] = match chained {
                Some(source) => chain_of[first_task[source] + task],
                None => chains.len(),
            };
            if chain_of[id] == chains.len() {
                chains.push(Chain::default());
            }
            let chain = &mut chains[chain_of[id]];
            chain.tasks.push((position, id));
            chain.waits |= component.waits();
        }
    }
    chains
}

/// For each spout the spouts by event time whose tuples meet its own in some component.
fn spout_ties(
    plan: &Plan,
    order: &[usize],
    domain: impl Fn(usize) -> Option<TimeDomain>,
) -> Vec<Option<SpoutTies>> {
    // The spouts upstream of each component, itself included.
    let mut upstream: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); plan.components.len()];
    for &number in order {
        if domain(number).is_some() {
            upstream[number].insert(number);
        }
        for source in sources(plan, number) {
            let spouts = upstream[source].clone();
            upstream[number].extend(spouts);
        }
    }
    let ties = (0..plan.components.len()).map(|spout| {
        domain(spout)?;
        let meetings = upstream.iter().filter(|spouts| spouts.contains(&spout));
        let all: BTreeSet<usize> = meetings.flatten().copied().collect();
        let by_event_time = all.into_iter();
        let follows = by_event_time.filter(|other| domain(*other) == Some(TimeDomain::Event));
        Some(SpoutTies {
            follows: follows.collect(),
        })
    });
    ties.collect()
}

/// The components that a component reads.
fn sources(plan: &Plan, number: usize) -> impl Iterator<Item = usize> {
    let inputs = plan.components[number].inputs.iter();
    inputs.filter_map(|input| {
        let mut components = plan.components.iter();
        components.position(|component| component.id == input.component)
    })
}

/// Lets the tasks of each spout by event time, and those of each bolt, know each other; but not
/// those that follow one sender each.
fn introduce(plan: &Plan, component_of: &[usize], tasks: &mut [Task]) {
    for task in 0..tasks.len() {
        let mut inputs = plan.components[component_of[task]].inputs.iter();
        // By a key, or into one task: what they follow has one watermark at an epoch.
        let apart = inputs.any(|input| {
            let any_task = matches!(input.grouping, Grouping::Shuffle | Grouping::LocalOrShuffle);
            any_task && input.carriage == Carriage::Chained
        });
        if !apart && tasks[task].domain() != Some(TimeDomain::Processing) {
            let others = (0..tasks.len())
                .filter(|other| *other != task && component_of[*other] == component_of[task]);
            let others = others.map(|other| (other, Arc::clone(&tasks[other].metrics)));
            let others = others.collect();
            tasks[task].set_others(others);
        }
    }
}

/// Tells every task what its times mean and which windows lie upstream; gives the slides
/// at which epochs are to be cut.
fn spread_times(
    plan: &Plan,
    order: &[usize],
    first_task: &[TaskId],
    tasks: &mut [Task],
) -> Result<Vec<i64>, RunError> {
    let mut domains = vec![TimeDomain::Processing; plan.components.len()];
    let mut windows: Vec<Vec<WindowShape>> = vec![Vec::new(); plan.components.len()];
    let mut slides = Vec::new();
    let mut cut_at = Vec::new();
    for &number in order {
        let component = &plan.components[number];
        let upstream: Vec<usize> = sources(plan, number).collect();
        let own = &tasks[first_task[number]];
        let name = || own.context.name();
        let domain = guarded(name, "`domain`", || own.domain())?;
        domains[number] = domain.unwrap_or_else(|| {
            let domains = upstream.iter().map(|&source| domains[source]);
            domains.max().unwrap_or(TimeDomain::Processing)
        });
        let inherited: Vec<_> = {
            let mut shapes = Vec::new();
            for shape in upstream.iter().flat_map(|&source| windows[source].clone()) {
                if !shapes.contains(&shape) {
                    shapes.push(shape);
                }
            }
            shapes
        };
        let seen = match inherited.as_slice() {
            [one] => Some(*one),
            _ => None,
        };
        let shape = guarded(name, "`window`", || own.windows())?;
        if let Some(slide) = shape.and_then(WindowShape::slide_ms) {
            slides.push(slide);
            if domains[number] == TimeDomain::Processing {
                cut_at.push(slide);
            }
        }
        windows[number] = shape.map_or(inherited, |shape| vec![shape]);
        for task in 0..component.parallelism {
            let context = &mut tasks[first_task[number] + task].context;
            context.domain = domains[number];
            context.window = seen;
        }
    }
    slides.sort_unstable();
    slides.dedup();
    let slides: Arc<[i64]> = slides.into();
    for task in tasks {
        task.set_slides(Arc::clone(&slides));
    }
    Ok(cut_at)
}

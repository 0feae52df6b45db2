//! Makes the tasks of a topology and connects their channels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::task::Waker;

use super::channels::{Channels, FIRST_WINDOW};
use super::commits::Commits;
use super::committer::Committer;
use super::coordinator::{Coordinator, SpoutTies, Watched};
use super::credit_window::CreditWindow;
use super::ended::guarded;
use super::inputs::Inputs;
use super::losses::{LossWatch, Watched as Losing};
use super::message::TaskId;
use super::program::Program;
use super::rate::RateLimit;
use super::report::RunError;
use super::restore::restore;
use super::task::Task;
use super::work::{Shared, Work};
use crate::context::Context;
use crate::operator::{AnyEdge, Combining};
use crate::status::Status;
use crate::time::{TimeDomain, WindowShape};
use crate::topology::{ComponentKind, Definition, Exchange, Grouping, Make, PhysicalPlan, Plan};

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
        plan,
        physical,
        order,
        store,
        ..
    } = program;
    let components = &program.parts.components;
    let first_task: Vec<TaskId> = (0..components.len())
        .map(|number| physical.tasks_of(number).start)
        .collect();
    let mut tasks = make_tasks(program, &first_task, waker)?;
    let slides = spread_times(plan, order, &first_task, &mut tasks)?;
    if !slides.is_empty() {
        // Nothing else of a topology goes by the clock. It is whole at every moment.
        let ahead = program.clock_was_ahead.lock();
        if let Some(told) = ahead.unwrap_or_else(PoisonError::into_inner).take() {
            tracing::warn!("{told}");
        }
    }
    introduce(program, &mut tasks);
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
            program.notifier.clone(),
            program.faults.clone(),
            restored.first,
        ));
    }
    if anew {
        combine(program, &mut tasks);
    }
    let watched = tasks
        .iter()
        .zip(&physical.tasks)
        .map(|(task, physical)| Watched {
            name: task.context.name(),
            component: physical.component,
            spout: ties[physical.component].clone(),
            sink: components[physical.component].kind == ComponentKind::Sink,
            metrics: Arc::clone(&task.metrics),
            status: task.context.status.clone(),
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
        (losses(program, &first_task), Arc::clone(&program.timings)),
    );
    Ok(Assembly {
        threads: physical.threads.clone(),
        tasks,
        coordinator,
        committer,
    })
}

/// The tasks of all components, connected.
fn make_tasks(
    program: &Program,
    first_task: &[TaskId],
    waker: impl Fn(TaskId) -> Waker,
) -> Result<Vec<Task>, RunError> {
    let Program {
        options,
        clock,
        faults,
        metrics,
        ..
    } = program;
    let components = &program.parts.components;
    let mut wirings = wire(program)?;

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
    for (number, component) in components.iter().enumerate() {
        let limit = component
            .rate
            .map(|rate| Arc::new(RateLimit::per_second(rate)));
        for task in 0..component.parallelism {
            let id = first_task[number] + task;
            let wiring = std::mem::take(&mut wirings[id]);
            let name = format!("{}[{task}]", component.id);
            let context = Context {
                topology: program.plan.name.clone(),
                component: component.id.clone(),
                task,
                parallelism: component.parallelism,
                domain: TimeDomain::Processing,
                window: None,
                durable: false,
                resumed_from: None,
                interrupted: false,
                life: program.life,
                identity: program.identity,
                waker: waker(id),
                status: Status::of(&name),
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
        }
    }
    Ok(tasks)
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

/// Connects the tasks by the channels of the plan.
fn wire(program: &Program) -> Result<Vec<Wiring>, RunError> {
    let components = &program.parts.components;
    let PhysicalPlan { tasks, inputs, .. } = &program.physical;
    let unwired = tasks.iter().map(|task| {
        let mut wiring = Wiring::default();
        let streams = components[task.component].outputs.len() + 1;
        wiring.edges.resize_with(streams, Vec::new);
        wiring
    });
    let mut wirings: Vec<Wiring> = unwired.collect();
    for planned in inputs {
        let (number, place) = planned.input;
        let input = &components[number].inputs[place];
        for sender in planned.senders.clone() {
            let reader = || components[number].id.clone();
            let mut edge = guarded(reader, "the factory of its grouping", || (input.edge)())?;
            let readers = planned.readers_of(sender);
            let as_sender = match planned.exchange {
                Exchange::Chained => 0,
                _ => sender - planned.senders.start,
            };
            let first = wirings[sender].readers.len();
            edge.connect(first, readers.len(), as_sender);
            wirings[sender].edges[planned.stream_at].push(edge);
            for reader in readers {
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
    Ok(wirings)
}

/// Lets senders combine what the plan says. Not in a run that goes on from an earlier one: what
/// a failure is tried again with is every tuple by itself, so that the culprit is known; and
/// panes that the earlier run has closed are known to the reader alone.
fn combine(program: &Program, tasks: &mut [Task]) {
    let always = program.parts.combines_always();
    // How many edges each stream has so far, in the order in which they were wired.
    let mut edges: BTreeMap<(TaskId, usize), usize> = BTreeMap::new();
    for input in &program.physical.inputs {
        let stream = input.stream_at;
        let edge = edges.entry((input.senders.start, stream)).or_default();
        if input.exchange == Exchange::Combined {
            let window = tasks[input.readers.start].windows();
            let pane_ms = window.and_then(WindowShape::slide_ms);
            let combining = Combining { pane_ms, always };
            for sender in &mut tasks[input.senders.clone()] {
                sender.combine(stream, *edge, combining);
            }
        }
        *edge += 1;
    }
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
fn introduce(program: &Program, tasks: &mut [Task]) {
    for (number, component) in program.plan.components.iter().enumerate() {
        // By a key, or into one task: what they follow has one watermark at an epoch.
        let apart = component.inputs.iter().any(|input| {
            let any_task = matches!(input.grouping, Grouping::Shuffle | Grouping::LocalOrShuffle);
            any_task && input.exchange == Exchange::Chained
        });
        let of_component = program.physical.tasks_of(number);
        for task in of_component.clone() {
            if apart || tasks[task].domain() == Some(TimeDomain::Processing) {
                continue;
            }
            let others = of_component.clone().filter(|other| *other != task);
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

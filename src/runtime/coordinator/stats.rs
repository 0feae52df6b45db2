//! What the coordinator tells of the run.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::{Coordinator, TaskState};
use crate::runtime::commits::Commits;
use crate::runtime::message::TaskId;
use crate::runtime::metrics::{Metrics, share};
use crate::runtime::stats::{CommitStats, ComponentStats, RunStats, SinkStats, TaskStats};
use crate::runtime::timings::Measured;
use crate::time::Timestamp;

impl Coordinator {
    pub(crate) fn stats(&self) -> RunStats {
        let elapsed = self.clock.elapsed();
        let components = self.components.iter().enumerate();
        let components = components.map(|(number, component)| {
            let of_it = self.tasks.iter().enumerate();
            let of_it = of_it.filter(|(_, task)| task.watched.component == number);
            let tasks = of_it.map(|(task, _)| self.task_stats(task, elapsed));
            component_stats(component.clone(), tasks.collect(), elapsed)
        });
        let spouts = self
            .tasks
            .iter()
            .filter(|task| task.watched.spout.is_some());
        let tuples = spouts.map(|task| task.watched.metrics.tuples_out.load(Relaxed));
        self.timings.with(|measured| RunStats {
            elapsed,
            components: components.collect(),
            epochs: self.completed,
            epoch_p50: measured.latencies.at(0.5),
            epoch_p99: measured.latencies.at(0.99),
            epoch_latency: measured.latency.clone(),
            watermark: self.watermark(),
            tuples: tuples.sum(),
            late_tuples: Box::new(self.losses.late()),
            refused: Box::new(self.losses.dead_letters()),
            commits: self
                .commits
                .as_ref()
                .map(|commits| commit_stats(commits, measured)),
            restarts: measured.restarts,
        })
    }

    fn task_stats(&self, task: TaskId, now: Duration) -> TaskStats {
        let TaskState {
            watched, delivered, ..
        } = &self.tasks[task];
        let metrics: &Metrics = &watched.metrics;
        TaskStats {
            tuples_in: metrics.tuples_in.load(Relaxed),
            tuples_out: metrics.tuples_out.load(Relaxed),
            late: metrics.late.load(Relaxed),
            dead_letters: metrics.dead_letters.load(Relaxed),
            batches: metrics.batches_in.load(Relaxed),
            busy: Duration::from_nanos(metrics.busy_nanos.load(Relaxed)),
            blocked: Duration::from_nanos(metrics.blocked_nanos.load(Relaxed)),
            open_windows: metrics.open_windows.load(Relaxed),
            held: metrics.held(),
            in_flight: metrics.in_flight.load(Relaxed),
            credit: metrics.credit.load(Relaxed),
            watermark: metrics.watermark(),
            held_back_by: self.holder(task).to_owned(),
            waits_for: watched.status.waits_for(),
            lag: watched.status.lag(),
            sink: watched.sink.then(|| SinkStats {
                pending_bytes: metrics.pending_bytes.load(Relaxed),
                delay: self.deliveries.delay(*delivered, now),
            }),
        }
    }

    /// The least watermark, and who holds it back.
    fn watermark(&self) -> (Timestamp, String) {
        let behind = (0..self.tasks.len()).map(|task| {
            let watermark = self.tasks[task].watched.metrics.watermark();
            (watermark, task)
        });
        let Some((least, task)) = behind.min() else {
            return (Timestamp::MIN, String::new());
        };
        (least, self.holder(task).to_owned())
    }

    /// The task that holds back the watermark of this one: from reader to sender up to the spout.
    fn holder(&self, mut task: TaskId) -> &str {
        for _ in 0..self.tasks.len() {
            let watched = &self.tasks[task].watched;
            let sender = watched.metrics.slowest();
            if watched.spout.is_some() || sender >= self.tasks.len() {
                break;
            }
            task = sender;
        }
        &self.tasks[task].watched.name
    }
}

fn component_stats(component: String, tasks: Vec<TaskStats>, elapsed: Duration) -> ComponentStats {
    let sum = |read: fn(&TaskStats) -> u64| tasks.iter().map(read).sum();
    let most = |read: fn(&TaskStats) -> u64| tasks.iter().map(read).max().unwrap_or(0);
    let busy: f64 = tasks.iter().map(|task| share(task.busy, elapsed)).sum();
    #[allow(clippy::cast_precision_loss)]
    ComponentStats {
        component,
        tuples_in: sum(|task| task.tuples_in),
        tuples_out: sum(|task| task.tuples_out),
        late: sum(|task| task.late),
        dead_letters: sum(|task| task.dead_letters),
        batches: sum(|task| task.batches),
        busy: busy / tasks.len().max(1) as f64,
        waiting: tasks.iter().map(|task| task.blocked).sum(),
        open_windows: most(|task| task.open_windows),
        held: most(|task| task.held),
        tasks,
    }
}

fn commit_stats(commits: &Commits, measured: &Measured) -> CommitStats {
    CommitStats {
        epoch: commits.committed(),
        commits: measured.commit_time.count(),
        bytes: measured.commit_bytes,
        p50: measured.commit_times.at(0.5),
        p99: measured.commit_times.at(0.99),
        duration: measured.commit_time.clone(),
        size: measured.commit_size.clone(),
    }
}

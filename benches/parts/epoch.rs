//! Epochs of a topology that has nothing else to do.

use std::time::Duration;

use cpu_time::ProcessTime;
use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::{
    Count, Next, Result, RunOptions, Spout, SpoutOut, Topology, Word, millis, run::RunStats, secs,
};

use crate::cases::Case;

const SPAN: Duration = millis(500);
const INTERVAL: Duration = millis(5);

/// A spout to which nothing comes.
struct Silent;

impl Spout for Silent {
    type Output = Word;

    fn next(&mut self, _: &mut SpoutOut<Word>) -> Result<Next> {
        Ok(Next::Idle)
    }
}

/// Runs with epochs of this interval; what was done, and the processor time.
fn run(tasks: usize, epoch: Duration) -> (RunStats, Duration) {
    let topology = Topology::named("idle");
    let words = topology.spout("words", || Silent).parallelism(tasks);
    // Windows that do not end within the run, so that only the interval makes epochs.
    let counts = topology
        .keyed("counts", || RollingCount::over(secs(3_600)))
        .parallelism(tasks)
        .fields_grouping(&words, Word::WORD);
    let ranked = topology
        .bolt("rankings", || Rank::top(10))
        .parallelism(tasks)
        .fields_grouping(&counts, Count::KEY);
    topology
        .bolt("merged", || MergeRankings::top(10))
        .global_grouping(&ranked);
    let options = RunOptions {
        epoch,
        run_for: Some(SPAN),
        ..RunOptions::default()
    };
    let cpu = ProcessTime::now();
    let summary = topology.run(options).expect("an idle topology runs");
    (summary.stats, cpu.elapsed())
}

pub fn cases() -> Vec<Case> {
    let cases = [1, 4].into_iter().flat_map(|tasks| {
        let name = format!("{tasks}+{tasks}+{tasks}+1 tasks");
        [
            Case::timed(format!("an epoch, {name}, processor time"), move || {
                let (_, cpu_without) = run(tasks, secs(3_600));
                let (stats, cpu) = run(tasks, INTERVAL);
                (cpu.saturating_sub(cpu_without), stats.epochs as usize)
            }),
            Case::timed(
                format!("an epoch, {name}, until all have passed"),
                move || {
                    let (stats, _) = run(tasks, INTERVAL);
                    (stats.epoch_p50, 1)
                },
            ),
        ]
    });
    cases.collect()
}

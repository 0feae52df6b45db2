//! What epochs cost a topology that has nothing else to do.

use std::time::Duration;

use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::{
    Count, Next, Result, RunOptions, Spout, SpoutOut, Topology, Word, millis, run::RunStats, secs,
};

use crate::process::timed;

const SPAN: Duration = secs(4);
const INTERVAL: Duration = millis(10);

/// A spout to which nothing comes.
struct Silent;

impl Spout for Silent {
    type Output = Word;

    fn next(&mut self, _: &mut SpoutOut<Word>) -> Result<Next> {
        Ok(Next::Idle)
    }
}

fn run(epoch: Duration) -> (RunStats, Duration) {
    let topology = Topology::named("idle");
    let words = topology.spout("words", || Silent).parallelism(5);
    // Windows that do not end within the run, so that only the interval makes epochs.
    let hour = secs(3_600);
    let counts = topology
        .keyed("counts", move || RollingCount::over(hour))
        .parallelism(4)
        .fields_grouping(&words, Word::WORD);
    let ranked = topology
        .bolt("rankings", || Rank::top(10))
        .parallelism(4)
        .fields_grouping(&counts, Count::KEY);
    topology
        .bolt("merged", || MergeRankings::top(10))
        .global_grouping(&ranked);
    let options = RunOptions {
        epoch,
        run_for: Some(SPAN),
        ..RunOptions::default()
    };
    let (summary, _, cpu) = timed(|| topology.run(options));
    (summary.expect("an idle topology runs").stats, cpu)
}

/// Prints the cost of an epoch with 5 + 4 + 4 + 1 tasks.
pub fn print() {
    let (_, cpu_without) = run(secs(3_600));
    let (stats, cpu) = run(INTERVAL);
    let cost = cpu.saturating_sub(cpu_without).as_secs_f64() / stats.epochs.max(1) as f64;
    println!(
        "epoch with 5+4+4+1 tasks, nothing to do: {:.0} us of processor time; latency p50 {:.2} ms, \
         p99 {:.2} ms ({} epochs, one each {INTERVAL:?})",
        cost * 1e6,
        stats.epoch_p50.as_secs_f64() * 1e3,
        stats.epoch_p99.as_secs_f64() * 1e3,
        stats.epochs,
    );
}

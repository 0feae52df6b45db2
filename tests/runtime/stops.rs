//! Stops, waits and bounds.

use crate::{Number, numbers, quiet, wait_until};
use squall::bolts::{Map, MergeRankings, Rank, RollingCount};
use squall::connectors::RandomWords;
use squall::testing::{Collected, Events, TopologyTest};
use squall::{
    Bolt, Context, Count, Epoch, Next, Out, Result, RunError, RunOptions, Sink, Spout, SpoutOut,
    Timestamp, Topology, Word, millis, secs, time::TimeDomain,
};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

fn endless(parallelism: usize) -> Topology {
    let topology = Topology::named("endless");
    let words = topology
        .spout("words", RandomWords::default)
        .parallelism(parallelism);
    let counts = topology
        .keyed("counts", || RollingCount::over(secs(60)).every(millis(100)))
        .parallelism(parallelism)
        .fields_grouping(&words, Word::WORD);
    let ranked = topology
        .bolt("rankings", || Rank::top(3))
        .fields_grouping(&counts, Count::KEY);
    topology
        .bolt("merged", || MergeRankings::top(3))
        .global_grouping(&ranked);
    topology
}

#[test]
fn a_stop_processes_everything_that_was_accepted() {
    let running = endless(2).start(quiet()).unwrap();
    wait_until(&running, || {
        running.stats().is_some_and(|stats| stats.tuples > 10_000)
    });
    running.stop();
    let summary = running.wait().unwrap();
    assert!(!summary.input_ended);
    let counts = summary.stats.component("counts").unwrap();
    assert_eq!(counts.tuples_in, summary.stats.tuples);
    assert!(
        counts.open_windows > 0,
        "windows that were left open are reported"
    );
}

#[test]
fn a_run_for_a_time_ends_by_itself() {
    let options = RunOptions {
        run_for: Some(secs(3)),
        ..RunOptions::default()
    };
    let topology = Topology::named("timed");
    let words = topology
        .spout("words", RandomWords::default)
        .parallelism(2)
        .rate(50.0);
    topology
        .bolt("same", || Map::new(|word: &Word| Ok(word.clone())))
        .shuffle_grouping(&words);
    let summary = TopologyTest::new(topology).options(options).run().unwrap();
    assert!(!summary.input_ended);
    let tuples = summary.stats.tuples;
    assert!(
        (149..=153).contains(&tuples),
        "50 tuples a second for 3 s: {tuples}"
    );
    assert!(
        summary.stats.epochs >= 29,
        "an epoch each 100 ms: {}",
        summary.stats.epochs
    );
}

/// Says after each tuple that it wants to wait for a moment.
struct Hesitant;

impl Spout for Hesitant {
    type Output = Number;
    fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
        out.emit(Number { value: 1 });
        Ok(Next::After(Duration::from_nanos(1)))
    }
}

#[test]
fn a_spout_that_waits_by_itself_keeps_its_rate_limit() {
    let options = RunOptions {
        run_for: Some(secs(10)),
        ..RunOptions::default()
    };
    let topology = Topology::named("hesitant");
    let spout = topology.spout("numbers", || Hesitant).rate(20.0);
    topology
        .bolt("same", || Map::new(|n: &Number| Ok(n.clone())))
        .global_grouping(&spout);
    let summary = TopologyTest::new(topology).options(options).run().unwrap();
    assert!(
        (199..=202).contains(&summary.stats.tuples),
        "{}",
        summary.stats.tuples
    );
}

/// Waits for input that never comes, on a thread of its own as a pipe's reader does.
struct SilentPipe(Option<mpsc::Sender<()>>);

impl Spout for SilentPipe {
    type Output = Word;
    fn open(&mut self, context: &Context, _: &mut SpoutOut<Word>) -> Result {
        let (keep, never) = mpsc::channel();
        self.0 = Some(keep);
        let waker = context.waker.clone();
        std::thread::spawn(move || {
            let _ = never.recv();
            waker.wake();
        });
        Ok(())
    }
    fn next(&mut self, _: &mut SpoutOut<Word>) -> Result<Next> {
        Ok(Next::Idle)
    }
}

#[test]
fn epochs_pass_while_a_spout_waits_and_a_stop_ends_well() {
    let topology = Topology::named("silent");
    let words = topology.spout("words", || SilentPipe(None));
    topology
        .bolt("same", || Map::new(|word: &Word| Ok(word.clone())))
        .shuffle_grouping(&words);
    let running = topology.start(quiet()).unwrap();
    wait_until(&running, || {
        running.stats().is_some_and(|stats| stats.epochs >= 3)
    });
    running.stop();
    assert!(!running.wait().unwrap().input_ended);
}

#[test]
fn a_test_in_which_nothing_can_happen_ends_as_stuck() {
    let topology = Topology::named("silent");
    let words = topology.spout("words", || SilentPipe(None));
    topology
        .bolt("same", || Map::new(|word: &Word| Ok(word.clone())))
        .shuffle_grouping(&words);
    let error = TopologyTest::new(topology).run().unwrap_err();
    assert!(matches!(error, RunError::Stuck { .. }), "{error}");
}

/// Never returns from its first tuple.
struct Stuck {
    never: mpsc::Receiver<()>,
    _keep: mpsc::Sender<()>,
}

impl Stuck {
    fn new() -> Self {
        let (keep, never) = mpsc::channel();
        Self { never, _keep: keep }
    }
}

impl Bolt for Stuck {
    type Input = Word;
    type Output = Word;
    fn execute(&mut self, _: &Word, _: &mut Out<Word>) -> Result {
        Ok(self.never.recv()?)
    }
}

/// Counts the epochs that reach it.
struct CountEpochs(Arc<AtomicU64>);

impl Bolt for CountEpochs {
    type Input = Word;
    type Output = Word;
    fn execute(&mut self, _: &Word, _: &mut Out<Word>) -> Result {
        Ok(())
    }
    fn on_epoch(&mut self, _: &Epoch, _: &mut Out<Word>) -> Result {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

#[test]
fn user_code_that_never_returns_holds_up_nobody_else_and_is_named_at_the_stop() {
    let topology = Topology::named("stuck");
    let words = topology.spout("words", RandomWords::default);
    // More stuck tasks than any machine here has cores.
    topology
        .bolt("stuck", Stuck::new)
        .parallelism(16)
        .shuffle_grouping(&words);
    let others = topology.spout("others", RandomWords::default).rate(1_000.0);
    let epochs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&epochs);
    topology
        .bolt("lively", move || CountEpochs(Arc::clone(&counted)))
        .global_grouping(&others);
    let options = RunOptions {
        epoch: millis(10),
        stall: millis(50),
        drain: millis(300),
        ..quiet()
    };
    let running = topology.start(options).unwrap();
    // More than may be in flight at once: the stuck tasks do not count any more.
    wait_until(&running, || epochs.load(Ordering::Relaxed) >= 17);
    let began = Instant::now();
    running.stop();
    match running.wait() {
        Err(RunError::Stuck { tasks, .. }) => {
            assert!(tasks[0].starts_with("stuck["), "{tasks:?}");
            assert!(
                tasks[0].contains("its user code has been running"),
                "{tasks:?}"
            );
            assert!(
                !tasks.iter().any(|task| task.starts_with("lively")),
                "{tasks:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    assert!(began.elapsed() < secs(5));
}

#[test]
fn a_second_stop_ends_at_once() {
    let topology = Topology::named("stuck");
    let words = topology.spout("words", RandomWords::default);
    topology.bolt("stuck", Stuck::new).shuffle_grouping(&words);
    let running = topology.start(quiet()).unwrap();
    wait_until(&running, || {
        running.stats().is_some_and(|stats| stats.tuples > 0)
    });
    running.stop();
    running.stop();
    assert!(matches!(running.wait(), Err(RunError::Interrupted)));
}

/// Takes ten thousand tuples a second.
struct Slow;

impl Bolt for Slow {
    type Input = Word;
    type Output = Word;
    fn execute(&mut self, _: &Word, _: &mut Out<Word>) -> Result {
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(100) {
            std::hint::spin_loop();
        }
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_fast_spout_before_a_slow_bolt_keeps_memory_flat_and_drains_soon() {
    let topology = Topology::named("slow");
    let words = topology.spout("words", RandomWords::default).parallelism(3);
    topology.bolt("slow", || Slow).shuffle_grouping(&words);
    let running = topology.start(quiet()).unwrap();
    let taken = |least| {
        wait_until(&running, || {
            let stats = running.stats();
            stats.is_some_and(|stats| stats.component("slow").unwrap().tuples_in >= least)
        });
        resident_kib()
    };
    let first = taken(2_000);
    let last = taken(20_000);
    println!("resident memory: {first} KiB after 2,000 tuples, {last} KiB after 20,000");
    let stats = running.stats().unwrap();
    let on_the_way = stats.tuples - stats.component("slow").unwrap().tuples_in;
    assert!(on_the_way <= 8_192, "{on_the_way} tuples are on their way");
    running.stop();
    let summary = running.wait().unwrap();
    assert_eq!(
        summary.stats.component("slow").unwrap().tuples_in,
        summary.stats.tuples
    );
    // Other tests run in this process; the bound on tuples above is the exact one.
    assert!(
        last < first + 64 * 1_024,
        "memory grew from {first} to {last} KiB"
    );
}

// --- what a fresh reading found ---

/// Emits when it starts, then says that it is idle.
struct OnceThenIdle(Option<i64>);

impl Spout for OnceThenIdle {
    type Output = Number;
    fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
        if let Some(at) = self.0.take() {
            out.emit_at(Number { value: 1 }, Timestamp::from_millis(at));
            return Ok(Next::More);
        }
        out.idle();
        Ok(Next::Idle)
    }
    fn domain(&self) -> TimeDomain {
        TimeDomain::Event
    }
}

/// The windows of ten milliseconds that are ranked beside an idle spout.
fn ranked_beside_idle(unrelated: bool) -> Vec<i64> {
    let topology = Topology::named("idle");
    let at = Timestamp::from_millis;
    let numbers = (0..20).map(|number| (at(number * 10), Number { value: 2 }));
    let events = Events::at(numbers.collect::<Vec<_>>());
    let busy = topology.spout("busy", move || events.clone());
    let idle = topology.spout("idle", || OnceThenIdle(Some(0)));
    let count = || RollingCount::over(millis(10));
    let counts = topology
        .keyed("counts", count)
        .fields_grouping(&idle, Number::VALUE);
    let counts = if unrelated {
        let same = || Map::new(|number: &Number| Ok(number.clone()));
        topology.bolt("same", same).global_grouping(&busy);
        counts
    } else {
        counts.also(&busy)
    };
    let counts = Collected::of(&topology, "collected", &counts);
    let options = RunOptions {
        run_for: Some(secs(2)),
        ..RunOptions::default()
    };
    TopologyTest::new(topology).options(options).run().unwrap();
    let counts = counts.take().into_iter();
    counts.map(|count| count.window.end.millis()).collect()
}

#[test]
fn an_idle_spout_does_not_hold_up_those_that_have_ended() {
    let ends = ranked_beside_idle(false);
    assert!(ends.contains(&190), "the last event was at 190: {ends:?}");
    assert!(!ends.contains(&200), "the idle spout may go on: {ends:?}");
}

#[test]
fn an_idle_spout_follows_only_those_that_it_has_to_do_with() {
    assert_eq!(
        ranked_beside_idle(true),
        [0_i64; 0],
        "its own window stays open"
    );
}

#[test]
fn a_test_of_a_spout_without_end_ends_in_virtual_time() {
    let options = RunOptions {
        run_for: Some(millis(200)),
        ..RunOptions::default()
    };
    let summary = TopologyTest::new(endless(2))
        .options(options)
        .run()
        .unwrap();
    assert!(summary.stats.epochs >= 2);
}

/// Says when it is dropped.
struct Dropped(Arc<AtomicU64>);

impl Bolt for Dropped {
    type Input = Word;
    type Output = Word;
    fn execute(&mut self, _: &Word, _: &mut Out<Word>) -> Result {
        Ok(())
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_run_has_dropped_its_user_code_when_it_returns_even_if_it_was_stopped_at_once() {
    for _ in 0..50 {
        let drops = Arc::new(AtomicU64::new(0));
        let topology = Topology::named("dropped");
        let words = topology.spout("words", RandomWords::default).parallelism(3);
        let counted = Arc::clone(&drops);
        topology
            .bolt("dropped", move || Dropped(Arc::clone(&counted)))
            .parallelism(4)
            .shuffle_grouping(&words);
        let running = topology.start(quiet()).unwrap();
        running.stop();
        running.wait().unwrap();
        // Of four tasks, and the one that was made for the plan.
        assert_eq!(drops.load(Ordering::SeqCst), 5);
    }
}

#[test]
fn endless_deadlines_are_deadlines_too() {
    let topology = Topology::named("patient");
    let events = numbers(10);
    let spout = topology.spout("numbers", move || events.clone());
    topology
        .bolt("same", || Map::new(|number: &Number| Ok(number.clone())))
        .global_grouping(&spout);
    let options = RunOptions {
        drain: Duration::MAX,
        linger: Duration::MAX,
        epoch: Duration::MAX,
        stall: Duration::MAX,
        ..quiet()
    };
    let summary = topology.run(options).unwrap();
    assert_eq!(summary.stats.component("same").unwrap().tuples_in, 10);
}

/// Waits for a target that never comes.
struct Patient {
    context: Option<Context>,
    waits: mpsc::Sender<()>,
    ends: mpsc::Sender<()>,
}

impl Sink for Patient {
    type Input = Number;
    fn prepare(&mut self, context: &Context) -> Result {
        self.context = Some(context.clone());
        Ok(())
    }
    fn write(&mut self, _: &[Number]) -> Result {
        let context = self.context.as_ref().ok_or("not prepared")?;
        // Dropped with the future.
        let ends = self.ends.clone();
        let _ = self.waits.send(());
        context.block_on(async move {
            std::future::pending::<()>().await;
            drop(ends);
        })
    }
}

/// A sink that awaited its target used to go on after the end of its run, and could deliver old output
/// when the next run had delivered newer.
#[test]
fn what_a_sink_awaits_ends_with_its_run() {
    let (waits, waiting) = mpsc::channel();
    let (ends, ended) = mpsc::channel();
    let topology = Topology::named("patient");
    let events = numbers(10);
    let spout = topology.spout("numbers", move || events.clone());
    topology
        .sink("patient", move || Patient {
            context: None,
            waits: waits.clone(),
            ends: ends.clone(),
        })
        .global_grouping(&spout);
    let running = topology.start(quiet()).unwrap();
    waiting.recv_timeout(secs(60)).unwrap();
    running.stop();
    running.stop();
    assert!(running.wait().is_err(), "it could not write");
    // Sink, factory and future are gone: nobody is left to send.
    let gone = ended.recv_timeout(secs(60));
    assert_eq!(gone, Err(mpsc::RecvTimeoutError::Disconnected));
}

//! What the runtime promises: failures end a run with a cause, a stop drains, memory stays
//! bounded, and nothing hangs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use squall::bolts::{Map, MergeRankings, Rank, RollingCount};
use squall::connectors::RandomWords;
use squall::testing::{Collected, Event, Events, TopologyTest};
use squall::{
    Bolt, Context, Count, DeadLetter, Epoch, Next, Out, Port, Result, RunError, RunOptions,
    Running, Sink, Spout, SpoutOut, TimeDomain, Timestamp, Topology, Tuple, Word, millis, secs,
};

#[derive(Tuple, Clone, Debug, PartialEq, Eq)]
struct Number {
    value: u64,
}

fn numbers(count: u64) -> Events<Number> {
    Events::now((0..count).map(|value| Number { value }))
}

fn quiet() -> RunOptions {
    RunOptions {
        signals: false,
        ..RunOptions::default()
    }
}

/// Runs a topology on both drivers.
fn both(make: impl Fn() -> Topology, check: impl Fn(Result<squall::Summary, RunError>)) {
    check(TopologyTest::new(make()).run());
    check(make().run(quiet()));
}

/// Waits until `done`, or for ten seconds at most.
fn wait_until(running: &Running, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(
            began.elapsed() < secs(10),
            "it did not happen in ten seconds"
        );
        assert!(!running.ends_within(millis(5)), "the run goes on");
    }
}

// --- failures ---

#[test]
fn a_panic_ends_the_topology_with_its_component_and_task() {
    let make = || {
        let topology = Topology::named("panics");
        let events = numbers(100);
        let spout = topology.spout("numbers", move || events.clone());
        let explode = |number: &Number| {
            assert_ne!(number.value, 77, "seventy-seven is too much");
            Ok(number.clone())
        };
        topology
            .bolt("fragile", move || Map::new(explode))
            .parallelism(4)
            .fields_grouping(&spout, Number::VALUE);
        topology
    };
    both(make, |result| match result {
        Err(RunError::Panicked { task, message }) => {
            assert!(task.starts_with("fragile["), "{task}");
            assert!(message.contains("seventy-seven is too much"), "{message}");
        }
        other => panic!("{other:?}"),
    });
}

struct FailingSpout(u64);

impl Spout for FailingSpout {
    type Output = Number;
    fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
        if self.0 == 0 {
            return Err("the cable was cut".into());
        }
        self.0 -= 1;
        out.emit(Number { value: self.0 });
        Ok(Next::More)
    }
}

#[test]
fn a_failing_spout_ends_the_topology_with_its_cause() {
    let make = || {
        let topology = Topology::named("fails");
        let spout = topology
            .spout("numbers", || FailingSpout(10))
            .parallelism(2);
        topology
            .bolt("same", || Map::new(|number: &Number| Ok(number.clone())))
            .shuffle_grouping(&spout);
        topology
    };
    both(make, |result| {
        let error = result.unwrap_err().to_string();
        assert!(error.starts_with("numbers["), "{error}");
        assert!(error.ends_with("] failed: the cable was cut"), "{error}");
    });
}

struct FullDisk;

impl Sink for FullDisk {
    type Input = Number;
    fn write(&mut self, _: &[Number]) -> Result {
        Err("the disk is full".into())
    }
}

#[test]
fn a_sink_that_cannot_write_ends_the_topology() {
    let make = || {
        let topology = Topology::named("full");
        let events = numbers(10);
        let spout = topology.spout("numbers", move || events.clone());
        topology.sink("disk", || FullDisk).global_grouping(&spout);
        topology
    };
    both(make, |result| {
        assert_eq!(
            result.unwrap_err().to_string(),
            "disk[0] failed: the disk is full"
        );
    });
}

#[test]
fn a_bolt_that_cannot_get_ready_keeps_the_topology_from_starting() {
    let make = || {
        let topology = Topology::named("slides");
        let events = numbers(10);
        let spout = topology.spout("numbers", move || events.clone());
        topology
            .keyed("counts", || RollingCount::over(secs(10)).every(secs(3)))
            .fields_grouping(&spout, Number::VALUE);
        topology
    };
    both(make, |result| match result {
        Err(RunError::Start { task, cause }) => {
            assert_eq!(task, "counts[0]");
            assert!(cause.to_string().contains("10s"), "{cause}");
        }
        other => panic!("{other:?}"),
    });
}

struct Keep(Arc<Mutex<Vec<DeadLetter>>>);
impl Sink for Keep {
    type Input = DeadLetter;
    fn write(&mut self, letters: &[DeadLetter]) -> Result {
        self.0.lock().unwrap().extend_from_slice(letters);
        Ok(())
    }
}

#[test]
fn a_tuple_that_a_bolt_refuses_goes_to_the_dead_letters_with_the_error() {
    let letters: Arc<Mutex<Vec<DeadLetter>>> = Arc::default();
    let make = || {
        let topology = Topology::named("refuses");
        // Declared before the others: it reads their dead letters all the same.
        let kept = Arc::clone(&letters);
        topology.dead_letter_sink("dead-letters", move || Keep(Arc::clone(&kept)));
        let events = numbers(10);
        let spout = topology.spout("numbers", move || events.clone());
        let odd = |number: &Number| match number.value % 2 {
            1 => Ok(number.clone()),
            _ => Err(format!("{} is even", number.value).into()),
        };
        topology
            .bolt("odd", move || Map::new(odd))
            .parallelism(3)
            .shuffle_grouping(&spout);
        topology
    };
    both(make, |result| {
        let stats = result.unwrap().stats;
        assert_eq!(stats.dead_letters(), 5);
        assert_eq!(stats.component("odd").unwrap().tuples_out, 5);
        let letters = std::mem::take(&mut *letters.lock().unwrap());
        let reasons: BTreeSet<_> = letters.iter().map(|letter| letter.reason.clone()).collect();
        let even = [
            "0 is even",
            "2 is even",
            "4 is even",
            "6 is even",
            "8 is even",
        ];
        assert_eq!(reasons, even.map(str::to_owned).into());
        assert!(letters[0].source.starts_with("odd["));
        assert!(
            letters[0]
                .tuple
                .as_ref()
                .unwrap()
                .starts_with("Number { value: ")
        );
    });
}

struct Backdated;

impl Bolt for Backdated {
    type Input = Number;
    type Output = Number;
    fn execute(&mut self, _: &Number, _: &mut Out<Number>) -> Result {
        Ok(())
    }
    fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Number>) -> Result {
        if watermark == Timestamp::MAX {
            out.emit_at(Number { value: 1 }, Timestamp::from_millis(0));
        }
        Ok(())
    }
}

#[test]
fn a_tuple_before_the_promised_watermark_is_a_named_failure() {
    let at = Timestamp::from_millis;
    let make = || {
        let topology = Topology::named("backdated");
        let script = vec![
            Event::Tuple(at(500), Number { value: 1 }),
            Event::Wait(secs(1)),
            Event::Tuple(at(900), Number { value: 2 }),
        ];
        let events = Events::splits(TimeDomain::Event, vec![script]);
        let spout = topology.spout("numbers", move || events.clone());
        topology
            .bolt("backdated", || Backdated)
            .global_grouping(&spout);
        topology
    };
    let error = TopologyTest::new(make()).run().unwrap_err().to_string();
    assert!(
        error.starts_with("backdated[0] failed: a tuple was emitted at 1970"),
        "{error}"
    );
}

#[test]
fn all_mistakes_of_a_plan_are_found_at_once_and_nothing_starts() {
    let topology = Topology::named("mistakes");
    let _unread = topology.spout("unread", RandomWords::default);
    let words = topology.spout("words", RandomWords::default).parallelism(0);
    topology
        .bolt("same", || Map::new(|word: &Word| Ok(word.clone())))
        .global_grouping(&words);
    topology.bolt("same", || Map::new(|word: &Word| Ok(word.clone())));
    drop(topology.keyed("keyless", || RollingCount::<u8>::over(secs(1))));
    let error = topology.run(quiet()).unwrap_err().to_string();
    for mistake in ["\"unread\"", "\"words\"", "\"same\"", "\"keyless\""] {
        assert!(error.contains(mistake), "{mistake} is not in {error}");
    }
}

#[test]
fn a_stream_of_another_topology_is_refused() {
    let other = Topology::named("other");
    let words = other.spout("words", RandomWords::default);
    let topology = Topology::named("mine");
    let own = topology.spout("own", RandomWords::default);
    topology
        .bolt("both", || Map::new(|word: &Word| Ok(word.clone())))
        .global_grouping(&own)
        .global_grouping(&words);
    let error = topology.run(quiet()).unwrap_err().to_string();
    assert!(error.contains("another topology"), "{error}");
}

// --- stops ---

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

// --- bounds ---

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

// --- groupings and streams ---

/// Notes which task got which number.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<BTreeMap<u64, Vec<usize>>>>);

struct Note {
    seen: Seen,
    task: usize,
}

impl Bolt for Note {
    type Input = Number;
    type Output = Number;
    fn prepare(&mut self, context: &Context) -> Result {
        self.task = context.task;
        Ok(())
    }
    fn execute(&mut self, number: &Number, _: &mut Out<Number>) -> Result {
        let mut seen = self.seen.0.lock().unwrap();
        seen.entry(number.value).or_default().push(self.task);
        Ok(())
    }
}

impl Seen {
    fn bolt(&self) -> impl Fn() -> Note + Send + 'static {
        let seen = self.clone();
        move || Note {
            seen: seen.clone(),
            task: usize::MAX,
        }
    }

    fn take(&self) -> BTreeMap<u64, Vec<usize>> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// Emits each number to the task of its remainder.
struct ToRemainder(u64, u64);

impl Spout for ToRemainder {
    type Output = Number;
    fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
        if self.0 == self.1 {
            return Ok(Next::End);
        }
        out.emit_direct(usize::try_from(self.0 % 3)?, Number { value: self.0 });
        self.0 += 1;
        Ok(Next::More)
    }
}

#[test]
fn every_grouping_sends_each_tuple_where_it_says() {
    let groups = [
        "fields", "global", "shuffle", "all", "partial", "local", "custom", "direct",
    ];
    let seen: BTreeMap<_, _> = groups.iter().map(|name| (*name, Seen::default())).collect();
    let make = || {
        let topology = Topology::named("groupings");
        let events = Events::now((0..1_200).map(|value| Number { value: value % 120 }));
        let all = topology.spout("numbers", move || events.clone());
        let direct = topology.spout("direct-numbers", || ToRemainder(0, 120));
        let bolt = |name: &str| topology.bolt(name, seen[name].bolt()).parallelism(3);
        bolt("fields").fields_grouping(&all, Number::VALUE);
        bolt("global").global_grouping(&all);
        bolt("shuffle").shuffle_grouping(&all);
        bolt("all").all_grouping(&all);
        bolt("partial").partial_key_grouping(&all, Number::VALUE);
        bolt("local").local_or_shuffle_grouping(&all);
        let by_size = || |number: &Number, tasks: usize| usize::from(number.value > 59) % tasks;
        bolt("custom").custom_grouping(&all, "by size", by_size);
        bolt("direct").direct_grouping(&direct);
        topology
    };
    both(make, |result| {
        result.unwrap();
        let of = |name: &str| seen[name].take();
        let distinct = |tasks: &Vec<usize>| tasks.iter().collect::<BTreeSet<_>>().len();
        let per_task = |seen: &BTreeMap<u64, Vec<usize>>| {
            let mut tuples = [0; 3];
            seen.values().flatten().for_each(|task| tuples[*task] += 1);
            tuples
        };
        let fields = of("fields");
        assert!(
            fields
                .values()
                .all(|tasks| tasks.len() == 10 && distinct(tasks) == 1)
        );
        assert!(per_task(&fields).iter().all(|tuples| *tuples > 0));
        assert_eq!(per_task(&of("global")), [1_200, 0, 0]);
        assert_eq!(per_task(&of("shuffle")), [400; 3]);
        assert_eq!(per_task(&of("all")), [1_200; 3]);
        let partial = of("partial");
        assert!(
            partial
                .values()
                .all(|tasks| tasks.len() == 10 && distinct(tasks) <= 2)
        );
        assert!(partial.values().any(|tasks| distinct(tasks) == 2));
        assert_eq!(per_task(&of("local")).iter().sum::<usize>(), 1_200);
        assert_eq!(per_task(&of("custom")), [600, 600, 0]);
        let direct = of("direct");
        assert!(
            direct
                .iter()
                .all(|(value, tasks)| *tasks == [usize::try_from(value % 3).unwrap()])
        );
    });
}

#[test]
fn a_direct_grouping_needs_an_emitter_that_names_the_task() {
    let topology = Topology::named("direct");
    let events = numbers(1);
    let spout = topology.spout("numbers", move || events.clone());
    topology
        .bolt("reader", Seen::default().bolt())
        .direct_grouping(&spout);
    let error = TopologyTest::new(topology).run().unwrap_err().to_string();
    assert!(error.contains("emit_direct"), "{error}");
}

struct EvenOdd;

impl EvenOdd {
    const ODD: Port<Self, 1> = Port::named("odd");
}

impl Bolt for EvenOdd {
    type Input = Number;
    type Output = (Number, Number);
    fn execute(&mut self, number: &Number, out: &mut Out<Self::Output>) -> Result {
        if number.value.is_multiple_of(2) {
            out.emit(number.clone());
        } else {
            out.emit_to(Self::ODD, number.clone());
        }
        Ok(())
    }
    fn streams() -> Vec<&'static str> {
        vec![squall::DEFAULT_STREAM, Self::ODD.name()]
    }
}

#[test]
fn a_component_has_several_streams_each_with_readers_of_its_own() {
    let topology = Topology::named("streams");
    let events = numbers(10);
    let spout = topology.spout("numbers", move || events.clone());
    let split = topology.bolt("split", || EvenOdd).global_grouping(&spout);
    let even = Collected::of(&topology, "even", &split);
    let odd = Collected::of(&topology, "odd", &split.stream(EvenOdd::ODD));
    TopologyTest::new(topology).run().unwrap();
    let values = |numbers: Vec<Number>| numbers.iter().map(|n| n.value).collect::<Vec<_>>();
    assert_eq!(values(even.take()), [0, 2, 4, 6, 8]);
    assert_eq!(values(odd.take()), [1, 3, 5, 7, 9]);
}

#[test]
fn a_stream_is_read_by_several_bolts_and_each_gets_every_tuple() {
    let make = || {
        let topology = Topology::named("copies");
        let events = numbers(100);
        let spout = topology.spout("numbers", move || events.clone());
        for reader in ["a", "b", "c"] {
            topology
                .bolt(reader, || Map::new(|number: &Number| Ok(number.clone())))
                .parallelism(2)
                .shuffle_grouping(&spout);
        }
        topology
    };
    both(make, |result| {
        let stats = result.unwrap().stats;
        for reader in ["a", "b", "c"] {
            assert_eq!(stats.component(reader).unwrap().tuples_in, 100);
        }
    });
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let order = |seed| {
        let topology = Topology::named("seeded");
        let events = Events::splits(
            TimeDomain::Processing,
            (0..4)
                .map(|split| vec![Event::Tuple(Timestamp::MIN, Number { value: split }); 5])
                .collect(),
        );
        let spout = topology
            .spout("numbers", move || events.clone())
            .parallelism(4);
        let collected = Collected::of(&topology, "collected", &spout);
        let options = RunOptions {
            batch_tuples: 1,
            ..RunOptions::default()
        };
        TopologyTest::new(topology)
            .seed(seed)
            .options(options)
            .run()
            .unwrap();
        collected.take()
    };
    assert_eq!(order(1), order(1));
    let orders: Vec<_> = (0..8).map(order).collect();
    assert!(
        orders.iter().any(|other| *other != orders[0]),
        "seeds give different orders"
    );
}

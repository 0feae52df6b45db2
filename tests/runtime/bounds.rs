//! What a run holds at once: bursts, windows that close together, output that waits for a commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use squall::bolts::{MergeRankings, Rank, RollingCount};
use squall::testing::{Collected, Events, TopologyTest};
use squall::{
    Bolt, Count, Epoch, Next, Out, Result, RunOptions, Sink, Spout, SpoutOut, States, Text,
    Timestamp, Topology, Value, Word, millis,
};

use crate::durable::{memory, on};
use crate::{Number, both, numbers, quiet};

/// Emits so many numbers for each, but for those that it refuses.
struct Burst(u64);
impl Bolt for Burst {
    type Input = Number;
    type Output = Number;
    fn execute(&mut self, number: &Number, out: &mut Out<Number>) -> Result {
        let first = number.value * self.0;
        out.emit_all((first..first + self.0).map(|value| Number { value }));
        if number.value % 7 == 3 {
            return Err("it is three in a week".into());
        }
        Ok(())
    }
}

fn values(numbers: Vec<Number>) -> Vec<u64> {
    numbers.into_iter().map(|number| number.value).collect()
}

/// Forty tuples of a batch that emit a million each had all been held at once.
#[test]
fn a_batch_of_bursts_is_taken_in_parts() {
    const EACH: u64 = 10_000;
    const TUPLES: u64 = 40;
    let make = || {
        let topology = Topology::named("bursts");
        let numbers = topology.spout("numbers", || numbers(TUPLES));
        let burst = topology
            .bolt("burst", || Burst(EACH))
            .global_grouping(&numbers);
        let letters = Collected::of(&topology, "letters", &burst.dead_letters());
        let collected = Collected::of(&topology, "collected", &burst);
        (topology, collected, letters)
    };
    let check = |summary: squall::Summary, collected: Collected<Number>, letters: Collected<_>| {
        assert_eq!(
            values(collected.take()),
            (0..TUPLES * EACH).collect::<Vec<_>>()
        );
        let letters: Vec<squall::tuple::DeadLetter> = letters.take();
        let tuples: Vec<_> = letters.iter().filter_map(|l| l.tuple.as_deref()).collect();
        let refused = (0..TUPLES).filter(|value| value % 7 == 3);
        let refused: Vec<_> = refused
            .map(|value| format!("Number {{ value: {value} }}"))
            .collect();
        assert_eq!(tuples, refused);
        let held = summary.stats.component("burst").unwrap().held;
        assert!(held <= EACH + 4_096, "{held} tuples at once");
        let batches = summary.stats.component("collected").unwrap().batches;
        assert!(batches <= 2 * TUPLES * EACH / 1_024, "{batches} batches");
    };
    for seed in 0..5 {
        let (topology, collected, letters) = make();
        let summary = TopologyTest::new(topology).seed(seed).run().unwrap();
        check(summary, collected, letters);
    }
    let (topology, collected, letters) = make();
    check(topology.run(quiet()).unwrap(), collected, letters);
}

/// Which tuple a bolt panics on is known in each part of its batch.
#[test]
fn a_panic_in_a_later_part_of_a_batch_names_its_tuple() {
    struct Fragile(Burst);
    impl Bolt for Fragile {
        type Input = Number;
        type Output = Number;
        fn execute(&mut self, number: &Number, out: &mut Out<Number>) -> Result {
            assert!(number.value % 20 != 18, "eighteen");
            self.0.execute(number, out)
        }
    }
    let topology = Topology::named("fragile");
    let numbers = topology.spout("numbers", || numbers(40));
    let fragile = topology
        .bolt("fragile", || Fragile(Burst(3_000)))
        .global_grouping(&numbers);
    let letters = Collected::of(&topology, "letters", &fragile.dead_letters());
    let collected = Collected::of(&topology, "collected", &fragile);
    let run = TopologyTest::new(topology).options(on(&memory()));
    run.run().unwrap();
    let panics = letters.take().into_iter();
    let panics = panics.filter(|letter| letter.reason.contains("eighteen"));
    let panics: Vec<_> = panics.filter_map(|letter| letter.tuple).collect();
    assert_eq!(panics, ["Number { value: 18 }", "Number { value: 38 }"]);
    let others = (0..40).filter(|value| value % 20 != 18);
    let expected = others.flat_map(|value| value * 3_000..(value + 1) * 3_000);
    assert_eq!(values(collected.take()), expected.collect::<Vec<_>>());
}

/// A million numbers for one call of a spout, or of a bolt, were cut into batches of 16 by the
/// credit of a reader that had not shown its speed.
#[test]
fn a_burst_for_a_reader_of_unknown_speed_is_no_stream_of_slivers() {
    const EACH: u64 = 100_000;
    let make = || {
        let topology = Topology::named("sliver");
        let numbers = topology.spout("numbers", || numbers(1));
        let burst = topology
            .bolt("burst", || Burst(EACH))
            .global_grouping(&numbers);
        let _ = Collected::of(&topology, "collected", &burst);
        topology
    };
    both(make, |summary| {
        let stats = summary.unwrap().stats;
        let batches = stats.component("collected").unwrap().batches;
        assert!(batches <= 150, "{batches} batches for {EACH} tuples");
    });
}

/// A reader that is slow for each tuple is not given a full batch at once.
#[test]
fn a_burst_is_parted_by_the_credit_of_a_slow_reader() {
    struct Widest(Arc<AtomicU64>);
    impl Sink for Widest {
        type Input = Number;
        fn write(&mut self, numbers: &[Number]) -> Result {
            // Written by one task, read after the run.
            self.0.fetch_max(numbers.len() as u64, Ordering::Relaxed);
            Ok(())
        }
    }
    let widest = Arc::new(AtomicU64::new(0));
    let topology = Topology::named("slow");
    let numbers = topology.spout("numbers", || numbers(3));
    let burst = topology
        .bolt("burst", || Burst(5_000))
        .global_grouping(&numbers);
    let written = Arc::clone(&widest);
    topology
        .sink("widest", move || Widest(Arc::clone(&written)))
        .global_grouping(&burst);
    let options = RunOptions {
        credit_tuples: Some(10),
        ..quiet()
    };
    let summary = TopologyTest::new(topology).options(options).run().unwrap();
    assert_eq!(summary.stats.component("widest").unwrap().tuples_in, 15_000);
    assert!((1..=20).contains(&widest.load(Ordering::Relaxed)));
}

/// Words over so many panes, and one after a gap of so many.
fn words(panes: i64, gap: i64) -> Events<Word> {
    let word = |number: i64| Word {
        word: format!("w{}", number % 10).into(),
    };
    let at = Timestamp::from_millis;
    let dense = (0..panes * 2).map(move |number| (at(number / 2), word(number)));
    Events::at(dense.chain([(at(panes + gap), word(0))]))
}

/// Notes how many counts it has of windows that it is not told are closed.
#[derive(Clone, Default)]
struct Ahead {
    open: BTreeMap<Timestamp, u64>,
    most: Arc<AtomicU64>,
}

impl Bolt for Ahead {
    type Input = Count<Text>;
    type Output = ();
    fn execute(&mut self, count: &Count<Text>, _: &mut Out<()>) -> Result {
        *self.open.entry(count.window.end).or_default() += 1;
        // Read after the run.
        self.most
            .fetch_max(self.open.values().sum(), Ordering::Relaxed);
        Ok(())
    }
    fn on_watermark(&mut self, watermark: Timestamp, _: &mut Out<()>) -> Result {
        self.open = self.open.split_off(&watermark.forward(1));
        Ok(())
    }
}

/// All windows of a gap had been emitted, and were held by whoever counted and whoever read,
/// before the first one was ranked.
#[test]
fn windows_that_close_together_are_handed_on_one_by_one() {
    const WINDOW: u64 = 3_000;
    let make = |most: &Arc<AtomicU64>| {
        let topology = Topology::named("gap");
        let words = topology.spout("words", || words(20, 10_000));
        let counts = topology
            .keyed("counts", || {
                RollingCount::over(millis(WINDOW)).every(millis(1))
            })
            .parallelism(3)
            .fields_grouping(&words, Word::WORD);
        let most = Arc::clone(most);
        topology
            .bolt("ahead", move || Ahead {
                most: Arc::clone(&most),
                ..Ahead::default()
            })
            .global_grouping(&counts);
        let collected = Collected::of(&topology, "collected", &counts);
        (topology, collected)
    };
    let check = |summary: squall::Summary, counts: Vec<Count<Text>>, ahead: u64| {
        assert!(counts.len() as u64 > 9 * WINDOW);
        let held = summary.stats.component("counts").unwrap().held;
        assert!(held <= 4_096, "{held} of {} counts at once", counts.len());
        assert!(
            ahead <= 8_192,
            "{ahead} of {} counts at the reader",
            counts.len()
        );
    };
    for seed in 0..3 {
        let most = Arc::default();
        let (topology, collected) = make(&most);
        let summary = TopologyTest::new(topology).seed(seed).run().unwrap();
        check(summary, collected.take(), most.load(Ordering::Relaxed));
    }
}

/// Rankings do not depend on where windows close one by one.
#[test]
fn rankings_over_a_gap_are_the_same_by_any_credit_and_seed() {
    let ranked = |credit_tuples, seed| {
        let topology = Topology::named("ranked");
        let words = topology.spout("words", || words(30, 300));
        let counts = topology
            .keyed("counts", || RollingCount::over(millis(40)).every(millis(1)))
            .parallelism(3)
            .fields_grouping(&words, Word::WORD);
        let rankings = topology
            .bolt("rankings", || Rank::<Text>::top(3))
            .parallelism(2)
            .fields_grouping(&counts, Count::KEY);
        let merged = topology
            .bolt("merged", || MergeRankings::<Text>::top(3))
            .global_grouping(&rankings);
        let collected = Collected::of(&topology, "collected", &merged);
        let options = RunOptions {
            credit_tuples,
            ..quiet()
        };
        TopologyTest::new(topology)
            .options(options)
            .seed(seed)
            .run()
            .unwrap();
        let rankings = collected.take();
        let rankings = rankings.iter().map(|r| (r.window, r.entries.clone()));
        rankings.collect::<Vec<_>>()
    };
    let expected = ranked(None, 0);
    assert_eq!(expected.len(), 30 + 39 + 1 + 40, "with one empty ranking");
    for seed in 1..4 {
        assert_eq!(ranked(Some(1), seed), expected);
        assert_eq!(ranked(None, seed), expected);
    }
}

/// Numbers without an end, until the run is stopped by what the sink has seen.
struct Numbers {
    next: Value<u64>,
    stop: Arc<AtomicBool>,
}

impl Spout for Numbers {
    type Output = Number;
    fn next(&mut self, out: &mut SpoutOut<Number>) -> Result<Next> {
        // Set once: a moment later does no harm.
        if self.stop.load(Ordering::Relaxed) {
            return Ok(Next::End);
        }
        for _ in 0..100 {
            out.emit(Number { value: *self.next });
            *self.next += 1;
        }
        Ok(Next::More)
    }
    fn state(&mut self, states: &mut States<'_>) {
        states.keep("next", &mut self.next);
    }
}

/// Says of each number that it is a MiB of output.
struct Heavy {
    waiting: Vec<u64>,
    most: Arc<AtomicU64>,
    seen: Arc<std::sync::Mutex<BTreeMap<u64, u64>>>,
    stop: Arc<AtomicBool>,
}

impl Sink for Heavy {
    type Input = Number;
    fn write(&mut self, numbers: &[Number]) -> Result {
        self.waiting
            .extend(numbers.iter().map(|number| number.value));
        // Read after the run.
        self.most
            .fetch_max(self.waiting.len() as u64, Ordering::Relaxed);
        Ok(())
    }
    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        let waiting = std::mem::take(&mut self.waiting);
        Ok(Some(
            waiting
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        ))
    }
    fn waiting_bytes(&self) -> usize {
        self.waiting.len() << 20
    }
    fn deliver(&mut self, outbox: &[u8], _: Option<u64>) -> Result {
        let mut seen = self.seen.lock().map_err(|error| error.to_string())?;
        for value in outbox.chunks_exact(8) {
            *seen
                .entry(u64::from_le_bytes(value.try_into()?))
                .or_default() += 1;
        }
        if seen.len() > 5_000 {
            self.stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
    fn flush(&mut self, _: &Epoch) -> Result {
        Ok(())
    }
}

/// With one commit an hour, everything that a sink had to deliver was held until the end.
#[test]
fn what_waits_for_a_commit_is_bounded_by_earlier_commits() {
    for seed in 0..4 {
        let (most, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let seen = Arc::<std::sync::Mutex<BTreeMap<u64, u64>>>::default();
        let topology = Topology::named("heavy");
        let stopped = Arc::clone(&stop);
        let numbers = topology.spout("numbers", move || Numbers {
            next: Value::default(),
            stop: Arc::clone(&stopped),
        });
        let parts = (Arc::clone(&most), Arc::clone(&seen), Arc::clone(&stop));
        topology
            .sink("heavy", move || Heavy {
                waiting: Vec::new(),
                most: Arc::clone(&parts.0),
                seen: Arc::clone(&parts.1),
                stop: Arc::clone(&parts.2),
            })
            .global_grouping(&numbers);
        let options = RunOptions {
            commit: squall::secs(3_600),
            credit_tuples: Some(50),
            ..on(&memory())
        };
        let run = TopologyTest::new(topology).options(options).seed(seed);
        let summary = run.run().unwrap();
        let commits = summary.stats.commits.unwrap().commits;
        let most = most.load(Ordering::Relaxed);
        assert!(commits > 10, "{commits} commits");
        assert!(most < 1_000, "{most} MiB at once in {commits} commits");
        let seen = seen.lock().unwrap();
        assert!((0..summary.stats.tuples).eq(seen.keys().copied()));
        assert!(seen.values().all(|times| *times == 1));
    }
}

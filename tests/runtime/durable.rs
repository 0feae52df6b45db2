//! Durable runs: after a failure they go on as if nothing had happened, or end with a cause.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, mpsc};

use squall::bolts::Map;
use squall::testing::{Collected, Fault, Faults, TopologyTest};
use squall::{
    Bolt, BoxError, DataDir, Epoch, Next, Out, Result, RunError, RunOptions, Spout, SpoutOut,
    States, Summary, Table, Text, Timestamp, Topology, Tuple, Value, Word,
    error::Fatal,
    millis,
    run::{LossLimit, Restarts},
    secs,
    tuple::DeadLetter,
};

use crate::quiet;

/// Commits often and restores at once.
pub(crate) fn on(dir: &DataDir) -> RunOptions {
    RunOptions {
        data_dir: Some(dir.clone()),
        commit: millis(20),
        epoch: millis(10),
        restarts: Restarts {
            per_minute: 10,
            first_pause: millis(1),
            longest_pause: millis(1),
        },
        ..quiet()
    }
}

pub(crate) fn memory() -> DataDir {
    DataDir::in_memory().unwrap()
}

/// Runs in virtual time, on threads, and on threads with a directory.
fn everywhere(run: impl Fn(&dyn Fn(Topology, RunOptions) -> Result<Summary, RunError>, DataDir)) {
    run(
        &|topology, options| TopologyTest::new(topology).options(options).run(),
        memory(),
    );
    run(&Topology::run, memory());
    let folder = tempfile::tempdir().unwrap();
    run(&Topology::run, DataDir::at(folder.path().join("data")));
}

/// Makes words of the numbers from 0, each once, over all runs; then the input ends, or
/// pauses.
pub(crate) struct Words {
    next: Value<u64>,
    end: u64,
    then: Next,
    word: fn(u64) -> Text,
}

impl Words {
    pub(crate) fn up_to(end: u64, then: Next, word: fn(u64) -> Text) -> Self {
        Self {
            next: Value::default(),
            end,
            then,
            word,
        }
    }
}

impl Spout for Words {
    type Output = Word;
    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        let numbers = *self.next..self.end.min(*self.next + 500);
        if numbers.is_empty() {
            return Ok(self.then);
        }
        *self.next = numbers.end;
        for number in numbers {
            let word = (self.word)(number);
            out.emit(Word { word });
        }
        Ok(Next::More)
    }
    fn state(&mut self, states: &mut States<'_>) {
        states.keep("next", &mut self.next);
    }
}

#[derive(Tuple, Clone, Debug, PartialEq)]
pub(crate) struct Total {
    word: Text,
    total: u64,
}

/// Counts words, and says how many there were at the end of all.
#[derive(Default)]
pub(crate) struct Totals(pub(crate) Table<Text, u64>);

impl Bolt for Totals {
    type Input = Word;
    type Output = Total;
    fn execute(&mut self, word: &Word, _: &mut Out<Total>) -> Result {
        *self.0.entry(&word.word) += 1;
        Ok(())
    }
    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Total>) -> Result {
        if epoch.closes {
            for (word, total) in self.0.iter() {
                let (word, total) = (word.clone(), *total);
                out.emit(Total { word, total });
            }
        }
        Ok(())
    }
    fn state(&mut self, states: &mut States<'_>) {
        states.keep("totals", &mut self.0);
    }
}

pub(crate) fn summed(totals: Vec<Total>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for Total { word, total } in totals {
        *sums.entry(word.to_string()).or_default() += total;
    }
    sums
}

/// What numbers up to `end` come to.
pub(crate) fn counted(end: u64, word: fn(u64) -> Text) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for number in 0..end {
        *counts.entry(word(number).to_string()).or_default() += 1;
    }
    counts
}

const MILLION: u64 = 1_000_000;

fn mostly_good(number: u64) -> Text {
    match number % 200_000 {
        123_456 => "bad".into(),
        rest => format!("w{}", rest % 100).into(),
    }
}

/// One record that a bolt cannot bear used to come back after each restart, for ever.
#[test]
fn a_word_that_a_bolt_panics_on_is_put_aside_and_all_others_are_counted() {
    everywhere(|run, dir| {
        let topology = Topology::named("poison");
        let words = topology.spout("words", || Words::up_to(MILLION, Next::End, mostly_good));
        let fragile = |word: &Word| {
            assert_ne!(word.word, "bad", "no such word");
            Ok(word.clone())
        };
        let fragile = topology
            .bolt("fragile", move || Map::new(fragile))
            .parallelism(3)
            .shuffle_grouping(&words);
        let totals = topology
            .bolt("totals", Totals::default)
            .parallelism(2)
            .fields_grouping(&fragile, Word::WORD);
        let letters = Collected::of(&topology, "letters", &fragile.dead_letters());
        let totals = Collected::of(&topology, "collected", &totals);
        run(topology, on(&dir)).unwrap();

        let mut expected = counted(MILLION, mostly_good);
        let bad = expected.remove("bad").unwrap();
        assert_eq!(summed(totals.take()), expected);
        let letters = letters.take();
        assert_eq!(letters.len() as u64, bad);
        for DeadLetter { reason, tuple, .. } in letters {
            assert!(reason.starts_with("panicked: "), "{reason}");
            assert!(reason.contains("no such word"), "{reason}");
            assert_eq!(tuple.as_deref(), Some("Word { word: \"bad\" }"));
        }
    });
}

fn distinct(number: u64) -> Text {
    format!("w{number}").into()
}

#[test]
fn a_bolt_that_always_panics_ends_the_run_with_the_first_cause() {
    everywhere(|run, dir| {
        let topology = Topology::named("hopeless");
        let words = topology.spout("words", || Words::up_to(1_000, Next::End, distinct));
        let hopeless = |word: &Word| -> Result<Word> { panic!("never {}", word.word) };
        topology
            .bolt("hopeless", move || Map::new(hopeless))
            .global_grouping(&words);
        let mut options = on(&dir);
        options.restarts.per_minute = 5;
        match run(topology, options) {
            // Each word is a cause of its own, and all together have ten times its restarts.
            Err(RunError::GaveUp {
                restarts: 50,
                cause,
            }) => {
                assert_eq!(cause.to_string(), "hopeless[0] panicked: never w0");
            }
            other => panic!("{other:?}"),
        }
    });
}

/// Fails as often as it is told, over all attempts.
#[derive(Clone)]
struct Failing {
    left: Arc<AtomicU64>,
    error: fn() -> BoxError,
}

impl Failing {
    fn times(times: u64, error: fn() -> BoxError) -> Self {
        let left = Arc::new(AtomicU64::new(times));
        Self { left, error }
    }
    fn fail(&self) -> Result {
        let taken = |left: u64| left.checked_sub(1);
        // Counted over attempts, one after the other: no order is needed beyond that.
        match self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken)
        {
            Ok(_) => Err((self.error)()),
            Err(_) => Ok(()),
        }
    }
    fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }
}

/// Words that cannot be read at first.
struct Unready(Words, Failing);
impl Spout for Unready {
    type Output = Word;
    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        if *self.0.next >= 2_000 {
            self.1.fail()?;
        }
        self.0.next(out)
    }
    fn state(&mut self, states: &mut States<'_>) {
        self.0.state(states);
    }
}

/// Totals that fail at the end of the input.
struct Unwilling(Totals, Failing);
impl Bolt for Unwilling {
    type Input = Word;
    type Output = Total;
    fn execute(&mut self, word: &Word, out: &mut Out<Total>) -> Result {
        self.0.execute(word, out)
    }
    fn on_watermark(&mut self, watermark: Timestamp, _: &mut Out<Total>) -> Result {
        if watermark == Timestamp::MAX {
            self.1.fail()?;
        }
        Ok(())
    }
    fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Total>) -> Result {
        self.0.on_epoch(epoch, out)
    }
    fn state(&mut self, states: &mut States<'_>) {
        self.0.state(states);
    }
}

fn few(number: u64) -> Text {
    format!("w{}", number % 10).into()
}

/// A topology whose spout and bolt fail, each as often as it is told.
fn failing(spout: &Failing, bolt: &Failing) -> (Topology, Collected<Total>) {
    let topology = Topology::named("failing");
    let spout = spout.clone();
    let words = Words::up_to;
    let words = topology.spout("words", move || {
        Unready(words(5_000, Next::End, few), spout.clone())
    });
    let bolt = bolt.clone();
    let totals = topology
        .bolt("totals", move || Unwilling(Totals::default(), bolt.clone()))
        .fields_grouping(&words, Word::WORD);
    let totals = Collected::of(&topology, "collected", &totals);
    (topology, totals)
}

#[test]
fn errors_that_pass_are_survived() {
    everywhere(|run, dir| {
        let spout = Failing::times(3, || "the cable was cut".into());
        let bolt = Failing::times(2, || "not now".into());
        let (topology, totals) = failing(&spout, &bolt);
        run(topology, on(&dir)).unwrap();
        assert_eq!((spout.left(), bolt.left()), (0, 0));
        assert_eq!(summed(totals.take()), counted(5_000, few));
    });
}

#[test]
fn a_fatal_error_ends_a_durable_run_at_once() {
    everywhere(|run, dir| {
        let fatal = Failing::times(9, || Fatal::new("the table is gone").into());
        let never = Failing::times(0, || "never".into());
        let (in_spout, _) = failing(&fatal, &never);
        let (at_watermark, _) = failing(&never, &fatal);
        for (topology, task) in [(in_spout, "words[0]"), (at_watermark, "totals[0]")] {
            let before = fatal.left();
            match run(topology, on(&dir)) {
                Err(RunError::Failed { task: found, cause }) => {
                    assert_eq!(found, task);
                    assert!(cause.is::<Fatal>(), "{cause}");
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(fatal.left(), before - 1);
        }
        // Somebody has made the table: the run goes on where the failure has left it.
        let (topology, totals) = failing(&never, &never);
        run(topology, on(&dir)).unwrap();
        assert_eq!(summed(totals.take()), counted(5_000, few));
    });
}

#[test]
fn without_restarts_the_first_failure_is_the_end() {
    everywhere(|run, dir| {
        let spout = Failing::times(1, || "the cable was cut".into());
        let never = Failing::times(0, || "never".into());
        let (topology, _) = failing(&spout, &never);
        let mut options = on(&dir);
        options.restarts.per_minute = 0;
        let error = run(topology, options.clone()).unwrap_err().to_string();
        assert_eq!(error, "words[0] failed: the cable was cut");
        // By hand it goes on.
        let (topology, totals) = failing(&spout, &never);
        run(topology, options).unwrap();
        assert_eq!(summed(totals.take()), counted(5_000, few));
    });
}

#[test]
fn dead_letters_come_once_whatever_fails() {
    for nth in 1..12 {
        for fault in [Fault::Panic, Fault::Error, Fault::Kill] {
            let dir = memory();
            let topology = Topology::named("letters");
            let words = topology.spout("words", || Words::up_to(20_000, Next::End, distinct));
            let refuse = |word: &Word| match word.word.strip_suffix("77") {
                Some(_) => Err(format!("{} is refused", word.word).into()),
                None => Ok(word.clone()),
            };
            let refuse = topology
                .bolt("refuse", move || Map::new(refuse))
                .parallelism(2)
                .shuffle_grouping(&words);
            let letters = Collected::of(&topology, "letters", &refuse.dead_letters());
            let faults = Faults::POINTS.iter().enumerate();
            let faults = faults.fold(Faults::none(), |faults, (index, point)| {
                faults.at(point, nth + index as u64 % 3, fault)
            });
            let mut options = on(&dir);
            options.restarts.per_minute = 1_000;
            options.commit = millis(1);
            options.epoch = millis(1);
            TopologyTest::new(topology)
                .options(RunOptions { faults, ..options })
                .seed(nth)
                .run()
                .unwrap();
            let mut reasons: Vec<_> = letters.take().into_iter().map(|l| l.reason).collect();
            reasons.sort();
            let words = (0..20_000).filter(|number| number % 100 == 77);
            let mut expected: Vec<_> = words.map(|n| format!("w{n} is refused")).collect();
            expected.sort();
            assert_eq!(reasons, expected, "{nth} {fault:?}");
        }
    }
}

/// Lines of the log that name this component.
fn log_of(component: &'static str) -> mpsc::Receiver<String> {
    static LISTENERS: Mutex<Vec<(&str, mpsc::Sender<String>)>> = Mutex::new(Vec::new());
    static BEGIN: Once = Once::new();
    struct Lines;
    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            let text = String::from_utf8_lossy(line);
            for (component, listener) in &*LISTENERS.lock().unwrap() {
                if text.contains(component) {
                    let _ = listener.send(text.to_string());
                }
            }
            Ok(line.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (listener, lines) = mpsc::channel();
    LISTENERS.lock().unwrap().push((component, listener));
    BEGIN.call_once(|| {
        let log = tracing_subscriber::fmt().with_ansi(false);
        log.with_writer(|| Lines).init();
    });
    lines
}

#[test]
fn a_bolt_that_blocks_for_ever_is_named_and_does_not_hold_up_a_stop() {
    let log = log_of("immovable[0]");
    let topology = Topology::named("blocked");
    let words = topology.spout("words", || Words::up_to(100, Next::Pause, few));
    // Nobody sends, and the sender stays.
    let (keep, never) = mpsc::channel::<Word>();
    let never = Arc::new(Mutex::new(never));
    let block = move || {
        let never = Arc::clone(&never);
        Map::new(move |_: &Word| Ok(never.lock().unwrap().recv()?))
    };
    topology.bolt("immovable", block).global_grouping(&words);
    let options = RunOptions {
        stall: millis(200),
        drain: millis(300),
        ..on(&memory())
    };
    let running = topology.start(options).unwrap();
    let line = log.recv_timeout(secs(20)).unwrap();
    assert!(line.contains("immovable[0] has not passed epoch"), "{line}");
    running.stop();
    match running.wait() {
        Err(RunError::Stuck { tasks, .. }) => {
            assert!(tasks[0].starts_with("immovable[0]"), "{tasks:?}");
        }
        other => panic!("{other:?}"),
    }
    drop(keep);
}

/// A topology that refuses every word of a number that ends in 7.
fn refusing(words: u64) -> Topology {
    let topology = Topology::named("losses");
    let word = |number: u64| number.to_string().into();
    let spout = topology.spout("words", move || Words::up_to(words, Next::End, word));
    let no_sevens = |word: &Word| {
        if word.word.ends_with('7') {
            return Err(format!("no {}", word.word).into());
        }
        Ok(word.clone())
    };
    topology
        .bolt("same", move || Map::new(no_sevens))
        .shuffle_grouping(&spout);
    topology
}

#[test]
fn what_is_lost_is_counted_once_though_it_is_done_again_after_failures() {
    everywhere(|run, dir| {
        let faults = Faults::none()
            .at("bolt.execute", 4, Fault::Error)
            .at("bolt.execute", 30, Fault::Error)
            .at("save", 5, Fault::Error)
            .at("commit", 2, Fault::Error);
        let options = RunOptions { faults, ..on(&dir) };
        let stats = run(refusing(40_000), options).unwrap().stats;
        assert_eq!((stats.tuples, stats.dead_letters()), (40_000, 4_000));
        let refused = stats.refused;
        let worst = refused.worst.unwrap();
        assert_eq!((worst.component.as_str(), worst.read), ("same", 40_000));
        let [reason] = &refused.reasons[..] else {
            panic!("{:?}", refused.reasons);
        };
        assert_eq!((reason.reason.as_str(), reason.count), ("no #", 4_000));
        assert_eq!(reason.example.source, "same[0]");
        assert!(
            reason.example.content.starts_with("Word { word: "),
            "{reason:?}"
        );
    });
}

#[test]
fn too_many_dead_letters_end_a_durable_run_and_are_not_tried_again() {
    everywhere(|run, dir| {
        let options = RunOptions {
            max_dead_letters: Some(LossLimit::Count(100)),
            ..on(&dir)
        };
        match run(refusing(1_000_000), options) {
            Err(RunError::TooManyLost(lost)) => {
                assert!((101..100_000).contains(&lost.seen.count), "{lost}");
                assert!(
                    lost.to_string().contains("the limit is 100; most often"),
                    "{lost}"
                );
            }
            other => panic!("{other:?}"),
        }
    });
}

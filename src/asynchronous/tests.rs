use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;
use std::time::Duration;

use super::*;
use crate::testing::{Collected, SinkTest, sink_contract, spout_contract};
use crate::{
    Context, Next, Result, RunError, RunOptions, Spout, SpoutOut, States, Topology, Value, Word,
    millis, secs,
};

/// Far more than anything here takes.
const LONG: Duration = secs(60);

fn word(number: u64) -> Word {
    let word = number.to_string().into();
    Word { word }
}

/// Numbers from a client, which counts what it has sent.
#[derive(Default)]
struct Numbers {
    end: u64,
    at: Value<u64>,
    sent: Arc<AtomicU64>,
    /// The most that were on their way at once.
    most: Arc<AtomicU64>,
    emitted: u64,
    fails: Option<fn()>,
}

impl AsyncSpout for Numbers {
    type Output = Word;
    type Item = u64;

    fn read(&mut self, _: &Context, feed: Feed<u64>) -> Result<Reading> {
        let (from, end, sent) = (*self.at, self.end, Arc::clone(&self.sent));
        let fails = self.fails;
        Ok(Box::pin(async move {
            for number in from..end {
                tokio::task::yield_now().await;
                feed.send(number).await?;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(fails) = fails {
                fails();
                return Err("the client has lost its server".into());
            }
            Ok(())
        }))
    }

    fn emit(&mut self, number: u64, out: &mut SpoutOut<Word>) -> Result {
        let sent = self.sent.load(Ordering::Relaxed);
        let on_its_way = sent.saturating_sub(self.emitted);
        self.most.fetch_max(on_its_way, Ordering::Relaxed);
        self.emitted += 1;
        out.emit(word(number));
        *self.at = number + 1;
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("at", &mut self.at);
    }
}

#[test]
fn a_fed_spout_goes_on_where_it_was_committed() {
    let numbers = || {
        FromFeed::new(Numbers {
            end: 300,
            ..Numbers::default()
        })
    };
    let words = spout_contract(numbers, &[1]).unwrap();
    assert!(words.into_iter().eq((0..300).map(word)));
}

#[test]
fn a_client_is_ahead_by_no_more_than_there_is_room() {
    let most = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&most);
    let topology = Topology::named("ahead");
    let numbers = topology.spout("numbers", move || {
        let most = Arc::clone(&told);
        let numbers = Numbers {
            end: 5_000,
            most,
            ..Numbers::default()
        };
        FromFeed::new(numbers).room(10)
    });
    let words = Collected::of(&topology, "collected", &numbers);
    topology.run(options()).unwrap();
    let most = most.load(Ordering::Relaxed);
    // With the one that is in hand.
    assert!((1..=11).contains(&most), "{most}");
    assert_eq!(words.take().len(), 5_000);
}

fn options() -> RunOptions {
    RunOptions {
        signals: false,
        ..RunOptions::default()
    }
}

fn ends(fails: fn()) -> String {
    let topology = Topology::named("failing");
    let numbers = topology.spout("numbers", move || {
        FromFeed::new(Numbers {
            end: 3,
            fails: Some(fails),
            ..Numbers::default()
        })
    });
    let _words = Collected::of(&topology, "collected", &numbers);
    let error = topology.run(options()).unwrap_err();
    let RunError::Failed { cause, .. } = error else {
        panic!("{error}");
    };
    cause.to_string()
}

#[test]
fn what_ends_the_client_ends_the_run_with_its_cause() {
    assert_eq!(ends(|| {}), "the client has lost its server");
    let panicked = ends(|| panic!("on purpose"));
    assert!(panicked.contains("on purpose"), "{panicked}");
}

/// Tells when it is dropped.
struct Drops(Option<mpsc::Sender<()>>);

impl AsyncSpout for Drops {
    type Output = Word;
    type Item = ();
    fn read(&mut self, _: &Context, feed: Feed<()>) -> Result<Reading> {
        let kept = self.0.take();
        Ok(Box::pin(async move {
            feed.send(()).await?;
            pending::<()>().await;
            drop(kept);
            Ok(())
        }))
    }
    fn emit(&mut self, (): (), out: &mut SpoutOut<Word>) -> Result {
        out.emit(word(0));
        Ok(())
    }
}

#[test]
fn the_client_goes_with_its_spout() {
    let (tell, told) = mpsc::channel();
    let topology = Topology::named("stopped");
    let tell = Mutex::new(Some(tell));
    let drops = topology.spout("drops", move || {
        let tell = tell.lock().unwrap().take();
        FromFeed::new(Drops(tell))
    });
    let _words = Collected::of(&topology, "collected", &drops);
    let running = topology.start(options()).unwrap();
    running.stop();
    running.wait().unwrap();
    let ended = told.recv_timeout(LONG);
    assert_eq!(ended, Err(mpsc::RecvTimeoutError::Disconnected));
}

type Rows = Arc<Mutex<Vec<String>>>;

/// Delivers to a list, through a task of the client's runtime.
#[derive(Default)]
struct Delivers {
    rows: Rows,
    waiting: Vec<u8>,
}

impl AsyncSink for Delivers {
    type Input = Word;

    async fn write(&mut self, words: &[Word]) -> Result {
        tokio::task::yield_now().await;
        for word in words {
            self.waiting.extend_from_slice(word.word.as_bytes());
            self.waiting.push(b'\n');
        }
        Ok(())
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(Some(std::mem::take(&mut self.waiting)))
    }

    fn waiting_bytes(&self) -> usize {
        self.waiting.len()
    }

    async fn deliver(&mut self, outbox: &[u8], _: Option<u64>) -> Result {
        let (rows, text) = (
            Arc::clone(&self.rows),
            std::str::from_utf8(outbox)?.to_owned(),
        );
        tokio::spawn(async move {
            // There are timers.
            let never = tokio::time::timeout(Duration::from_micros(1), pending::<()>());
            assert!(never.await.is_err());
            let mut rows = rows.lock().unwrap();
            for row in text.lines().map(str::to_owned) {
                // What comes again is there already.
                if !rows.contains(&row) {
                    rows.push(row);
                }
            }
        })
        .await?;
        Ok(())
    }
}

#[test]
fn an_awaited_sink_keeps_the_contract_of_sinks() {
    let sink = |rows: &Rows| {
        Awaits::new(Delivers {
            rows: Arc::clone(rows),
            ..Delivers::default()
        })
    };
    let epochs = [vec![word(1), word(2)], vec![], vec![word(3)], vec![word(4)]];
    let content = |rows: &Rows| Ok(rows.lock().unwrap().clone());
    let rows = sink_contract(|| Ok(Rows::default()), sink, content, &epochs).unwrap();
    assert_eq!(rows, ["1", "2", "3", "4"]);
}

/// Never comes back.
#[derive(Debug)]
struct Hangs;

impl AsyncSink for Hangs {
    type Input = Word;
    async fn write(&mut self, _: &[Word]) -> Result {
        pending().await
    }
}

#[test]
fn a_call_that_does_not_come_back_ends_at_its_deadline_with_what_it_was() {
    let sink = Awaits::new(Hangs).deadline(millis(1));
    let error = SinkTest::new(sink).send(word(0)).run().unwrap_err();
    let told = "`test[0]` did not write within 1ms: check that its target is reachable";
    assert_eq!(error.to_string(), told);
    assert!(error.is::<NotInTime>());
}

#[test]
fn a_sink_that_waits_holds_up_its_own_run_alone() {
    let numbers = |end| {
        move || {
            FromFeed::new(Numbers {
                end,
                ..Numbers::default()
            })
        }
    };
    let (waits, goes) = (Topology::named("waits"), Topology::named("goes"));
    let slow = waits.spout("numbers", numbers(1));
    // Longer than the other run takes.
    let hangs = || Awaits::new(Hangs).deadline(secs(3));
    waits.sink("hangs", hangs).global_grouping(&slow);
    let waits = waits.start(options()).unwrap();
    let rows = Rows::default();
    let target = Arc::clone(&rows);
    let quick = goes.spout("numbers", numbers(1_000));
    let delivers = move || {
        Awaits::new(Delivers {
            rows: Arc::clone(&target),
            ..Delivers::default()
        })
    };
    goes.sink("rows", delivers).global_grouping(&quick);
    goes.run(options()).unwrap();
    assert_eq!(rows.lock().unwrap().len(), 1_000);
    let error = waits.wait().unwrap_err().to_string();
    assert!(error.contains("hangs"), "{error}");
}

/// Wakes its own task far too often, once.
struct Wakes {
    asked: Arc<AtomicU64>,
    waker: Waker,
}

impl Spout for Wakes {
    type Output = Word;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Word>) -> Result {
        self.waker = context.waker.clone();
        Ok(())
    }

    fn next(&mut self, _: &mut SpoutOut<Word>) -> Result<Next> {
        if self.asked.fetch_add(1, Ordering::Relaxed) == 0 {
            (0..100_000).for_each(|_| self.waker.wake_by_ref());
        }
        Ok(Next::Idle)
    }
}

#[test]
fn a_task_that_is_woken_very_often_is_asked_once() {
    let asked = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&asked);
    let topology = Topology::named("woken");
    let wakes = topology.spout("wakes", move || Wakes {
        asked: Arc::clone(&told),
        waker: Waker::noop().clone(),
    });
    let _words = Collected::of(&topology, "collected", &wakes);
    let running = topology.start(options()).unwrap();
    while asked.load(Ordering::Relaxed) < 2 {
        std::thread::yield_now();
    }
    // The stop comes behind all messages that were sent.
    running.stop();
    running.wait().unwrap();
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

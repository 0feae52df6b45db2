//! Brokers that are away, come back, or do not answer, while topics are read and written.

mod support;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::Waker;

use squall::bolts::RollingCount;
use squall::run::Running;
use squall::spout::Spout;
use squall::testing::Collected;
use squall::time::TimeDomain;
use squall::{
    Context, Count, DataDir, Next, Out, Result, RunOptions, SpoutOut, Text, Timestamp, Topology,
    Word, secs,
};
use squall_kafka::{Kafka, Message};
use squall_testbed::Kafka as Server;

use support::{Broker, name, wait};

fn options() -> RunOptions {
    RunOptions {
        signals: false,
        // Nothing is given up before the server is back.
        drain: support::PATIENCE,
        ..RunOptions::default()
    }
}

/// What the tasks of a run wait for.
fn waits(running: &Running) -> Vec<String> {
    let stats = running.stats();
    let components = stats.iter().flat_map(|stats| &stats.components);
    let tasks = components.flat_map(|component| &component.tasks);
    tasks.filter_map(|task| task.waits_for.clone()).collect()
}

fn wait_until_waits(running: &Running, for_what: &str) -> Result {
    wait(for_what, || {
        let found = waits(running)
            .iter()
            .any(|reason| reason.contains(for_what));
        Ok(found.then_some(()))
    })
}

/// Copies a topic to another one.
fn copying(kafka: &Kafka, from: &str, to: &str) -> Topology {
    let topology = Topology::named("copy");
    let read = kafka.read(from);
    let words = topology.spout("words", move || {
        read.decode(|message: &Message<'_>, out: &mut Out<Word>| {
            let word = message.text()?.into();
            out.emit(Word { word });
            Ok(())
        })
    });
    let (kafka, to) = (kafka.clone(), to.to_owned());
    let sink = topology.sink("out", move || {
        kafka.write(&to).value(|word: &Word, value| {
            value.extend(word.word.bytes());
            Ok(())
        })
    });
    sink.global_grouping(&words);
    topology
}

#[test]
fn a_broker_may_be_away_at_the_start_and_in_the_middle_and_each_record_comes_once() -> Result {
    let mut server = Server::start()?;
    let broker = Broker::at(&server.at().address)?;
    let (from, to) = (name("from"), name("to"));
    broker.make(&from, 2)?;
    broker.make(&to, 1)?;
    broker.fill(&from, 0, &[("a", 1)])?;
    server.kill();
    let dir = tempfile::tempdir()?;
    let kafka = Kafka::at(&broker.address);
    let running = copying(&kafka, &from, &to).start(RunOptions {
        data_dir: Some(DataDir::at(dir.path())),
        ..options()
    })?;
    wait_until_waits(&running, "do not answer")?;
    server.start_again()?;
    let written = |count: usize| {
        wait("the records are written", || {
            let written = broker.committed(&to)?.remove(0);
            Ok((written.len() >= count).then_some(written))
        })
    };
    assert_eq!(written(1)?, ["a"]);
    broker.fill(&from, 0, &[("b", 1)])?;
    assert_eq!(written(2)?, ["a", "b"]);
    server.kill();
    wait_until_waits(&running, "is away")?;
    server.start_again()?;
    broker.fill(&from, 1, &[("c", 1)])?;
    assert_eq!(written(3)?, ["a", "b", "c"]);
    wait("nothing is waited for any more", || {
        Ok(waits(&running).is_empty().then_some(()))
    })?;
    running.stop();
    running.wait()?;
    assert_eq!(written(3)?, ["a", "b", "c"]);
    Ok(())
}

/// What the run itself had delivered was taken for that of a newer copy of its data directory.
#[test]
fn a_broker_that_dies_in_a_delivery_has_the_output_once_when_it_is_back() -> Result {
    let mut server = Server::start()?;
    let broker = Broker::at(&server.at().address)?;
    let (from, to) = (name("from"), name("to"));
    broker.make(&from, 1)?;
    broker.make(&to, 1)?;
    let words: Vec<String> = (0..6_000).map(|number| number.to_string()).collect();
    let filled: Vec<_> = words.iter().map(|word| (word.as_str(), 1)).collect();
    broker.fill(&from, 0, &filled)?;
    let dir = tempfile::tempdir()?;
    let topology = Topology::named("copy");
    let kafka = Kafka::at(&broker.address);
    let read = kafka.read(&from).until_end();
    let read = topology.spout("words", move || {
        read.decode(|message: &Message<'_>, out: &mut Out<Word>| {
            let word = message.text()?.into();
            out.emit(Word { word });
            Ok(())
        })
    });
    let read = read.rate(300.0);
    let target = to.clone();
    let sink = topology.sink("out", move || {
        kafka.write(&target).value(|word: &Word, value| {
            value.extend(word.word.bytes());
            Ok(())
        })
    });
    sink.global_grouping(&read);
    let running = topology.start(RunOptions {
        data_dir: Some(DataDir::at(dir.path())),
        // One delivery follows the other.
        commit: squall::millis(10),
        ..options()
    })?;
    for written in [300, 2_000] {
        wait("the records are written", || {
            let there = broker.committed(&to)?.remove(0).len();
            Ok((there >= written).then_some(()))
        })?;
        server.kill();
        wait_until_waits(&running, "Kafka at")?;
        server.start_again()?;
    }
    let summary = running.wait()?;
    assert_eq!(summary.stats.restarts, 0);
    assert_eq!(broker.committed(&to)?.remove(0), words);
    Ok(())
}

/// A spout that a test feeds.
#[derive(Clone)]
struct Fed {
    words: Arc<Mutex<Receiver<(i64, &'static str)>>>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Fed {
    fn new() -> (Sender<(i64, &'static str)>, Self) {
        let (sender, words) = channel();
        let (words, waker) = (Arc::new(Mutex::new(words)), Arc::default());
        (sender, Self { words, waker })
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.lock().unwrap() {
            waker.wake_by_ref();
        }
    }
}

impl Spout for Fed {
    type Output = Word;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<Word>) -> Result {
        *self.waker.lock().unwrap() = Some(context.waker.clone());
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<Word>) -> Result<Next> {
        let fed = self.words.lock().unwrap().try_recv();
        match fed {
            Ok((second, word)) => {
                let word = Text::from(word);
                out.emit_at(Word { word }, second_of(second));
                Ok(Next::More)
            }
            Err(_) => Ok(Next::Idle),
        }
    }

    fn domain(&self) -> TimeDomain {
        TimeDomain::Event
    }
}

fn second_of(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

/// Counts the words of a topic and those that are fed, in windows of ten seconds.
fn counting(kafka: &Kafka, topic: &str, fed: Fed) -> (Topology, Collected<Count<Text>>) {
    let topology = Topology::named("count");
    let read = kafka.read(topic).message_time();
    let words = topology.spout("words", move || {
        read.decode(|message: &Message<'_>, out: &mut Out<Word>| {
            let word = message.text()?.into();
            out.emit(Word { word });
            Ok(())
        })
    });
    let fed = topology.spout("fed", move || fed.clone());
    let counts = topology
        .keyed("counts", || RollingCount::over(secs(10)).every(secs(10)))
        .fields_grouping(&words, Word::WORD)
        .also(&fed);
    let counted = Collected::of(&topology, "counted", &counts);
    (topology, counted)
}

/// Waits until windows are closed that have these words; gives all words with their counts.
fn wait_for_words(counted: &mut Vec<String>, all: &Collected<Count<Text>>, word: &str) -> Result {
    wait(word, || {
        let new = all.take();
        counted.extend(new.iter().map(|count| format!("{count:?}")));
        Ok(counted
            .iter()
            .any(|count| count.contains(word))
            .then_some(()))
    })
}

/// An outage closed windows, and what came to the broker meanwhile was late.
#[test]
fn a_partition_at_its_end_is_idle_and_one_whose_broker_does_not_answer_is_not() -> Result {
    let server = Server::start()?;
    let broker = Broker::at(&server.at().address)?;
    let topic = name("windows");
    broker.make(&topic, 2)?;
    broker.fill(&topic, 0, &[("read-before", 1_000)])?;
    let (feed, fed) = Fed::new();
    let (topology, all) = counting(&Kafka::at(&broker.address), &topic, fed.clone());
    let running = topology.start(options())?;
    let mut counted = Vec::new();
    // Partition 1 has nothing, and partition 0 nothing more: both are idle.
    feed.send((11, "fed-before"))?;
    fed.wake();
    wait_for_words(&mut counted, &all, "read-before")?;
    server.pause()?;
    wait_until_waits(&running, "does not answer")?;
    feed.send((99, "fed-meanwhile"))?;
    fed.wake();
    // What comes of the fed word would have come by now: many epochs have passed.
    let epochs = || running.stats().map_or(0, |stats| stats.epochs);
    let now = epochs();
    wait("epochs pass", || Ok((epochs() > now + 20).then_some(())))?;
    let seen = format!("{:?}", all.take());
    assert!(!seen.contains("fed-before"), "no window closes: {seen}");
    server.go_on()?;
    broker.fill(&topic, 1, &[("produced-meanwhile", 12_000)])?;
    wait_for_words(&mut counted, &all, "produced-meanwhile")?;
    // Their ends are found anew, so both are idle again.
    feed.send((120, "fed-at-last"))?;
    fed.wake();
    wait_for_words(&mut counted, &all, "fed-meanwhile")?;
    running.stop();
    let summary = running.wait()?;
    assert_eq!(summary.stats.late(), 0);
    Ok(())
}

/// What is behind the first record of an open transaction may still come, at older times.
#[test]
fn a_transaction_that_is_open_holds_the_windows() -> Result {
    use rdkafka::producer::{BaseRecord, Producer as _};
    let broker = Broker::shared()?;
    let topic = name("open");
    broker.make(&topic, 1)?;
    let (feed, fed) = Fed::new();
    let (topology, all) = counting(&Kafka::at(&broker.address), &topic, fed.clone());
    let producer = broker.transactional()?;
    producer.begin_transaction()?;
    let record: BaseRecord<'_, [u8], str> = BaseRecord::to(&topic);
    let sent = producer.send(record.payload("in-transaction").timestamp(2_000));
    sent.map_err(|(error, _)| error)?;
    producer.flush(support::PATIENCE)?;
    let running = topology.start(options())?;
    feed.send((1, "fed"))?;
    feed.send((99, "fed-later"))?;
    fed.wake();
    let epochs = || running.stats().map_or(0, |stats| stats.epochs);
    wait("epochs pass", || Ok((epochs() > 20).then_some(())))?;
    assert_eq!(all.take(), []);
    producer.commit_transaction(support::PATIENCE)?;
    let mut counted = Vec::new();
    wait_for_words(&mut counted, &all, "in-transaction")?;
    running.stop();
    assert_eq!(running.wait()?.stats.late(), 0);
    Ok(())
}

#[test]
fn partitions_that_are_added_are_read_from_their_first_record() -> Result {
    let broker = Broker::shared()?;
    let (from, to) = (name("grows"), name("to"));
    broker.make(&from, 1)?;
    broker.make(&to, 1)?;
    broker.fill(&from, 0, &[("before", 1)])?;
    let kafka = Kafka::at(&broker.address);
    let topology = Topology::named("grows");
    let read = kafka.read(&from).from_latest();
    let read = read.partitions_every(squall::millis(200));
    let words = topology.spout("words", move || {
        read.decode(|message: &Message<'_>, out: &mut Out<Word>| {
            let word = message.text()?.into();
            out.emit(Word { word });
            Ok(())
        })
    });
    let words = words.parallelism(2);
    let collected = Collected::of(&topology, "collected", &words);
    let running = topology.start(options())?;
    let lag = |running: &Running| {
        let stats = running.stats();
        let mut tasks = stats.iter().flat_map(|stats| &stats.components[0].tasks);
        tasks.find_map(|task| task.lag.get("0").copied())
    };
    // It has begun at the end.
    wait("the partition is read", || {
        Ok(lag(&running).filter(|lag| *lag == 0))
    })?;
    broker.grow(&from, 2)?;
    broker.fill(&from, 1, &[("added", 1)])?;
    let mut words = Vec::new();
    wait("the new partition is read", || {
        words.extend(collected.take());
        Ok((!words.is_empty()).then_some(()))
    })?;
    assert_eq!(words[0].word, "added");
    running.stop();
    running.wait()?;
    Ok(())
}

#[test]
fn a_topic_that_is_deleted_while_it_is_read_ends_the_run_with_its_name() -> Result {
    let broker = Broker::shared()?;
    let (from, to) = (name("deleted"), name("to"));
    broker.make(&from, 1)?;
    broker.make(&to, 1)?;
    broker.fill(&from, 0, &[("a", 1)])?;
    let running = copying(&Kafka::at(&broker.address), &from, &to).start(options())?;
    wait("the record is copied", || {
        Ok(Some(broker.committed(&to)?).filter(|written| written[0] == ["a"]))
    })?;
    broker.delete(&from)?;
    let error = running.wait().unwrap_err().to_string();
    let told = format!(
        "the topic `{from}` at `{}` is not there any more",
        broker.address
    );
    assert!(error.contains(&told), "{error}");
    Ok(())
}

//! Clients that do not do what they should, each on a connection of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::Shutdown;
use std::time::Instant;

use super::*;
use crate::DataDir;
use crate::bolt::Bolt;
use crate::depot::Acknowledge;
use crate::durable::socket::heard::Room;
use crate::error::Result;
use crate::ranking::Word;
use crate::runtime::RunOptions;
use crate::state::{States, Table};
use crate::stream::Out;
use crate::testing::{Events, TopologyTest};
use crate::text::Text;
use crate::topology::Topology;

/// Longer than any test takes.
const EVER: Duration = Duration::from_hours(1);

/// Over before a client can have done what it should.
const NEVER: Duration = Duration::from_millis(1);

/// No deadline comes by itself.
fn patient() -> Limits {
    Limits {
        question: EVER,
        line: EVER,
        write: EVER,
        answer: EVER,
        ..Limits::default()
    }
}

/// A data directory with a depot that answers.
struct Answering {
    socket: Option<Socket>,
    store: Store,
    root: tempfile::TempDir,
}

impl Answering {
    fn new(limits: Limits) -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(&root.path().join("data")).unwrap();
        Self::of(root, store, limits)
    }

    fn of(root: tempfile::TempDir, store: Store, limits: Limits) -> Self {
        Depot::make(&store, "said", 1, "word").unwrap();
        let dir = root.path().join("data");
        let socket = Socket::open_in(&dir, store.downgrade(), limits).unwrap();
        Self {
            socket: Some(socket),
            store,
            root,
        }
    }

    fn connect(&self) -> Client {
        let stream = UnixStream::connect(self.root.path().join("data/socket")).unwrap();
        Client(BufReader::new(stream))
    }

    fn serving(&self) -> &Serving {
        &self.socket.as_ref().unwrap().serving
    }

    /// Asks something, which is answered.
    fn is_answered(&self) {
        let mut client = self.connect();
        client.send(FORGET);
        assert_eq!(client.hear(), "{\"end\":{}}");
    }
}

struct Client(BufReader<UnixStream>);

const FORGET: &str = "{\"forget\":{\"depot\":\"said\",\"reader\":\"nobody\"}}\n";

const APPEND: &str = "{\"append\":{\"depot\":\"said\",\"key\":null,\"partitions\":null,\
                      \"id\":null,\"acknowledge\":\"appended\"}}\n";

impl Client {
    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// The next line; empty at the end.
    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn hears(&mut self, part: &str) {
        let line = self.hear();
        assert!(line.contains(part), "{line}");
    }
}

#[test]
fn a_client_that_sends_byte_by_byte_holds_nobody_up() {
    let answering = Answering::new(patient());
    let mut slow = answering.connect();
    for byte in FORGET.split_inclusive("") {
        slow.send(byte);
        if byte == ":" {
            answering.is_answered();
        }
    }
    assert_eq!(slow.hear(), "{\"end\":{}}");
}

#[test]
fn a_question_that_is_not_whole_in_time_is_refused() {
    let limits = Limits {
        question: NEVER,
        ..patient()
    };
    let answering = Answering::new(limits);
    let mut slow = answering.connect();
    // It may be refused before.
    let _ = slow.0.get_mut().write_all(b"{");
    slow.hears("the question was not whole after 0.001 s");
    assert_eq!(slow.hear(), "");
}

#[test]
fn a_line_of_records_that_is_not_whole_in_time_is_refused() {
    let limits = Limits {
        line: NEVER,
        ..patient()
    };
    let answering = Answering::new(limits);
    let mut slow = answering.connect();
    slow.send(APPEND);
    slow.hears("\"appending\"");
    // Nothing is not late, however long it takes.
    answering.is_answered();
    slow.send("[");
    slow.hears("the request to append was not whole after");
}

#[test]
fn connections_that_ask_nothing_give_way_to_who_asks() {
    let limits = Limits {
        asking: 4,
        ..patient()
    };
    let answering = Answering::new(limits);
    let mut idle: Vec<_> = (0..200).map(|_| answering.connect()).collect();
    // Each of these takes the place of one that waits longer.
    for _ in 0..10 {
        answering.is_answered();
    }
    for refused in &mut idle[..190] {
        refused.hears("and have asked nothing yet: try again");
        assert_eq!(refused.hear(), "");
    }
    assert!(answering.serving().connected() <= 8);
}

#[test]
fn a_question_without_end_is_cut_off() {
    let answering = Answering::new(patient());
    let mut endless = answering.connect();
    // It may be refused before it has sent everything.
    let _ = endless.0.get_mut().write_all(&vec![b'x'; 1 << 20]);
    endless.hears("the question is longer than 65536 bytes");
    answering.is_answered();
}

#[test]
fn a_line_of_records_without_end_is_cut_off() {
    let limits = Limits {
        line_bytes: 1 << 20,
        ..patient()
    };
    let answering = Answering::new(limits);
    let mut endless = answering.connect();
    endless.send(APPEND);
    endless.hears("\"appending\"");
    let _ = endless.0.get_mut().write_all(&vec![b'['; 2 << 20]);
    endless.hears("the request to append is longer than 1048576 bytes");
    let depot = Depot::open(&answering.store, "said").unwrap();
    assert_eq!(depot.records(), 0);
}

/// Sixteen of the longest would be 2 GiB.
#[test]
fn one_long_line_is_read_at_a_time() {
    let answering = Answering::new(patient());
    let serving = answering.serving();
    let (mut one, mut other) = (answering.connect(), answering.connect());
    for client in [&mut one, &mut other] {
        client.send(APPEND);
        client.hears("\"appending\"");
    }
    let long = "x".repeat(5 << 20);
    one.send(&format!("[[\"a\", \"{long}"));
    // Whoever comes now has no room; until one has is told by the clock alone.
    while serving.take(Instant::now()) {
        serving.free();
        thread::yield_now();
    }
    other.send("[[\"b\",\"short\"]]\n");
    other.hears("\"appended\"");
    one.send("\"]]\n");
    one.hears("\"appended\"");
    while !serving.take(Instant::now()) {
        thread::yield_now();
    }
    serving.free();
    let depot = Depot::open(&answering.store, "said").unwrap();
    assert_eq!(depot.records(), 2);
}

#[test]
fn too_many_that_append_are_told_so_and_others_are_answered() {
    let limits = Limits {
        appending: 2,
        ..patient()
    };
    let answering = Answering::new(limits);
    let mut appending: Vec<_> = (0..2).map(|_| answering.connect()).collect();
    for client in &mut appending {
        client.send(APPEND);
        client.hears("\"appending\"");
    }
    let mut third = answering.connect();
    third.send(APPEND);
    third.hears(
        "{\"busy\":{\"message\":\"2 append already: wait for one of them, and try again\"}}",
    );
    answering.is_answered();
    let first = appending.remove(0);
    first.0.get_ref().shutdown(Shutdown::Both).unwrap();
    while answering.serving().connected() > 1 {
        thread::yield_now();
    }
    let mut fourth = answering.connect();
    fourth.send(APPEND);
    fourth.hears("\"appending\"");
}

#[derive(Default)]
struct Counts(Table<Text, u64>);

impl Bolt for Counts {
    type Input = Word;
    type Output = ();

    fn execute(&mut self, word: &Word, _: &mut Out<()>) -> Result {
        *self.0.entry(&word.word) += 1;
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("totals", &mut self.0);
    }
}

/// A directory with a table that is more than goes into the buffers of a socket.
fn large(limits: Limits) -> Answering {
    let root = tempfile::tempdir().unwrap();
    let data_dir = DataDir::at(root.path().join("data"));
    let topology = Topology::named("words");
    let words = (0..30_000).map(|number| Word {
        word: format!("a word of some length, and the number {number}").into(),
    });
    let words = Events::now(words.collect::<Vec<_>>());
    let words = topology.spout("words", move || words.clone());
    topology
        .bolt("counts", Counts::default)
        .fields_grouping(&words, Word::WORD);
    let options = RunOptions {
        data_dir: Some(data_dir.clone()),
        ..RunOptions::default()
    };
    TopologyTest::new(topology).options(options).run().unwrap();
    let store = data_dir.open_existing().unwrap();
    Answering::of(root, store, limits)
}

const VIEW: &str = "{\"view\":{\"table\":\"totals\"}}\n";

/// What is shown stays on disk as long as it is read, so that is not for ever.
#[test]
fn a_reader_that_does_not_read_is_cut_off() {
    for limits in [
        Limits {
            write: Duration::from_millis(1),
            ..patient()
        },
        Limits {
            answer: Duration::ZERO,
            ..patient()
        },
    ] {
        let answering = large(limits);
        let mut slow = answering.connect();
        slow.send(VIEW);
        // Some of it has come, or the end.
        slow.0.fill_buf().unwrap();
        while answering.serving().connected() > 0 {
            thread::yield_now();
        }
        let mut answer = String::new();
        slow.0.read_to_string(&mut answer).unwrap();
        assert!(!answer.contains("\"end\""));
        answering.is_answered();
    }
}

#[test]
fn readers_that_do_not_read_hold_nobody_up_and_are_not_waited_for() {
    let limits = Limits {
        answering: 3,
        ..patient()
    };
    let mut answering = large(limits);
    let mut slow: Vec<_> = (0..2).map(|_| answering.connect()).collect();
    for client in &mut slow {
        client.send(VIEW);
        // It is being answered.
        client.hears("\"row\"");
    }
    let mut quick = answering.connect();
    quick.send(VIEW);
    let mut rows = 0;
    while quick.hear().contains("\"row\"") {
        rows += 1;
    }
    assert_eq!(rows, 30_000);
    slow.push(answering.connect());
    slow[2].send(VIEW);
    slow[2].hears("\"row\"");
    let mut fourth = answering.connect();
    fourth.send(FORGET);
    fourth.hears("3 are being answered already: wait for one of them");
    drop(answering.socket.take());
}

/// The process has taken records and ends before they are processed: it has not said whether they
/// are there.
#[test]
fn an_appender_without_an_id_says_how_far_it_came() {
    let answering = Answering::new(patient());
    let depot = Depot::open(&answering.store, "said").unwrap();
    // Somebody reads the depot, and never comes to what is appended behind the second record.
    let waker = std::task::Waker::noop().clone();
    let reading = depot.begin_reading("totals", true, &[(0, 2)], waker);
    let reading = reading.unwrap();
    let to = AppendTo {
        acknowledge: Acknowledge::Processed { patience: EVER },
        ..AppendTo::depot("said")
    };
    let dir = DataDir::at(answering.root.path().join("data"));
    let mut appender = dir.appender(to).unwrap();
    let record = || ("a".to_owned(), "{}".to_owned());
    appender.append(vec![record(), record()]).unwrap();
    let appending = thread::spawn(move || {
        let error = appender.append(vec![record(), record(), record()]);
        (error.unwrap_err(), appender.appended())
    });
    while depot.records() < 5 {
        thread::yield_now();
    }
    let Answering {
        socket,
        store,
        root,
    } = answering;
    drop((socket, reading, depot, store));
    let (error, appended) = appending.join().unwrap();
    let wanted = "2 records are acknowledged, and the next 3 may be appended or not";
    assert!(error.to_string().contains(wanted), "{error}");
    assert!(!error.is_wrong_use() && appended == 2);
    drop(root);
}

/// What was asked for may be done already, and would be answered otherwise.
#[test]
fn what_acts_is_asked_again_only_where_nothing_was_done() {
    let root = tempfile::tempdir().unwrap();
    let dir = DataDir::at(root.path());
    let _holder = Store::open(root.path()).unwrap();
    let listener = UnixListener::bind(root.path().join(SOCKET)).unwrap();
    let busy = || Line::Busy {
        message: "others come first".to_owned(),
    };
    let answers = [
        vec![busy()],
        vec![Line::Forgotten {}, Line::End {}],
        vec![Line::Forgotten {}],
        vec![Line::End {}],
    ];
    let holder = thread::spawn(move || {
        for lines in answers {
            let (stream, _) = listener.accept().unwrap();
            BufReader::new(&stream)
                .read_line(&mut String::new())
                .unwrap();
            for line in lines {
                say(&stream, &line).unwrap();
            }
        }
    });
    let forget = || dir.forget_reader("purchases", "totals");
    assert!(forget().unwrap());
    let error = forget().unwrap_err();
    assert!(matches!(error, DataDirError::BrokenOff { .. }), "{error}");
    assert!(
        error.to_string().contains("its answer ended too early"),
        "{error}"
    );
    assert!(
        !forget().unwrap(),
        "the fourth answer is for the next question"
    );
    holder.join().unwrap();
}

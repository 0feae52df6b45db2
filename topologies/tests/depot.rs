//! Depots on the command line, and while those that append and read are killed.
#![cfg(unix)]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use common::{Folder, json, output, real_data, squall};
use squall::connectors::files::FieldSelector;
use squall::{
    Bolt, DataDir, Out, Result, RunOptions, States, Table, Text, Topology, Tuple,
    data_dir::StoreError, depot::Depot, millis,
};

#[derive(Tuple, Clone, Debug)]
struct Purchase {
    user: Text,
    cents: u64,
}

/// How many purchases each user has made, and for how much.
#[derive(Default)]
struct Totals(Table<Text, (u64, u64)>);

impl Bolt for Totals {
    type Input = Purchase;
    type Output = ();

    fn execute(&mut self, purchase: &Purchase, _: &mut Out<()>) -> Result {
        let (count, cents) = self.0.entry(&purchase.user);
        *count += 1;
        *cents += purchase.cents;
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("totals", &mut self.0);
    }
}

fn totals(depot: &Depot, until_end: bool) -> Topology {
    let topology = Topology::named("totals");
    let mut reading = depot.read().from_beginning();
    if until_end {
        reading = reading.until_end();
    }
    let purchases = topology
        .spout("purchases", move || {
            reading.decode::<Purchase, _>(|record, out| {
                let field = |name| record.field(&FieldSelector::named(name));
                out.emit(Purchase {
                    user: Text::from(&*field("user")?.unwrap_or_default()),
                    cents: field("cents")?.unwrap_or_default().parse()?,
                });
                Ok(())
            })
        })
        .parallelism(2);
    topology
        .bolt("totals", Totals::default)
        .parallelism(2)
        .fields_grouping(&purchases, Purchase::USER);
    topology
}

fn options(data_dir: &DataDir) -> RunOptions {
    RunOptions {
        data_dir: Some(data_dir.clone()),
        epoch: millis(10),
        commit: millis(20),
        signals: false,
        ..RunOptions::default()
    }
}

/// The directory, as soon as nobody has it.
fn opened(dir: &str) -> DataDir {
    loop {
        match DataDir::opened(dir) {
            Ok(data_dir) => return data_dir,
            Err(StoreError::InUse { .. }) => thread::park_timeout(millis(5)),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Set in the process that reads, with the directory.
const READER: &str = "SQUALL_DEPOT_READER";

/// The process that reads, until it is killed. By itself it does nothing.
#[test]
fn the_reader() {
    let Ok(dir) = std::env::var(READER) else {
        return;
    };
    let data_dir = opened(&dir);
    let depot = data_dir.make_depot("purchases", 4, "user").unwrap();
    let _ = totals(&depot, false).run(options(&data_dir)).unwrap();
}

fn start_reader(dir: &str) -> Child {
    let program = std::env::current_exe().unwrap();
    Command::new(program)
        .args(["--exact", "the_reader", "--nocapture"])
        .env(READER, dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A process that appends, and what it says is appended.
struct Appender {
    child: Child,
    appended: Receiver<u64>,
}

impl Appender {
    fn command(dir: &str, input: &str) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("squall"));
        command
            .args(["depot", "append", dir, "purchases", "--input", input])
            .args(["--key", "user", "--partitions", "4", "--id", "shop"])
            .args(["--batch", "40", "--json"])
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        command
    }

    fn start(dir: &str, input: &str) -> Self {
        let mut child = Self::command(dir, input).spawn().unwrap();
        let (tell, appended) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        thread::spawn(move || {
            for line in lines.map_while(Result::<String, _>::ok) {
                // The last line of one that is killed may be cut off.
                if let Ok(said) = serde_json::from_str::<serde_json::Value>(&line) {
                    let _ = tell.send(said["appended"].as_u64().unwrap());
                }
            }
        });
        Self { child, appended }
    }

    /// Listens for so long; says whether the process is still there. What is acknowledged is
    /// more than was before.
    fn listen(&self, span: Duration, acknowledged: &mut u64) -> bool {
        let until = std::time::Instant::now() + span;
        loop {
            let left = until.saturating_duration_since(std::time::Instant::now());
            match self.appended.recv_timeout(left) {
                Ok(appended) => {
                    assert!(appended > *acknowledged, "{appended} after {acknowledged}");
                    *acknowledged = appended;
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Listens for so many acknowledgements; says whether they came.
    fn hear(&self, count: usize, acknowledged: &mut u64) -> bool {
        (0..count).all(
            |_| match self.appended.recv_timeout(Duration::from_mins(1)) {
                Ok(appended) => {
                    assert!(appended > *acknowledged, "{appended} after {acknowledged}");
                    *acknowledged = appended;
                    true
                }
                Err(_) => false,
            },
        )
    }

    fn kill(mut self, acknowledged: &mut u64) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.listen(Duration::from_mins(1), acknowledged);
    }
}

/// The purchases of the test, and what they add up to.
fn purchases(count: u64) -> (String, BTreeMap<Text, (u64, u64)>) {
    let mut csv = "user,cents\n".to_owned();
    let mut totals: BTreeMap<Text, (u64, u64)> = BTreeMap::new();
    for number in 0..count {
        let user = format!("user-{}", number * number % 101);
        csv.push_str(&format!("{user},{number}\n"));
        let total = totals.entry(user.as_str().into()).or_default();
        *total = (total.0 + 1, total.1 + number);
    }
    (csv, totals)
}

const PURCHASES: u64 = 30_000;
const KILLS: usize = 24;

/// Nothing that is acknowledged as appended is lost, and nothing is processed twice.
#[test]
fn those_that_append_and_read_are_killed_at_any_moment() {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (csv, wanted) = purchases(PURCHASES);
    let folder = Folder::with(&[("purchases.csv", csv.as_bytes())]);
    let (dir, input) = (folder.path("data"), folder.path("purchases.csv"));

    let mut acknowledged = 0;
    let mut reader = start_reader(&dir);
    let mut appender = Appender::start(&dir, &input);
    let mut kills = 0;
    for _ in 0..200 {
        // By what is appended, and a moment more: however fast the machine is, all kills come
        // before the end.
        let moment = Duration::from_micros(random.u64(0..5_000));
        let lives = appender.hear(random.usize(0..25), &mut acknowledged)
            && appender.listen(moment, &mut acknowledged);
        if acknowledged == PURCHASES {
            break;
        }
        if kills >= KILLS && lives {
            continue;
        }
        kills += 1;
        if lives && random.bool() {
            reader.kill().unwrap();
            reader.wait().unwrap();
            reader = start_reader(&dir);
        } else {
            // One that has lost the process that it appended through has ended itself.
            appender.kill(&mut acknowledged);
            appender = Appender::start(&dir, &input);
        }
    }
    appender.kill(&mut acknowledged);
    reader.kill().unwrap();
    reader.wait().unwrap();
    eprintln!("{acknowledged} of {PURCHASES} after {kills} kills");
    assert!(kills >= 4, "seed {seed}: only {kills} kills");

    // What is left over is appended, and everything is read.
    let arguments = [
        "depot",
        "append",
        &dir,
        "purchases",
        "--input",
        &input,
        "--id",
        "shop",
    ];
    output(&mut squall(&arguments));
    let data_dir = opened(&dir);
    let depot = data_dir.depot("purchases").unwrap();
    assert_eq!(depot.records(), PURCHASES, "seed {seed}");
    let _ = totals(&depot, true).run(options(&data_dir)).unwrap();
    let snapshot = data_dir.views().unwrap().read().unwrap();
    let found = snapshot
        .table::<Text, (u64, u64)>("totals", "totals")
        .unwrap();
    let found: BTreeMap<Text, (u64, u64)> = found
        .iter()
        .unwrap()
        .map(|(user, total)| (user.clone(), *total))
        .collect();
    assert!(
        found == wanted,
        "seed {seed}: {found:?} instead of {wanted:?}"
    );
}

#[test]
fn a_file_is_appended_and_goes_on_where_it_has_grown() {
    let folder = Folder::with(&[
        (
            "a.csv",
            b"user,said\nann,\"a\nb\"\nbob,\n,nobody\nshort\n".as_slice(),
        ),
        (
            "b.ndjson",
            b"{\"user\": \"eve\"}\nno json\n{\"said\": 1}\n".as_slice(),
        ),
    ]);
    let (dir, csv) = (folder.path("data"), folder.path("a.csv"));
    let append = |more: &[&str]| {
        let mut command = squall(&["depot", "append", &dir, "said"]);
        output(command.args(more))
    };
    let (printed, logged) = append(&["--input", &csv, "--key", "user", "--id", "a", "--json"]);
    assert_eq!(printed, "{\"appended\":3}\n");
    assert!(logged.contains("a.csv:6: the row has 1 column"), "{logged}");
    assert!(
        logged.contains("3 records are appended to the depot `said`, 1 cannot"),
        "{logged}"
    );

    let grown = std::fs::read_to_string(&csv).unwrap() + "ann,c\n";
    std::fs::write(&csv, grown).unwrap();
    let (_, logged) = append(&["--input", &csv, "--id", "a"]);
    assert!(
        logged.contains("1 record is appended to the depot `said`, 3 were"),
        "{logged}"
    );
    append(&["--input", &folder.path("b.ndjson"), "--ack", "none"]);

    let (shown, _) = output(&mut squall(&["depot", "show", &dir, "--json"]));
    let shown = &json(&shown)[0];
    assert_eq!(
        (&shown["name"], &shown["key"]),
        (&"said".into(), &"user".into())
    );
    let ends = shown["partitions"].as_array().unwrap().iter();
    let ends: u64 = ends
        .map(|partition| partition["end"].as_u64().unwrap())
        .sum();
    assert_eq!(ends, 6);
    let (shown, _) = output(&mut squall(&["inspect", &dir]));
    assert!(shown.contains("depot said: 6 records of"), "{shown}");

    let (_, logged) = output(&mut squall(&[
        "depot", "retain", &dir, "said", "--bytes", "0",
    ]));
    assert!(logged.contains("6 records are dropped, of"), "{logged}");
    output(&mut squall(&["depot", "delete", &dir, "said"]));
    let (shown, _) = output(&mut squall(&["depot", "show", &dir]));
    assert_eq!(shown, "");
}

#[test]
fn everything_is_appended_though_nobody_reads_what_is_said() {
    let (csv, _) = purchases(500);
    let folder = Folder::with(&[("a.csv", csv.as_bytes())]);
    let (dir, input) = (folder.path("data"), folder.path("a.csv"));
    let mut appender = Appender::command(&dir, &input).spawn().unwrap();
    // As `| head -1` does.
    drop(appender.stdout.take());
    assert!(appender.wait().unwrap().success());
    let depot = opened(&dir).depot("purchases").unwrap();
    assert_eq!(depot.records(), 500);
}

#[test]
fn what_cannot_be_appended_is_refused_with_a_reason() {
    let folder = Folder::with(&[
        ("a.csv", b"user,said\nann,a\n".as_slice()),
        ("a.txt", b"a\n".as_slice()),
    ]);
    let dir = folder.path("data");
    output(&mut squall(&[
        "depot",
        "make",
        &dir,
        "said",
        "--key",
        "user",
        "--partitions",
        "2",
    ]));
    // One that is there and is the same stays, however many partitions it has.
    let (_, logged) = output(&mut squall(&[
        "depot", "make", &dir, "said", "--key", "user",
    ]));
    assert!(
        logged.contains("`said` has 2 partitions by user"),
        "{logged}"
    );
    let (csv, text) = (folder.path("a.csv"), folder.path("a.txt"));
    for (arguments, wanted) in [
        (
            vec!["append", "said", "--input", &csv, "--key", "said"],
            "`squall depot delete` deletes it",
        ),
        (
            vec!["append", "sad", "--input", &csv],
            "depot `sad`: known are said",
        ),
        (
            vec!["append", "sad", "--input", &csv, "--key", "who"],
            "`user`, `said`",
        ),
        (
            vec!["append", "said", "--input", &text],
            "--format csv, --format ndjson",
        ),
        (
            vec!["append", "said", "--input", "nowhere.csv"],
            "nowhere.csv",
        ),
        (
            vec!["append", "said", "--input", &csv, "--ack", "processed"],
            "no durable topology reads the depot",
        ),
        (vec!["retain", "said"], "--age or --bytes"),
        (vec!["forget", "said", "totals"], "no reader `totals`"),
        (
            vec!["make", "many", "--key", "user", "--partitions", "300"],
            "300 is not in 1..=256",
        ),
        (
            vec!["make", "many", "--key", "user", "--partitions", "1000000"],
            "1000000 is not in 1..=256",
        ),
        (
            vec![
                "append",
                "many",
                "--input",
                &csv,
                "--key",
                "user",
                "--partitions",
                "0",
            ],
            "0 is not in 1..=256",
        ),
        (vec!["make", "many", "--key", ""], "--key"),
        (
            vec!["make", "said", "--key", "user", "--partitions", "8"],
            "2 partitions by `user` instead of 8",
        ),
    ] {
        let mut command = squall(&["depot", arguments[0], &dir]);
        let output = command.args(&arguments[1..]).output().unwrap();
        let logged = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {logged}");
        assert!(logged.contains(wanted), "{arguments:?}: {logged}");
    }
}

#[test]
fn a_reset_says_which_readers_the_depots_still_know() {
    let folder = Folder::with(&[]);
    let dir = folder.path("data");
    let data_dir = opened(&dir);
    let depot = data_dir.make_depot("shop", 4, "user").unwrap();
    let _ = totals(&depot, true).run(options(&data_dir)).unwrap();
    drop((depot, data_dir));
    let wanted = format!("`squall depot forget {dir} shop purchases`");
    for (more, says) in [
        (vec!["--component", "totals"], false),
        (vec!["--component", "purchases"], true),
        (vec![], true),
    ] {
        let (_, logged) = output(squall(&["reset", &dir]).args(&more));
        assert_eq!(logged.contains(&wanted), says, "{more:?}: {logged}");
    }
    output(&mut squall(&["depot", "forget", &dir, "shop", "purchases"]));
    let (_, logged) = output(&mut squall(&["reset", &dir]));
    assert!(!logged.contains("forget"), "{logged}");
}

/// A year of real purchases: every record comes back as it stands in its file.
#[test]
fn real_purchases_are_read_from_a_depot_as_from_their_files() {
    let Some((folder, answers)) = real_data("online-retail") else {
        return;
    };
    let data = Folder::with(&[]);
    let (dir, input) = (data.path("data"), folder.join("by-day"));
    let mut append = squall(&["depot", "append", &dir, "retail", "--key", "CustomerID"]);
    let (_, logged) = output(append.args(["--batch", "20000", "--input", input.to_str().unwrap()]));
    let rows = answers["rows"].as_u64().unwrap();
    assert!(
        logged.contains(&format!("{rows} records are appended")),
        "{logged}"
    );

    let data_dir = DataDir::opened(&dir).unwrap();
    let depot = data_dir.depot("retail").unwrap();
    let topology = Topology::named("countries");
    let reading = depot.read().from_beginning().until_end();
    let rows = topology.spout("rows", move || {
        let country = FieldSelector::named("Country");
        reading.decode::<Purchase, _>(move |record, out| {
            let user = Text::from(&*record.field(&country)?.unwrap_or_default());
            out.emit(Purchase { user, cents: 1 });
            Ok(())
        })
    });
    topology
        .bolt("totals", Totals::default)
        .fields_grouping(&rows, Purchase::USER);
    let summary = topology.run(options(&data_dir)).unwrap();
    assert_eq!(summary.stats.dead_letters(), 0);
    let snapshot = data_dir.views().unwrap().read().unwrap();
    let found = snapshot
        .table::<Text, (u64, u64)>("totals", "totals")
        .unwrap();
    let mut checked = 0;
    for pair in answers["country_rows"].as_array().unwrap() {
        let country = Text::from(pair[0].as_str().unwrap());
        let count = found.get(&country).unwrap().map(|(count, _)| *count);
        assert_eq!(count, pair[1].as_u64(), "{country}");
        checked += 1;
    }
    assert!(checked > 30, "{checked}");
}

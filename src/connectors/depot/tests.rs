//! Topologies that read depots: what a new one begins with, and that every record is read once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Tuple;
use crate::bolt::Bolt;
use crate::depot::{Acknowledge, Appender};
use crate::durable::DataDir;
use crate::runtime::RunOptions;
use crate::state::States;
use crate::store::Store;
use crate::store::disk::Disk;
use crate::testing::{SpoutTest, TopologyTest};
use crate::text::Text;
use crate::topology::Topology;

#[derive(Tuple, Clone, Debug, PartialEq)]
struct Said {
    who: Text,
    number: u64,
}

/// What each has said, in order.
#[derive(Default)]
struct Heard(Table<Text, Vec<u64>>);

impl Bolt for Heard {
    type Input = Said;
    type Output = ();

    fn execute(&mut self, said: &Said, _: &mut Out<()>) -> Result {
        self.0.entry(&said.who).push(said.number);
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("heard", &mut self.0);
    }
}

type Lists = BTreeMap<String, Vec<u64>>;

fn said(who: &str, number: u64) -> (String, String) {
    let record = format!("{{\"who\":\"{who}\",\"number\":{number}}}");
    (who.to_owned(), record)
}

fn decode(record: &Record, out: &mut Out<Said>) -> Result {
    let field = |name| record.field(&super::super::files::FieldSelector::named(name));
    out.emit(Said {
        who: Text::from(&*field("who")?.unwrap_or_default()),
        number: field("number")?.unwrap_or_default().parse()?,
    });
    Ok(())
}

/// Runs a topology that reads so, and gives what it has heard in all its runs.
fn listen(data_dir: &DataDir, reading: ReadDepot, tasks: usize, seed: u64) -> Result<Lists> {
    let topology = Topology::named("listen");
    let spout = topology.spout("said", move || reading.decode::<Said, _>(decode));
    let spout = spout.parallelism(tasks);
    topology
        .bolt("heard", Heard::default)
        .parallelism(2)
        .fields_grouping(&spout, Said::WHO);
    let options = RunOptions {
        data_dir: Some(data_dir.clone()),
        commit: crate::time::millis(1),
        epoch: crate::time::millis(1),
        ..RunOptions::default()
    };
    TopologyTest::new(topology)
        .options(options)
        .seed(seed)
        .run()?;
    let snapshot = data_dir.views()?.read()?;
    let heard = snapshot.table::<Text, Vec<u64>>("heard", "heard")?;
    let heard = heard.iter()?;
    Ok(heard
        .map(|(who, numbers)| (who.to_string(), numbers.clone()))
        .collect())
}

fn depot(store: &Store) -> Depot {
    Depot::make(store, "said", 4, "who").unwrap()
}

fn append(depot: &Depot, numbers: std::ops::Range<u64>) {
    let records = numbers.map(|number| {
        said(
            ["ann", "bob", "eve"][usize::try_from(number % 3).unwrap()],
            number,
        )
    });
    depot.append_all(records, Acknowledge::Appended).unwrap();
}

fn lists(numbers: impl Iterator<Item = u64>) -> Lists {
    let mut lists = Lists::new();
    for number in numbers {
        let who = ["ann", "bob", "eve"][usize::try_from(number % 3).unwrap()];
        lists.entry(who.to_owned()).or_default().push(number);
    }
    lists
}

#[test]
fn a_new_topology_reads_from_the_end() {
    let data_dir = DataDir::in_memory().unwrap();
    let depot = data_dir.make_depot("said", 4, "who").unwrap();
    append(&depot, 0..30);
    let new = || depot.read().until_end();
    assert_eq!(listen(&data_dir, new(), 2, 1).unwrap(), Lists::new());
    // From then on it misses nothing, also with other tasks.
    append(&depot, 30..60);
    assert_eq!(listen(&data_dir, new(), 3, 2).unwrap(), lists(30..60));
    append(&depot, 60..61);
    let heard = listen(&data_dir, new().from_end(), 1, 3).unwrap();
    assert_eq!(heard, lists(30..61));
    let refused = listen(&data_dir, new().from_beginning(), 1, 3).unwrap_err();
    let said = refused.to_string();
    assert!(
        said.contains("from the end") && said.contains("from the beginning"),
        "{said}"
    );

    let other = DataDir::in_memory().unwrap();
    let all = new().from_beginning().reader("other");
    assert_eq!(listen(&other, all, 5, 4).unwrap(), lists(0..61));
    let third = DataDir::in_memory().unwrap();
    let some = new().from_positions(depot.ends().iter().map(|end| end.saturating_sub(1)));
    let heard = listen(&third, some.reader("third"), 2, 5).unwrap();
    let last =
        |lists: &Lists| -> Vec<u64> { lists.values().map(|list| *list.last().unwrap()).collect() };
    assert_eq!(
        last(&heard).len(),
        heard.values().map(Vec::len).sum::<usize>()
    );
}

#[test]
fn two_topologies_read_one_depot() {
    let data_dir = DataDir::in_memory().unwrap();
    let depot = data_dir.make_depot("said", 4, "who").unwrap();
    let other = DataDir::in_memory().unwrap();
    let all = |name| depot.read().from_beginning().until_end().reader(name);
    append(&depot, 0..100);
    assert_eq!(listen(&data_dir, all("one"), 2, 1).unwrap(), lists(0..100));
    append(&depot, 100..150);
    assert_eq!(listen(&other, all("other"), 3, 2).unwrap(), lists(0..150));
    let behind = depot.inspect().unwrap().readers;
    let behind: Vec<_> = behind
        .iter()
        .map(|reader| (&*reader.name, reader.behind))
        .collect();
    assert_eq!(behind, [("one", 50), ("other", 0)]);
    assert_eq!(listen(&data_dir, all("one"), 2, 3).unwrap(), lists(0..150));
}

#[test]
fn a_record_that_was_dropped_before_it_was_read_is_an_error() {
    let data_dir = DataDir::in_memory().unwrap();
    let depot = data_dir.make_depot("said", 1, "who").unwrap();
    append(&depot, 0..3);
    let all = || depot.read().from_beginning().until_end();
    listen(&data_dir, all(), 1, 1).unwrap();
    append(&depot, 3..6);
    let nothing = crate::depot::Retention {
        bytes: Some(0),
        ..Default::default()
    };
    assert_eq!(depot.retain(nothing, false).unwrap().records, 3);
    assert_eq!(depot.retain(nothing, true).unwrap().records, 3);
    let error = listen(&data_dir, all(), 1, 2).unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert!(
        cause.contains("begins at offset 6, but the reader goes on at 3"),
        "{cause}"
    );
}

#[test]
fn a_depot_that_was_made_again_under_its_name_is_another_one() {
    let data_dir = DataDir::in_memory().unwrap();
    let other = DataDir::in_memory().unwrap();
    let all = || {
        let depot = data_dir.make_depot("said", 4, "who").unwrap();
        append(&depot, 0..30);
        depot.read().from_beginning().until_end()
    };
    listen(&other, all(), 2, 1).unwrap();
    data_dir.delete_depot("said").unwrap();
    // Its offsets would fit, whatever the number of tasks.
    let error = listen(&other, all(), 3, 2).unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert!(
        cause.contains("is not the depot that was read so far"),
        "{cause}"
    );
}

#[test]
fn positions_that_do_not_fit_are_refused() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    for (positions, what) in [
        (vec![0; 3], "has 4 partitions, but 3 positions"),
        (vec![1; 4], "ends at offset 0"),
    ] {
        let spout = depot
            .read()
            .from_positions(positions)
            .decode::<Said, _>(decode);
        let error = SpoutTest::new(spout).run().unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn what_cannot_be_decoded_is_a_dead_letter_with_its_place() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    let records = [
        said("ann", 1),
        ("ann".to_owned(), "no object".to_owned()),
        said("ann", 2),
    ];
    depot.append_all(records, Acknowledge::Appended).unwrap();
    let mut spout = depot
        .read()
        .from_beginning()
        .until_end()
        .decode::<Said, _>(decode);
    let mut out = SpoutOut::new(
        crate::time::TimeDomain::Processing,
        std::time::Duration::ZERO,
    );
    let context = crate::context::Context::of_test();
    spout.open(&context, &mut out).unwrap();
    while spout.next(&mut out).unwrap() == Next::More {}
    let letters = &out.dead_letters.tuples;
    assert_eq!(letters.len(), 1);
    let partition = depot.partition_of(&"ann".to_owned());
    assert_eq!(
        letters[0].source,
        format!("depot said, partition {partition}")
    );
    assert_eq!(letters[0].line, Some(2));
    assert!(
        letters[0].reason.contains("plain text has no field `who`"),
        "{}",
        letters[0].reason
    );
}

/// A depot, a topology that reads it, and a disk that fails: what is appended is repeated until
/// it is there, as by a process that is started again.
struct World {
    disk: Disk,
    store: Option<Store>,
    input: Vec<(String, u64)>,
    /// How many of the input the appender knows to be there.
    acknowledged: u64,
    /// How many are there.
    there: u64,
}

impl World {
    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn append(&mut self, who: u8, count: u8, hears: bool) -> bool {
        for _ in 0..count {
            let number = self.input.len() as u64;
            self.input.push((
                format!("user-{}", (u64::from(who) + number / 2) % 5),
                number,
            ));
        }
        let Ok(depot) = Depot::open(self.store(), "said") else {
            return false;
        };
        let from = self.acknowledged;
        let rest = &self.input[usize::try_from(from).unwrap()..];
        let records = rest
            .iter()
            .map(|(who, number)| said(who, *number))
            .collect();
        let id = "appender".to_owned();
        let done = depot.append_once(&Appender { id, from }, records, Acknowledge::Appended);
        if done.is_ok() {
            self.there = self.input.len() as u64;
            if hears {
                self.acknowledged = self.there;
            }
        }
        done.is_ok()
    }

    fn listen(&self, tasks: usize, seed: u64) -> Option<Lists> {
        let depot = Depot::open(self.store(), "said").ok()?;
        let reading = depot.read().from_beginning().until_end();
        drop(depot);
        listen(&DataDir::over(self.store().clone()), reading, tasks, seed).ok()
    }

    /// The power goes, and comes back.
    fn crash(&mut self, seed: u64) {
        let crashed = self.disk.after_crash(seed);
        self.store = None;
        self.store = Some(Store::again(&crashed).unwrap());
        self.disk = crashed;
        let depot = Depot::open(self.store(), "said").unwrap();
        let there = depot.appended_by("appender").unwrap();
        assert!(
            there >= self.acknowledged,
            "{there} of {} are there",
            self.acknowledged
        );
        assert_eq!(depot.records(), there);
        // The appender does not know that, and repeats what it was not told of.
        self.there = there;
    }

    fn heard_by_now(&self) -> Lists {
        let mut lists = Lists::new();
        for (who, number) in &self.input[..usize::try_from(self.there).unwrap()] {
            lists.entry(who.clone()).or_default().push(*number);
        }
        lists
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// The disk breaks at any of its writes, under the appender or under the topology; then the
    /// power goes, and what was not synced is there in any selection.
    #[test]
    fn every_acknowledged_record_is_read_exactly_once_in_order(
        steps in prop::collection::vec((0u8..4, 0u8..5, 1u8..40, any::<u64>()), 1..14),
    ) {
        let disk = Disk::default();
        let store = Store::on(&disk);
        drop(depot(&store));
        let mut world = World { disk, store: Some(store), input: Vec::new(), acknowledged: 0, there: 0 };
        for (step, who, count, seed) in steps {
            let tasks = usize::from(who % 3) + 1;
            let well = match step {
                0 => world.append(who, count, seed % 3 > 0),
                1 => match world.listen(tasks, seed) {
                    Some(heard) => {
                        prop_assert_eq!(heard, world.heard_by_now());
                        true
                    }
                    None => false,
                },
                2 => {
                    world.disk.break_after(seed % 40);
                    true
                }
                _ => false,
            };
            if !well {
                world.crash(seed);
            }
        }
        world.crash(1);
        prop_assert!(world.append(0, 1, true));
        prop_assert_eq!(world.listen(2, 3), Some(world.heard_by_now()));
        prop_assert_eq!(world.acknowledged, world.input.len() as u64);
    }
}

//! What a depot promises, on a store in memory.

use std::sync::{Barrier, mpsc};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use super::*;
use crate::store::{Batch, Store};

fn depot(store: &Store) -> Depot {
    Depot::make(store, "said", 2, "word").unwrap()
}

/// A key of each of two partitions.
fn keys(depot: &Depot) -> [String; 2] {
    let key_of = |partition| {
        let mut keys = (0..).map(|number| format!("k{number}"));
        keys.find(|key| depot.partition_of(key) == partition)
            .unwrap()
    };
    [key_of(0), key_of(1)]
}

fn append(depot: &Depot, key: &str, records: &[&str]) {
    let records = records
        .iter()
        .map(|record| (key.to_owned(), (*record).to_owned()));
    depot.append_all(records, Acknowledge::Appended).unwrap();
}

/// The records of a partition from an offset on.
fn read(depot: &Depot, partition: u16, mut position: u64) -> Vec<String> {
    let mut records = Vec::new();
    while let Some(mut block) = depot.block(partition, position).unwrap() {
        while let Some((offset, record)) = block.next().unwrap() {
            assert_eq!(offset, position);
            records.push(record.to_owned());
            position += 1;
        }
    }
    records
}

fn reads(depot: &Depot, name: &str, positions: &[(u16, u64)]) -> DepotReader {
    let waker = Waker::noop().clone();
    depot.begin_reading(name, true, positions, waker).unwrap()
}

#[test]
fn records_are_read_from_any_offset_in_the_order_of_their_partition() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    let [a, b] = keys(&depot);
    append(&depot, &a, &["1", "2"]);
    append(&depot, &b, &["x"]);
    append(&depot, &a, &["3"]);
    for from in 0..4 {
        assert_eq!(
            read(&depot, 0, from),
            ["1", "2", "3"][usize::try_from(from).unwrap()..]
        );
    }
    assert_eq!(read(&depot, 1, 0), ["x"]);
    assert_eq!((depot.records(), depot.ends()), (4, vec![3, 1]));
    let error = depot.block(0, 4).unwrap_err().to_string();
    assert!(
        error.contains("ends at offset 3, but the reader goes on at 4"),
        "{error}"
    );
}

#[test]
fn large_appends_are_cut_into_blocks() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    let [a, _] = keys(&depot);
    let long = "x".repeat(100_000);
    append(&depot, &a, &[long.as_str(); 7]);
    let block = depot.block(0, 0).unwrap().unwrap();
    assert_eq!(block.end(), 3);
    assert_eq!(read(&depot, 0, 0).len(), 7);
    let too_long = "x".repeat(MAX_RECORD_BYTES + 1);
    let error = depot.append(&a, &too_long, Acknowledge::None).unwrap_err();
    assert!(
        error.to_string().contains("16777217 bytes is too long"),
        "{error}"
    );
}

#[test]
fn what_is_dropped_without_waiting_is_written_before_the_depot_is_closed() {
    let store = Store::in_memory().unwrap();
    let first = depot(&store);
    let [a, _] = keys(&first);
    for number in 0..5_000 {
        first
            .append(&a, &number.to_string(), Acknowledge::None)
            .unwrap();
    }
    drop(first);
    let again = Depot::open(&store, "said").unwrap();
    assert_eq!(again.records(), 5_000);
    assert_eq!(read(&again, 0, 4_998), ["4998", "4999"]);
}

#[test]
fn handles_of_one_store_are_one_depot() {
    let store = Store::in_memory().unwrap();
    let (one, other) = (depot(&store), Depot::open(&store, "said").unwrap());
    let [a, _] = keys(&one);
    append(&one, &a, &["1"]);
    append(&other, &a, &["2"]);
    assert_eq!(read(&one, 0, 0), ["1", "2"]);
}

#[test]
fn an_appender_with_an_id_repeats_what_it_does_not_know_to_be_there() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    let [a, b] = keys(&depot);
    let records =
        [(&a, "1"), (&b, "2"), (&a, "3")].map(|(key, record)| (key.clone(), record.to_owned()));
    let appender = |from| Appender {
        id: "me".to_owned(),
        from,
    };
    let once = |from, records: &[(String, String)]| {
        depot.append_once(&appender(from), records.to_vec(), Acknowledge::Appended)
    };
    once(0, &records[..2]).unwrap();
    once(0, &records).unwrap();
    once(1, &records[1..]).unwrap();
    once(3, &records[..1]).unwrap();
    assert_eq!(read(&depot, 0, 0), ["1", "3", "1"]);
    assert_eq!(read(&depot, 1, 0), ["2"]);
    assert_eq!(depot.appended_by("me").unwrap(), 4);
    let error = once(6, &records).unwrap_err().to_string();
    assert!(error.contains("`me` has appended 4 records"), "{error}");
    assert!(error.contains("goes on with number 6"), "{error}");
}

#[test]
fn the_hash_of_an_appender_depends_on_its_records_and_not_on_its_commits() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    let [a, b] = keys(&depot);
    let records =
        [(&a, "1"), (&b, "2"), (&a, "3")].map(|(key, record)| (key.clone(), record.to_owned()));
    let once = |id: &str, from, records: &[(String, String)]| {
        let id = id.to_owned();
        let appender = Appender { id, from };
        depot.append_once(&appender, records.to_vec(), Acknowledge::Appended)
    };
    once("whole", 0, &records).unwrap();
    once("parts", 0, &records[..2]).unwrap();
    once("parts", 1, &records[1..]).unwrap();
    let mut others = records.to_vec();
    others[1].1.push('x');
    once("others", 0, &others).unwrap();
    let of = |id| depot.all_appended_by(id).unwrap();
    assert_eq!((of("parts"), of("parts").records), (of("whole"), 3));
    assert_ne!(of("others"), of("whole"));
}

#[test]
fn an_appender_that_is_stored_without_a_hash_is_an_error_that_says_so() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    let mut batch = Batch::default();
    batch.put(layout::appender("said", "me"), layout::numbers([3]));
    store.commit(batch).unwrap();
    let error = depot.appended_by("me").unwrap_err().to_string();
    assert!(error.contains("the position of `me` is damaged"), "{error}");
}

#[test]
fn a_depot_that_is_there_is_opened_and_never_changed() {
    let store = Store::in_memory().unwrap();
    let first = depot(&store);
    append(&first, "a", &["1"]);
    drop(first);
    assert_eq!(depot(&store).records(), 1);
    let error = Depot::make(&store, "said", 3, "word")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("2 partitions by `word` instead of 3 by `word`"),
        "{error}"
    );
    let error = Depot::open(&store, "sad").unwrap_err().to_string();
    assert!(error.contains("depot `sad`: known are said"), "{error}");
    for (name, partitions) in [("", 1), ("a", 0), ("a", 257)] {
        assert!(
            Depot::make(&store, name, partitions, "").is_err(),
            "{name} {partitions}"
        );
    }
}

#[test]
fn processed_waits_for_the_commit() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    let [a, _] = keys(&depot);
    let processed = Acknowledge::Processed {
        patience: Duration::from_mins(5),
    };
    let error = depot.append(&a, "1", processed).unwrap_err();
    assert!(matches!(error, DepotError::NobodyReads { .. }), "{error}");
    assert_eq!(depot.records(), 0);

    let (one, other) = (
        reads(&depot, "one", &[(0, 0), (1, 0)]),
        reads(&depot, "other", &[(0, 0)]),
    );
    let (tell, told) = mpsc::channel();
    let of_appender = (depot.clone(), a.clone());
    let appender = thread::spawn(move || {
        let done = of_appender.0.append(&of_appender.1, "1", processed);
        tell.send(done).unwrap();
    });
    // It is there before it is processed.
    while depot.records() == 0 {
        thread::yield_now();
    }
    assert!(told.try_recv().is_err());
    // A commit of another partition, and one of one reader alone, are not enough.
    one.committed(vec![(0, 0), (1, 5)])();
    one.committed(vec![(0, 1)])();
    assert!(told.recv_timeout(Duration::from_millis(150)).is_err());
    other.committed(vec![(0, 1)])();
    told.recv().unwrap().unwrap();
    appender.join().unwrap();

    let hurry = Acknowledge::Processed {
        patience: Duration::from_millis(1),
    };
    let error = depot.append(&a, "2", hurry).unwrap_err().to_string();
    assert!(error.contains("not processed by one and other"), "{error}");
    assert_eq!(read(&depot, 0, 0), ["1", "2"]);
}

#[test]
fn retention_keeps_what_a_reader_needs() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    let [a, b] = keys(&depot);
    for record in ["1", "2", "3", "4"] {
        append(&depot, &a, &[record]);
        append(&depot, &b, &[record]);
    }
    let nothing = Retention {
        bytes: Some(0),
        ..Retention::default()
    };
    let reader = reads(&depot, "top", &[(0, 2), (1, 4)]);
    let dropped = depot.retain(nothing, false).unwrap();
    assert_eq!(dropped.kept_for, ["top"]);
    assert_eq!((dropped.records, depot.firsts()), (6, vec![2, 4]));
    assert_eq!(read(&depot, 0, 2), ["3", "4"]);

    // It stays so when the reader is gone, and after the process.
    drop(reader);
    drop(depot);
    let depot = Depot::open(&store, "said").unwrap();
    assert_eq!(depot.retain(nothing, false).unwrap().records, 0);
    let behind = depot.inspect().unwrap().readers;
    assert_eq!(
        (&*behind[0].name, behind[0].reads, behind[0].behind),
        ("top", false, 2)
    );

    // Unless it is forced, or the reader forgotten.
    assert_eq!(depot.retain(nothing, true).unwrap().records, 2);
    let error = depot.block(0, 2).unwrap_err().to_string();
    assert!(
        error.contains("begins at offset 4, but the reader goes on at 2"),
        "{error}"
    );
    append(&depot, &a, &["5"]);
    assert_eq!(depot.retain(nothing, false).unwrap().records, 0);
    assert!(depot.forget("top").unwrap());
    assert!(!depot.forget("top").unwrap());
    assert_eq!(depot.retain(nothing, false).unwrap().records, 1);
    append(&depot, &a, &["6"]);
    assert_eq!(read(&depot, 0, 5), ["6"]);
}

#[test]
fn retention_drops_the_oldest_of_all_partitions_and_no_more_than_it_must() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    let [a, b] = keys(&depot);
    append(&depot, &a, &["1"]);
    let bytes_of_one = depot.inspect().unwrap().partitions[0].bytes;
    append(&depot, &b, &["2"]);
    append(&depot, &a, &["3"]);
    let keep = Retention {
        bytes: Some(bytes_of_one * 2),
        ..Retention::default()
    };
    // Of appends within one millisecond that of the first partition counts as older.
    assert_eq!(depot.retain(keep, false).unwrap().records, 1);
    assert_eq!(
        (depot.firsts(), depot.retain(keep, false).unwrap().records),
        (vec![1, 0], 0)
    );
    let hour = Retention {
        age: Some(Duration::from_hours(1)),
        ..Retention::default()
    };
    assert_eq!(depot.retain(hour, false).unwrap().records, 0);
    depot.keep(hour).unwrap();
    assert_eq!(depot.inspect().unwrap().keep, hour);
    let short = Retention {
        age: Some(Duration::from_millis(200)),
        ..Retention::default()
    };
    depot.keep(short).unwrap();
    let shown = depot.inspect().unwrap().to_string();
    assert!(shown.contains("kept for 0.2 s"), "{shown}");
}

#[test]
fn two_readers_of_one_name_are_refused() {
    let store = Store::in_memory().unwrap();
    let depot = depot(&store);
    let first = reads(&depot, "top", &[(0, 0)]);
    let second_task = reads(&depot, "top", &[(1, 0)]);
    let waker = Waker::noop().clone();
    let again = depot.begin_reading("top", true, &[(1, 0)], waker.clone());
    let error = again.err().unwrap().to_string();
    assert!(
        error.contains("two readers of the depot `said` have the name `top`"),
        "{error}"
    );
    // One whose last commit is still to come holds its partitions.
    let commit = second_task.committed(vec![(1, 0)]);
    drop(second_task);
    assert!(
        depot
            .begin_reading("top", true, &[(1, 0)], waker.clone())
            .is_err()
    );
    commit();
    drop(first);
    assert!(depot.begin_reading("top", true, &[(1, 0)], waker).is_ok());
}

#[test]
fn a_depot_that_several_make_at_once_is_made_once() {
    for _ in 0..200 {
        let store = Store::in_memory().unwrap();
        let together = Barrier::new(4);
        let make = || {
            together.wait();
            Depot::make(&store, "purchases", 4, "user").unwrap()
        };
        let depots = thread::scope(|scope| {
            let makers: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            let depots = makers.into_iter().map(|maker| maker.join().unwrap());
            depots.collect::<Vec<_>>()
        });
        let ids: Vec<_> = depots.iter().map(Depot::id).collect();
        drop(depots);
        let stored = Depot::open(&store, "purchases").unwrap().id();
        assert_eq!(ids, [stored; 4]);
    }
}

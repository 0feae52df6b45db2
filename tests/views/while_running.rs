//! Typed views of a topology that runs at full speed.

use std::collections::BTreeMap;
use std::sync::mpsc;

use squall::{
    run::Running,
    secs,
    views::{Snapshot, TableView, ViewError},
};

use super::*;

fn start(data_dir: &DataDir) -> Running {
    bank(Endless::default).start(options(data_dir)).unwrap()
}

/// Waits for the first commit.
fn committed(running: &Running) {
    let views = running.views().unwrap();
    let mut changes = views.changes::<u32, i64>("accounts", "balances").unwrap();
    changes.next().unwrap().unwrap();
}

/// Of each transfer both postings are there and it is audited, or nothing of it.
fn check(snapshot: &Snapshot) -> u64 {
    let balances: TableView<u32, i64> = snapshot.table("accounts", "balances").unwrap();
    let sum: i64 = balances.iter().unwrap().map(|(_, cents)| cents).sum();
    assert_eq!(sum, 0, "half a transfer at {}", snapshot.epoch());
    let postings: TableView<u32, u64> = snapshot.table("accounts", "postings").unwrap();
    let postings: u64 = postings.iter().unwrap().map(|(_, postings)| postings).sum();
    let transfers: Option<u64> = snapshot.value("audit", "transfers", 0).unwrap();
    assert_eq!(Some(postings), transfers.map(|transfers| 2 * transfers));
    let made: Option<u64> = snapshot.value("transfers", "made", 0).unwrap();
    assert_eq!(made, transfers);
    transfers.unwrap()
}

#[test]
fn no_view_shows_half_an_epoch() {
    let dir = tempfile::tempdir().unwrap();
    for data_dir in [DataDir::in_memory().unwrap(), DataDir::at(dir.path())] {
        let running = start(&data_dir);
        committed(&running);
        let views = running.views().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let views = views.clone();
                scope.spawn(move || {
                    let (mut epochs, mut latest, mut transfers) = (0, 0, 0);
                    while epochs < 30 {
                        let snapshot = views.read().unwrap();
                        let now = check(&snapshot);
                        assert!(snapshot.epoch() >= latest && now >= transfers);
                        epochs += u64::from(snapshot.epoch() > latest);
                        (latest, transfers) = (snapshot.epoch(), now);
                    }
                });
            }
        });
        running.stop();
        let _ = running.wait().unwrap();
    }
}

#[test]
fn a_snapshot_stays_what_it_was() {
    let data_dir = DataDir::in_memory().unwrap();
    let running = start(&data_dir);
    committed(&running);
    let views = running.views().unwrap();
    let snapshot = views.read().unwrap();
    let (epoch, transfers) = (snapshot.epoch(), check(&snapshot));
    let mut changes = views.changes::<u32, i64>("accounts", "balances").unwrap();
    for _ in 0..5 {
        changes.next().unwrap().unwrap();
        check(&views.read().unwrap());
        assert_eq!((snapshot.epoch(), check(&snapshot)), (epoch, transfers));
    }
    running.stop();
    let _ = running.wait().unwrap();
}

/// What changes is all that changes: put together it is the table at the end of the run, for
/// those who take every commit and for those who take their time.
#[test]
fn changes_add_up_to_the_table_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = DataDir::at(dir.path());
    let running = start(&data_dir);
    let views = running.views().unwrap();
    let (stopped, stop) = mpsc::channel::<()>();
    let followers: Vec<_> = [false, true]
        .into_iter()
        .map(|slow| {
            let changes = views.changes::<u32, i64>("accounts", "balances").unwrap();
            let stopped = stopped.clone();
            std::thread::spawn(move || {
                let mut table = BTreeMap::new();
                let (mut latest, mut count) = (0, 0);
                for change in changes {
                    let (epoch, changes) = change.unwrap();
                    assert!(epoch > latest);
                    latest = epoch;
                    assert!(changes.is_sorted_by_key(|change| change.key));
                    let sum = |part: fn(&squall::views::TableChange<u32, i64>) -> Option<i64>| {
                        changes.iter().filter_map(part).sum::<i64>()
                    };
                    assert_eq!(sum(|change| change.before), sum(|change| change.after));
                    for change in changes {
                        assert_eq!(
                            table.insert(change.key, change.after.unwrap()),
                            change.before
                        );
                    }
                    count += 1;
                    if slow {
                        std::thread::park_timeout(millis(60));
                    } else if count == 20 {
                        stopped.send(()).unwrap();
                    }
                }
                (table, latest)
            })
        })
        .collect();
    stop.recv_timeout(secs(60)).unwrap();
    running.stop();
    let _ = running.wait().unwrap();
    assert!(matches!(views.read().unwrap_err(), ViewError::Ended));
    let [fast, slow] = <[_; 2]>::try_from(followers)
        .unwrap()
        .map(|thread| thread.join().unwrap());
    assert_eq!(fast, slow);

    let snapshot = data_dir.views().unwrap().read().unwrap();
    let balances = snapshot.table::<u32, i64>("accounts", "balances").unwrap();
    let balances: BTreeMap<u32, i64> = balances
        .iter()
        .unwrap()
        .map(|(key, value)| (*key, *value))
        .collect();
    assert_eq!(balances, fast.0);
}

#[test]
fn a_run_without_a_data_directory_has_no_views() {
    let events = Events::now([]);
    let topology = bank(move || events.clone());
    let running = topology
        .start(RunOptions {
            signals: false,
            ..RunOptions::default()
        })
        .unwrap();
    assert!(running.views().is_none());
    let _ = running.wait().unwrap();
}

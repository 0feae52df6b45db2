//! Depots that are read and appended to at the same time, in one process and through its socket.

#![cfg(unix)]

use std::sync::atomic::{AtomicU32, Ordering};

use squall::connectors::files::FieldSelector;
use squall::{
    Bolt, DataDir, Out, Result, RunOptions, States, Table, Text, Topology, Tuple,
    data_dir::{AppendTo, DepotAppender},
    depot::{Acknowledge, Depot, DepotError, Retention},
    millis,
    run::{Restarts, Running},
    secs,
};

#[derive(Tuple, Clone, Debug)]
struct Purchase {
    user: Text,
    cents: u64,
}

#[derive(Default)]
struct Totals(Table<Text, u64>);

/// How often the bolt still panics on a purchase of 13 cents.
static PANICS: AtomicU32 = AtomicU32::new(0);

impl Bolt for Totals {
    type Input = Purchase;
    type Output = ();

    fn execute(&mut self, purchase: &Purchase, _: &mut Out<()>) -> Result {
        let left = |left: u32| left.checked_sub(1);
        if purchase.cents == 13
            && PANICS
                .try_update(Ordering::SeqCst, Ordering::SeqCst, left)
                .is_ok()
        {
            panic!("thirteen");
        }
        *self.0.entry(&purchase.user) += purchase.cents;
        Ok(())
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("totals", &mut self.0);
    }
}

fn start(data_dir: &DataDir, depot: &Depot, reader: &str) -> Running {
    let topology = Topology::named("totals");
    let reading = depot.read().from_beginning().reader(reader);
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
        .fields_grouping(&purchases, Purchase::USER);
    let options = RunOptions {
        data_dir: Some(data_dir.clone()),
        epoch: millis(5),
        commit: millis(10),
        signals: false,
        restarts: Restarts {
            first_pause: millis(1),
            ..Restarts::default()
        },
        ..RunOptions::default()
    };
    topology.start(options).unwrap()
}

fn end(running: Running) {
    running.stop();
    let _ = running.wait().unwrap();
}

fn purchase(user: &str, cents: u64) -> (String, String) {
    let record = format!("{{\"user\":\"{user}\",\"cents\":{cents}}}");
    (user.to_owned(), record)
}

const PROCESSED: Acknowledge = Acknowledge::Processed {
    patience: secs(120),
};

fn total(running: &Running, user: &str) -> Option<u64> {
    let snapshot = running.views().unwrap().read().unwrap();
    let totals = snapshot.table::<Text, u64>("totals", "totals").unwrap();
    totals.get(&user.into()).unwrap().copied()
}

#[test]
fn what_is_processed_can_be_read() {
    let data_dir = DataDir::in_memory().unwrap();
    let depot = data_dir.make_depot("purchases", 4, "user").unwrap();
    let (user, record) = purchase("ann", 300);
    let error = depot.append(&user, &record, PROCESSED).unwrap_err();
    assert!(matches!(error, DepotError::NobodyReads { .. }), "{error}");

    let running = start(&data_dir, &depot, "totals");
    // A second topology, in a directory of its own, is waited for too.
    let other_dir = DataDir::in_memory().unwrap();
    let other = start(&other_dir, &depot, "other");
    for round in 1..=20 {
        depot
            .append_all([purchase("ann", 1), purchase("bob", 2)], PROCESSED)
            .unwrap();
        for running in [&running, &other] {
            assert_eq!(total(running, "ann"), Some(round));
            assert_eq!(total(running, "bob"), Some(round * 2));
        }
    }
    let error = depot.forget("totals").unwrap_err().to_string();
    assert!(
        error.contains("`totals` reads the depot `purchases` now"),
        "{error}"
    );
    end(other);
    end(running);
    let error = depot.append(&user, &record, PROCESSED).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("(other and totals did before)"), "{error}");
}

#[test]
fn a_run_that_fails_processes_nothing_twice() {
    let data_dir = DataDir::in_memory().unwrap();
    let depot = data_dir.make_depot("purchases", 2, "user").unwrap();
    let running = start(&data_dir, &depot, "totals");
    depot.append_all([purchase("ann", 1)], PROCESSED).unwrap();
    PANICS.store(1, Ordering::SeqCst);
    for _ in 0..50 {
        depot
            .append_all([purchase("ann", 1)], Acknowledge::Appended)
            .unwrap();
    }
    depot
        .append_all([purchase("ann", 13), purchase("ann", 1)], PROCESSED)
        .unwrap();
    assert_eq!(total(&running, "ann"), Some(65));
    assert_eq!(PANICS.load(Ordering::SeqCst), 0);
    end(running);
}

#[test]
fn appending_goes_through_the_process_that_has_the_directory() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    let elsewhere = || DataDir::at(&path);
    let to = |acknowledge| AppendTo {
        key: Some("user".to_owned()),
        id: Some("shop".to_owned()),
        acknowledge,
        ..AppendTo::depot("purchases")
    };

    // Nobody has it: the appender does.
    let mut appender = elsewhere().appender(to(Acknowledge::Appended)).unwrap();
    appender
        .append(vec![purchase("ann", 1), purchase("bob", 2)])
        .unwrap();
    drop(appender);

    let data_dir = DataDir::opened(&path).unwrap();
    let depot = data_dir.depot("purchases").unwrap();
    assert_eq!((depot.records(), depot.key()), (2, "user"));
    let error = elsewhere()
        .appender(to(PROCESSED))
        .unwrap()
        .append(vec![purchase("x", 9)]);
    let error = error.unwrap_err();
    assert!(error.is_wrong_use(), "{error}");
    assert!(
        error
            .to_string()
            .contains("no durable topology reads the depot `purchases`"),
        "{error}"
    );

    let running = start(&data_dir, &depot, "totals");
    let mut appender = elsewhere().appender(to(PROCESSED)).unwrap();
    assert_eq!((appender.appended(), appender.key()), (2, "user"));
    for round in 1..=10 {
        appender
            .append(vec![purchase("ann", 1), purchase("bob", 2)])
            .unwrap();
        assert_eq!(total(&running, "ann"), Some(1 + round));
    }
    // Others look into the directory meanwhile, although somebody appends.
    let inspection = elsewhere().inspect().unwrap();
    assert_eq!(
        (inspection.depots.len(), inspection.depots[0].records()),
        (1, 22)
    );
    assert!(
        inspection
            .to_string()
            .contains("depot purchases: 22 records"),
        "{inspection}"
    );
    assert!(
        inspection.to_string().contains("totals reads it"),
        "{inspection}"
    );
    let keep = Retention {
        bytes: Some(0),
        ..Retention::default()
    };
    let dropped = elsewhere()
        .retain_depot("purchases", keep, false, false)
        .unwrap();
    assert_eq!(dropped.records, 22);
    let forgotten = elsewhere().forget_reader("purchases", "totals");
    assert!(forgotten.unwrap_err().is_wrong_use());

    // Another depot, key or number of partitions is refused.
    for (to, what) in [
        (
            AppendTo::depot("purchase"),
            "depot `purchase`: known are purchases",
        ),
        (
            AppendTo {
                key: Some("id".to_owned()),
                ..AppendTo::depot("purchases")
            },
            "8 by `id`",
        ),
        (
            AppendTo {
                partitions: Some(3),
                ..AppendTo::depot("purchases")
            },
            "instead of 3 by `user`",
        ),
    ] {
        let error = elsewhere().appender(to).err().unwrap();
        assert!(
            error.is_wrong_use() && error.to_string().contains(what),
            "{error}"
        );
    }

    // The process ends while somebody could still append.
    end(running);
    drop((depot, data_dir));
    assert!(appender.append(vec![purchase("ann", 1)]).is_err());
    let mut appender = elsewhere().appender(to(Acknowledge::Appended)).unwrap();
    assert_eq!(appender.appended(), 22);
    appender.append(vec![purchase("ann", 1)]).unwrap();
    drop(appender);
}

#[test]
fn what_an_appender_repeats_is_compared_with_what_the_holder_has() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    let data_dir = DataDir::opened(&path).unwrap();
    let begin = || {
        let to = AppendTo {
            key: Some("user".to_owned()),
            id: Some("shop".to_owned()),
            ..AppendTo::depot("purchases")
        };
        DataDir::at(&path).appender(to).unwrap()
    };
    let is_there = |appender: &mut DepotAppender, cents| {
        let (user, record) = purchase("ann", cents);
        appender.is_there(&user, &record)
    };
    let mut appender = begin();
    assert!(!is_there(&mut appender, 1).unwrap());
    appender
        .append(vec![purchase("ann", 1), purchase("ann", 2)])
        .unwrap();
    assert!(!is_there(&mut appender, 3).unwrap());

    let mut again = begin();
    assert!(is_there(&mut again, 1).unwrap());
    let error = again.end().unwrap_err();
    assert!(error.is_wrong_use(), "{error}");
    assert!(error.to_string().contains("its input now has 1"), "{error}");
    assert!(is_there(&mut again, 2).unwrap());
    again.end().unwrap();
    assert!(!is_there(&mut again, 3).unwrap());

    let mut other = begin();
    assert!(is_there(&mut other, 7).unwrap());
    let error = is_there(&mut other, 2).unwrap_err();
    let wanted = "`shop` has appended 2 records to the depot `purchases`, but its input now \
                  begins with other records";
    assert_eq!(error.to_string(), wanted);
    drop(data_dir);
}

#[test]
fn a_reset_leaves_depots() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    let data_dir = DataDir::opened(&path).unwrap();
    let depot = data_dir.make_depot("purchases", 1, "user").unwrap();
    let running = start(&data_dir, &depot, "totals");
    depot.append_all([purchase("ann", 1)], PROCESSED).unwrap();
    end(running);
    drop((depot, data_dir));

    let data_dir = DataDir::at(&path);
    data_dir.reset(None).unwrap();
    let inspection = data_dir.inspect().unwrap();
    assert_eq!(
        (inspection.commit, inspection.depots[0].records()),
        (None, 1)
    );
    data_dir.delete_depot("purchases").unwrap();
    assert_eq!(data_dir.inspect().unwrap().depots, []);
    assert!(data_dir.delete_depot("purchases").is_err());
}

#[test]
fn the_end_of_a_run_does_not_wait_for_those_that_wait_for_it() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("data");
    let data_dir = DataDir::opened(&path).unwrap();
    let depot = data_dir.make_depot("purchases", 1, "user").unwrap();
    let running = start(&data_dir, &depot, "totals");
    // Nobody takes what is appended behind a stop, so it is never processed.
    let mut appender = DataDir::at(&path)
        .appender(AppendTo {
            acknowledge: PROCESSED,
            ..AppendTo::depot("purchases")
        })
        .unwrap();
    let waiting = std::thread::spawn(
        move || {
            while appender.append(vec![purchase("ann", 1)]).is_ok() {}
        },
    );
    while depot.records() < 3 {
        std::thread::yield_now();
    }
    end(running);
    drop((depot, data_dir));
    waiting.join().unwrap();
    DataDir::opened(&path).unwrap();
}

/// Nothing but an appender has the directory, for as long as it likes.
#[test]
fn who_appends_answers_others_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = DataDir::at(folder.path().join("data"));
    let to = AppendTo {
        key: Some("user".to_owned()),
        ..AppendTo::depot("purchases")
    };
    let purchase = |user: &str| vec![(user.to_owned(), format!("{{\"user\":\"{user}\"}}"))];
    let mut one = data_dir.appender(to.clone()).unwrap();
    one.append(purchase("ann")).unwrap();
    let mut other = data_dir.appender(to).unwrap();
    other.append(purchase("bob")).unwrap();
    one.append(purchase("eve")).unwrap();
    assert_eq!(data_dir.inspect().unwrap().depots[0].records(), 3);
}

/// The process that has the directory ends, and those that append through it take it over, one
/// after the other.
#[test]
fn an_appender_survives_the_process_that_it_appends_through() {
    for id in [Some("shop".to_owned()), None] {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("data");
        let to = AppendTo {
            key: Some("user".to_owned()),
            id: id.clone(),
            ..AppendTo::depot("purchases")
        };
        let owner = DataDir::opened(&path).unwrap();
        let mut first = DataDir::at(&path).appender(to.clone()).unwrap();
        let other = AppendTo {
            id: id.as_ref().map(|_| "other shop".to_owned()),
            ..to
        };
        let mut second = DataDir::at(&path).appender(other).unwrap();
        first.append(vec![purchase("ann", 1)]).unwrap();
        second.append(vec![purchase("bob", 1)]).unwrap();
        drop(owner);
        // It has the directory now, and the second one appends through it.
        first.append(vec![purchase("ann", 2)]).unwrap();
        second.append(vec![purchase("bob", 2)]).unwrap();
        drop(first);
        second.append(vec![purchase("bob", 3)]).unwrap();
        assert_eq!(second.appended(), 3);
        drop(second);
        let depot = DataDir::at(&path).depot("purchases").unwrap();
        assert_eq!(depot.records(), 5, "{id:?}");
        if let Some(id) = id {
            assert_eq!(depot.appended_by(&id).unwrap(), 2);
        }
    }
}

/// A backup is restored over a directory in use. What runs and appends there has nothing to do with
/// it, and ends.
#[test]
fn a_backup_that_is_restored_over_a_directory_in_use_stays_as_it_is() {
    let root = tempfile::tempdir().unwrap();
    let (path, backup) = (root.path().join("data"), root.path().join("backup"));
    let opened = DataDir::opened(&path).unwrap();
    let depot = opened.make_depot("purchases", 2, "user").unwrap();
    let mut here = opened.appender(AppendTo::depot("purchases")).unwrap();
    let mut there = DataDir::at(&path)
        .appender(AppendTo::depot("purchases"))
        .unwrap();
    here.append(vec![purchase("ann", 1)]).unwrap();
    there.append(vec![purchase("ann", 1)]).unwrap();
    opened.backup(&backup).unwrap();
    let restored = std::fs::read(backup.join("store.redb")).unwrap();
    let running = start(&opened, &depot, "totals");
    let commits = || Some(running.stats()?.commits?.commits);
    while commits() < Some(1) || total(&running, "ann") != Some(2) {
        std::thread::yield_now();
    }
    std::fs::rename(&path, root.path().join("before")).unwrap();
    std::fs::rename(&backup, &path).unwrap();
    for _ in 0..2 {
        assert!(here.append(vec![purchase("bob", 1)]).is_err());
    }
    let error = running.wait().unwrap_err().to_string();
    assert!(error.contains("is gone"), "{error}");
    assert!(there.append(vec![purchase("bob", 1)]).is_err());
    drop((here, there, depot, opened));
    assert!(std::fs::read(path.join("store.redb")).unwrap() == restored);
    assert_eq!(DataDir::at(&path).depot("purchases").unwrap().records(), 2);
}

//! A data directory that no run has open.

use std::fs;

use serde_json::{Value as Json, json};
use squall::{
    data_dir::{DataDirError, StoreError},
    views::ViewError,
};

use super::*;

const TRANSFERS: &[(u32, u32, i64)] = &[(1, 2, 300), (2, 10, 1_200), (2, 1, 300), (9, 10, 40)];

fn lines(data_dir: &DataDir, table: &str, key: Option<&str>) -> Vec<Json> {
    let rows = data_dir.view(table, key).unwrap();
    rows.iter()
        .map(|row| serde_json::to_value(row).unwrap())
        .collect()
}

#[test]
fn rows_come_in_the_order_of_their_keys_without_any_types() {
    let data_dir = DataDir::in_memory().unwrap();
    run(&data_dir, TRANSFERS);
    let balances = [
        json!({"key": 1, "value": 0}),
        json!({"key": 2, "value": -1_200}),
        json!({"key": 9, "value": -40}),
        json!({"key": 10, "value": 1_240}),
    ];
    assert_eq!(lines(&data_dir, "accounts.balances", None), balances);
    assert_eq!(
        lines(&data_dir, "balances", Some("10")),
        [balances[3].clone()]
    );
    assert_eq!(lines(&data_dir, "balances", Some("11")), [Json::Null; 0]);
    assert_eq!(
        lines(&data_dir, "audit.transfers", None),
        [json!({"value": 4})]
    );
    let sizes = [
        json!({"section": 0, "key": 40, "value": 1}),
        json!({"section": 0, "key": 300, "value": 2}),
        json!({"section": 1, "key": 1_200, "value": 1}),
    ];
    assert_eq!(lines(&data_dir, "sizes", None), sizes);
}

#[test]
fn a_table_that_is_not_there_is_answered_with_those_that_are() {
    let data_dir = DataDir::in_memory().unwrap();
    let refused = |asked: &str| {
        let error = data_dir.view(asked, None).unwrap_err();
        assert!(error.is_wrong_use(), "{error}");
        error.to_string()
    };
    assert!(refused("sizes").contains("no run has committed anything"));
    run(&data_dir, TRANSFERS);
    for asked in ["accounts", "accounts.sizes", "nothing"] {
        let said = refused(asked);
        for part in [
            asked,
            "accounts.balances",
            "accounts.postings",
            "audit.sizes",
        ] {
            assert!(said.contains(part), "{said}");
        }
    }
}

/// Values are written as changes and, when those outweigh it, as a new image; keys go and
/// come back: what is read is what the bolt had.
#[test]
fn a_table_that_was_changed_in_many_commits_is_what_the_bolt_had() {
    struct Churn(Table<Text, u64>, Tables<u64, Text, u64>);
    impl Bolt for Churn {
        type Input = Posting;
        type Output = ();
        fn execute(&mut self, posting: &Posting, _: &mut Out<()>) -> Result {
            let key: Text = posting.account.to_string().into();
            if posting.cents == 0 {
                self.0.remove(&key);
                self.1.remove(&(u64::from(posting.account) % 7));
            } else {
                *self.0.entry(&key) += 1;
                *self.1.section(u64::from(posting.account) % 7).entry(&key) += 1;
            }
            Ok(())
        }
        fn state(&mut self, states: &mut States<'_>) {
            states.keep("table", &mut self.0);
            states.keep("tables", &mut self.1);
        }
    }
    for seed in 0..12 {
        let mut random = fastrand::Rng::with_seed(seed);
        let data_dir = DataDir::in_memory().unwrap();
        let (mut table, mut tables) = (
            std::collections::BTreeMap::new(),
            std::collections::BTreeMap::new(),
        );
        for _ in 0..3 {
            let postings: Vec<Posting> = (0..1_500)
                .map(|_| Posting {
                    account: random.u32(..60),
                    cents: random.i64(..8),
                })
                .collect();
            for posting in &postings {
                let (account, section) = (posting.account, posting.account % 7);
                if posting.cents == 0 {
                    table.remove(&account.to_string());
                    tables.retain(|(at, _), _| *at != section);
                } else {
                    *table.entry(account.to_string()).or_insert(0_u64) += 1;
                    *tables
                        .entry((section, account.to_string()))
                        .or_insert(0_u64) += 1;
                }
            }
            let topology = Topology::named("churn");
            let events = Events::now(postings);
            let spout = topology.spout("postings", move || Fresh(events.clone()));
            topology
                .bolt("churn", || {
                    let age = Table::new().time_to_live(squall::secs(1_000_000));
                    Churn(age, Tables::new())
                })
                .global_grouping(&spout);
            let test = TopologyTest::new(topology)
                .seed(seed)
                .options(options(&data_dir));
            test.run().unwrap();
            let expected = table
                .iter()
                .map(|(key, value)| json!({"key": key, "value": value}));
            let expected: Vec<Json> = expected.collect();
            assert_eq!(lines(&data_dir, "churn.table", None), expected);
            let snapshot = data_dir.views().unwrap().read().unwrap();
            let view = snapshot.table::<Text, u64>("churn", "table").unwrap();
            let typed = view.iter().unwrap();
            let typed: Vec<Json> = typed
                .map(|(key, value)| json!({"key": key, "value": value}))
                .collect();
            assert_eq!(typed, expected);
            let expected = tables.iter().map(
                |((section, key), value)| json!({"section": section, "key": key, "value": value}),
            );
            let expected: Vec<Json> = expected.collect();
            assert_eq!(lines(&data_dir, "churn.tables", None), expected);
        }
    }
}

/// Events of which every run emits all.
struct Fresh<T>(Events<T>);

impl<T: Tuple + Sync> Spout for Fresh<T> {
    type Output = T;
    fn open(&mut self, context: &squall::Context, out: &mut SpoutOut<T>) -> Result {
        self.0.open(context, out)
    }
    fn next(&mut self, out: &mut SpoutOut<T>) -> Result<Next> {
        self.0.next(out)
    }
}

#[test]
fn an_inspection_says_whose_state_it_is_and_how_much() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = DataDir::at(dir.path().join("bank"));
    let error = data_dir.inspect().unwrap_err();
    assert!(
        error.is_wrong_use() && error.to_string().contains("is not a data directory"),
        "{error}"
    );
    run(&data_dir, TRANSFERS);

    let inspection = data_dir.inspect().unwrap();
    assert_eq!(inspection.topology.as_deref(), Some("bank"));
    assert!(inspection.commit.unwrap().epoch > 0);
    assert!(inspection.bytes_on_disk > 0);
    let ids: Vec<_> = inspection
        .components
        .iter()
        .map(|component| &*component.id)
        .collect();
    assert_eq!(ids, ["accounts", "audit", "transfers"]);
    let accounts = &inspection.components[0];
    assert_eq!(
        (accounts.tasks, &*accounts.grouped_by),
        (Some(3), &["fields(account)".to_owned()][..])
    );
    let balances = &accounts.states[0];
    assert_eq!((&*balances.name, balances.keys), ("balances", 4));
    assert_eq!(balances.shape.to_string(), "a table of u32 to i64");
    assert!(balances.bytes > 0 && balances.positions.is_none());
    let positions = inspection.components[2].states.iter();
    let positions: Vec<_> = positions
        .filter_map(|state| state.positions.as_ref())
        .collect();
    assert!(
        positions.iter().any(|rows| !rows.is_empty()),
        "{positions:?}"
    );

    let json = serde_json::to_string(&inspection).unwrap();
    assert_eq!(
        serde_json::from_str::<squall::data_dir::Inspection>(&json).unwrap(),
        inspection
    );
    let text = inspection.to_string();
    for part in [
        "topology   bank",
        "a table of u32 to i64",
        "fields(account)",
        "transfers.",
        "has come to",
    ] {
        assert!(text.contains(part), "{text}");
    }
    // The socket is for runs alone, and nothing else is left behind.
    assert_eq!(fs::read_dir(dir.path().join("bank")).unwrap().count(), 2);
}

#[test]
fn a_typed_read_of_another_type_is_refused_naming_both() {
    let data_dir = DataDir::in_memory().unwrap();
    let empty = data_dir.views().unwrap().read().unwrap();
    assert_eq!((empty.epoch(), empty.commit()), (0, None));
    let error = empty.table::<u32, i64>("accounts", "balances").unwrap_err();
    assert!(
        error.to_string().contains("nothing was committed yet"),
        "{error}"
    );

    run(&data_dir, TRANSFERS);
    let views = data_dir.views().unwrap();
    let snapshot = views.read().unwrap();
    let error = snapshot
        .table::<u32, String>("accounts", "balances")
        .unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("a table of u32 to i64") && said.contains("a table of u32 to text"),
        "{said}"
    );
    assert!(matches!(error, ViewError::Misfit { .. }));
    let said = snapshot
        .table::<i64, u64>("audit", "sizes")
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("a set of tables by i64 of i64 to u64"),
        "{said}"
    );
    let said = snapshot
        .value::<u64>("audit", "sizes", 0)
        .unwrap_err()
        .to_string();
    assert!(said.contains("a value of u64"), "{said}");
    let said = snapshot
        .table::<u32, i64>("accounts", "balance")
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("accounts.balances, accounts.postings"),
        "{said}"
    );

    let balances = snapshot.table::<u32, i64>("accounts", "balances").unwrap();
    assert_eq!(balances.get(&10).unwrap(), Some(&1_240));
    assert_eq!(
        (balances.get(&3).unwrap(), balances.len().unwrap()),
        (None, 4)
    );
    let some: Vec<_> = balances.range(2..10).unwrap().collect();
    assert_eq!(some, [(&2, &-1_200), (&9, &-40)]);
    let tasks = (0..3).map(|task| snapshot.table_of_task::<u32, i64>("accounts", "balances", task));
    let keys: usize = tasks.map(|table| table.unwrap().len().unwrap()).sum();
    assert_eq!(keys, 4);
    assert_eq!(
        snapshot.value::<u64>("audit", "transfers", 0).unwrap(),
        Some(4)
    );
    assert_eq!(
        snapshot.value::<u64>("audit", "transfers", 1).unwrap(),
        None
    );
    let mut changes = views.changes::<u32, i64>("accounts", "balances").unwrap();
    assert!(changes.next().is_none(), "no run changes anything");
}

#[test]
fn tables_of_tasks_are_read_one_by_one() {
    let data_dir = DataDir::in_memory().unwrap();
    let topology = Topology::named("tasks");
    let postings = (0..40).map(|cents| Posting { account: 7, cents });
    let events = Events::now(postings);
    let spout = topology.spout("postings", move || events.clone());
    topology
        .bolt("accounts", Accounts::default)
        .parallelism(2)
        .shuffle_grouping(&spout);
    let test = TopologyTest::new(topology).options(RunOptions {
        batch_tuples: 4,
        ..options(&data_dir)
    });
    test.run().unwrap();

    let snapshot = data_dir.views().unwrap().read().unwrap();
    let said = snapshot
        .table::<u32, u64>("accounts", "postings")
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("2 tasks") && said.contains("table_of_task"),
        "{said}"
    );
    let of = |task| {
        let table = snapshot.table_of_task::<u32, u64>("accounts", "postings", task);
        table.unwrap().get(&7).unwrap().copied().unwrap_or(0)
    };
    assert_eq!((of(0) + of(1), of(2)), (40, 0));
    for (task, row) in (0..).zip(data_dir.view("postings", None).unwrap()) {
        assert_eq!(row.task, Some(task));
    }
}

#[test]
fn one_component_is_reset_and_the_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = DataDir::at(dir.path());
    run(&data_dir, TRANSFERS);
    let error = data_dir.reset(Some("account")).unwrap_err();
    let said = error.to_string();
    assert!(
        said.contains("`account`") && said.contains("accounts, audit, transfers"),
        "{said}"
    );
    let before = data_dir.inspect().unwrap();

    data_dir.reset(Some("accounts")).unwrap();
    let after = data_dir.inspect().unwrap();
    assert_eq!(after.components, before.components[1..]);
    assert_eq!(after.commit, before.commit);
    // The spout has come to its end, so nothing comes again.
    run(&data_dir, TRANSFERS);
    let transfers = lines(&data_dir, "audit.transfers", None);
    assert_eq!(transfers, [json!({"value": 4})]);

    data_dir.reset(None).unwrap();
    let nothing = data_dir.inspect().unwrap();
    assert_eq!((nothing.commit, nothing.components.len()), (None, 0));
    assert!(nothing.to_string().contains("nothing yet"));
    run(&data_dir, TRANSFERS);
    assert_eq!(data_dir.inspect().unwrap().components.len(), 3);
}

#[test]
fn a_copy_is_a_data_directory_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let data_dir = DataDir::in_memory().unwrap();
    run(&data_dir, TRANSFERS);
    let copy = DataDir::at(dir.path().join("copy"));
    data_dir.backup(copy.path().unwrap()).unwrap();
    assert_eq!(
        lines(&copy, "balances", None),
        lines(&data_dir, "balances", None)
    );
    let again = data_dir.backup(copy.path().unwrap()).unwrap_err();
    assert!(matches!(
        again,
        DataDirError::Store(StoreError::NotADataDirectory { .. })
    ));
    assert!(again.is_wrong_use());
}

//! States that are stored and loaded again at random points, compared with plain maps.

mod store;

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
pub(crate) use store::Store;

/// One step of a test; its numbers are taken modulo what there is.
#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u8, u8, u32),
    Add(u8, u8, u32),
    Remove(u8, u8),
    Retain(u8),
    Clear,
    Drop(u8),
    PopFirst,
    /// Commits; a unit is written whole once in so many times, or never.
    Save(u8),
    /// Commits, and goes on with so many tasks.
    Reload(u8, usize),
    /// Loses what came since the last commit.
    Fail(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<(u8, u8, u32)>().prop_map(|(s, k, v)| Step::Insert(s, k, v)),
        6 => any::<(u8, u8, u32)>().prop_map(|(s, k, v)| Step::Add(s, k, v)),
        4 => any::<(u8, u8)>().prop_map(|(s, k)| Step::Remove(s, k)),
        1 => (2_u8..4).prop_map(Step::Retain),
        1 => Just(Step::Clear),
        2 => any::<u8>().prop_map(Step::Drop),
        1 => Just(Step::PopFirst),
        3 => (0_u8..4).prop_map(Step::Save),
        2 => (0_u8..4, 1_usize..5).prop_map(|(whole, tasks)| Step::Reload(whole, tasks)),
        1 => (1_usize..5).prop_map(Step::Fail),
    ]
}

/// Says at every so many calls that a unit is to be written whole.
fn one_in(whole: u8) -> impl FnMut() -> bool {
    let mut calls = 0_u8;
    move || {
        calls = calls.wrapping_add(1);
        whole > 0 && calls.is_multiple_of(whole)
    }
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn task_of(key: u8, tasks: usize) -> usize {
    let shard = crate::key::shard_of(crate::key::KeyValue::route_hash(&key));
    crate::key::task_of_shard(shard, tasks)
}

type Numbers = Table<u8, u32>;
type Sections = Tables<u8, u8, u32>;

fn keep_numbers(table: &mut Numbers, states: &mut States<'_>) {
    states.keep("numbers", table);
}

fn keep_sections(tables: &mut Sections, states: &mut States<'_>) {
    states.keep("sections", tables);
}

fn numbers(tables: &[Numbers]) -> BTreeMap<u8, u32> {
    let entries = tables.iter().flat_map(Table::iter);
    entries.map(|(key, value)| (*key, *value)).collect()
}

fn sections(tables: &[Sections]) -> BTreeMap<(u8, u8), u32> {
    let sections = tables.iter().flat_map(Tables::iter);
    let entries = sections.flat_map(|(section, table)| {
        let entries = table.iter();
        entries.map(|(key, value)| ((*section, *key), *value))
    });
    entries.collect()
}

proptest! {
    #[test]
    fn a_table_is_what_it_was(steps in prop::collection::vec(step(), 1..120)) {
        let mut store = Store::new(true);
        let mut tasks = store.load(1, Table::new, keep_numbers);
        let mut model = BTreeMap::new();
        let mut committed = model.clone();
        for step in steps {
            let count = tasks.len();
            match step {
                Step::Insert(_, key, value) => {
                    let before = tasks[task_of(key, count)].insert(key, value);
                    prop_assert_eq!(before, model.insert(key, value));
                }
                Step::Add(_, key, value) => {
                    for sum in [
                        tasks[task_of(key, count)].entry(&key),
                        model.entry(key).or_default(),
                    ] {
                        *sum = sum.wrapping_add(value);
                    }
                }
                Step::Remove(_, key) => {
                    let before = tasks[task_of(key, count)].remove(&key);
                    prop_assert_eq!(before, model.remove(&key));
                }
                Step::Retain(part) => {
                    for table in &mut tasks {
 table.retain(|key, _| key % part == 0);
 }
                    model.retain(|key, _| key % part == 0);
                }
                Step::Clear => {
                    tasks.iter_mut().for_each(Table::clear);
                    model.clear();
                }
                Step::Drop(_) | Step::PopFirst => {}
                Step::Save(whole) => {
                    store.save(&mut tasks, keep_numbers, at(0), one_in(whole));
                    committed = model.clone();
                }
                Step::Reload(whole, count) => {
                    store.save(&mut tasks, keep_numbers, at(0), one_in(whole));
                    tasks = store.load(count, Table::new, keep_numbers);
                    committed = model.clone();
                }
                Step::Fail(count) => {
                    tasks = store.load(count, Table::new, keep_numbers);
                    model = committed.clone();
                }
            }
            prop_assert_eq!(numbers(&tasks), model.clone());
        }
    }

    #[test]
    fn tables_are_what_they_were(steps in prop::collection::vec(step(), 1..120)) {
        let mut store = Store::new(true);
        let mut tasks = store.load(1, Tables::new, keep_sections);
        let mut model = BTreeMap::new();
        let mut committed = model.clone();
        for step in steps {
            let count = tasks.len();
            match step {
                Step::Insert(section, key, value) => {
                    let section = section % 4;
                    tasks[task_of(key, count)].section(section).insert(key, value);
                    model.insert((section, key), value);
                }
                Step::Add(section, key, value) => {
                    let section = section % 4;
                    for sum in [
                        tasks[task_of(key, count)].section(section).entry(&key),
                        model.entry((section, key)).or_default(),
                    ] {
                        *sum = sum.wrapping_add(value);
                    }
                }
                Step::Remove(section, key) => {
                    let section = section % 4;
                    tasks[task_of(key, count)].section(section).remove(&key);
                    model.remove(&(section, key));
                }
                Step::Drop(section) => {
                    let section = section % 4;
                    for tables in &mut tasks {
                        tables.remove(&section);
                    }
                    model.retain(|(other, _), _| *other != section);
                }
                Step::PopFirst => {
                    let first = tasks.iter().filter_map(Tables::first).map(|(s, _)| *s).min();
                    for tables in &mut tasks {
                        if tables.first().map(|(section, _)| *section) == first {
                            tables.pop_first();
                        }
                    }
                    model.retain(|(section, _), _| Some(*section) != first);
                }
                Step::Retain(_) | Step::Clear => {}
                Step::Save(whole) => {
                    store.save(&mut tasks, keep_sections, at(0), one_in(whole));
                    committed = model.clone();
                }
                Step::Reload(whole, count) => {
                    store.save(&mut tasks, keep_sections, at(0), one_in(whole));
                    tasks = store.load(count, Tables::new, keep_sections);
                    committed = model.clone();
                }
                Step::Fail(count) => {
                    tasks = store.load(count, Tables::new, keep_sections);
                    model = committed.clone();
                }
            }
            prop_assert_eq!(sections(&tasks), model.clone());
        }
    }

    /// Entries that were written lately stay, and old ones go, whatever was reloaded.
    #[test]
    fn entries_live_for_their_time(
        steps in prop::collection::vec((0_u8..40, 0_i64..9_000, 0_u8..6), 1..80),
    ) {
        const SPAN_MS: i64 = 60_000;
        let span = crate::time::secs(60);
        let make = || Table::new().time_to_live(span);
        let mut store = Store::new(true);
        let mut tasks = store.load(1, make, keep_numbers);
        // When each key was written: the epochs before and after it.
        let mut written: BTreeMap<u8, (i64, i64)> = BTreeMap::new();
        let mut now = 1_500_000_000_000;
        for (key, pause, reload) in steps {
            let task = task_of(key, tasks.len());
            tasks[task].insert(key, 1);
            written.insert(key, (now, now + pause));
            now += pause;
            store.save(&mut tasks, keep_numbers, at(now), one_in(reload));
            if (1..4).contains(&reload) {
                tasks = store.load(usize::from(reload), make, keep_numbers);
            }
            let held = numbers(&tasks);
            for (key, (before, after)) in &written {
                if now - before <= SPAN_MS {
                    prop_assert!(held.contains_key(key), "{key} at {now}: {written:?}");
                }
                if now - after > SPAN_MS + 4_000 {
                    prop_assert!(!held.contains_key(key), "{key} at {now}: {written:?}");
                }
            }
        }
    }
}

#[test]
fn values_are_shared_merged_or_kept_by_their_tasks() {
    struct Three {
        own: Value<u32>,
        latest: Value<u32>,
        sum: Value<u32>,
    }
    let make = || Three {
        own: Value::new(0),
        latest: Value::new(0).shared(|one, other| *one.max(other)),
        sum: Value::new(0).merged(|one, other| one + other),
    };
    let keep_all = |three: &mut Three, states: &mut States<'_>| {
        states.keep("own", &mut three.own);
        states.keep("latest", &mut three.latest);
        states.keep("sum", &mut three.sum);
    };
    let keep_some = |three: &mut Three, states: &mut States<'_>| {
        states.keep("latest", &mut three.latest);
        states.keep("sum", &mut three.sum);
    };
    let mut store = Store::new(false);
    let mut tasks = store.load(3, make, keep_all);
    for (number, task) in (1..).zip(&mut tasks) {
        (*task.own, *task.latest, *task.sum) = (number, number * 10, number * 100);
    }
    store.save(&mut tasks, keep_all, at(0), || false);
    let own = |tasks: &[Three]| tasks.iter().map(|task| *task.own).collect::<Vec<_>>();
    let latest = |tasks: &[Three]| tasks.iter().map(|task| *task.latest).collect::<Vec<_>>();
    let sum = |tasks: &[Three]| tasks.iter().map(|task| *task.sum).sum::<u32>();
    let tasks = store.load(3, make, keep_all);
    assert_eq!(own(&tasks), [1, 2, 3]);
    assert_eq!((latest(&tasks), sum(&tasks)), (vec![30; 3], 600));
    for count in [2, 5, 1] {
        let mut tasks = store.load(count, make, keep_some);
        assert_eq!((latest(&tasks), sum(&tasks)), (vec![30; count], 600));
        store.save(&mut tasks, keep_some, at(0), || false);
    }
}

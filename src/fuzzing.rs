//! Decoders that users do not see, each with what must hold for any bytes: for the targets in
//! `fuzz/`. It is compiled for them and for the tests of the library alone.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::bolts::{MergeRankings, Rank, RollingCount};
use crate::connectors::files::{Files, Record};
use crate::error::Result;
use crate::ranking::Word;
use crate::spout::{Splits, Spout};
use crate::state::{Changes, Entry, State, States, StoredUnit, Table, Tables, entries};
use crate::stream::Out;
use crate::text::Text;
use crate::time::{Timestamp, secs};
use crate::{Bolt, KeyedBolt};

pub use crate::depot::fuzzing::block;
pub use crate::durable::fuzzing::{said, stored_value};

/// Positions of files that can be loaded are stored as they were.
///
/// # Panics
/// Where that is not so.
pub fn positions(bytes: &[u8]) {
    let new = || Files::of(Vec::new()).decode(|_: &Record, _: &mut Out<Word>| Ok(()));
    comes_back(new, |spout, states| spout.state(states), bytes);
}

/// The states of ready components that can be loaded are stored as they were; the first byte says
/// which component.
///
/// # Panics
/// Where that is not so.
pub fn states(bytes: &[u8]) {
    let Some((which, bytes)) = bytes.split_first() else {
        return;
    };
    let counts = |count: &mut RollingCount<Text>, states: &mut States<'_>| {
        KeyedBolt::<Word>::state(count, states);
    };
    match which % 8 {
        0 => comes_back(Table::<String, u64>::new, |t, s| s.keep("table", t), bytes),
        1 => {
            let new = || Table::<u32, Text>::new().time_to_live(Duration::from_mins(1));
            comes_back(new, |table, states| states.keep("table", table), bytes);
        }
        2 => {
            let keep = |t: &mut Tables<_, _, _>, s: &mut States<'_>| s.keep("tables", t);
            comes_back(Tables::<i64, Text, (u64, bool)>::new, keep, bytes);
        }
        3 => comes_back(
            || RollingCount::over(secs(60)).every(secs(10)),
            counts,
            bytes,
        ),
        4 => comes_back(RollingCount::over_all, counts, bytes),
        5 => comes_back(|| Rank::<Text>::top(3), Bolt::state, bytes),
        6 => comes_back(|| MergeRankings::<Text>::top(3), Bolt::state, bytes),
        _ => {
            let keep = |splits: &mut Splits, states: &mut States<'_>| states.keep("splits", splits);
            comes_back(|| Splits::new(secs(1)), keep, bytes);
        }
    }
}

/// Each state of a component by itself: where it takes the bytes, it stores what it has taken, and
/// takes that again.
fn comes_back<C>(new: impl Fn() -> C, keep: impl Fn(&mut C, &mut States<'_>), bytes: &[u8]) {
    let mut names = Vec::new();
    let visited = States::visit(
        |name, _| {
            names.push(name.to_owned());
            Ok(())
        },
        |states| keep(&mut new(), states),
    );
    assert!(visited.is_ok());
    for name in names {
        let with_state = |visit: &mut dyn FnMut(&mut dyn State) -> Result| {
            States::visit(
                |found, state| if found == name { visit(state) } else { Ok(()) },
                |states| keep(&mut new(), states),
            )
        };
        let mut stored = BTreeMap::new();
        let image = [bytes.to_vec()];
        let taken = with_state(&mut |state| {
            load(state, &image)?;
            stored = saved(state)?;
            Ok(())
        });
        if taken.is_err() {
            continue;
        }
        let mut again = BTreeMap::new();
        let taken = with_state(&mut |state| {
            for unit in stored.values() {
                load(state, std::slice::from_ref(unit))?;
            }
            state.loaded()?;
            again = saved(state)?;
            Ok(())
        });
        assert!(
            taken.is_ok(),
            "{name} does not take what it stored: {taken:?}"
        );
        assert_eq!(listed(&again), listed(&stored), "{name}");
    }
}

fn load(state: &mut dyn State, image: &[Vec<u8>]) -> Result {
    state.load(&StoredUnit::new(image, false))?;
    state.loaded()
}

/// What a state stores when everything is written, by unit.
fn saved(state: &mut dyn State) -> Result<BTreeMap<usize, Vec<u8>>> {
    let units = if state.shape().by_key { 256 } else { 1 };
    let now = Timestamp::from_millis(0);
    let mut changes = Changes::new(units, now, |_| true, |_| false);
    state.save(&mut changes)?;
    let units = changes.into_units().enumerate();
    Ok(units.filter(|(_, unit)| !unit.is_empty()).collect())
}

/// The entries of units, in an order that does not depend on that of a map.
fn listed(units: &BTreeMap<usize, Vec<u8>>) -> Vec<(usize, String)> {
    let mut listed = Vec::new();
    for (unit, bytes) in units {
        for entry in entries(std::slice::from_ref(bytes)) {
            listed.push((*unit, format!("{:?}", entry.expect("it was stored"))));
        }
    }
    listed.sort();
    listed
}

/// The entries of a stored unit come to an end, and those that can be decoded come back when they
/// are written again. The first byte says where the image ends and changes begin.
///
/// # Panics
/// Where that is not so.
pub fn stored_unit(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    let (image, changes) = bytes.split_at(usize::from(*cut).min(bytes.len()));
    let values = [image.to_vec(), changes.to_vec()];
    assert!(entries(&values).count() <= bytes.len());

    let read = read(&values);
    let written = written(&read).expect("it was decoded");
    let again = self::read(&written);
    assert_eq!(format!("{again:?}"), format!("{read:?}"));
}

type Read = Vec<Entry<i64, String, u64>>;

/// The entries up to the first one that is none.
fn read(values: &[Vec<u8>]) -> Read {
    let mut read = Vec::new();
    let unit = StoredUnit::new(values, false);
    // The error is told to who loads the unit.
    let _ = unit.each(|entry| {
        read.push(entry);
        Ok(())
    });
    read
}

/// Entries without a section begin a value, since within one there is no way out of a section.
fn written(entries: &Read) -> Result<Vec<Vec<u8>>> {
    let new = || Changes::new(1, Timestamp::from_millis(0), |_| false, |_| true);
    let mut values = vec![new()];
    for entry in entries {
        if let Entry::Put(None, ..) | Entry::Delete(None, _) = entry {
            values.push(new());
        }
        let changes = values.last_mut().expect("there is one");
        if let Entry::Put(Some(section), ..) | Entry::Delete(Some(section), _) = entry {
            changes.section(section)?;
        }
        match entry {
            Entry::Put(_, key, value) => changes.put(0, key, value)?,
            Entry::Delete(_, key) => changes.delete(0, key)?,
            Entry::Drop(section) => changes.drop_section(section)?,
        }
    }
    Ok(values.into_iter().flat_map(Changes::into_units).collect())
}

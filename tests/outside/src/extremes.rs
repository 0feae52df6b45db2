//! A keyed bolt whose state is laid out by itself.

use std::collections::{BTreeMap, BTreeSet};

use squall::{
    KeyedBolt, Out, Result, States, Text,
    key::{KeyValue, shard_of},
    state::{AcrossTasks, Changes, Entry, Shape, State, StoredUnit},
};

use crate::{Extreme, Reading};

/// Emits the extremes of a sensor when there are new ones.
#[derive(Default)]
pub struct Extremes {
    seen: Seen,
}

/// The extremes of all sensors, in the order of their names.
#[derive(Default)]
struct Seen {
    extremes: BTreeMap<Text, (i64, i64)>,
    /// Whose extremes have changed since they were saved; none where nobody asks.
    changed: Option<BTreeSet<Text>>,
}

impl State for Seen {
    fn shape(&self) -> Shape {
        Shape {
            kind: "extremes".to_owned(),
            key: "text".to_owned(),
            value: "(i64, i64)".to_owned(),
            by_key: true,
            tasks: AcrossTasks::Merged,
        }
    }

    fn track(&mut self) {
        self.changed = Some(BTreeSet::new());
    }

    fn save(&mut self, changes: &mut Changes) -> Result {
        let changed = self
            .changed
            .as_mut()
            .map(std::mem::take)
            .unwrap_or_default();
        for (sensor, extremes) in &self.extremes {
            let shard = shard_of(sensor.route_hash());
            let unit = changes.unit(u8::try_from(shard)?);
            if changes.is_whole(unit) || changed.contains(sensor) {
                changes.put(unit, sensor, extremes)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, unit: &StoredUnit<'_>) -> Result {
        unit.each(|entry: Entry<(), Text, (i64, i64)>| {
            if let Entry::Put(_, sensor, extremes) = entry {
                self.extremes.insert(sensor, extremes);
            }
            Ok(())
        })
    }
}

impl KeyedBolt<Reading> for Extremes {
    type Key = Text;
    type Output = Extreme;

    fn execute(&mut self, sensor: &Text, reading: &Reading, out: &mut Out<Extreme>) -> Result {
        let value = reading.value;
        let before = self.seen.extremes.get(sensor).copied();
        let (least, most) = before.map_or((value, value), |(least, most)| {
            (least.min(value), most.max(value))
        });
        if before != Some((least, most)) {
            self.seen.extremes.insert(sensor.clone(), (least, most));
            if let Some(changed) = &mut self.seen.changed {
                changed.insert(sensor.clone());
            }
            out.emit(Extreme {
                sensor: sensor.clone(),
                least,
                most,
            });
        }
        Ok(())
    }

    fn waits(&self) -> bool {
        false
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("extremes", &mut self.seen);
    }
}

//! What is stored of one component, without a store.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::state::{Changes, Ledger, State, States, StoredUnit};
use crate::time::Timestamp;

/// What is stored of a task, by the names of its states.
#[derive(Clone, Default)]
pub(super) struct Stored(BTreeMap<String, Vec<Vec<u8>>>);

/// Stores of a task what has changed since it was stored last; in a new life all of it.
#[derive(Default)]
pub(super) struct Saving(BTreeMap<String, Ledger>);

/// Who is to be told when what was stored is on disk.
pub(super) type Told = Vec<Box<dyn FnOnce() + Send>>;

/// Loads what all tasks have stored into a new one.
pub(super) fn load(stored: &[Stored], declare: impl FnOnce(&mut States<'_>)) -> Result {
    let load = |name: &str, state: &mut dyn State| {
        let values = stored.iter().filter_map(|task| task.0.get(name));
        for (number, values) in values.enumerate() {
            state.load(&StoredUnit::new(values, number > 0))?;
        }
        state.loaded()?;
        state.track();
        Ok(())
    };
    States::visit(load, declare)
}

impl Saving {
    /// What is stored of the task when what has changed is stored too.
    pub(super) fn save(
        &mut self,
        before: &Stored,
        declare: impl FnOnce(&mut States<'_>),
    ) -> Result<(Stored, Told)> {
        let (mut states, mut told) = (before.0.clone(), Told::new());
        let save = |name: &str, state: &mut dyn State| {
            let ledger = self.0.entry(name.to_owned()).or_insert_with(|| {
                let mut ledger = Ledger::new(1);
                ledger.store_anew();
                ledger
            });
            let whole = ledger.whole()[0];
            let stored = ledger.is_stored(0);
            let time = Timestamp::from_millis(0);
            let mut changes = Changes::new(1, time, |_| whole, |_| stored);
            state.save(&mut changes)?;
            told.append(&mut changes.take_committed());
            let values = states.entry(name.to_owned()).or_default();
            if whole {
                values.clear();
            }
            for bytes in changes.into_units() {
                // By its place: what is kept here has no epochs.
                ledger.saved(0, whole, values.len() as u64, bytes.len());
                values.push(bytes);
            }
            Ok(())
        };
        States::visit(save, declare)?;
        Ok((Stored(states), told))
    }
}

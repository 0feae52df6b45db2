//! A key that counts what is done with it: time that grows with the square shows in it without a
//! clock.

use std::cell::Cell;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use crate::key::KeyValue;

thread_local! {
    static STEPS: Cell<usize> = const { Cell::new(0) };
}

/// How often keys were compared, hashed or copied on this thread while `work` ran.
pub(in crate::bolts) fn steps<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = STEPS.with(Cell::get);
    let result = work();
    (result, STEPS.with(Cell::get) - before)
}

fn step() {
    STEPS.with(|steps| steps.set(steps.get() + 1));
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::bolts) struct Counted(pub u32);

impl Clone for Counted {
    fn clone(&self) -> Self {
        step();
        Self(self.0)
    }
}

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        step();
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        step();
        self.0.hash(state);
    }
}

impl KeyValue for Counted {
    fn route_hash(&self) -> u64 {
        self.0.route_hash()
    }
}

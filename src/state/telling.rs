//! A state that tells others when it is on disk.

use super::{Changes, Shape, State, StoredUnit};
use crate::error::Result;
use crate::time::Timestamp;

/// A state, and what gives who is to be told; see
/// [`States::keep_and_tell`](super::States::keep_and_tell).
pub(super) struct Telling<'s, S, F> {
    pub(super) state: &'s mut S,
    pub(super) told: F,
}

impl<S, F, T> State for Telling<'_, S, F>
where
    S: State,
    F: FnMut(&S) -> T + Send,
    T: FnOnce() + Send + 'static,
{
    fn shape(&self) -> Shape {
        self.state.shape()
    }

    fn track(&mut self) {
        self.state.track();
    }

    fn save(&mut self, changes: &mut Changes) -> Result {
        self.state.save(changes)?;
        changes.when_committed((self.told)(self.state));
        Ok(())
    }

    fn load(&mut self, unit: &StoredUnit<'_>) -> Result {
        self.state.load(unit)
    }

    fn loaded(&mut self) -> Result {
        self.state.loaded()
    }

    fn expire(&mut self, now: Timestamp) {
        self.state.expire(now);
    }
}

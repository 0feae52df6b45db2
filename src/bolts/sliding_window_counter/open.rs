//! The slots of a counter that are not closed.

use std::collections::BTreeMap;

use super::slot::Counts;

/// A slot that is not closed.
#[derive(Debug)]
pub(super) struct Open<S> {
    pub(super) slot: S,
    pub(super) counts: Counts,
    /// Something may be marked as changed: it was counted in since the last save.
    pub(super) unsaved: bool,
    /// Something of it may be stored.
    pub(super) stored: bool,
}

/// The open slots. Where events are far out of order there are many, so that they are found by
/// their order; the one that was used last is found without it.
#[derive(Debug)]
pub(super) struct OpenSlots<S> {
    /// In no order.
    slots: Vec<Open<S>>,
    /// Where in `slots` each of them is.
    positions: BTreeMap<S, usize>,
    /// The position of the one that was used last; beyond the end where there is none.
    latest: usize,
}

impl<S: Clone + Ord> OpenSlots<S> {
    pub(super) fn new() -> Self {
        Self {
            slots: Vec::new(),
            positions: BTreeMap::new(),
            latest: usize::MAX,
        }
    }

    /// Makes a slot the latest one; `counts` gives the counts of one that was not open.
    #[inline]
    pub(super) fn find(&mut self, slot: &S, counts: impl FnOnce() -> Counts) {
        let at = self.slots.get(self.latest);
        if at.is_none_or(|latest| latest.slot != *slot) {
            self.look_for(slot, counts);
        }
    }

    #[cold]
    fn look_for(&mut self, slot: &S, counts: impl FnOnce() -> Counts) {
        let end = self.slots.len();
        self.latest = *self.positions.entry(slot.clone()).or_insert(end);
        if self.latest == end {
            self.slots.push(Open {
                slot: slot.clone(),
                counts: counts(),
                unsaved: true,
                stored: false,
            });
        }
        self.slots[self.latest].unsaved = true;
    }

    /// The slot that was found last.
    #[inline]
    pub(super) fn latest(&mut self) -> &mut Open<S> {
        &mut self.slots[self.latest]
    }

    /// The next slot is looked for, and noted to be unsaved, even where it is the latest one.
    pub(super) fn forget_latest(&mut self) {
        self.latest = usize::MAX;
    }

    /// The least slot.
    pub(super) fn first(&self) -> Option<S> {
        self.positions.keys().next().cloned()
    }

    pub(super) fn remove(&mut self, slot: &S) -> Option<Open<S>> {
        let position = self.positions.remove(slot)?;
        self.forget_latest();
        let open = self.slots.swap_remove(position);
        if let Some(moved) = self.slots.get(position) {
            self.positions.insert(moved.slot.clone(), position);
        }
        Some(open)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// In ascending order.
    pub(super) fn numbers(&self) -> impl Iterator<Item = S> {
        self.positions.keys().cloned()
    }

    /// In no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Open<S>> {
        self.slots.iter()
    }

    /// In no order.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Open<S>> {
        self.slots.iter_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bolts::tests::steps::{Counted, steps};

    /// Open slots were once searched from one end to the other: 40,000 of them took nine times as
    /// long as 10,000.
    #[test]
    fn a_slot_is_found_in_few_steps_however_many_are_open() {
        let of = |slots: u32| {
            let mut open = OpenSlots::new();
            // Out of order: neighbours come far from each other.
            for n in (0..slots).chain(0..slots) {
                let slot = n * 7_919 % slots;
                open.find(&Counted(slot), Counts::default);
                open.latest().counts.add(n, 1, 1);
                assert_eq!(open.latest().slot.0, slot);
            }
            assert_eq!(open.len(), slots as usize);
            for slot in 0..slots {
                assert_eq!(open.first().map(|first| first.0), Some(slot));
                assert_eq!(open.remove(&Counted(slot)).unwrap().slot.0, slot);
            }
            assert!(open.first().is_none() && open.remove(&Counted(0)).is_none());
        };
        let each = |slots: u32| steps(|| of(slots)).1 / slots as usize;
        let (few, many) = (each(1_000), each(32_000));
        assert!(many < few * 3, "{few} and {many} steps a slot");
    }
}

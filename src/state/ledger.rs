//! How much is stored of each unit, and which units are due for a new image.

/// A unit gets a new image when its changes outweigh the latest image so many times: of
/// what is written one part in three is images then, and a recovery reads at most about
/// three times what the state holds.
const CHANGES_PER_IMAGE: usize = 2;

/// Units with less than this many bytes of changes are left alone.
const MIN_CHANGES: usize = 512;

/// What one stored change takes beside its bytes: its key, and its epoch in the ledger. Counted, so
/// that many changes of a few bytes are not kept and read one by one for ever.
const BYTES_PER_CHANGE: usize = 64;

/// Of the units at most one in so many is written whole at a commit, so that no commit
/// takes much longer than the others.
const SHARE: usize = 8;

/// What is stored of one state in the units of one task.
pub(crate) struct Ledger {
    units: Vec<Stored>,
    /// Everything is to be stored anew: the units are not those that are stored.
    anew: bool,
}

#[derive(Clone, Default)]
struct Stored {
    /// Bytes of the image.
    image: usize,
    /// Bytes of all changes since, with what each takes beside them.
    changes: usize,
    /// The epochs that image and changes are stored under, in their order: a new image replaces
    /// these entries and no others.
    epochs: Vec<u64>,
}

impl Ledger {
    /// Nothing is stored.
    pub(crate) fn new(units: usize) -> Self {
        Self {
            units: vec![Stored::default(); units],
            anew: false,
        }
    }

    /// This is stored of a unit, in the order of the epochs: the epoch and the bytes of its image, and
    /// those of all changes.
    pub(crate) fn loaded(&mut self, unit: usize, stored: impl IntoIterator<Item = (u64, usize)>) {
        self.units[unit] = Stored::default();
        for (epoch, bytes) in stored {
            self.saved(unit, false, epoch, bytes);
        }
    }

    /// The next commit replaces all that is stored.
    pub(crate) fn store_anew(&mut self) {
        self.anew = true;
        self.units.fill(Stored::default());
    }

    pub(crate) fn units(&self) -> usize {
        self.units.len()
    }

    pub(crate) fn is_stored(&self, unit: usize) -> bool {
        !self.units[unit].epochs.is_empty()
    }

    /// For each unit, whether the next commit writes it whole.
    pub(crate) fn whole(&mut self) -> Vec<bool> {
        if std::mem::take(&mut self.anew) {
            return vec![true; self.units.len()];
        }
        let excess = |stored: &Stored| {
            stored
                .changes
                .saturating_sub(stored.image.saturating_mul(CHANGES_PER_IMAGE))
        };
        let mut due: Vec<usize> = (0..self.units.len())
            .filter(|unit| {
                self.units[*unit].changes >= MIN_CHANGES && excess(&self.units[*unit]) > 0
            })
            .collect();
        due.sort_by_key(|unit| std::cmp::Reverse(excess(&self.units[*unit])));
        due.truncate(self.units.len().div_ceil(SHARE));
        let mut whole = vec![false; self.units.len()];
        for unit in due {
            whole[unit] = true;
        }
        whole
    }

    /// So many bytes of a unit are about to be stored under an epoch. Where nothing was, they are all
    /// that it holds. Gives the epochs whose entries they replace.
    pub(crate) fn saved(&mut self, unit: usize, whole: bool, epoch: u64, bytes: usize) -> Vec<u64> {
        let whole = whole || !self.is_stored(unit);
        let stored = &mut self.units[unit];
        let mut replaced = Vec::new();
        if whole {
            replaced = std::mem::take(&mut stored.epochs);
            (stored.image, stored.changes) = (bytes, 0);
        } else {
            stored.changes += bytes + BYTES_PER_CHANGE;
        }
        if bytes > 0 {
            stored.epochs.push(epoch);
        }
        replaced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_gets_an_image_when_its_changes_outweigh_the_last_one() {
        let mut ledger = Ledger::new(1);
        assert_eq!(ledger.whole(), [false]);
        ledger.saved(0, false, 1, 1_000);
        assert_eq!(
            ledger.whole(),
            [false],
            "the first changes are all there is"
        );
        ledger.saved(0, false, 2, 2_001 - BYTES_PER_CHANGE);
        assert_eq!(ledger.whole(), [true]);
        assert_eq!(ledger.saved(0, true, 3, 900), [1, 2]);
        ledger.saved(0, false, 4, 1_800 - 2 * BYTES_PER_CHANGE);
        assert_eq!(ledger.whole(), [false]);
        ledger.saved(0, false, 5, 1);
        assert_eq!(ledger.whole(), [true]);
        assert_eq!(ledger.saved(0, true, 6, 0), [3, 4, 5]);
        assert!(!ledger.is_stored(0), "an empty image is not stored");
    }

    /// A counter that changes by a few bytes a commit has kept as many entries as its unit has bytes.
    #[test]
    fn many_small_changes_of_a_large_unit_are_bounded() {
        let mut ledger = Ledger::new(1);
        ledger.saved(0, true, 1, 1 << 20);
        let entries = (2..).take_while(|epoch| {
            ledger.saved(0, false, *epoch, 8);
            !ledger.whole()[0]
        });
        assert!(entries.count() < (2 << 20) / BYTES_PER_CHANGE);
    }

    #[test]
    fn images_are_spread_over_the_commits_and_all_units_get_theirs() {
        let mut ledger = Ledger::new(256);
        for unit in 0..256 {
            ledger.saved(unit, false, 1, 1_000);
            ledger.saved(unit, false, 2, 10_000 + unit);
        }
        for _ in 0..8 {
            let whole = ledger.whole();
            let due: Vec<usize> = (0..256).filter(|unit| whole[*unit]).collect();
            assert_eq!(due.len(), 32);
            for unit in due {
                ledger.saved(unit, true, 3, 10_000);
            }
        }
        assert!(ledger.whole().iter().all(|whole| !whole));
    }
}

//! How much is stored of each unit, and which units are due for a new image.

/// A unit gets a new image when its changes outweigh the latest image so many times: of
/// what is written one part in three is images then, and a recovery reads at most about
/// three times what the state holds.
const CHANGES_PER_IMAGE: usize = 2;

/// Units with less than this many bytes of changes are left alone.
const MIN_CHANGES: usize = 512;

/// Of the units at most one in so many is written whole at a commit, so that no commit
/// takes much longer than the others.
const SHARE: usize = 8;

/// What is stored of one state in the units of one task.
pub(crate) struct Ledger {
    units: Vec<Sizes>,
    /// Everything is to be stored anew: the units are not those that are stored.
    anew: bool,
}

#[derive(Clone, Copy, Default)]
struct Sizes {
    image: usize,
    changes: usize,
}

impl Ledger {
    /// Nothing is stored.
    pub(crate) fn new(units: usize) -> Self {
        Self {
            units: vec![Sizes::default(); units],
            anew: false,
        }
    }

    /// This is stored of a unit: the bytes of its image, and of all changes.
    pub(crate) fn loaded(&mut self, unit: usize, image: usize, changes: usize) {
        self.units[unit] = Sizes { image, changes };
    }

    /// The next commit replaces all that is stored.
    pub(crate) fn store_anew(&mut self) {
        self.anew = true;
        self.units.fill(Sizes::default());
    }

    pub(crate) fn units(&self) -> usize {
        self.units.len()
    }

    pub(crate) fn is_stored(&self, unit: usize) -> bool {
        self.units[unit].image + self.units[unit].changes > 0
    }

    /// For each unit, whether the next commit writes it whole.
    pub(crate) fn whole(&mut self) -> Vec<bool> {
        if std::mem::take(&mut self.anew) {
            return vec![true; self.units.len()];
        }
        let excess = |sizes: &Sizes| {
            sizes
                .changes
                .saturating_sub(sizes.image.saturating_mul(CHANGES_PER_IMAGE))
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

    /// So many bytes of a unit are about to be stored. Where nothing was, they are all that it
    /// holds.
    pub(crate) fn saved(&mut self, unit: usize, whole: bool, bytes: usize) {
        let whole = whole || !self.is_stored(unit);
        let sizes = &mut self.units[unit];
        if whole {
            *sizes = Sizes {
                image: bytes,
                changes: 0,
            };
        } else {
            sizes.changes += bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_gets_an_image_when_its_changes_outweigh_the_last_one() {
        let mut ledger = Ledger::new(1);
        assert_eq!(ledger.whole(), [false]);
        ledger.saved(0, false, 1_000);
        assert_eq!(
            ledger.whole(),
            [false],
            "the first changes are all there is"
        );
        ledger.saved(0, false, 2_001);
        assert_eq!(ledger.whole(), [true]);
        ledger.saved(0, true, 900);
        ledger.saved(0, false, 1_800);
        assert_eq!(ledger.whole(), [false]);
        ledger.saved(0, false, 1);
        assert_eq!(ledger.whole(), [true]);
    }

    #[test]
    fn images_are_spread_over_the_commits_and_all_units_get_theirs() {
        let mut ledger = Ledger::new(256);
        for unit in 0..256 {
            ledger.saved(unit, false, 1_000);
            ledger.saved(unit, false, 10_000 + unit);
        }
        for _ in 0..8 {
            let whole = ledger.whole();
            let due: Vec<usize> = (0..256).filter(|unit| whole[*unit]).collect();
            assert_eq!(due.len(), 32);
            for unit in due {
                ledger.saved(unit, true, 10_000);
            }
        }
        assert!(ledger.whole().iter().all(|whole| !whole));
    }
}

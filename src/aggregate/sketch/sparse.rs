//! The entries of a small set.

/// How many of the first bits of a hash an entry has.
const INDEX_BITS: u32 = 25;
/// How many of them number a register.
pub(super) const REGISTER_BITS: u32 = 14;
/// Those between: where they are all zeros, the zeros after them matter too.
const BETWEEN: u32 = (1 << (INDEX_BITS - REGISTER_BITS)) - 1;
/// How many bits of a code the zeros have.
const ZEROS_BITS: u32 = 6;
/// The most zeros after the index, plus one: of the 39 bits after it.
const MAX_ZEROS: u8 = 40;

/// Sets with more entries are dense.
pub(super) const MOST: usize = 2_048;

/// An entry of a hash: its index, and below it how many zeros follow, plus one, where the value of
/// its register depends on them; 0 where not.
#[inline]
pub(super) fn code_of(hash: u64) -> u32 {
    // 25 bits are left.
    #[allow(clippy::cast_possible_truncation)]
    let index = (hash >> (64 - INDEX_BITS)) as u32;
    if index & BETWEEN != 0 {
        return index << ZEROS_BITS;
    }
    // The bit stands for the end of the hash.
    let after = (hash << INDEX_BITS) | (1 << (INDEX_BITS - 1));
    (index << ZEROS_BITS) | (after.leading_zeros() + 1)
}

/// The index of an entry.
#[inline]
pub(super) fn index_of(code: u32) -> u32 {
    code >> ZEROS_BITS
}

/// The zeros of an entry, where they matter.
pub(super) fn zeros_of(code: u32) -> Option<u8> {
    let zeros = code & ((1 << ZEROS_BITS) - 1);
    (zeros > 0).then(|| zeros.to_le_bytes()[0])
}

/// The register of an entry, and the value that it gives it.
#[inline]
pub(super) fn register_of(code: u32) -> (usize, u8) {
    let index = index_of(code);
    let between = index & BETWEEN;
    let value = match zeros_of(code) {
        Some(zeros) => u32::from(zeros) + INDEX_BITS - REGISTER_BITS,
        None => between.leading_zeros() - (32 - (INDEX_BITS - REGISTER_BITS)) + 1,
    };
    let register = index >> (INDEX_BITS - REGISTER_BITS);
    (register as usize, value.to_le_bytes()[0])
}

/// An entry as it is stored: its index, and what follows it.
pub(super) fn code_from(index: u64, bytes: &[u8]) -> Option<(u32, &[u8])> {
    let index = u32::try_from(index)
        .ok()
        .filter(|index| index >> INDEX_BITS == 0)?;
    if index & BETWEEN != 0 {
        return Some((index << ZEROS_BITS, bytes));
    }
    let (zeros, rest) = bytes.split_first()?;
    let valid = (1..=MAX_ZEROS).contains(zeros);
    valid.then_some(((index << ZEROS_BITS) | u32::from(*zeros), rest))
}

/// How many values have so many different indices: `-m * ln(1 - n / m)` with `m = 2^25`, as a
/// series of which the next term is below one part in 2^53 of it. Logarithms are not the same
/// on every machine.
pub(super) fn estimate(entries: usize) -> f64 {
    let places = f64::from(1_u32 << INDEX_BITS);
    let n = count(entries);
    let part = n / places;
    n * (1.0 + part / 2.0 + part * part / 3.0 + part * part * part / 4.0)
}

/// The standard deviation of that as a part of it. Of `n` values about `n^2 / 2m` share an
/// index with another, give or take the root of that number.
pub(super) fn error(entries: usize) -> f64 {
    let places = f64::from(1_u32 << INDEX_BITS);
    let n = count(entries);
    let shared = n * (n - 1.0).max(0.0) / (2.0 * places);
    if n > 0.0 { shared.sqrt() / n } else { 0.0 }
}

fn count(entries: usize) -> f64 {
    f64::from(u32::try_from(entries).unwrap_or(u32::MAX))
}

/// Entries, one for each index.
#[derive(Clone, Debug)]
pub(super) enum Sparse {
    /// Sorted.
    Few { count: u8, codes: [u32; FEW] },
    /// A table by open addressing: each entry in the first free slot from its own on.
    Many { count: u32, slots: Box<[u32]> },
}

/// As many as take no more room than the table.
const FEW: usize = 6;

/// No entry: its index would be too great.
const FREE: u32 = u32::MAX;

/// The least number of slots, which is a power of two as all of them are.
const MIN_SLOTS: usize = 16;

impl Sparse {
    pub(super) const EMPTY: Self = Self::Few {
        count: 0,
        codes: [0; FEW],
    };

    /// Without entries, and with room for so many.
    pub(super) fn with_room(count: usize) -> Self {
        let mut sparse = Self::EMPTY;
        sparse.make_room(count);
        sparse
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few { count, .. } => usize::from(*count),
            Self::Many { count, .. } => *count as usize,
        }
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u32> {
        let slots = match self {
            Self::Few { count, codes } => &codes[..usize::from(*count)],
            Self::Many { slots, .. } => slots,
        };
        slots.iter().copied().filter(|code| *code != FREE)
    }

    /// All of them, in order.
    pub(super) fn sorted(&self) -> Vec<u32> {
        let mut codes: Vec<u32> = Vec::with_capacity(self.len());
        codes.extend(self.iter());
        codes.sort_unstable();
        codes
    }

    /// Takes an entry in; says whether there are too many now.
    #[inline]
    pub(super) fn insert(&mut self, code: u32) -> bool {
        match self {
            Self::Few { count, codes } => {
                let held = &mut codes[..usize::from(*count)];
                let place = held.partition_point(|held| index_of(*held) < index_of(code));
                if let Some(same) = held.get_mut(place)
                    && index_of(*same) == index_of(code)
                {
                    *same = code.max(*same);
                    return false;
                }
                if held.len() == FEW {
                    self.make_room(FEW + 1);
                    return self.insert(code);
                }
                codes.copy_within(place..usize::from(*count), place + 1);
                codes[place] = code;
                *count += 1;
                false
            }
            Self::Many { count, slots } => {
                let place = place_of(slots, code);
                if slots[place] != FREE {
                    slots[place] = code.max(slots[place]);
                    return false;
                }
                slots[place] = code;
                *count += 1;
                let count = *count as usize;
                if slots_for(count + 1) > slots.len() {
                    self.make_room(count + 1);
                }
                count > MOST
            }
        }
    }

    /// Whether taking an entry in would change nothing.
    #[inline]
    pub(super) fn has(&self, code: u32) -> bool {
        let same = |held: u32| index_of(held) == index_of(code) && held >= code;
        match self {
            Self::Few { count, codes } => codes[..usize::from(*count)].iter().any(|at| same(*at)),
            Self::Many { slots, .. } => {
                let held = slots[place_of(slots, code)];
                held != FREE && same(held)
            }
        }
    }

    /// Takes in those of another one; says whether there are too many now.
    pub(super) fn merge(&mut self, other: &Self) -> bool {
        // In the order of a larger table one would fill a smaller one from its beginning.
        self.make_room(other.len());
        let mut too_many = false;
        for code in other.iter() {
            too_many |= self.insert(code);
        }
        too_many
    }

    /// Makes the table larger, where it is too small for so many entries.
    #[cold]
    fn make_room(&mut self, count: usize) {
        let wanted = slots_for(count);
        let has = match self {
            Self::Few { .. } if count <= FEW => return,
            Self::Few { .. } => 0,
            Self::Many { slots, .. } => slots.len(),
        };
        if wanted <= has {
            return;
        }
        let mut slots = vec![FREE; wanted].into_boxed_slice();
        for code in self.iter() {
            let place = place_of(&slots, code);
            slots[place] = code;
        }
        // There are at most as many as slots, which are few thousands.
        let count = u32::try_from(self.len()).unwrap_or(u32::MAX);
        *self = Self::Many { count, slots };
    }
}

/// How many slots so many entries need: three of four are taken at most.
#[inline]
fn slots_for(count: usize) -> usize {
    (count + count / 3 + 1).next_power_of_two().max(MIN_SLOTS)
}

/// The slot of an entry of this index, or the free one where it belongs.
#[inline]
fn place_of(slots: &[u32], code: u32) -> usize {
    // Fibonacci hashing (Knuth, "The Art of Computer Programming", volume 3, 6.4).
    let hash = index_of(code).wrapping_mul(0x9e37_79b1);
    let mut place = (hash >> (32 - slots.len().trailing_zeros())) as usize;
    while slots[place] != FREE && index_of(slots[place]) != index_of(code) {
        place = (place + 1) & (slots.len() - 1);
    }
    place
}

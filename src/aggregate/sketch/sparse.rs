//! The entries of a small set.

use std::borrow::Cow;

/// How many of the first bits of a hash an entry has.
const INDEX_BITS: u32 = 25;
/// How many of them number a register.
pub(super) const REGISTER_BITS: u32 = 14;
/// Those between: where they are all zeros, the zeros after them matter too.
const BETWEEN: u32 = (1 << (INDEX_BITS - REGISTER_BITS)) - 1;
/// How many bits of a code the zeros have.
const ZEROS_BITS: u32 = 6;
/// The most zeros after the index, plus one: of the 39 bits after it.
const MOST_ZEROS: u8 = 40;

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
    let valid = (1..=MOST_ZEROS).contains(zeros);
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
    /// At most [`MOST`]. Sorted up to `sorted`, and from there as they came: at most [`tail_of`]
    /// of them, some perhaps of an index that is there already.
    Many { sorted: u32, codes: Vec<u32> },
}

/// As many as take no more room than the list.
const FEW: usize = 6;

/// How many entries may be unsorted: the more, the more seldom they are merged, and the more
/// memory they take.
fn tail_of(sorted: usize) -> usize {
    (sorted / 4).max(32)
}

impl Sparse {
    pub(super) const EMPTY: Self = Self::Few {
        count: 0,
        codes: [0; FEW],
    };

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Few { count: 0, .. })
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
                if held.len() < FEW {
                    codes.copy_within(place..usize::from(*count), place + 1);
                    codes[place] = code;
                    *count += 1;
                    return false;
                }
                self.spill(code);
                false
            }
            Self::Many { sorted, codes } => {
                // A full list is not sorted anew for what it holds.
                if codes.len() >= MOST && holds(&codes[..*sorted as usize], code) {
                    return false;
                }
                codes.push(code);
                let tail = codes.len() - *sorted as usize;
                // What it holds decides the form, and not how much of it came twice.
                if tail <= tail_of(*sorted as usize) && codes.len() <= MOST {
                    return false;
                }
                self.sort();
                self.is_too_many()
            }
        }
    }

    /// Takes in entries that are sorted and more than any of before, as `insert` would.
    pub(super) fn push(&mut self, code: u32) -> bool {
        match self {
            Self::Few { .. } => self.insert(code),
            Self::Many { sorted, codes } => {
                if codes.len() >= MOST {
                    return true;
                }
                codes.push(code);
                *sorted = count_of(codes);
                false
            }
        }
    }

    /// Takes in several, which are sorted.
    pub(super) fn insert_all(&mut self, others: &[u32]) -> bool {
        if others.len() <= FEW {
            // Each of them may be the one too many, and those after it come in too.
            let mut too_many = false;
            for code in others {
                too_many |= self.insert(*code);
            }
            return too_many;
        }
        let mut codes = match std::mem::replace(self, Self::EMPTY) {
            Self::Few { count, codes } => codes[..usize::from(count)].to_vec(),
            Self::Many { codes, .. } => codes,
        };
        codes.extend_from_slice(others);
        *self = Self::Many { sorted: 0, codes };
        self.sort();
        self.is_too_many()
    }

    /// Goes on as a list.
    #[cold]
    fn spill(&mut self, code: u32) {
        if let Self::Few { codes, .. } = self {
            let mut codes = codes.to_vec();
            let sorted = count_of(&codes);
            codes.push(code);
            *self = Self::Many { sorted, codes };
        }
    }

    fn is_too_many(&self) -> bool {
        matches!(self, Self::Many { codes, .. } if codes.len() > MOST)
    }

    #[inline(never)]
    fn sort(&mut self) {
        if let Self::Many { sorted, codes } = self {
            sort(*sorted as usize, codes);
            *sorted = count_of(codes);
        }
    }

    /// All of them in order.
    pub(super) fn sorted(&self) -> Cow<'_, [u32]> {
        match self {
            Self::Few { count, codes } => Cow::Borrowed(&codes[..usize::from(*count)]),
            Self::Many { sorted, codes } if *sorted as usize == codes.len() => Cow::Borrowed(codes),
            Self::Many { sorted, codes } => {
                let mut codes = codes.clone();
                sort(*sorted as usize, &mut codes);
                Cow::Owned(codes)
            }
        }
    }
}

/// Whether sorted codes hold one of this index with as many zeros.
fn holds(sorted: &[u32], code: u32) -> bool {
    let place = sorted.partition_point(|held| *held < code);
    sorted
        .get(place)
        .is_some_and(|held| index_of(*held) == index_of(code))
}

/// Lists of codes are never longer than twice [`MOST`].
fn count_of(codes: &[u32]) -> u32 {
    u32::try_from(codes.len()).unwrap_or(u32::MAX)
}

/// Sorts codes of which so many are sorted, and keeps of each index the one with most zeros.
fn sort(sorted: usize, codes: &mut Vec<u32>) {
    codes[sorted..].sort_unstable();
    // The stable sort finds the two parts and merges them.
    #[allow(clippy::stable_sort_primitive)]
    codes.sort();
    codes.dedup_by(|next, kept| {
        let same = index_of(*next) == index_of(*kept);
        if same {
            *kept = *next;
        }
        same
    });
}

//! The registers of a large set.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use hyperloglogplus::{HyperLogLog, HyperLogLogPlus};

use super::sparse::{REGISTER_BITS, register_of};

const REGISTERS: usize = 1 << REGISTER_BITS;

/// How many bytes the registers are stored in.
pub(super) const PACKED: usize = REGISTERS * 6 / 8;

/// The most zeros after the number of the register, plus one: of the 50 bits after it.
const MOST: u8 = 51;

/// The standard error of so many registers: `1.04 / sqrt(2^14)`.
pub(super) const ERROR: f64 = 1.04 / 128.0;

/// For each of the first bits of a hash the most zeros that followed them, plus one. A byte
/// each: they are changed more often than stored.
#[derive(Clone, PartialEq)]
pub(super) struct Registers([u8; REGISTERS]);

impl Registers {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self([0; REGISTERS]))
    }

    #[inline]
    pub(super) fn insert(&mut self, hash: u64) {
        let (register, value) = of_hash(hash);
        self.raise(register, value);
    }

    /// Whether taking a hash in would change nothing.
    #[inline]
    pub(super) fn has(&self, hash: u64) -> bool {
        let (register, value) = of_hash(hash);
        self.0[register] >= value
    }

    pub(super) fn insert_code(&mut self, code: u32) {
        let (register, value) = register_of(code);
        self.raise(register, value);
    }

    #[inline]
    fn raise(&mut self, register: usize, value: u8) {
        let held = &mut self.0[register];
        *held = value.max(*held);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (held, value) in self.0.iter_mut().zip(&other.0) {
            *held = (*held).max(*value);
        }
    }

    pub(super) fn pack(&self, into: &mut Vec<u8>) {
        let (fours, _) = self.0.as_chunks::<4>();
        for &[a, b, c, d] in fours {
            into.extend([a | (b << 6), (b >> 2) | (c << 4), (c >> 4) | (d << 2)]);
        }
    }

    pub(super) fn unpack(packed: &[u8]) -> Option<Box<Self>> {
        if packed.len() != PACKED {
            return None;
        }
        let mut registers = Self::new();
        let (fours, _) = registers.0.as_chunks_mut::<4>();
        let (threes, _) = packed.as_chunks::<3>();
        for (four, &[a, b, c]) in fours.iter_mut().zip(threes) {
            let values = [a, (a >> 6) | (b << 2), (b >> 4) | (c << 4), c >> 2];
            *four = values.map(|value| value & 0x3f);
        }
        registers
            .0
            .iter()
            .all(|value| *value <= MOST)
            .then_some(registers)
    }

    /// By the crate, which takes hashes and not registers: for each register that holds
    /// something it is given a hash that makes one of it. Only how many registers hold which
    /// value matters, so they are given in the order of their values.
    pub(super) fn estimate(&self) -> f64 {
        let mut held = [0_u32; 1 + MOST as usize];
        for value in &self.0 {
            held[usize::from(*value)] += 1;
        }
        let taken = REGISTERS - held[0] as usize;
        if taken < FILLED {
            // Not of values: more than 2,048 hashes have 14 bits in common. Linear counting is
            // what the crate does of so few.
            let (places, taken) = (count(REGISTERS), count(taken));
            return -places * (-taken / places).ln_1p();
        }
        let mut sketch = filled().clone();
        let mut register = 0_u64;
        for (value, count) in (1_u32..).zip(&held[1..]) {
            for _ in 0..*count {
                sketch.insert(&hash_of(register, value));
                register += 1;
            }
        }
        sketch.count()
    }
}

fn count(registers: usize) -> f64 {
    f64::from(u32::try_from(registers).unwrap_or(u32::MAX))
}

/// A hash of this register that gives it this value.
fn hash_of(register: u64, value: u32) -> u64 {
    let after = (1_u64 << (64 - REGISTER_BITS)) >> value;
    (register << (64 - REGISTER_BITS)) | after
}

/// A sketch of the crate that takes hashes as they are.
type ByHash = HyperLogLogPlus<u64, AsItIs>;

/// How many registers of the crate's sketch are taken before it is used.
const FILLED: usize = 13;

/// A sketch of the crate with the value 1 in its first registers. It begins as a list, whose
/// estimate would be another one, and has registers from 13,108 bytes on: each of these registers
/// fills 1,024 of them, since as many entries give it the value 1, each a byte from the next.
fn filled() -> &'static ByHash {
    static FILLED_ONE: OnceLock<ByHash> = OnceLock::new();
    FILLED_ONE.get_or_init(|| {
        // Refused only for another precision than 4 to 18.
        let mut sketch = ByHash::new(14, AsItIs).expect("14 is between 4 and 18");
        for register in 0..FILLED as u64 {
            for entry in 0..1_024 {
                sketch.insert(&(hash_of(register, 1) | entry << 39));
            }
        }
        sketch
    })
}

/// Hashes a number as itself.
#[derive(Clone)]
pub(super) struct AsItIs;

impl BuildHasher for AsItIs {
    type Hasher = Itself;

    fn build_hasher(&self) -> Itself {
        Itself(0)
    }
}

pub(super) struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// The register of a hash, and the value that it gives it.
#[inline]
fn of_hash(hash: u64) -> (usize, u8) {
    // 14 bits are left.
    #[allow(clippy::cast_possible_truncation)]
    let register = (hash >> (64 - REGISTER_BITS)) as usize;
    // The bit stands for the end of the hash.
    let after = (hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1));
    (register, after.leading_zeros().to_le_bytes()[0] + 1)
}

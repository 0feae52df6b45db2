//! A sketch of a set, of which its size can be estimated.

mod dense;
mod sparse;

use std::fmt;

use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::varint::{push_varint, take_varint};
use dense::{PACKED, Registers};
use sparse::Sparse;

/// A set of values by their hashes, of which the size can be estimated, in at most 16 KiB and
/// mostly less than 100 bytes. The values cannot be read out of it.
///
/// `HyperLogLog++` with 2^14 registers (Heule, Nunkesser and Hall, "`HyperLogLog` in practice",
/// EDBT 2013). Up to 2,048 different 25-bit prefixes of hashes it is a list of these, and its
/// estimate exact but for prefixes that two values share: of 1,000 values one is lost in a set of
/// 67, of 2,000 in one of 17. Larger ones are right to 0.8 % (one standard deviation).
///
/// Sketches of equal sets are equal, and so are their bytes: in whatever order hashes came, how
/// often, and however sketches were merged. Merging is the union of the sets.
///
/// ```
/// use squall::aggregate::Sketch;
///
/// let (mut monday, mut tuesday) = (Sketch::new(), Sketch::new());
/// for user in ["ann", "bob"] {
///     monday.insert_hash(Sketch::hash(user.as_bytes()));
/// }
/// for user in ["bob", "cy"] {
///     tuesday.insert_hash(Sketch::hash(user.as_bytes()));
/// }
/// tuesday.merge(&monday);
/// assert_eq!(tuesday.estimate().round(), 3.0);
/// assert_eq!(Sketch::from_bytes(&tuesday.to_bytes()).unwrap(), tuesday);
/// ```
///
/// # The stored form
///
/// The first byte is 1, the number of this format. The second says how the rest is read:
///
/// - 0, a list: how many entries there are, and then the entries in ascending order. An entry is
///   the first 25 bits of a hash as the difference from those of the entry before it (from 0 at
///   first), and where the last eleven of these bits are zeros, one byte more: how many zeros
///   follow them in the hash, plus one, up to 40; of several hashes the greatest. Numbers are
///   LEB128: seven bits a byte, the lowest first.
/// - 1, registers: 16,384 of six bits, four in three bytes, the first one in the lowest bits of
///   the first byte: 12,288 bytes. The register's number is the first 14 bits of a hash; its
///   value is how many zeros follow them, plus one, of several hashes the greatest, and 0 where
///   there is none.
///
/// A set with up to 2,048 entries is a list, and one with more is registers.
#[derive(Clone)]
pub struct Sketch(Form);

/// How it is held. Small ones are in place: most sets of a cube have a few values.
#[derive(Clone)]
enum Form {
    Sparse(Sparse),
    Dense(Box<Registers>),
}

/// Bytes that are no sketch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes are not a sketch of distinct values: {why}")]
pub struct NoSketch {
    bytes: usize,
    why: &'static str,
}

/// The seed of the hash of values: "distinct" in ASCII. Another one than that of routing, by
/// which the hashes of a task's keys begin with the same bits.
const SEED: u64 = 0x6469_7374_696e_6374;

/// The number of the stored form.
const FORMAT: u8 = 1;

const LIST: u8 = 0;
const REGISTERS: u8 = 1;

impl Default for Sketch {
    fn default() -> Self {
        Self::new()
    }
}

impl Sketch {
    /// Of the empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Form::Sparse(Sparse::EMPTY))
    }

    /// The hash by which values are told apart, of the bytes of their text: XXH3 (64 bits) with
    /// the seed `0x6469_7374_696e_6374`.
    ///
    /// ```
    /// # use squall::aggregate::Sketch;
    /// assert_eq!(Sketch::hash(b"storm"), 0xe3da_b769_cb32_bafc);
    /// ```
    #[inline]
    #[must_use]
    pub fn hash(text: &[u8]) -> u64 {
        xxh3_64_with_seed(text, SEED)
    }

    /// Puts a value in, by its [hash](Sketch::hash).
    #[inline]
    pub fn insert_hash(&mut self, hash: u64) {
        match &mut self.0 {
            Form::Sparse(codes) => {
                if codes.insert(sparse::code_of(hash)) {
                    self.grow();
                }
            }
            Form::Dense(registers) => registers.insert(hash),
        }
    }

    /// Whether [putting](Sketch::insert_hash) this hash in would change nothing: it was put in, or
    /// others that stand for it.
    ///
    /// ```
    /// # use squall::aggregate::Sketch;
    /// let mut sketch = Sketch::new();
    /// let storm = Sketch::hash(b"storm");
    /// assert!(!sketch.has_hash(storm));
    /// sketch.insert_hash(storm);
    /// assert!(sketch.has_hash(storm));
    /// ```
    #[inline]
    #[must_use]
    pub fn has_hash(&self, hash: u64) -> bool {
        match &self.0 {
            Form::Sparse(codes) => codes.has(sparse::code_of(hash)),
            Form::Dense(registers) => registers.has(hash),
        }
    }

    /// Becomes dense where there are too many entries for a list.
    #[cold]
    fn grow(&mut self) {
        if let Form::Sparse(codes) = &self.0 {
            let mut registers = Registers::new();
            for code in codes.iter() {
                registers.insert_code(code);
            }
            self.0 = Form::Dense(registers);
        }
    }

    /// Puts in what another one holds.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.0, &other.0) {
            (Form::Sparse(codes), Form::Sparse(others)) => {
                if codes.merge(others) {
                    self.grow();
                }
            }
            (Form::Dense(registers), Form::Sparse(others)) => {
                for code in others.iter() {
                    registers.insert_code(code);
                }
            }
            (Form::Sparse(codes), Form::Dense(others)) => {
                let mut registers = others.clone();
                for code in codes.iter() {
                    registers.insert_code(code);
                }
                self.0 = Form::Dense(registers);
            }
            (Form::Dense(registers), Form::Dense(others)) => registers.merge(others),
        }
    }

    /// Puts in what the [bytes](Sketch::to_bytes) of another one hold.
    ///
    /// # Errors
    /// Where they are no sketch; nothing was put in then.
    pub fn merge_bytes(&mut self, bytes: &[u8]) -> Result<(), NoSketch> {
        self.merge(&Self::from_bytes(bytes)?);
        Ok(())
    }

    /// Whether nothing was put in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Form::Sparse(codes) => codes.len() == 0,
            Form::Dense(_) => false,
        }
    }

    /// About how many different values were put in.
    ///
    /// Of lists by linear counting (Whang, Vander-Zanden and Taylor, 1990) over 2^25 places, which
    /// rounds to the number of entries; of registers as the paper says, with its correction of
    /// bias.
    #[must_use]
    pub fn estimate(&self) -> f64 {
        match &self.0 {
            Form::Sparse(codes) => sparse::estimate(codes.len()),
            Form::Dense(registers) => registers.estimate(),
        }
    }

    /// The standard deviation of the estimate, as a part of it: of 100 estimates 68 are nearer to
    /// the truth than this, and more than three times as far is one in 370.
    #[must_use]
    pub fn error(&self) -> f64 {
        match &self.0 {
            Form::Sparse(codes) => sparse::error(codes.len()),
            Form::Dense(_) => dense::ERROR,
        }
    }

    /// The stored form, which is described [above](Sketch#the-stored-form).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.0 {
            Form::Sparse(codes) => {
                let codes = codes.sorted();
                let mut bytes = Vec::with_capacity(4 + 4 * codes.len());
                bytes.extend([FORMAT, LIST]);
                push_varint(codes.len() as u64, &mut bytes);
                let mut before = 0;
                for code in codes {
                    let index = sparse::index_of(code);
                    push_varint(u64::from(index - before), &mut bytes);
                    before = index;
                    bytes.extend(sparse::zeros_of(code));
                }
                bytes
            }
            Form::Dense(registers) => {
                let mut bytes = Vec::with_capacity(2 + PACKED);
                bytes.extend([FORMAT, REGISTERS]);
                registers.pack(&mut bytes);
                bytes
            }
        }
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// Where the bytes are none: of another format, cut off, or not as [`Sketch::to_bytes`]
    /// would have written them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoSketch> {
        let no = |why| NoSketch {
            bytes: bytes.len(),
            why,
        };
        match bytes {
            [FORMAT, LIST, list @ ..] => read_list(list).map_err(no),
            [FORMAT, REGISTERS, packed @ ..] => match Registers::unpack(packed) {
                Some(registers) => Ok(Self(Form::Dense(registers))),
                None => Err(no(
                    "its registers are not 12,288 bytes, or hold what no hash gives",
                )),
            },
            [FORMAT, ..] => Err(no("it is neither a list nor registers")),
            _ => Err(no("it does not begin with format 1")),
        }
    }
}

/// The list of a stored form; all of it must be as it would have been written.
fn read_list(mut bytes: &[u8]) -> Result<Sketch, &'static str> {
    const CUT_OFF: &str = "it is cut off";
    let count = take_varint(&mut bytes).ok_or(CUT_OFF)?;
    let most = usize::try_from(count)
        .unwrap_or(usize::MAX)
        .min(sparse::MOST);
    let mut codes = Sparse::with_room(most);
    let mut before = None;
    for _ in 0..count {
        let difference = take_varint(&mut bytes).ok_or(CUT_OFF)?;
        let index = difference.saturating_add(before.unwrap_or(0));
        if before.is_some() && difference == 0 {
            return Err("its entries are not in order");
        }
        before = Some(index);
        let (code, rest) = sparse::code_from(index, bytes).ok_or("an entry is out of range")?;
        bytes = rest;
        if codes.insert(code) {
            return Err("it is a list of more than 2,048 entries");
        }
    }
    if bytes.is_empty() {
        Ok(Sketch(Form::Sparse(codes)))
    } else {
        Err("more follows after its end")
    }
}

impl PartialEq for Sketch {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Form::Sparse(one), Form::Sparse(other)) => {
                one.len() == other.len() && one.sorted() == other.sorted()
            }
            (Form::Dense(one), Form::Dense(other)) => one == other,
            _ => false,
        }
    }
}

impl Eq for Sketch {}

impl fmt::Debug for Sketch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sketch(about {:.0})", self.estimate())
    }
}

impl Serialize for Sketch {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.to_bytes())
    }
}

impl<'de> Deserialize<'de> for Sketch {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Bytes)
    }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Sketch;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a sketch of distinct values")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Sketch, E> {
        Sketch::from_bytes(bytes).map_err(E::custom)
    }

    /// Formats without bytes, such as JSON, have a list of numbers.
    fn visit_seq<A: SeqAccess<'de>>(self, mut numbers: A) -> Result<Sketch, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = numbers.next_element()? {
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}

#[cfg(test)]
mod tests;

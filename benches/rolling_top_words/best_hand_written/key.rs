//! Words as 16 bytes that are compared and hashed as two numbers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use squall::Text;

use crate::words::Words;

/// Up to 15 bytes of a word, filled up with zeros; the last byte is the length plus one. The
/// default is no word at all.
#[derive(Clone, Copy, Default)]
pub struct Key([u64; 2]);

// Two keys that meet in a table are mostly equal: both halves are compared at once.
impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        (self.0[0] ^ other.0[0]) | (self.0[1] ^ other.0[1]) == 0
    }
}

/// The last byte of a word that did not fit: the bytes before it are a number of [`LongWords`].
const LONG: u8 = u8::MAX;

/// For each length the bytes that belong to the word.
const MASKS: [[u64; 2]; 16] = per_length(false);

/// For each length the last byte of the key.
const LENGTHS: [[u64; 2]; 16] = per_length(true);

const fn per_length(last_byte: bool) -> [[u64; 2]; 16] {
    let mut numbers = [[0; 2]; 16];
    let mut length = 0;
    while length < 16 {
        let number: u128 = if last_byte {
            (length as u128 + 1) << 120
        } else {
            (1 << (8 * length)) - 1
        };
        numbers[length] = [number as u64, (number >> 64) as u64];
        length += 1;
    }
    numbers
}

impl Key {
    /// The word at a place of the input, given with the 16 bytes from its start on and its
    /// length.
    #[inline]
    pub fn of(
        words: &Words,
        index: usize,
        block: [u64; 2],
        length: usize,
        long: &LongWords,
    ) -> Self {
        if length > 15 {
            return long.key(words.get(index));
        }
        let (mask, end) = (MASKS[length], LENGTHS[length]);
        Self([block[0] & mask[0], block[1] & mask[1] | end[1]])
    }

    #[inline]
    pub fn is_none(self) -> bool {
        self.0[1] == 0
    }

    /// Both halves of the product of two numbers, each of which depends on 8 bytes.
    #[inline]
    pub fn hash(self) -> u64 {
        let [low, high] = self.0;
        let product =
            u128::from(low ^ 0x9e37_79b9_7f4a_7c15) * u128::from(high ^ 0xd1b5_4a32_d192_ed03);
        product as u64 ^ (product >> 64) as u64
    }

    /// The thread to which a word with this hash belongs.
    #[inline]
    pub fn thread(hash: u64) -> usize {
        (hash >> 63) as usize
    }

    /// The first slot for a word in a table of `1 << bits` slots. Slots ascend with the hash,
    /// so that all tables have a thread's words in the same order.
    #[inline]
    pub fn slot(hash: u64, bits: u32) -> usize {
        (hash << 1 >> (64 - bits)) as usize
    }

    pub fn text(self, long: &LongWords) -> Text {
        let number = u128::from(self.0[0]) | u128::from(self.0[1]) << 64;
        let bytes = number.to_le_bytes();
        if bytes[15] == LONG {
            return long.text(self.0[0] as usize);
        }
        let word = &bytes[..usize::from(bytes[15] - 1)];
        let word = std::str::from_utf8(word).expect("the bytes of a word");
        Text::from(word)
    }
}

/// Words of 16 bytes and more, numbered in the order in which they were seen first. They are
/// kept until the end of the run.
#[derive(Default)]
pub struct LongWords(Mutex<Numbered>);

#[derive(Default)]
struct Numbered {
    numbers: HashMap<Text, u64>,
    words: Vec<Text>,
}

impl LongWords {
    // Both threads must give a word the same number.
    fn lock(&self) -> MutexGuard<'_, Numbered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cold]
    fn key(&self, word: &str) -> Key {
        let mut numbered = self.lock();
        let known = numbered.numbers.get(word).copied();
        let number = known.unwrap_or_else(|| {
            let number = numbered.words.len() as u64;
            numbered.words.push(word.into());
            numbered.numbers.insert(word.into(), number);
            number
        });
        Key([number, u64::from(LONG) << 56])
    }

    fn text(&self, number: usize) -> Text {
        self.lock().words[number].clone()
    }
}

//! Up to 15 bytes of text as two integers.
//!
//! The only file with `unsafe` code. What it is for: text that is compared and hashed at fixed
//! width, without a branch on its length, and that is also read as a `str` where it lies. A safe
//! form has either the integers or the `str`; an array of bytes and its length took three times
//! as long to make and to hash, and each look at its text had to be checked for UTF-8 again.

#![allow(unsafe_code)]

use std::cmp::Ordering;
use std::num::NonZeroU64;

/// The most bytes of a short text.
pub(super) const MOST_BYTES: usize = 15;

/// A short text. Its 16 bytes in memory are the text, zeros, and in the last one its length
/// plus one, on every computer.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub(super) struct Short {
    first: u64,
    /// Never zero, so that an enum around it needs no tag of its own.
    last: NonZeroU64,
}

/// By length, the bits of both integers that are text.
const MASKS: [[u64; 2]; MOST_BYTES + 1] = {
    let mut masks = [[0; 2]; MOST_BYTES + 1];
    let mut bytes = 0;
    while bytes <= MOST_BYTES {
        let mask = (1_u128 << (8 * bytes)) - 1;
        // The halves of it.
        #[allow(clippy::cast_possible_truncation)]
        let halves = [mask as u64, (mask >> 64) as u64];
        masks[bytes] = halves;
        bytes += 1;
    }
    masks
};

/// The bytes, zeros behind them, and in the last of 16 bytes their number plus one: as two
/// integers that are read little-endian. None for more than 15 bytes.
///
/// Longer or shorter than 8 and than 4: two branches instead of a loop or a call.
#[inline]
pub(crate) fn packed(bytes: &[u8]) -> Option<[u64; 2]> {
    let length = bytes.len();
    if length > MOST_BYTES {
        return None;
    }
    let end = (length as u64 + 1) << 56;
    Some(
        if let (Some(first), Some(last)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
            // The last 8 bytes, of which what is in the first ones, too, is shifted out: all
            // of them where there are 8.
            let last = (u64::from_le_bytes(*last) >> 1) >> (8 * (16 - length) - 1);
            [u64::from_le_bytes(*first), last | end]
        } else if let (Some(first), Some(last)) =
            (bytes.first_chunk::<4>(), bytes.last_chunk::<4>())
        {
            let last = u64::from(u32::from_le_bytes(*last)) << (8 * (length - 4));
            [u64::from(u32::from_le_bytes(*first)) | last, end]
        } else if let (Some(first), Some(last)) = (bytes.first(), bytes.last()) {
            let middle = u64::from(bytes[length / 2]) << (8 * (length / 2));
            let last = u64::from(*last) << (8 * (length - 1));
            [u64::from(*first) | middle | last, end]
        } else {
            [0, end]
        },
    )
}

impl Short {
    /// None where the text is longer than 15 bytes.
    #[inline]
    pub(super) fn new(text: &str) -> Option<Self> {
        Self::of(packed(text.as_bytes())?)
    }

    /// The `length` bytes from `start` on of a text that goes on for 16 bytes from there; none
    /// where it does not, where they are more than 15, or where they are no text by themselves.
    // Forced: see `Text::of_part`.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn part(text: &str, start: usize, length: usize) -> Option<Self> {
        let masks = MASKS.get(length)?;
        let bytes: &[u8; 16] = text.as_bytes().get(start..)?.first_chunk()?;
        if !text.is_char_boundary(start) || !text.is_char_boundary(start + length) {
            return None;
        }
        let [first, last] = halves(bytes);
        let end = (length as u64 + 1) << 56;
        Self::of([first & masks[0], last & masks[1] | end])
    }

    /// `packed` as [`packed`] gives it of text.
    #[inline]
    fn of([first, last]: [u64; 2]) -> Option<Self> {
        Some(Self {
            first: first.to_le(),
            last: NonZeroU64::new(last.to_le())?,
        })
    }

    /// As [`packed`] gives it.
    #[inline]
    pub(super) fn packed(self) -> [u64; 2] {
        [u64::from_le(self.first), u64::from_le(self.last.get())]
    }

    #[inline]
    pub(super) fn as_str(&self) -> &str {
        let length = (self.packed()[1] >> 56) as usize - 1;
        let start = std::ptr::from_ref(self).cast::<u8>();
        // SAFETY: `Short` is `repr(C)`, two integers of 8 bytes with nothing between them: 16
        // bytes that are initialised and live as long as `self`. `of` alone makes one, of
        // what both of its callers give it: in the last byte a length of at most 15, plus one,
        // and before it the bytes of a `str` of that length. `packed` copies a whole `str`,
        // `part` what lies between two boundaries of characters.
        unsafe { str::from_utf8_unchecked(std::slice::from_raw_parts(start, length)) }
    }

    /// The order of `str`: zeros behind the shorter text come before all else, and where both
    /// are zeros the length decides.
    #[inline]
    pub(super) fn order(self, other: Self) -> Ordering {
        let [first, last] = self.packed().map(u64::swap_bytes);
        let [other_first, other_last] = other.packed().map(u64::swap_bytes);
        (first, last).cmp(&(other_first, other_last))
    }
}

#[inline]
fn halves(bytes: &[u8; 16]) -> [u64; 2] {
    let both = u128::from_le_bytes(*bytes);
    // The halves of it.
    #[allow(clippy::cast_possible_truncation)]
    let halves = [both as u64, (both >> 64) as u64];
    halves
}

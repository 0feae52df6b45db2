//! A text as two integers.
//!
//! The only file with `unsafe` code. What it is for: text that is compared and hashed at fixed
//! width, without a branch on its length, and that is also read as a `str` where it lies. A safe
//! form has either the integers or the `str`; an array of bytes and its length took three times
//! as long to make and to hash, and each look at its text had to be checked for UTF-8 again. An
//! enum of two integers or a pointer is not passed in registers, as two integers are, but
//! through memory: written in halves, and read back as one at once, for which the processor has
//! to wait.

#![allow(unsafe_code)]

use std::cmp::Ordering;
use std::mem::ManuallyDrop;
use std::num::NonZeroU64;

use triomphe::ThinArc;

/// The most bytes that are kept in the text itself.
const MAX_BYTES: usize = 15;

/// A text. One of up to 15 bytes is here itself: its 16 bytes in memory are the text, zeros, and
/// in the last one its length plus one, on every computer. Longer text is shared: one integer
/// says where it lies, and the other one is [`SHARED`].
#[repr(C)]
pub(super) struct Repr {
    first: u64,
    /// Never zero, so that an enum around it needs no tag of its own.
    last: NonZeroU64,
}

/// More than 15 bytes of UTF-8.
type Shared = ThinArc<(), u8>;

/// Not the length of a short text, plus one.
const SHARED: u64 = 0xff << 56;

/// By length, the bits of both integers that are text.
const MASKS: [[u64; 2]; MAX_BYTES + 1] = {
    let mut masks = [[0; 2]; MAX_BYTES + 1];
    let mut bytes = 0;
    while bytes <= MAX_BYTES {
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
    if length > MAX_BYTES {
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

impl Repr {
    #[inline]
    pub(super) fn new(text: &str) -> Self {
        match packed(text.as_bytes()) {
            Some(packed) => Self::of(packed),
            None => Self::share(text),
        }
    }

    /// The `length` bytes from `start` on of a text that goes on for 16 bytes from there; none
    /// where it does not, where they are more than 15, or where they are no text by themselves.
    // Forced: it runs for every tuple.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    pub(super) fn part(text: &str, start: usize, length: usize) -> Option<Self> {
        let masks = MASKS.get(length)?;
        let bytes: &[u8; 16] = text.as_bytes().get(start..)?.first_chunk()?;
        // What goes on inside a character does not begin with its first byte.
        let begins = |byte: u8| byte & 0b1100_0000 != 0b1000_0000;
        if !begins(bytes[0]) || !begins(bytes[length]) {
            return None;
        }
        let [first, last] = halves(bytes);
        let end = (length as u64 + 1) << 56;
        Some(Self::of([first & masks[0], last & masks[1] | end]))
    }

    #[cold]
    #[inline(never)]
    fn share(text: &str) -> Self {
        Self::of_shared(Shared::from_header_and_slice((), text.as_bytes()))
    }

    fn of_shared(shared: Shared) -> Self {
        Self::of([shared.into_raw().expose_provenance() as u64, SHARED])
    }

    /// The integers as they are read little-endian: what [`packed`] gives of text, or those of
    /// shared text.
    #[inline]
    fn of([first, last]: [u64; 2]) -> Self {
        Self {
            first: first.to_le(),
            // SAFETY: its upper byte is the length of short text plus one, or that of `SHARED`.
            last: unsafe { NonZeroU64::new_unchecked(last.to_le()) },
        }
    }

    #[inline]
    fn integers(&self) -> [u64; 2] {
        [u64::from_le(self.first), u64::from_le(self.last.get())]
    }

    #[inline]
    fn is_short(&self) -> bool {
        self.integers()[1] < SHARED
    }

    /// As [`packed`] gives it, where the text is short.
    #[inline]
    pub(super) fn packed(&self) -> Option<[u64; 2]> {
        self.is_short().then(|| self.integers())
    }

    /// What shared text is kept by; it belongs to `self` still.
    #[inline]
    fn shared(&self) -> ManuallyDrop<Shared> {
        debug_assert!(!self.is_short());
        // It was an address of this computer.
        #[allow(clippy::cast_possible_truncation)]
        let address = self.integers()[0] as usize;
        let place = std::ptr::with_exposed_provenance(address);
        // SAFETY: the text is not short: the address is that of a `Shared` of which `of_shared`
        // has taken one reference, which is given back when `self` is dropped, and not before.
        ManuallyDrop::new(unsafe { Shared::from_raw(place) })
    }

    #[inline]
    pub(super) fn as_str(&self) -> &str {
        let [_, last] = self.integers();
        let (start, length) = if self.is_short() {
            let start = std::ptr::from_ref(self).cast::<u8>();
            (start, (last >> 56) as usize - 1)
        } else {
            let shared = self.shared();
            (shared.slice.as_ptr(), shared.slice.len())
        };
        // SAFETY: short text lies in `self`: `Repr` is `repr(C)`, two integers of 8 bytes with
        // nothing between them, and the last byte is a length of at most 15, plus one. `of` has
        // them of `packed`, which copies a whole `str`, or of `part`, which copies what lies
        // between two boundaries of characters. Shared text was made of a whole `str`, and
        // `self` keeps a reference to it as long as it lives.
        unsafe { str::from_utf8_unchecked(std::slice::from_raw_parts(start, length)) }
    }

    /// Whether both are kept by the same integers: two short texts that are equal, or the same
    /// shared one.
    #[inline]
    fn is_same(&self, other: &Self) -> bool {
        (self.first ^ other.first) | (self.last.get() ^ other.last.get()) == 0
    }

    #[cold]
    #[inline(never)]
    fn share_again(&self) -> Self {
        Self::of_shared(Shared::clone(&self.shared()))
    }

    /// Whether two shared texts are the same.
    #[cold]
    #[inline(never)]
    fn shares_as(&self, other: &Self) -> bool {
        self.shared().slice == other.shared().slice
    }

    #[cold]
    #[inline(never)]
    fn give_back(&mut self) {
        drop(ManuallyDrop::into_inner(self.shared()));
    }
}

impl Clone for Repr {
    // Forced: a few instructions, for every tuple.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    fn clone(&self) -> Self {
        if self.is_short() {
            let Self { first, last } = *self;
            return Self { first, last };
        }
        self.share_again()
    }
}

impl Drop for Repr {
    #[inline]
    fn drop(&mut self) {
        if !self.is_short() {
            self.give_back();
        }
    }
}

impl PartialEq for Repr {
    // Texts that meet in a table are mostly equal: both integers are compared at once.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || (!self.is_short() && !other.is_short() && self.shares_as(other))
    }
}

impl Eq for Repr {}

impl Ord for Repr {
    /// The order of `str`: zeros behind the shorter text come before all else, and where both
    /// are zeros the length decides.
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        let (Some(one), Some(another)) = (self.packed(), other.packed()) else {
            return self.as_str().cmp(other.as_str());
        };
        one.map(u64::swap_bytes).cmp(&another.map(u64::swap_bytes))
    }
}

impl PartialOrd for Repr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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

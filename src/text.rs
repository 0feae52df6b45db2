//! [`Text`], the string type of tuples.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use ecow::EcoString;
use serde::{Deserialize, Serialize};

/// A string of 16 bytes that keeps up to 15 bytes of text inline and shares longer text.
///
/// Words are short and are copied from task to task; inline text costs neither an
/// allocation nor a cache miss. Orders and compares as `str` does (bytes of UTF-8).
///
/// ```
/// use squall::Text;
///
/// let word = Text::from("bertels");
/// assert_eq!(word, "bertels");
/// assert!(word < Text::from("golda"));
/// assert_eq!(size_of::<Text>(), 16);
/// ```
#[allow(clippy::derived_hash_with_manual_eq)] // equality compares the bytes that are hashed
#[derive(Clone, Default, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(EcoString);

impl Text {
    /// The text as a string slice.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

// Tables compare a key with each tuple's; for short text that is quicker than the call of
// a comparison of memory.
impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        equal_bytes(self.as_str().as_bytes(), other.as_str().as_bytes())
    }
}

/// Compares the first and the last 8 or 4 bytes, which overlap where there are fewer; of up
/// to 3 bytes the first, middle and last.
#[inline]
fn equal_bytes(a: &[u8], b: &[u8]) -> bool {
    let length = a.len();
    if length != b.len() {
        return false;
    }
    match length {
        8..=16 => a.first_chunk::<8>() == b.first_chunk() && a.last_chunk::<8>() == b.last_chunk(),
        4..=7 => a.first_chunk::<4>() == b.first_chunk() && a.last_chunk::<4>() == b.last_chunk(),
        1..=3 => a[0] == b[0] && a[length / 2] == b[length / 2] && a[length - 1] == b[length - 1],
        _ => a == b,
    }
}

impl Deref for Text {
    type Target = str;
    #[inline]
    fn deref(&self) -> &str {
        self.0.as_str()
    }
}

// `Hash` of the inner string is `str`'s, which `Borrow` requires.
impl Borrow<str> for Text {
    #[inline]
    fn borrow(&self) -> &str {
        self.0.as_str()
    }
}

impl AsRef<str> for Text {
    #[inline]
    fn as_ref(&self) -> &str {
        self.0.as_str()
    }
}

impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Self {
        Self(EcoString::from(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(EcoString::from(text))
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.0.into()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_in_one_place_differ_whatever_their_length() {
        for length in 0..40 {
            let text = "x".repeat(length);
            assert_eq!(Text::from(text.as_str()), Text::from(text.as_str()));
            assert_ne!(Text::from(text.as_str()), Text::from(text.clone() + "x"));
            for place in 0..length {
                let mut other = text.clone();
                other.replace_range(place..=place, "y");
                assert_ne!(Text::from(text.as_str()), Text::from(other));
            }
        }
    }
}

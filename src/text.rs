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
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

//! [`Text`], the string type of tuples.

mod nearest;
mod repr;
mod shown;

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Deref, Range};

pub use nearest::nearest;
use repr::Repr;
pub(crate) use repr::packed;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
pub use shown::Shown;

/// A string of 16 bytes that keeps up to 15 bytes of text inline and shares longer text.
///
/// Words are short and are copied from task to task; inline text costs neither an
/// allocation nor a cache miss, and is compared and hashed at fixed width. Orders and compares
/// as `str` does (bytes of UTF-8).
///
/// ```
/// use squall::Text;
///
/// let word = Text::from("bertels");
/// assert_eq!(word, "bertels");
/// assert!(word < Text::from("golda"));
/// assert_eq!(size_of::<Text>(), 16);
/// ```
///
/// To make one of a short word takes about a third of the time that the strings of ecow and
/// `compact_str` take (`cargo bench -p squall-bench --bench parts -- --only text`).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(Repr);

impl Text {
    /// The text as a string slice.
    #[inline]
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// A part of a longer text: the same as `Text::from(&text[part])`, and three times as quick
    /// for short parts where the text goes on for 16 bytes behind `part.start`.
    ///
    /// ```
    /// use squall::Text;
    ///
    /// let line = "storm bolt and spout";
    /// assert_eq!(Text::of_part(line, 6..10), "bolt");
    /// ```
    ///
    /// # Panics
    /// As slicing the text does: where the part does not lie within it, or does not begin and
    /// end with whole characters.
    // Forced: it runs for every tuple.
    #[allow(clippy::inline_always)]
    #[inline(always)]
    #[must_use]
    pub fn of_part(text: &str, part: Range<usize>) -> Self {
        let length = part.end.wrapping_sub(part.start);
        match Repr::part(text, part.start, length) {
            Some(short) => Self(short),
            None => Self::of_slice(text, part),
        }
    }

    #[cold]
    #[inline(never)]
    fn of_slice(text: &str, part: Range<usize>) -> Self {
        Self::from(&text[part])
    }

    /// The text as [`packed`] gives it, where it is short; otherwise its bytes.
    #[inline]
    pub(crate) fn packed_or_bytes(&self) -> Result<[u64; 2], &[u8]> {
        self.0.packed().ok_or_else(|| self.as_bytes())
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::from("")
    }
}

// As `str`, which `Borrow` requires.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfText;

        impl serde::de::Visitor<'_> for OfText {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::from(text))
            }
        }

        deserializer.deserialize_str(OfText)
    }
}

impl Deref for Text {
    type Target = str;
    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    #[inline]
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Text {
    #[inline]
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    #[inline]
    fn from(text: &str) -> Self {
        Self(Repr::new(text))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
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
    /// As that of `str`, but for marks and joiners, which stay as they are: with them escaped,
    /// words of many languages could not be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{}\"", Shown(text))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// So many characters of a text are shown in a message.
const MAX_SHOWN: usize = 80;

/// How a text begins, [escaped](Shown); what is long is cut.
pub(crate) fn excerpt(text: &str) -> String {
    let text = text.trim_end_matches(['\r', '\n']);
    match text.char_indices().nth(MAX_SHOWN) {
        None => Shown(text).to_string(),
        Some((end, _)) => format!("{}…", Shown(&text[..end])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts of all lengths around 15 bytes, among them ones that end in NUL, and others that
    /// end within 16 bytes.
    fn samples() -> Vec<String> {
        let mut samples = Vec::new();
        // Miri takes a thousand times as long, and longer for a panic.
        let lengths: Vec<usize> = if cfg!(miri) {
            vec![0, 1, 2, 3, 4, 7, 8, 9, 14, 15, 16, 17]
        } else {
            (0..40).collect()
        };
        for length in lengths {
            let text = "x".repeat(length);
            for place in (0..length).step_by(if cfg!(miri) { 6 } else { 1 }) {
                for other in ["\0", "y", "z"] {
                    let mut text = text.clone();
                    text.replace_range(place..=place, other);
                    samples.push(text);
                }
            }
            samples.push("ä".repeat(length / 2));
            samples.push(text);
        }
        samples.sort();
        samples.dedup();
        samples
    }

    #[test]
    fn a_text_is_quoted_with_its_marks_and_without_what_acts() {
        for text in ["", "a \"b\" \\", "a\n\u{1b}\u{202e}", "čaj 😀"] {
            assert_eq!(format!("{:?}", Text::from(text)), format!("{text:?}"));
        }
        let word = Text::from("हिन्दी cafe\u{301}");
        assert_eq!(format!("{word:?}"), format!("\"{word}\""));
    }

    #[test]
    fn texts_are_what_their_strings_are() {
        let samples = samples();
        let texts: Vec<_> = samples.iter().map(|s| Text::from(s.as_str())).collect();
        for (text, sample) in texts.iter().zip(&samples) {
            assert_eq!(text.as_str(), sample);
            let same: Text = rmp_serde::from_slice(&rmp_serde::to_vec(text).unwrap()).unwrap();
            assert_eq!(&same, text);
            assert_eq!(&text.clone(), text);
        }
        for (a, one) in texts.iter().enumerate() {
            for (b, other) in texts.iter().enumerate() {
                assert_eq!(one.cmp(other), a.cmp(&b), "{one:?} and {other:?}");
                assert_eq!(one == other, a == b, "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn a_part_is_what_its_slice_is() {
        for sample in samples().iter().step_by(if cfg!(miri) { 24 } else { 1 }) {
            let line = format!("{sample}ß and on it goes");
            for start in 0..=line.len() {
                for end in start..=line.len() {
                    let part = std::panic::catch_unwind(|| Text::of_part(&line, start..end));
                    match (line.get(start..end), part) {
                        (Some(slice), Ok(part)) => assert_eq!(part, Text::from(slice)),
                        (None, Err(_)) => {}
                        (slice, part) => panic!("{slice:?} is {part:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn long_text_is_shared() {
        let one = Text::from("a text of more than 15 bytes");
        let other = one.clone();
        let place = |text: &Text| text.as_str().as_ptr();
        assert_eq!(place(&one), place(&other));
    }

    #[test]
    fn threads_share_a_text_whichever_of_them_gives_it_back_last() {
        let text = Text::from("a text of more than 15 bytes");
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (text, other) = (text.clone(), text.clone());
                std::thread::spawn(move || {
                    drop(other);
                    assert_eq!(text.clone(), "a text of more than 15 bytes");
                })
            })
            .collect();
        drop(text);
        for thread in threads {
            thread.join().unwrap();
        }
    }
}

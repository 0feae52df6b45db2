//! In which encoding an input is, where it is not UTF-8.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use encoding_rs::{
    BIG5, DecoderResult, GB18030, GBK, ISO_2022_JP, REPLACEMENT, SHIFT_JIS, UTF_8, UTF_16BE,
    UTF_16LE,
};

use crate::text::Shown;

/// An encoding of text, by its labels in the WHATWG Encoding Standard: `utf-8`, `latin1`,
/// `windows-1252`, `iso-8859-2`, `shift_jis`, `utf-16le` and so on, in any case.
///
/// As in that standard, `latin1` and `iso-8859-1` are names of `windows-1252`, which has printable
/// characters in the place of 27 control characters.
///
/// ```
/// use squall::connectors::files::Encoding;
///
/// let latin: Encoding = "Latin1".parse()?;
/// assert_eq!(latin.to_string(), "windows-1252");
/// let error = "latin-one".parse::<Encoding>().unwrap_err();
/// assert!(error.to_string().starts_with("unknown encoding `latin-one`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

/// Why an encoding was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodingError {
    /// No encoding has this name.
    #[error(
        "unknown encoding `{}`; known are, among others, utf-8, latin1, windows-1252, iso-8859-2, \
         shift_jis, gbk, utf-16le and utf-16be",
        Shown(.0)
    )]
    Unknown(String),
    /// What a byte means depends on bytes far before it, so lines cannot be told apart.
    #[error(
        "input in `{0}` cannot be cut into lines: convert it to UTF-8 first, for example with \
         `iconv`"
    )]
    Stateful(String),
}

/// Characters that stand for what could not be decoded: the first one that the text does not have.
const MARKERS: [char; 5] = ['\u{fffd}', '\u{fdd0}', '\u{fdd1}', '\u{fdd2}', '\u{ffff}'];

impl Encoding {
    /// UTF-8, which is read where nothing else is said.
    pub const UTF_8: Self = Self(UTF_8);

    /// Whether it is UTF-16; whether the first byte of a unit is its upper half.
    pub(super) fn utf16(self) -> Option<bool> {
        (self.0 == UTF_16BE || self.0 == UTF_16LE).then_some(self.0 == UTF_16BE)
    }

    /// Whether a byte of ASCII may be a part of a character of several bytes. Line ends, quotes and
    /// commas never are.
    pub(super) fn hides(self, byte: u8) -> bool {
        let multi = [BIG5, GBK, GB18030, SHIFT_JIS].contains(&self.0);
        multi && (byte >= b'@' || byte.is_ascii_digit())
    }

    /// Makes text of the bytes of a record. What stands for nothing becomes a character that the
    /// text does not have otherwise, which is given; the error where there is none.
    pub(super) fn decode(self, bytes: Vec<u8>) -> Result<(String, Option<char>), ()> {
        // What is read of UTF-16 was made UTF-8 before it was cut into records.
        if self.0 == UTF_8 || self.utf16().is_some() {
            return String::from_utf8(bytes).map_or_else(
                |error| damaged_utf8(error.as_bytes()),
                |text| Ok((text, None)),
            );
        }
        match self
            .0
            .decode_without_bom_handling_and_without_replacement(&bytes)
        {
            Some(Cow::Owned(text)) => Ok((text, None)),
            // It was ASCII: the bytes are the text.
            Some(Cow::Borrowed(_)) => {
                let text = String::from_utf8(bytes);
                text.map_or_else(
                    |error| damaged_utf8(error.as_bytes()),
                    |text| Ok((text, None)),
                )
            }
            None => self.damaged(&bytes),
        }
    }

    fn damaged(self, bytes: &[u8]) -> Result<(String, Option<char>), ()> {
        let mut parts = vec![String::new()];
        let mut decoder = self.0.new_decoder_without_bom_handling();
        let mut rest = bytes;
        while let Some(text) = parts.last_mut() {
            let most = decoder.max_utf8_buffer_length_without_replacement(rest.len());
            text.reserve(most.unwrap_or_default());
            let (result, read) = decoder.decode_to_string_without_replacement(rest, text, true);
            rest = &rest[read..];
            match result {
                DecoderResult::Malformed(..) => parts.push(String::new()),
                DecoderResult::OutputFull => text.reserve(text.len() + 16),
                DecoderResult::InputEmpty => break,
            }
        }
        joined(&parts)
    }
}

fn damaged_utf8(bytes: &[u8]) -> Result<(String, Option<char>), ()> {
    let mut parts = vec![String::new()];
    for chunk in bytes.utf8_chunks() {
        if let Some(text) = parts.last_mut() {
            text.push_str(chunk.valid());
        }
        if !chunk.invalid().is_empty() {
            parts.push(String::new());
        }
    }
    joined(&parts)
}

/// The parts with a marker between them that none of them has.
fn joined(parts: &[String]) -> Result<(String, Option<char>), ()> {
    let mut markers = MARKERS.into_iter();
    let marker = markers.find(|marker| !parts.iter().any(|part| part.contains(*marker)));
    let marker = marker.ok_or(())?;
    Ok((parts.join(marker.encode_utf8(&mut [0; 4])), Some(marker)))
}

/// By its label, or by one that differs in case and in what is no letter and no digit: `latin-1`
/// is no label, and neither is `utf16le`.
fn by_label(label: &str) -> Option<&'static encoding_rs::Encoding> {
    let plain: String = label.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let spelt = |from: &str, to: &str| Some(format!("{to}{}", plain.strip_prefix(from)?));
    let others = [
        spelt("utf", "utf-"),
        spelt("windows", "windows-"),
        spelt("latin", "l"),
    ];
    let spelt = [Some(label.to_owned()), Some(plain.clone())];
    let mut labels = spelt.into_iter().chain(others).flatten();
    labels.find_map(|label| encoding_rs::Encoding::for_label(label.as_bytes()))
}

impl FromStr for Encoding {
    type Err = EncodingError;

    fn from_str(label: &str) -> Result<Self, EncodingError> {
        match by_label(label) {
            None => Err(EncodingError::Unknown(label.to_owned())),
            Some(stateful) if stateful == REPLACEMENT || stateful == ISO_2022_JP => {
                Err(EncodingError::Stateful(label.to_owned()))
            }
            Some(encoding) => Ok(Self(encoding)),
        }
    }
}

impl fmt::Display for Encoding {
    /// Its name in lower case, which reads back as itself.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name().to_lowercase())
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Hash for Encoding {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.name().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_what_they_print() {
        for label in [
            "UTF-8",
            "latin1",
            "iso-8859-1",
            "cp1252",
            "iso-8859-2",
            "koi8-r",
            "sjis",
            "gb18030",
            "big5",
            "euc-jp",
            "utf-16",
            "utf-16be",
            "macintosh",
        ] {
            let encoding: Encoding = label.parse().unwrap();
            assert_eq!(encoding.to_string().parse(), Ok(encoding), "{label}");
        }
        for (label, name) in [
            ("latin-1", "windows-1252"),
            ("Latin_1", "windows-1252"),
            ("latin-9", "iso-8859-15"),
            ("UTF16LE", "utf-16le"),
            ("utf_16be", "utf-16be"),
            ("utf8", "utf-8"),
            ("Windows1250", "windows-1250"),
            ("Shift-JIS", "shift_jis"),
        ] {
            let encoding: Encoding = label.parse().unwrap();
            assert_eq!(encoding.to_string(), name, "{label}");
        }
        for label in [
            "",
            "latin",
            "latin-one",
            "iso-2022-jp",
            "hz-gb-2312",
            "utf-7",
        ] {
            assert!(label.parse::<Encoding>().is_err(), "{label}");
        }
    }

    #[test]
    fn text_is_decoded_and_what_stands_for_nothing_is_marked() {
        let table: [(&str, &[u8], &str, Option<char>); 9] = [
            ("utf-8", "čaj".as_bytes(), "čaj", None),
            ("utf-8", b"a\xe9b", "a\u{fffd}b", Some('\u{fffd}')),
            (
                "utf-8",
                b"\xef\xbf\xbda\xe9",
                "\u{fffd}a\u{fdd0}",
                Some('\u{fdd0}'),
            ),
            ("latin1", b"caf\xe9 \x80", "café €", None),
            ("latin1", b"cafe", "cafe", None),
            ("iso-8859-2", b"\xe8aj", "čaj", None),
            ("shift_jis", b"\x83\x7c,a", "ポ,a", None),
            (
                "shift_jis",
                b"\x83,\xe0",
                "\u{fffd},\u{fffd}",
                Some('\u{fffd}'),
            ),
            ("gbk", b"\xc4\xe3\xba\xc3", "你好", None),
        ];
        for (label, bytes, text, marker) in table {
            let encoding: Encoding = label.parse().unwrap();
            let decoded = encoding.decode(bytes.to_vec());
            assert_eq!(decoded, Ok((text.to_owned(), marker)), "{label}: {text}");
        }
    }
}

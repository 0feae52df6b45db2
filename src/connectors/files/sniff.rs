//! What an input is by its first bytes: text, gzip, or something that cannot be read.

use std::fmt;

use super::encoding::Encoding;

/// How much of an input is looked at.
pub(super) const LOOKED_AT_BYTES: usize = 512;

/// The two bytes that every gzip member starts with (RFC 1952, 2.3.1).
pub(super) const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The mark that some programs put before UTF-8 text.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

const UTF_16LE: &[u8] = b"\xff\xfe";
const UTF_16BE: &[u8] = b"\xfe\xff";

/// What the first bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Gzip,
    /// Text, as far as can be seen.
    Plain,
    /// The beginning of one or the other.
    Undecided,
    Foreign(Foreign),
}

/// Why an input cannot be read as it is, and what to do; the error of a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// A format that is not read.
    Format {
        name: &'static str,
        remedy: &'static str,
    },
    /// Another encoding than UTF-8.
    Encoding {
        name: &'static str,
        /// Its label; none where it cannot be read.
        label: Option<&'static str>,
    },
    /// Its mark is that of another encoding than was given.
    Mark {
        name: &'static str,
        label: &'static str,
        given: Encoding,
    },
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format { name, remedy } => write!(f, "looks like {name}: {remedy}"),
            Self::Encoding {
                name,
                label: Some(label),
            } => write!(
                f,
                "looks like {name}: give --encoding {label}, or convert it to UTF-8; if it is \
                 UTF-8, give --encoding utf-8"
            ),
            Self::Encoding { name, label: None } => {
                write!(
                    f,
                    "looks like {name}: convert it to UTF-8, for example with `iconv`"
                )
            }
            Self::Mark { name, label, given } => write!(
                f,
                "begins with the byte order mark of {name}, but --encoding is {given}: give \
                 --encoding {label}, or remove the mark"
            ),
        }
    }
}

impl std::error::Error for Foreign {}

const UNPACK: &str = "unpack it first, or pack it with gzip, which can be read";
const EXTRACT: &str = "extract its files, and read them";
const EXPORT: &str = "convert it to CSV or to lines of JSON";

/// How files begin that are no text. None of them has a line end in its beginning, so that to wait
/// for the rest of it keeps back no record.
const FORMATS: [(&[u8], &str, &str); 24] = [
    (b"\x28\xb5\x2f\xfd", "zstd", UNPACK),
    (b"\xfd7zXZ\0", "xz", UNPACK),
    (b"\x04\x22\x4d\x18", "lz4", UNPACK),
    (b"\x02\x21\x4c\x18", "lz4", UNPACK),
    (b"\x50\x2a\x4d\x18", "zstd or lz4", UNPACK),
    (b"\x5d\0\0", "lzma", UNPACK),
    (b"\x1f\x9d", "compress (.Z)", UNPACK),
    (b"\x1f\xa0", "compress (.Z)", UNPACK),
    (b"\xff\x06\0\0sNaPpY", "snappy", UNPACK),
    (b"LZIP\x01", "lzip", UNPACK),
    (b"\x89LZO\0", "lzop", UNPACK),
    (b"PK\x03\x04", "zip (or an office document)", EXTRACT),
    (b"PK\x05\x06", "zip", EXTRACT),
    (b"7z\xbc\xaf\x27\x1c", "7z", EXTRACT),
    (b"Rar!\x1a\x07", "rar", EXTRACT),
    (b"PAR1\x15", "Parquet", EXPORT),
    (b"Obj\x01", "Avro", EXPORT),
    (b"ORC\x08", "ORC", EXPORT),
    (b"ARROW1\0\0", "Arrow", EXPORT),
    (b"SQLite format 3\0", "SQLite", EXPORT),
    (b"%PDF-", "PDF", EXPORT),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an office document",
        EXPORT,
    ),
    (b"\x89PNG", "an image", "give a file of text"),
    (b"\x7fELF", "a program", "give a file of text"),
];

/// `BZh`, a digit, and the digits of pi, or those of its square root where it is empty.
const BZIP2: [(&[u8], &[u8]); 2] = [
    (b"BZh", b"\x31\x41\x59\x26\x53\x59"),
    (b"BZh", b"\x17\x72\x45\x38\x50\x90"),
];

/// Where in a tar file its mark is.
const TAR_MARK: (usize, &[u8]) = (257, b"ustar");

/// Looks at the first bytes of an input that is in this encoding, or in one that was not said.
pub(super) fn look(start: &[u8], encoding: Option<Encoding>) -> Seen {
    if start.starts_with(&GZIP) {
        return Seen::Gzip;
    }
    let mut undecided = GZIP.starts_with(start);
    for (magic, name, remedy) in FORMATS {
        if start.starts_with(magic) {
            return Seen::Foreign(Foreign::Format { name, remedy });
        }
        undecided |= magic.starts_with(start);
    }
    for (magic, behind) in BZIP2 {
        let digits = start.get(magic.len() + 1..).unwrap_or_default();
        let begins = start.starts_with(magic) || magic.starts_with(start);
        if begins && digits.starts_with(behind) {
            let (name, remedy) = ("bzip2", UNPACK);
            return Seen::Foreign(Foreign::Format { name, remedy });
        }
        undecided |= begins && behind.starts_with(digits);
    }
    let (place, mark) = TAR_MARK;
    if start
        .get(place..)
        .is_some_and(|rest| rest.starts_with(mark))
    {
        let (name, remedy) = ("tar", EXTRACT);
        return Seen::Foreign(Foreign::Format { name, remedy });
    }
    if let Some(foreign) = marked(start, encoding) {
        return Seen::Foreign(foreign);
    }
    undecided |= [UTF_16LE, UTF_16BE, BOM]
        .iter()
        .any(|mark| mark.starts_with(start) && mark.len() > start.len());
    if undecided {
        return Seen::Undecided;
    }
    match unmarked_utf16(start) {
        Some((name, label)) if encoding.is_none() => Seen::Foreign(Foreign::Encoding {
            name,
            label: Some(label),
        }),
        _ => Seen::Plain,
    }
}

/// What is wrong with the mark before the text, if it has one.
fn marked(start: &[u8], encoding: Option<Encoding>) -> Option<Foreign> {
    if start.starts_with(b"\xff\xfe\0\0") || start.starts_with(b"\0\0\xfe\xff") {
        let (name, label) = ("UTF-32", None);
        return Some(Foreign::Encoding { name, label });
    }
    let (name, label) = if start.starts_with(UTF_16LE) {
        ("UTF-16 (little-endian)", "utf-16le")
    } else if start.starts_with(UTF_16BE) {
        ("UTF-16 (big-endian)", "utf-16be")
    } else if start.starts_with(BOM) {
        ("UTF-8", "utf-8")
    } else {
        return None;
    };
    match encoding {
        Some(given) if given.to_string() == label => None,
        Some(given) => Some(Foreign::Mark { name, label, given }),
        None if label == "utf-8" => None,
        None => Some(Foreign::Encoding {
            name,
            label: Some(label),
        }),
    }
}

/// UTF-16 without a mark: text has characters of ASCII, of which one half is zero and the other
/// one is not.
fn unmarked_utf16(start: &[u8]) -> Option<(&'static str, &'static str)> {
    let zeros = |first: usize| {
        start
            .iter()
            .skip(first)
            .step_by(2)
            .filter(|b| **b == 0)
            .count()
    };
    let (even, odd) = (zeros(0), zeros(1));
    let enough = |zeros: usize| zeros >= 2 && zeros * 16 >= start.len() / 2;
    match (even, odd) {
        (0, zeros) if enough(zeros) => Some(("UTF-16 (little-endian)", "utf-16le")),
        (zeros, 0) if enough(zeros) => Some(("UTF-16 (big-endian)", "utf-16be")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_known_by_its_beginning_and_waited_for_until_then() {
        let bzip2 = [&b"BZh9"[..], BZIP2[0].1].concat();
        let empty = [&b"BZh1"[..], BZIP2[1].1].concat();
        let others = FORMATS.iter().map(|(magic, ..)| magic.to_vec());
        for magic in others.chain([bzip2, empty]) {
            for end in 1..magic.len() {
                assert_eq!(look(&magic[..end], None), Seen::Undecided, "{magic:?}");
            }
            let whole = [&magic[..], b"rest"].concat();
            assert!(matches!(look(&whole, None), Seen::Foreign(_)), "{magic:?}");
            let latin = "latin1".parse().ok();
            assert!(matches!(look(&whole, latin), Seen::Foreign(_)), "{magic:?}");
        }
        let mut tar = [0; 512];
        tar[..5].copy_from_slice(b"a.csv");
        tar[257..262].copy_from_slice(b"ustar");
        assert!(matches!(look(&tar, None), Seen::Foreign(_)));
        assert_eq!(look(&GZIP, None), Seen::Gzip);
        assert_eq!(look(&GZIP[..1], None), Seen::Undecided);
    }

    #[test]
    fn text_is_plain_however_it_begins() {
        for text in [
            "a",
            "PARIS",
            "ORCHID",
            "ORC\nELF\n",
            "ORC\r\nELF\r\n",
            "BZh is a sort",
            "PK,1",
            "%PDX",
            "\u{feff}a,b",
            "Obj,1",
            "č",
            "\n",
            "]\u{0}a",
            "a\0b",
            "LZIP,x",
            "7z,b",
        ] {
            assert_eq!(look(text.as_bytes(), None), Seen::Plain, "{text:?}");
        }
        // What was padded with zeros, as a log that was cut while it was written.
        assert_eq!(
            look(&[&[0; 100][..], b"text\n"].concat(), None),
            Seen::Plain
        );
    }

    #[test]
    fn utf16_is_known_with_and_without_a_mark() {
        let le =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        let be =
            |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
        for text in ["w,v\na,1\n", "слово,число\nда нет,1\n"] {
            let marked = format!("\u{feff}{text}");
            for (bytes, label) in [
                (le(text), "utf-16le"),
                (le(&marked), "utf-16le"),
                (be(text), "utf-16be"),
                (be(&marked), "utf-16be"),
            ] {
                let Seen::Foreign(Foreign::Encoding { label: found, .. }) = look(&bytes, None)
                else {
                    panic!("{bytes:?}");
                };
                assert_eq!(found, Some(label));
                assert_eq!(look(&bytes, label.parse().ok()), Seen::Plain);
            }
        }
        for (start, given) in [
            (&b"\xff\xfea\0"[..], "utf-16be"),
            (b"\xff\xfea\0", "latin1"),
            (b"\xef\xbb\xbfa", "latin1"),
        ] {
            let seen = look(start, given.parse().ok());
            assert!(
                matches!(seen, Seen::Foreign(Foreign::Mark { .. })),
                "{given}"
            );
        }
        assert_eq!(
            look(b"\xff\xfe\0\0a\0\0\0", None),
            Seen::Foreign(Foreign::Encoding {
                name: "UTF-32",
                label: None
            })
        );
    }
}

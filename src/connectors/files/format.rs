//! Text, CSV or NDJSON: by name or by suffix, and the delimiter of CSV columns.

use std::fmt;
use std::str::FromStr;

use crate::text::Shown;

/// How a source is cut into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Each line is a record, empty lines too.
    Text,
    /// Rows with a header; quoted values may hold line ends.
    Csv,
    /// Each line is a JSON object; blank lines are skipped.
    NdJson,
}

/// What stands between two CSV columns: a character of ASCII, or blanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Delimiter(Between);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Between {
    Byte(u8),
    Blanks,
}

/// Why a format or a delimiter was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// No format has this name.
    #[error("there is no format `{}`; the formats are text, csv and ndjson", Shown(.0))]
    UnknownFormat(String),
    /// The delimiter is not one ASCII character.
    #[error(
        "the delimiter `{}` is not one ASCII character; give one, or the word `tab` or `blank`",
        Shown(.0)
    )]
    NotOneCharacter(String),
    /// The delimiter has another meaning in CSV.
    #[error("the delimiter cannot be {0}, which has its own meaning in CSV")]
    Reserved(&'static str),
}

impl Format {
    /// The format that a file's name promises: `.csv` and `.tsv` are [`Csv`](Format::Csv),
    /// `.json`, `.ndjson` and `.jsonl` are [`NdJson`](Format::NdJson), everything else is
    /// [`Text`](Format::Text). A trailing `.gz` is looked past, and so are the numbers and dates
    /// of rotated files (`a.csv.1`, `a.csv-20260102.gz`); upper and lower case are alike.
    pub fn from_name(name: &str) -> Format {
        match suffix(name).as_deref() {
            Some("csv" | "tsv") => Format::Csv,
            Some("json" | "ndjson" | "jsonl") => Format::NdJson,
            _ => Format::Text,
        }
    }
}

impl Delimiter {
    /// `,`
    pub const COMMA: Delimiter = Delimiter(Between::Byte(b','));
    /// The tab character.
    pub const TAB: Delimiter = Delimiter(Between::Byte(b'\t'));
    /// One or more spaces and tabs, which may also stand before the first column and after the last
    /// one: the output of many programs. A quote has no meaning there, and no column is empty.
    pub const BLANK: Delimiter = Delimiter(Between::Blanks);

    /// The delimiter that a file's name promises: tab for `.tsv` (and `.tsv.gz`), else comma.
    pub fn from_name(name: &str) -> Delimiter {
        match suffix(name).as_deref() {
            Some("tsv") => Delimiter::TAB,
            _ => Delimiter::COMMA,
        }
    }

    /// The delimiter as a byte, below 128; none of [`Delimiter::BLANK`].
    pub fn byte(self) -> Option<u8> {
        match self.0 {
            Between::Byte(byte) => Some(byte),
            Between::Blanks => None,
        }
    }
}

impl Default for Delimiter {
    fn default() -> Self {
        Delimiter::COMMA
    }
}

/// What stands after the last dot of the file's name, in lower case and without `.gz` and the
/// numbers of a rotated file.
fn suffix(name: &str) -> Option<String> {
    let lower = name.to_ascii_lowercase();
    let file = lower.rsplit('/').next()?;
    let mut file = file.strip_suffix(".gz").unwrap_or(file);
    while let Some((name, number)) = file.rsplit_once(['.', '-'])
        && name.contains('.')
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        file = name;
    }
    file.rsplit_once('.').map(|(_, suffix)| suffix.to_owned())
}

impl FromStr for Format {
    type Err = FormatError;

    fn from_str(name: &str) -> Result<Self, FormatError> {
        match name {
            "text" => Ok(Format::Text),
            "csv" => Ok(Format::Csv),
            "ndjson" => Ok(Format::NdJson),
            _ => Err(FormatError::UnknownFormat(name.to_owned())),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Text => "text",
            Format::Csv => "csv",
            Format::NdJson => "ndjson",
        })
    }
}

impl FromStr for Delimiter {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        match text.as_bytes() {
            b"tab" | br"\t" => Ok(Delimiter::TAB),
            b"blank" => Ok(Delimiter::BLANK),
            b"\"" => Err(FormatError::Reserved("the double quote")),
            b"\n" | b"\r" => Err(FormatError::Reserved("a line end")),
            &[byte] if byte.is_ascii() => Ok(Delimiter(Between::Byte(byte))),
            _ => Err(FormatError::NotOneCharacter(text.to_owned())),
        }
    }
}

impl fmt::Display for Delimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Between::Byte(b'\t') => f.write_str("tab"),
            Between::Byte(byte) => write!(f, "{}", char::from(byte)),
            Between::Blanks => f.write_str("blank"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_chooses_format_and_delimiter() {
        let table = [
            ("a.csv", Format::Csv, ","),
            ("a.tsv", Format::Csv, "tab"),
            ("a.b.TSV.GZ", Format::Csv, "tab"),
            ("dir.csv/a", Format::Text, ","),
            ("a.json", Format::NdJson, ","),
            ("a.ndjson.gz", Format::NdJson, ","),
            ("a.jsonl", Format::NdJson, ","),
            ("a.md", Format::Text, ","),
            ("a.gz", Format::Text, ","),
            ("csv", Format::Text, ","),
            ("stdin", Format::Text, ","),
        ];
        for (name, format, delimiter) in table {
            assert_eq!(Format::from_name(name), format, "{name}");
            assert_eq!(Delimiter::from_name(name).to_string(), delimiter, "{name}");
        }
    }

    #[test]
    fn names_read_back_as_what_they_print() {
        for format in [Format::Text, Format::Csv, Format::NdJson] {
            assert_eq!(format.to_string().parse(), Ok(format));
        }
        for text in [",", ";", "|", "tab", " ", "blank"] {
            let delimiter: Delimiter = text.parse().unwrap();
            assert_eq!(delimiter.to_string(), text);
        }
        assert_eq!(r"\t".parse(), Ok(Delimiter::TAB));
        assert_eq!("\t".parse(), Ok(Delimiter::TAB));
    }

    #[test]
    fn what_cannot_be_a_format_or_delimiter_is_refused_by_name() {
        let error = "parquet".parse::<Format>().unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no format `parquet`; the formats are text, csv and ndjson"
        );
        for text in ["", ";;", "é", "\"", "\n", "\r"] {
            assert!(text.parse::<Delimiter>().is_err(), "{text:?}");
        }
    }
}

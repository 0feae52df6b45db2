//! One record, its place in the input, and its fields.

use std::borrow::Cow;
use std::sync::Arc;

use csv::StringRecord;

use super::csv_rows::Header;
use super::field::{FieldError, FieldSelector};
use super::json::TopLevel;

/// A record with its place in the input.
///
/// Owned, and made to be filled again and again by [`RecordReader::next`]: its buffers are kept,
/// so reading allocates only while they grow.
///
/// [`RecordReader::next`]: super::RecordReader::next
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub(super) source: Arc<str>,
    pub(super) line: u64,
    pub(super) offset: u64,
    pub(super) text: String,
    pub(super) content: Content,
    /// The columns, if the content is a CSV row. Apart from `content`, like `json`, so that a
    /// record that passes from one format to another keeps its buffers.
    pub(super) row: StringRecord,
    /// The keys, if the content is a JSON line.
    pub(super) json: TopLevel,
}

/// What `text` is.
#[derive(Clone, Debug, Default)]
pub(super) enum Content {
    #[default]
    Text,
    Csv(Arc<Header>),
    Json,
}

impl Record {
    /// An empty record to read into.
    pub fn new() -> Self {
        Record::default()
    }

    /// The name of the source it was read from; empty before the first read. All records of a
    /// source share it.
    pub fn source(&self) -> &Arc<str> {
        &self.source
    }

    /// The physical line on which it starts, from 1. Values with line ends in them, blank lines
    /// and bad records before it are counted as the lines they take in the input.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Bytes before its first byte in the input, after unpacking.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The record as it stands in the input, without its line end: a line of text, a CSV row with
    /// its quotes, a line of JSON.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of a field: a CSV column, or a JSON string, number or boolean; numbers and
    /// booleans in their exact spelling. `None` if it is null, absent or the empty string.
    ///
    /// # Errors
    /// [`FieldError`]: a column that does not exist, a JSON array or object (also one that the
    /// path leads through an array), a field of plain text.
    pub fn field(&self, field: &FieldSelector) -> Result<Option<Cow<'_, str>>, FieldError> {
        let text = match (field.name(), &self.content) {
            (None, _) => self.text(),
            (Some(name), Content::Json) => return self.json.field(&self.text, name),
            (Some(name), Content::Csv(header)) => {
                let column = field.column(name, header)?;
                self.row.get(column).unwrap_or_default()
            }
            (Some(name), Content::Text) => {
                return Err(FieldError::NoFields {
                    field: name.to_owned(),
                });
            }
        };
        Ok(Some(Cow::Borrowed(text)).filter(|text| !text.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Delimiter, Format, Outcome, RecordReader};
    use super::*;

    fn read(format: Format, input: &'static str) -> Record {
        let mut reader =
            RecordReader::new(Box::new(input.as_bytes()), "in", format, Delimiter::COMMA);
        let mut record = Record::new();
        assert_eq!(reader.next(&mut record).unwrap(), Outcome::Record);
        record
    }

    #[test]
    fn the_whole_record_is_its_text_in_every_format() {
        let table = [
            (Format::Text, "a \"line\"\n", "a \"line\""),
            (
                Format::Csv,
                "h,i\n\"x\n\"\"y\"\"\",z\r\n",
                "\"x\n\"\"y\"\"\",z",
            ),
            (Format::NdJson, "\n {\"a\": 1} \n", " {\"a\": 1} "),
        ];
        for (format, input, text) in table {
            let record = read(format, input);
            assert_eq!(record.text(), text);
            let whole = record.field(&FieldSelector::whole()).unwrap();
            assert_eq!(whole.as_deref(), Some(text));
        }
    }

    #[test]
    fn a_csv_column_comes_without_quotes_and_empty_is_none() {
        let record = read(Format::Csv, "h,i,j,h\n\"x\n\"\"y\"\"\",,\"\",second\n");
        let field = |name| record.field(&FieldSelector::named(name));
        assert_eq!(field("h"), Ok(Some("x\n\"y\"".into())));
        assert_eq!(field("i"), Ok(None));
        assert_eq!(field("j"), Ok(None));
        assert!(matches!(field("k"), Err(FieldError::MissingColumn(_))));
    }

    #[test]
    fn text_has_no_fields_and_an_empty_line_is_none() {
        let record = read(Format::Text, "\n");
        assert_eq!(record.field(&FieldSelector::whole()), Ok(None));
        let error = record.field(&FieldSelector::named("a")).unwrap_err();
        assert!(error.to_string().starts_with("plain text has no field `a`"));
    }
}

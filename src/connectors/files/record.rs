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

/// The value of a field, with what it is in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar<'r> {
    /// A JSON string, also an empty one; a CSV column that is not empty; a line of text.
    Text(Cow<'r, str>),
    /// A JSON number in its exact spelling.
    Number(&'r str),
    /// A JSON boolean.
    Bool(bool),
}

impl<'r> Scalar<'r> {
    /// Its text, numbers and booleans in their exact spelling.
    pub fn into_text(self) -> Cow<'r, str> {
        match self {
            Self::Text(text) => text,
            Self::Number(text) => Cow::Borrowed(text),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
        }
    }
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
        let text = self.scalar(field)?.map(Scalar::into_text);
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// The value of a field with what it is in the input: a number apart from a string of digits,
    /// and the empty string apart from nothing. `None` if it is null or absent, or an empty CSV
    /// column.
    ///
    /// # Errors
    /// As for [`Record::field`].
    ///
    /// ```
    /// use squall::connectors::files::{FieldSelector, Format, Record, RecordReader, Scalar};
    ///
    /// let json = br#"{"user":"","age":7,"city":null}"#;
    /// let mut reader = RecordReader::new(
    ///     Box::new(&json[..]), "users.ndjson", Format::NdJson, Default::default(),
    /// );
    /// let mut record = Record::new();
    /// reader.next(&mut record)?;
    /// let scalar = |name| record.scalar(&FieldSelector::named(name));
    /// assert_eq!(scalar("user")?, Some(Scalar::Text("".into())));
    /// assert_eq!(scalar("age")?, Some(Scalar::Number("7")));
    /// assert_eq!(scalar("city")?, None);
    /// assert_eq!(record.names().collect::<Vec<_>>(), ["user", "age", "city"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn scalar(&self, field: &FieldSelector) -> Result<Option<Scalar<'_>>, FieldError> {
        let text = match (field.name(), &self.content) {
            (None, _) => return Ok(Some(Scalar::Text(Cow::Borrowed(self.text())))),
            (Some(name), Content::Json) => return self.json.scalar(&self.text, name),
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
        Ok(Some(Scalar::Text(Cow::Borrowed(text))).filter(|_| !text.is_empty()))
    }

    /// The names of the fields that it has, in its order and as often as they are there: CSV
    /// columns, or the top-level keys of JSON. Plain text has none.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (columns, keys) = match &self.content {
            Content::Text => (None, None),
            Content::Csv(header) => (Some(header.names()), None),
            Content::Json => (None, Some(self.json.keys())),
        };
        let columns = columns.into_iter().flatten();
        columns.chain(keys.into_iter().flatten())
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
    fn what_a_value_is_and_the_names_are_as_in_the_input() {
        let record = read(
            Format::NdJson,
            "{\"a\":\"\",\"b\":null,\"c\":1.0,\"d\":false,\"e\":\"1\",\"c\":[]}\n",
        );
        let scalar = |name| record.scalar(&FieldSelector::named(name));
        assert_eq!(scalar("a"), Ok(Some(Scalar::Text("".into()))));
        assert_eq!(scalar("b"), Ok(None));
        assert_eq!(scalar("d"), Ok(Some(Scalar::Bool(false))));
        assert_eq!(scalar("e"), Ok(Some(Scalar::Text("1".into()))));
        assert_eq!(scalar("x"), Ok(None));
        assert!(matches!(scalar("c"), Err(FieldError::NotScalar { .. })));
        assert!(record.names().eq(["a", "b", "c", "d", "e", "c"]));

        let record = read(Format::Csv, "h,i,h\n1,,2\n");
        let scalar = |name| record.scalar(&FieldSelector::named(name));
        assert_eq!(scalar("h"), Ok(Some(Scalar::Text("1".into()))));
        assert_eq!(scalar("i"), Ok(None));
        assert!(record.names().eq(["h", "i", "h"]));

        let record = read(Format::Text, "\n");
        let whole = record.scalar(&FieldSelector::whole());
        assert_eq!(whole, Ok(Some(Scalar::Text("".into()))));
        assert_eq!(record.names().count(), 0);
    }

    #[test]
    fn text_has_no_fields_and_an_empty_line_is_none() {
        let record = read(Format::Text, "\n");
        assert_eq!(record.field(&FieldSelector::whole()), Ok(None));
        let error = record.field(&FieldSelector::named("a")).unwrap_err();
        assert!(error.to_string().starts_with("plain text has no field `a`"));
    }
}

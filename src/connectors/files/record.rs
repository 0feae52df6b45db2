//! One record, its place in the input, and its fields.

use std::borrow::Cow;
use std::sync::Arc;

use csv::StringRecord;

use super::csv_rows::Header;
use super::damage::Damage;
use super::elements::{self, Path};
use super::field::FieldSelector;
use super::field_error::FieldError;
use super::json::TopLevel;
use super::scalar::Scalar;

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
    /// What of the text is not of the encoding of the input.
    pub(super) damage: Option<Damage>,
    pub(super) content: Content,
    /// The columns, if the content is a CSV row. Apart from `content`, like `json`, so that a
    /// record that passes from one format to another keeps its buffers.
    pub(super) row: StringRecord,
    /// The keys, if the content is a JSON line.
    pub(super) json: TopLevel,
}

/// The values of a field of one record; made by [`Record::fields`].
#[derive(Clone, Debug)]
pub struct Fields<'r>(Values<'r>);

#[derive(Clone, Debug)]
enum Values<'r> {
    One(std::option::IntoIter<Cow<'r, str>>),
    Several(std::vec::IntoIter<Cow<'r, str>>),
}

impl<'r> Iterator for Fields<'r> {
    type Item = Cow<'r, str>;

    #[inline]
    fn next(&mut self) -> Option<Cow<'r, str>> {
        match &mut self.0 {
            Values::One(value) => value.next(),
            Values::Several(values) => values.find(|value| !value.is_empty()),
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
    /// its quotes, a line of JSON. Of CSV and JSON it may hold U+FFFD, or a noncharacter, in the
    /// place of what is not of the encoding of the input; fields never do.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The value of a field: a CSV column, or a JSON string, number or boolean; numbers and
    /// booleans in their exact spelling. `None` if it is null, absent or the empty string.
    ///
    /// # Errors
    /// [`FieldError`]: a column that does not exist, a JSON array or object (also one that the
    /// path leads through an array), a path with `[]`, a field of plain text, a value that is not
    /// of the encoding of the input.
    pub fn field(&self, field: &FieldSelector) -> Result<Option<Cow<'_, str>>, FieldError> {
        let text = self.scalar(field)?.map(Scalar::into_text);
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// The values of a field, in their order: of a [path with `[]`](FieldSelector::each) one for
    /// each element, of any other field as [`Record::field`] gives it. Without those that are null,
    /// absent or the empty string; an array that is absent or null has no elements.
    ///
    /// # Errors
    /// As for [`Record::field`]. Also where a value is not what the path asks for, as a string
    /// where an array is asked for, or an element that is an object: then there is no value.
    ///
    /// ```
    /// use squall::connectors::files::{FieldSelector, Format, Record, RecordReader};
    ///
    /// let json = br#"{"commits":[{"message":"add"},{"message":null},{},{"message":"fix"}]}"#;
    /// let mut reader = RecordReader::new(
    ///     Box::new(&json[..]), "pushes.ndjson", Format::NdJson, Default::default(),
    /// );
    /// let mut record = Record::new();
    /// reader.next(&mut record)?;
    /// let fields = |name| Ok::<Vec<_>, squall::BoxError>(record.fields(&FieldSelector::each(name))?.collect());
    /// assert_eq!(fields("commits[].message")?, ["add", "fix"]);
    /// assert_eq!(fields("tags[]")?.len(), 0);
    /// assert_eq!(
    ///     fields("commits").unwrap_err().to_string(),
    ///     "`commits` is an array: ask for `commits[]` to read each of its elements"
    /// );
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    pub fn fields(&self, field: &FieldSelector) -> Result<Fields<'_>, FieldError> {
        match field.name() {
            Some(name) if field.has_elements() && matches!(self.content, Content::Json) => {
                self.elements(field, name)
            }
            _ => Ok(Fields(Values::One(self.field(field)?.into_iter()))),
        }
    }

    /// As [`Record::fields`], of a line of JSON and a path with `[]`.
    fn elements(&self, field: &FieldSelector, name: &str) -> Result<Fields<'_>, FieldError> {
        if self.json.has_key(&self.text, name) {
            return Ok(Fields(Values::One(self.field(field)?.into_iter())));
        }
        let values = self.json.elements(&self.text, name)?;
        let values: Vec<_> = values.into_iter().map(Scalar::into_text).collect();
        if let Some(damage) = self.damage {
            let mut texts = std::iter::once(name).chain(values.iter().map(|value| &**value));
            if let Some(text) = texts.find(|text| damage.is_in(text)) {
                return Err(damage.of_field(name, text));
            }
        }
        Ok(Fields(Values::Several(values.into_iter())))
    }

    /// Whether it has this field, be it null; as an object of JSON.
    pub(super) fn has(&self, field: &FieldSelector) -> bool {
        let Some(name) = field.name() else {
            return true;
        };
        match field.path() {
            Path::Keys => self.json.has(&self.text, name),
            Path::Elements if field.has_elements() => {
                self.json.has_key(&self.text, name) || self.json.has_elements(&self.text, name)
            }
            Path::Exact | Path::Elements | Path::Wrong(_) => self.json.has_key(&self.text, name),
        }
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
        if self.damage.is_some() {
            self.check_damage(field)?;
        }
        let text = match (field.name(), &self.content) {
            (None, _) => return Ok(Some(Scalar::Text(Cow::Borrowed(self.text())))),
            (Some(name), Content::Json) if field.is_keys() => {
                return self.json.scalar(&self.text, name);
            }
            (Some(name), Content::Json) => return self.json_scalar(field, name),
            (Some(name), Content::Csv(header)) => {
                header.check_name(name)?;
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

    /// Out of line: what is read most has nothing of it.
    #[inline(never)]
    fn json_scalar(
        &self,
        field: &FieldSelector,
        name: &str,
    ) -> Result<Option<Scalar<'_>>, FieldError> {
        if field.path() == Path::Keys {
            let value = self.json.scalar(&self.text, name);
            return match value {
                Err(error) if field.is_each() => Err(elements::instead(error, name)),
                value => value,
            };
        }
        match self.json.exact(&self.text, name) {
            Some(value) => value,
            None => match field.path() {
                Path::Wrong(reason) => Err(FieldError::Path {
                    field: name.to_owned(),
                    reason,
                }),
                Path::Elements => Err(FieldError::Several {
                    field: name.to_owned(),
                }),
                Path::Exact | Path::Keys => Ok(None),
            },
        }
    }

    /// A field, or its name, is not of the encoding.
    fn check_damage(&self, field: &FieldSelector) -> Result<(), FieldError> {
        let Some(damage) = self.damage else {
            return Ok(());
        };
        let (name, value) = match (field.name(), &self.content) {
            (None, _) | (_, Content::Text) => {
                self.whole()?;
                return Ok(());
            }
            (Some(name), Content::Json) => {
                let value = self.json_scalar(field, name)?;
                (name, value.map(Scalar::into_text).unwrap_or_default())
            }
            (Some(name), Content::Csv(header)) => {
                let value = self.row.get(field.column(name, header)?);
                (name, Cow::Borrowed(value.unwrap_or_default()))
            }
        };
        match [name, &value].into_iter().find(|text| damage.is_in(text)) {
            Some(text) => Err(damage.of_field(name, text)),
            None => Ok(()),
        }
    }

    /// All of it is of the encoding of the input, with the names of its columns.
    pub(super) fn whole(&self) -> Result<(), FieldError> {
        if let Some(damage) = self.damage {
            let reason = damage.told("the record", &self.text);
            return Err(FieldError::NotOfEncoding { reason });
        }
        match &self.content {
            Content::Csv(header) => header.whole(),
            Content::Text | Content::Json => Ok(()),
        }
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
    fn only_the_field_that_is_asked_for_must_be_of_the_encoding() {
        let inputs: [(Format, &[u8]); 2] = [
            (Format::Csv, b"a,b,caf\xe9\nx,caf\xe9,1\n"),
            (
                Format::NdJson,
                b"{\"a\":\"x\",\"b\":\"caf\xe9\",\"caf\xe9\":1}\n",
            ),
        ];
        for (format, input) in inputs {
            let read = |encoding: Option<&str>| {
                let reader = RecordReader::new(Box::new(input), "in", format, Delimiter::COMMA);
                let encoding = encoding.and_then(|label| label.parse().ok());
                let mut record = Record::new();
                let outcome = reader.encoding(encoding).next(&mut record);
                assert_eq!(outcome.unwrap(), Outcome::Record);
                record
            };
            let record = read(None);
            let field = |name| record.field(&FieldSelector::named(name));
            assert_eq!(field("a"), Ok(Some("x".into())));
            assert_eq!(
                field("b").unwrap_err().to_string(),
                "`b` is not valid UTF-8 after its first 3 bytes: name the encoding of the input, \
                 such as --encoding latin1"
            );
            for name in record.names().filter(|name| !["a", "b"].contains(name)) {
                let error = field(name).unwrap_err();
                assert!(matches!(error, FieldError::NotOfEncoding { .. }), "{error}");
            }
            assert!(record.field(&FieldSelector::whole()).is_err());
            assert!(record.object().is_err());

            let record = read(Some("latin1"));
            let field = |name| record.field(&FieldSelector::named(name));
            assert_eq!(field("b"), Ok(Some("café".into())));
            assert_eq!(field("café"), Ok(Some("1".into())));
            assert!(record.object().unwrap().unwrap().contains("café"));
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

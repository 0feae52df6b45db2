//! Records that do not come from a file: lines of JSON, and what makes such of others.

use std::borrow::Cow;
use std::sync::Arc;

use super::Record;
use super::field_error::FieldError;
use super::record::Content;

impl Record {
    /// Takes in what was read elsewhere, such as a message of a broker: the record has the fields
    /// of an object of JSON, and is a line of text where `text` is none. `source` is what dead letters name, and
    /// `offset` the place in it, which is [`Record::line`] when counted from 1.
    ///
    /// ```
    /// use squall::connectors::files::{FieldSelector, Record};
    ///
    /// let mut record = Record::new();
    /// record.fill(r#"{"user": {"name": "ann"}}"#, &"topic events, partition 3".into(), 41);
    /// let name = record.field(&FieldSelector::named("user.name"))?;
    /// assert_eq!((name.as_deref(), record.line()), (Some("ann"), 42));
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    pub fn fill(&mut self, text: &str, source: &Arc<str>, offset: u64) {
        if !Arc::ptr_eq(&self.source, source) {
            self.source = Arc::clone(source);
        }
        self.line = offset.saturating_add(1);
        self.offset = offset;
        self.text.clear();
        self.text.push_str(text);
        self.damage = None;
        self.content = match self.json.index(&self.text) {
            Ok(()) => Content::Json,
            Err(_) => Content::Text,
        };
    }

    /// The record as one object of JSON on one line, which has the same fields: a line of JSON as
    /// it stands, and of a CSV row its columns as text, of those with equal names the first, and
    /// those that are empty as null. None of plain text.
    ///
    /// # Errors
    /// [`FieldError::NotOfEncoding`] where a field, or its name, is not of the encoding of the
    /// input: all of them are asked for.
    ///
    /// ```
    /// use squall::connectors::files::{Delimiter, Format, Outcome, Record, RecordReader};
    ///
    /// let csv = "user,said,to\nann,\"a \"\"b\"\"\",\n";
    /// let mut reader =
    ///     RecordReader::new(Box::new(csv.as_bytes()), "chat.csv", Format::Csv, Delimiter::COMMA);
    /// let mut record = Record::new();
    /// assert_eq!(reader.next(&mut record)?, Outcome::Record);
    /// let object = record.object()?;
    /// assert_eq!(object.as_deref(), Some(r#"{"user":"ann","said":"a \"b\"","to":null}"#));
    /// # Ok::<(), squall::BoxError>(())
    /// ```
    pub fn object(&self) -> Result<Option<Cow<'_, str>>, FieldError> {
        self.whole()?;
        let header = match &self.content {
            Content::Json => return Ok(Some(Cow::Borrowed(self.text.trim_ascii()))),
            Content::Text => return Ok(None),
            Content::Csv(header) => header,
        };
        let mut object = String::with_capacity(self.text.len() * 2);
        for (column, (name, value)) in header.names().zip(&self.row).enumerate() {
            if header.position(name) != Some(column) {
                continue;
            }
            object.push(if column == 0 { '{' } else { ',' });
            push_text(name, &mut object);
            object.push(':');
            match value {
                "" => object.push_str("null"),
                value => push_text(value, &mut object),
            }
        }
        object.push('}');
        Ok(Some(Cow::Owned(object)))
    }
}

/// Appends a string of JSON.
fn push_text(text: &str, into: &mut String) {
    into.push('"');
    for c in text.chars() {
        match c {
            '"' => into.push_str("\\\""),
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '\r' => into.push_str("\\r"),
            '\t' => into.push_str("\\t"),
            c if c < ' ' => into.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => into.push(c),
        }
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Delimiter, FieldSelector, Format, Outcome, RecordReader};
    use super::*;

    #[test]
    fn a_row_as_an_object_has_the_same_fields() {
        let csv = "a,b,a\n\"x\n\",,second\n".as_bytes();
        let mut reader = RecordReader::new(Box::new(csv), "in", Format::Csv, Delimiter::COMMA);
        let mut row = Record::new();
        assert_eq!(reader.next(&mut row).unwrap(), Outcome::Record);
        let mut kept = Record::new();
        kept.fill(&row.object().unwrap().unwrap(), &"kept".into(), 41);
        assert_eq!(
            (kept.source().as_ref(), kept.line(), kept.offset()),
            ("kept", 42, 41)
        );
        for name in ["a", "b"] {
            let field = FieldSelector::named(name);
            assert_eq!(kept.scalar(&field), row.scalar(&field), "{name}");
        }
        let object = kept.object().unwrap();
        assert_eq!(object.as_deref(), Some(r#"{"a":"x\n","b":null}"#));
        kept.fill("no object", &"kept".into(), 0);
        assert_eq!((kept.text(), kept.object()), ("no object", Ok(None)));
    }

    proptest! {
        #[test]
        fn text_of_json_is_read_back(text: String) {
            let mut json = String::new();
            push_text(&text, &mut json);
            prop_assert!(!json.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}

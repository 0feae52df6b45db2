//! Texts made of the fields of a tuple: `page:{url}`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde_json::value::RawValue;

use crate::{Error, TemplateError};

/// A text with the fields of a tuple in it, such as `page:{url}`; `{{` and `}}` are braces.
///
/// Fields are named as in the tuple's struct. A text stands for itself; everything else stands for
/// its JSON: `7`, `true`, `["a",1]`.
///
/// ```
/// use squall_redis::Template;
///
/// let template: Template = "page:{url}".parse()?;
/// assert_eq!(template.fields().collect::<Vec<_>>(), ["url"]);
/// let error = "page:{url".parse::<Template>().unwrap_err();
/// assert!(error.to_string().contains("character 6"), "{error}");
/// # Ok::<(), squall_redis::TemplateError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
}

const NOT_CLOSED: &str = "this `{` is not closed; a field is `{name}`, and a brace is `{{`";
const NOT_OPENED: &str = "this `}` closes nothing; a brace is `}}`";
const NO_NAME: &str = "there is no name in these braces; a field is `{name}`, and a brace is `{{`";
const NESTED: &str = "there is a `{` within a name; a field is `{name}`, and a brace is `{{`";

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(template: &str) -> Result<Self, TemplateError> {
        let wrong = |place: usize, reason| TemplateError {
            template: template.to_owned(),
            place: place + 1,
            reason,
        };
        let (mut parts, mut text) = (Vec::new(), String::new());
        let mut rest = template.chars().enumerate().peekable();
        while let Some((place, found)) = rest.next() {
            let doubled = rest.next_if(|(_, next)| matches!(found, '{' | '}') && *next == found);
            match found {
                '{' if doubled.is_none() => {
                    let mut name = String::new();
                    loop {
                        match rest.next() {
                            None => return Err(wrong(place, NOT_CLOSED)),
                            Some((_, '}')) => break,
                            Some((place, '{')) => return Err(wrong(place, NESTED)),
                            Some((_, letter)) => name.push(letter),
                        }
                    }
                    if name.is_empty() {
                        return Err(wrong(place, NO_NAME));
                    }
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    parts.push(Part::Field(name));
                }
                '}' if doubled.is_none() => return Err(wrong(place, NOT_OPENED)),
                letter => text.push(letter),
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for Template {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.0 {
            match part {
                Part::Text(text) => {
                    f.write_str(&text.replace('{', "{{").replace('}', "}}"))?;
                }
                Part::Field(name) => write!(f, "{{{name}}}")?,
            }
        }
        Ok(())
    }
}

impl Template {
    /// The names of its fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Field(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// Refuses names that the tuple does not have. Nothing is known of a tuple without named fields.
    pub(crate) fn check(&self, fields: &[&str]) -> Result<(), Error> {
        let unknown = self.fields().find(|name| !fields.contains(name));
        match unknown.filter(|_| !fields.is_empty()) {
            Some(field) => Err(self.has_no(field, &fields.join(", "))),
            None => Ok(()),
        }
    }

    fn has_no(&self, field: &str, fields: &str) -> Error {
        Error::Field {
            template: self.to_string(),
            field: field.to_owned(),
            fields: fields.to_owned(),
        }
    }

    /// The text for the fields of a tuple. In a key null is refused: it would be the key of `"null"`.
    pub(crate) fn fill(&self, fields: &Fields<'_>, is_key: bool) -> Result<String, Error> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled += text,
                Part::Field(name) => match fields.0.get(name.as_str()) {
                    None => {
                        let names: Vec<&str> = fields.0.keys().map(String::as_str).collect();
                        return Err(self.has_no(name, &names.join(", ")));
                    }
                    Some(value) if is_key && value.get() == "null" => {
                        return Err(Error::NullInKey {
                            template: self.to_string(),
                            field: name.clone(),
                        });
                    }
                    Some(value) => filled += &plain(value.get())?,
                },
            }
        }
        Ok(filled)
    }
}

/// The fields of a tuple as JSON.
pub(crate) struct Fields<'json>(BTreeMap<String, &'json RawValue>);

impl<'json> Fields<'json> {
    pub(crate) fn of(json: &'json [u8]) -> Result<Self, Error> {
        let fields = serde_json::from_slice(json);
        fields.map(Self).map_err(|_| Error::NoFields {
            json: String::from_utf8_lossy(json).chars().take(80).collect(),
        })
    }
}

/// A text without its quotes; everything else as its JSON.
pub(crate) fn plain(json: &str) -> Result<Cow<'_, str>, Error> {
    if json.starts_with('"') {
        Ok(Cow::Owned(serde_json::from_str(json).map_err(Error::Json)?))
    } else {
        Ok(Cow::Borrowed(json))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filled(template: &str, json: &str) -> Result<String, Error> {
        let template: Template = template.parse().unwrap();
        template.fill(&Fields::of(json.as_bytes())?, true)
    }

    #[test]
    fn texts_stand_for_themselves_and_all_else_for_its_json() {
        let json = r#"{"url":"/a \"b\" {c}","count":18446744073709551615,"tags":["x",1],"f":1.5}"#;
        let table = [
            ("page:{url}", r#"page:/a "b" {c}"#),
            ("{count}", "18446744073709551615"),
            ("{{{count}}}", "{18446744073709551615}"),
            ("{tags}{f}", r#"["x",1]1.5"#),
            ("plain", "plain"),
            ("", ""),
        ];
        for (template, text) in table {
            assert_eq!(filled(template, json).unwrap(), text, "{template}");
        }
    }

    #[test]
    fn a_template_that_is_written_wrongly_is_told_with_the_place() {
        let table = [
            ("page:{url", 6, NOT_CLOSED),
            ("a}b", 2, NOT_OPENED),
            ("ä{}", 2, NO_NAME),
            ("{a{b}", 3, NESTED),
            ("{{}", 3, NOT_OPENED),
        ];
        for (template, place, reason) in table {
            let error = template.parse::<Template>().unwrap_err();
            assert_eq!((error.place, error.reason), (place, reason), "{template}");
            assert!(error.to_string().contains(template), "{error}");
        }
    }

    #[test]
    fn a_field_that_is_missing_is_told_with_those_there_are() {
        let template: Template = "{user}".parse().unwrap();
        let error = template.check(&["url", "count"]).unwrap_err().to_string();
        assert!(
            error.contains("`user`") && error.contains("url, count"),
            "{error}"
        );
        assert!(template.check(&[]).is_ok(), "nothing is known of it");
        let error = filled("{user}", r#"{"url":1}"#).unwrap_err().to_string();
        assert!(error.contains("`user`") && error.contains("url"), "{error}");
        assert!(filled("{user}", r#"{"user":null}"#).is_err());
        assert!(filled("{user}", "7").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_from_its_template(text in "[a{}ä\"\\\\:]{0,12}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            let template: Template = escaped.parse().unwrap();
            prop_assert_eq!(template.fields().count(), 0);
            prop_assert_eq!(template.fill(&Fields(BTreeMap::new()), true).unwrap(), text);
        }

        #[test]
        fn a_template_is_read_back_as_it_is_written(
            parts in prop::collection::vec(("[a{}ä:]{1,6}", "[a-z_]{1,4}"), 0..5),
        ) {
            let parts = parts.into_iter().flat_map(|(text, field)| [Part::Text(text), Part::Field(field)]);
            let template = Template(parts.collect());
            prop_assert_eq!(template.to_string().parse::<Template>().unwrap(), template);
        }

        #[test]
        fn a_field_stands_for_its_text_whatever_it_holds(text in ".{0,20}") {
            let json = serde_json::json!({ "field": text }).to_string();
            prop_assert_eq!(filled("a{field}b", &json).unwrap(), format!("a{text}b"));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,20}") {
            if let Ok(template) = text.parse::<Template>() {
                prop_assert_eq!(template.to_string(), text);
            }
        }
    }
}

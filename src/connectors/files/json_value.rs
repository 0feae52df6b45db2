//! One value in the text of a JSON line: what it is, and a member of it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::field_error::FieldError;
use super::scalar::Scalar;

/// A value that is not an array or an object; `None` for null.
pub(super) fn scalar<'a>(raw: &'a str, path: &str) -> Result<Option<Scalar<'a>>, FieldError> {
    Ok(Some(match raw.as_bytes() {
        [b'n', ..] => return Ok(None),
        [b'[', ..] => return Err(not_scalar(path, "an array")),
        [b'{', ..] => return Err(not_scalar(path, "an object")),
        [b'"', inner @ .., b'"'] if !inner.contains(&b'\\') => {
            Scalar::Text(Cow::Borrowed(&raw[1..raw.len() - 1]))
        }
        [b'"', ..] => {
            let text = serde_json::from_str(raw).map_err(|why| unreadable(path, &why))?;
            Scalar::Text(Cow::Owned(text))
        }
        [b't', ..] => Scalar::Bool(true),
        [b'f', ..] => Scalar::Bool(false),
        _ => Scalar::Number(raw),
    }))
}

pub(super) fn not_scalar(path: &str, kind: &'static str) -> FieldError {
    FieldError::NotScalar {
        field: path.to_owned(),
        kind,
    }
}

pub(super) fn unreadable(path: &str, why: &serde_json::Error) -> FieldError {
    FieldError::Unreadable {
        field: path.to_owned(),
        reason: why.to_string(),
    }
}

/// The value of `key` in the text of an object.
pub(super) fn member<'a>(object: &'a str, key: &str) -> serde_json::Result<Option<&'a str>> {
    serde_json::Deserializer::from_str(object).deserialize_map(Find { key })
}

struct Find<'k> {
    key: &'k str,
}

impl<'de> Visitor<'de> for Find<'_> {
    type Value = Option<&'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(same) = map.next_key_seed(Same(self.key))? {
            let raw = map.next_value::<&'de RawValue>()?;
            if same {
                found = Some(raw.get());
            }
        }
        Ok(found)
    }
}

/// Compares a key, without a `String` of its own.
struct Same<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Same<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<bool, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Same<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
}

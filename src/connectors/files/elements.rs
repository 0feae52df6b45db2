//! `[]` in the name of a field: each element of an array.

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::field_error::FieldError;
use super::json_value::{member, not_scalar, scalar, unreadable};
use super::scalar::Scalar;

/// What stands behind the name of an array.
const EACH: &str = "[]";

/// What the name of a field is in JSON, where no key has it as its full name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Path {
    /// Nothing: only the full name counts.
    Exact,
    /// Keys with dots between them.
    #[default]
    Keys,
    /// The same with `[]` behind the names of arrays.
    Elements,
    /// It has brackets that mean nothing, for this reason.
    Wrong(&'static str),
}

impl Path {
    /// Brackets with other text in them, as in `speed [km/h]`, belong to the name.
    pub(super) fn of(name: &str) -> Self {
        const ALONE: Path = Path::Wrong("a bracket has no other half");
        let (mut path, mut at) = (Self::Keys, 0);
        while let Some(bracket) = name[at..].find(['[', ']']) {
            let (before, rest) = name.split_at(at + bracket);
            let inside = rest.strip_prefix('[');
            let Some((inside, behind)) = inside.and_then(|inside| inside.split_once(']')) else {
                return ALONE;
            };
            if inside.contains('[') {
                return ALONE;
            }
            if inside.is_empty() {
                if before.is_empty() || before.ends_with('.') {
                    return Self::Wrong("`[]` needs the name of an array before it");
                }
                let goes_on = match behind.strip_prefix('.') {
                    Some(key) => !key.is_empty() && !key.starts_with('.'),
                    None => behind.is_empty() || behind.starts_with('['),
                };
                if !goes_on {
                    return Self::Wrong(
                        "after `[]` the path ends, or goes on with a dot and a key",
                    );
                }
                path = Self::Elements;
            } else if inside.bytes().all(|byte| b"0123456789-:*".contains(&byte)) {
                return Self::Wrong(
                    "`[]` stands for each element; there is no path to a single element",
                );
            }
            at = name.len() - behind.len();
        }
        path
    }
}

/// The place of the first `[]`, before which a name is as any other.
pub(super) fn head(path: &str) -> usize {
    path.find(EACH).unwrap_or(path.len())
}

/// Puts into `found` what is at `path` behind its first `at` bytes, which have led to `raw`. Null
/// and absent values are passed over.
pub(super) fn collect<'a>(
    raw: &'a str,
    path: &str,
    at: usize,
    found: &mut Vec<Scalar<'a>>,
) -> Result<(), FieldError> {
    let rest = &path[at..];
    match (raw.as_bytes().first(), rest.strip_prefix('.')) {
        (Some(b'n'), _) => Ok(()),
        (Some(b'['), _) if rest.starts_with(EACH) => {
            let each = |element| collect(element, path, at + EACH.len(), found);
            each_element(raw, each).map_err(|why| unreadable(path, &why))?
        }
        (Some(b'['), _) => Err(array(path, at)),
        (Some(b'{'), Some(keys)) => {
            let key = key(keys);
            match member(raw, key).map_err(|why| unreadable(path, &why))? {
                Some(value) => collect(value, path, at + 1 + key.len(), found),
                None => Ok(()),
            }
        }
        _ if rest.is_empty() => {
            found.extend(scalar(raw, path)?);
            Ok(())
        }
        (_, key) => Err(FieldError::Unfit {
            field: path[..at].to_owned(),
            kind: kind(raw),
            needed: if key.is_some() {
                "an object"
            } else {
                "an array"
            },
        }),
    }
}

/// Whether there is something at `path`: null, an array without elements, or what is an error.
pub(super) fn leads(raw: &str, path: &str, at: usize) -> bool {
    let rest = &path[at..];
    match (raw.as_bytes().first(), rest.strip_prefix('.')) {
        _ if rest.is_empty() => true,
        (Some(b'n'), _) => false,
        (Some(b'['), _) if rest.starts_with(EACH) => {
            let mut leads_on = rest == EACH;
            let each = |element| {
                leads_on = leads_on || leads(element, path, at + EACH.len());
                Ok(())
            };
            each_element(raw, each).is_err() || leads_on
        }
        (Some(b'{'), Some(keys)) => {
            let key = key(keys);
            match member(raw, key) {
                Ok(Some(value)) => leads(value, path, at + 1 + key.len()),
                Ok(None) => false,
                Err(_) => true,
            }
        }
        _ => true,
    }
}

/// The first of these keys.
fn key(keys: &str) -> &str {
    let end = keys.find('.').unwrap_or(keys.len()).min(head(keys));
    &keys[..end]
}

/// There is an array where none was asked for.
pub(super) fn array(path: &str, at: usize) -> FieldError {
    let (field, rest) = path.split_at(at);
    FieldError::Array {
        field: field.to_owned(),
        instead: format!("{field}{EACH}{rest}"),
    }
}

/// What a value is, for people.
fn kind(raw: &str) -> &'static str {
    match raw.as_bytes() {
        [b'{', ..] => "an object",
        [b'"', ..] => "a string",
        [b't' | b'f', ..] => "a boolean",
        _ => "a number",
    }
}

/// Calls `each` with the elements of the text of an array, up to its first error.
pub(super) fn each_element<'a>(
    array: &'a str,
    each: impl FnMut(&'a str) -> Result<(), FieldError>,
) -> serde_json::Result<Result<(), FieldError>> {
    serde_json::Deserializer::from_str(array).deserialize_seq(Each(each))
}

struct Each<F>(F);

impl<'de, F> Visitor<'de> for Each<F>
where
    F: FnMut(&'de str) -> Result<(), FieldError>,
{
    type Value = Result<(), FieldError>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut result = Ok(());
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            if result.is_ok() {
                result = (self.0)(raw.get());
            }
        }
        Ok(result)
    }
}

/// An error of a path without `[]` that has met an array, with what to ask for instead.
pub(super) fn instead(error: FieldError, path: &str) -> FieldError {
    match error {
        FieldError::NotScalar { field, kind } => {
            if path.starts_with(&field) && kind == "an array" {
                array(path, field.len())
            } else {
                not_scalar(&field, kind)
            }
        }
        error => error,
    }
}

#[cfg(test)]
mod tests;
